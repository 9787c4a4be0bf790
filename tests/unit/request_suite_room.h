/* Requests beside others: replicas that must not go at once, who is held, what the audit says. Included by request_suite.h, at its end. */
#ifndef TESTS_REQUEST_SUITE_ROOM_H
#define TESTS_REQUEST_SUITE_ROOM_H

#include "calendar/request_usual.h"

#define PAIR "web2.example.com"

static struct tg_request_limit of_pairs[] = {{.name = (char *) (uintptr_t) "pair", .share = {.kind = TG_SHARE_COUNT, .value = 1}}};

/* web1 and web2 are a pair, of which one may be down; web3 is of another. */
static void pair_up(bool floor)
{
    static const char yaml[] = "hosts:\n  web1.example.com: {attrs: {pair: a}}\n  web2.example.com: {attrs: {pair: a}}\n  web3.example.com: {attrs: {pair: b}}\n";
    struct tg_problems p = TG_PROBLEMS_INIT;

    OK(tg_inventory_parse_yaml("fleet.yaml", yaml, sizeof yaml - 1, &p, &rig.inventory, e));
    tg_problems_release(&p);
    of_pairs[0].floor = floor;
    all.limits = of_pairs;
    all.n_limits = 1;
}

static void part(void)
{
    tg_inventory_free(rig.inventory);
    all.limits = NULL;
    all.n_limits = 0;
}

static void lock_as(const char *host, const char *owner)
{
    char text[80];
    struct tg_lock lock;

    snprintf(text, sizeof text, "host:%s", host);
    struct tg_scopes scopes = scopes_of(text);
    const struct tg_lock_request r = {.scopes = &scopes, .owner = owner, .reason = "maintenance: reboot", .for_ms = 600000};
    OK(tg_lock_take(&g, &r, 1000, NULL, NULL, &lock, e));
    tg_lock_clear(&lock);
    tg_scopes_release(&scopes);
}

static void lock_pair(void)
{
    lock_as(PAIR, "requests@" PAIR);
}

static size_t own_locks(void)
{
    struct tg_locks locks;
    size_t n = 0;

    OK(tg_lock_list(&g, NULL, &locks, e));
    for (size_t i = 0; i < locks.n; i++)
        n += strcmp(locks.v[i].owner, "requests@" HOST) == 0;
    tg_locks_release(&locks);
    return n;
}

/* P5 */
RTEST(the_other_one_of_a_pair_is_waited_for)
{
    for (int floor = 0; floor < 2; floor++) {
        pair_up(floor);
        rig.others = 1;
        if (!floor) {
            lock_pair(); /* a run's, or a person's: whoever has it down */
            wish("update");
        }
        cr_assert_eq(run_due(), TG_E_HELD, "%s", rig.said);
        cr_assert(strstr(rig.why.message, "of the 2 hosts of pair a 1 may be down at once, and 1 are: lock ") && strstr(rig.why.message, "of requests@" PAIR), "%s", rig.why.message);
        cr_assert_eq(rig.acts, 0);
        cr_assert_eq(own_locks(), 0);
        cr_assert(!note_there());
        part();
    }
}

RTEST(a_host_of_another_pair_is_nobodys_trouble)
{
    pair_up(false);
    rig.others = 1;
    lock_as("web3.example.com", "requests@web3.example.com");
    wish("update");
    RUN_DUE();
    cr_assert_eq(rig.acts, 1);
    part();
}

/* P5: both look, both find room, both lock their hosts: whose lock is older goes, the other one goes back. */
RTEST(of_a_pair_that_begins_at_one_moment_one_goes)
{
    static const struct {
        const char *pair_locks_at;
        bool goes;
    } races[] = {{"noted", false}, {"locked", true}};

    for (size_t i = 0; i < sizeof races / sizeof races[0]; i++) {
        rig_teardown();
        rig_setup();
        pair_up(false);
        wish("update");
        rig.others = 1;
        rig.turns_at = races[i].pair_locks_at;
        rig.turn = lock_pair;
        int rc = run_due();
        cr_assert_eq(rc, races[i].goes ? 0 : TG_E_HELD, "%s: %d %s", races[i].pair_locks_at, rc, rig.why.message);
        cr_assert_eq(rig.acts, races[i].goes);
        cr_assert_eq(own_locks(), 0); /* P8 */
        cr_assert(!note_there());
        part();
    }
}

