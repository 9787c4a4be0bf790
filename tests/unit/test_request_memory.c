/* Requests on the store in memory: what only it can do to them. */
#include "store/memory.h"

#include <tagout/loop.h>

#define GUARD_SUITE_HELPERS_ONLY
#define REQUEST_SUITE request_memory

static int guard_loop(struct tg_loop **out)
{
    return tg_loop_virtual(1795368000000, out, NULL);
}

static const char *guard_url(void)
{
    return "memory:request";
}

static void guard_end(void)
{
    tg_memory_forget("request");
}

#include "request_suite.h"

/* Whatever becomes of whichever write, nothing runs twice that may not, nothing is left, and it ends as it should: P7. */
static void break_at(const char *path, int nth, enum tg_memory_action action, const char *activity)
{
    const struct tg_memory_fault fault = {.path = path, .verbs = TG_MEMORY_MULTI, .nth = nth, .action = action, .code = TG_E_FULL};
    struct tg_error e = TG_ERROR_INIT;

    rig.acts = 0;
    rig.boot = BOOT_A;
    wish(activity);
    cr_assert_eq(tg_memory_fault_add("request", &fault, &e), 0);
    int rc = run_due();
    tg_memory_faults_clear("request");
    for (int i = 0; i < 4 && (rc || rig.report.retry); i++)
        rc = run_due();
    cr_assert_eq(rc, 0, "%s %d of %s, %d: %s", path, nth, activity, (int) action, rig.why.message);
    cr_assert_leq(rig.acts, 1 + (strcmp(activity, "update") == 0), "%s %d, %d", path, nth, (int) action);
    struct tg_requests r = record();
    if (r.n) {
        cr_assert_eq(r.v[0].state, TG_REQ_HELD, "%s %d, %d: %s", path, nth, (int) action, tg_request_state_name(r.v[0].state));
        cr_assert_str_eq(activity, "firmware");
        cr_assert_eq(cancel(activity), 0);
        RUN_DUE();
    } else {
        cr_assert_eq(r.past[0].end, TG_REQ_DONE);
    }
    tg_requests_release(&r);
    expect_nothing_left();
}

RTEST(no_write_that_breaks_does_harm)
{
    static const enum tg_memory_action actions[] = {TG_MEMORY_FAIL, TG_MEMORY_LOSE_REQUEST, TG_MEMORY_LOSE_ANSWER, TG_MEMORY_DISCONNECT, TG_MEMORY_EXPIRE};
    static const char *const activities_[] = {"update", "firmware"};

    for (size_t k = 0; k < 2; k++)
        for (size_t a = 0; a < sizeof actions / sizeof actions[0]; a++) {
            for (int nth = 0; nth < 5; nth++) /* begin, start, outcome, leave, and one that is not there */
                break_at("/requests*", nth, actions[a], activities_[k]);
            for (int nth = 0; nth < 3; nth++)
                break_at("/locks*", nth, actions[a], activities_[k]);
            break_at("/clock", 0, actions[a], activities_[k]);
            break_at("/clock", 1, actions[a], activities_[k]);
        }
}

RTEST(a_run_due_with_nothing_to_do_is_one_round_trip)
{
    rig.customer = "acme";
    rig.lead_ms = 86400000;
    for (int i = 0; i < 10; i++)
        wish("update");
    struct tg_scopes scopes = scopes_of("host:" HOST "=web");
    const struct tg_due d = {.guard = &g, .scopes = &scopes, .host = HOST, .owner = "requests@" HOST, .state_dir = rig.dir, .boot = rig.boot, .activities = &all,
                             .when = port_when, .act = port_act, .tell = port_tell};
    tg_memory_latency(g.store, 10, 10);
    int64_t before = tg_mono_ms(tg_loop_clock(loop));
    cr_assert_eq(tg_requests_run_due(&d, &rig.report, NULL), 0);
    cr_assert_eq(tg_mono_ms(tg_loop_clock(loop)) - before, 20);
    tg_scopes_release(&scopes);
}

/* ---- clocks that are set ---- */

static int64_t set_by, (*loop_wall)(void *data);

static int64_t wall_as_set(void *data)
{
    return loop_wall(data) + set_by;
}

static void set_clock(int64_t by_ms)
{
    struct tg_clock *clock = (struct tg_clock *) (uintptr_t) tg_loop_clock(loop);

    if (!loop_wall)
        loop_wall = clock->wall_ms;
    clock->wall_ms = wall_as_set;
    set_by = by_ms;
}

static void hours_ahead(void)
{
    set_clock(3 * INT64_C(3600000));
}

static void hours_behind(void)
{
    set_clock(-3 * INT64_C(3600000));
}

static void while_it_runs(int status, void (*set)(void), int wanted)
{
    wish("update");
    int64_t before = now_ms();
    rig.statuses[rig.acts] = status;
    rig.meanwhile = set;
    int rc = run_due();
    cr_assert_eq(rc, wanted, "%d %s", rc, rig.why.message);
    rig.meanwhile = NULL;
    set_clock(0);
    struct tg_requests r = record();
    if (status) {
        cr_assert_eq(r.n, 1);
        cr_assert_leq(r.v[0].after_ms, before + 2 * 3600000, "put off by %lld", (long long) (r.v[0].after_ms - before));
        OK(cancel("update"));
        RUN_DUE(); /* what the clock kept from being told and given back */
    } else {
        cr_assert_eq(r.past[0].end, TG_REQ_DONE);
        cr_assert(r.past[0].at_ms >= before && r.past[0].at_ms < before + 60000, "%lld", (long long) (r.past[0].at_ms - before));
        cr_assert_lt(r.past[0].took_ms, 60000, "learned from a clock that was set: %lld", (long long) r.past[0].took_ms);
    }
    tg_requests_release(&r);
    cr_assert_eq(locks_there(), 0);
}

RTEST(a_clock_that_is_set_while_it_runs_puts_nothing_off_and_is_not_learned_from)
{
    loop_wall = NULL;
    while_it_runs(0, hours_ahead, 0);
    while_it_runs(0, hours_behind, 0);
    while_it_runs(TG_REQ_EXIT_POSTPONE, hours_ahead, TG_E_UNKNOWN); /* nor is another time looked for by it */
    while_it_runs(TG_REQ_EXIT_POSTPONE, hours_behind, TG_E_UNKNOWN);
}

RTEST(nothing_more_begins_behind_a_clock_that_is_set_and_nothing_runs_twice)
{
    loop_wall = NULL;
    for (int i = 0; i < 2; i++) {
        rig.acts = 0;
        wish("update");
        wish("firmware");
        rig.meanwhile = i ? hours_behind : hours_ahead;
        cr_assert_eq(run_due(), TG_E_UNKNOWN);
        cr_assert(strstr(rig.why.message, "has just jumped"), "%s", rig.why.message);
        cr_assert_eq(rig.acts, 1);
        rig.meanwhile = NULL;
        set_clock(0);
        RUN_DUE();
        cr_assert_eq(rig.acts, 2);
        cr_assert_str_neq(rig.acted[0], rig.acted[1]);
        cr_assert_eq(locks_there(), 0);
    }
}
