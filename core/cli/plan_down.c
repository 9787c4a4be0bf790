/* Who is down when a plan is made: see plan_down.h. */
#include "cli/plan_down.h"

#include "base/columns.h"
#include "engine/others.h"
#include "fleet/inventory.h"
#include "fleet/nodeset.h"
#include "guard/gone.h"

#include <stdlib.h>
#include <string.h>

#define FULL_MAX 5 /* domains that are named */
#define HELD_MAX 8 /* of those who hold hosts */

void tg_plan_down_release(struct tg_plan_down *d)
{
    tg_gone_free(d->gone);
    tg_held_release(&d->held);
    free(d->counts);
    *d = (struct tg_plan_down) {.plan = NULL};
}

static int look_gone(struct tg_plan_down *d, struct tg_guard *g, struct tg_error *e)
{
    if (!d->plan->n_limits || d->plan->ignore_gone)
        return 0;
    int rc = tg_gone_new(g->inventory, &d->gone, e);
    if (!rc)
        rc = tg_gone_look(d->gone, g->store, tg_store_deadline(g->store, g->timeout_ms), e);
    if (!rc)
        return 0;
    tg_gone_free(d->gone);
    d->gone = NULL;
    return rc;
}

/* Each host once, gone or held. */
static int count(struct tg_plan_down *d, const struct tg_inventory *inventory, const struct tg_locks *locks, const char *tokens, struct tg_error *e)
{
    size_t n = d->plan->n_limits;
    struct tg_others *others = NULL;

    if (!n || (!locks->n && !(d->gone && tg_gone_count(d->gone))))
        return 0;
    int rc = tg_others_new(d->plan, inventory, d->gone, &others, e);
    d->counts = rc ? NULL : calloc(d->plan->n_domains + 1, sizeof *d->counts);
    if (!rc && !d->counts)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc)
        tg_others_begin(others, NULL);
    for (size_t i = 0; !rc && i < locks->n; i++)
        if (!tg_lock_token_fits(&locks->v[i], tokens))
            tg_others_add(others, &locks->v[i], tg_lock_holds_actor(&locks->v[i], "config-management"));
    if (!rc)
        memcpy(d->counts, tg_others_counts(others), d->plan->n_domains * sizeof *d->counts);
    for (size_t i = 0; !rc && d->gone && tg_gone_count(d->gone) && i < d->n_hosts; i++)
        for (size_t l = 0; tg_gone_is(d->gone, i) && l < n; l++)
            if (tg_others_domain(others, i, l) != TG_NO_DOMAIN)
                d->counts[tg_others_domain(others, i, l)]++;
    tg_others_free(others);
    return rc;
}

int tg_plan_down_look(const struct tg_plan *plan, struct tg_guard *g, const char *tokens, struct tg_plan_down *d, struct tg_error *e)
{
    struct tg_locks locks = {0};

    *d = (struct tg_plan_down) {.plan = plan};
    if (!g->inventory || !g->store)
        return 0;
    d->hosts = tg_inventory_hosts(g->inventory, &d->n_hosts);
    int rc = look_gone(d, g, e);
    if (!rc)
        rc = tg_lock_list(g, NULL, &locks, e);
    if (!rc)
        rc = count(d, g->inventory, &locks, tokens, e);
    if (!rc)
        rc = tg_held_collect(plan, g->inventory, &locks, tokens, &d->held, e);
    tg_locks_release(&locks);
    return rc;
}

static bool is_any_gone(const struct tg_plan_down *d)
{
    return d->gone && tg_gone_count(d->gone);
}

/* By these alone; in service are those that a run of the plan comes on top of. */
static bool is_full(const struct tg_plan_down *d, size_t domain)
{
    return d->counts && d->counts[domain] && d->counts[domain] >= d->plan->domains[domain].max && !d->plan->mends;
}

