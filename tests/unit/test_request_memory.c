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
