/* Maintenance weeks of random fleets and patterns, held to what an obvious count says; who moves when a host comes; how quotas are spread. */
#include "base/buf.h"
#include "calendar/week.h"
#include "config/problems.h"
#include "fleet/selector.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MONDAY 20787 /* 2026-11-30 */
#define HOSTS_MAX 300
#define ROUNDS 150

static uint64_t state;

static uint32_t dice(uint32_t n) /* 0 … n-1 */
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t) ((state >> 33) % n);
}

/* ---- a fleet: each host in a group, in a rack, of a customer ---- */

struct fleet {
    size_t n;
    int id[HOSTS_MAX + 1], group[HOSTS_MAX + 1], rack[HOSTS_MAX + 1], customer[HOSTS_MAX + 1];
};
#define GROUPS 4

static struct fleet some_fleet(void)
{
    struct fleet f = {.n = 1 + dice(HOSTS_MAX)};
    uint32_t racks = 1 + dice(12), customers = 1 + dice(20);

    for (size_t i = 0; i < f.n; i++) {
        f.id[i] = (int) i * 7;
        f.group[i] = i < GROUPS ? (int) i : (int) dice(GROUPS);
        f.rack[i] = (int) dice(racks);
        f.customer[i] = (int) dice(customers);
    }
    return f;
}

/* In a random order: the file's does not count. */
static struct tg_inventory *build(const struct fleet *f, bool shuffle)
{
    struct tg_buf text = TG_BUF_INIT;
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_inventory *inventory = NULL;
    struct tg_error e = TG_ERROR_INIT;
    size_t order[HOSTS_MAX + 1];

    for (size_t i = 0; i < f->n; i++)
        order[i] = i;
    for (size_t i = f->n; shuffle && i > 1; i--) {
        size_t k = dice((uint32_t) i), swap = order[k];
        order[k] = order[i - 1];
        order[i - 1] = swap;
    }
    tg_buf_puts(&text, "groups:\n");
    for (int g = 0; g < GROUPS; g++) {
        tg_buf_printf(&text, "  g%d: {hosts: [", g);
        for (size_t i = 0, n = 0; i < f->n; i++)
            if (f->group[order[i]] == g)
                tg_buf_printf(&text, "%sh%d", n++ ? "," : "", f->id[order[i]]);
        tg_buf_puts(&text, "]}\n");
    }
    tg_buf_puts(&text, "hosts:\n");
    for (size_t i = 0; i < f->n; i++)
        tg_buf_printf(&text, "  h%d: {attrs: {rack: r%d, customer: c%d}}\n", f->id[order[i]], f->rack[order[i]], f->customer[order[i]]);
    cr_assert_eq(tg_inventory_parse_yaml("fleet", text.data, text.len, &p, &inventory, &e), 0, "%s", e.message);
    tg_buf_release(&text);
    tg_problems_release(&p);
    return inventory;
}

/* ---- a pattern ---- */

#define SLOTS_MAX 8
static void some_pattern(struct tg_buf *out, bool whole)
{
    static const char *const days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    static const char *const who[] = {"\"*\"", "\"@g0\"", "\"@g1 or @g2\"", "\"not @g3\"", "rack=r0", "\"customer!=c1\"", "\"shard:0-49\"", "h0"};
    static const char *const takes[] = {"3", "10%", "33.333%", "up to 5", "up to 50%", "the rest", "1", "0.5%"};
    size_t n = 1 + dice(SLOTS_MAX);

    tg_buf_printf(out, "week: w\nlocation: %s\nlength: 4h\nspread: %s\nslots:\n", dice(3) ? "\"*\"" : "\"@g0 or @g1\"", dice(2) ? "[rack]" : "[rack, customer]");
    for (size_t s = 0; s < n; s++) {
        tg_buf_printf(out, "  - {name: s%zu, day: %s, time: \"%02u:00\", who: [", s, days[dice(7)], dice(24));
        for (size_t t = 0, takes_n = 1 + dice(3); t < takes_n; t++) {
            tg_buf_printf(out, "%s{hosts: %s", t ? ", " : "", who[dice(sizeof who / sizeof who[0])]);
            if (dice(8))
                tg_buf_printf(out, ", take: %s", takes[dice(sizeof takes / sizeof takes[0])]);
            tg_buf_puts(out, "}");
        }
        tg_buf_puts(out, "]}\n");
    }
    if (whole)
        tg_buf_puts(out, "  - {name: all-others, day: sun, time: \"23:00\", who: {hosts: \"*\", take: the rest}}\n");
}

