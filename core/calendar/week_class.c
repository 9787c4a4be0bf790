/* The hosts that entries mean, and the order in which quotas take them: see week.h. */
#include "calendar/week_internal.h"

#include "fleet/selector.h"
#include "fleet/shard.h"

#include <stdlib.h>
#include <string.h>

const char *tg_week_value(const struct tg_inventory *inventory, const struct tg_host *host, const char *key)
{
    const struct tg_customer *customer = strcmp(key, "customer") == 0 ? tg_host_customer(inventory, host) : NULL;

    return customer ? customer->name : tg_host_attr(inventory, host, key);
}

bool tg_week_select(struct tg_week_planner *w, const struct tg_yaml_node *node, const char *what, const char *text, uint32_t **out, size_t *out_n)
{
    struct tg_selection s = TG_SELECTION_INIT;
    struct tg_error why = TG_ERROR_INIT;
    int rc = w->memo || (w->rc = tg_select_memo_new(w->inventory, &w->memo, w->e)) == 0 ? tg_select_with(w->memo, text, &s, &why) : w->rc;

    if (w->rc)
        return false;
    if (rc == TG_E_DATA) {
        tg_error_hint(tg_yaml_problem_inside(w->problems, node, why.column, "%s: %s", what, why.message), "%s", why.hint);
        return false;
    }
    if (rc)
        return w->rc = tg_fail(w->e, rc, "%s", why.message), false;
    uint32_t *list = malloc((s.n + 1) * sizeof *list);
    for (size_t i = 0; list && i < s.n; i++)
        list[i] = s.hosts[i]->index;
    *out_n = s.n;
    tg_selection_release(&s);
    if (!list)
        return w->rc = tg_fail(w->e, TG_E_MEMORY, "out of memory"), false;
    *out = list;
    return true;
}

/* ---- classes ---- */

static bool has_order(const struct tg_take *take)
{
    return take->kind == TG_TAKE_EXACTLY || take->kind == TG_TAKE_UP_TO;
}

static bool is_same(const void *array, size_t at, const void *key)
{
    const struct tg_week_class *c = (const struct tg_week_class *) array + at;
    const struct tg_take *take = key;

    return strcmp(c->hosts, take->hosts) == 0 && !c->first == !take->first && (!c->first || strcmp(c->first, take->first) == 0);
}

static int collect_one(struct tg_week_planner *w, const struct tg_take *take, uint32_t *out)
{
    uint32_t hash = tg_index_hash(take->hosts);
    size_t at;

    if (!tg_index_find(&w->index, hash, is_same, w->classes, take, &at)) {
        at = w->n_classes;
        if (tg_index_add(&w->index, hash, at))
            return tg_fail(w->e, TG_E_MEMORY, "out of memory");
        w->classes[w->n_classes++] = (struct tg_week_class) {.hosts = take->hosts, .first = take->first};
    }
    w->classes[at].uses++;
    *out = (uint32_t) at;
    return 0;
}

int tg_week_classes_collect(struct tg_week_planner *w)
{
    size_t n = 0;
    int rc = 0;

    for (size_t s = 0; s < w->pattern->n_slots; s++)
        n += w->by_time[s]->n_takes;
    w->classes = calloc(n + 1, sizeof *w->classes);
    w->class_of = calloc(w->pattern->n_slots + 1, sizeof *w->class_of);
    if (!w->classes || !w->class_of)
        return tg_fail(w->e, TG_E_MEMORY, "out of memory");
    for (size_t s = 0; !rc && s < w->pattern->n_slots; s++) {
        const struct tg_pattern_slot *slot = w->by_time[s];
        if (!(w->class_of[s] = calloc(slot->n_takes + 1, sizeof **w->class_of)))
            return tg_fail(w->e, TG_E_MEMORY, "out of memory");
        for (size_t t = 0; !rc && t < slot->n_takes; t++)
            rc = collect_one(w, &slot->takes[t], &w->class_of[s][t]);
    }
    return rc;
}

bool tg_week_class_load(struct tg_week_planner *w, const struct tg_take *take, struct tg_week_class *c)
{
    size_t n = 0;

    if (c->known)
        return true;
    if (!tg_week_select(w, take->hosts_at, "hosts", take->hosts, &c->list, &c->n))
        return false;
    for (size_t i = 0; i < c->n; i++)
        if (w->inside[c->list[i]])
            c->list[n++] = c->list[i];
    c->n = n;
    c->known = true;
    return true;
}

