/*
 * What requests promise, on any store. Included by one test_request_X.c per store, after guard_suite.h's helpers (GUARD_SUITE_HELPERS_ONLY), which
 * defines before the include
 *
 *   #define REQUEST_SUITE request_X
 *
 * Commands, calendar and death are made up; store, locks, permits and the note on disk are real.
 */
#ifndef TESTS_REQUEST_SUITE_H
#define TESTS_REQUEST_SUITE_H

#include "calendar/announce.h"
#include "calendar/book.h"
#include "calendar/request_due.h"
#include "calendar/request_held.h"
#include "calendar/request_internal.h"
#include "config/problems.h"
#include "engine/room.h"
#include "guard_suite.h"

#include <sys/stat.h>
#include <unistd.h>

#define HOST "web1.example.com"
#define BOOT_A "11111111-aaaa"
#define BOOT_B "22222222-bbbb"

/* A host of whose world everything can be set. */
static struct rig {
    char dir[64];
    bool open, when_fails;          /* windows */
    const char *basis;              /* what they are made of; NULL: nobody asks */
    char basis_text[TG_REQ_BASIS_SIZE];
    int64_t lead_ms;
    const char *customer, *boot;
    const char *dies_at;            /* a step; NULL never */
    int dies_after;                 /* that many times it lives on */
    int acts, statuses[8];          /* what acts: what each ends with */
    char acted[8][TG_ACTIVITY_SIZE + 32];
    int act_rc;                     /* not 0: it is not begun, or stopped */
    const char *turns_at;           /* a step at which the world changes: turn() */
    void (*turn)(void);
    void (*meanwhile)(void);        /* happens while it acts */
    struct tg_inventory *inventory; /* with limits: who shares the host's fate; NULL: nobody asks */
    size_t others;                  /* locks of others that are there while it acts */
    struct tg_due_report report;
    struct tg_error why;
    char said[4000];
} rig;

static struct tg_activity activities[] = {
    {.name = (char *) (uintptr_t) "update", .run = (char *[]) {(char *) (uintptr_t) "/bin/update", NULL}, .actor = (char *) (uintptr_t) "config-management", .repeat = true, .timeout_ms = 1000},
    {.name = (char *) (uintptr_t) "firmware", .run = (char *[]) {(char *) (uintptr_t) "/bin/firmware", NULL}, .actor = (char *) (uintptr_t) "config-management", .timeout_ms = 1000},
    {.name = (char *) (uintptr_t) "reboot", .run = (char *[]) {(char *) (uintptr_t) "/bin/reboot", NULL}, .actor = (char *) (uintptr_t) "reboot", .reboots = true, .timeout_ms = 1000},
    {.name = (char *) (uintptr_t) "flash", .run = (char *[]) {(char *) (uintptr_t) "/bin/flash", NULL}, .actor = (char *) (uintptr_t) "reboot", .reboots = true, .timeout_ms = 1000},
};
static struct tg_activities all = {.v = activities, .n = 4};

static void rig_setup(void)
{
    setup();
    all.enter = all.leave = NULL;
    rig = (struct rig) {.open = true, .customer = "", .boot = BOOT_A};
    snprintf(rig.dir, sizeof rig.dir, "/tmp/tagout-test-XXXXXX");
    cr_assert(mkdtemp(rig.dir) != NULL);
    struct tg_error e = TG_ERROR_INIT;
    cr_assert_eq(tg_store_create(g.store, TG_REQUESTS_PATH, "", 0, 0, tg_store_deadline(g.store, 20000), &e), 0, "%s", e.message);
}

static void rig_teardown(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", rig.dir);
    if (system(command))
        abort();
    teardown();
}

#define RTEST2(suite, name) Test(suite, name, .init = rig_setup, .fini = rig_teardown)
#define RTEST1(suite, name) RTEST2(suite, name)
#define RTEST(name) RTEST1(REQUEST_SUITE, name)

static int64_t now_ms(void)
{
    return tg_wall_ms(tg_loop_clock(loop));
}

/* Open: from now on, and with less than a minute to begin in, so that nothing is spread. */
static int rig_fits(void *self, int64_t t, int64_t need, struct tg_fit *out, struct tg_error *e)
{
    (void) self;
    (void) need;
    (void) e;
    *out = (struct tg_fit) {.now = rig.open, .start_ms = rig.open ? t : t + 7200000, .until_ms = TG_CALENDAR_EVER};
    out->latest_ms = out->start_ms + 59000;
    return 0;
}

