/* Plans in the store: what was kept is what is read, or nothing is. P5: a plan that was edited, or approved for something else, is none. */
#include "engine/plan_internal.h"
#include "engine/plan_keep.h"
#include "lib/plan.h"
#include "store/memory.h"

#include <criterion/criterion.h>
#include <tagout/loop.h>

#define NOW INT64_C(1795428000000)
#define WAIT 1000

static struct tg_error damage; /* of a record that was replaced */

struct place {
    struct tg_loop *loop;
    struct tg_store *store;
    char name[60];
};

static void setup(struct place *p, const char *name)
{
    struct tg_error e = TG_ERROR_INIT;
    char url[80];

    snprintf(p->name, sizeof p->name, "keep-%s", name);
    snprintf(url, sizeof url, "memory:%s", p->name);
    cr_assert_eq(tg_loop_virtual(NOW, &p->loop, &e), 0);
    const struct tg_store_options o = {.loop = p->loop, .url = url, .session_ms = 5000};
    cr_assert_eq(tg_store_open(&o, &p->store, &e), 0, "%s", e.message);
    cr_assert_eq(tg_store_connect(p->store, tg_store_deadline(p->store, WAIT), &e), 0, "%s", e.message);
    cr_assert_eq(tg_store_create(p->store, "/plans", "", 0, 0, tg_store_deadline(p->store, WAIT), &e), 0, "%s", e.message);
}

static void teardown(struct place *p)
{
    tg_store_close(p->store);
    tg_memory_forget(p->name);
    tg_loop_free(p->loop);
}

static struct tg_plan *plan_of(size_t canary, size_t rest, int64_t running)
{
    struct tg_plan *plan = test_plan((struct test_stage[]) {{canary, false, 5000, {0, 0}}, {rest, false, 0, {1, 1000}}}, 2, running, 0);

    cr_assert_eq(tg_plan_seal(plan, NULL), 0);
    return plan;
}

static bool anybody(const void *data, const char *by)
{
    (void) by;
    return !data;
}

static bool not_him(const void *data, const char *by)
{
    return strcmp(data, by) != 0;
}

static struct tg_plan_approval approval(const char *by, int64_t until_ms)
{
    struct tg_plan_approval a = {.at_ms = NOW, .until_ms = until_ms};

    snprintf(a.by, sizeof a.by, "%s", by);
    return a;
}

Test(plan_keep, is_found_by_the_beginning_of_its_digest)
{
    struct place p;
    struct tg_plan *one = plan_of(1, 5, 1);
    struct tg_kept_plan k;
    struct tg_error e = TG_ERROR_INIT;

    setup(&p, "found");
    cr_assert_eq(tg_plan_keep(p.store, one, "alice@ops1", NOW, WAIT, &damage, &e), 0, "%s", e.message);
    cr_assert_eq(tg_plan_keep(p.store, one, "bob@ops2", NOW + 1, WAIT, &damage, &e), 0, "twice is once");
    char prefix[10];
    snprintf(prefix, sizeof prefix, "%.6s", one->digest);
    cr_assert_eq(tg_plan_kept(p.store, prefix, WAIT, &k, &e), 0, "%s", e.message);
    cr_expect_str_eq(k.by, "alice@ops1");
    cr_expect_str_eq(k.digest, one->digest);
    cr_expect_str_eq(json_string_value(k.hosts), "h[0-5]");
    cr_expect_eq(k.changes, 6);
    tg_kept_plan_release(&k);
    cr_expect_eq(tg_plan_kept(p.store, "abc", WAIT, &k, NULL), TG_E_USAGE);
    cr_expect_eq(tg_plan_kept(p.store, "00000000", WAIT, &k, &e), TG_E_NOENT);
    tg_plan_free(one);
    teardown(&p);
}

