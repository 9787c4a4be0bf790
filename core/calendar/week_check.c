/* The cross-check of a maintenance week: each host exactly one slot, each quota filled, no spread over what nobody has. */
#include "calendar/week_internal.h"

#include "base/nearest.h"

#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 240      /* bytes of folded names in a message: whoever wants all of them asks with -o json */
#define HALF_PERCENT 50000 /* of share.h: unless the pattern says otherwise, more at one moment is worth a warning */


/* At most so many bytes, at a comma. */
static void cut(struct tg_buf *text)
{
    if (text->len <= NAMES_MAX)
        return;
    size_t at = NAMES_MAX;
    while (at > NAMES_MAX / 2 && text->data[at] != ',')
        at--;
    text->data[at] = '\0';
    text->len = at;
    tg_buf_puts(text, ",…");
}

static void fold(struct tg_week_planner *w, const struct tg_week_clash *of, size_t n, struct tg_buf *out)
{
    struct tg_folder *folder = NULL;
    int rc = tg_folder_new(&folder, w->e);

    for (size_t i = 0; !rc && i < n; i++)
        rc = tg_folder_add(folder, w->hosts[of[i].host].name, w->e);
    if (!rc)
        rc = tg_folder_print(folder, out, w->e);
    tg_folder_free(folder);
    cut(out);
    w->rc = w->rc ? w->rc : rc;
}

