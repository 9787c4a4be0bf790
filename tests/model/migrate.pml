/*
 * The tree moves from store A to store B while lockers and guards ask either: begin, copy, verify, complete, or back; by movers that stop
 * anywhere, wake when another has gone on, or never do.
 *
 *   Mover     core/guard/migrate.c (tg_migrate_sit, claim_target, tg_migrate_copy, tg_migrate_verify, tg_migrate_back: refuse_target, thaw_and_end),
 *             migrate_record.c (tg_migrate_look, tg_migrate_take_seat, tg_migrate_put: ON_A and ON_B here, with what they check), migrate_complete.c
 *             (freeze, wait_for_permits, settle, prove_target, turn_source, go_live, leave_target, tidy), store/mirror_copy.c (one node at a time,
 *             each transaction with tg_migrate_fence())
 *   Locker    core/guard/lock_take.c, lock_wait.c, lock_change.c: each transaction checks the version of the /cluster that it found live
 *   Guard     core/guard/permit.c (write_it, then tg_check on the same session) and check.c; store/cluster.c (judge_state, judge_identity, and
 *             tg_seen_note, which raises the marks of other addresses) for what its host has seen
 *   Expiry    a seat may go at any time, its mover alive or not: a session that ended, and a mover that does not know it yet
 *   Rescuer   at any moment all others stop for ever, their sessions end, and somebody calls what is next, or takes it back
 *
 * A mover that is killed is one that takes no further step, so nothing else is needed for it. Reads are of the moment at which they are
 * made, and used later: that is all that a read of a lagging server on one's own session can be. All scopes overlap; the counters of the tree,
 * and whether a copy is whole by them, are tree.pml's and copy.pml's.
 *
 * Properties: nobody acts while a lock is granted and not released, and no check says GO then; the two are never both live, so at most one
 * takes locks; what is granted lies on the live one; and from each moment there is a way on that ends with a live one.
 *
 * sizes: -DLOCKS=2
 * sizes: -DMOVERS=2
 * sizes: -DBACKUP
 * sizes: -DRESCUE
 * must fail: NO_FREEZE        the source is retired without having been frozen first
 * must fail: LIVE_FIRST       the target goes live before the source is retired
 * must fail: NO_PERMIT_WAIT   complete does not wait for permits of the source
 * must fail: EARLY_WAIT       it waits for them before the freeze, and not behind it
 * must fail: NO_LAST_COPY     what was copied before the freeze is all that is copied
 * must fail: NO_EPOCH         who takes the seat does not change the record that all transactions check
 * must fail: NO_FENCE         what is written to the target does not check whose it is
 * must fail: NO_VERSION       lockers do not check that the store is live still in their transactions
 * must fail: IGNORE_STATE     a guard takes what is being copied, or was left, for the store
 * must fail: NO_RAISE         a host that has seen the target live goes on to believe the source: an old copy of it may come up
 * must fail: NO_WAY_ON        complete can't go on when the source is retired already
 */
#ifdef NO_RAISE
#define BACKUP
#endif
#ifdef NO_WAY_ON
#define RESCUE
#endif
#if defined(NO_EPOCH) || defined(NO_FENCE) || defined(LIVE_FIRST)
#define MOVERS 2
#endif
#ifndef MOVERS
#define MOVERS 1
#endif
#ifndef GUARDS
#define GUARDS (MOVERS == 1)
#endif
#ifndef LOCKS
#define LOCKS 1
#endif
#ifndef MOVES
#define MOVES 2                         /* attempts: the first may be taken back */
#endif

#define NONE      0
#define LIVE      1
#define MIGRATING 2
#define RETIRED   3

/* phases of a move; from BEGUN to BACKING it is under way */
#define NO_MOVE    0
#define BEGUN      1
#define COPIED     2
#define VERIFIED   3
#define COMPLETING 4
#define BACKING    5
#define BACK       6
#define DONE       7
#define ACTIVE(p)  ((p) >= BEGUN && (p) <= BACKING)

