/* Hosts of a plan that others hold: see held.h. */
#include "engine/held.h"

#include "base/columns.h"
#include "base/shown.h"
#include "fleet/inventory.h"
#include "fleet/nodeset.h"

#include <tagout/clock.h>

#include <stdlib.h>
#include <string.h>

#define ACTOR "config-management"
#define NAMES_COLUMNS 60
#define REASON_COLUMNS 60
#define NOBODY UINT32_MAX

struct collecting {
    const struct tg_plan *plan;
    const struct tg_inventory *inventory;
    const struct tg_host *hosts;
    size_t n_hosts;
    bool *changed;   /* by host of the inventory: the plan changes it */
    uint32_t *by;    /* likewise: in out->v, or NOBODY */
    struct tg_held *out;
    struct tg_error *e;
};

static int open_all(struct collecting *c)
{
    const struct tg_plan *plan = c->plan;

    c->hosts = tg_inventory_hosts(c->inventory, &c->n_hosts);
    c->changed = calloc(c->n_hosts + 1, sizeof *c->changed);
    c->by = malloc((c->n_hosts + 1) * sizeof *c->by);
    if (!c->changed || !c->by)
        return tg_fail(c->e, TG_E_MEMORY, "out of memory");
    memset(c->by, 0xff, c->n_hosts * sizeof *c->by);
    for (size_t s = 0; s < plan->n_stages; s++)
        for (size_t i = plan->stages[s].first; !plan->stages[s].dry_run && i < plan->stages[s].first + plan->stages[s].count; i++) {
            const struct tg_host *h = tg_inventory_host(c->inventory, plan->hosts[i].name);
            if (h)
                c->changed[h->index] = true;
        }
    return 0;
}

struct ranked {
    const struct tg_lock *lock;
    size_t age;      /* its place among all locks, oldest first */
};

static bool is_alike(const struct tg_lock *a, const struct tg_lock *b)
{
    return strcmp(a->reason, b->reason) == 0 && strcmp(a->owner, b->owner) == 0;
}

/* Alike ones together, the oldest first. */
static int by_likeness(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int order = strcmp(x->lock->reason, y->lock->reason);

    if (order == 0)
        order = strcmp(x->lock->owner, y->lock->owner);
    return order ? order : (x->age > y->age) - (x->age < y->age);
}

static void begin_group(struct tg_held *held, const struct tg_lock *lock)
{
    struct tg_held_by *by = &held->v[held->n++];

    *by = (struct tg_held_by) {.names = TG_BUF_INIT};
    memcpy(by->owner, lock->owner, sizeof by->owner);
    memcpy(by->reason, lock->reason, sizeof by->reason);
    if (!tg_withdraw_reason_read(lock->reason, by->run))
        by->run[0] = '\0';
}

/* places: of each lock its group in out->v, or NOBODY where it keeps the plan from nothing. */
static int group(struct collecting *c, const struct tg_locks *locks, const char *tokens, uint32_t *places)
{
    struct ranked *r = calloc(locks->n + 1, sizeof *r);
    size_t n = 0;

    c->out->v = calloc(locks->n + 1, sizeof *c->out->v);
    if (!r || !c->out->v) {
        free(r);
        return tg_fail(c->e, TG_E_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < locks->n; i++) {
        places[i] = NOBODY;
        if (tg_lock_holds_actor(&locks->v[i], ACTOR) && !tg_lock_token_fits(&locks->v[i], tokens))
            r[n++] = (struct ranked) {.lock = &locks->v[i], .age = i};
    }
    qsort(r, n, sizeof *r, by_likeness);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !is_alike(r[i].lock, r[i - 1].lock))
            begin_group(c->out, r[i].lock);
        places[r[i].age] = (uint32_t) (c->out->n - 1);
    }
    free(r);
    return 0;
}

static void add_host(struct collecting *c, size_t host, uint32_t place)
{
    if (!c->changed[host] || c->by[host] != NOBODY)
        return;
    c->by[host] = place;
    c->out->v[place].n_hosts++;
    c->out->n_hosts++;
}

static void add_lock(struct collecting *c, const struct tg_lock *lock, uint32_t place)
{
    size_t before = c->out->v[place].n_hosts;

    for (size_t i = 0; i < lock->scopes.n; i++) {
        const struct tg_scope *s = &lock->scopes.v[i];
        const struct tg_host *host = s->kind == TG_SCOPE_HOST ? tg_inventory_host(c->inventory, s->name) : NULL;
        const struct tg_group *group = s->kind == TG_SCOPE_GROUP ? tg_inventory_group(c->inventory, s->name) : NULL;
        if (host)
            add_host(c, host->index, place);
        for (size_t h = 0; group && h < group->n_hosts; h++)
            add_host(c, group->hosts[h], place);
        for (size_t h = 0; s->kind == TG_SCOPE_FLEET && h < c->n_hosts; h++)
            add_host(c, h, place);
    }
    if (c->out->v[place].n_hosts > before && c->out->v[place].n_locks++ == 0) {
        memcpy(c->out->v[place].lock, lock->id, sizeof lock->id);
        c->out->v[place].until_ms = lock->until_ms;
    }
}

