/* The ledger's row of the task and the guarded UPDATEs of ledger/transitions.py: each is one step, and answers. */

/* `held` is the ledger's `prepared`: that word is a branch's here. */
mtype = { queued, running, held, committing, aborting, committed, checked, stopped, failed, hazard };

mtype state = queued;
byte attempt = 0; /* the fencing token */
bool stop_requested = false;
bool expired = false; /* the hold's time is over, by the ledger's clock */
bool passed = false;  /* a dry run's attempt went through to its end */

bool stop_accepted = false; /* what the client was told; only the properties read it */
bool decided[ATTEMPTS + 1]; /* which attempts the ledger ever decided; only the properties read it */

inline claim(a) {
    atomic { state == queued && !stop_requested && attempt == a - 1 -> attempt = a; state = running }
}

#ifdef NO_ATTEMPT_IN_DECISION
#define MAY_DECIDE(a) (state == running && !stop_requested)
#elif defined(NO_STOP_IN_DECISION)
#define MAY_DECIDE(a) (state == running && attempt == a)
#else
#define MAY_DECIDE(a) (state == running && attempt == a && !stop_requested)
#endif

inline decide(a, ok) {
    d_step { ok = MAY_DECIDE(a); if :: ok -> state = committing; decided[a] = true :: else fi }
}

inline finish(a) {
    d_step { if :: state == committing && attempt == a -> state = committed; FORGET_RECORD(a) :: else fi }
}

#ifdef NO_ATTEMPT_IN_HOLD
#define MAY_HOLD(a) (state == running && !stop_requested)
#elif defined(NO_STOP_IN_HOLD)
#define MAY_HOLD(a) (state == running && attempt == a)
#else
#define MAY_HOLD(a) (state == running && attempt == a && !stop_requested)
#endif

/* Nobody is invited to commit what was stopped: the assertion holds the invitation to that, and I7 the commit. */
inline hold(a, ok) {
    d_step { ok = MAY_HOLD(a); if :: ok -> assert(!stop_accepted); state = held :: else fi }
}

#ifdef NO_STOP_IN_COMMIT_REQUEST
#define MAY_COMMIT (state == held && !expired)
#elif defined(NO_EXPIRY_IN_COMMIT_REQUEST)
#define MAY_COMMIT (state == held && !stop_requested)
#else
#define MAY_COMMIT (state == held && !stop_requested && !expired)
#endif

/* The decision of a held task, by a request; a recoverer carries it out. */
inline request_commit() {
    d_step { if :: MAY_COMMIT -> state = committing; decided[attempt] = true :: else fi }
}

/* `prepared` to `aborting`: stopped, or expired */
inline end_hold(a, ok) {
    d_step {
#ifdef NO_STATE_IN_RELEASE
        ok = (attempt == a);
#else
        ok = (state == held && attempt == a);
#endif
        if :: ok -> state = aborting :: else fi
    }
}

#ifdef NO_STATE_IN_HAZARD_OF_HELD
#define MAY_BE_HAZARD(a) (attempt == a && (state == held || state == committing || state == aborting))
#else
#define MAY_BE_HAZARD(a) (attempt == a && state == held)
#endif

/* A look at a held task found a marker. It was before the decision only if the task is held still. */
inline mark_held_hazard(a) {
    d_step { if :: MAY_BE_HAZARD(a) -> state = hazard :: else fi }
}

/* A dry run's last mark: what `begin_abort` does, and the fact that it passed, in one UPDATE. */
inline pass(a, ok) {
    d_step {
        ok = (state == running && attempt == a);
        if
        :: ok -> passed = true;
#ifdef CHECKED_UNPROVEN
            state = checked
#else
            state = aborting
#endif
        :: else
        fi
    }
}

#ifdef CHECKED_UNSEEN
#define PASSED true
#else
#define PASSED passed
#endif

inline begin_abort(a, ok) {
    d_step { ok = (state == running && attempt == a); if :: ok -> state = aborting :: else fi }
}

/* `committing` to `aborting`, after a tombstone */
inline turn_back(a, ok) {
    d_step {
#ifdef NO_ATTEMPT_IN_TURN_BACK
        ok = (state == committing);
#else
        ok = (state == committing && attempt == a);
#endif
        if :: ok -> state = aborting :: else fi
    }
}

/* A stop wins; a final error, an expired hold or no attempts left ends the task; everything else is tried again. */
inline end_abort(a) {
    atomic {
        if
        :: state == aborting && attempt == a ->
            FORGET_ATTEMPT(a);
            if
            :: stop_requested -> state = stopped
#ifdef DRY_RUN
            :: !stop_requested && PASSED -> state = checked
#endif
            :: !stop_requested && !passed -> state = failed
            :: !stop_requested && !passed && !expired && attempt < ATTEMPTS -> state = queued
            fi
        :: else
        fi
    }
}

inline mark_hazard(a) {
    d_step {
        if
        :: attempt == a && (state == running || state == committing || state == aborting) -> state = hazard
        :: else
        fi
    }
}

inline request_stop() {
    d_step {
        if
        :: state == queued && attempt == 0 -> stop_requested = true; stop_accepted = true; state = stopped
        :: state == queued && attempt > 0 -> stop_requested = true; stop_accepted = true; state = aborting
        :: state == running || state == held || state == aborting -> stop_requested = true; stop_accepted = true
        :: else /* too late, or finished */
        fi
    }
}