static int lay(const struct tg_pattern *pattern, const struct tg_inventory *inventory, struct tg_week **out)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    int rc = tg_week_plan(pattern, inventory, MONDAY, &p, out, &e);

    cr_assert((rc == 0) == (p.n == 0) && (rc == 0 || rc == TG_E_DATA), "%d: %s", rc, e.message);
    for (size_t i = 0; i < p.n; i++)
        cr_assert(p.list[i].error.line > 0 && p.list[i].error.message[0]);
    tg_problems_release(&p);
    return rc;
}

static struct tg_pattern *parsed(const struct tg_buf *text)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_pattern *pattern = NULL;

    cr_assert_eq(tg_pattern_parse("w", text->data, text->len, &p, &pattern, &e), 0, "%s\n%s", e.message, text->data);
    tg_problems_release(&p);
    return pattern;
}

/* ---- the obvious count ---- */

static bool means(const struct tg_inventory *inventory, const char *selector, const char *host)
{
    struct tg_selection s;
    bool found = false;

    cr_assert_eq(tg_select(inventory, selector, &s, NULL), 0);
    for (size_t i = 0; i < s.n && !found; i++)
        found = strcmp(s.hosts[i]->name, host) == 0;
    tg_selection_release(&s);
    return found;
}

static const struct tg_pattern_slot *slot_of(const struct tg_pattern *p, const char *name)
{
    for (size_t i = 0; i < p->n_slots; i++)
        if (strcmp(p->slots[i].name, name) == 0)
            return &p->slots[i];
    return NULL;
}

static void check_host(const struct tg_pattern *p, const struct tg_inventory *inventory, const struct tg_week *week, size_t i)
{
    const char *host = tg_hostlist_get(&week->names, i);
    const struct tg_week_slot *has = &week->slots[week->slot_of[i]];
    size_t slots = 0, meant = 0;

    for (size_t s = 0; s < week->n_slots; s++)
        for (uint32_t k = 0; k < week->slots[s].n; k++)
            slots += week->order[week->slots[s].first + k] == i;
    cr_assert_eq(slots, 1, "%s has %zu slots", host, slots);
    for (size_t s = 0; s < p->n_slots; s++)
        for (size_t t = 0; t < p->slots[s].n_takes; t++) {
            bool is = means(inventory, p->slots[s].takes[t].hosts, host);
            meant += is && strcmp(p->slots[s].name, has->name) == 0;
            if (is && p->slots[s].takes[t].kind == TG_TAKE_ALL)
                cr_assert_str_eq(p->slots[s].name, has->name, "%s is named outright", host);
        }
    cr_assert_gt(meant, 0, "%s is in slot %s, which does not mean it", host, has->name);
    cr_assert(means(inventory, p->location, host));
}

static size_t class_of(const struct tg_pattern *p, const struct tg_inventory *inventory, const char *selector)
{
    struct tg_buf both = TG_BUF_INIT;
    struct tg_selection s;

    tg_buf_printf(&both, "(%s) and (%s)", selector, p->location);
    cr_assert_eq(tg_select(inventory, both.data, &s, NULL), 0);
    size_t n = s.n;
    tg_selection_release(&s);
    tg_buf_release(&both);
    return n;
}

/* A slot of one quota has just so many; of several quotas at least the greatest, at most their sum. */
static void check_slot(const struct tg_pattern *p, const struct tg_inventory *inventory, const struct tg_week_slot *has)
{
    const struct tg_pattern_slot *s = slot_of(p, has->name);
    int64_t least = 0, most = 0;

    for (size_t t = 0; t < s->n_takes; t++) {
        int64_t n = (int64_t) class_of(p, inventory, s->takes[t].hosts), quota = tg_take_of(&s->takes[t].share, n);
        switch (s->takes[t].kind) {
        case TG_TAKE_EXACTLY:
            least += quota; /* each takes that many of those without a slot */
            most += quota;
            break;
        case TG_TAKE_UP_TO:
            most += quota;
            break;
        case TG_TAKE_ALL:
        case TG_TAKE_REST:
            most += n;
        }
    }
    cr_assert(has->n >= least && has->n <= most, "slot %s has %u, not %lld to %lld", has->name, has->n, (long long) least, (long long) most);
}