static int port_basis(void *self, int64_t weeks_txid, char out[TG_REQ_BASIS_SIZE], struct tg_error *e)
{
    (void) self;
    if (!rig.basis)
        return tg_fail(e, TG_E_DATA, "nobody asks");
    snprintf(out, TG_REQ_BASIS_SIZE, "%s.%lld", rig.basis, (long long) weeks_txid);
    return 0;
}

static int64_t weeks_txid(void)
{
    struct tg_node node;

    if (!rig.basis || tg_store_read(g.store, TG_BOOK_PATH, tg_store_deadline(g.store, 20000), &node, NULL))
        return 0;
    int64_t txid = node.stat.modified_txid;
    tg_node_release(&node);
    return txid;
}

static struct tg_request_when rig_when(void)
{
    if (!rig.basis || port_basis(NULL, weeks_txid(), rig.basis_text, NULL))
        rig.basis_text[0] = '\0';
    return (struct tg_request_when) {.fits = rig_fits, .basis = rig.basis_text, .lead_ms = rig.lead_ms, .customer = rig.customer};
}

static int port_when(void *self, struct tg_request_when *out, struct tg_error *e)
{
    (void) self;
    if (rig.when_fails)
        return tg_fail(e, TG_E_UNKNOWN, "the calendar can't be read");
    *out = rig_when();
    return 0;
}

static size_t locks_there(void)
{
    struct tg_locks locks;

    OK(tg_lock_list(&g, NULL, &locks, e));
    size_t n = locks.n;
    tg_locks_release(&locks);
    return n;
}

static int port_act(void *self, const struct tg_due_act *act, int *out_status, struct tg_error *e)
{
    (void) self;
    cr_assert_lt(rig.acts, 8);
    cr_assert_eq(locks_there(), 1 + rig.others, "%s ran while the host was not locked", act->what); /* P5 */
    if (rig.act_rc)
        return tg_fail(e, rig.act_rc, "as the test wants it");
    snprintf(rig.acted[rig.acts], sizeof rig.acted[0], "%s", strrchr(act->argv[0], '/') + 1);
    *out_status = rig.statuses[rig.acts++];
    if (rig.meanwhile)
        rig.meanwhile();
    return 0;
}

static int port_room(void *self, const char *own, int64_t before_txid, struct tg_error *e)
{
    return rig.inventory ? tg_room_ask(self, rig.inventory, &all, HOST, own, before_txid, e) : 0;
}

static void port_tell(void *self, const char *line)
{
    (void) self;
    size_t n = strlen(rig.said);
    snprintf(rig.said + n, sizeof rig.said - n, "%s\n", line);
}

static bool port_dies(void *self, const char *step)
{
    (void) self;
    if (rig.turns_at && strcmp(rig.turns_at, step) == 0)
        rig.turn();
    return rig.dies_at && strcmp(rig.dies_at, step) == 0 && rig.dies_after-- == 0;
}

/* As another process would: a session of its own, which ends with it. */
static int run_due(void)
{
    struct tg_scopes scopes = scopes_of("host:" HOST "=web");
    struct tg_guard own = {.store = open_another(), .timeout_ms = 20000};
    const struct tg_due d = {.self = &own, .room = port_room, .guard = &own, .scopes = &scopes, .host = HOST, .owner = "requests@" HOST, .state_dir = rig.dir, .boot = rig.boot, .activities = &all,
                             .lock_wait_ms = 200, .when = port_when, .basis = port_basis, .act = port_act, .tell = port_tell, .dies = port_dies};

    rig.why = (struct tg_error) TG_ERROR_INIT;
    rig.said[0] = '\0';
    int rc = tg_requests_run_due(&d, &rig.report, &rig.why);
    tg_store_close(own.store);
    tg_scopes_release(&scopes);
    return rc;
}
#define RUN_DUE()                                                                                                                \
    do {                                                                                                                         \
        int due_rc = run_due();                                                                                                  \
        cr_assert_eq(due_rc, 0, "%d %s\n%s", due_rc, rig.why.message, rig.said);                                                   \
    } while (0)

/* --- asking --- */

struct asking {
    struct tg_request_wish wish;
    enum tg_request_was was;
    char id[TG_REQ_ID_SIZE];
};

