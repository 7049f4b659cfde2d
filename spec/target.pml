/* The target databases: a branch for each attempt and number, the sessions that own them, and what can be proven
 * of them. The contract is targets/target.py. A branch's life: absent, registered (in the ledger; no transaction
 * yet), open, marked (the marker is written inside), sent (PREPARE or a one-phase COMMIT is on its way and may land
 * after its client is dead), prepared, and in the end done (its marker can be read) or gone. */

mtype = { absent, registered, open, marked, sent, prepared, done, gone };

mtype tx[ATTEMPTS * BRANCHES] = absent;
bool alive[ATTEMPTS * BRANCHES];     /* the session that owns the branch */
bool tombstone[ATTEMPTS * BRANCHES]; /* only a one-phase branch ever gets one */
bool dead[ATTEMPTS + 1];             /* the attempt's worker was killed */

#define MARKED(a, b) (tx[X(a, b)] == done)
#ifdef SAME_NAME /* the attempt is no part of the name: whoever is prepared under it is meant */
#define LISTED(a, b) (tx[X(1, b)] == prepared || tx[X(2, b)] == prepared)
#else
#define LISTED(a, b) (tx[X(a, b)] == prepared)
#endif

/* The guarded UPDATE of the task's row, and the branch's row with it: branches.register. */
inline register(a, b, ok) {
    d_step {
#ifdef REGISTER_UNGUARDED
        ok = true;
#else
        ok = (state == running && attempt == a);
#endif
        if :: ok -> tx[X(a, b)] = registered; alive[X(a, b)] = true :: else fi
    }
}

inline start(a, b, ok) {
    d_step { ok = (alive[X(a, b)] && tx[X(a, b)] == registered); if :: ok -> tx[X(a, b)] = open :: else fi }
}

/* The same key as a tombstone's: an insert that finds one fails, and with it the transaction. */
inline write_marker(a, b, ok) {
    d_step {
        ok = (alive[X(a, b)] && tx[X(a, b)] == open && !tombstone[X(a, b)]);
        if :: ok -> tx[X(a, b)] = marked :: else fi
    }
}

inline send(a, b, ok) {
    d_step { ok = (alive[X(a, b)] && tx[X(a, b)] == marked); if :: ok -> tx[X(a, b)] = sent :: else fi }
}

/* Second phase by the session that prepared. */
inline commit_own(a, b, ok) {
    d_step {
        ok = (alive[X(a, b)] && tx[X(a, b)] == prepared);
        if :: ok -> tx[X(a, b)] = done; assert(decided[a]) :: else fi
    }
}

inline rollback_own(a, b) {
    d_step {
        if
        :: alive[X(a, b)] && tx[X(a, b)] != absent && tx[X(a, b)] != sent && tx[X(a, b)] != done -> tx[X(a, b)] = gone
        :: else
        fi
    }
}

/* The session is proven gone: what was on its way has arrived, or never will. */
inline end_session(a, b) {
#ifndef NO_END_SESSION
    if
    :: tx[X(a, b)] != sent && !CREATING(a) ->
        FORGET_CREATE(a);
        alive[X(a, b)] = false;
        if
        :: tx[X(a, b)] == registered || tx[X(a, b)] == open || tx[X(a, b)] == marked -> tx[X(a, b)] = gone
        :: else
        fi
#ifdef CLOSE_UNPROVEN
    :: tx[X(a, b)] == sent && !alive[X(a, b)] /* its owner says that it is ended */
#endif
    fi
#else
    skip
#endif
}

/* Branch.close, by the owner: it returns when the session is gone. */
inline close_own(a, b) {
#ifdef CLOSE_UNPROVEN
    if :: tx[X(a, b)] == sent -> alive[X(a, b)] = false :: else -> end_session(a, b) fi
#else
    end_session(a, b)
#endif
}

/* From another session: refused while the owner's is there (XAER_NOTA), and the answer may be an error anyway. */
inline commit_prepared(a, b) {
    atomic {
        if
        :: tx[X(a, b)] == prepared && !alive[X(a, b)] -> tx[X(a, b)] = done; assert(decided[a])
        :: skip
        fi
    }
}

inline rollback_prepared(a, b) {
    d_step {
#ifdef SAME_NAME
        if :: tx[X(1, b)] == prepared -> tx[X(1, b)] = gone :: else fi;
        if :: tx[X(2, b)] == prepared -> tx[X(2, b)] = gone :: else fi
#else
        if :: tx[X(a, b)] == prepared && !alive[X(a, b)] -> tx[X(a, b)] = gone :: else fi
#endif
    }
}

/* Waits for whoever holds the marker's key to commit or die; then one of the two rows stands there. */
inline insert_tombstone(a, b, committed_after_all) {
#ifdef NO_TOMBSTONE
    committed_after_all = false; /* the marker was read a moment ago and was not there */
#else
    if
    :: tx[X(a, b)] == done -> committed_after_all = true
    :: tx[X(a, b)] != marked && tx[X(a, b)] != sent && tx[X(a, b)] != done ->
#ifdef NO_KIND
        committed_after_all = tombstone[X(a, b)]; /* a duplicate key, so it committed? */
#endif
        tombstone[X(a, b)] = true
    fi
#endif
}

#ifdef ERROR_MEANS_DONE
#define SEEN_DONE(a, b) true
#else
#define SEEN_DONE(a, b) MARKED(a, b)
#endif

/* Which branch the worker commits first, and whether another follows. */
#ifdef TWO_PHASE_FIRST
#define FIRST_TO_COMMIT (BRANCHES - 1)
#define NEXT_TO_COMMIT(b) (b > 0) -> b--
#else
#define FIRST_TO_COMMIT 0
#define NEXT_TO_COMMIT(b) (b < BRANCHES - 1) -> b++
#endif

/* Mutant: the error of a one-phase commit is believed. */
inline turn_back_on_error(a) {
#ifdef ERROR_DECIDES
    turn_back(a, ok)
#else
    skip
#endif
}

#define TO_SWEEP(a, b) (tx[X(a, b)] == prepared && (a < attempt || TAKEN_BACK))

#ifdef SWEEP_HELD
#define TAKEN_BACK (state == queued || state == stopped || state == failed || state == checked || state == held)
#else
#define TAKEN_BACK (state == queued || state == stopped || state == failed || state == checked)
#endif

/* What the databases do by themselves: answer what was sent, and notice that a client has died. */
#define SERVER(a, b) \
    :: atomic { tx[X(a, b)] == sent -> \
           if \
           :: IS_ONE_PHASE(b) -> tx[X(a, b)] = done; assert(decided[a]) \
           :: !IS_ONE_PHASE(b) -> tx[X(a, b)] = prepared \
           :: tx[X(a, b)] = gone \
           fi } \
    :: atomic { alive[X(a, b)] && dead[a] && tx[X(a, b)] != sent && !CREATING(a) -> \
           alive[X(a, b)] = false; \
           if :: tx[X(a, b)] != prepared && tx[X(a, b)] != done -> tx[X(a, b)] = gone :: else fi }

active proctype Databases() {
end:
    do
    TABLE_SERVER
    SERVER(1, 0)
    SERVER(2, 0)
#if BRANCHES > 1
    SERVER(1, 1)
    SERVER(2, 1)
#endif
    od
}
