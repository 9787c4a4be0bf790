/* Which of request_suite.h's hosts are held for a person, and what becomes of the lists of them. */
#ifndef TESTS_REQUEST_SUITE_HELD_H
#define TESTS_REQUEST_SUITE_HELD_H

#include "base/seal.h"
#include "request_suite.h"

struct names {
    char text[400];
    size_t n;
};

static int name_held(const struct tg_requests *r, void *data, struct tg_error *e)
{
    struct names *names = data;

    (void) e;
    names->n++;
    snprintf(names->text + strlen(names->text), sizeof names->text - strlen(names->text), "%s%s", names->text[0] ? " " : "", r->host);
    return 0;
}

static struct tg_held_found held(struct names *names)
{
    struct tg_held_found found;

    *names = (struct names){.n = 0};
    OK(tg_requests_held(&g, 10, name_held, names, &found, e));
    cr_assert_eq(found.bad, 0, "%s", found.bad_why.message);
    return found;
}

static void expect_held(const char *hosts, size_t n, size_t lists)
{
    struct names names;
    struct tg_held_found found = held(&names);

    cr_assert_eq(found.hosts, n, "%zu", found.hosts);
    cr_assert_eq(found.lists, lists, "%s", found.list_why.message);
    cr_assert_str_eq(names.text, hosts);
}

static const char *list_path(void)
{
    static char path[TG_NODE_PATH_SIZE];

    tg_requests_path(HOST, path, sizeof path);
    *strrchr(path, '/') = '\0';
    return path;
}

static void put_list(const char *text)
{
    OK(tg_store_write(g.store, list_path(), text, strlen(text), TG_ANY_VERSION, tg_store_deadline(g.store, 20000), e));
}

static void expect_list(const char *text)
{
    struct tg_node node;

    OK(tg_store_read(g.store, list_path(), tg_store_deadline(g.store, 20000), &node, e));
    cr_assert_str_eq(node.data, text);
    tg_node_release(&node);
}

static void hold_it(void)
{
    wish("firmware");
    rig.statuses[rig.acts] = TG_REQ_EXIT_UNSAFE;
    RUN_DUE();
}

/* A host of the same bucket, held as well: a copy of the record with another name. */
static const char *hold_neighbour(void)
{
    static char host[64];
    char path[TG_NODE_PATH_SIZE];
    struct tg_requests r = record();

    for (int i = 2;; i++) {
        snprintf(host, sizeof host, "web%d.example.com", i);
        tg_requests_path(host, path, sizeof path);
        if (strncmp(path, list_path(), strlen(list_path())) == 0)
            break;
    }
    snprintf(r.host, sizeof r.host, "%s", host);
    char *text = tg_requests_encode(&r);
    OK(tg_store_create(g.store, path, text, strlen(text), 0, tg_store_deadline(g.store, 20000), e));
    free(text);
    tg_requests_release(&r);
    return host;
}

RTEST(who_is_held_is_found_and_who_is_not_any_more_is_not)
{
    wish("firmware");
    expect_held("", 0, 0);
    rig.statuses[0] = TG_REQ_EXIT_UNSAFE;
    RUN_DUE();
    expect_held(HOST, 1, 0);
    OK(cancel("firmware"));
    expect_held("", 0, 0);
}

RTEST(a_list_that_is_damaged_hides_nobody_and_forgets_nobody_when_it_is_written)
{
    static const char *const damaged[] = {"{\"format\":1,\"held\":[],\"sum\":\"0123456789abcdef\"}", "{\"format\":1,\"he", "\xff\x00", "{}", "null"};
    struct names names;

    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        rig_teardown();
        rig_setup();
        hold_it();
        const char *other = hold_neighbour();
        put_list(damaged[i]);
        cr_assert_eq(held(&names).hosts, 2);
        cr_assert_eq(held(&names).lists, 1);
        cr_assert_not(held(&names).newer);
        OK(cancel("firmware"));
        expect_held(other, 1, 0);
    }
}

RTEST(a_list_of_a_newer_tagout_is_never_written_over)
{
    char *newer[] = {tg_seal(json_pack("{s:i,s:o}", "format", 2, "held", json_object())), tg_seal(json_pack("{s:i,s:[s],s:i}", "format", 1, "held", HOST, "since", 1))};
    struct names names;

    hold_it();
    for (size_t i = 0; i < sizeof newer / sizeof newer[0]; i++) {
        put_list(newer[i]);
        cr_assert_eq(cancel("firmware"), TG_E_UNKNOWN);
        cr_assert_str_eq(stands(), "firmware held");
        cr_assert(held(&names).newer);
        expect_held(HOST, 1, 1);
        expect_list(newer[i]);
        free(newer[i]);
    }
    put_list(""); /* as if it had been mended: what was refused goes through */
    OK(cancel("firmware"));
    expect_held("", 0, 0);
}

/* A list of so many bytes of names, at least; free(). */
static char *long_list(size_t bytes, bool more)
{
    json_t *o = json_pack("{s:i,s:[]}", "format", 1, "held"), *list = json_object_get(o, "held");
    char host[200], label[61] = "";

    memset(label, 'a', sizeof label - 1);
    for (size_t n = 0, at = 0; at < bytes; n++) {
        snprintf(host, sizeof host, "h%03zu.%s.%s", n, label, label);
        at += strlen(host) + 3;
        json_array_append_new(list, json_string(host));
    }
    if (more)
        json_object_set_new(o, "more", json_true());
    return tg_seal(o);
}

static void let_go(char *text, const char *host, int wanted)
{
    char *next = NULL;

    cr_assert_eq(tg_held_change(text, strlen(text), host, false, &next, NULL), wanted, "%zu", strlen(text));
    free(next);
    free(text);
}

RTEST(a_host_that_a_full_list_has_no_room_for_is_found)
{
    char *full = long_list(TG_HELD_BYTES_MAX - 10, false), *next;

    wish("update");
    RUN_DUE();
    put_list(full);
    hold_it();
    expect_held(HOST, 1, 0);
    OK(cancel("firmware"));
    expect_held("", 0, 0);
    OK(tg_held_change(full, strlen(full), HOST, true, &next, e));
    cr_assert(strstr(next, "\"more\":true") && strlen(next) < TG_HELD_BYTES_MAX + 200, "%zu", strlen(next));
    free(next);
    free(full);
}

/* Those who had none get it when half of it is free, not each time that somebody goes. */
RTEST(a_full_list_is_made_anew_when_there_is_room_again)
{
    let_go(long_list(TG_HELD_BYTES_MAX - 200, true), HOST, 0);
    let_go(long_list(TG_HELD_BYTES_MAX / 2 - 200, true), HOST, TG_HELD_ANEW);
    let_go(long_list(100, false), HOST, 0);
    wish("update");
    RUN_DUE();
    hold_it();
    const char *other = hold_neighbour();
    char *text = long_list(100, true);
    put_list(text);
    free(text);
    OK(cancel("firmware"));
    expect_held(other, 1, 0);
    text = tg_seal(json_pack("{s:i,s:[s]}", "format", 1, "held", other));
    expect_list(text);
    free(text);
}

#endif
