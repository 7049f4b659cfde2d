/* R12: what the database cannot roll back. The attempt makes a table, in its own registered session and before its
 * transaction, by a CREATE TABLE that commits by itself; the table's comment names the task and the attempt. Everybody
 * else in the database may use the same name at any moment. */

#ifndef MAKES_TABLE
#define FORGET_RECORD(a) skip
#define FORGET_ATTEMPT(a) skip
#define FORGET_CREATE(a) skip
#define CREATING(a) false
#define TABLE_SERVER
#else

mtype = { unasked, asked, made };       /* the CREATE; it may land after its client is dead */
mtype = { unlocked, locked, dropping }; /* the write lock of an undo; the DROP that was sent under it */

#define NOBODY 0
#define STRANGER (ATTEMPTS + 1)

byte table = NOBODY;           /* whose comment the table carries: an attempt's or a stranger's */
bool strange_rows = false;     /* somebody else's row is in it */
mtype create[ATTEMPTS + 1] = unasked;
mtype undo = unlocked;
bool record[ATTEMPTS + 1];     /* in the ledger: this attempt will make the table */
bool wrote[ATTEMPTS + 1];      /* its branch has rows in the table, and with them the table's metadata lock */
bool taken_away[ATTEMPTS + 1]; /* a stranger dropped this attempt's table; only the properties read it */

#define OPEN(a) (tx[X(a, 0)] == open || tx[X(a, 0)] == marked || tx[X(a, 0)] == sent || tx[X(a, 0)] == prepared)
#define IN_USE ((wrote[1] && OPEN(1)) || (wrote[2] && OPEN(2)))
#ifdef NO_LOCK
#define UNLOCKED true
#else
#define UNLOCKED (undo == unlocked)
#endif

/* ------------------------------------------------------------------ the worker */

/* The guarded UPDATE of the task's row, and the record with it: as `register`. */
inline record_table(a, ok) {
    d_step {
#ifdef RECORD_UNGUARDED
        ok = true;
#else
        ok = (state == running && attempt == a);
#endif
        if :: ok -> record[a] = true :: else fi
    }
}

#ifdef CREATE_ELSEWHERE /* a session that nobody registered */
#define CAN_ASK(a) true
#define CREATING(a) false
#define FORGET_CREATE(a) skip
#else
#define CAN_ASK(a) alive[X(a, 0)]
#define CREATING(a) (create[a] == asked)
#define FORGET_CREATE(a) create[a] = unasked
#endif

inline send_create(a, ok) {
    d_step { ok = CAN_ASK(a); if :: ok -> create[a] = asked :: else fi }
}

/* The table must be there; a lock that is waited for is only a later moment. */
inline write_rows(a, ok) {
    d_step {
        ok = (alive[X(a, 0)] && tx[X(a, 0)] == open && table != NOBODY && UNLOCKED);
        if :: ok -> wrote[a] = true :: else fi
    }
}

#define RECORD WORK(record_table(a, ok));
#define CREATE WORK(send_create(a, ok)); atomic { if :: create[a] == made -> create[a] = unasked :: skip -> goto take_back fi }
#ifdef RECORD_LAST
#define MAKE_TABLE CREATE RECORD
#else
#define MAKE_TABLE RECORD CREATE
#endif

/* ------------------------------------------------------------------ recovery, for an attempt that is taken back */

/* In the transaction that ends the attempt. What matters no more then is reset, which makes the search smaller. */
#define FORGET_RECORD(a) record[a] = false; wrote[a] = false
#define FORGET_ATTEMPT(a) FORGET_RECORD(a); taken_away[a] = false

#ifdef UNDO_ONCE /* the record goes first, so that a killed undo is not repeated */
#define READ_RECORD STEP(recorded = record[a]; record[a] = false);
#else
#define READ_RECORD STEP(recorded = record[a]);
#endif

#ifdef NO_COMMENT
#define MINE(a) true
#elif defined(NO_ATTEMPT_IN_COMMENT)
#define MINE(a) (table != STRANGER)
#else
#define MINE(a) (table <= a) /* this attempt, or one before it: never one that has begun since */
#endif
#ifdef NO_EMPTINESS
#define EMPTY true
#else
#define EMPTY (!strange_rows)
#endif

/* Lock the table; if it is ours and empty drop it, under the lock. What is read under the lock stays true, so that
 * locking and looking are one step. A lock goes with the session that holds it, after the DROP that was sent. */
#define UNDO \
    STEP( \
        if \
        :: !recorded || table == NOBODY -> goto undone \
        :: recorded && table != NOBODY && UNLOCKED && !IN_USE -> \
            if :: MINE(a) && EMPTY -> undo = locked :: else -> goto undone fi \
        fi \
    ); \
    atomic { if :: undo = dropping :: undo = unlocked; goto killed fi }; \
    STEP(undo != dropping -> if :: table <= a && table != NOBODY && !strange_rows -> goto left :: else fi); \
undone:

/* ------------------------------------------------------------------ the database, and everybody else in it */

#define CREATE_LANDS(a) \
    :: atomic { create[a] == asked -> \
           if \
           :: table == NOBODY -> table = a; create[a] = made \
           :: create[a] = unasked /* the name is taken, or any other error */ \
           fi }

/* Never drop what somebody else made, or what holds somebody's rows. */
#define TABLE_SERVER \
    CREATE_LANDS(1) \
    CREATE_LANDS(2) \
    :: atomic { undo == dropping && !IN_USE -> undo = unlocked; \
           if \
           :: table != NOBODY -> assert(table != STRANGER && !strange_rows); table = NOBODY \
           :: skip \
           fi }

#endif
