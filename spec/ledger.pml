/* The ledger's row of the task and the guarded UPDATEs of ledger/tasks.py: each is one step, and answers. */

mtype = { queued, running, committing, aborting, committed, stopped, failed, hazard };

mtype state = queued;
byte attempt = 0; /* the fencing token */
bool stop_requested = false;

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
    d_step { if :: state == committing && attempt == a -> state = committed :: else fi }
}

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

/* A stop wins; a final error or no attempts left ends the task; everything else is tried again. */
inline end_abort(a) {
    atomic {
        if
        :: state == aborting && attempt == a ->
            if
            :: stop_requested -> state = stopped
            :: !stop_requested -> state = failed
            :: !stop_requested && attempt < ATTEMPTS -> state = queued
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
        :: state == queued -> stop_requested = true; stop_accepted = true; state = stopped
        :: state == running || state == aborting -> stop_requested = true; stop_accepted = true
        :: else /* too late, or finished */
        fi
    }
}
