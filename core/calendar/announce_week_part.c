/* A booked week with how it goes, by customers: see announce_week_part.h. */
#include "calendar/announce_week_part.h"

#include "calendar/announce_internal.h"

#include <stdlib.h>
#include <string.h>

/* Customers of now come first, then those of the book whom the inventory does not have. */
static int list_customers(struct tg_week_part *w, size_t *out_known, struct tg_error *e)
{
    const struct tg_inventory *inventory = w->inventory;
    size_t n = 0;
    const struct tg_customer *known = inventory ? tg_inventory_customers(inventory, &n) : NULL;

    if (!(w->customers = calloc(n + w->week->n_customers + 1, sizeof *w->customers)))
        return tg_thread_no_memory(e);
    for (size_t i = 0; i < n; i++)
        w->customers[w->n_customers++] = known[i].name;
    for (size_t i = 0; i < w->week->n_customers; i++)
        w->customers[w->n_customers++] = w->week->customers[i];
    *out_known = n;
    return 0;
}

/*
 * Whose a host is: as the inventory has it now; as it was booked, when the inventory knows neither the host nor the customer. TG_WEEK_NONE: nobody's. A
 * list that has lost its customers is no reason to tell anybody that he has none of it any more.
 */
static uint32_t owner_of(const struct tg_week_part *w, size_t i, size_t known)
{
    const struct tg_inventory *inventory = w->inventory;
    const struct tg_host *host = inventory ? tg_inventory_host(inventory, tg_hostlist_get(&w->week->names, i)) : NULL;
    const struct tg_customer *now = host ? tg_host_customer(inventory, host) : NULL, *first = known ? tg_inventory_customers(inventory, &(size_t) {0}) : NULL;
    uint32_t booked = w->week->customer_of[i];

    if (now)
        return (uint32_t) (now - first);
    if (booked == TG_WEEK_NONE)
        return TG_WEEK_NONE;
    const struct tg_customer *same = inventory ? tg_inventory_customer(inventory, w->week->customers[booked]) : NULL;
    if (same)
        return host ? TG_WEEK_NONE : (uint32_t) (same - first);
    return (uint32_t) (known + booked);
}

static int sort_by_customer(struct tg_week_part *w, struct tg_error *e)
{
    const struct tg_week *k = w->week;
    size_t known = 0;
    int rc = list_customers(w, &known, e);
    uint32_t *owner = rc ? NULL : malloc((k->names.n + 1) * sizeof *owner);

    w->first = rc ? NULL : calloc(w->n_customers + 2, sizeof *w->first);
    w->hosts = malloc((k->names.n + 1) * sizeof *w->hosts);
    if (!owner || !w->first || !w->hosts) {
        free(owner);
        return rc ? rc : tg_thread_no_memory(e);
    }
    for (size_t i = 0; i < k->names.n; i++)
        if ((owner[i] = owner_of(w, i, known)) != TG_WEEK_NONE)
            w->first[owner[i] + 2]++;
    for (size_t c = 2; c < w->n_customers + 2; c++)
        w->first[c] += w->first[c - 1];
    for (size_t i = 0; i < k->names.n; i++)
        if (owner[i] != TG_WEEK_NONE)
            w->hosts[w->first[owner[i] + 1]++] = (uint32_t) i;
    free(owner);
    return 0;
}

static int count_slots(struct tg_week_part *w, struct tg_error *e)
{
    w->counts = calloc(w->week->n_slots + 1, sizeof *w->counts);
    if (!w->counts)
        return tg_thread_no_memory(e);
    for (size_t i = 0; i < w->week->n_slots; i++)
        w->counts[i] = tg_slot_count(w->week, &w->marks, i);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct tg_week_named *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int sort_names(struct tg_week_part *w, struct tg_error *e)
{
    w->by_name = calloc(w->n_customers + 1, sizeof *w->by_name);
    if (!w->by_name)
        return tg_thread_no_memory(e);
    for (size_t c = 0; c < w->n_customers; c++)
        if (tg_week_part_has(w, c))
            w->by_name[w->n_named++] = (struct tg_week_named) {w->customers[c], c};
    if (w->n_named)
        qsort(w->by_name, w->n_named, sizeof *w->by_name, by_name);
    return 0;
}

int tg_week_part_load(const struct tg_announce_place *p, const struct tg_booked *booked, struct tg_week_part *out, struct tg_error *e)
{
    struct tg_week_part part = {.booked = booked, .inventory = p->inventory};
    int rc = tg_book_load(p->store, booked, p->wait_ms, &part.week, e);

    if (!rc)
        rc = tg_marks_read(p->store, booked, part.week, NULL, p->wait_ms, &part.marks, e);
    if (!rc)
        rc = sort_by_customer(&part, e);
    if (!rc)
        rc = count_slots(&part, e);
    if (!rc)
        rc = sort_names(&part, e);
    if (rc)
        tg_week_part_release(&part);
    else
        *out = part;
    return rc;
}

void tg_week_part_release(struct tg_week_part *w)
{
    free(w->hosts);
    free(w->first);
    free(w->customers);
    free(w->counts);
    free(w->by_name);
    tg_marks_release(&w->marks);
    tg_week_free(w->week);
    *w = (struct tg_week_part) {.week = NULL};
}

bool tg_week_part_has(const struct tg_week_part *w, size_t c)
{
    return w->first[c + 1] > w->first[c];
}

size_t tg_week_part_find(const struct tg_week_part *w, const char *customer)
{
    size_t from = 0, until = w->n_named;

    while (from < until) {
        size_t middle = from + (until - from) / 2;
        int order = strcmp(w->by_name[middle].name, customer);
        if (order == 0)
            return w->by_name[middle].customer;
        from = order < 0 ? middle + 1 : from;
        until = order < 0 ? until : middle;
    }
    return w->n_customers;
}

/* Had work on it begun when the rest was called off? */
static bool had_begun(const struct tg_week_part *w, uint32_t host)
{
    enum tg_mark_state state = w->marks.v[host].state;

    return state == TG_MARK_BEGUN || state == TG_MARK_DONE || state == TG_MARK_FAILED;
}

size_t tg_week_part_hosts(const struct tg_week_part *w, size_t c, size_t slot, uint32_t *out, size_t *out_all)
{
    bool over = !w->booked->cancelled || w->week->slots[slot].until_ms <= w->booked->cancelled_ms;
    size_t n = 0, all = 0, begun = 0;

    for (uint32_t i = w->first[c]; i < w->first[c + 1]; i++) {
        uint32_t host = w->hosts[i];
        if (w->week->slot_of[host] != slot)
            continue;
        all++;
        begun += had_begun(w, host);
        if (over || had_begun(w, host))
            out[n++] = host;
    }
    *out_all = all;
    return w->booked->cancelled && !begun ? 0 : n;
}