/* Every byte of it flipped, every length of it cut: refused, or the very same. */
Test(plan_keep, a_record_that_is_damaged_anywhere_is_refused)
{
    struct tg_plan *plan = plan_of(1, 2, 1);
    struct tg_kept_plan k = {.at_ms = NOW, .plan = tg_plan_sealed_json(plan), .hosts = json_string("h[0-2]"), .n_approvals = 1}, back;

    snprintf(k.digest, sizeof k.digest, "%s", plan->digest);
    snprintf(k.by, sizeof k.by, "alice@ops1");
    k.approvals[0] = approval("bob@ops2", NOW + 1000);
    char *text = tg_kept_plan_encode(&k);
    size_t len = strlen(text);
    cr_assert_eq(tg_kept_plan_decode(text, len, &back, NULL), 0);
    cr_expect(back.n_approvals == 1 && back.approvals[0].until_ms == NOW + 1000);
    tg_kept_plan_release(&back);
    for (size_t i = 0; i < len; i++) {
        cr_expect_neq(tg_kept_plan_decode(text, i, &back, NULL), 0, "cut at %zu", i);
        text[i] ^= 1;
        cr_expect_neq(tg_kept_plan_decode(text, len, &back, NULL), 0, "flipped at %zu", i);
        text[i] ^= 1;
    }
    free(text);
    /* sealed anew by who knows how, it still does not have the digest */
    json_object_set_new(k.plan, "running", json_integer(50));
    text = tg_kept_plan_encode(&k);
    struct tg_error e = TG_ERROR_INIT;
    cr_expect_eq(tg_kept_plan_decode(text, strlen(text), &back, &e), TG_E_DATA);
    cr_expect(strstr(e.message, "does not have its digest"), "%s", e.message);
    free(text);
    tg_kept_plan_release(&k);
    tg_plan_free(plan);
}

Test(plan_keep, a_record_that_is_damaged_is_replaced_and_that_is_said)
{
    struct place p;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_kept_plan kept;
    struct tg_plan *plan = plan_of(1, 3, 2);
    char path[96];

    setup(&p, "damaged");
    snprintf(path, sizeof path, "/plans/%s", plan->digest);
    static const char *const records[] = {"", "{\"format\":1", "no", NULL, "{\"format\":2}"};
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        bool newer = i == 4;
        if (records[i] && i == 0)
            cr_assert_eq(tg_store_create(p.store, path, "", 0, 0, tg_store_deadline(p.store, WAIT), &e), 0);
        else if (records[i])
            cr_assert_eq(tg_store_write(p.store, path, records[i], strlen(records[i]), TG_ANY_VERSION, tg_store_deadline(p.store, WAIT), &e), 0);
        tg_error_clear(&damage);
        cr_assert_eq(tg_plan_keep(p.store, plan, "alice@ops1", NOW, WAIT, &damage, &e), newer ? TG_E_UNKNOWN : 0, "%zu: %s", i, e.message);
        cr_assert_eq(damage.code, records[i] && !newer ? TG_E_DATA : 0, "%zu: %s", i, damage.message);
        cr_assert(!damage.code || strstr(damage.message, path), "%s", damage.message);
        if (!newer) {
            cr_assert_eq(tg_plan_kept(p.store, plan->digest, WAIT, &kept, &e), 0, "%zu: %s", i, e.message);
            tg_kept_plan_release(&kept);
        }
    }
    tg_plan_free(plan);
    teardown(&p);
}

