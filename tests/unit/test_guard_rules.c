/* What needs no store: scopes and their overlap, where they lie, what a record means, and the decision as a table. */
#include "base/buf.h"
#include "fleet/inventory.h"
#include "config/problems.h"
#include "guard/tree.h"

#include "base/seal.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct tg_scope scope_of(const char *text)
{
    struct tg_scope s;
    char copy[300], *more;

    snprintf(copy, sizeof copy, "%s", text);
    if ((more = strchr(copy, '=')) != NULL)
        *more++ = '\0';
    cr_assert_eq(tg_scope_parse(copy, &s, NULL), 0, "%s", text);
    if (more && s.kind == TG_SCOPE_GROUP)
        cr_assert_eq(tg_scope_set_hosts(&s, more, NULL), 0);
    if (more && s.kind == TG_SCOPE_HOST)
        cr_assert_eq(tg_scope_add_group(&s, more, NULL), 0);
    return s;
}

Test(scope, what_overlaps_what)
{
    static const struct { const char *a, *b; enum tg_overlap is; } rows[] = {
        {"fleet", "fleet", TG_OVERLAP_YES}, {"fleet", "host:a", TG_OVERLAP_YES}, {"fleet", "service:a", TG_OVERLAP_YES},
        {"host:a", "host:a", TG_OVERLAP_YES}, {"host:a", "host:b", TG_OVERLAP_NO}, {"host:a", "host:a.b.c", TG_OVERLAP_YES},
        {"host:a.x.c", "host:a.b.c", TG_OVERLAP_NO}, {"host:A", "host:a", TG_OVERLAP_YES}, {"host:ab", "host:a.b", TG_OVERLAP_NO},
        {"service:a", "host:a", TG_OVERLAP_NO}, {"service:a", "group:a", TG_OVERLAP_NO}, {"service:a", "service:a", TG_OVERLAP_YES},
        {"service:Auto", "service:aUTO", TG_OVERLAP_YES}, {"service:A", "service:b", TG_OVERLAP_NO}, {"group:G=a", "group:g=b", TG_OVERLAP_YES},
        {"group:G=a", "host:c=g", TG_OVERLAP_YES}, {"group:g", "group:g", TG_OVERLAP_YES}, {"group:g", "group:h", TG_OVERLAP_DOUBT},
        {"group:g=a,b", "group:h=b,c", TG_OVERLAP_YES}, {"group:g=a,b", "group:h=c,d", TG_OVERLAP_NO}, {"group:g=a,b", "group:h", TG_OVERLAP_DOUBT},
        {"group:g=a,b", "host:a", TG_OVERLAP_YES}, {"group:g=a,b", "host:c", TG_OVERLAP_NO}, {"group:g=a,b", "host:c=g", TG_OVERLAP_YES},
        {"group:g", "host:c=g", TG_OVERLAP_YES}, {"group:g", "host:c=h", TG_OVERLAP_NO}, {"group:g", "host:c", TG_OVERLAP_DOUBT},
        {"group:g=a.x,b.x", "host:a", TG_OVERLAP_YES}, {"group:g=a,b", "host:a.x", TG_OVERLAP_YES},
        {"group:g=web[1-100].x", "host:web50.x", TG_OVERLAP_YES}, {"group:g=web[1-100].x", "host:web101.x", TG_OVERLAP_NO},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tg_scope a = scope_of(rows[i].a), b = scope_of(rows[i].b);
        cr_assert_eq(tg_scope_overlap(&a, &b), rows[i].is, "%s %s", rows[i].a, rows[i].b);
        cr_assert_eq(tg_scope_overlap(&b, &a), rows[i].is, "%s %s", rows[i].b, rows[i].a);
        tg_scope_release(&a);
        tg_scope_release(&b);
    }
}

Test(scope, what_is_none_is_refused_with_a_way_out)
{
    static const char *const bad[] = {"", "web1", "host:", "host:-x", "host:a..b", "group:", "group:a b", "group:a\"b", "service:a,b", "Fleet", "fleet:x",
                                      "host:a/b", "user:x", "service:a%2Fb", "service:\xc3\xa9", "group:a\nb"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tg_scope s;
        struct tg_error e = TG_ERROR_INIT;
        cr_assert_eq(tg_scope_parse(bad[i], &s, &e), TG_E_USAGE, "%s", bad[i]);
        cr_assert(e.message[0] && e.hint[0]);
    }
}

