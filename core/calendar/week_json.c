/* A maintenance week for programs: see week_text.h. */
#include "calendar/week_text.h"

#include <tagout/clock.h>

#include <stdlib.h>
#include <string.h>

static json_t *time_json(int64_t ms)
{
    char text[40];

    tg_time_format(ms, text, sizeof text);
    return json_string(text);
}

static json_t *date_json(int64_t date)
{
    char text[16];

    return json_string(tg_date_format(date, text, sizeof text));
}

/* {"acme": "web[1-3]", …}: whose hosts have this slot. Hosts of nobody are left out. */
static json_t *customers_json(const struct tg_week *w, const struct tg_week_slot *slot)
{
    struct tg_folder **folders = calloc(w->n_customers + 1, sizeof *folders);
    json_t *o = folders ? json_object() : NULL;
    int rc = o ? 0 : TG_E_MEMORY;

    for (uint32_t i = 0; !rc && i < slot->n; i++) {
        uint32_t at = w->order[slot->first + i], c = w->customer_of ? w->customer_of[at] : TG_WEEK_NONE;
        if (c == TG_WEEK_NONE)
            continue;
        if (!folders[c])
            rc = tg_folder_new(&folders[c], NULL);
        if (!rc)
            rc = tg_folder_add(folders[c], tg_hostlist_get(&w->names, at), NULL);
    }
    for (size_t c = 0; folders && c < w->n_customers; c++) {
        struct tg_buf text = TG_BUF_INIT;
        if (!rc && folders[c] && (rc = tg_folder_print(folders[c], &text, NULL)) == 0)
            rc = json_object_set_new(o, w->customers[c], json_string(tg_buf_text(&text)));
        tg_buf_release(&text);
        tg_folder_free(folders[c]);
    }
    free(folders);
    if (!rc)
        return o;
    json_decref(o);
    return NULL;
}

static json_t *slot_json(const struct tg_week *w, size_t s)
{
    static const char *const odd[] = {[TG_WEEK_SKIPPED] = "skipped", [TG_WEEK_TWICE] = "twice"};
    const struct tg_week_slot *slot = &w->slots[s];
    struct tg_buf names = TG_BUF_INIT;
    int rc = tg_week_fold(w, s, &names, NULL);
    json_t *o = rc ? NULL
                   : json_pack("{s:s,s:o,s:o,s:o,s:s,s:s,s:I,s:s,s:o}", "slot", slot->name, "from", time_json(slot->from_ms), "until", time_json(slot->until_ms),
                               "date", date_json(slot->date), "zone", slot->zone, "who", slot->who, "count", (json_int_t) slot->n, "hosts", tg_buf_text(&names),
                               "customers", customers_json(w, slot));

    if (o && slot->odd != TG_WEEK_PLAIN && json_object_set_new(o, "clocks", json_string(odd[slot->odd]))) {
        json_decref(o);
        o = NULL;
    }
    tg_buf_release(&names);
    return o;
}

static json_t *days_json(const struct tg_week *w)
{
    struct tg_week_days days;
    json_t *list = json_array();
    int rc = list ? 0 : -1;

    tg_week_days(w, &days);
    for (size_t d = 0; !rc && d < days.n; d++)
        rc = json_array_append_new(list, json_pack("{s:o,s:I,s:I}", "date", date_json(days.first + (int64_t) d), "slots", (json_int_t) days.slots[d], "hosts",
                                                   (json_int_t) days.hosts[d]));
    return list;
}

json_t *tg_week_json(const struct tg_week *w)
{
    json_t *slots = json_array(), *warnings = json_array();
    int rc = slots && warnings ? 0 : -1;

    for (size_t s = 0; !rc && s < w->n_slots; s++)
        rc = json_array_append_new(slots, slot_json(w, s));
    for (size_t i = 0; !rc && i < w->n_warnings; i++)
        rc = json_array_append_new(warnings, json_string(w->warnings[i]));
    if (rc) {
        json_decref(slots);
        json_decref(warnings);
        return NULL;
    }
    return json_pack("{s:s,s:s,s:o,s:s,s:s,s:o,s:o,s:I,s:o,s:o,s:o}", "id", w->id, "week", w->name, "start", date_json(w->date), "location", w->location, "digest",
                     w->digest, "from", time_json(w->from_ms), "until", time_json(w->until_ms), "count", (json_int_t) w->names.n, "days", days_json(w), "slots", slots,
                     "warnings", warnings);
}