Test(week_random, each_host_has_exactly_one_slot_or_the_pattern_is_refused)
{
    size_t laid = 0;

    for (state = 1; state < ROUNDS; state++) {
        uint64_t seed = state;
        struct fleet f = some_fleet();
        struct tg_inventory *inventory = build(&f, true);
        struct tg_buf text = TG_BUF_INIT;
        struct tg_week *week = NULL;
        some_pattern(&text, dice(4) != 0);
        struct tg_pattern *p = parsed(&text);
        if (lay(p, inventory, &week) == 0) {
            laid++;
            cr_assert_eq(week->names.n, class_of(p, inventory, "*"));
            for (size_t i = 0; i < week->names.n; i += 1 + week->names.n / 20)
                check_host(p, inventory, week, i);
            for (size_t s = 0; s < week->n_slots; s++)
                check_slot(p, inventory, &week->slots[s]);
        }
        tg_week_free(week);
        tg_pattern_free(p);
        tg_buf_release(&text);
        tg_inventory_free(inventory);
        state = seed;
    }
    cr_assert_gt(laid, ROUNDS / 20, "only %zu weeks were laid", laid);
    cr_assert_lt(laid, ROUNDS);
}

/* ---- the same again, and one host more ---- */

/* Quotas alone, and whoever is left. */
static void quota_pattern(struct tg_buf *out, size_t quotas, const char *spread)
{
    tg_buf_printf(out, "week: w\nlength: 1h\nspread: %s\nslots:\n", spread);
    for (size_t s = 0; s < quotas; s++)
        tg_buf_printf(out, "  - {name: s%zu, day: mon, time: \"%02zu:00\", who: {hosts: \"%s\", take: %u%%}}\n", s, s, dice(2) ? "*" : "@g0 or @g1", 1 + dice(100 / (uint32_t) quotas / 2));
    tg_buf_puts(out, "  - {name: all-others, day: sun, time: \"23:00\", who: {hosts: \"*\", take: the rest}}\n");
}

static size_t moved(const struct tg_week *before, const struct tg_week *after)
{
    size_t n = 0;

    for (size_t i = 0, k = 0; i < before->names.n && k < after->names.n;) {
        int order = tg_name_compare(tg_hostlist_get(&before->names, i), tg_hostlist_get(&after->names, k));
        n += order == 0 && before->slot_of[i] != after->slot_of[k];
        i += order <= 0;
        k += order >= 0;
    }
    return n;
}

static size_t moves_of(const char *spread, size_t quotas)
{
    struct fleet f = some_fleet();
    struct tg_buf text = TG_BUF_INIT;
    struct tg_week *before = NULL, *again = NULL, *after = NULL;

    quota_pattern(&text, quotas, spread);
    struct tg_pattern *p = parsed(&text);
    struct tg_inventory *inventory = build(&f, true), *shuffled = build(&f, true);
    f.id[f.n] = (int) dice(HOSTS_MAX) * 7 + 3;
    f.group[f.n] = (int) dice(GROUPS);
    f.rack[f.n] = (int) dice(12);
    f.customer[f.n] = (int) dice(20);
    f.n++;
    struct tg_inventory *more = build(&f, false);
    cr_assert_eq(lay(p, inventory, &before), 0);
    cr_assert_eq(lay(p, shuffled, &again), 0);
    cr_assert_str_eq(before->digest, again->digest);
    cr_assert_eq(lay(p, more, &after), 0);
    size_t n = moved(before, after);
    tg_week_free(before);
    tg_week_free(again);
    tg_week_free(after);
    tg_inventory_free(inventory);
    tg_inventory_free(shuffled);
    tg_inventory_free(more);
    tg_pattern_free(p);
    tg_buf_release(&text);
    return n;
}