/* "Mon 30 Nov 09:00" */
static const char *when(const struct tg_week_planner *w, uint32_t slot, char out[32])
{
    return tg_week_when(&w->week->slots[slot], out, 32);
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

/* ---- two slots ---- */

static int by_slot(const void *a, const void *b)
{
    const struct tg_week_clash *x = a, *y = b;

    return x->slot != y->slot ? (x->slot > y->slot) - (x->slot < y->slot) : (x->host > y->host) - (x->host < y->host);
}

void tg_week_say_clashes(struct tg_week_planner *w, uint32_t slot, const struct tg_take *take, struct tg_week_clash *clashes, size_t n)
{
    const struct tg_week_slot *slots = w->week->slots;

    qsort(clashes, n, sizeof *clashes, by_slot);
    for (size_t i = 0, end; i < n; i = end) {
        struct tg_buf names = TG_BUF_INIT;
        char one[32], other[32];
        uint32_t with = clashes[i].slot;
        for (end = i + 1; end < n && clashes[end].slot == with;)
            end++;
        fold(w, &clashes[i], end - i, &names);
        tg_error_hint(tg_yaml_problem(w->problems, take->hosts_at, "%zu host%s would have two slots, \"%s\" (%s) and \"%s\" (%s): %s", end - i, plural(end - i),
                                      slots[with].name, when(w, with, one), slots[slot].name, when(w, slot, other), tg_buf_text(&names)),
                      "leave them out of one (\"… and not …\"), or let one take what the other leaves: take: the rest");
        tg_buf_release(&names);
    }
}

/* ---- quotas that can't be filled ---- */

struct share_of {
    uint32_t slot, n;
};

static int by_count(const void *a, const void *b)
{
    const struct share_of *x = a, *y = b;

    return x->n != y->n ? (x->n < y->n ? 1 : -1) : (x->slot > y->slot) - (x->slot < y->slot);
}

/* "tuesday" has 32, "wednesday" has 43: which other slots have the class's hosts. */
static void holders(struct tg_week_planner *w, uint32_t slot, const struct tg_week_class *c, struct tg_buf *out)
{
    struct share_of *shares = calloc(w->week->n_slots + 1, sizeof *shares);
    size_t n = 0;

    if (!shares)
        return;
    for (size_t s = 0; s < w->week->n_slots; s++)
        shares[s].slot = (uint32_t) s;
    for (size_t i = 0; i < c->n; i++)
        if (w->slot_of[c->list[i]] != TG_WEEK_NONE && w->slot_of[c->list[i]] != slot)
            n += !shares[w->slot_of[c->list[i]]].n++;
    qsort(shares, w->week->n_slots, sizeof *shares, by_count);
    for (size_t i = 0; i < n && i < 5; i++)
        tg_buf_printf(out, "%s\"%s\" has %u", i ? ", " : "", w->week->slots[shares[i].slot].name, shares[i].n);
    if (n > 5)
        tg_buf_printf(out, " and %zu more slots", n - 5);
    free(shares);
}

void tg_week_say_short(struct tg_week_planner *w, uint32_t slot, const struct tg_take *take, const struct tg_week_class *c, int64_t wanted, int64_t got)
{
    struct tg_buf who = TG_BUF_INIT;
    char share[32];

    tg_share_format(&take->share, share, sizeof share);
    holders(w, slot, c, &who);
    struct tg_error *said =
        take->share.kind == TG_SHARE_PERCENT
            ? tg_yaml_problem(w->problems, take->take_at, "slot \"%s\" wants %s of \"%.80s\", %lld of %zu, and %lld were left%s%s", w->week->slots[slot].name, share,
                              take->hosts, (long long) wanted, c->n, (long long) got, who.len ? ": " : "", tg_buf_text(&who))
            : tg_yaml_problem(w->problems, take->take_at, "slot \"%s\" wants %lld of \"%.80s\", which has %zu, and %lld were left%s%s", w->week->slots[slot].name,
                              (long long) wanted, take->hosts, c->n, (long long) got, who.len ? ": " : "", tg_buf_text(&who));
    tg_error_hint(said, "\"up to %s\" takes what there is", share);
    tg_buf_release(&who);
}

/* ---- spread ---- */

static const char *next_key(const void *data, size_t i)
{
    size_t n;
    const char *const *keys = tg_inventory_attr_keys(data, &n);

    return i < n ? keys[i] : NULL;
}

void tg_week_check_spread(struct tg_week_planner *w)
{
    for (size_t s = 0; s < w->pattern->n_spread; s++) {
        const char *key = w->pattern->spread[s], *near;
        bool known = false;
        for (size_t i = 0; !known && i < w->n_hosts; i++)
            known = tg_week_value(w->inventory, &w->hosts[i], key) != NULL;
        if (known)
            continue;
        struct tg_error *said = tg_yaml_problem(w->problems, tg_yaml_item(w->pattern->spread_at, s), "spread: no host has an attribute \"%s\"", key);
        if ((near = tg_nearest(key, next_key, w->inventory)) != NULL)
            tg_error_hint(said, "did you mean \"%s\"?", near);
        else
            tg_error_hint(said, "leave it out, or give the hosts \"%s\" in the inventory", key);
    }
}

/* ---- no slot, too many at once ---- */

static void say_missing(struct tg_week_planner *w)
{
    struct tg_week_clash *missing = NULL;
    struct tg_buf names = TG_BUF_INIT;
    size_t n = w->n_inside;

    for (size_t s = 0; s < w->week->n_slots; s++)
        n -= w->counts[s];
    if (!n)
        return;
    if (!(missing = calloc(n, sizeof *missing))) {
        w->rc = tg_fail(w->e, TG_E_MEMORY, "out of memory");
        return;
    }
    size_t at = 0;
    for (size_t i = 0; i < w->n_hosts && at < n; i++)
        if (w->inside[i] && w->slot_of[i] == TG_WEEK_NONE)
            missing[at++].host = (uint32_t) i;
    fold(w, missing, at, &names);
    tg_error_hint(tg_yaml_problem(w->problems, w->pattern->slots_at, "%zu host%s of the location ha%s no slot: %s", n, plural(n), n == 1 ? "s" : "ve",
                                  tg_buf_text(&names)),
                  "add them to a slot, such as {hosts: \"*\", take: the rest}, or leave them out of the location");
    tg_buf_release(&names);
    free(missing);
}

static int by_end(const void *a, const void *b)
{
    const struct tg_week_slot *const *x = a, *const *y = b;

    return ((*x)->until_ms > (*y)->until_ms) - ((*x)->until_ms < (*y)->until_ms);
}

struct crowd {
    size_t most;    /* hosts that have their slot at the worst moment */
    size_t slots;   /* how many slots that are */
    uint32_t at;    /* the slot that begins then */
};

/* Slots are by their beginning: at each, whatever has ended is left. counts is by slot. */
static int find_crowd(const struct tg_week *week, const uint32_t *counts, struct crowd *out, struct tg_error *e)
{
    const struct tg_week_slot **ends = calloc(week->n_slots + 1, sizeof *ends);
    size_t now = 0, running = 0, over = 0;

    if (!ends)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t s = 0; s < week->n_slots; s++)
        ends[s] = &week->slots[s];
    qsort(ends, week->n_slots, sizeof *ends, by_end);
    *out = (struct crowd) {.most = 0};
    for (size_t s = 0; s < week->n_slots; s++) {
        for (; ends[over]->until_ms <= week->slots[s].from_ms; over++) {
            now -= counts[ends[over] - week->slots];
            running--;
        }
        now += counts[s];
        running++;
        if (now > out->most)
            *out = (struct crowd) {.most = now, .slots = running, .at = (uint32_t) s};
    }
    free(ends);
    return 0;
}

