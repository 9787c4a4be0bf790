/* What a run says of its hosts' slots in a booked week (engine/ports_slots.c), when the driver before has said some of
 * it and was killed. P7, P12. */
#define GUARD_SUITE_HELPERS_ONLY
#define GUARD_SUITE ports_slots
#include <tagout/loop.h>

static int guard_loop(struct tg_loop **out)
{
    return tg_loop_new(out, NULL);
}

static const char *guard_url(void)
{
    return "memory:ports_slots";
}

static void guard_end(void)
{
}

#include "guard_suite.h"

#include "calendar/book_marks.h"
#include "config/problems.h"
#include "engine/ports.h"
#include "lib/plan.h"
#include "store/memory.h"

#define WAIT_MS 2000
#define RUN "test-20261122-1"
#define MONDAY 57313 /* 2126-12-02 */
#define MINUTE_MS INT64_C(60000)
#define FROM_MS (MONDAY * INT64_C(86400000) + 9 * 60 * MINUTE_MS)
#define BEGAN_MS (FROM_MS + 5 * MINUTE_MS)
#define ENDED_MS (FROM_MS + 20 * MINUTE_MS)

static const char fleet_text[] = "hosts: {\"h[0-9]\": {}}\n";
static const char pattern_text[] = "week: w\nlength: 4h\nslots: [{name: all, day: mon, time: \"09:00\", who: \"*\"}]\n";

static int64_t now_of(void *data)
{
    (void) data;
    return FROM_MS + 30 * MINUTE_MS;
}

static const struct tg_clock in_the_slot = {now_of, now_of, NULL};

struct world {
    struct tg_inventory *inventory;
    struct tg_week *week;
    struct tg_booked booked;
    struct tg_site_agenda *agenda;
    struct tg_plan *plan;
    struct tg_run *run;
    struct tg_journal journal;
};

static struct world make(size_t hosts)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_pattern *pattern = NULL;
    struct world w = {.journal = {.id = RUN}};
    bool was;

    setup();
    OK(tg_store_create(g.store, TG_BOOK_PATH, "", 0, 0, tg_store_deadline(g.store, WAIT_MS), e));
    w.journal.store = g.store;
    w.plan = test_plan(&(struct test_stage){.count = hosts}, 1, 10, 10);
    OK(tg_inventory_parse_yaml("fleet.yaml", fleet_text, strlen(fleet_text), &p, &w.inventory, e));
    OK(tg_pattern_parse("week.yaml", pattern_text, strlen(pattern_text), &p, &pattern, e));
    OK(tg_week_plan(pattern, w.inventory, MONDAY, &p, &w.week, e));
    const struct tg_book_words words = {.by = "alice@ops1", .wall_ms = NOW, .wait_ms = WAIT_MS};
    OK(tg_book_week(g.store, w.week, &words, &w.booked, &was, e));
    const struct tg_site_agenda_options o = {
        .inventory = w.inventory, .store = g.store, .wait_ms = WAIT_MS, .clock = &in_the_slot};
    OK(tg_site_agenda_new(&o, &w.agenda, e));
    OK(tg_run_new(w.plan, &w.run, e));
    w.plan->n_windows = 1; /* it honours them */
    tg_pattern_free(pattern);
    tg_problems_release(&p);
    return w;
}

static void finish(struct world *w)
{
    w->plan->n_windows = 0;
    tg_run_free(w->run);
    tg_plan_free(w->plan);
    tg_site_agenda_free(w->agenda);
    tg_week_free(w->week);
    tg_inventory_free(w->inventory);
    teardown();
    tg_memory_forget("ports_slots");
}

static void say_begun(struct world *w, size_t hosts, const char *by)
{
    struct tg_mark_word words[10];

    for (size_t i = 0; i < hosts; i++)
        words[i] = (struct tg_mark_word){w->plan->hosts[i].name, {.state = TG_MARK_BEGUN, .began_ms = BEGAN_MS}};
    OK(tg_marks_write(g.store, &w->booked, words, hosts, by, WAIT_MS, NULL, e));
}

static struct tg_mark mark_of(const struct world *w, size_t host)
{
    struct tg_marks marks;

    OK(tg_marks_read(g.store, &w->booked, w->week, NULL, WAIT_MS, &marks, e));
    struct tg_mark m = marks.v[host]; /* ten names of one digit each: both lists have the same order */
    tg_marks_release(&marks);
    return m;
}

static int tell(struct world *w, size_t *out_said, struct tg_error *e)
{
    const struct tg_ports_options o = {
        .loop = loop, .plan = w->plan, .run = w->run, .journal = &w->journal, .calendar = w->agenda};

    return tg_ports_tell_ended(&o, out_said, e);
}

static void ended_as(struct world *w, size_t host, enum tg_host_state state, enum tg_host_state end)
{
    struct tg_run_host *h = &w->run->hosts[host];

    h->state = state;
    h->end = end;
    h->started_ms = BEGAN_MS;
    h->ended_ms = state == TG_HOST_WAITING ? 0 : ENDED_MS;
}

