/* Counters of a transaction: see plan.h. */
#include "guard/plan.h"

#include "guard/acks.h"
#include "guard/recall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXED 4 /* items before the slots: cluster, root, the audit's two folders */

static int add_slot(struct tg_plan *p, const char *path, int parent, bool named, bool kept)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->slots[i].path, path) == 0)
            return (int) i;
    struct tg_slot *s = &p->slots[p->n];
    *s = (struct tg_slot) {.parent = parent, .named = named, .kept = kept};
    snprintf(s->path, sizeof s->path, "%s", path);
    snprintf(s->name, sizeof s->name, "%s", strrchr(path, '/') + 1);
    return (int) p->n++;
}

/* At most three slots a scope: index, bucket, scope. */
static void add_slots(struct tg_plan *p, const struct tg_scopes *scopes)
{
    char path[TG_NODE_PATH_SIZE];

    for (size_t i = 0; i < scopes->n; i++) {
        const struct tg_scope *s = &scopes->v[i];
        int parent = -1;
        if (s->kind != TG_SCOPE_FLEET) {
            tg_tree_index_path(TG_LOCKS_ROOT, s->kind, path, sizeof path);
            parent = add_slot(p, path, -1, true, true);
        }
        if (tg_tree_has_buckets(s->kind)) {
            tg_tree_bucket_path(TG_LOCKS_ROOT, s, path, sizeof path);
            parent = add_slot(p, path, parent, false, true);
        }
        tg_tree_scope_path(TG_LOCKS_ROOT, s, path, sizeof path);
        p->of_scope[i] = add_slot(p, path, parent, true, s->kind == TG_SCOPE_FLEET);
    }
}

int tg_plan_new(struct tg_plan *p, const struct tg_scopes *scopes, const char *id, struct tg_error *e)
{
    size_t n = scopes->n, n_rows = id ? n + 2 : 0;

    *p = (struct tg_plan) {.slots = calloc(3 * n + 1, sizeof *p->slots), .of_scope = calloc(n + 1, sizeof *p->of_scope), .n_scopes = n,
                           .rows = calloc(n_rows + 1, sizeof *p->rows)};
    if (!p->slots || !p->of_scope || !p->rows)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    add_slots(p, scopes);
    for (size_t i = 0; id && i < n; i++)
        snprintf(p->rows[i], sizeof *p->rows, "%s/%s", p->slots[p->of_scope[i]].path, id);
    if (id) {
        snprintf(p->rows[n], sizeof *p->rows, "/lock-index/%c/%s", id[0], id);
        tg_acks_root(id, p->rows[n + 1], sizeof *p->rows);
    }
    p->n_items = FIXED + p->n + n_rows;
    p->items = calloc(p->n_items, sizeof *p->items);
    return p->items ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");
}

void tg_plan_release(struct tg_plan *p)
{
    for (size_t i = 0; i < p->n; i++)
        tg_counter_clear(&p->slots[i].counter);
    if (p->items)
        tg_read_items_release(p->items, p->n_items);
    free(p->items);
    free(p->rows);
    free(p->slots);
    free(p->of_scope);
    *p = (struct tg_plan) {.n = 0};
}

static int take_slot(struct tg_guard *guard, struct tg_slot *s, const struct tg_read_item *item, struct tg_error *e)
{
    s->exists = item->code == 0;
    s->version = item->node.stat.version;
    if (s->exists) {
        int rc = tg_tree_prove(guard, s->path, &item->node, &s->counter, e);
        if (!rc && s->named && !s->counter.names)
            rc = tg_unknown(guard, e, "bad-record", "%s does not name what it counts", s->path + 1);
        return rc;
    }
    if (s->parent < 0)
        return tg_unknown(guard, e, "missing-node", "%s is not there: this copy is not whole", s->path + 1);
    s->counter = (struct tg_counter) {.names = s->named ? calloc(2, sizeof(char *)) : NULL};
    return s->named && !s->counter.names ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0;
}

static int take_fixed(struct tg_guard *guard, struct tg_plan *p, struct tg_error *e)
{
    struct tg_counter root = {.epoch = 0};
    int rc = p->known ? 0 : tg_tree_prove_cluster(guard, &p->items[0], TG_NOTE_BOUNDED, &p->generation, e);

    if (!p->knows_minute) {
        p->audit.have_day = p->items[2].code == 0;
        p->audit.have_minute = p->items[3].code == 0;
    }
    if (rc || p->known)
        return rc;
    p->cluster_version = p->items[0].node.stat.version;
    if (p->items[1].code)
        return tg_unknown(guard, e, "missing-node", "locks is not there: this copy is not whole");
    if ((rc = tg_tree_prove(guard, TG_LOCKS_ROOT, &p->items[1].node, &root, e)) == 0)
        tg_counter_clear(&root);
    return rc;
}

/* Whether the item of this place is still to be read. */
static bool is_asked(const struct tg_plan *p, size_t i)
{
    if (i < FIXED)
        return i < 2 ? !p->known : !p->knows_minute;
    return i < FIXED + p->n ? !p->slots[i - FIXED].known : !p->rows_known;
}

