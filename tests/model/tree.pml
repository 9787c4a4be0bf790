/*
 * Taking, releasing and reaping locks of one scope at the same time: do counts and names stay those of the children, and does nothing
 * but a tombstone go?
 *
 *   Taker     core/guard/lock_take.c: plan_read, add_child, emit_checks, emit_slots, emit_records
 *   release   core/guard/lock_change.c: work_read, apply_release, work_write
 *   Reaper    core/guard/lock_reap.c: reap_read, reap_one, reap_write
 *   audit of every commit: what core/guard/tree.c (tg_tree_prove) compares; a guard answers UNKNOWN when it does not add up
 *
 * A scope's node S lies below its parent P (a bucket, or the index of groups), and goes with its last lock. Each has a version, which
 * the store counts from 0 again when the node comes back, and S a record of the names of its children. Reads are of any moment not
 * before the session's last; a transaction is checked against the newest. Ids of locks are never used twice.
 *
 * must fail: NO_PARENT_CHECK  S is written by its own version alone: a node that went and came back has the same
 * must fail: NO_CHECK         the counters are written whatever their version
 * must fail: DELETE_ANY       the reaper deletes a record whatever its version, and by what it read of it before
 */
#ifndef HISTORY
#define HISTORY 7
#endif
#define LOCKS 3

#define ABSENT 0
#define LIVE   1
#define TOMB   2

byte now;
byte p_version[HISTORY], s_version[HISTORY], s_names[HISTORY]; /* s_names: bits of the locks it names */
bit s_there[HISTORY], p_names[HISTORY];
byte record[HISTORY * LOCKS], r_version[HISTORY * LOCKS];
bit released[LOCKS];                    /* its owner has said so */

inline append()
{
    now < HISTORY - 1;
    now++;
    p_version[now] = p_version[now - 1]; s_version[now] = s_version[now - 1]; s_names[now] = s_names[now - 1];
    s_there[now] = s_there[now - 1]; p_names[now] = p_names[now - 1];
    for (_i : 0 .. LOCKS - 1) {
        record[now * LOCKS + _i] = record[(now - 1) * LOCKS + _i];
        r_version[now * LOCKS + _i] = r_version[(now - 1) * LOCKS + _i];
    }
    _i = 0
}
#define READ do :: seen < now -> seen++ :: break od

#define R(i) record[now * LOCKS + i]
#define NAMES ((R(0) != ABSENT) + 2 * (R(1) != ABSENT) + 4 * (R(2) != ABSENT))
#define AUDIT assert(p_names[now] == s_there[now] && (s_there[now] -> (NAMES == s_names[now] && NAMES != 0) : NAMES == 0) && \
    (R(0) != ABSENT || !taken[0] || released[0]) && (R(1) != ABSENT || !taken[1] || released[1]) && (R(2) != ABSENT || !taken[2] || released[2]))
bit taken[LOCKS];

proctype Taker(byte me)
{
    byte seen, _i, pv, sv, names, rv, tries;
    bit there;

again:
    tries < 2;
    tries++;
    atomic { READ; pv = p_version[seen]; there = s_there[seen]; if :: p_names[seen] :: else fi };
    atomic { READ; there = s_there[seen]; sv = s_version[seen]; names = s_names[seen] };
    atomic {
        if
#if defined(NO_CHECK)
        :: s_there[now] == there ->
#elif defined(NO_PARENT_CHECK)
        :: s_there[now] == there && (there -> s_version[now] == sv : p_version[now] == pv) ->
#else
        :: s_there[now] == there && (!there || s_version[now] == sv) && p_version[now] == pv ->
#endif
            append();
            if
            :: there -> s_version[now] = s_version[now] + 1; s_names[now] = names | (1 << me)
            :: else -> s_there[now] = 1; s_version[now] = 0; s_names[now] = 1 << me; p_names[now] = 1; p_version[now] = p_version[now] + 1
            fi;
            record[now * LOCKS + me] = LIVE; r_version[now * LOCKS + me] = 0; taken[me] = 1;
            seen = now;
            AUDIT
        :: else -> goto again
        fi
    };
    if
    :: skip                             /* it stays */
    :: goto release
    fi;
    goto done;
release:
    atomic { READ; sv = s_version[seen]; names = s_names[seen]; rv = r_version[seen * LOCKS + me] };
    atomic {
        if
        :: s_version[now] == sv && r_version[now * LOCKS + me] == rv ->
            append();
            released[me] = 1;
            s_version[now] = s_version[now] + 1; s_names[now] = names;
            record[now * LOCKS + me] = TOMB; r_version[now * LOCKS + me] = rv + 1;
            AUDIT
        :: else -> goto release
        fi
    };
done:
    skip
}

proctype Reaper()
{
    byte seen, _i, pv, sv, names, gone, left, rounds, v0, v1, v2;

    do
    :: rounds < 2 ->
        rounds++; gone = 0;
        atomic { READ; sv = s_version[seen]; names = s_names[seen]; if :: s_there[seen] :: else -> names = 0 fi };
        atomic { READ; pv = p_version[seen] };
        /* each record by itself, at its own moment */
        atomic { READ; v0 = r_version[seen * LOCKS]; if :: (names & 1) && record[seen * LOCKS] == TOMB -> gone = gone | 1 :: else fi };
        atomic { READ; v1 = r_version[seen * LOCKS + 1]; if :: (names & 2) && record[seen * LOCKS + 1] == TOMB -> gone = gone | 2 :: else fi };
        atomic { READ; v2 = r_version[seen * LOCKS + 2]; if :: (names & 4) && record[seen * LOCKS + 2] == TOMB -> gone = gone | 4 :: else fi };
#ifdef DELETE_ANY
        if :: gone -> gone = names :: else fi;
#endif
        left = names & (7 - gone);
        atomic {
            if
#ifdef DELETE_ANY
            :: gone && s_there[now] && (left || p_version[now] == pv) ->
#else
            :: gone && s_there[now] && s_version[now] == sv && (left || p_version[now] == pv) &&
               (!(gone & 1) || (R(0) && r_version[now * LOCKS] == v0)) && (!(gone & 2) || (R(1) && r_version[now * LOCKS + 1] == v1)) &&
               (!(gone & 4) || (R(2) && r_version[now * LOCKS + 2] == v2)) ->
#endif
                append();
                if
                :: left -> s_version[now] = s_version[now] + 1; s_names[now] = left
                :: else -> s_there[now] = 0; s_version[now] = 0; s_names[now] = 0; p_names[now] = 0; p_version[now] = p_version[now] + 1
                fi;
                for (_i : 0 .. LOCKS - 1) {
                    if :: (gone >> _i) & 1 -> record[now * LOCKS + _i] = ABSENT; r_version[now * LOCKS + _i] = 0 :: else fi
                }
                _i = 0;
                seen = now;
                AUDIT
            :: else                     /* overtaken, or nothing to do: the next will */
            fi
        }
    :: break
    od
}

init
{
    atomic { run Taker(0); run Taker(1); run Taker(2); run Reaper(); }
}
