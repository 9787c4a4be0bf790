/*
 * When a permit's holder loses touch (P4): does the command stop before the store can give the permit away? Time is discrete; a session
 * lasts SESSION ticks, of which the store counts from the last request that reached it.
 *
 *   Holder    core/cli/exec.c (watch) and core/guard/permit.c: proven = when the newest answered request was *sent*;
 *             tg_permit_deadline: TERM at 2/3, KILL at 5/6 of the session from there; tg_keeper_beat hands both on
 *   Keeper    core/guard/keeper_main.c: TERM and KILL by its own clock; TERM when the holder's end closes
 *   Command   acts until it is killed; it ignores TERM
 *   Store     forgets a session SESSION ticks after the last request that it got, or later; a request may take any time, or be lost
 *
 * The holder may be stopped, or killed, at any moment. The keeper may not: what freezes with the whole host is an assumption (FREEZE).
 * Time does not pass while the keeper has something to do at once: it acts within a tick, which the last sixth of a session is for.
 *
 * must fail: FROM_ANSWER   the deadline counts from when the answer came: the request was older
 * must fail: HOLDER_KILLS  no keeper: who is stopped stops nobody
 * must fail: TERM_ONLY     no KILL
 * must fail: FREEZE        the host freezes whole, and wakes: the command may act for an instant (the limit of P1: ask again with the token)
 */
#define SESSION 6
#define TERM_AFTER 4
#define KILL_AFTER 5
#define END 15

byte t;
byte server_heard, sent, proven, term_at = TERM_AFTER, kill_at = KILL_AFTER;
bit permit = 1, acting = 1, stopped, killed, frozen;
bit on_way, answer_on_way;              /* one request at a time, as tg_permit_beat() does */

#define SAFE assert(permit || !acting || frozen) /* what is frozen does not act */

active proctype Holder()
{
end:
    do
    :: atomic { !stopped && !frozen && !killed && !on_way && !answer_on_way && t < END - SESSION -> on_way = 1; sent = t }
    :: atomic { !stopped && !frozen && !killed && answer_on_way ->
        answer_on_way = 0;
#ifdef FROM_ANSWER
        proven = t;
#else
        proven = sent;
#endif
        if
        :: proven + TERM_AFTER > term_at -> term_at = proven + TERM_AFTER; kill_at = proven + KILL_AFTER
        :: else
        fi }
    :: atomic { !stopped && !killed -> stopped = 1 }
    :: atomic { stopped && !killed -> stopped = 0 }
    :: atomic { !killed -> killed = 1 }
#ifdef HOLDER_KILLS
    :: atomic { acting && !stopped && !killed && t >= kill_at -> acting = 0 }
    :: atomic { acting && killed -> acting = 0 }
#endif
    :: t == END -> break
    od
}

active proctype Wire()
{
end:
    do
    :: atomic { on_way -> on_way = 0; if :: permit -> server_heard = t; answer_on_way = 1 :: else fi }
    :: atomic { on_way -> on_way = 0; if :: permit -> server_heard = t :: else fi }  /* the answer is lost */
    :: atomic { on_way -> on_way = 0 }                                               /* the request is lost */
    :: t == END -> break
    od
}

active proctype Keeper()
{
end:
    do
#if !defined(HOLDER_KILLS) && !defined(TERM_ONLY)
    :: atomic { acting && !frozen && (t >= kill_at || killed) -> acting = 0 }
#endif
#ifdef FREEZE
    :: atomic { !frozen -> frozen = 1 }
    :: atomic { frozen -> frozen = 0; SAFE }
#endif
    :: t == END -> break
    od
}

active proctype Store()
{
end:
    do
    :: atomic { permit && t >= server_heard + SESSION -> permit = 0; SAFE }
    :: t == END -> break
    od
}

/* Time passes only when the keeper has done what was due; with a tick to spare, because it is a process like others. */
active proctype Time()
{
    do
#if defined(HOLDER_KILLS)
    :: atomic { t < END && !(acting && !stopped && !killed && t >= kill_at) && !(acting && killed) -> t++ }
#elif defined(TERM_ONLY)
    :: atomic { t < END -> t++ }
#else
    :: atomic { t < END && !(acting && !frozen && (t >= kill_at || killed)) -> t++ }
#endif
    :: t == END -> break
    od
}