static int deed_ask(struct tg_requests *r, void *data, struct tg_request_newses *news, struct tg_error *e)
{
    struct asking *a = data;
    struct tg_request_when when = rig_when();
    struct tg_request *q;
    int rc = tg_requests_submit(r, &a->wish, now_ms(), &a->was, &q, e);

    if (rc)
        return rc;
    memcpy(a->id, q->id, sizeof a->id);
    return a->was == TG_REQ_SAME ? TG_REQUESTS_AS_IT_IS : tg_requests_lay(r, &when, now_ms(), news, e);
}

static enum tg_request_was ask_as(const char *activity, const char *owner, bool disruptive, char *out_id)
{
    struct asking a = {.wish = {.activity = activity, .owner = owner, .reason = "", .boot = rig.boot, .disruptive = disruptive, .estimate_ms = 600000}};

    OK(tg_requests_change(&g, HOST, owner, deed_ask, &a, NULL, e));
    if (out_id)
        memcpy(out_id, a.id, sizeof a.id);
    return a.was;
}

static void wish(const char *activity)
{
    ask_as(activity, "root@" HOST, true, NULL);
}

static int deed_cancel(struct tg_requests *r, void *data, struct tg_request_newses *news, struct tg_error *e)
{
    struct tg_request_when when = rig_when();
    int rc = tg_requests_cancel(r, data, "alice@ops1", "not now", now_ms(), e);

    return rc ? rc : tg_requests_lay(r, &when, now_ms(), news, e);
}

static int cancel(const char *what)
{
    return tg_requests_change(&g, HOST, "alice@ops1", deed_cancel, (void *) (uintptr_t) what, NULL, NULL);
}

static struct tg_requests record(void)
{
    struct tg_requests r = {.n = 0};

    OK(tg_requests_read(&g, HOST, &r, e));
    return r;
}

/* "update done; firmware held" */
static const char *stands(void)
{
    static char out[400];
    struct tg_requests r = record();
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < r.n; i++)
        n += (size_t) snprintf(out + n, sizeof out - n, "%s%s %s", n ? "; " : "", r.v[i].activity, tg_request_state_name(r.v[i].state));
    for (size_t i = r.n_past; i-- > 0;)
        n += (size_t) snprintf(out + n, sizeof out - n, "%s%s %s", n ? "; " : "", r.past[i].activity, tg_request_end_name(r.past[i].end));
    tg_requests_release(&r);
    return out;
}

static bool note_there(void)
{
    struct tg_due_note n;
    int rc = tg_due_note_read(rig.dir, &n, NULL);

    cr_assert(rc == 0 || rc == TG_E_NOENT);
    return rc == 0;
}

static void expect_nothing_left(void) /* P8 */
{
    cr_assert_eq(locks_there(), 0, "a lock is left");
    cr_assert(!note_there(), "a note is left");
}

/* Kinds of notes in the queue of announcements, in no order: "scheduled", "done", "done:acme". */
static size_t told(const char *kind)
{
    struct tg_names buckets, names;
    size_t n = 0;
    char path[TG_STORE_PATH_MAX];

    OK(tg_store_list(g.store, TG_ANNOUNCE_NEW, tg_store_deadline(g.store, 20000), &buckets, e));
    for (size_t b = 0; b < buckets.count; b++) {
        snprintf(path, sizeof path, TG_ANNOUNCE_NEW "/%s", buckets.names[b]);
        OK(tg_store_list(g.store, path, tg_store_deadline(g.store, 20000), &names, e));
        for (size_t i = 0; i < names.count; i++) {
            struct tg_announce_note note;
            struct tg_node node;
            snprintf(path, sizeof path, TG_ANNOUNCE_NEW "/%s/%s", buckets.names[b], names.names[i]);
            OK(tg_store_read(g.store, path, tg_store_deadline(g.store, 20000), &node, e));
            OK(tg_announce_note_decode(node.data, node.len, &note, e));
            char whom[200];
            snprintf(whom, sizeof whom, "%s:%s", tg_announce_kind_name(note.a.kind), note.a.customer);
            n += strcmp(tg_announce_kind_name(note.a.kind), kind) == 0 || strcmp(whom, kind) == 0;
            tg_announce_note_release(&note);
            tg_node_release(&node);
        }
        tg_names_release(&names);
    }
    tg_names_release(&buckets);
    return n;
}

/* --- one request --- */

RTEST(a_request_is_carried_out_and_leaves_nothing) /* P8 */
{
    wish("update");
    RUN_DUE();
    cr_assert_str_eq(stands(), "update done");
    cr_assert_eq(rig.acts, 1);
    cr_assert_eq(rig.report.done, 1);
    expect_nothing_left();
    RUN_DUE();
    cr_assert_eq(rig.acts, 1);
}

