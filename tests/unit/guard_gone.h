/* Which hosts are down, as far as the store can tell, on any store. Included by guard_suite.h. */
#ifndef TESTS_GUARD_GONE_H
#define TESTS_GUARD_GONE_H

#include "config/problems.h"
#include "fleet/inventory.h"
#include "guard/gone.h"

static struct tg_scope gone_scope(const char *host)
{
    struct tg_scope s = {.kind = TG_SCOPE_HOST};

    snprintf(s.name, sizeof s.name, "%s", host);
    return s;
}

static void gone_comes(struct tg_store *session, const char *host)
{
    struct tg_scope s = gone_scope(host);
    char path[TG_NODE_PATH_SIZE], bucket[64];

    tg_acks_presence_path(&s, path, sizeof path);
    snprintf(bucket, sizeof bucket, "%.*s", (int) (strrchr(path, '/') - path), path);
    (void) tg_store_create(g.store, bucket, "", 0, 0, tg_store_deadline(g.store, 20000), NULL);
    OK(tg_store_create(session, path, "", 0, TG_CREATE_EPHEMERAL, tg_store_deadline(session, 20000), e));
    OK(tg_known_note(session, &s, tg_store_deadline(session, 20000), e));
}

static void gone_goes(struct tg_store *session, const char *host)
{
    struct tg_scope s = gone_scope(host);
    char path[TG_NODE_PATH_SIZE];

    tg_acks_presence_path(&s, path, sizeof path);
    OK(tg_store_delete(session, path, TG_ANY_VERSION, tg_store_deadline(session, 20000), e));
}

/* Hosts that moved since the last look, as "+web2 -web1": went, came back. */
static const char *gone_look(struct tg_gone *gone, const struct tg_inventory *inventory)
{
    static char text[400];
    size_t host, n;
    const struct tg_host *hosts = tg_inventory_hosts(inventory, &n);

    text[0] = '\0';
    OK(tg_gone_look(gone, g.store, tg_store_deadline(g.store, 20000), e));
    while (tg_gone_moved(gone, &host))
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%c%s", text[0] ? " " : "", tg_gone_is(gone, host) ? '+' : '-', hosts[host].name);
    return text;
}

static struct tg_inventory *gone_inventory(const char *yaml)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_inventory *inventory = NULL;

    OK(tg_inventory_parse_yaml("fleet.yaml", yaml, strlen(yaml), &p, &inventory, e));
    return inventory;
}

GTEST(an_agent_that_is_restarted_is_not_gone_for_who_is_patient) /* P5 */
{
    struct tg_inventory *inventory = gone_inventory("groups:\n  web: {hosts: \"web[1-3]\"}\n");
    struct tg_store *agents = open_another();
    struct tg_gone *gone;

    OK(tg_gone_new(inventory, &gone, e));
    OK(tg_gone_patience(gone, 3600000, e));
    gone_comes(agents, "web1");
    gone_comes(agents, "web2");
    gone_comes(agents, "web3");
    gone_goes(agents, "web3");
    cr_expect_str_eq(gone_look(gone, inventory), "+web3", "who is away at the first look is gone at once");
    gone_goes(agents, "web1");
    gone_goes(agents, "web2");
    cr_expect_str_eq(gone_look(gone, inventory), "");
    cr_expect_eq(tg_gone_count(gone), 1);
    gone_comes(agents, "web1");
    gone_comes(agents, "web3");
    cr_expect_str_eq(gone_look(gone, inventory), "-web3");
    gone_goes(agents, "web1");
    gone_goes(agents, "web3");
    cr_expect_str_eq(gone_look(gone, inventory), "", "it begins anew for who was back");
    OK(tg_gone_patience(gone, 1, e));
    tg_loop_turn(loop, 20);
    cr_expect_str_eq(gone_look(gone, inventory), "+web2 +web1 +web3", "and ends, though nothing has changed in the store");
    gone_comes(agents, "web2");
    cr_expect_str_eq(gone_look(gone, inventory), "-web2");
    cr_expect_eq(tg_gone_count(gone), 2);
    tg_gone_free(gone);
    tg_store_close(agents);
    tg_inventory_free(inventory);
}

GTEST(a_host_is_gone_when_it_had_an_agent_and_has_none) /* P5 */
{
    struct tg_inventory *inventory = gone_inventory("groups:\n  web: {hosts: \"web[1-5].example.com\"}\n");
    struct tg_store *agents = open_another();
    struct tg_scope web1 = gone_scope("web1.example.com");
    struct tg_gone *gone;
    bool was = false;

    OK(tg_gone_new(inventory, &gone, e));
    cr_expect_str_eq(gone_look(gone, inventory), "", "nobody has ever had one: nothing is known");
    cr_expect_not(tg_gone_knows_any(gone));
    gone_comes(agents, "web1.example.com");
    gone_comes(agents, "web2"); /* it calls itself by its short name */
    gone_comes(agents, "stranger.example.com");
    cr_expect_str_eq(gone_look(gone, inventory), "");
    cr_expect(tg_gone_knows_any(gone));
    gone_goes(agents, "web1.example.com");
    gone_goes(agents, "stranger.example.com");
    cr_expect_str_eq(gone_look(gone, inventory), "+web1.example.com");
    cr_expect_str_eq(gone_look(gone, inventory), "", "once");
    cr_expect_eq(tg_gone_count(gone), 1);
    gone_comes(agents, "web1.example.com");
    cr_expect_str_eq(gone_look(gone, inventory), "-web1.example.com");
    tg_store_close(agents); /* its session ends */
    const char *moved = gone_look(gone, inventory);
    cr_expect(strstr(moved, "+web1.example.com") && strstr(moved, "+web2.example.com"), "%s", moved);
    OK(tg_known_forget(g.store, &web1, "alice@ops1", tg_store_deadline(g.store, 20000), &was, e));
    cr_expect(was);
    cr_expect_str_eq(gone_look(gone, inventory), "-web1.example.com");
    cr_expect_eq(tg_gone_count(gone), 1);
    OK(tg_known_forget(g.store, &web1, "alice@ops1", tg_store_deadline(g.store, 20000), &was, e));
    cr_expect_not(was);
    tg_gone_free(gone);
    tg_inventory_free(inventory);
}

GTEST(a_host_whose_agent_is_there_is_not_forgotten)
{
    struct tg_scope web1 = gone_scope("web1.example.com");
    struct tg_error why = TG_ERROR_INIT;
    bool was = false;

    gone_comes(g.store, "web1.example.com");
    cr_expect_eq(tg_known_forget(g.store, &web1, "alice@ops1", tg_store_deadline(g.store, 20000), &was, &why), TG_E_HELD);
    cr_expect_str_eq(why.message, "web1.example.com has an agent, and it is there");
    cr_expect_not(was);
}

/* P2: a store that an older tagout made has no traces: nothing is known of anybody, and nobody is taken for down. */
GTEST(in_a_store_without_traces_nobody_is_gone)
{
    struct tg_inventory *inventory = gone_inventory("groups:\n  web: {hosts: \"web[1-5].example.com\"}\n");
    struct tg_scope web1 = gone_scope("web1.example.com");
    struct tg_gone *gone;

    OK(tg_store_delete(g.store, "/known", TG_ANY_VERSION, tg_store_deadline(g.store, 20000), e));
    OK(tg_gone_new(inventory, &gone, e));
    cr_expect_str_eq(gone_look(gone, inventory), "");
    cr_expect_eq(tg_known_note(g.store, &web1, tg_store_deadline(g.store, 20000), NULL), TG_E_NOENT);
    tg_gone_free(gone);
    tg_inventory_free(inventory);
}

#endif
