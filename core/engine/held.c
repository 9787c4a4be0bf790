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

/* The place of a lock's owner and reason in the list. Locks of one run stand beside each other mostly. */
static int place_of(struct collecting *c, const struct tg_lock *lock, uint32_t *out)
{
    struct tg_held *held = c->out;

    for (size_t i = held->n; i > 0; i--)
        if (strcmp(held->v[i - 1].reason, lock->reason) == 0 && strcmp(held->v[i - 1].owner, lock->owner) == 0) {
            *out = (uint32_t) (i - 1);
            return 0;
        }
    struct tg_held_by *more = realloc(held->v, (held->n + 1) * sizeof *more);
    if (!more)
        return tg_fail(c->e, TG_E_MEMORY, "out of memory");
    held->v = more;
    struct tg_held_by *by = &held->v[held->n];
    *by = (struct tg_held_by) {.until_ms = lock->until_ms, .names = TG_BUF_INIT};
    memcpy(by->lock, lock->id, sizeof by->lock);
    memcpy(by->owner, lock->owner, sizeof by->owner);
    memcpy(by->reason, lock->reason, sizeof by->reason);
    if (!tg_withdraw_reason_read(lock->reason, by->run))
        by->run[0] = '\0';
    *out = (uint32_t) held->n++;
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

static int add_lock(struct collecting *c, const struct tg_lock *lock)
{
    uint32_t place = 0;
    int rc = place_of(c, lock, &place);

    for (size_t i = 0; !rc && i < lock->scopes.n; i++) {
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
    return rc;
}

static int fold(const struct collecting *c, uint32_t place)
{
    struct tg_folder *folder = NULL;
    int rc = tg_folder_new(&folder, c->e);

    for (size_t i = 0; !rc && i < c->n_hosts; i++)
        if (c->by[i] == place)
            rc = tg_folder_add(folder, c->hosts[i].name, c->e);
    if (!rc)
        rc = tg_folder_print(folder, &c->out->v[place].names, c->e);
    tg_folder_free(folder);
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
    int rc = 0;

    *out = (struct tg_held) {.n = 0};
    if (locks->n)
        rc = open_all(&c);
    for (size_t i = 0; !rc && i < locks->n; i++)
        if (tg_lock_holds_actor(&locks->v[i], ACTOR) && !tg_lock_token_fits(&locks->v[i], tokens))
            rc = add_lock(&c, &locks->v[i]);
    for (uint32_t i = 0; !rc && i < out->n; i++)
        rc = out->v[i].n_hosts ? fold(&c, i) : 0;
    sort(out);
    free(c.changed);
    free(c.by);
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
    tg_buf_printf(out, ") %s held by %s of %s (", one ? "is" : "are", by->lock, owner);
    tg_put_cut(out, tg_shown_text(by->reason, reason, sizeof reason), REASON_COLUMNS);
    tg_buf_printf(out, "): a run of this plan passes %s over while that holds. See: tagout locks", one ? "it" : "them");
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
        json_array_append_new(list, json_pack("{s:s*,s:s,s:s,s:s,s:s,s:I,s:s}", "run", by->run[0] ? by->run : NULL, "lock", by->lock, "owner", by->owner, "reason", by->reason,
                                              "until", until, "n_hosts", (json_int_t) by->n_hosts, "hosts", tg_buf_text(&by->names)));
    }
    return list;
}