/* of a lock's record */
#define TAKING   1
#define HELD     2
#define RELEASED 3

byte a_state = LIVE, b_state = NONE, a_phase, a_seat;
byte a_move, b_move;                    /* of the record at /migration: which attempt it is of; at B 0 for none */
byte a_lock[LOCKS], b_lock[LOCKS];
byte a_permit, b_permit;                /* 1 there; at A: 2 there since before the last freeze */

/*
 * Versions, which only grow, are compared with those that were read: so what counts is whether anything has changed since. Of each mover: are
 * the records of A (of B) as he has read or written them? Of the locker: is the /cluster?
 */
bit is_a[3], is_b[3], seen_a, seen_b;

bit granted[LOCKS], acting, stop;

#if LOCKS == 1
#define ANY_GRANTED granted[0]
#define ALL_LIE(where) (!granted[0] || where[0] == HELD)
#define FOUND(where) (where[0] == TAKING || where[0] == HELD)
#else
#define ANY_GRANTED (granted[0] || granted[1])
#define ALL_LIE(where) ((!granted[0] || where[0] == HELD) && (!granted[1] || where[1] == HELD))
#define FOUND(where) (where[0] == TAKING || where[0] == HELD || where[1] == TAKING || where[1] == HELD)
#endif

#ifdef BACKUP
bit restored;                           /* A is an old copy of itself by now, from before the freeze */
byte mark;                              /* of the guard's host: the highest generation that it has believed */
byte b_generation;                      /* each attempt has its own */
#define SAFE (restored || (!(a_state == LIVE && b_state == LIVE) && (a_state != LIVE || ALL_LIE(a_lock)) && (b_state != LIVE || ALL_LIE(b_lock))))
#else
#define SAFE (!(a_state == LIVE && b_state == LIVE) && (a_state != LIVE || ALL_LIE(a_lock)) && (b_state != LIVE || ALL_LIE(b_lock)))
#endif
#define P1 (!(acting && ANY_GRANTED))

/* --- who moves --- */

#define RUNS (!stop || rescue)
#ifdef NO_FENCE
#define IS_B 1
#else
#define IS_B is_b[me]
#endif
/* A transaction on A, or on B: both check that record and cluster are as they were read; else somebody else is there. */
#define ON_A(what) atomic { RUNS; if :: is_a[me] -> A_RECORD; what :: else -> goto leave fi; assert(SAFE) }
#define ON_B(what) atomic { RUNS; if :: IS_B -> what :: else -> goto leave fi; assert(SAFE) }
#define A_RECORD   is_a[0] = 0; is_a[1] = 0; is_a[2] = 0; is_a[me] = 1
#define B_RECORD   is_b[0] = 0; is_b[1] = 0; is_b[2] = 0; is_b[me] = 1
#define A_CLUSTER(state) a_state = state; seen_a = 0
#define B_CLUSTER(state) b_state = state; seen_b = 0; B_RECORD

