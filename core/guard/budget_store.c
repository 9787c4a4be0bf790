/* Budgets in the store: reading them, and their terms. See budget.h. */
#include "guard/budget_internal.h"

#include "base/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "/budgets"
#define TRIES 24 /* of a transaction that others overtake, as for locks */

static void budget_path(const char *name, char *out, size_t size)
{
    snprintf(out, size, ROOT "/%s", name);
}

void tg_budgets_release(struct tg_budgets *budgets)
{
    for (size_t i = 0; i < budgets->n; i++)
        tg_budget_clear(&budgets->v[i]);
    free(budgets->v);
    *budgets = (struct tg_budgets) {.n = 0};
}

static void round_release(struct tg_budget_round *r)
{
    tg_counter_clear(&r->counter);
    tg_budgets_release(&r->budgets);
}

static int take_budgets(struct tg_budget_round *r, const struct tg_read_item *items, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;

    for (int64_t i = 0; i < r->counter.count; i++) {
        struct tg_budget *b = &r->budgets.v[i];
        if (items[i].code)
            return tg_fail(e, TG_E_VERSION, "%s is named and is not there", items[i].path + 1);
        if (tg_budget_decode(items[i].node.data, items[i].node.len, b, &why) != 0)
            return tg_tree_bad(r->guard, items[i].path, &why, e);
        r->budgets.n++;
        if (strcmp(b->name, r->counter.names[i]) != 0)
            return tg_unknown(r->guard, e, "bad-record", "%s is another budget's record", items[i].path + 1);
        b->version = items[i].node.stat.version;
    }
    return 0;
}

static int read_budgets(struct tg_budget_round *r, struct tg_error *e)
{
    size_t n = (size_t) r->counter.count;
    struct tg_read_item *items = calloc(n + 1, sizeof *items);
    char (*paths)[TG_BUDGET_NAME_SIZE + 16] = calloc(n + 1, sizeof *paths);
    int rc = 0;

    r->budgets.v = calloc(n + 1, sizeof *r->budgets.v);
    if (!items || !paths || !r->budgets.v)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < n; i++) {
        if (tg_budget_name_check(r->counter.names[i], NULL) != 0)
            rc = tg_unknown(r->guard, e, "bad-record", "budgets names \"%.60s\", which is no budget", r->counter.names[i]);
        snprintf(paths[i], sizeof *paths, ROOT "/%.64s", r->counter.names[i]);
        items[i].path = paths[i];
    }
    if (!rc && n)
        rc = tg_store_read_many(r->guard->store, items, n, tg_guard_deadline(r->guard), e);
    if (!rc) {
        rc = take_budgets(r, items, e);
        tg_read_items_release(items, n);
    }
    free(items);
    free(paths);
    return rc;
}

static int read_roots(struct tg_budget_round *r, struct tg_error *e)
{
    struct tg_read_item items[2] = {{.path = TG_CLUSTER_PATH}, {.path = ROOT}};
    struct tg_cluster cluster;
    char cause[TG_CLUSTER_CAUSE_SIZE];
    int64_t generation;
    int rc = tg_store_read_many(r->guard->store, items, 2, tg_guard_deadline(r->guard), e);

    if (rc)
        return rc;
    rc = tg_tree_prove_cluster(r->guard, &items[0], TG_NOTE_BOUNDED, &generation, e);
    if (!rc)
        rc = tg_tree_prove_named(r->guard, ROOT, &items[1], &r->counter, e);
    if (!rc && tg_cluster_decode(items[0].node.data, items[0].node.len, &cluster, cause, e) == 0)
        memcpy(r->cluster_id, cluster.id, sizeof r->cluster_id);
    r->cluster_version = items[0].node.stat.version;
    r->counter_version = items[1].node.stat.version;
    tg_read_items_release(items, 2);
    return rc;
}

static int round_read(struct tg_guard *guard, struct tg_budget_round *r, struct tg_error *e)
{
    *r = (struct tg_budget_round) {.guard = guard};
    int rc = read_roots(r, e);
    if (!rc)
        rc = read_budgets(r, e);
    if (rc)
        round_release(r);
    return rc;
}

struct tg_budget *tg_budget_find(struct tg_budget_round *r, const char *name)
{
    for (size_t i = 0; i < r->budgets.n; i++)
        if (strcmp(r->budgets.v[i].name, name) == 0)
            return &r->budgets.v[i];
    return NULL;
}

static const char *name_at(const void *data, size_t i)
{
    const struct tg_budgets *b = data;

    return i < b->n ? b->v[i].name : NULL;
}

