/* Evaluating selectors: see selector.h. Sets are bitmaps over the inventory's hosts. */
#include "base/buf.h"
#include "base/nearest.h"
#include "fleet/selector_impl.h"
#include "fleet/shard.h"

#include <stdlib.h>
#include <string.h>

struct evaluation {
    const struct tg_inventory *inventory;
    struct tg_select_memo *memo; /* NULL: none */
    const struct tg_host *hosts;
    size_t n, words;     /* hosts, and 64-bit words of a set */
    uint64_t *stack;
    size_t used;         /* sets on it */
};

bool tg_glob_match(const char *pattern, const char *text)
{
    const char *star = NULL, *resume = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static void put(uint64_t *set, size_t i)
{
    set[i / 64] |= (uint64_t) 1 << (i % 64);
}

/* Names that are in no inventory: a fleet that is not what one thinks it is. */
static int names_missing(const struct evaluation *ev, const struct tg_selector_step *step, struct tg_error *e)
{
    struct tg_folder *folder = NULL;
    struct tg_buf folded = TG_BUF_INIT;
    const char *one = NULL;
    size_t missing = 0;
    int rc = tg_folder_new(&folder, e);

    for (size_t i = 0; !rc && i < step->names.n; i++) {
        const char *name = tg_hostlist_get(&step->names, i);
        if (tg_inventory_host(ev->inventory, name))
            continue;
        one = name;
        missing++;
        rc = tg_folder_add(folder, name, e);
    }
    if (!rc)
        rc = tg_folder_print(folder, &folded, e);
    if (!rc && missing == 1) {
        tg_fail_at(e, TG_E_DATA, NULL, 0, step->column, "%s is not in the inventory %s", one, tg_inventory_path(ev->inventory));
        const char *near = tg_inventory_nearest_host(ev->inventory, one);
        if (near)
            tg_error_hint(e, "did you mean %s?", near);
    } else if (!rc) {
        tg_fail_at(e, TG_E_DATA, NULL, 0, step->column, "%zu of %zu hosts are not in the inventory %s: %.300s", missing, step->names.n,
                   tg_inventory_path(ev->inventory), tg_buf_text(&folded));
    }
    tg_folder_free(folder);
    tg_buf_release(&folded);
    return rc ? rc : TG_E_DATA;
}

static int select_names(const struct evaluation *ev, const struct tg_selector_step *step, uint64_t *set, struct tg_error *e)
{
    for (size_t i = 0; i < step->names.n; i++) {
        const struct tg_host *host = tg_inventory_host(ev->inventory, tg_hostlist_get(&step->names, i));
        if (!host)
            return names_missing(ev, step, e);
        put(set, host->index);
    }
    return 0;
}

static int select_pattern(const struct evaluation *ev, const struct tg_selector_step *step, uint64_t *set, struct tg_error *e)
{
    bool any = false;

    for (size_t i = 0; i < ev->n; i++) {
        if (tg_glob_match(step->text, ev->hosts[i].name)) {
            put(set, i);
            any = true;
        }
    }
    return any ? 0 : tg_fail_at(e, TG_E_DATA, NULL, 0, step->column, "no host of the inventory %s matches \"%.80s\"",
                                tg_inventory_path(ev->inventory), step->text);
}

static int select_group(const struct evaluation *ev, const struct tg_selector_step *step, uint64_t *set, struct tg_error *e)
{
    size_t n;
    const struct tg_group *groups = tg_inventory_groups(ev->inventory, &n), *one = tg_inventory_group(ev->inventory, step->text);
    bool any = one != NULL;

    for (size_t i = 0; one && i < one->n_hosts; i++)
        put(set, one->hosts[i]);
    for (size_t g = 0; !one && g < n; g++) {
        if (!strpbrk(step->text, "*?") || !tg_glob_match(step->text, groups[g].name))
            continue;
        any = true;
        for (size_t i = 0; i < groups[g].n_hosts; i++)
            put(set, groups[g].hosts[i]);
    }
    if (any)
        return 0;
    tg_fail_at(e, TG_E_DATA, NULL, 0, step->column, "there is no group \"%.80s\" in the inventory %s", step->text,
               tg_inventory_path(ev->inventory));
    const char *near = tg_inventory_nearest_group(ev->inventory, step->text);
    if (near)
        tg_error_hint(e, "did you mean \"@%s\"?", near);
    return TG_E_DATA;
}

static int select_customer(const struct evaluation *ev, const struct tg_selector_step *step, uint64_t *set, struct tg_error *e)
{
    size_t n;
    const struct tg_customer *customers = tg_inventory_customers(ev->inventory, &n);
    bool any = false;

    for (size_t c = 0; c < n; c++) {
        if (!tg_glob_match(step->text, customers[c].name))
            continue;
        any = true;
        for (size_t i = 0; i < customers[c].n_hosts; i++)
            put(set, customers[c].hosts[i]);
    }
    if (any)
        return 0;
    tg_fail_at(e, TG_E_DATA, NULL, 0, step->column, "there is no customer \"%.80s\" in the inventory %s", step->text, tg_inventory_path(ev->inventory));
    const char *near = tg_inventory_nearest_customer(ev->inventory, step->text);
    if (near)
        tg_error_hint(e, "did you mean \"customer:%s\"?", near);
    return TG_E_DATA;
}

static const char *next_key(const void *data, size_t i)
{
    size_t n;
    const char *const *keys = tg_inventory_attr_keys(data, &n);

    return i < n ? keys[i] : NULL;
}

static int unknown_key(const struct evaluation *ev, const struct tg_selector_step *step, struct tg_error *e)
{
    struct tg_buf list = TG_BUF_INIT;
    size_t n;
    const char *const *keys = tg_inventory_attr_keys(ev->inventory, &n);
    const char *near = tg_nearest(step->text, next_key, ev->inventory);

    for (size_t i = 0; i < n; i++)
        tg_buf_printf(&list, "%s%s", i ? ", " : "", keys[i]);
    tg_fail_at(e, TG_E_DATA, NULL, 0, step->column, "no host has an attribute \"%.64s\"; there are: %.400s", step->text,
               n ? tg_buf_text(&list) : "none");
    if (near)
        tg_error_hint(e, "did you mean \"%s\"?", near);
    tg_buf_release(&list);
    return TG_E_DATA;
}

static int select_remembered(const struct evaluation *ev, const char *key, const char *value, uint64_t *set, struct tg_error *e)
{
    const uint32_t *hosts = NULL;
    size_t n;
    int rc = tg_select_memo_find(ev->memo, key, value, &hosts, &n);

    if (rc)
        return tg_fail(e, rc, "out of memory");
    for (size_t i = 0; i < n; i++)
        put(set, hosts[i]);
    return 0;
}

static int select_attr(const struct evaluation *ev, const struct tg_selector_step *step, uint64_t *set, struct tg_error *e)
{
    size_t n, k = 0;
    const char *const *keys = tg_inventory_attr_keys(ev->inventory, &n);

    while (k < n && strcmp(keys[k], step->text) != 0)
        k++;
    if (k == n)
        return unknown_key(ev, step, e);
    if (ev->memo && !step->negate && !strpbrk(step->value, "*?"))
        return select_remembered(ev, keys[k], step->value, set, e);
    for (size_t i = 0; i < ev->n; i++) {
        const char *value = tg_host_attr(ev->inventory, &ev->hosts[i], step->text);
        bool equal = value && tg_glob_match(step->value, value);
        if (equal != step->negate)
            put(set, i);
    }
    return 0;
}

static int select_shards(const struct evaluation *ev, const struct tg_selector_step *step, uint64_t *set)
{
    for (size_t i = 0; i < ev->n; i++) {
        uint32_t shard = tg_shard_of(ev->hosts[i].name, TG_SHARDS);
        for (size_t r = 0; r < step->n_ranges; r++)
            if (shard >= step->ranges[r].first && shard <= step->ranges[r].last)
                put(set, i);
    }
    return 0;
}

static int run_step(struct evaluation *ev, const struct tg_selector_step *step, struct tg_error *e)
{
    uint64_t *top = ev->stack + ev->used * ev->words; /* where the next set would go */
    uint64_t *one = ev->used > 0 ? top - ev->words : NULL, *two = ev->used > 1 ? top - 2 * ev->words : NULL;

    switch (step->kind) {
    case TG_SELECT_NOT:
        for (size_t i = 0; i < ev->words; i++)
            one[i] = ~one[i];
        one[ev->words - 1] &= ((uint64_t) 1 << (ev->n % 64)) - 1; /* the last word is never full */
        return 0;
    case TG_SELECT_AND:
    case TG_SELECT_OR:
        for (size_t i = 0; i < ev->words; i++)
            two[i] = step->kind == TG_SELECT_AND ? two[i] & one[i] : two[i] | one[i];
        ev->used--;
        return 0;
    case TG_SELECT_NAMES:
    case TG_SELECT_PATTERN:
    case TG_SELECT_GROUP:
    case TG_SELECT_ATTR:
    case TG_SELECT_SHARDS:
    case TG_SELECT_CUSTOMER:
        break;
    }
    memset(top, 0, ev->words * sizeof *top);
    ev->used++;
    if (step->kind == TG_SELECT_NAMES)
        return select_names(ev, step, top, e);
    if (step->kind == TG_SELECT_PATTERN)
        return select_pattern(ev, step, top, e);
    if (step->kind == TG_SELECT_GROUP)
        return select_group(ev, step, top, e);
    if (step->kind == TG_SELECT_CUSTOMER)
        return select_customer(ev, step, top, e);
    return step->kind == TG_SELECT_ATTR ? select_attr(ev, step, top, e) : select_shards(ev, step, top);
}

static int collect(const struct evaluation *ev, struct tg_selection *out, struct tg_error *e)
{
    size_t n = 0;

    for (size_t i = 0; i < ev->words; i++)
        n += (size_t) __builtin_popcountll(ev->stack[i]);
    const struct tg_host **hosts = calloc(n + 1, sizeof *hosts);
    if (!hosts)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    n = 0;
    for (size_t i = 0; i < ev->words; i++)
        for (uint64_t word = ev->stack[i]; word; word &= word - 1)
            hosts[n++] = &ev->hosts[i * 64 + (size_t) __builtin_ctzll(word)];
    *out = (struct tg_selection) {hosts, n};
    return 0;
}

static int evaluate(const struct tg_selector *selector, const struct tg_inventory *inventory, struct tg_select_memo *memo, struct tg_selection *out, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    struct evaluation ev = {.inventory = inventory, .memo = memo};
    int rc = 0;

    ev.hosts = tg_inventory_hosts(inventory, &ev.n);
    ev.words = ev.n / 64 + 1;
    ev.stack = calloc(selector->depth, ev.words * sizeof *ev.stack);
    if (!ev.stack)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < selector->n; i++)
        rc = run_step(&ev, &selector->steps[i], e ? e : &own);
    if (!rc)
        rc = collect(&ev, out, e);
    free(ev.stack);
    return rc;
}

int tg_selector_eval(const struct tg_selector *selector, const struct tg_inventory *inventory, struct tg_selection *out,
                     struct tg_error *e)
{
    return evaluate(selector, inventory, NULL, out, e);
}

int tg_select_with(struct tg_select_memo *memo, const char *text, struct tg_selection *out, struct tg_error *e)
{
    struct tg_selector *selector;
    int rc = tg_selector_parse(text, &selector, e);

    if (rc)
        return rc;
    rc = evaluate(selector, tg_select_memo_inventory(memo), memo, out, e);
    tg_selector_free(selector);
    return rc;
}

int tg_select(const struct tg_inventory *inventory, const char *text, struct tg_selection *out, struct tg_error *e)
{
    struct tg_selector *selector;
    int rc = tg_selector_parse(text, &selector, e);

    if (rc)
        return rc;
    rc = tg_selector_eval(selector, inventory, out, e);
    tg_selector_free(selector);
    return rc;
}

void tg_selection_release(struct tg_selection *selection)
{
    free(selection->hosts);
    *selection = (struct tg_selection) TG_SELECTION_INIT;
}