RTEST(limits_that_can_never_be_kept_begin_nothing)
{
    pair_up(true);
    of_pairs[0].share.value = 2;
    wish("update");
    cr_assert_eq(run_due(), TG_E_CONFIG);
    cr_assert(strstr(rig.why.message, "none of them could ever be changed"), "%s", rig.why.message);
    cr_assert_eq((size_t) rig.acts + own_locks(), 0);
    of_pairs[0].share.value = 1;
    part();
}

RTEST(the_audit_says_what_requests_did)
{
    struct tg_audit audit;
    char verbs[400] = "";

    wish("firmware");
    rig.statuses[0] = TG_REQ_EXIT_UNSAFE;
    RUN_DUE();
    OK(cancel("firmware"));
    RUN_DUE();
    wish("update");
    RUN_DUE();
    OK(tg_audit_read(&g, NULL, 0, 100, &audit, e));
    for (size_t i = 0; i < audit.n; i++)
        if (strncmp(audit.v[i].verb, "req-", 4) == 0)
            snprintf(verbs + strlen(verbs), sizeof verbs - strlen(verbs), "%s %s;", audit.v[i].verb, audit.v[i].ticket);
    tg_audit_release(&audit);
    cr_assert_str_eq(verbs, "req-begin firmware;req-hold firmware;req-begin update;req-done update;"); /* who asks and cancels is the command's to say */
}

/* P12: whoever was told of the beginning. */
static void other_customer(void)
{
    rig.customer = "bolt";
    ask_as("firmware", "root@" HOST, false, NULL); /* whose the host is is looked at then */
    struct tg_requests now = record();
    cr_assert_str_eq(now.customer, "bolt");
    tg_requests_release(&now);
}

RTEST(the_end_is_told_to_who_was_told_of_the_beginning)
{
    rig.customer = "acme";
    ask_as("update", "root@" HOST, true, NULL);
    rig.meanwhile = other_customer;
    RUN_DUE();
    cr_assert_eq(told("done"), 1);
    cr_assert_eq(told("done:acme"), 1);
}

/* ---- how long others take ---- */

RTEST(what_others_took_is_known_by_group_and_fleet)
{
    const char *const web[] = {"pair-a", "web"}, *const db[] = {"db"};
    char of[TG_REQ_USUAL_SIZE];

    (void) tg_store_create(g.store, "/history", "", 0, 0, tg_store_deadline(g.store, 20000), NULL);
    cr_assert_eq(tg_usual_read(g.store, "reboot", web, 2, 20000, of), 0);
    for (int i = 1; i <= 3; i++)
        tg_usual_add(g.store, "reboot", web + 1, 1, i * 60000, 20000);
    cr_assert_eq(tg_usual_read(g.store, "reboot", web, 2, 20000, of), 3 * 60000);
    cr_assert_str_eq(of, "group:web");
    cr_assert_eq(tg_usual_read(g.store, "reboot", db, 1, 20000, of), 3 * 60000);
    cr_assert_str_eq(of, "fleet");
    cr_assert_eq(tg_usual_read(g.store, "update", web, 2, 20000, of), 0);
    OK(tg_store_write(g.store, "/history/request:reboot:web", "{", 1, TG_ANY_VERSION, tg_store_deadline(g.store, 20000), e)); /* damaged is none */
    cr_assert_eq(tg_usual_read(g.store, "reboot", web, 2, 20000, of), 3 * 60000);
    cr_assert_str_eq(of, "fleet");
    tg_usual_add(g.store, "reboot", web + 1, 1, -5, 20000); /* a clock was stepped */
    cr_assert_eq(tg_usual_read(g.store, "reboot", NULL, 0, 20000, of), 3 * 60000);
}

#endif
