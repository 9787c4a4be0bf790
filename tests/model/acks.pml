/*
 * Tools that don't ask: a host's agent keeps them from starting once it knows of a lock (it projects it: Puppet's disable file), reports what was
 * in flight already as a permit, and acknowledges the lock. Whoever takes the lock waits for the acknowledgements of agents that are present, and
 * reads the permits behind them.
 *
 *   Tool     a run of something without a hook: it starts unless it is blocked, and ends when it likes
 *   Agent    core/agent: presence.c (presence, then the locks; acknowledgements), project.c (blocked), inflight.c and permits.c (the permit)
 *   Locker   core/guard/lock_wait.c: find_folders, list_permits (acks.h: presence, acknowledgements, then permits), list_fresh, quiesce
 *
 * The store is a history of versions, as in handshake.pml. A host's permits lie in the folder of its bucket, which the first one makes.
 *
 * Property: when a lock was granted with the host's agent present, no run is under way there, nor does one start. (A host without an agent
 * is not waited for; lock says so.)
 *
 * must fail: NO_ACKS        the locker does not wait for the acknowledgements
 * must fail: ACK_FIRST      the agent acknowledges before it reports
 * must fail: PERMITS_FIRST  the locker reads the permits before the acknowledgements
 * must fail: FOLDERS_FIRST  it lists the folders before the acknowledgements, and not again behind them
 * must fail: LOOK_FIRST     the agent looks for runs before it blocks them
 * must fail: TOOL_GAP       a tool that has looked at its disable file and is not seen yet (so a hook is better than a projection)
 * must fail: AGENT_DIES     the agent dies while a run that it reported goes on: its permits die with it (lock shows that it is away)
 */
#define HISTORY 9
byte now;
bit lock_at[HISTORY], here_at[HISTORY], ack_at[HISTORY], folder_at[HISTORY], permit_at[HISTORY];
bit running, starting, blocked, granted, with_agent, gone;

#define SAFE assert(!(granted && with_agent && running))
inline append()
{
    now < HISTORY - 1;
    now++;
    lock_at[now] = lock_at[now - 1]; here_at[now] = here_at[now - 1]; ack_at[now] = ack_at[now - 1];
    folder_at[now] = folder_at[now - 1]; permit_at[now] = permit_at[now - 1]
}
#define WRITE(what, x) atomic { append(); what[now] = x; seen = now }
#define READ do :: seen < now -> seen++ :: break od

proctype Tool()
{
    byte runs;

end:
    do
    :: runs < 2 && !running ->
        runs++;
#ifdef TOOL_GAP
        atomic { !blocked -> starting = 1 };
        atomic { starting = 0; running = 1; SAFE }
#else
        atomic { if :: !blocked -> running = 1; SAFE :: else fi }
#endif
    :: running -> running = 0
    od
}

proctype Agent()
{
    byte seen;
    bit reported, saw;

    WRITE(here_at, 1);
    atomic { READ; lock_at[seen] };     /* it watches; sooner or later it reads the lock */
#ifdef LOOK_FIRST
    saw = running;
    blocked = 1;
#else
    blocked = 1;
    saw = running;
#endif
#ifdef ACK_FIRST
    WRITE(ack_at, 1);
#endif
    if
    :: saw -> WRITE(folder_at, 1); WRITE(permit_at, 1); reported = 1
    :: else
    fi;
#ifndef ACK_FIRST
    WRITE(ack_at, 1);
#endif
    if
    :: reported ->
        if
        :: !running -> WRITE(permit_at, 0)
#ifdef AGENT_DIES
        :: atomic { append(); permit_at[now] = 0; ack_at[now] = 0; here_at[now] = 0; gone = 1 }
#endif
        fi
    :: else
    fi
}

proctype Locker()
{
    byte seen;
    bit folder, present, acked, permit;

    WRITE(lock_at, 1);
again:
    permit = 0;
    atomic { READ; folder = folder_at[seen] };
#ifdef PERMITS_FIRST
    atomic { READ; permit = permit_at[seen] && folder };
    atomic { READ; folder = folder_at[seen] };
    atomic { READ; permit = permit || (folder && permit_at[seen]) };
#endif
    atomic { READ; present = here_at[seen] || (present && gone) }; /* one that was there and died was there */
    atomic { READ; acked = ack_at[seen] };
#ifndef PERMITS_FIRST
    atomic { READ; permit = permit_at[seen] && folder };
#ifndef FOLDERS_FIRST
    atomic { READ; folder = folder_at[seen] };
    atomic { READ; permit = permit || (folder && permit_at[seen]) };
#endif
#endif
    if
    :: permit -> goto again
#ifndef NO_ACKS
    :: !permit && present && !acked && !gone -> goto again
#endif
    :: else
    fi;
    atomic { granted = 1; with_agent = present; SAFE }
}

init
{
    atomic { run Tool(); run Agent(); run Locker(); }
}
