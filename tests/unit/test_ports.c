/*
 * A run's dealings with locks and the guard, with the store's own troubles: the real ports on a store in memory. Its host is held by somebody else, so that all that
 * concerns the store is done (lock, ask, unlock), and nothing on a host.
 */
#define GUARD_SUITE_HELPERS_ONLY
#define GUARD_SUITE ports
#include <tagout/loop.h>

static int guard_loop(struct tg_loop **out)
{
    return tg_loop_new(out, NULL);
}

static const char *guard_url(void)
{
    return "memory:ports";
}

static void guard_end(void)
{
}

#include "guard_suite.h"

#include "calendar/site_agenda.h"
#include "config/problems.h"
#include "engine/others.h"
#include "engine/plan_internal.h"
#include "engine/ports.h"
#include "engine/windows.h"
#include "lib/plan.h"
#include "store/memory.h"

#include <unistd.h>

#define WAIT_MS 2000

struct driven {
    const struct tg_inventory *inventory; /* with calendar: */
    struct tg_site_agenda *calendar;      /* NULL: there are no windows */
    struct tg_store *store;
    struct tg_plan *plan, *read;
    struct tg_journal *j;
    struct tg_run *run;
    struct tg_holds *holds;
    struct tg_ports *ports;
};

static void lay_windows(struct driven *d)
{
    bool changed;

    OK(tg_site_agenda_look(d->calendar, NULL, &changed, e));
    OK(tg_plan_windows_compile(d->plan, d->inventory, tg_site_agenda(d->calendar), "UTC", e));
}

static void make_run(struct driven *d)
{
    const struct tg_run_tokens tokens = {.own = "AAAAAAAAAAAAAAAAAAAA", .all = "AAAAAAAAAAAAAAAAAAAA"};
    char id[TG_RUN_ID_SIZE];

    *d = (struct driven) {.inventory = d->inventory, .calendar = d->calendar, .store = open_another(), .plan = test_plan((struct test_stage[]) {{1, false, 0, {0}}}, 1, 1, 0)};
    free(d->plan->driver);
    free(d->plan->transport);
    d->plan->driver = strdup("puppet");
    d->plan->transport = strdup("local");
    OK(tg_plan_seal(d->plan, e));
    if (d->calendar)
        lay_windows(d);
    OK(tg_journal_create(d->store, d->plan, "alice@ops1", &tokens, NOW, WAIT_MS, id, e));
    OK(tg_journal_load(d->store, id, WAIT_MS, &d->j, &d->read, &d->run, e));
    const struct tg_holds_options ho = {.store = d->store, .wait_ms = WAIT_MS, .run = d->j->id, .owner = "alice@ops1", .reason = "r", .token = tokens.own, .tokens = tokens.all};
    OK(tg_holds_new(&ho, &d->holds, e));
    const struct tg_ports_options po = {.loop = loop, .plan = d->read, .run = d->run, .journal = d->j, .holds = d->holds, .tokens = tokens.all, .owner = "alice@ops1",
                                        .inventory = d->inventory, .calendar = d->calendar};
    OK(tg_ports_new(&po, &d->ports, e));
}

static void end_run(struct driven *d)
{
    tg_ports_free(d->ports);
    tg_holds_free(d->holds);
    tg_run_free(d->run);
    tg_plan_free(d->read);
    tg_journal_free(d->j);
    tg_store_close(d->store);
    tg_plan_free(d->plan);
}

/* P2, P8: a request or an answer that is lost on the way ends neither the run nor does it leave a lock, and it is never taken for leave to act. */
static void with_lost(enum tg_memory_action action, int nth)
{
    struct tg_memory_fault fault = {.path = "/locks*", .verbs = TG_MEMORY_MULTI, .nth = nth, .action = action};
    struct tg_error why = TG_ERROR_INIT;
    struct driven d = {.inventory = NULL};

    setup();
    char *id = lock_it("host:h0", "bob@ops2");
    make_run(&d);
    fault.session = d.store;
    OK(tg_memory_fault_add("ports", &fault, e));
    struct tg_drive_options o = {.journal = d.j, .run = d.run, .by = "alice@ops1", .ports = tg_ports_table(d.ports), .tick_ms = 50};
    int rc = tg_drive(&o, &why);
    cr_assert_eq(rc, 0, "fault %d at %d: %d %s", (int) action, nth, rc, why.message);
    cr_expect_eq(d.run->state, TG_RUN_ENDED);
    cr_expect_eq(d.run->hosts[0].state, TG_HOST_HELD, "%s: %s", tg_host_state_name(d.run->hosts[0].state), d.run->hosts[0].text);
    tg_memory_faults_clear("ports");
    struct tg_locks locks;
    OK(tg_lock_list(&g, NULL, &locks, e));
    cr_expect_eq(locks.n, 1, "only the other's lock is left");
    tg_locks_release(&locks);
    cr_expect_eq(ask("host:h0", "config-management"), TG_ANSWER_HELD);
    cr_expect_eq(unlock(id, "bob@ops2"), 0);
    free(id);
    end_run(&d);
    teardown();
    tg_memory_forget("ports");
}