/* " Europe/Berlin" where slots have more zones than one, else "". */
static const char *in_zone(const struct tg_week *week, uint32_t slot, char *out, size_t size)
{
    bool several = false;

    for (size_t s = 1; s < week->n_slots; s++)
        several |= strcmp(week->slots[s].zone, week->slots[0].zone) != 0;
    snprintf(out, size, "%s%s", several ? " " : "", several ? week->slots[slot].zone : "");
    return out;
}

static void check_crowd(struct tg_week_planner *w)
{
    struct crowd crowd;
    char at[32], zone[TG_ZONE_NAME_SIZE + 1], share[32];

    if (w->pattern->at_once.kind == TG_SHARE_UNSET || (w->rc = find_crowd(w->week, w->counts, &crowd, w->e)) != 0)
        return;
    int64_t most = tg_share_within(&w->pattern->at_once, (int64_t) w->n_inside);
    if ((int64_t) crowd.most <= most)
        return;
    tg_share_format(&w->pattern->at_once, share, sizeof share);
    tg_error_hint(tg_yaml_problem(w->problems, w->pattern->at_once_at, "%zu hosts have their slot at once from %s%s on (%zu slot%s), and at-once is %s, %lld of %zu",
                                  crowd.most, when(w, crowd.at, at), in_zone(w->week, crowd.at, zone, sizeof zone), crowd.slots, plural(crowd.slots), share, (long long) most, w->n_inside),
                  "move hosts or slots to another time, or allow more");
}

void tg_week_check_all(struct tg_week_planner *w)
{
    if (tg_problems_count(w->problems) == 0) /* else the one follows from the other */
        say_missing(w);
    if (tg_problems_count(w->problems) == 0)
        check_crowd(w);
}

/* ---- what is no mistake ---- */

static int warn_odd(struct tg_week *week, const struct tg_week_slot *s, struct tg_error *e)
{
    struct tg_zone zone;
    char on[32];
    int rc = tg_zone_find(s->zone, &zone, e);

    if (rc)
        return rc;
    struct tg_week_slot meant = *s;
    int64_t from = s->from_ms / 1000, local = from + tg_zone_offset_s(&zone, from), min = local % TG_DAY_S / 60;
    meant.odd = TG_WEEK_PLAIN;
    tg_week_when(&meant, on, sizeof on);
    if (s->odd == TG_WEEK_TWICE)
        return tg_week_warn(week, e, "slot \"%s\": clocks in %s show %s twice that day; it begins the first time", s->name, s->zone, on);
    return tg_week_warn(week, e, "slot \"%s\": clocks in %s never show %s that day; it begins when they jump, to %02d:%02d", s->name, s->zone, on, (int) (min / 60),
                        (int) (min % 60));
}

static int warn_crowd(const struct tg_pattern *p, struct tg_week *week, struct tg_error *e)
{
    const struct tg_share half = {.kind = TG_SHARE_PERCENT, .value = HALF_PERCENT};
    uint32_t *counts = calloc(week->n_slots + 1, sizeof *counts);
    struct crowd crowd;
    char at[32], zone[TG_ZONE_NAME_SIZE + 1];
    int rc = counts ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    for (size_t s = 0; !rc && s < week->n_slots; s++)
        counts[s] = week->slots[s].n;
    if (!rc)
        rc = find_crowd(week, counts, &crowd, e);
    if (!rc && p->at_once.kind == TG_SHARE_UNSET && crowd.slots > 1 && (int64_t) crowd.most > tg_share_within(&half, (int64_t) week->names.n))
        rc = tg_week_warn(week, e, "from %s%s on %zu slots overlap, with %zu of %zu hosts at once; at-once: in the pattern bounds that",
                          tg_week_when(&week->slots[crowd.at], at, sizeof at), in_zone(week, crowd.at, zone, sizeof zone), crowd.slots, crowd.most, week->names.n);
    free(counts);
    return rc;
}

int tg_week_look(const struct tg_pattern *pattern, struct tg_week *week, struct tg_error *e)
{
    int rc = 0;

    for (size_t s = 0; !rc && s < week->n_slots; s++) {
        if (week->slots[s].n == 0)
            rc = tg_week_warn(week, e, "slot \"%s\" is empty: there is nobody for %.200s", week->slots[s].name, week->slots[s].who);
        if (!rc && week->slots[s].odd != TG_WEEK_PLAIN)
            rc = warn_odd(week, &week->slots[s], e);
    }
    return rc ? rc : warn_crowd(pattern, week, e);
}
