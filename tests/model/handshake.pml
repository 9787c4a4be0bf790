/*
 * The handshake of lock and permit. An actor writes its permit, then reads the locks; a locker writes its lock, then reads the permits,
 * and waits for those it finds. Each on its own session, so that one of the two must see the other.
 *
 *   Locker   core/guard/lock_take.c (tg_lock_place: WRITE_LOCK) and lock_wait.c (quiesce: wait, tg_lock_confirm: granted)
 *   Actor    core/guard/permit.c (write_it: WRITE_PERMIT, prove_own: the owner of what is there, tg_check: the look; withdraw)
 *   Expiry   the store: it forgets whom it has not heard for a session's time; the actor's own deadline is shorter (deadline.pml)
 *
 * The store is a history of versions; a write appends one; a session reads any version that is not older than the newest it has
 * seen: its own writes, and time that never runs backwards, but no more. It is what <tagout/store.h> promises of every store.
 *
 * Scopes: every lock and every permit lies at the fleet, at a group of the host, at the host, or at another host. What lies elsewhere
 * is another node, so a look is several reads, each of which may see a newer version than the one before. Lock 0 has a token, which
 * actor 0 bears. A permit that was written behind a lock is not waited for by it: its holder meets the lock.
 *
 * P1: an actor never acts while a lock that overlaps its scope, and whose token it does not bear, is granted.
 *
 * sizes: -DACTORS=1 -DLOCKERS=2
 * sizes: -DACTORS=2 -DLOCKERS=1 -DHISTORY=6
 * must fail: CHECK_ONLY    reads the locks and acts, without a permit: check is no exec
 * must fail: SYNC_READ     as CHECK_ONLY, but syncs before it reads, and writes its permit afterwards
 * must fail: READ_FIRST    reads the locks before it writes its permit
 * must fail: NO_WAIT       the locker does not wait for permits in flight
 * must fail: ADOPT         who comes back takes the permit of its old session for its own
 * must fail: NO_DEADLINE   the store may give away the permit of an actor that still acts
 * must fail: OWN_SCOPE     a look at the actor's own node only: who acts on a host does not ask its groups and the fleet
 * must fail: ANY_TOKEN     whoever bears a token passes every lock
 * must fail: ANY_BEHIND    a lock waits for no permit that is newer than the store's first change, whenever the lock was written
 */
#ifndef ACTORS
#define ACTORS 1
#endif
#ifndef LOCKERS
#define LOCKERS 2
#endif
#ifndef HISTORY
#define HISTORY 7
#endif
#define FLEET 0
#define GROUP 1
#define HOST  2
#define OTHER 3
/* a group's hosts include HOST, not OTHER */
#define OVERLAP(a, b) ((a) == (b) || (a) == FLEET || (b) == FLEET || ((a) == GROUP && (b) == HOST) || ((a) == HOST && (b) == GROUP))
#ifdef OWN_SCOPE
#define LOOKS_AT(a, l) (scope_of[a] == place_of[l])
#else
#define LOOKS_AT(a, l) OVERLAP(scope_of[a], place_of[l])
#endif
#ifdef ANY_TOKEN
#define PASSES(a, l) (a == 0)
#else
#define PASSES(a, l) (a == 0 && l == 0)
#endif

byte now;
bit lock_at[HISTORY * LOCKERS];
byte permit_at[HISTORY * ACTORS]; /* the version that it was written in; 0: there is none */
byte place_of[LOCKERS], scope_of[ACTORS];
bit acting[ACTORS], granted[LOCKERS], lost[ACTORS];

#define CLASH(a, l) (granted[l] && acting[a] && OVERLAP(scope_of[a], place_of[l]) && !(a == 0 && l == 0))
#if ACTORS == 2 && LOCKERS == 2
#define SAFE (!CLASH(0, 0) && !CLASH(1, 0) && !CLASH(0, 1) && !CLASH(1, 1))
#elif ACTORS == 2
#define SAFE (!CLASH(0, 0) && !CLASH(1, 0))
#else
#define SAFE (!CLASH(0, 0) && !CLASH(0, 1))
#endif

inline append()
{
    now < HISTORY - 1;
    now++;
    for (_i : 0 .. LOCKERS - 1) { lock_at[now * LOCKERS + _i] = lock_at[(now - 1) * LOCKERS + _i]; }
    for (_i : 0 .. ACTORS - 1)  { permit_at[now * ACTORS + _i] = permit_at[(now - 1) * ACTORS + _i]; }
    _i = 0;
}
#define WRITE_LOCK(l, x)   atomic { append(); lock_at[now * LOCKERS + (l)] = x; seen = now }
#define WRITE_PERMIT(a, x) atomic { append(); permit_at[now * ACTORS + (a)] = (x) * now; seen = now }
#define READ               do :: seen < now -> seen++ :: break od
#define SYNC               atomic { seen = now }