/* What a host ended as, and its mark then, when the driver that was killed had said that it has begun, and when nobody
 * had. */
static const struct {
    enum tg_host_state state, end;
    enum tg_mark_state begun, not_begun;
} ways[] = {
    {TG_HOST_DONE, TG_HOST_DONE, TG_MARK_DONE, TG_MARK_DONE},
    {TG_HOST_FAILED, TG_HOST_FAILED, TG_MARK_FAILED, TG_MARK_FAILED},
    {TG_HOST_UNREACHABLE, TG_HOST_UNREACHABLE, TG_MARK_FAILED, TG_MARK_NONE},
    {TG_HOST_HELD, TG_HOST_HELD, TG_MARK_FAILED, TG_MARK_NONE},
    {TG_HOST_STUCK, TG_HOST_UNREACHABLE, TG_MARK_FAILED, TG_MARK_NONE},
    {TG_HOST_WAITING, TG_HOST_WAITING, TG_MARK_FAILED,
     TG_MARK_NONE}, /* another tool was busy there, then the run was aborted */
    {TG_HOST_LOST, TG_HOST_LOST, TG_MARK_BEGUN, TG_MARK_BEGUN},
    {TG_HOST_UNKNOWN, TG_HOST_UNKNOWN, TG_MARK_BEGUN, TG_MARK_BEGUN},
};
#define WAYS (sizeof ways / sizeof ways[0])

static void check_ways(bool begun, const char *by)
{
    struct world w = make(WAYS);
    size_t said;

    if (begun)
        say_begun(&w, WAYS, by);
    for (size_t i = 0; i < WAYS; i++)
        ended_as(&w, i, ways[i].state, ways[i].end);
    w.run->state = TG_RUN_ENDED;
    OK(tell(&w, &said, e));
    cr_expect_gt(said, 0);
    for (size_t i = 0; i < WAYS; i++) {
        struct tg_mark m = mark_of(&w, i);
        enum tg_mark_state expected = begun ? ways[i].begun : ways[i].not_begun;
        cr_expect_eq(m.state, expected, "%s (%d): %s", tg_host_state_name(ways[i].state), begun,
                     tg_mark_state_name(m.state));
        cr_expect(m.state == TG_MARK_NONE || m.began_ms == BEGAN_MS);
        cr_expect(m.state < TG_MARK_DONE || m.ended_ms > BEGAN_MS);
    }
    OK(tell(&w, &said, e));
    cr_expect_eq(said, 0, "twice changes nothing");
    finish(&w);
}

Test(ports_slots, what_a_killed_driver_has_said_to_have_begun_is_said_to_have_failed_when_it_never_went_on)
{
    check_ways(true, RUN);
}

Test(ports_slots, who_was_never_begun_gets_no_word)
{
    check_ways(false, NULL);
}

Test(ports_slots, what_others_have_said_is_not_what_this_run_has_begun)
{
    struct world w = make(1);
    size_t said;

    say_begun(&w, 1, "bob@ops2");
    ended_as(&w, 0, TG_HOST_UNREACHABLE, TG_HOST_UNREACHABLE);
    w.run->state = TG_RUN_ENDED;
    OK(tell(&w, &said, e));
    cr_expect_eq(said, 0);
    cr_expect_eq(mark_of(&w, 0).state, TG_MARK_BEGUN);
    finish(&w);
}

/* A store that is away for a moment: it is an error, and the same again says it. Never "it was not begun". */
Test(ports_slots, what_was_said_before_and_cant_be_read_is_asked_again)
{
    struct world w = make(2);
    struct tg_error why = TG_ERROR_INIT;
    bool changed;
    size_t said;

    say_begun(&w, 2, RUN);
    ended_as(&w, 0, TG_HOST_UNREACHABLE, TG_HOST_UNREACHABLE);
    ended_as(&w, 1, TG_HOST_DONE, TG_HOST_DONE);
    w.run->state = TG_RUN_ENDED;
    OK(tg_site_agenda_look(w.agenda, NULL, &changed, e));
    const struct tg_memory_fault fault = {.path = "/calendar/*/marks-*",
                                          .verbs = TG_MEMORY_READ,
                                          .nth = 1,
                                          .action = TG_MEMORY_FAIL,
                                          .code = TG_E_TIMEOUT};
    OK(tg_memory_fault_add("ports_slots", &fault, e));
    cr_expect_eq(tell(&w, &said, &why), TG_E_TIMEOUT, "%s", why.message);
    cr_expect_eq(said, 0);
    cr_expect_eq(mark_of(&w, 0).state, TG_MARK_BEGUN);
    tg_memory_faults_clear("ports_slots");
    OK(tell(&w, &said, e));
    cr_expect_eq(mark_of(&w, 0).state, TG_MARK_FAILED);
    cr_expect_eq(mark_of(&w, 1).state, TG_MARK_DONE);
    finish(&w);
}