Test(ports, wait_for_a_store_whose_connection_breaks)
{
    for (int nth = 1; nth <= 3; nth++) {
        with_lost(TG_MEMORY_LOSE_REQUEST, nth);
        with_lost(TG_MEMORY_LOSE_ANSWER, nth);
        with_lost(TG_MEMORY_HANG_ANSWER, nth);
    }
}

/* ---- the calendar is closed while a host is on its way ---- */

struct closing {
    char path[64];
    const char *text; /* what somebody writes when the host is begun */
    bool written;
    volatile sig_atomic_t stops;
};

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    cr_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void close_it(void *data, const struct tg_run *run, const json_t *line)
{
    struct closing *c = data;

    (void) line;
    if (!c->written && run->hosts[0].state == TG_HOST_LOCKING)
        put(c->path, c->text);
    c->written |= run->hosts[0].state == TG_HOST_LOCKING;
}

static void leave_when_it_waits(void *data, const struct tg_run *run, int64_t now_ms)
{
    struct closing *c = data;

    (void) now_ms;
    if (c->written && run->hosts[0].state == TG_HOST_WAITING)
        c->stops = 2;
}

static void close_behind_a_begin(const char *text)
{
    static const char fleet[] = "hosts: {h0: {}}\n";
    struct closing c = {.path = "/tmp/tagout-closing-XXXXXX", .text = text};
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_inventory *inventory = NULL;
    struct driven d = {.inventory = NULL};

    setup();
    cr_assert_geq(close(mkstemp(c.path)), 0);
    put(c.path, "windows: {all: {hours: \"Mon-Sun 00:00-24:00\"}}\n");
    OK(tg_inventory_parse_yaml("fleet.yaml", fleet, strlen(fleet), &p, &inventory, e));
    const struct tg_site_agenda_options ao = {.calendar = c.path, .inventory = d.inventory = inventory, .clock = tg_loop_clock(loop)};
    OK(tg_site_agenda_new(&ao, &d.calendar, e));
    char *id = lock_it("host:h0", "bob@ops2"); /* whoever gets as far as the guard is refused */
    make_run(&d);
    struct tg_drive_options o = {.journal = d.j, .run = d.run, .by = "alice@ops1", .ports = tg_ports_table(d.ports), .tick_ms = 50,
                                 .on_line = close_it, .on_tick = leave_when_it_waits, .data = &c, .stops = &c.stops};
    int rc = tg_drive(&o, NULL);
    cr_expect(c.written);
    cr_expect_eq(rc, TG_E_CANCELLED, "%d: the run went on to its end", rc);
    cr_expect_eq(d.run->hosts[0].state, TG_HOST_WAITING, "%s: %s", tg_host_state_name(d.run->hosts[0].state), d.run->hosts[0].text);
    cr_expect(!tg_run_window(d.run, 0)->open);
    cr_expect_eq(unlock(id, "bob@ops2"), 0);
    free(id);
    end_run(&d);
    tg_site_agenda_free(d.calendar);
    tg_inventory_free(inventory);
    unlink(c.path);
    teardown();
    tg_memory_forget("ports");
}

/* P5: what somebody closes counts from then on, not from the next look of every few seconds on. */
Test(ports, a_calendar_that_is_closed_counts_before_the_next_start)
{
    close_behind_a_begin("windows: {all: {hours: \"Mon-Sun 00:00-24:00\"}}\nblackouts: {freeze: {first: 2020-01-01, last: 2190-01-01}}\n");
    close_behind_a_begin("windows: {all: {hours: \"Mon-Moon\"}}\n");
}

/* ---- how many others are counted ---- */

struct counting {
    struct tg_store *store;
    struct tg_inventory *inventory;
    struct tg_plan *plan;
    struct tg_run *run;
    struct tg_others *others;
    struct tg_holds *holds;
};

