/* Who is down when a plan is made: see plan_down.h. */
#include "cli/plan_down.h"

#include "base/columns.h"
#include "engine/others.h"
#include "fleet/inventory.h"
#include "fleet/nodeset.h"
#include "guard/gone.h"

#include <stdlib.h>

#define FULL_MAX 5 /* domains that are named */

struct down {
    const struct tg_host *hosts;
    size_t n_hosts;
    struct tg_gone *gone;
    struct tg_others *others;
    uint32_t *counts;       /* of each domain of the plan */
};

static void release(struct down *d)
{
    tg_others_free(d->others);
    tg_gone_free(d->gone);
    free(d->counts);
    *d = (struct down) {.hosts = NULL};
}

/* 0 with d->gone NULL when there is nothing to look at; on failure, too, there is none. */
static int look(const struct tg_plan *plan, const struct tg_inventory *inventory, struct tg_store *store, int64_t wait_ms, struct down *d, struct tg_error *e)
{
    *d = (struct down) {.hosts = NULL};
    if (!plan->n_limits || plan->ignore_gone || !inventory || !store)
        return 0;
    d->hosts = tg_inventory_hosts(inventory, &d->n_hosts);
    d->counts = calloc(plan->n_domains + 1, sizeof *d->counts);
    int rc = d->counts ? tg_gone_new(inventory, &d->gone, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc)
        rc = tg_gone_look(d->gone, store, tg_store_deadline(store, wait_ms), e);
    if (!rc)
        rc = tg_others_new(plan, inventory, d->gone, &d->others, e);
    for (size_t i = 0; !rc && tg_gone_count(d->gone) && i < d->n_hosts; i++)
        for (size_t l = 0; tg_gone_is(d->gone, i) && l < plan->n_limits; l++)
            if (tg_others_domain(d->others, i, l) != TG_NO_DOMAIN)
                d->counts[tg_others_domain(d->others, i, l)]++;
    if (rc)
        release(d);
    return rc;
}

static bool is_full(const struct tg_plan *plan, const struct down *d, size_t domain)
{
    return d->counts[domain] >= plan->domains[domain].max;
}

static int fold_gone(const struct down *d, struct tg_buf *out, struct tg_error *e)
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

static void put_full(const struct tg_plan *plan, const struct down *d, int width, struct tg_buf *out)
{
    size_t n = 0;
    char name[160];

    for (size_t i = 0; i < plan->n_domains; i++) {
        struct tg_buf what = TG_BUF_INIT;
        if (!is_full(plan, d, i) || n++ >= FULL_MAX)
            continue;
        tg_plan_domain_name(plan, i, name, sizeof name);
        tg_buf_printf(&what, "%s is full by that (%u of %u down): whoever is up waits there", name, d->counts[i], plan->domains[i].max);
        put_line("", &what, width, out);
        tg_buf_release(&what);
    }
    if (n > FULL_MAX)
        tg_buf_printf(out, "         %zu more are full\n", n - FULL_MAX);
    if (n)
        tg_buf_puts(out, "         One without an agent from now on: tagout agent --forget NAME\n");
}

int tg_plan_down_text(const struct tg_plan *plan, const struct tg_inventory *inventory, struct tg_store *store, int64_t wait_ms, int width, struct tg_buf *out,
                      struct tg_error *e)
{
    struct tg_buf what = TG_BUF_INIT;
    struct down d;
    int rc = look(plan, inventory, store, wait_ms, &d, e);
    size_t n = rc || !d.gone ? 0 : tg_gone_count(d.gone);

    if (n) {
        tg_buf_printf(&what, n == 1 ? "%zu host, whose agent is gone: " : "%zu hosts, whose agents are gone: ", n);
        rc = fold_gone(&d, &what, e);
        tg_buf_putc(out, '\n');
        put_line("down", &what, width, out);
        put_full(plan, &d, width, out);
    }
    tg_buf_release(&what);
    release(&d);
    return rc;
}

json_t *tg_plan_down_json(const struct tg_plan *plan, const struct tg_inventory *inventory, struct tg_store *store, int64_t wait_ms)
{
    json_t *hosts = json_array(), *full = json_array();
    struct down d;
    char name[160];
    bool known = look(plan, inventory, store, wait_ms, &d, NULL) == 0 && d.gone && tg_gone_knows_any(d.gone);

    for (size_t i = 0; known && i < d.n_hosts; i++)
        if (tg_gone_is(d.gone, i))
            json_array_append_new(hosts, json_string(d.hosts[i].name));
    for (size_t i = 0; known && i < plan->n_domains; i++)
        if (d.counts[i] && is_full(plan, &d, i)) {
            tg_plan_domain_name(plan, i, name, sizeof name);
            json_array_append_new(full, json_pack("{s:s,s:I,s:I}", "domain", name, "down", (json_int_t) d.counts[i], "at_most", (json_int_t) plan->domains[i].max));
        }
    release(&d);
    return json_pack("{s:b,s:o,s:o}", "known", known, "hosts", hosts, "full", full);
}