/* Each group's names. In one pass over the hosts, however many groups there are: they are counted, and laid out one behind the other. */
static int fold_all(const struct collecting *c)
{
    const struct tg_held *held = c->out;
    size_t *at = calloc(held->n + 1, sizeof *at), *hosts = calloc(held->n_hosts + 1, sizeof *hosts);
    int rc = at && hosts ? 0 : tg_fail(c->e, TG_E_MEMORY, "out of memory");

    for (size_t i = 0; !rc && i < held->n; i++)
        at[i + 1] = at[i] + held->v[i].n_hosts;
    for (size_t h = 0; !rc && h < c->n_hosts; h++)
        if (c->by[h] != NOBODY)
            hosts[at[c->by[h]]++] = h;
    for (size_t i = 0, h = 0; !rc && i < held->n; i++) { /* at[i] is the end of group i by now */
        struct tg_folder *folder = NULL;
        rc = h < at[i] ? tg_folder_new(&folder, c->e) : 0;
        for (; !rc && h < at[i]; h++)
            rc = tg_folder_add(folder, c->hosts[hosts[h]].name, c->e);
        if (!rc && folder)
            rc = tg_folder_print(folder, &held->v[i].names, c->e);
        tg_folder_free(folder);
    }
    free(at);
    free(hosts);
    return rc;
}

static int by_hosts(const void *a, const void *b)
{
    const struct tg_held_by *x = a, *y = b;

    return x->n_hosts != y->n_hosts ? (x->n_hosts > y->n_hosts ? -1 : 1) : strcmp(x->lock, y->lock);
}

/* Without those that hold nobody whom the plan changes. */
static void sort(struct tg_held *held)
{
    if (held->n)
        qsort(held->v, held->n, sizeof *held->v, by_hosts);
    while (held->n && held->v[held->n - 1].n_hosts == 0)
        tg_buf_release(&held->v[--held->n].names);
}

int tg_held_collect(const struct tg_plan *plan, const struct tg_inventory *inventory, const struct tg_locks *locks, const char *tokens, struct tg_held *out, struct tg_error *e)
{
    struct collecting c = {.plan = plan, .inventory = inventory, .out = out, .e = e};
    uint32_t *places = NULL;
    int rc = 0;

    *out = (struct tg_held) {.n = 0};
    if (!locks->n)
        return 0;
    if (!(places = calloc(locks->n, sizeof *places)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    rc = open_all(&c);
    if (!rc)
        rc = group(&c, locks, tokens, places);
    for (size_t i = 0; !rc && i < locks->n; i++)
        if (places[i] != NOBODY)
            add_lock(&c, &locks->v[i], places[i]);
    if (!rc)
        rc = fold_all(&c);
    sort(out);
    free(c.changed);
    free(c.by);
    free(places);
    return rc;
}

void tg_held_release(struct tg_held *held)
{
    for (size_t i = 0; i < held->n; i++)
        tg_buf_release(&held->v[i].names);
    free(held->v);
    *held = (struct tg_held) {.n = 0};
}

void tg_held_warning(const struct tg_held_by *by, struct tg_buf *out)
{
    bool one = by->n_hosts == 1;
    char owner[TG_OWNER_SIZE], reason[TG_REASON_SIZE];

    tg_buf_printf(out, "%zu host%s (", by->n_hosts, one ? "" : "s");
    tg_put_cut(out, tg_buf_text(&by->names), NAMES_COLUMNS);
    if (by->run[0]) {
        tg_buf_printf(out, ") %s out of service by %s: a run of this plan passes %s over, and %s as down. Something better for %s: tagout plan --mends %s FILE", one ? "is" : "are", by->run,
                      one ? "it" : "them", one ? "it counts" : "they count", one ? "it" : "them", by->run);
        return;
    }
    tg_shown_text(by->owner, owner, sizeof owner);
    tg_buf_printf(out, ") %s held by %s", one ? "is" : "are", by->lock);
    if (by->n_locks > 1)
        tg_buf_printf(out, " and %zu lock%s more", by->n_locks - 1, by->n_locks == 2 ? "" : "s");
    tg_buf_printf(out, " of %s (", owner);
    tg_put_cut(out, tg_shown_text(by->reason, reason, sizeof reason), REASON_COLUMNS);
    tg_buf_printf(out, "): a run of this plan passes %s over while %s. See: tagout locks", one ? "it" : "them", by->n_locks > 1 ? "they hold" : "that holds");
    if (one)
        tg_buf_printf(out, " host:%s", tg_buf_text(&by->names));
}

json_t *tg_held_json(const struct tg_held *held)
{
    json_t *list = json_array();
    char until[40];

    for (size_t i = 0; i < held->n; i++) {
        const struct tg_held_by *by = &held->v[i];
        tg_time_format(by->until_ms / 1000 * 1000, until, sizeof until);
        json_array_append_new(list, json_pack("{s:s*,s:s,s:I,s:s,s:s,s:s,s:I,s:s}", "run", by->run[0] ? by->run : NULL, "lock", by->lock, "n_locks", (json_int_t) by->n_locks, "owner", by->owner, "reason", by->reason,
                                              "until", until, "n_hosts", (json_int_t) by->n_hosts, "hosts", tg_buf_text(&by->names)));
    }
    return list;
}