proctype Mover(byte me; bit rescue)
{
    byte i, move, step, known[LOCKS], v, rounds;
    bit ours;

again:
    atomic {                            /* tg_migrate_look(), the source's half; a seat that is taken is waited for */
        RUNS && a_seat == 0;
        is_a[me] = 1; move = a_move;
        if
        :: rescue -> rounds++; assert(rounds < 8)
        :: else
        fi;
        if
        :: a_state == RETIRED && a_phase == DONE -> goto over
#ifdef NO_WAY_ON
        :: a_state == RETIRED && a_phase != DONE -> goto over
#else
        :: a_state == RETIRED && a_phase != DONE -> step = COMPLETING
#endif
        :: a_state != RETIRED && !ACTIVE(a_phase) && (rescue || a_move == MOVES) -> goto over
        :: a_state == LIVE && !ACTIVE(a_phase) && !rescue && a_move < MOVES -> step = BEGUN
        :: a_state != RETIRED && ACTIVE(a_phase) -> step = BACKING
        :: a_state == LIVE && ACTIVE(a_phase) && a_phase <= VERIFIED -> step = a_phase + 1
        :: a_phase == BEGUN && !rescue -> step = BEGUN
        :: a_state == MIGRATING && a_phase == COMPLETING -> step = COMPLETING
        fi
    };
    atomic {                            /* the target's half */
        RUNS;
        is_b[me] = 1; ours = (b_move != 0 && b_move == move);
        if
        :: step != BEGUN && step != BACKING && !ours && a_state == LIVE -> step = BEGUN  /* tg_migrate_next(): it was killed before it claimed it */
        :: step != BEGUN && step != BACKING && !ours && a_state != LIVE && b_state != LIVE -> goto leave                   /* tg_migrate_own_target() */
        :: step == BEGUN && b_state == LIVE -> goto leave                                                               /* fits() */
        :: else
        fi
    };
    atomic {                            /* tg_migrate_take_seat() */
        RUNS;
        if
        :: is_a[me] && a_seat == 0 ->
            a_seat = me + 1;
#ifndef NO_EPOCH
            A_RECORD;
#endif
            if
            :: step == BEGUN && !ACTIVE(a_phase) -> a_move++; a_phase = BEGUN; ours = 0; A_RECORD
            :: else
            fi;
            move = a_move
        :: else -> goto leave
        fi
    };
#ifndef NO_EPOCH
    if
    :: ours -> ON_B(B_RECORD)           /* raise_target() */
    :: else
    fi;
#endif
    if
    :: step == BEGUN -> goto begin
    :: step == COPIED -> goto copy
    :: step == VERIFIED -> goto verify
    :: step == BACKING -> goto back
    :: step == COMPLETING && a_state == RETIRED -> goto finish
    :: step == COMPLETING && a_state != RETIRED -> goto complete
    fi;

begin:                                  /* claim_target(): with its first node it says that it is being moved */
    if
    :: ours && b_state == MIGRATING
#ifdef BACKUP
    :: else -> ON_B(b_move = move; b_generation = move + 1; B_CLUSTER(MIGRATING))
#else
    :: else -> ON_B(b_move = move; B_CLUSTER(MIGRATING))
#endif
    fi;
    if
    :: a_phase != BEGUN -> ON_A(a_phase = BEGUN)
    :: else
    fi;
    goto leave;

copy:                                   /* node by node, of whatever moment */
    do
    :: i < LOCKS ->
        atomic { RUNS; v = a_lock[i] };
        ON_B(b_lock[i] = v; i++)
    :: else -> break
    od;
    ON_A(a_phase = COPIED);
    goto leave;

verify:                                 /* the source is in use: what changed since may differ */
    ON_A(a_phase = VERIFIED);
    goto leave;

complete:
    atomic { RUNS; for (i : 0 .. LOCKS - 1) { known[i] = b_lock[i] } i = 0 }; /* prepare() */
#if defined(EARLY_WAIT) || defined(NO_FREEZE)
    atomic { RUNS && a_permit == 0 };
#endif
#ifndef NO_FREEZE
    if
    :: a_state == LIVE -> ON_A(A_CLUSTER(MIGRATING); a_phase = COMPLETING; a_permit = (a_permit -> 2 : 0))
    :: else
    fi;
#endif
#if !defined(NO_PERMIT_WAIT) && !defined(EARLY_WAIT) && !defined(NO_FREEZE)
    if
    :: atomic { RUNS && a_permit != 2 }
    :: !rescue -> goto thaw             /* --wait is over, or it was interrupted */
    fi;
#endif
#ifndef NO_LAST_COPY
    do                                  /* settle(): what is written is read back, and then nothing may differ */
    :: i < LOCKS ->
        atomic { RUNS; v = a_lock[i] };
        if
        :: v != known[i] -> ON_B(b_lock[i] = v); atomic { RUNS; known[i] = b_lock[i] }
        :: else
        fi;
        i++
    :: else -> break
    od;
    atomic {
        RUNS;
        for (i : 0 .. LOCKS - 1) { if :: known[i] != a_lock[i] -> goto thaw :: else fi }
        i = 0
    };
#endif
    ON_B(B_RECORD);                     /* prove_target() */
#ifdef LIVE_FIRST
    ON_B(B_CLUSTER(LIVE));
#endif
    ON_A(A_CLUSTER(RETIRED); a_phase = COMPLETING);

finish:
    if
    :: b_state != LIVE && ours -> ON_B(B_CLUSTER(LIVE))           /* go_live() */
    :: b_state != LIVE && !ours -> goto leave
    :: else                             /* went_live() */
    fi;
    if
    :: ours -> ON_B(b_move = 0; B_RECORD)                           /* leave_target() */
    :: else
    fi;
    ON_A(a_phase = DONE);
    goto leave;

thaw:
    ON_A(A_CLUSTER(LIVE); a_phase = VERIFIED);
    goto leave;

back:                                   /* the target first; or it can't be reached, and stays as it is */
    if
    :: b_state == LIVE && !rescue -> goto leave
    :: skip
    fi;
    ON_A(a_phase = BACKING);
    if
    :: ours && b_state == MIGRATING -> ON_B(B_CLUSTER(RETIRED))
    :: skip
    fi;
    ON_A(a_phase = BACK; if :: a_state != LIVE -> A_CLUSTER(LIVE) :: else fi);
    goto leave;

leave:
    atomic {
        RUNS;
        if :: a_seat == me + 1 -> a_seat = 0 :: else fi;
        for (i : 0 .. LOCKS - 1) { known[i] = 0 }
        i = 0; v = 0; move = 0; step = 0; ours = 0; is_a[me] = 0; is_b[me] = 0
    };
    goto again;
over:
    if
    :: rescue -> assert((a_state == LIVE) != (b_state == LIVE) && (a_state == LIVE -> ALL_LIE(a_lock) : ALL_LIE(b_lock)))
    :: else
    fi
}

