/*
 * A guard before a store that may be another than it was: the true one, an old copy of it, a copy in which something is missing, or an
 * empty one. Locks are taken and released in the true one only. A host keeps a mark of the newest change of a lock that it has seen (P2).
 *
 *   Locker   core/guard/lock_take.c, lock_change.c: tg_batch_tick() in the transaction of every change of a lock
 *   Other    anybody's session that begins or ends: the store's own transaction number grows, the tick does not
 *   Guard    core/guard/look.c (the reads and what is concluded from them), core/store/cluster.c (tg_cluster_judge, tg_seen_note) and
 *            core/guard/tree.c (tg_tree_prove): P is /locks/host or /locks/group, S a scope's node below it, R a lock's record
 *   Nemesis  brings a copy in place of the store, or the store back. It has the same cluster id and generation: it was a backup
 *
 * The guard's host has seen the newest lock before the copy came, or not: a host that never saw anything newer than an old copy can't know.
 * That is why handshake and mark are two things, and why a look that met a lock, and a lock that was taken, are noted at once.
 *
 * Property: no GO from an empty store, none while a lock is there that this host has seen, and none while any is there unless what stands in
 * its place is older than the lock.
 *
 * must fail: NO_COUNT      what is not there is taken for "no lock", whatever the parent counts
 * must fail: NO_MARK       no mark is kept
 * must fail: STORE_TXID    the mark is the store's transaction number: sessions that come and go make an old copy look new
 * must fail: NO_CLUSTER    an empty store is taken for a new one
 * must fail: LATE_NOTE     a look that met a lock is not noted
 */
#define HISTORY 6

/* The true store, by versions: does the lock live, the store's transaction number, that of the last change of a lock. */
byte now;
bit live[HISTORY];
byte txid[HISTORY], tick[HISTORY];

/* What is in place of it. */
mtype = { TRUE_ONE, OLD, PARTIAL, EMPTY };
mtype place = TRUE_ONE;
byte copied, extra;                     /* version that was copied; transactions that the copy has had since, of sessions only */
bit no_r, no_s;                         /* what a partial copy lacks */

byte mark;                              /* of the guard's host */
bit host_saw;                           /* the lock that lives now has been met by this host */

proctype Locker()
{
    byte rounds;

    do
    :: atomic { rounds < 2 && now < HISTORY - 1 ->
        now++; rounds++;
        live[now] = !live[now - 1]; txid[now] = txid[now - 1] + 1; tick[now] = txid[now];
        host_saw = 0 }
    :: break
    od
}

proctype Other()
{
    byte rounds;

    do
    :: atomic { rounds < 3 ->
        rounds++;
        if
        :: place != TRUE_ONE -> extra++
        :: place == TRUE_ONE && now < HISTORY - 1 -> now++; live[now] = live[now - 1]; txid[now] = txid[now - 1] + 1; tick[now] = tick[now - 1]
        :: else
        fi }
    :: break
    od
}

proctype Nemesis()
{
    byte back;

    do
    :: atomic { place == TRUE_ONE ->
        back = 0; extra = 0;
        do :: back < now -> back++ :: break od;
        copied = now - back;
        if
        :: place = OLD
        :: copied = now; place = PARTIAL; if :: no_r = 1; no_s = 0 :: no_s = 1; no_r = 1 fi
        :: place = EMPTY
        fi }
    :: atomic { place != TRUE_ONE -> place = TRUE_ONE; no_r = 0; no_s = 0 }
    :: break
    od
}

/* One check: all its reads are of one store here, as a session's are: a session does not survive that its store is replaced. */
proctype Guard()
{
    byte checks, seen_tick;
    bit cluster, there, count, unknown, held;

    do
    :: checks < 3 ->
        checks++;
        atomic {                        /* version 0 of the true store is as good as any copy of it */
            unknown = 0; held = 0;
            cluster = place != EMPTY;
            copied = (place == TRUE_ONE -> now : copied);
            there = (place == EMPTY -> 0 : live[copied] && !no_r);   /* the record can be read */
            count = (place == EMPTY -> 0 : live[copied]);            /* S, or P when S is not there, counts it */
#ifdef STORE_TXID
            seen_tick = (place == EMPTY -> 0 : txid[copied] + (place == TRUE_ONE -> 0 : extra));
#else
            seen_tick = (place == EMPTY -> 0 : tick[copied]);
#endif
#ifndef NO_CLUSTER
            if :: !cluster -> unknown = 1 :: else fi;
#endif
#ifndef NO_MARK
            if :: cluster && seen_tick < mark -> unknown = 1 :: else fi;
#endif
#ifndef NO_COUNT
            if :: cluster && count && !there -> unknown = 1 :: else fi;
#endif
            held = there;
            if
            :: !unknown && held ->
                if :: place == TRUE_ONE && live[now] -> host_saw = 1 :: else fi;
#ifndef LATE_NOTE
                mark = (seen_tick > mark -> seen_tick : mark)
#endif
            :: !unknown && !held ->
                assert(!(live[now] && host_saw));
                assert(place != EMPTY);
                assert(!(live[now] && copied == now));
                if :: seen_tick > mark -> mark = seen_tick :: skip fi /* bounded: now and then */
            :: else
            fi;
            seen_tick = 0; there = 0; count = 0; cluster = 0; held = 0; unknown = 0
        }
    :: break
    od
}

init
{
    atomic { run Locker(); run Other(); run Nemesis(); run Guard(); }
}