RTEST(asked_twice_it_is_one)
{
    char first[TG_REQ_ID_SIZE], second[TG_REQ_ID_SIZE];

    cr_assert_eq(ask_as("update", "root@" HOST, true, first), TG_REQ_NEW);
    cr_assert_eq(ask_as("update", "root@" HOST, true, second), TG_REQ_SAME);
    cr_assert_str_eq(first, second);
    RUN_DUE();
    cr_assert_eq(rig.acts, 1);
}

RTEST(requests_of_a_host_are_one_visit_and_reboot_last)
{
    wish("reboot");
    wish("firmware");
    wish("update");
    RUN_DUE();
    cr_assert_eq(rig.acts, 3);
    cr_assert_str_eq(rig.acted[0], "firmware");
    cr_assert_str_eq(rig.acted[1], "update");
    cr_assert_str_eq(rig.acted[2], "reboot");
    cr_assert(rig.report.rebooting);
    cr_assert_eq(locks_there(), 1); /* it stays out of service until it is back: P3 */
    rig.boot = BOOT_B;
    RUN_DUE();
    cr_assert_eq(rig.acts, 3);
    cr_assert_str_eq(stands(), "firmware done; update done; reboot done");
    expect_nothing_left();
}

RTEST(what_has_not_rebooted_is_waited_for_and_not_told_again)
{
    wish("reboot");
    RUN_DUE();
    RUN_DUE();
    cr_assert_eq(rig.acts, 1);
    cr_assert(rig.report.rebooting);
    cr_assert_eq(locks_there(), 1);
}

RTEST(a_reboot_that_was_asked_for_is_done_by_any)
{
    wish("reboot");
    rig.boot = BOOT_B;
    struct tg_requests r = record();
    cr_assert_eq(tg_requests_tidy(&r, rig.boot, now_ms()), 1);
    cr_assert_eq(r.past[0].end, TG_REQ_DONE);
    tg_requests_release(&r);
}

/* --- the exit contract --- */

RTEST(exit_69_is_another_time)
{
    rig.statuses[0] = 69;
    wish("update");
    RUN_DUE();
    cr_assert_str_eq(stands(), "update scheduled");
    expect_nothing_left();
    struct tg_requests r = record();
    cr_assert_geq(r.visits[TG_VISIT_DISRUPTIVE].start_ms, now_ms() + 1200000);
    tg_requests_release(&r);
    RUN_DUE();
    cr_assert_eq(rig.acts, 1);
}

RTEST(exit_75_stays_out_of_service_and_tries_again)
{
    rig.statuses[0] = rig.statuses[1] = 75;
    wish("update");
    RUN_DUE();
    cr_assert_str_eq(stands(), "update retry");
    cr_assert_eq(rig.report.retry, 1);
    cr_assert_eq(locks_there(), 1);
    RUN_DUE();
    cr_assert_str_eq(stands(), "update retry");
    RUN_DUE();
    cr_assert_eq(rig.acts, 3);
    cr_assert_str_eq(stands(), "update done");
    expect_nothing_left();
}

RTEST(what_is_tried_again_ends_with_its_window) /* P5 */
{
    rig.statuses[0] = 75;
    wish("update");
    RUN_DUE();
    rig.open = false;
    RUN_DUE();
    cr_assert_eq(rig.acts, 1);
    cr_assert_str_eq(stands(), "update scheduled");
    expect_nothing_left();
}

RTEST(exit_80_is_held_for_a_person)
{
    rig.statuses[1] = 80;
    wish("firmware");
    wish("update");
    RUN_DUE();
    cr_assert_eq(rig.report.held, 1);
    cr_assert_str_eq(stands(), "update held; firmware done");
    cr_assert_eq(locks_there(), 1);
    wish("firmware");
    RUN_DUE(); /* nothing begins on a host that is in the middle of something */
    cr_assert_eq(rig.acts, 2);
    cr_assert_eq(cancel("update"), 0);
    RUN_DUE();
    expect_nothing_left();
}

RTEST(another_status_has_failed_and_is_not_tried_at_once)
{
    rig.statuses[0] = 3;
    wish("update");
    RUN_DUE();
    cr_assert_str_eq(stands(), "update failed");
    cr_assert_eq(rig.report.failed, 1);
    expect_nothing_left();
    wish("update"); /* its automation asks at every run */
    RUN_DUE();
    cr_assert_eq(rig.acts, 1);
}

