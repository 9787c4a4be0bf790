/* When a host's requests may be carried out: see request_site.h. */
#include "calendar/request_site.h"

#include "calendar/book.h"
#include "calendar/request_basis.h"
#include "calendar/request_usual.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fits(void *self, int64_t t_ms, int64_t need_ms, struct tg_fit *out, struct tg_error *e)
{
    struct tg_request_site *s = self;

    return tg_agenda_fits(s->agenda, tg_agenda_class(s->agenda, s->host->index), t_ms, need_ms, out, e);
}

static int64_t usual(void *self, const char *activity, char of[TG_REQ_USUAL_SIZE])
{
    const struct tg_request_site *s = self;
    const char *groups[TG_USUAL_GROUPS];
    size_t n = tg_usual_groups(s->inventory, s->host, groups);

    return tg_usual_read(s->store, activity, groups, n, s->wait_ms, of);
}

/* A week of which nothing is known but this host's slot: to its agenda it is as good as the whole. */
static int add_week(struct tg_request_site *s, const struct tg_booked *booked, const struct tg_booking *booking, struct tg_error *e)
{
    struct tg_week *w = calloc(1, sizeof *w);
    int rc = w ? 0 : TG_E_MEMORY;

    if (!rc && (!(w->slots = calloc(1, sizeof *w->slots)) || !(w->slot_of = calloc(1, sizeof *w->slot_of)) || !(w->order = calloc(1, sizeof *w->order))))
        rc = TG_E_MEMORY;
    if (!rc) {
        w->n_slots = 1;
        w->from_ms = booked->from_ms;
        w->until_ms = booked->until_ms;
        snprintf(w->id, sizeof w->id, "%s", booked->id);
        w->slots[0] = (struct tg_week_slot) {.from_ms = booking->from_ms, .until_ms = booking->until_ms, .n = 1};
        snprintf(w->slots[0].name, sizeof w->slots[0].name, "%s", booking->slot);
        rc = tg_hostlist_add(&w->names, s->host->name, strlen(s->host->name), NULL);
    }
    if (rc) {
        tg_week_free(w);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    s->weeks[s->n_weeks++] = w;
    return 0;
}

static const struct tg_booked *in_force(const struct tg_book *book, const char *id)
{
    const struct tg_booked *b = tg_book_find(book, id);

    return b && !b->cancelled ? b : NULL;
}

/* What can't be read is UNKNOWN, and never a week without slots (P2). */
static int load_weeks(struct tg_request_site *s, struct tg_store *store, int64_t wall_ms, int64_t wait_ms, int64_t *out_txid, struct tg_error *e)
{
    struct tg_booking *bookings = NULL;
    struct tg_book book;
    int64_t since_ms = wall_ms;
    size_t n = 0, live = 0;
    int rc = tg_book_read(store, wait_ms, &book, e);

    if (rc)
        return rc;
    *out_txid = book.txid;
    for (size_t i = 0; i < book.n; i++)
        if (!book.weeks[i].cancelled && book.weeks[i].until_ms > wall_ms) { /* its slot may be over, and the rest of the week is closed to it all the same */
            live++;
            since_ms = book.weeks[i].from_ms - 1 < since_ms ? book.weeks[i].from_ms - 1 : since_ms;
        }
    if (live)
        rc = tg_book_of_host(store, s->host->name, since_ms, wait_ms, &bookings, &n, e);
    if (!rc && !(s->weeks = calloc(n + 1, sizeof *s->weeks)))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < n; i++) {
        const struct tg_booked *booked = in_force(&book, bookings[i].week);
        if (booked && bookings[i].from_ms - TG_MARK_EARLY_MS <= wall_ms && wall_ms < bookings[i].until_ms)
            memcpy(s->week, booked->key, sizeof s->week);
        rc = booked ? add_week(s, booked, &bookings[i], e) : tg_fail(e, TG_E_HELD, "the booked weeks change right now");
    }
    free(bookings);
    tg_book_release(&book);
    return rc;
}

int tg_request_site_open(struct tg_request_site *out, struct tg_store *store, const struct tg_inventory *inventory, const char *calendar, const char *host, int64_t wall_ms,
                         int64_t wait_ms, struct tg_problems *problems, struct tg_error *e)
{
    struct tg_basis_file file;
    char digest[TG_SHA256_HEX];
    int64_t txid = 0;

    *out = (struct tg_request_site) {.inventory = inventory, .store = store, .wait_ms = wait_ms};
    if (!inventory) {
        tg_fail(e, TG_E_CONFIG, "when %s may be maintained is not known: no inventory is configured", host);
        return tg_error_hint(e, "give --inventory FILE, or set inventory: in /etc/tagout/tagout.yaml"), TG_E_CONFIG;
    }
    if (!(out->host = tg_inventory_host(inventory, host))) {
        tg_fail(e, TG_E_USAGE, "%s is not in %s", host, tg_inventory_path(inventory));
        return TG_E_USAGE;
    }
    tg_basis_look(&file, calendar);
    int rc = calendar ? tg_calendar_load(calendar, problems, &out->calendar, e) : 0;
    if (!rc)
        rc = load_weeks(out, store, wall_ms, wait_ms, &txid, e);
    if (!rc && tg_basis_calendar(&file, out->calendar, digest))
        rc = tg_basis_of(digest, inventory, out->host, txid, out->basis, e);
    if (!rc)
        rc = tg_agenda_new_booked(out->calendar, inventory, (const struct tg_week *const *) out->weeks, out->n_weeks, problems, &out->agenda, e);
    if (rc)
        return rc;
    const struct tg_customer *customer = tg_host_customer(inventory, out->host);
    out->when = (struct tg_request_when) {.fits = fits, .usual = usual, .self = out, .lead_ms = tg_agenda_lead_ms(out->agenda, out->host), .customer = customer ? customer->name : "",
                                            .basis = out->basis, .week = out->week};
    return 0;
}

void tg_request_site_close(struct tg_request_site *s)
{
    tg_agenda_free(s->agenda);
    for (size_t i = 0; i < s->n_weeks; i++)
        tg_week_free(s->weeks[i]);
    free(s->weeks);
    tg_calendar_free(s->calendar);
    *s = (struct tg_request_site) {.host = NULL};
}