Test(scope, a_name_is_looked_up_and_the_nearest_is_named)
{
    static const char text[] = "groups: {web: {hosts: 'web[1-3].x'}, all-of-it: {children: [web]}}";
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_inventory *inventory;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_scope s = scope_of("group:wbe");

    cr_assert_eq(tg_inventory_parse_yaml("f", text, strlen(text), &p, &inventory, NULL), 0);
    cr_assert_eq(tg_scope_resolve(&s, inventory, &e), TG_E_USAGE);
    cr_assert_str_eq(e.hint, "did you mean group:web?");
    s = scope_of("group:web");
    cr_assert_eq(tg_scope_resolve(&s, inventory, NULL), 0);
    cr_assert_str_eq(s.hosts, "web[1-3].x");
    tg_scope_release(&s);
    s = scope_of("host:web2.x");
    cr_assert_eq(tg_scope_resolve(&s, inventory, NULL), 0);
    cr_assert_eq(s.n_groups, 2);
    tg_scope_release(&s);
    tg_error_clear(&e);
    s = scope_of("host:web9.x");
    cr_assert_eq(tg_scope_resolve(&s, inventory, &e), TG_E_USAGE);
    cr_assert(strstr(e.hint, "did you mean host:web"), "%s", e.hint);
    tg_error_clear(&e);
    s = scope_of("host:web3"); /* a short name: the full one is meant, however many letters are missing */
    cr_assert_eq(tg_scope_resolve(&s, inventory, &e), TG_E_USAGE);
    cr_assert_str_eq(e.hint, "did you mean host:web3.x?");
    tg_inventory_free(inventory);
}

Test(tree, every_name_has_its_place_and_comes_back)
{
    static const char *const names[] = {"service:a", "service:.", "service:..", "service:a/b", "service:/", "group:.x", "group:a.b", "host:web1.example.com"};
    char path[TG_NODE_PATH_SIZE];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct tg_scope s = scope_of(names[i]), back;
        tg_tree_scope_path("/locks", &s, path, sizeof path);
        const char *node = strrchr(path, '/') + 1;
        cr_assert(strcmp(node, ".") && strcmp(node, "..") && node[0], "%s", path);
        cr_assert_eq(tg_tree_unname(s.kind, node, &back, NULL), 0);
        cr_assert_str_eq(back.name, s.name);
    }
}