int tg_budget_none_such(const struct tg_budget_round *r, const char *name, struct tg_error *e)
{
    const char *near = tg_nearest(name, name_at, &r->budgets);

    tg_fail(e, TG_E_USAGE, "there is no budget \"%.64s\"", name);
    if (near)
        tg_error_hint(e, "did you mean \"%s\"?", near);
    else
        tg_error_hint(e, "tagout budget list shows them; tagout budget set %.64s makes it", name);
    return TG_E_USAGE;
}

/* --- changes that are tried again --- */

static int change_once(struct tg_guard *guard, tg_budget_change_fn fn, void *data, bool lost, struct tg_error *e)
{
    struct tg_budget_round r;
    struct tg_batch b = TG_BATCH_INIT;
    int rc = round_read(guard, &r, e);

    if (rc)
        return rc;
    tg_batch_check(&b, TG_CLUSTER_PATH, r.cluster_version);
    rc = fn(&r, data, lost, &b, e);
    if (!rc)
        rc = tg_batch_run(&b, guard, e);
    tg_batch_release(&b);
    round_release(&r);
    return rc > 0 ? 0 : rc;
}

static bool again(int rc)
{
    return rc == TG_E_VERSION || rc == TG_E_EXISTS || rc == TG_E_NOENT || rc == TG_E_LOST;
}

int tg_budget_change(struct tg_guard *guard, tg_budget_change_fn fn, void *data, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    int64_t deadline = tg_guard_deadline(guard);
    bool lost = false;
    int rc = TG_E_VERSION;

    tg_tree_begin(guard);
    for (int i = 0; i < TRIES && (again(rc) || tg_tree_look_again(guard, rc, deadline)); i++) {
        if (i && tg_store_deadline(guard->store, 0) > deadline)
            break;
        if (i)
            (void) tg_store_sync(guard->store, ROOT, deadline, NULL);
        tg_error_clear(&why);
        rc = change_once(guard, fn, data, lost, &why);
        lost = lost || rc == TG_E_LOST;
    }
    if (rc) {
        tg_fail(e, rc, "%s", why.message);
        tg_error_hint(e, "%s", why.hint);
    }
    return rc;
}

void tg_budget_write(struct tg_batch *b, const struct tg_budget *budget)
{
    char path[96], *text = tg_budget_encode(budget);

    budget_path(budget->name, path, sizeof path);
    tg_batch_write(b, path, text, budget->version);
    free(text);
}

static void write_counter(struct tg_batch *b, const struct tg_budget_round *r)
{
    char *text = tg_counter_encode(&r->counter);

    tg_batch_write(b, ROOT, text, r->counter_version);
    free(text);
}

/* --- terms: set, remove, reset --- */

struct terms {
    const struct tg_budget *set;
    const char *name, *who, *why, *verb;
    unsigned forget;
};

/* The audit knows locks; a budget is written there as one without an id. */
static int audit(struct tg_budget_round *r, const struct terms *t, const struct tg_budget *of, struct tg_batch *b, struct tg_error *e)
{
    struct tg_audit_slot slot;
    struct tg_scopes scopes = {(struct tg_scope *) (uintptr_t) &of->of, 1};
    struct tg_lock entry = {.scopes = scopes};
    struct tg_read_item items[2];

    snprintf(entry.id, sizeof entry.id, "budget");
    snprintf(entry.owner, sizeof entry.owner, "%s", t->who);
    snprintf(entry.ticket, sizeof entry.ticket, "%s", of->name);
    tg_audit_slot(r->guard, &slot);
    items[0] = (struct tg_read_item) {.path = slot.day};
    items[1] = (struct tg_read_item) {.path = slot.minute};
    int rc = tg_store_read_many(r->guard->store, items, 2, tg_guard_deadline(r->guard), e);
    if (rc)
        return rc;
    slot.have_day = items[0].code == 0;
    slot.have_minute = items[1].code == 0;
    tg_read_items_release(items, 2);
    tg_audit_append(b, &slot, tg_guard_wall(r->guard), t->verb, &entry, t->who, t->why);
    tg_batch_tick(b); /* a copy without these terms is an old one */
    return 0;
}

static void take_over_terms(const struct tg_budget *from, const char *who, struct tg_budget *to)
{
    tg_scope_release(&to->of);
    to->of = (struct tg_scope) {.kind = from->of.kind};
    memcpy(to->of.name, from->of.name, sizeof to->of.name);
    memcpy(to->name, from->name, sizeof to->name);
    to->at_most = from->at_most;
    to->per_ms = from->per_ms;
    to->brake = from->brake;
    memcpy(to->actors, from->actors, sizeof to->actors);
    to->n_actors = from->n_actors;
    snprintf(to->set_by, sizeof to->set_by, "%s", who);
}