RTEST(an_activity_that_the_host_does_not_know_is_not_run) /* P9 */
{
    wish("rm-rf");
    RUN_DUE();
    cr_assert_eq(rig.acts, 0);
    cr_assert_str_eq(stands(), "rm-rf failed");
    expect_nothing_left();
}

/* --- when not --- */

static size_t locks_ever(void)
{
    struct tg_audit audit;
    size_t n = 0;

    OK(tg_audit_read(&g, NULL, 0, 1000, &audit, e));
    for (size_t i = 0; i < audit.n; i++)
        n += strcmp(audit.v[i].verb, "lock") == 0;
    tg_audit_release(&audit);
    return n;
}

static void close_it(void)
{
    rig.open = false;
}

static void spoil_it(void)
{
    rig.when_fails = true;
}

RTEST(a_window_that_closes_while_the_lock_waits_is_closed) /* P5 */
{
    rig.customer = "acme";
    rig.turns_at = "noted lock";
    rig.turn = close_it;
    wish("update");
    RUN_DUE();
    cr_assert_eq(rig.acts, 0);
    cr_assert_eq(told("done") + told("late"), 0); /* it was never begun */
    cr_assert_eq(told("changed"), 1);
    cr_assert_str_eq(stands(), "update scheduled");
    expect_nothing_left();
}

RTEST(a_calendar_that_breaks_while_the_lock_waits_opens_nothing) /* P2 */
{
    rig.turns_at = "noted lock";
    rig.turn = spoil_it;
    wish("update");
    cr_assert_eq(run_due(), TG_E_UNKNOWN);
    cr_assert_eq(rig.acts, 0);
    cr_assert_str_eq(stands(), "update scheduled");
    expect_nothing_left();
}

RTEST(a_window_that_closes_between_two_is_closed_for_the_second) /* P5 */
{
    rig.turns_at = "outcome";
    rig.turn = close_it;
    wish("firmware");
    wish("update");
    RUN_DUE();
    cr_assert_eq(rig.acts, 1);
    cr_assert_str_eq(stands(), "update scheduled; firmware done");
    expect_nothing_left();
}

RTEST(a_window_that_has_closed_meanwhile_is_closed) /* P5 */
{
    wish("update");
    rig.open = false;
    RUN_DUE();
    cr_assert_eq(locks_ever(), 0); /* nobody was kept off for nothing */
    cr_assert_eq(rig.acts, 0);
    cr_assert(rig.report.moved);
    cr_assert_str_eq(stands(), "update scheduled");
    expect_nothing_left();
}

RTEST(a_calendar_that_cannot_be_read_opens_nothing) /* P2 */
{
    wish("update");
    rig.when_fails = true;
    cr_assert_eq(run_due(), TG_E_UNKNOWN);
    cr_assert_eq(rig.acts, 0);
    expect_nothing_left();
    rig.when_fails = false;
    RUN_DUE();
    cr_assert_eq(rig.acts, 1);
}

RTEST(another_s_lock_is_waited_for) /* P1 */
{
    wish("update");
    char *id = lock_it("group:web=" HOST, "alice@ops1");
    cr_assert_eq(run_due(), TG_E_HELD);
    cr_assert(strstr(rig.why.message, "TAGOUT-HELD") != NULL, "%s", rig.why.message);
    cr_assert_eq(rig.acts, 0);
    cr_assert(!note_there());
    cr_assert_eq(unlock(id, "alice@ops1"), 0);
    RUN_DUE();
    cr_assert_eq(rig.acts, 1);
    free(id);
}

RTEST(who_acts_on_the_host_is_waited_for) /* P1 */
{
    struct tg_permit *p = NULL;
    struct tg_scopes list = scopes_of("host:" HOST);
    struct tg_permit_request r = {.scopes = &list, .actor = "config-management", .owner = "robot@h", .host = "h", .what = "puppet agent"};
    struct tg_guard_verdict v;

    wish("update");
    cr_assert_eq(tg_permit_take(&g, &r, &p, &v, NULL), 0);
    cr_assert_eq(run_due(), TG_E_HELD);
    cr_assert_eq(rig.acts, 0);
    expect_nothing_left();
    tg_permit_release(p);
    tg_verdict_release(&v);
    tg_scopes_release(&list);
    RUN_DUE();
    cr_assert_eq(rig.acts, 1);
}

