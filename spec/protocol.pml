/* The commit protocol of Rescind: one task, its attempts, its branches, and everything that can go wrong.
 *
 * What is checked, what is left out, and which code each part stands for: README.md.
 * Parameters: ONE_PHASE (0 or 1) and TWO_PHASE branches, RECOVERERS; HOLD (the commit waits for a request), DRY_RUN,
 * MAKES_TABLE (by DDL that commits by itself). Mutants: -D and a name in capitals that stands in an #ifdef; each takes
 * one rule away. */

#define ATTEMPTS 2
#define BRANCHES (ONE_PHASE + TWO_PHASE)
#define X(a, b) (((a) - 1) * BRANCHES + (b)) /* a branch's name: attempt and number */
#define IS_ONE_PHASE(b) ((b) < ONE_PHASE) /* the one-phase branch comes first, as in Recovery.commit */

#include "table.pml"
#include "ledger.pml"
#include "target.pml"

/* One step of a process, which may be killed before it. `action` may end in a jump. */
#define STEP(action) atomic { if :: skip :: goto killed fi; action }

/* ------------------------------------------------------------------ coordinator.py and work.py: one attempt
 * It ends when its branches are closed. What a worker does after that is Recovery's code, and is played by one of
 * the recoverers: they may start on it at any moment. */

/* One step before the decision: an error, a stop that was noticed or a signal to leave may come before it, and it
 * may fail. */
#define WORK(action) \
    atomic { \
        if :: skip :: goto take_back :: goto killed fi; \
        action; if :: ok -> ok = false :: else -> goto take_back fi \
    }

#define NEXT_BRANCH(first, loop) b++; if :: b < BRANCHES -> goto loop :: else -> b = first fi

proctype Worker(byte a) {
    byte b = 0;
    bool ok = false;

end:
    claim(a);

begin: /* Work.branch: register, then start */
    WORK(register(a, b, ok));
#ifdef MAKES_TABLE
    MAKE_TABLE
#endif
    atomic { WORK(start(a, b, ok)); NEXT_BRANCH(0, begin) }
#ifdef MAKES_TABLE
    if :: WORK(write_rows(a, ok)) :: skip /* there are none */ fi;
#endif

mark: /* Work.mark */
    atomic { WORK(write_marker(a, b, ok)); NEXT_BRANCH(ONE_PHASE, mark) }

#if defined(DRY_RUN) && !defined(DRY_RUN_DECIDES)
    b = 0;
    STEP(pass(a, ok); if :: ok -> goto roll_back :: goto take_back fi); /* refused, or no answer */
#endif

prepare: /* Work.prepare: prepared is what is listed */
#if TWO_PHASE > 0
    WORK(send(a, b, ok));
    atomic {
        if
        :: LISTED(a, b)
        :: !LISTED(a, b) -> goto take_back /* or no answer */
#ifdef PREPARE_UNSEEN
        :: tx[X(a, b)] != sent
#endif
        fi;
        NEXT_BRANCH(0, prepare)
    }
#endif

#ifdef HOLD
hold_close: /* nobody is there to close the sessions later */
    atomic { STEP(close_own(a, b)); NEXT_BRANCH(0, hold_close) }
    STEP(hold(a, ok); if :: skip :: goto no_answer fi);
    atomic { if :: ok -> goto left :: else -> goto take_back fi }
#endif

    STEP(decide(a, ok); if :: skip :: goto no_answer fi);
    atomic { if :: ok -> ok = false; b = FIRST_TO_COMMIT :: else -> goto take_back fi }

carry_out: /* Work.commit: any error ends it; the markers will tell */
    if
    :: atomic { IS_ONE_PHASE(b) -> STEP(send(a, b, ok)) };
        atomic {
            if
            :: tx[X(a, b)] == done
            :: tx[X(a, b)] != done -> turn_back_on_error(a); goto close /* refused, or no answer */
            fi
        }
    :: atomic { !IS_ONE_PHASE(b) -> STEP(commit_own(a, b, ok); if :: ok :: else -> goto close fi) }
    fi;
    atomic { ok = false; if :: NEXT_TO_COMMIT(b) -> goto carry_out :: else -> goto close fi };

no_answer: /* Coordinator._decide: ask the ledger until it answers */
#ifdef ROLLBACK_ON_NO_ANSWER
    goto roll_back;
#endif
    STEP(
        ok = false;
        if
        :: attempt == a && (state == committing || state == committed) -> b = FIRST_TO_COMMIT; goto carry_out
        :: else
        fi
    );

take_back: /* Coordinator._take_back: first the mark in the ledger, then the rollback */
    STEP(
        b = 0; begin_abort(a, ok);
        if
        :: ok -> ok = false
        :: !ok && state == committing && attempt == a -> b = FIRST_TO_COMMIT; goto carry_out /* decided after all */
        :: else -> goto close
        fi
    );

roll_back: /* Work.roll_back, by the sessions that own the branches */
    atomic { STEP(rollback_own(a, b)); NEXT_BRANCH(0, roll_back) }

close: /* Work.close */
    b = 0;
close_next:
    atomic { STEP(close_own(a, b)); NEXT_BRANCH(0, close_next); goto left }

killed:
    dead[a] = true;
left:
    b = 0; ok = false
}

/* ------------------------------------------------------------------ recovery.py, in workers and sweepers anywhere */

/* Whatever has been read may be old by the time it is used. Killed at any step, it is started anew and remembers
 * nothing; `left` is the same to it: something cannot be proven yet, and a later sweep tries again. */