proctype Locker(byte me)
{
    byte seen, _i, wrote;

    WRITE_LOCK(me, 1);
    wrote = seen;
#ifdef ANY_BEHIND
    wrote = 1;
#endif
#ifndef NO_WAIT
    _i = 0;                             /* folder by folder, each read by itself */
    do
    :: _i < ACTORS -> atomic {
        READ;
        if
        :: permit_at[seen * ACTORS + _i] && permit_at[seen * ACTORS + _i] < wrote && OVERLAP(scope_of[_i], place_of[me]) && !(_i == 0 && me == 0) -> _i = 0
        :: else -> _i++
        fi }
    :: else -> break
    od;
    _i = 0;
#endif
    atomic { granted[me] = 1; assert(SAFE) };
    if
    :: granted[me] = 0; WRITE_LOCK(me, 0)
    :: skip                             /* it outlives whoever took it */
    fi
}

/* Leaves found set when one of the locks that the actor looks at holds it. */
inline look()
{
    found = 0;
    _i = 0;
    do
    :: _i < LOCKERS -> atomic {
        READ;
        if
        :: lock_at[seen * LOCKERS + _i] && LOOKS_AT(me, _i) && !PASSES(me, _i) -> found = 1
        :: else
        fi;
        _i++ }
    :: else -> break
    od;
    _i = 0
}

proctype Actor(byte me)
{
    byte seen, _i;
    bit mine, found;

    do
    :: atomic { now < HISTORY - 3 -> skip };
#ifdef ADOPT
       atomic { READ; if :: permit_at[seen * ACTORS + me] -> mine = 1 :: else fi };
#endif
#if defined(CHECK_ONLY) || defined(SYNC_READ)
#ifdef SYNC_READ
       SYNC;
#endif
       look();
       if
       :: found -> break
       :: else
       fi;
#ifdef SYNC_READ
       WRITE_PERMIT(me, 1);
#endif
       atomic { acting[me] = 1; assert(SAFE) }; acting[me] = 0; break
#else
#ifdef READ_FIRST
       look();
       if
       :: found -> break
       :: else
       fi;
#endif
       if
       :: !mine -> /* what another session has written is not one's own: write one's own when it has gone */
           atomic { !permit_at[now * ACTORS + me] -> lost[me] = 0; append(); permit_at[now * ACTORS + me] = now; seen = now; mine = 1 }
       :: mine
       fi;
#ifndef READ_FIRST
       look();
       if
       :: found ->
           if :: !lost[me] -> WRITE_PERMIT(me, 0) :: lost[me] fi;
           mine = 0;
           break
       :: else
       fi;
#endif
       atomic { acting[me] = 1; assert(SAFE) };
       if
       :: lost[me] = 1;                 /* out of touch while it acts */
#ifndef NO_DEADLINE
          acting[me] = 0;
#endif
          (!permit_at[now * ACTORS + me] || acting[me] == 0);
          assert(SAFE);
          acting[me] = 0; mine = 0
       :: acting[me] = 0; WRITE_PERMIT(me, 0); mine = 0; break
       :: atomic { acting[me] = 0; mine = 0; lost[me] = 1 }; break /* killed, and its child with it; the permit stays a while */
       fi
#endif
    od
}

proctype Expiry()
{
    byte seen, _i;
end:
    do
#ifdef NO_DEADLINE
    :: atomic { lost[0] && permit_at[now * ACTORS] && now < HISTORY - 1 -> append(); permit_at[now * ACTORS] = 0 }
#else
    :: atomic { lost[0] && !acting[0] && permit_at[now * ACTORS] && now < HISTORY - 1 -> append(); permit_at[now * ACTORS] = 0 }
#endif
#if ACTORS == 2
    :: atomic { lost[1] && !acting[1] && permit_at[now * ACTORS + 1] && now < HISTORY - 1 -> append(); permit_at[now * ACTORS + 1] = 0 }
#endif
    od
}

init
{
    byte i;

    atomic {
        /* lock 0, whose token actor 0 bears, lies at the fleet; everything else lies anywhere */
        for (i : 1 .. LOCKERS - 1) { if :: place_of[i] = FLEET :: place_of[i] = GROUP :: place_of[i] = HOST :: place_of[i] = OTHER fi }
        for (i : 0 .. ACTORS - 1) { if :: scope_of[i] = FLEET :: scope_of[i] = GROUP :: scope_of[i] = HOST fi }
        for (i : 0 .. LOCKERS - 1) { run Locker(i) }
        for (i : 0 .. ACTORS - 1) { run Actor(i) }
        run Expiry()
    }
}