RTEST(a_record_that_is_damaged_is_not_acted_on) /* P2 */
{
    char path[TG_NODE_PATH_SIZE];

    wish("update");
    tg_requests_path(HOST, path, sizeof path);
    OK(tg_store_write(g.store, path, "{\"format\":1}", 12, TG_ANY_VERSION, tg_store_deadline(g.store, 20000), e));
    cr_assert_eq(run_due(), TG_E_UNKNOWN);
    OK(tg_store_write(g.store, path, "{\"format\":99,\"sum\":\"0123456789abcdef\"}", 39, TG_ANY_VERSION, tg_store_deadline(g.store, 20000), e));
    cr_assert_eq(run_due(), TG_E_UNKNOWN);
    cr_assert_eq(rig.acts, 0);
    expect_nothing_left();
}

RTEST(a_store_without_the_folder_is_not_whole) /* P2 */
{
    OK(tg_store_delete(g.store, TG_REQUESTS_PATH, TG_ANY_VERSION, tg_store_deadline(g.store, 20000), e));
    cr_assert_eq(run_due(), TG_E_UNKNOWN);
}

RTEST(a_note_that_is_damaged_stops_everything) /* P2 */
{
    char file[128];
    FILE *f;

    wish("update");
    tg_due_note_file(rig.dir, file, sizeof file);
    cr_assert((f = fopen(file, "w")) != NULL);
    fputs("{}", f);
    fclose(f);
    cr_assert_eq(run_due(), TG_E_UNKNOWN);
    cr_assert_eq(rig.acts, 0);
}

/* --- changed while it is under way --- */

static int cancelled_rc;
static void cancel_update(void)
{
    cancelled_rc = cancel("update");
}

RTEST(what_runs_is_not_cancelled)
{
    rig.meanwhile = cancel_update;
    wish("update");
    RUN_DUE();
    cr_assert_eq(cancelled_rc, TG_E_HELD);
    cr_assert_str_eq(stands(), "update done");
    expect_nothing_left();
}

static void ask_update(void)
{
    wish("update");
}

RTEST(asked_for_while_it_runs_it_is_the_same)
{
    rig.meanwhile = ask_update;
    wish("update");
    RUN_DUE();
    cr_assert_eq(rig.acts, 1);
    cr_assert_str_eq(stands(), "update done");
    expect_nothing_left();
}

static void ask_firmware(void)
{
    rig.meanwhile = NULL;
    wish("firmware");
}

RTEST(what_is_asked_for_meanwhile_gets_a_visit_of_its_own)
{
    rig.meanwhile = ask_firmware;
    wish("update");
    RUN_DUE();
    cr_assert_eq(rig.acts, 1);
    RUN_DUE();
    cr_assert_eq(rig.acts, 2);
    cr_assert_str_eq(stands(), "update done; firmware done");
    expect_nothing_left();
}

/* --- broken off: P7 --- */

/* Before the store says that it was begun, nothing was; from there on until it says how it ended, it may have been. */
static const struct crash {
    const char *step;
    bool begun, over;
} crashes[] = {{"noted", false, false}, {"locked", false, false}, {"noted lock", false, false}, {"begun", false, false}, {"started", true, false},
               {"before act", true, false}, {"acted", true, false}, {"outcome", true, true}, {"finishing", true, true}, {"left", true, true}, {"released", true, true}};

RTEST(killed_at_any_step_what_may_be_repeated_is_done_in_the_end)
{
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++) {
        const struct crash *c = &crashes[i];
        rig.acts = 0;
        rig.dies_at = c->step;
        rig.dies_after = 0;
        wish("update");
        cr_assert_eq(run_due(), TG_E_CANCELLED, "at %s: %s", c->step, rig.why.message);
        rig.dies_at = NULL;
        RUN_DUE();
        cr_assert_eq(rig.acts, strcmp(c->step, "acted") == 0 ? 2 : 1, "at %s: %d", c->step, rig.acts);
        expect_nothing_left();
        struct tg_requests r = record();
        cr_assert_eq(r.n, 0, "at %s", c->step);
        cr_assert_eq(r.past[0].end, TG_REQ_DONE, "at %s", c->step);
        tg_requests_release(&r);
    }
}