Test(tree, buckets_are_what_they_always_were)
{
    static const struct { const char *scope, *bucket; } rows[] = {
        {"host:web1", "5f"}, {"host:web1.example.com", "5f"}, {"service:autoscaler", "a3"}, {"service:a.b", "62"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tg_scope s = scope_of(rows[i].scope);
        char bucket[3];
        tg_tree_bucket(&s, bucket);
        cr_expect_str_eq(bucket, rows[i].bucket, "%s: %s", rows[i].scope, bucket);
    }
}

Test(lock, the_strictest_comes_first)
{
    struct tg_scopes a = TG_SCOPES_INIT;
    struct tg_scope s = scope_of("host:a");
    struct tg_question q = {.scopes = &a, .actor = "x"};
    struct tg_guard_verdict v = {.answer = TG_ANSWER_UNKNOWN};
    struct tg_lock locks[4] = {{.id = "SHARTX", .until_ms = 200}, {.id = "LXNGXX", .until_ms = 900}, {.id = "XVERDU", .until_ms = 50}, {.id = "GXNEXX", .state = TG_LOCK_RELEASED}};

    tg_scopes_add(&a, &s, NULL);
    for (int i = 0; i < 4; i++) {
        s = scope_of("fleet");
        tg_scopes_add(&locks[i].scopes, &s, NULL);
    }
    cr_assert_eq(tg_decide(&q, locks, 4, 100, &v, NULL), 0);
    cr_assert_eq(v.answer, TG_ANSWER_HELD);
    cr_assert_eq(v.locks.n, 3);
    cr_assert_str_eq(v.locks.v[0].id, "XVERDU");
    cr_assert_str_eq(v.locks.v[1].id, "LXNGXX");
    cr_assert_str_eq(v.locks.v[2].id, "SHARTX");
    tg_verdict_release(&v);
    tg_lock_clear(&locks[3]);
    tg_scopes_release(&a);
}

Test(lock, a_record_comes_back_as_it_was)
{
    struct tg_lock l = {.id = "L7K2QX", .request = "R1", .state = TG_LOCK_HELD, .owner = "alice@ops1", .reason = "größer \"as\" \\ was", .ticket = "OPS-1",
                        .since_ms = 1, .until_ms = 2, .hold = {"autoscaler"}, .n_hold = 1}, back;
    struct tg_scope s = scope_of("group:web=web[1-3]");
    struct tg_error e = TG_ERROR_INIT;

    tg_scopes_add(&l.scopes, &s, NULL);
    s = scope_of("host:a=web");
    tg_scopes_add(&l.scopes, &s, NULL);
    char *text = tg_lock_encode(&l);
    cr_assert_eq(tg_lock_decode(text, strlen(text), &back, &e), 0, "%s", e.message);
    cr_assert_str_eq(back.reason, l.reason);
    cr_assert_str_eq(back.scopes.v[0].hosts, "web[1-3]");
    cr_assert_eq(back.scopes.v[0].host_set.n, 3);
    cr_assert_str_eq(back.scopes.v[1].groups[0], "web");
    cr_assert_str_eq(back.hold[0], "autoscaler");
    tg_lock_clear(&back);
    char *unknown = strdup(text); /* a key that we don't know: refused, not guessed */
    memcpy(strstr(unknown, "\"ticket\""), "\"tocket\"", 8);
    cr_assert_eq(tg_lock_decode(unknown, strlen(unknown), &back, NULL), TG_E_DATA);
    json_t *o = json_loads(unknown, 0, NULL); /* and sealed as it should be */
    json_object_del(o, "sum");
    free(unknown);
    unknown = tg_seal(o);
    cr_assert_eq(tg_lock_decode(unknown, strlen(unknown), &back, &e), TG_E_DATA);
    cr_assert(strstr(e.message, "no lock's record"), "%s", e.message);
    free(unknown);
    free(text);
    tg_lock_clear(&l);
}

Test(record, what_init_writes_is_what_the_encoder_makes)
{
    struct tg_op ops[64];
    size_t n = tg_tree_init_ops(ops, 64);

    for (size_t i = 0; i < n; i++) {
        struct tg_counter c;
        if (!ops[i].len)
            continue;
        cr_assert_eq(tg_counter_decode(ops[i].data, ops[i].len, &c, NULL), 0, "%s", ops[i].path);
        char *text = tg_counter_encode(&c);
        cr_assert_str_eq(text, ops[i].data);
        free(text);
        tg_counter_clear(&c);
    }
}

Test(record, every_flipped_bit_is_found)
{
    struct tg_permit_record p = {.id = "R1", .actor = "autoscaler", .owner = "bob@ops2", .host = "web1", .what = "scale", .pid = 7, .since_ms = 1}, back;
    struct tg_scope s = scope_of("host:a");

    tg_scopes_add(&p.scopes, &s, NULL);
    char *text = tg_permit_encode(&p);
    size_t len = strlen(text);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        text[bit / 8] ^= (char) (1 << bit % 8);
        cr_assert_neq(tg_permit_decode(text, len, &back, NULL), 0, "bit %zu", bit);
        text[bit / 8] ^= (char) (1 << bit % 8);
    }
    for (size_t cut = 0; cut < len; cut++)
        cr_assert_neq(tg_permit_decode(text, cut, &back, NULL), 0, "cut at %zu", cut);
    free(text);
    tg_permit_clear(&p);
}

Test(rules, a_lock_on_all_automation_names_no_actor)
{
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_held_actor_check("autoscaler", NULL), 0);
    cr_assert_eq(tg_held_actor_check("A", NULL), TG_E_USAGE);
    cr_assert_eq(tg_held_actor_check("all", &e), TG_E_USAGE, "it would be shown as one, and hold nothing");
    cr_assert(strstr(e.hint, "leave --hold out"), "%s", e.hint);
}
