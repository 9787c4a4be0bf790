/*
 * libtagout: may my program act now? For autoscalers, schedulers and whatever else changes hosts by itself.
 *
 *     struct tagout_ask ask = TAGOUT_ASK_INIT;
 *     const char *scopes[] = {"service:autoscaler", "host:web7.example.com"};
 *     struct tagout_permit *permit;
 *     struct tagout_verdict *why;
 *
 *     ask.actor = "autoscaler";
 *     ask.scopes = scopes;
 *     ask.n_scopes = 2;
 *     ask.what = "scale in";
 *     if (tagout_permit_take(&ask, &permit, &why) != TAGOUT_GO) {
 *         log("%s", tagout_verdict_line(why));         // TAGOUT-HELD lock=… owner=… reason="…"
 *         tagout_verdict_free(why);
 *         return;                                      // not now
 *     }
 *     while (more_to_do() && tagout_permit_alive(permit) == TAGOUT_GO)
 *         do_one_thing();                              // each shorter than tagout_permit_good_for_ms()
 *     tagout_permit_release(permit);
 *
 * There are three answers and no others: GO, HELD, and UNKNOWN for whatever keeps it from being proven that there is no lock.
 * Anything but GO means: do not act.
 *
 * tagout_check() answers a question; in the moment after it a lock may be taken. Only a permit holds locks off: whoever takes a lock on
 * its scopes waits until the permit is given back. So what acts should hold a permit, or run under `tagout exec`.
 *
 * Permits come from the host's agent (`tagout agent`, tagout-agent(1)) and need it to run. A check without an agent asks the store, through the
 * program `tagout`, which costs some milliseconds more.
 *
 * Threads: no state is shared between calls, and any thread may call. One permit must not be used by two threads at once. fork(): the child
 * must not use a permit of the parent's, and does not keep it alive (descriptors are close-on-exec). No signals, no threads, nothing printed.
 *
 * Stability: what is declared here keeps its meaning and its layout as long as the library's major number (libtagout.so.1) stays. Structures
 * begin with their own size, and only grow at their end: initialise them with the INIT macros. Link with `pkg-config --libs tagout`.
 */
#ifndef TAGOUT_TAGOUT_H
#define TAGOUT_TAGOUT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TAGOUT_API __attribute__((visibility("default")))
#else
#define TAGOUT_API
#endif

/* The answers, as the exit statuses of `tagout check`. */
#define TAGOUT_GO 0       /* it is proven that no lock is in the way */
#define TAGOUT_USAGE 64   /* the question is none: no actor, a scope that can't be, a group that the inventory does not have. Mend the program */
#define TAGOUT_UNKNOWN 69 /* it can't be proven: do not act */
#define TAGOUT_HELD 75    /* a lock holds it: do not act, ask again later */

/* The question. Everything is borrowed for the call. */
struct tagout_ask {
    size_t size;               /* sizeof of this structure: TAGOUT_ASK_INIT sets it */
    const char *actor;         /* required: "autoscaler", "package-manager", "config-management", "reboot", or a word of the site's */
    const char *const *scopes; /* "fleet", "group:NAME", "host:NAME", "service:NAME"; at most 64. None: this host */
    size_t n_scopes;
    const char *tokens;        /* of locks to pass, separated by commas. NULL: the environment's TAGOUT_TOKEN; "": none */
    const char *what;          /* permits: what is done, for people who wait for it. NULL: the program's name */
    const char *owner;         /* permits: by whom. NULL: the user that runs it, and the host */
    int timeout_ms;            /* for the whole call; 0: 3,000. A verdict that does not come in time is UNKNOWN */
    const char *socket;        /* the agent's. NULL: the environment's TAGOUT_AGENT_SOCKET, else /run/tagout/agent.sock */
};
#define TAGOUT_ASK_INIT {sizeof(struct tagout_ask), NULL, NULL, 0, NULL, NULL, NULL, 0, NULL}

/* Why. Read it with the functions below; free it with tagout_verdict_free(). */
struct tagout_verdict;
/* The right to act. */
struct tagout_permit;

/*
 * Asks. Returns TAGOUT_GO, TAGOUT_HELD, TAGOUT_UNKNOWN or TAGOUT_USAGE. *out_verdict (out_verdict may be NULL) is the caller's, and NULL
 * only when memory was short, which is UNKNOWN. Blocks for at most timeout_ms.
 */
TAGOUT_API int tagout_check(const struct tagout_ask *ask, struct tagout_verdict **out_verdict);

/* One of the four above. NULL is UNKNOWN. */
TAGOUT_API int tagout_verdict_answer(const struct tagout_verdict *verdict);
/* The one line that every tool's log should carry: "TAGOUT-HELD lock=…", "TAGOUT-UNKNOWN …"; "" for GO. Lives as long as the verdict, as do
 * the texts of the next two. Never NULL, also for a verdict that is NULL. */
TAGOUT_API const char *tagout_verdict_line(const struct tagout_verdict *verdict);
/* A sentence or two for people. */
TAGOUT_API const char *tagout_verdict_explain(const struct tagout_verdict *verdict);
/* All of it, as `tagout check -o json` prints it (tagout-check(1)); "{}" when nobody could be asked. */
TAGOUT_API const char *tagout_verdict_json(const struct tagout_verdict *verdict);
/* NULL is fine. */
TAGOUT_API void tagout_verdict_free(struct tagout_verdict *verdict);

/*
 * Takes a permit: from a return of TAGOUT_GO on, until it is released or lost, nobody gets a lock on its scopes that holds this actor without waiting for it.
 * *out_permit is the caller's then (tagout_permit_release()), and NULL otherwise. *out_verdict as of tagout_check(). Needs the agent:
 * without it UNKNOWN, and the line says so.
 */
TAGOUT_API int tagout_permit_take(const struct tagout_ask *ask, struct tagout_permit **out_permit, struct tagout_verdict **out_verdict);
/*
 * Is it still there? Asks the agent (about 0.1 ms); call it before each act. TAGOUT_GO, or TAGOUT_UNKNOWN: stop at once, and release it. Once it
 * is lost it stays lost. Blocks for at most the timeout_ms that it was taken with.
 */
TAGOUT_API int tagout_permit_alive(struct tagout_permit *permit);
/*
 * For how many milliseconds from now it is sure to be yours, by the clock that goes on while the machine sleeps; 0 when it is lost.
 * What you begin must have ended by then, or tagout_permit_alive() must have said GO again. Does no input or output.
 */
TAGOUT_API int64_t tagout_permit_good_for_ms(const struct tagout_permit *permit);
/* The fencing token "GENERATION:TXID": numbers that only grow, for a resource that refuses an older one. Lives as long as the permit. */
TAGOUT_API const char *tagout_permit_fence(const struct tagout_permit *permit);
/*
 * Its name: a secret for the environment (TAGOUT_PERMIT) of what you start under it, such as apt or a script, which then is a part of your run: a lock
 * that waits for this permit lets it go on, and waits for it too. Lives as long as the permit.
 */
TAGOUT_API const char *tagout_permit_name(const struct tagout_permit *permit);
/* Gives it back and frees it. NULL is fine. */
TAGOUT_API void tagout_permit_release(struct tagout_permit *permit);

#ifdef __cplusplus
}
#endif
#endif