Test(plan_keep, an_approval_is_used_once_and_only_while_it_stands)
{
    struct place p;
    struct tg_plan *plan = plan_of(1, 2, 1);
    struct tg_kept_plan k;
    struct tg_plan_approval a = approval("bob@ops2", NOW + 1000), used;

    setup(&p, "once");
    cr_assert_eq(tg_plan_keep(p.store, plan, "alice@ops1", NOW, WAIT, &damage, NULL), 0);
    cr_expect_eq(tg_plan_use_approval(p.store, plan->digest, anybody, NULL, NOW, WAIT, &used, NULL), TG_E_NOENT);
    cr_assert_eq(tg_plan_kept(p.store, plan->digest, WAIT, &k, NULL), 0);
    cr_assert_eq(tg_plan_approve(p.store, &k, &a, WAIT, NULL), 0);
    cr_expect_eq(tg_plan_use_approval(p.store, plan->digest, anybody, NULL, NOW + 1000, WAIT, &used, NULL), TG_E_NOENT, "it has expired");
    cr_expect_eq(tg_plan_use_approval(p.store, plan->digest, not_him, "bob@ops2", NOW, WAIT, &used, NULL), TG_E_NOENT, "not his own");
    cr_expect_eq(tg_plan_use_approval(p.store, plan->digest, anybody, NULL, NOW, WAIT, &used, NULL), 0);
    cr_expect_str_eq(used.by, "bob@ops2");
    cr_expect_eq(tg_plan_use_approval(p.store, plan->digest, anybody, NULL, NOW, WAIT, &used, NULL), TG_E_NOENT, "P5: once");
    /* somebody else wrote since this one was read */
    a = approval("carol@ops3", NOW + 1000);
    cr_expect_eq(tg_plan_approve(p.store, &k, &a, WAIT, NULL), 0);
    cr_expect_eq(tg_plan_use_approval(p.store, plan->digest, anybody, NULL, NOW, WAIT, &used, NULL), 0);
    cr_expect_str_eq(used.by, "carol@ops3");
    cr_expect_eq(tg_plan_use_approval(p.store, plan->digest, anybody, NULL, NOW, WAIT, &used, NULL), TG_E_NOENT, "what was used does not come back");
    tg_kept_plan_release(&k);
    tg_plan_free(plan);
    teardown(&p);
}

Test(plan_keep, old_ones_are_forgotten_and_approved_ones_are_not)
{
    struct place p;
    struct tg_kept_plan k;
    struct tg_names names;

    setup(&p, "old");
    for (size_t i = 1; i <= 20; i++) {
        struct tg_plan *plan = plan_of(1, i, 1);
        cr_assert_eq(tg_plan_keep(p.store, plan, "alice@ops1", NOW, WAIT, &damage, NULL), 0);
        if (i == 7) {
            const struct tg_plan_approval a = approval("bob@ops2", NOW + 3 * TG_PLAN_KEPT_MS);
            cr_assert_eq(tg_plan_kept(p.store, plan->digest, WAIT, &k, NULL), 0);
            cr_assert_eq(tg_plan_approve(p.store, &k, &a, WAIT, NULL), 0);
            tg_kept_plan_release(&k);
        }
        tg_plan_free(plan);
    }
    for (size_t i = 1; i <= 20; i++) {
        struct tg_plan *plan = plan_of(2, i, 1);
        cr_assert_eq(tg_plan_keep(p.store, plan, "alice@ops1", NOW + 2 * TG_PLAN_KEPT_MS, WAIT, &damage, NULL), 0);
        tg_plan_free(plan);
    }
    cr_assert_eq(tg_store_list(p.store, "/plans", tg_store_deadline(p.store, WAIT), &names, NULL), 0);
    cr_expect_leq(names.count, 26, "%zu are left", names.count);
    tg_names_release(&names);
    struct tg_plan *plan = plan_of(1, 7, 1);
    cr_expect_eq(tg_plan_kept(p.store, plan->digest, WAIT, &k, NULL), 0);
    tg_kept_plan_release(&k);
    tg_plan_free(plan);
    teardown(&p);
}