static int apply_set(struct tg_budget_round *r, void *data, bool lost, struct tg_batch *b, struct tg_error *e)
{
    const struct terms *t = data;
    struct tg_budget *there = tg_budget_find(r, t->set->name), fresh = {.version = 0};
    char path[96];

    (void) lost; /* to set it twice does no harm but a second line in the audit */
    if (there) {
        take_over_terms(t->set, t->who, there);
        tg_budget_write(b, there);
        return audit(r, t, there, b, e);
    }
    if (r->counter.count >= TG_BUDGETS_MAX)
        return tg_fail(e, TG_E_HELD, "there are %d budgets already", TG_BUDGETS_MAX);
    take_over_terms(t->set, t->who, &fresh);
    int rc = tg_counter_add(&r->counter, fresh.name, e);
    if (rc)
        return rc;
    char *text = tg_budget_encode(&fresh);
    budget_path(fresh.name, path, sizeof path);
    write_counter(b, r);
    tg_batch_create(b, path, text, TG_CREATE_PERSISTENT);
    free(text);
    return audit(r, t, t->set, b, e);
}

int tg_budget_set(struct tg_guard *guard, const struct tg_budget *terms, const char *who, const char *why, struct tg_error *e)
{
    struct terms t = {.set = terms, .who = who, .why = why, .verb = "budget"};

    return tg_budget_change(guard, apply_set, &t, e);
}

static int apply_remove(struct tg_budget_round *r, void *data, bool lost, struct tg_batch *b, struct tg_error *e)
{
    const struct terms *t = data;
    const struct tg_budget *there = tg_budget_find(r, t->name);
    char path[96];

    if (!there)
        return lost ? 1 : tg_budget_none_such(r, t->name, e);
    tg_counter_remove(&r->counter, t->name);
    budget_path(t->name, path, sizeof path);
    write_counter(b, r);
    tg_batch_delete(b, path, there->version);
    return audit(r, t, there, b, e);
}

int tg_budget_remove(struct tg_guard *guard, const char *name, const char *who, const char *why, struct tg_error *e)
{
    struct terms t = {.name = name, .who = who, .why = why, .verb = "budget-remove"};

    return tg_budget_change(guard, apply_remove, &t, e);
}

static int apply_reset(struct tg_budget_round *r, void *data, bool lost, struct tg_batch *b, struct tg_error *e)
{
    const struct terms *t = data;
    struct tg_budget *there = tg_budget_find(r, t->name);

    (void) lost;
    if (!there)
        return tg_budget_none_such(r, t->name, e);
    if (t->forget & TG_BUDGET_CHARGES) {
        there->n_charges = 0;
        if (r->guard->state_dir)
            tg_ledger_forget(r->guard->state_dir, r->cluster_id, there->name, "");
    }
    if (t->forget & TG_BUDGET_PICTURE)
        there->n_pictures = 0;
    tg_budget_write(b, there);
    return audit(r, t, there, b, e);
}

int tg_budget_reset(struct tg_guard *guard, const char *name, unsigned what, const char *who, const char *why, struct tg_error *e)
{
    struct terms t = {.name = name, .who = who, .why = why, .forget = what, .verb = "budget-reset"};

    return tg_budget_change(guard, apply_reset, &t, e);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tg_budget *) a)->name, ((const struct tg_budget *) b)->name);
}

int tg_budget_list(struct tg_guard *guard, struct tg_budgets *out, struct tg_error *e)
{
    struct tg_budget_round r;
    struct tg_error why = TG_ERROR_INIT;
    int64_t deadline = tg_guard_deadline(guard);
    int rc = TG_E_VERSION;

    tg_tree_begin(guard);
    for (int i = 0; i < TRIES && (rc == TG_E_VERSION || tg_tree_look_again(guard, rc, deadline)); i++) {
        tg_error_clear(&why);
        rc = round_read(guard, &r, &why);
    }
    if (rc) {
        tg_fail(e, rc, "%s", why.message);
        return tg_error_hint(e, "%s", why.hint), rc;
    }
    if (r.budgets.n)
        qsort(r.budgets.v, r.budgets.n, sizeof *r.budgets.v, by_name);
    *out = r.budgets;
    r.budgets = (struct tg_budgets) {.n = 0};
    round_release(&r);
    return 0;
}
