/* A maintenance week as such: see week.h. week_plan.c lays it. */
#include "calendar/week.h"

#include "calendar/zone.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *tg_week_when(const struct tg_week_slot *s, char *out, size_t size)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int year, month, day, min = s->from_min;
    struct tg_zone zone;

    if (s->odd == TG_WEEK_SKIPPED && !tg_zone_find(s->zone, &zone, NULL))
        min = (int) ((s->from_ms / 1000 + tg_zone_offset_s(&zone, s->from_ms / 1000)) % TG_DAY_S / 60);
    tg_date_parts(s->date, &year, &month, &day);
    snprintf(out, size, "%s %d %s %02d:%02d", days[tg_weekday(s->date)], day, months[month - 1], min / 60, min % 60);
    return out;
}

/* ---- the whole ---- */

void tg_week_free(struct tg_week *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n_slots; i++)
        free(w->slots[i].who);
    for (size_t i = 0; i < w->n_customers; i++)
        free(w->customers[i]);
    for (size_t i = 0; i < w->n_rows; i++) {
        free(w->rows[i].name);
        free(w->rows[i].counts);
    }
    for (size_t i = 0; i < w->n_warnings; i++)
        free(w->warnings[i]);
    tg_hostlist_release(&w->names);
    free(w->slots);
    free(w->slot_of);
    free(w->order);
    free(w->customers);
    free(w->customer_of);
    free(w->rows);
    free(w->warnings);
    free(w->name);
    free(w->location);
    free(w);
}

int tg_week_warn(struct tg_week *w, struct tg_error *e, const char *format, ...)
{
    struct tg_buf text = TG_BUF_INIT;
    va_list args;

    va_start(args, format);
    tg_buf_vprintf(&text, format, args);
    va_end(args);
    char **list = realloc(w->warnings, (w->n_warnings + 1) * sizeof *list), *copy = tg_buf_take(&text, NULL);
    if (list)
        w->warnings = list;
    if (!list || !copy) {
        free(copy);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    list[w->n_warnings++] = copy;
    return 0;
}

/* Slot by slot, and in each by name, as the names are. */
static int sort_by_slot(struct tg_week *w, struct tg_error *e)
{
    uint32_t at = 0;

    free(w->order);
    if (!(w->order = malloc((w->names.n + 1) * sizeof *w->order)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t s = 0; s < w->n_slots; s++)
        w->slots[s].n = 0;
    for (size_t i = 0; i < w->names.n; i++)
        w->slots[w->slot_of[i]].n++;
    for (size_t s = 0; s < w->n_slots; s++) {
        w->slots[s].first = at;
        at += w->slots[s].n;
        w->slots[s].n = 0;
    }
    for (size_t i = 0; i < w->names.n; i++) {
        struct tg_week_slot *s = &w->slots[w->slot_of[i]];
        w->order[s->first + s->n++] = (uint32_t) i;
    }
    return 0;
}

static void digest_of(const struct tg_week *w, char out[TG_SHA256_HEX])
{
    struct tg_sha256 h;
    char line[256];

    tg_sha256_init(&h);
    for (size_t s = 0; s < w->n_slots; s++) {
        const struct tg_week_slot *slot = &w->slots[s];
        int n = snprintf(line, sizeof line, "%s %lld %lld %u\n", slot->name, (long long) slot->from_ms, (long long) slot->until_ms, slot->n);
        tg_sha256_add(&h, line, (size_t) n);
        for (uint32_t i = 0; i < slot->n; i++) {
            const char *name = tg_hostlist_get(&w->names, w->order[slot->first + i]);
            tg_sha256_add(&h, name, strlen(name) + 1);
        }
    }
    tg_sha256_end_hex(&h, out);
}

int tg_week_finish(struct tg_week *w, struct tg_error *e)
{
    char date[16];
    int rc = sort_by_slot(w, e);

    if (rc)
        return rc;
    w->from_ms = w->n_slots ? w->slots[0].from_ms : 0;
    w->until_ms = 0;
    for (size_t s = 0; s < w->n_slots; s++)
        w->until_ms = w->slots[s].until_ms > w->until_ms ? w->slots[s].until_ms : w->until_ms;
    snprintf(w->id, sizeof w->id, "%s-%s", w->name, tg_date_format(w->date, date, sizeof date));
    digest_of(w, w->digest);
    return 0;
}

int tg_week_fold(const struct tg_week *w, size_t slot, struct tg_buf *out, struct tg_error *e)
{
    struct tg_folder *folder;
    int rc = tg_folder_new(&folder, e);

    for (uint32_t i = 0; !rc && i < w->slots[slot].n; i++)
        rc = tg_folder_add(folder, tg_hostlist_get(&w->names, w->order[w->slots[slot].first + i]), e);
    if (!rc)
        rc = tg_folder_print(folder, out, e);
    tg_folder_free(folder);
    return rc;
}