static void changes_are(const struct tg_plan *was, const struct tg_plan *is, bool folded, const char *const *wanted)
{
    struct place p;
    struct tg_kept_plan k;
    size_t i = 0;

    setup(&p, "changes");
    cr_assert_eq(tg_plan_keep(p.store, was, "alice@ops1", NOW, WAIT, &damage, NULL), 0);
    cr_assert_eq(tg_plan_kept(p.store, was->digest, WAIT, &k, NULL), 0);
    if (!folded) {
        json_decref(k.hosts);
        k.hosts = json_null();
    }
    json_t *list = tg_plan_changes(&k, is);
    for (; wanted[i]; i++) {
        const char *got = json_string_value(json_array_get(list, i));
        cr_assert(got, "missing: %s", wanted[i]);
        cr_expect_str_eq(got, wanted[i], "%s\n  expected %s", got, wanted[i]);
    }
    cr_expect_eq(json_array_size(list), i, "one more: %s", json_string_value(json_array_get(list, i)));
    json_decref(list);
    tg_kept_plan_release(&k);
    teardown(&p);
}

Test(plan_keep, what_has_changed_is_told)
{
    struct tg_plan *was = plan_of(1, 5, 1), *is = plan_of(1, 7, 2);

    changes_are(was, is, true, (const char *const[]) {"2 hosts are new: h[6-7]", "limits.running: 2, was 1", "limits.unverified: 2, was 1", NULL});
    changes_are(is, was, true, (const char *const[]) {"2 hosts are gone: h[6-7]", "limits.running: 1, was 2", "limits.unverified: 1, was 2", NULL});
    changes_are(was, is, false, (const char *const[]) {"stage stage1: its hosts are others, or their address, user or port is", "limits.running: 2, was 1",
                                                       "limits.unverified: 2, was 1", NULL});
    changes_are(was, was, true, (const char *const[]) {NULL});
    tg_plan_free(is);
    is = plan_of(2, 4, 1); /* one moves from the second stage to the first */
    changes_are(was, is, true, (const char *const[]) {"stage stage0: its hosts are others, or their address, user or port is",
                                                      "stage stage1: its hosts are others, or their address, user or port is", NULL});
    tg_plan_free(is);
    is = plan_of(1, 5, 1);
    free(is->stages[1].name);
    is->stages[1].name = strdup("rest");
    is->stages[0].bake_ms = 60000;
    is->hours = (struct tg_hours) {.days = 1, .from_min = 60, .until_min = 120, .zone = "UTC"};
    cr_assert_eq(tg_plan_seal(is, NULL), 0);
    changes_are(was, is, true, (const char *const[]) {"hours: {\"days\":\"Mon\",\"from\":60,\"until\":120,\"zone\":\"UTC\"}, was none", "stage stage0: bake_ms: 1m, was 5s",
                                                      "stage rest is new", "stage stage1 is gone", NULL});
    tg_plan_free(is);
    tg_plan_free(was);
}

/* What a limit means for the fleet of the day is long: it is told that it differs, and what was written is told in full. */
Test(plan_keep, limits_by_domain_are_told_as_they_are_written)
{
    struct tg_plan *was = plan_of(1, 5, 1), *is = plan_of(1, 5, 1);

    test_plan_limit(was, TG_LIMIT_DOMAIN, 3, 1, 0);
    test_plan_limit(is, TG_LIMIT_DOMAIN, 3, 1, 0);
    is->domains[2].n_hosts = 999;
    cr_assert_eq(tg_plan_seal(was, NULL), 0);
    cr_assert_eq(tg_plan_seal(is, NULL), 0);
    changes_are(was, is, true, (const char *const[]) {"limits.domains, limits.floor: their domains have other hosts", NULL});
    is->limits[0].share.value = 2;
    cr_assert_eq(tg_plan_seal(is, NULL), 0);
    struct tg_kept_plan k = {.plan = tg_plan_sealed_json(was), .hosts = json_string("h[0-5]")};
    json_t *list = tg_plan_changes(&k, is);
    const char *text = json_string_value(json_array_get(list, 0));
    cr_assert_eq(json_array_size(list), 1);
    cr_expect(strncmp(text, "limits.domains, limits.floor: ", 30) == 0 && !strstr(text, "\"r0\"") && strstr(text, "\"2\"") && strstr(text, "\"1\""), "%s", text);
    json_decref(list);
    tg_kept_plan_release(&k);
    tg_plan_free(was);
    tg_plan_free(is);
}