proctype Recoverer() {
    byte a = 0; byte b = 0;
    bool ok = false; bool listed = false; bool again = false; bool recorded = false;

killed:
left:
    atomic { a = 0; b = 0; ok = false; listed = false; again = false; recorded = false };

end:
    if
    :: atomic { state == running -> a = attempt; goto take_over } /* believed dead, rightly or not; or to be stopped */
    :: atomic { state == aborting -> a = attempt; goto abort }
    :: atomic { state == committing -> a = attempt; goto commit }
#ifdef HOLD
    :: atomic { state == held -> a = attempt; goto let_go } /* stopped, expired by whatever clock, or a branch is gone */
    :: atomic { state == held -> a = attempt; goto watch }
#endif
    :: atomic { TO_SWEEP(1, 0) -> a = 1; b = 0; goto sweep }
    :: atomic { TO_SWEEP(2, 0) -> a = 2; b = 0; goto sweep }
#if BRANCHES > 1
    :: atomic { TO_SWEEP(1, 1) -> a = 1; b = 1; goto sweep }
    :: atomic { TO_SWEEP(2, 1) -> a = 2; b = 1; goto sweep }
#endif
    fi;

take_over: /* mark first */
#ifdef NO_MARK_FIRST
    STEP(end_session(a, 0));
    STEP(rollback_prepared(a, 0));
#endif
    STEP(begin_abort(a, ok); if :: ok -> ok = false :: else -> goto left fi);

abort: /* Recovery.abort: end every session and look in every target; then roll back what is listed, and see that it
        * is neither listed nor marked */
#ifdef MAKES_TABLE
    READ_RECORD
#ifdef UNDO_FIRST
    UNDO
#endif
#endif
abort_session:
    STEP(end_session(a, b); NEXT_BRANCH(0, abort_session));
#ifdef UNDO_BEFORE_ROLLBACK
    UNDO
#endif
#if TWO_PHASE > 0
abort_first: /* Recovery._look_first */
    STEP(if :: MARKED(a, b) -> mark_hazard(a); goto left :: else fi; NEXT_BRANCH(0, abort_first));
#endif
abort_branch:
    STEP(if :: IS_ONE_PHASE(b) || !LISTED(a, b) -> goto abort_look :: else fi);
    STEP(rollback_prepared(a, b));
    STEP(if :: LISTED(a, b) -> goto left :: else fi);
abort_look:
    STEP(if :: MARKED(a, b) -> mark_hazard(a); goto left :: else fi; NEXT_BRANCH(0, abort_branch));
#if defined(MAKES_TABLE) && !defined(UNDO_FIRST) && !defined(UNDO_BEFORE_ROLLBACK)
    UNDO
#endif
    STEP(end_abort(a); goto left);

commit: /* Recovery.commit: the marker, or else make it commit */
    STEP(if :: MARKED(a, b) -> goto commit_next :: else fi);
    STEP(end_session(a, b); if :: !IS_ONE_PHASE(b) -> goto commit_two_phase :: else fi);
    STEP(insert_tombstone(a, b, ok); if :: ok -> ok = false; goto commit_next :: else -> b = 0; goto turn_back_task fi);
commit_two_phase: /* Recovery._resolve: list first, then look; neither counts only when it is seen twice */
    STEP(listed = LISTED(a, b); if :: listed :: else -> goto commit_look fi);
    STEP(commit_prepared(a, b));
commit_look:
    STEP(
        if
        :: SEEN_DONE(a, b) -> listed = false; again = false
        :: !SEEN_DONE(a, b) && listed -> goto left
        :: !SEEN_DONE(a, b) && !listed && !again -> again = true; goto commit_two_phase
        :: else -> mark_hazard(a); goto left
        fi
    );
commit_next:
    atomic { NEXT_BRANCH(0, commit) };
    STEP(finish(a); goto left);

turn_back_task: /* Recovery._turn_back, after the tombstone */
    STEP(turn_back(a, ok); if :: ok -> ok = false; goto abort :: else -> goto left fi);

#ifdef HOLD
watch: /* Recovery.watch: no branch of a held task may have committed */
    STEP(if :: MARKED(a, b) -> mark_held_hazard(a); goto left :: else fi; NEXT_BRANCH(0, watch); goto left);

let_go: /* a held task that is not to be committed */
    STEP(end_hold(a, ok); if :: ok -> ok = false; goto abort :: else -> goto left fi);
#endif

sweep: /* Recovery.sweep_target: a prepared branch that the ledger says is to be taken back */
    STEP(end_session(a, b));
    STEP(rollback_prepared(a, b); goto left)
}

/* A stop at any moment, or never. */
active proctype Client() { if :: request_stop() :: skip fi }

#ifdef HOLD
active proctype Committer() { if :: state == held -> request_commit() :: skip fi }
active proctype Clock() { end: d_step { state == held -> expired = true } }
#endif

#ifdef STRANGERS
/* Other users, and other tasks: whatever they like, as often as they like. */
active proctype Strangers() {
    do
    :: atomic { table == NOBODY -> table = STRANGER }
    :: atomic { table != NOBODY && table != STRANGER && UNLOCKED -> strange_rows = true }
    :: atomic { table != NOBODY && UNLOCKED && !IN_USE ->
           if :: table != STRANGER -> taken_away[table] = true :: else fi;
           table = NOBODY; strange_rows = false }
    :: break
    od
}
#endif

#include "properties.pml"

init {
    atomic {
        run Worker(1); run Worker(2);
        run Recoverer();
#if RECOVERERS > 1
        run Recoverer();
#endif
    }
}