RTEST(killed_at_any_step_what_may_not_be_repeated_is_run_once_at_most)
{
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++) {
        const struct crash *c = &crashes[i];
        bool unsure = c->begun && !c->over;
        rig.acts = 0;
        rig.dies_at = c->step;
        rig.dies_after = 0;
        wish("firmware");
        cr_assert_eq(run_due(), TG_E_CANCELLED, "at %s: %s", c->step, rig.why.message);
        rig.dies_at = NULL;
        RUN_DUE();
        RUN_DUE();
        cr_assert_eq(rig.acts, unsure && strcmp(c->step, "acted") != 0 ? 0 : 1, "at %s: %d", c->step, rig.acts);
        if (unsure) {
            cr_assert_eq(rig.report.held, 1, "at %s", c->step);
            cr_assert_eq(locks_there(), 1, "at %s", c->step); /* out of service, until somebody has looked */
            cr_assert_eq(cancel("firmware"), 0);
            RUN_DUE();
        }
        expect_nothing_left();
    }
}

RTEST(killed_at_any_step_a_reboot_is_found_by_the_boot)
{
    for (size_t i = 4; i < sizeof crashes / sizeof crashes[0] - 3; i++) {
        rig.acts = 0;
        rig.boot = BOOT_A;
        rig.dies_at = crashes[i].step;
        rig.dies_after = 0;
        wish("reboot");
        cr_assert_eq(run_due(), TG_E_CANCELLED, "at %s: %s", crashes[i].step, rig.why.message);
        rig.dies_at = NULL;
        rig.boot = BOOT_B;
        RUN_DUE();
        struct tg_requests r = record();
        cr_assert_eq(r.n, 0, "at %s", crashes[i].step);
        cr_assert_eq(r.past[0].end, TG_REQ_DONE, "at %s", crashes[i].step);
        tg_requests_release(&r);
        expect_nothing_left();
    }
}

RTEST(a_reboot_in_the_middle_of_something_else_holds_it)
{
    rig.dies_at = "acted";
    wish("firmware");
    cr_assert_eq(run_due(), TG_E_CANCELLED);
    rig.dies_at = NULL;
    rig.boot = BOOT_B;
    RUN_DUE();
    cr_assert_eq(rig.report.held, 1);
    struct tg_requests r = record();
    cr_assert(strstr(r.v[0].why, "reboot") != NULL, "%s", r.v[0].why);
    tg_requests_release(&r);
}

RTEST(a_reboot_before_its_command_was_begun_is_none_of_its_own)
{
    rig.statuses[0] = 75;
    rig.dies_at = "outcome";
    wish("update");
    wish("flash");
    cr_assert_eq(run_due(), TG_E_CANCELLED);
    rig.boot = BOOT_B; /* somebody else's */
    rig.dies_at = "started";
    rig.dies_after = 1;
    cr_assert_eq(run_due(), TG_E_CANCELLED);
    cr_assert_eq(rig.acts, 2, "update, twice");
    rig.dies_at = NULL;
    RUN_DUE();
    struct tg_requests r = record();
    cr_assert_eq(r.n, 1, "flash was never run, and is said to be done");
    cr_assert_eq(r.v[0].state, TG_REQ_HELD);
    tg_requests_release(&r);
}

/* P2: a disk that was copied, a host that was renamed */
RTEST(a_note_of_another_host_stops_everything)
{
    struct tg_due_note note;

    rig.statuses[0] = 75;
    wish("update");
    RUN_DUE();
    OK(tg_due_note_read(rig.dir, &note, e));
    snprintf(note.host, sizeof note.host, "web2.example.com");
    OK(tg_due_note_write(rig.dir, &note, e));
    cr_assert_eq(run_due(), TG_E_UNKNOWN);
    cr_assert(strstr(rig.why.message, "web2.example.com") != NULL, "%s", rig.why.message);
    cr_assert_eq(rig.acts, 1);
    cr_assert_eq(locks_there(), 1);
}

RTEST(a_lock_that_somebody_broke_is_taken_again_before_anything_runs) /* P5 */
{
    struct tg_locks locks;

    rig.statuses[0] = 75;
    wish("update");
    RUN_DUE();
    OK(tg_lock_list(&g, NULL, &locks, e));
    struct tg_release_request r = {.id = locks.v[0].id, .owner = "alice@ops1", .force = true, .reason = "thought it was stale"};
    OK(tg_lock_release(&g, &r, NULL, e));
    tg_locks_release(&locks);
    RUN_DUE(); /* port_act() wants a lock */
    cr_assert_eq(rig.acts, 2);
    expect_nothing_left();
}