Test(week_random, a_host_that_comes_moves_few_others)
{
    size_t all = 0, all_two = 0, rounds = 0;

    for (uint64_t seed = 1; seed < ROUNDS; seed++) {
        state = seed * 1000;
        size_t quotas = 1 + dice(6), n = moves_of("[rack]", quotas);
        cr_assert_leq(n, 3 * quotas, "seed %d: %zu moved at %zu quotas", (int) seed, n, quotas);
        all += n;
        state = seed * 1000;
        quotas = 1 + dice(6);
        n = moves_of("[rack, customer]", quotas);
        cr_assert_leq(n, 8 * quotas + 4, "seed %d: %zu moved at %zu quotas", (int) seed, n, quotas);
        all_two += n;
        rounds += quotas;
    }
    cr_log_info("moved at a quota's end, on average: %.2f, with two attributes %.2f", (double) all / (double) rounds, (double) all_two / (double) rounds);
    cr_assert_lt(all, rounds);       /* less than one at each quota, on average */
    cr_assert_lt(all_two, rounds);
}

/* ---- spread ---- */

/* How many of each value of key have their slot before the last: the least and the most. */
static void extremes(const struct tg_inventory *inventory, const struct tg_week *week, const char *key, size_t slot, size_t *out_least, size_t *out_most)
{
    size_t n[64] = {0}, seen[64] = {0};

    *out_least = SIZE_MAX;
    *out_most = 0;
    for (size_t i = 0; i < week->names.n; i++) {
        const char *value = tg_host_attr(inventory, tg_inventory_host(inventory, tg_hostlist_get(&week->names, i)), key);
        size_t v = strtoul(value + 1, NULL, 10);
        seen[v]++;
        n[v] += week->slot_of[i] == slot;
    }
    for (size_t v = 0; v < 64; v++)
        if (seen[v]) {
            *out_least = n[v] < *out_least ? n[v] : *out_least;
            *out_most = n[v] > *out_most ? n[v] : *out_most;
        }
}

Test(week_random, quotas_take_of_all_racks_alike_and_of_customers_more_evenly_than_chance)
{
    size_t fewest = 0, greatest = 0, rounds = 0;

    for (uint64_t seed = 1; seed < 60; seed++, rounds += 4) {
        struct fleet f = {.n = 240};
        struct tg_buf text = TG_BUF_INIT;
        struct tg_week *week = NULL;
        size_t least, most;
        state = seed;
        for (size_t i = 0; i < f.n; i++) { /* 12 racks of 20; 24 customers of 10, one host of each in a rack or none */
            f.id[i] = (int) (i + seed * 1000);
            f.group[i] = (int) (i % GROUPS);
            f.rack[i] = (int) (i % 12);
            f.customer[i] = (int) (i / 10);
        }
        tg_buf_printf(&text, "week: w\nlength: 1h\nspread: [rack, customer]\nslots:\n");
        for (int s = 0; s < 4; s++)
            tg_buf_printf(&text, "  - {name: s%d, day: mon, time: \"%02d:00\", who: {hosts: \"*\", take: %s}}\n", s, s, s < 3 ? "25%" : "the rest");
        struct tg_pattern *p = parsed(&text);
        struct tg_inventory *inventory = build(&f, true);
        cr_assert_eq(lay(p, inventory, &week), 0);
        for (size_t s = 0; s < 4; s++) {
            extremes(inventory, week, "rack", s, &least, &most);
            cr_assert(least == 5 && most == 5, "seed %d: slot %zu takes %zu to %zu of a rack", (int) seed, s, least, most);
            extremes(inventory, week, "customer", s, &least, &most);
            cr_assert(most <= 6, "seed %d: slot %zu takes %zu of a customer's ten", (int) seed, s, most);
            fewest += least;
            greatest += most;
        }
        tg_week_free(week);
        tg_inventory_free(inventory);
        tg_pattern_free(p);
        tg_buf_release(&text);
    }    cr_assert(10 * fewest >= 8 * rounds && 10 * greatest <= 43 * rounds, "%.2f to %.2f of a customer's ten in each quarter", (double) fewest / (double) rounds,
              (double) greatest / (double) rounds); /* by chance: 0.2 to 5.4 */
}