proctype Expiry()
{
end:
    do
    :: atomic { !stop && a_seat != 0 -> a_seat = 0 }
    od
}

/* What the dead leave: sessions that end, with their permits. Who acted has stopped before that (deadline.pml). */
proctype Rescuer()
{
    atomic { stop = 1; a_seat = 0; run Mover(2, 1) }
}

/* --- who locks --- */

#ifdef NO_VERSION
#define SAME_A 1
#define SAME_B 1
#else
#define SAME_A seen_a
#define SAME_B seen_b
#endif
#ifdef BACKUP
#define OLD_COPY (restored && !side)    /* its locker has seen B */
#else
#define OLD_COPY 0
#endif
#define LIVE_AT ((!side && a_state == LIVE) || (side && b_state == LIVE))
#define READ_LIVE atomic { !stop && LIVE_AT && !OLD_COPY -> if :: !side -> seen_a = 1 :: else -> seen_b = 1 fi }

proctype Locker()
{
    byte l;
    bit side;

    do
    :: l < LOCKS ->
        if :: side = 0 :: side = 1 fi;
        if
        :: READ_LIVE
        :: goto next                    /* told UNKNOWN: tries no more */
        fi;
        atomic {                        /* take */
            !stop;
            if
            :: !side && SAME_A -> a_lock[l] = TAKING
            :: side && SAME_B -> b_lock[l] = TAKING
            :: else -> goto next
            fi
        };
        atomic { !stop && (side || a_permit == 0) && (!side || b_permit == 0) };  /* quiesce */
        atomic {                        /* confirm, as it was placed */
            !stop;
            if
            :: !side && SAME_A && a_lock[l] == TAKING -> a_lock[l] = HELD; granted[l] = 1
            :: side && SAME_B && b_lock[l] == TAKING -> b_lock[l] = HELD; granted[l] = 1
            :: else -> goto next        /* it holds, and its owner does not know */
            fi;
            assert(P1 && SAFE)
        };
        if
        :: goto next                    /* it stays */
        :: skip
        fi;
        if :: side = 0 :: side = 1 fi;
        READ_LIVE;
        atomic {                        /* release */
            !stop;
            if
            :: !side && SAME_A && a_lock[l] == HELD -> a_lock[l] = RELEASED; granted[l] = 0
            :: side && SAME_B && b_lock[l] == HELD -> b_lock[l] = RELEASED; granted[l] = 0
            :: else
            fi
        };
next:   atomic { !stop -> l++; side = 0; seen_a = 0; seen_b = 0 }
    :: else -> break
    od
}