/* Those that are asked for, moved together, read, and moved back. */
static int read_asked(struct tg_guard *guard, struct tg_plan *p, struct tg_error *e)
{
    struct tg_read_item *asked = calloc(p->n_items, sizeof *asked);
    size_t n = 0;
    int rc = 0;

    if (!asked)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; i < p->n_items; i++)
        if (is_asked(p, i))
            asked[n++] = p->items[i];
    if (n)
        rc = tg_store_read_many(guard->store, asked, n, tg_guard_deadline(guard), e);
    for (size_t i = p->n_items; !rc && i-- > 0;)
        if (is_asked(p, i))
            p->items[i] = asked[--n];
    free(asked);
    return rc;
}

int tg_plan_read(struct tg_guard *guard, struct tg_plan *p, struct tg_error *e)
{
    tg_audit_slot(guard, &p->audit);
    p->items[0].path = TG_CLUSTER_PATH;
    p->items[1].path = TG_LOCKS_ROOT;
    p->items[2].path = p->audit.day;
    p->items[3].path = p->audit.minute;
    for (size_t i = 0; i < p->n; i++)
        p->items[FIXED + i].path = p->slots[i].path;
    for (size_t i = FIXED + p->n; i < p->n_items; i++)
        p->items[i].path = p->rows[i - FIXED - p->n];
    if (!p->anew)
        tg_recall_plan(guard, p);
    int rc = read_asked(guard, p, e);
    if (!rc)
        rc = take_fixed(guard, p, e);
    for (size_t i = 0; !rc && i < p->n; i++)
        if (!p->slots[i].known)
            rc = take_slot(guard, &p->slots[i], &p->items[FIXED + i], e);
    return rc;
}

const struct tg_read_item *tg_plan_row(const struct tg_plan *p, size_t scope)
{
    return &p->items[FIXED + p->n + scope];
}

bool tg_plan_has_acks(const struct tg_plan *p)
{
    return !p->items[FIXED + p->n + p->n_scopes + 1].code;
}

const char *tg_plan_acks_path(const struct tg_plan *p)
{
    return p->rows[p->n_scopes + 1];
}

const struct tg_read_item *tg_plan_entry(const struct tg_plan *p)
{
    return &p->items[FIXED + p->n + p->n_scopes];
}

int tg_plan_prove_absences(const struct tg_plan *p, struct tg_error *e)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct tg_slot *s = &p->slots[i];
        if (!s->exists && p->slots[s->parent].exists && tg_counter_has(&p->slots[s->parent].counter, s->name))
            return tg_fail(e, TG_E_VERSION, "%s is named and is not there", s->path + 1);
    }
    return 0;
}

static int add_child(struct tg_plan *p, int at, const char *name, struct tg_error *e)
{
    struct tg_slot *s = &p->slots[at];
    bool fresh = !s->exists && !s->changed;
    int rc = tg_counter_add(&s->counter, name, e);

    if (rc)
        return tg_error_prefix(e, "%s", s->path + 1);
    s->changed = true;
    return fresh && s->parent >= 0 ? add_child(p, s->parent, s->name, e) : 0;
}

int tg_plan_add(struct tg_plan *p, size_t scope, const char *name, struct tg_error *e)
{
    return add_child(p, p->of_scope[scope], name, e);
}

void tg_plan_remove(struct tg_plan *p, size_t scope, const char *name)
{
    struct tg_slot *s = &p->slots[p->of_scope[scope]];

    tg_counter_remove(&s->counter, name);
    s->changed = true;
    if (s->counter.count || s->kept)
        return;
    s->gone = true;
    tg_counter_remove(&p->slots[s->parent].counter, s->name);
    p->slots[s->parent].changed = true;
}

void tg_plan_touch(struct tg_plan *p, size_t scope)
{
    struct tg_slot *s = &p->slots[p->of_scope[scope]];

    s->counter.epoch++;
    s->changed = true;
}

static void emit_checks(struct tg_batch *b, const struct tg_plan *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct tg_slot *s = &p->slots[i];
        const struct tg_slot *parent = s->parent < 0 ? NULL : &p->slots[s->parent];
        if (s->changed && s->exists && parent && !parent->changed)
            tg_batch_check(b, parent->path, parent->version);
    }
}

void tg_plan_emit(struct tg_batch *b, const struct tg_plan *p, bool checks)
{
    if (checks)
        emit_checks(b, p);
    for (size_t i = 0; i < p->n; i++) { /* parents stand before their children */
        const struct tg_slot *s = &p->slots[i];
        char *text = s->changed && !s->gone ? tg_counter_encode(&s->counter) : NULL;
        if (s->gone)
            tg_batch_delete(b, s->path, s->version);
        else if (s->changed && s->exists)
            tg_batch_write(b, s->path, text, s->version);
        else if (s->changed)
            tg_batch_create(b, s->path, text, TG_CREATE_PERSISTENT);
        free(text);
    }
}

void tg_plan_advance(struct tg_plan *p)
{
    for (size_t i = 0; i < p->n; i++) {
        struct tg_slot *s = &p->slots[i];
        if (s->changed)
            s->version = s->exists && !s->gone ? s->version + 1 : 0;
        s->exists = (s->exists || s->changed) && !s->gone;
        if (s->gone)
            s->counter.epoch = 0; /* the next one begins anew */
        s->changed = s->gone = false;
    }
}
