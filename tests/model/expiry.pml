/*
 * Locks that end by themselves (--release-at-expiry): whose clock decides? Every host has its own wall clock, which may be wrong by up to
 * SKEW ticks in either direction; a lock says until when it holds, by its taker's clock.
 *
 *   Actor    core/guard/rules.c: tg_lock_is_live() by the clock of the host that asks
 *   Reaper   core/guard/lock_reap.c: is_dead() by the clock of the host that reaps, REAP_AFTER_MS later
 *   Owner    core/guard/lock_change.c: tg_lock_extend() before or after its end
 *
 * Property: nobody acts by whose own clock the lock still holds, and a lock that was extended holds until its new end: a reaper whose
 * clock is ahead, by less than the margin, takes nothing away that others still hold to. Clocks that are further apart than that break
 * it (FAR_CLOCKS): then a lock without --release-at-expiry is the one to take, which no clock ends.
 *
 * must fail: FAR_CLOCKS    clocks differ by more than the reaper's margin
 * must fail: NO_MARGIN     the reaper takes what is over by its own clock
 * must fail: REAP_BLIND    the reaper deletes the record whatever its version: it may have been extended meanwhile
 */
#ifndef SKEW
#ifdef FAR_CLOCKS
#define SKEW 3
#else
#define SKEW 1
#endif
#endif
#ifdef NO_MARGIN
#define MARGIN 0
#else
#define MARGIN 3                        /* more than two hosts' clocks are apart: 2 * SKEW */
#endif
#define END 12

byte t = 4;                             /* so that a clock that is behind is not below nought */
byte until, version;
bit there;

proctype Owner()
{
    byte wall;

    atomic { if :: wall = t + SKEW :: wall = t - SKEW :: wall = t fi; until = wall + 2; there = 1 };
    if
    :: atomic { there -> if :: wall = t + SKEW :: wall = t - SKEW :: wall = t fi; until = wall + 4; version++ }
    :: skip
    fi
}

proctype Actor()
{
    byte skewed;                        /* its clock is t + skewed - SKEW */

    if :: skewed = 0 :: skewed = SKEW :: skewed = 2 * SKEW fi;
    /* until has been set, and is known to the model although the record may be gone: did it have to hold? */
end:
    do
    :: atomic { until > 0 && (!there || t + skewed - SKEW >= until) -> assert(t + skewed - SKEW >= until); break }
    :: t == END -> break
    od
}

proctype Reaper()
{
    byte skewed, v;

    if :: skewed = 0 :: skewed = SKEW :: skewed = 2 * SKEW fi;
end:
    do
    :: atomic { there && t + skewed - SKEW > until + MARGIN -> v = version };
       atomic {
           if
#ifndef REAP_BLIND
           :: there && v == version -> there = 0
#else
           :: there -> there = 0
#endif
           :: else
           fi
       }
    :: t == END -> break
    od
}

active proctype Time()
{
    do
    :: t < END -> t++
    :: t == END -> break
    od
}

init
{
    atomic { run Owner(); run Actor(); run Reaper(); }
}