RTEST(a_disk_that_forgot_leaves_no_lock)
{
    char file[128];

    rig.statuses[0] = 75;
    wish("update");
    RUN_DUE();
    tg_due_note_file(rig.dir, file, sizeof file);
    cr_assert_eq(unlink(file), 0);
    RUN_DUE();
    cr_assert_eq(rig.acts, 2);
    expect_nothing_left();
}

/* --- out of service and back --- */

static char *enter_argv[] = {(char *) (uintptr_t) "/bin/enter", NULL}, *leave_argv[] = {(char *) (uintptr_t) "/bin/leave", NULL};

RTEST(the_host_goes_out_of_service_once_and_comes_back)
{
    all.enter = enter_argv;
    all.leave = leave_argv;
    wish("update");
    wish("firmware");
    RUN_DUE();
    cr_assert_eq(rig.acts, 4);
    cr_assert_str_eq(rig.acted[0], "enter");
    cr_assert_str_eq(rig.acted[3], "leave");
    expect_nothing_left();
}

RTEST(what_cannot_go_out_of_service_yet_is_tried_again)
{
    all.enter = enter_argv;
    rig.statuses[0] = 75;
    wish("update");
    cr_assert_eq(run_due(), TG_E_HELD);
    cr_assert_eq(rig.acts, 1);
    cr_assert_eq(locks_there(), 1);
    RUN_DUE();
    cr_assert_eq(rig.acts, 3);
    cr_assert_str_eq(stands(), "update done");
    expect_nothing_left();
}

RTEST(what_does_not_go_out_of_service_gets_another_time)
{
    all.enter = enter_argv;
    all.leave = leave_argv;
    rig.statuses[0] = 69;
    wish("update");
    RUN_DUE();
    cr_assert_eq(rig.acts, 2);
    cr_assert_str_eq(rig.acted[1], "leave");
    cr_assert_str_eq(stands(), "update scheduled");
    expect_nothing_left();
}

RTEST(what_does_not_come_back_stays_locked_until_it_does) /* P8 */
{
    all.leave = leave_argv;
    rig.statuses[1] = rig.statuses[2] = 1;
    wish("update");
    cr_assert_eq(run_due(), TG_E_HELD);
    cr_assert_eq(run_due(), TG_E_HELD);
    cr_assert_eq(locks_there(), 1);
    RUN_DUE();
    cr_assert_eq(rig.acts, 4);
    expect_nothing_left();
}

/* --- what customers are told --- */

RTEST(a_customer_is_told_in_time_and_of_the_end)
{
    rig.customer = "acme";
    wish("update");
    cr_assert_eq(told("scheduled"), 1);
    RUN_DUE();
    cr_assert_eq(told("done"), 1);
    cr_assert_eq(told("changed") + told("cancelled") + told("late"), 0);
}

RTEST(lead_time_is_kept)
{
    rig.customer = "acme";
    rig.lead_ms = 3 * INT64_C(86400000);
    wish("update");
    struct tg_requests r = record();
    cr_assert_geq(r.visits[TG_VISIT_DISRUPTIVE].start_ms, now_ms() + rig.lead_ms - 60000);
    tg_requests_release(&r);
    RUN_DUE();
    cr_assert_eq(rig.acts, 0);
    cr_assert_eq(cancel("update"), 0);
    cr_assert_eq(told("cancelled"), 1);
}

RTEST(nobody_is_told_of_what_does_not_disturb)
{
    rig.customer = "acme";
    rig.lead_ms = 3 * INT64_C(86400000);
    ask_as("update", "root@" HOST, false, NULL);
    RUN_DUE();
    cr_assert_eq(rig.acts, 1);
    cr_assert_eq(told("scheduled") + told("done"), 0);
}

/* --- walks --- */

static int count(const struct tg_requests *r, void *data, struct tg_error *e)
{
    (void) e;
    *(size_t *) data += r->n;
    return 0;
}

RTEST(a_walk_meets_every_host)
{
    size_t n = 0;

    for (int i = 0; i < 40; i++) {
        struct asking a = {.wish = {.activity = "update", .owner = "root@h", .reason = "", .boot = "", .estimate_ms = 600000}};
        char host[64];
        snprintf(host, sizeof host, "db%d.example.com", i);
        OK(tg_requests_change(&g, host, "root@h", deed_ask, &a, NULL, e));
    }
    OK(tg_requests_walk(&g, NULL, count, NULL, &n, e));
    cr_assert_eq(n, 40);
}

#include "request_suite_basis.h"
#include "request_suite_held.h"
#include "request_suite_room.h"

#endif
