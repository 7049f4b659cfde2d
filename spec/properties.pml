/* What must hold. I1 is asserted where a branch commits (target.pml). */

#define AT_REST(x) (tx[x] == absent || tx[x] == gone)
#if BRANCHES > 1
#define ANY_DONE(a) (tx[X(a, 0)] == done || tx[X(a, 1)] == done)
#define ALL_DONE(a) (tx[X(a, 0)] == done && tx[X(a, 1)] == done)
#define NOTHING_LEFT(a) (AT_REST(X(a, 0)) && AT_REST(X(a, 1)))
#define SECOND_READY (tx[X(attempt, 1)] == prepared || tx[X(attempt, 1)] == done)
#else
#define ANY_DONE(a) (tx[X(a, 0)] == done)
#define ALL_DONE(a) ANY_DONE(a)
#define NOTHING_LEFT(a) AT_REST(X(a, 0))
#define SECOND_READY true
#endif
#define FIRST_READY (ONE_PHASE == 1 || tx[X(attempt, 0)] == prepared || tx[X(attempt, 0)] == done)

#define TAKEN_FOR_GOOD (state == stopped || state == failed || state == checked)
#define OURS_AND_EMPTY (table != NOBODY && table != STRANGER && !strange_rows)

/* At every moment. Each guard is false as long as all is well, so that the process costs no states. */
active proctype Always() {
end:
    do
    :: ANY_DONE(1) && ANY_DONE(2) -> assert(false)                                                    /* I2 */
    :: state == committing && !(FIRST_READY && SECOND_READY) -> assert(false)                         /* I3 */
    :: TAKEN_FOR_GOOD && !(NOTHING_LEFT(1) && NOTHING_LEFT(2)) -> assert(false)                       /* I4 */
    :: state == committed && !ALL_DONE(attempt) -> assert(false)                                      /* I5 */
    :: stop_accepted && (ANY_DONE(1) || ANY_DONE(2)) -> assert(false)                                 /* I7 */
#if ONE_PHASE == 0
    :: decided[attempt] && state != committing && state != committed -> assert(false) /* decided stays decided */
#endif
#ifdef HOLD
    :: expired && (ANY_DONE(1) || ANY_DONE(2)) -> assert(false) /* a hold that is over never commits */
#endif
#ifdef DRY_RUN
    :: ANY_DONE(1) || ANY_DONE(2) -> assert(false) /* nothing of a dry run is ever committed */
    :: state == checked && !passed -> assert(false)
#endif
#ifdef MAKES_TABLE
    :: (state == queued || TAKEN_FOR_GOOD) && OURS_AND_EMPTY -> assert(false) /* I4 */
    :: state == committed && table != attempt && !taken_away[attempt] -> assert(false) /* I5 */
#endif
    :: state == hazard -> assert(false) /* nobody but us touches the branches here, so nothing may contradict */
    /* Not errors: places that must be reached, or else the properties above would hold of nothing. */
#ifdef REACH_COMMIT_AFTER_TOMBSTONE
    :: state == committed && tombstone[X(1, 0)] -> assert(false)
#endif
#ifdef REACH_COMMIT_OF_SECOND_ATTEMPT
    :: state == committed && attempt == 2 && decided[1] == false -> assert(false)
#endif
#ifdef REACH_COMMIT_OF_HELD
    :: state == committed -> assert(false)
#endif
#ifdef REACH_STOP_OF_HELD
    :: state == held && stop_accepted -> assert(false)
#endif
#ifdef REACH_CHECKED
    :: state == checked && attempt == 2 -> assert(false)
#endif
#ifdef REACH_TABLE_OF_SECOND_ATTEMPT
    :: state == committed && attempt == 2 && table == 2 -> assert(false)
#endif
#ifdef REACH_TABLE_WITH_STRANGE_ROWS
    :: state == failed && table == 1 && strange_rows -> assert(false)
#endif
#ifdef REACH_STOP_WHILE_PREPARED
    :: stop_accepted && tx[X(1, 0)] == prepared -> assert(false)
#endif
    od
}

/* When nothing can move any more. */
active proctype AtTheEnd() {
end:
    atomic {
        timeout ->
        assert(state == committed || TAKEN_FOR_GOOD);                                                 /* I9 */
        assert(state == committed || (NOTHING_LEFT(1) && NOTHING_LEFT(2)));
        assert(state != committed || (ALL_DONE(attempt) && (attempt == 1 || NOTHING_LEFT(1))));       /* I6 */
#ifdef MAKES_TABLE
        assert(!record[1] && !record[2])
#endif
    }
}