/* --- who asks --- */

/* What its host makes of the /cluster that it reads: live, and of no lower generation than it has believed anywhere. */
#ifdef BACKUP
#define GENERATION (side -> b_generation : 1)
#define NOTE mark = (GENERATION > mark -> GENERATION : mark)
#ifdef NO_RAISE
#define BELIEVED LIVE_AT
#else
#define BELIEVED (LIVE_AT && GENERATION >= mark)
#endif
/* An old copy shows what was: who has not seen B can't know better. Who has must not be let through by it. */
#define CLEAR assert(OLD_COPY -> mark < 2 : !ANY_GRANTED)
#else
#define NOTE skip
#ifdef IGNORE_STATE
#define BELIEVED (!side || b_state != NONE)
#else
#define BELIEVED LIVE_AT
#endif
#define CLEAR assert(!ANY_GRANTED)
#endif
#define LIES(l) ((!side && (a_lock[l] == TAKING || a_lock[l] == HELD)) || (side && (b_lock[l] == TAKING || b_lock[l] == HELD)))

proctype Guard()
{
    byte i;
    bit side, found;

end:
    do
    :: atomic {                         /* tagout check. side: what is configured: early, late or right */
           !stop;
           if :: side = 0 :: side = 1 fi;
           if
           :: BELIEVED && ((!side && !FOUND(a_lock)) || (side && !FOUND(b_lock))) -> CLEAR; NOTE
           :: else
           fi;
           side = 0
       }
    :: atomic { !stop; if :: side = 0; a_permit = 1 :: b_state != NONE -> side = 1; b_permit = 1 fi };  /* a permit: written first */
       atomic { !stop; if :: BELIEVED -> NOTE :: else -> found = 1 fi };
       do                               /* each lock by itself, at its own moment */
       :: i < LOCKS && !found -> atomic { !stop; found = LIES(i); i++ }
       :: else -> break
       od;
       atomic { !stop; if :: !found && !OLD_COPY -> acting = 1; assert(P1) :: else fi };
       atomic { !stop; acting = 0; i = 0; found = 0; if :: !side -> a_permit = 0 :: else -> b_permit = 0 fi; side = 0 } /* it ends, or is lost and was stopped */
    od
}

#ifdef BACKUP
/* The old ensemble is switched on again, from a backup of when it was live. */
proctype Backup()
{
    byte i;

    atomic {
        !stop && a_state == RETIRED && b_state == LIVE && a_phase == DONE;
        restored = 1; a_state = LIVE; a_permit = 0;
        for (i : 0 .. LOCKS - 1) { if :: skip :: a_lock[i] = 0 fi }
        i = 0
    }
}
#endif

init
{
    atomic {
        run Mover(0, 0);
        if :: MOVERS > 1 -> run Mover(1, 0) :: else fi;
        run Locker(); run Expiry();
#ifdef BACKUP
        run Backup();
#endif
#ifdef RESCUE
        run Rescuer()
#elif GUARDS
        run Guard()
#endif
    }
}