static int fold_gone(const struct tg_plan_down *d, struct tg_buf *out, struct tg_error *e)
{
    struct tg_folder *folder;
    int rc = tg_folder_new(&folder, e);

    for (size_t i = 0; !rc && i < d->n_hosts; i++)
        if (tg_gone_is(d->gone, i))
            rc = tg_folder_add(folder, d->hosts[i].name, e);
    if (!rc)
        rc = tg_folder_print(folder, out, e);
    tg_folder_free(folder);
    return rc;
}

static void put_line(const char *title, const struct tg_buf *what, int width, struct tg_buf *out)
{
    tg_buf_printf(out, "%-9s", title);
    tg_put_wrapped(out, tg_buf_text(what), width - 9, 9);
    tg_buf_putc(out, '\n');
}

static void put_full(const struct tg_plan_down *d, int width, struct tg_buf *out)
{
    size_t n = 0;
    char name[160];

    for (size_t i = 0; i < d->plan->n_domains; i++) {
        struct tg_buf what = TG_BUF_INIT;
        if (!is_full(d, i) || n++ >= FULL_MAX)
            continue;
        tg_plan_domain_name(d->plan, i, name, sizeof name);
        tg_buf_printf(&what, "%s is full by that (%u of %u down): whoever is up waits there", name, d->counts[i], d->plan->domains[i].max);
        put_line(n > 1 || is_any_gone(d) ? "" : "full", &what, width, out);
        tg_buf_release(&what);
    }
    if (n > FULL_MAX)
        tg_buf_printf(out, "         and %zu more\n", n - FULL_MAX);
}

static int put_gone(const struct tg_plan_down *d, int width, struct tg_buf *out, struct tg_error *e)
{
    struct tg_buf what = TG_BUF_INIT;
    size_t n = tg_gone_count(d->gone);

    tg_buf_printf(&what, n == 1 ? "%zu host, whose agent is gone: " : "%zu hosts, whose agents are gone: ", n);
    int rc = fold_gone(d, &what, e);
    put_line("down", &what, width, out);
    tg_buf_reset(&what);
    tg_buf_puts(&what, "one that is to have no agent any more: tagout agent --forget NAME");
    put_line("", &what, width, out);
    tg_buf_release(&what);
    return rc;
}

int tg_plan_down_text(const struct tg_plan_down *d, int width, struct tg_buf *out, struct tg_error *e)
{
    int rc = is_any_gone(d) ? put_gone(d, width, out, e) : 0;

    put_full(d, width, out);
    return rc;
}

json_t *tg_plan_down_json(const struct tg_plan_down *d)
{
    json_t *hosts = json_array(), *full = json_array();
    char name[160];
    bool known = d->gone && tg_gone_knows_any(d->gone);

    for (size_t i = 0; known && i < d->n_hosts; i++)
        if (tg_gone_is(d->gone, i))
            json_array_append_new(hosts, json_string(d->hosts[i].name));
    for (size_t i = 0; i < d->plan->n_domains; i++)
        if (is_full(d, i)) {
            tg_plan_domain_name(d->plan, i, name, sizeof name);
            json_array_append_new(full, json_pack("{s:s,s:I,s:I}", "domain", name, "down", (json_int_t) d->counts[i], "at_most", (json_int_t) d->plan->domains[i].max));
        }
    return json_pack("{s:b,s:o,s:o}", "known", known, "hosts", hosts, "full", full);
}

json_t *tg_plan_down_warnings(const struct tg_plan_down *d)
{
    json_t *list = json_array();
    struct tg_buf what = TG_BUF_INIT;
    size_t more = 0;

    for (size_t i = 0; i < d->held.n; i++) {
        if (i >= HELD_MAX) {
            more += d->held.v[i].n_hosts;
            continue;
        }
        tg_buf_reset(&what);
        tg_held_warning(&d->held.v[i], &what);
        json_array_append_new(list, json_string(tg_buf_text(&what)));
    }
    tg_buf_reset(&what);
    tg_buf_printf(&what, "%zu more host%s held by others. See: tagout locks", more, more == 1 ? " is" : "s are");
    if (more)
        json_array_append_new(list, json_string(tg_buf_text(&what)));
    tg_buf_release(&what);
    return list;
}