static void make_counting(struct counting *c)
{
    static const char fleet[] = "hosts: {\"h[0-3]\": {attrs: {attr0: r0}}}\n";
    struct tg_problems p = TG_PROBLEMS_INIT;

    *c = (struct counting) {.store = open_another(), .plan = test_plan(&(struct test_stage) {.count = 4}, 1, 10, 10)};
    const struct tg_holds_options ho = {.store = c->store, .wait_ms = WAIT_MS, .run = "web-20261122-1", .owner = "alice@ops1", .reason = "r", .token = "AAAAAAAAAAAAAAAAAAAA", .tokens = "AAAAAAAAAAAAAAAAAAAA"};
    OK(tg_inventory_parse_yaml("fleet.yaml", fleet, strlen(fleet), &p, &c->inventory, e));
    test_plan_limit(c->plan, TG_LIMIT_DOMAIN, 1, 4, 0);
    OK(tg_run_new(c->plan, &c->run, e));
    OK(tg_others_new(c->plan, c->inventory, NULL, &c->others, e));
    OK(tg_holds_new(&ho, &c->holds, e));
}

static int64_t place(struct counting *c, size_t host)
{
    char id[TG_HOLD_ID_SIZE], name[8];
    int64_t txid;

    snprintf(name, sizeof name, "h%zu", host);
    OK(tg_hold_place(c->holds, host, name, 1, 600000, id, &txid, e));
    return txid;
}

static void expect_others(struct counting *c, int64_t before_txid, uint32_t n)
{
    OK(tg_hold_count_others(c->holds, c->others, c->run, before_txid, e));
    cr_expect_eq(tg_others_counts(c->others)[0], n, "%u of others", tg_others_counts(c->others)[0]);
}

/* P5: hosts that are locked together need one look at the locks of others; whoever is locked behind it, another one. */
Test(ports, one_look_at_others_is_for_those_that_were_locked_before_it)
{
    struct counting c;

    setup();
    make_counting(&c);
    int64_t first = place(&c, 0), second = place(&c, 1);
    expect_others(&c, second, 0);
    char *id = lock_it("host:h3", "bob@ops2");
    const struct tg_memory_fault away = {.path = "/locks*", .verbs = TG_MEMORY_READ, .nth = 1, .action = TG_MEMORY_HANG, .session = c.store};
    OK(tg_memory_fault_add("ports", &away, e));
    expect_others(&c, first, 0); /* nothing is read */
    tg_memory_faults_clear("ports");
    int64_t third = place(&c, 2);
    expect_others(&c, third, 1);
    expect_others(&c, second, 0);
    expect_others(&c, 0, 1); /* who asks for all that there are gets these */
    cr_expect_eq(unlock(id, "bob@ops2"), 0);
    free(id);
    tg_holds_free(c.holds);
    tg_others_free(c.others);
    tg_run_free(c.run);
    tg_plan_free(c.plan);
    tg_inventory_free(c.inventory);
    tg_store_close(c.store);
    teardown();
    tg_memory_forget("ports");
}

/* P8, P12: a host that the inventory has no more is not said to be locked by a run that never locked it; and is unlocked by one that has. */
Test(ports, who_left_the_inventory_is_unlocked)
{
    char id[TG_HOLD_ID_SIZE];
    struct tg_locks locks;
    struct counting c;
    int64_t txid;

    setup();
    make_counting(&c);
    const struct tg_holds_options ho = {.store = c.store, .inventory = c.inventory, .wait_ms = WAIT_MS, .run = "web-20261122-1", .owner = "alice@ops1", .reason = "r",
                                        .token = "AAAAAAAAAAAAAAAAAAAA", .tokens = "AAAAAAAAAAAAAAAAAAAA"};
    struct tg_holds *now = NULL;
    OK(tg_hold_place(c.holds, 9, "left", 1, 600000, id, &txid, e));
    OK(tg_holds_new(&ho, &now, e));
    OK(tg_hold_release(now, 8, "never", 1, NULL, e));
    OK(tg_hold_release(now, 9, "left", 1, NULL, e));
    OK(tg_lock_list(&g, NULL, &locks, e));
    cr_expect_eq(locks.n, 0);
    tg_locks_release(&locks);
    tg_holds_free(now);
    tg_holds_free(c.holds);
    tg_others_free(c.others);
    tg_run_free(c.run);
    tg_plan_free(c.plan);
    tg_inventory_free(c.inventory);
    tg_store_close(c.store);
    teardown();
    tg_memory_forget("ports");
}
