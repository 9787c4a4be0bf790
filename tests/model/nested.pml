/*
 * Runs within runs: an actor has a permit and starts another, which bears its name, and that one a third. A lock that is taken meanwhile waits
 * for the first; the inner ones go on, each under a permit of its own, and the lock must not be granted while one of them acts, also when those
 * around it end first.
 *
 *   Locker   core/guard/lock_wait.c (find_folders, conflicts: folder by folder, from the wide to the narrow) and tg_lock_waits_for()
 *   Actor 0  core/guard/permit.c, as handshake.pml has it
 *   Actor n  core/guard/permit.c (tg_permit_take: on its own first, then with the age of the outer one) and nested.c (tg_outer_age, behind the write)
 *
 * The store is the one of handshake.pml: a history; a session reads any version that is not older than the newest it has seen.
 * Permits lie in two folders, of the wide scopes and of the narrow ones; the lock overlaps all. A permit's age is the version that it was
 * written in, or, within another run, that run's age.
 *
 * P1: no actor acts while the lock is granted.
 *
 * must fail: NOT_WAITED    an inner permit has an age of its own: the lock, which is older, does not wait for it
 * must fail: NO_PROOF      whoever bears the name of a permit passes, whether or not that is still there
 * must fail: PROOF_FIRST   looks whether the outer permit is there before its own is written, and not behind it
 * must fail: WIDER         an inner permit may lie wider than the outer one
 * must fail: NARROW_FIRST  the locker reads the narrow folder before the wide one
 * must fail: OUTERS_GRANT  the age of an inner permit is the version that the outer one was written in, also when that is an inner one itself
 */
#ifndef HISTORY
#define HISTORY 9
#endif
#define ACTORS 3
#define NONE 0
#define TAKING 1
#define HELD 2

byte now;
byte lock_at[HISTORY];
bit permit_at[HISTORY * ACTORS];
byte lock_age;                   /* the version that the lock was written in */
byte age[ACTORS], grant[ACTORS];
bit wide[ACTORS];
bit acting[ACTORS], known[ACTORS], granted;
#define SAFE (!granted || (!acting[0] && !acting[1] && !acting[2]))

inline append()
{
    now < HISTORY - 1;
    now++;
    lock_at[now] = lock_at[now - 1];
    permit_at[now * ACTORS] = permit_at[(now - 1) * ACTORS];
    permit_at[now * ACTORS + 1] = permit_at[(now - 1) * ACTORS + 1];
    permit_at[now * ACTORS + 2] = permit_at[(now - 1) * ACTORS + 2]
}
#define READ do :: seen < now -> seen++ :: break od
#define WAITS_FOR(a, w) (permit_at[seen * ACTORS + (a)] && wide[a] == (w) && age[a] < lock_age)

/* Leaves found set when there is somebody to wait for in the folder. */
inline list(w)
{
    atomic { READ; found = found || WAITS_FOR(0, w) || WAITS_FOR(1, w) || WAITS_FOR(2, w) }
}

proctype Locker()
{
    byte seen;
    bit found;

    atomic { append(); lock_at[now] = TAKING; lock_age = now; seen = now };
    do
    :: found = 0;
#ifdef NARROW_FIRST
       list(0);
       list(1);
#else
       list(1);
       list(0);
#endif
       if
       :: found
       :: else -> break
       fi
    od;
    atomic { append(); lock_at[now] = HELD; granted = 1; assert(SAFE) }
}

inline write_permit(a)
{
    atomic { append(); permit_at[now * ACTORS + me] = 1; grant[me] = now; age[me] = ((a) -> (a) : now); seen = now }
}
inline withdraw() { atomic { append(); permit_at[now * ACTORS + me] = 0; seen = now } }

/* It acts for a while, and ends; whoever it has started may go on. */
inline act()
{
    atomic { acting[me] = 1; known[me] = 1; assert(SAFE) };
    acting[me] = 0;
    withdraw()
}

proctype Outer(byte me)
{
    byte seen;

    write_permit(0);
    READ;
    if
    :: lock_at[seen] == NONE -> act()
    :: else -> withdraw()
    fi
}

#define OUTER (me - 1)
#ifdef NO_PROOF
#define IS_THERE true
#else
#define IS_THERE (permit_at[seen * ACTORS + OUTER] && age[OUTER] < lock_age)
#endif
#ifdef NOT_WAITED
#define AGE 0
#elif defined(OUTERS_GRANT)
#define AGE grant[OUTER]
#else
#define AGE age[OUTER]
#endif

proctype Inner(byte me)
{
    byte seen;
    bit go;

    known[OUTER];                       /* it was handed the name, now or some time ago */
    if
    :: write_permit(0);                 /* on its own */
       READ;
       if
       :: lock_at[seen] == NONE -> go = 1
       :: else -> withdraw()
       fi
    :: skip                             /* what was met and taken back leaves nothing */
    fi;
    if
    :: go
    :: else ->
       atomic { READ; go = lock_at[seen] == TAKING };
       atomic { READ; go = go && IS_THERE };
       if
       :: go ->
          write_permit(AGE);
          READ;
          if
          :: lock_at[seen] == NONE
          :: lock_at[seen] == HELD -> go = 0
          :: lock_at[seen] == TAKING ->
#ifndef PROOF_FIRST
             atomic { READ; go = IS_THERE }
#else
             skip
#endif
          fi;
          if
          :: go
          :: else -> withdraw()
          fi
       :: else
       fi
    fi;
    if
    :: go -> act()
    :: else
    fi
}

init
{
    atomic {
        if :: wide[0] = 1 :: skip fi;
#ifdef WIDER
        if :: wide[1] = 1 :: skip fi;
        if :: wide[2] = 1 :: skip fi;
#else
        if :: wide[0] -> wide[1] = 1 :: skip fi;
        if :: wide[1] -> wide[2] = 1 :: skip fi;
#endif
        run Locker();
        run Outer(0);
        run Inner(1);
        run Inner(2)
    }
}