void tg_week_class_leave(struct tg_week_class *c)
{
    if (--c->uses)
        return;
    free(c->list);
    c->list = NULL;
    c->known = c->ordered = false;
}

void tg_week_classes_release(struct tg_week_planner *w)
{
    for (size_t i = 0; i < w->n_classes; i++)
        free(w->classes[i].list);
    for (size_t s = 0; w->class_of && s < w->pattern->n_slots; s++)
        free(w->class_of[s]);
    tg_select_memo_free(w->memo);
    free(w->classes);
    free(w->class_of);
    tg_index_release(&w->index);
}

/* ---- the order ---- */

struct place {
    uint64_t key;      /* where it stands: 0 first. At first the hash; then the middle of its stretch among those of its value */
    uint64_t hash;
    uintptr_t value;   /* of the attribute at hand: values are interned, so their addresses tell them apart; no order comes of it */
    uint32_t host;
    bool late;         /* not one of those that go first */
};

static int by_key(const struct place *a, const struct place *b)
{
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return (a->host > b->host) - (a->host < b->host);
}

static int by_value(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->late != y->late)
        return x->late - y->late;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return by_key(x, y);
}

static int in_all(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return x->late != y->late ? x->late - y->late : by_key(x, y);
}

#define UNIT 42 /* bits: 2 × 1,000,000 hosts fit above them */
_Static_assert((UINT64_C(2) * TG_HOSTLIST_MAX + 1) <= UINT64_MAX >> UNIT, "a rank fits");

/* Spreading by one attribute disturbs what another one had; each round less. The first attribute comes last, and is exact. More rounds than two gain
 * nothing that could be measured (240 hosts, 12 racks, 24 customers of 10, four quarters: 1.2 to 3.9 of a customer in each, 2.5 being ideal; 0.8 to 4.3 with one round). */
#define ROUNDS 2

/* Those of each value stand at even distances, in the order that they had. */
static void spread_by(struct tg_week_planner *w, const char *key, struct place *places, size_t n)
{
    for (size_t i = 0; i < n; i++)
        places[i].value = (uintptr_t) tg_week_value(w->inventory, &w->hosts[places[i].host], key);
    qsort(places, n, sizeof *places, by_value);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && places[end].value == places[i].value && places[end].late == places[i].late;)
            end++;
        for (size_t k = i; k < end; k++)
            places[k].key = ((uint64_t) (2 * (k - i) + 1) << UNIT) / (end - i);
    }
}

/* Marks those that do not go first. */
static bool put_first(struct tg_week_planner *w, const struct tg_take *take, struct place *places, size_t n)
{
    uint32_t *list;
    size_t n_first, at = 0;

    if (!take->first)
        return true;
    if (!tg_week_select(w, take->first_at, "first", take->first, &list, &n_first))
        return false;
    for (size_t i = 0; i < n; i++) { /* both by index */
        while (at < n_first && list[at] < places[i].host)
            at++;
        places[i].late = at == n_first || list[at] != places[i].host;
    }
    free(list);
    return true;
}

bool tg_week_class_order(struct tg_week_planner *w, const struct tg_take *take, struct tg_week_class *c)
{
    if (c->ordered || !has_order(take))
        return true;
    struct place *places = calloc(c->n + 1, sizeof *places);
    if (!places)
        return w->rc = tg_fail(w->e, TG_E_MEMORY, "out of memory"), false;
    for (size_t i = 0; i < c->n; i++) {
        uint64_t hash = tg_shard_hash(w->hosts[c->list[i]].name);
        places[i] = (struct place) {.key = hash, .hash = hash, .host = c->list[i]};
    }
    bool done = put_first(w, take, places, c->n);
    for (size_t round = 0, rounds = w->pattern->n_spread > 1 ? ROUNDS : 1; done && round < rounds; round++)
        for (size_t k = w->pattern->n_spread; k-- > 0;)
            spread_by(w, w->pattern->spread[k], places, c->n);
    if (done)
        qsort(places, c->n, sizeof *places, in_all);
    for (size_t i = 0; done && i < c->n; i++)
        c->list[i] = places[i].host;
    c->ordered = done;
    c->at = 0;
    free(places);
    return done;
}
