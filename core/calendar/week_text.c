/* A maintenance week as text and as JSON: see week_text.h. */
#include "calendar/week_text.h"

#include "base/columns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE (1 << 30) /* columns: no text has as many */
#define NAME_MAX 24       /* columns of a slot's name */
#define NARROW 60         /* below, dates and hosts are left out */
#define ROWS_MAX 40       /* of the table, on a terminal */
#define LANES_MAX 24      /* slots with a line of their own in the chart */
#define CHART_MIN 40
#define CHART_MAX 120
#define COLOUR "\033[36m"
#define DIM "\033[2m"
#define MARK "\033[33m"
#define PLAIN "\033[0m"

static const char *const eighths[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* ---- times ---- */

const char *tg_day_format(int64_t date, char *out, size_t size)
{
    const struct tg_week_slot s = {.date = date};
    char text[32];

    tg_week_when(&s, text, sizeof text);
    *strrchr(text, ' ') = '\0';
    snprintf(out, size, "%s", text);
    return out;
}

const char *tg_days_format(int64_t first, size_t n, char *out, size_t size)
{
    char begin[16], end[16], year[16], end_year[16];
    int64_t last = first + (int64_t) n - 1;

    tg_day_format(first, begin, sizeof begin);
    tg_day_format(last, end, sizeof end);
    tg_date_format(first, year, sizeof year);
    tg_date_format(last, end_year, sizeof end_year);
    bool same = strncmp(year, end_year, 4) == 0;
    if (n < 2)
        snprintf(out, size, "%s %.4s", begin, year);
    else
        snprintf(out, size, "%s%s%.4s to %s %.4s", begin, same ? "" : " ", same ? "" : year, end, end_year);
    return out;
}

const char *tg_week_hours(const struct tg_week_slot *s, char *out, size_t size)
{
    struct tg_zone zone;
    char day[16] = "";

    if (tg_zone_find(s->zone, &zone, NULL)) {
        snprintf(out, size, "%02d:%02d", s->from_min / 60, s->from_min % 60);
        return out;
    }
    int64_t from = s->from_ms / 1000, until = s->until_ms / 1000, f = from + tg_zone_offset_s(&zone, from), u = until + tg_zone_offset_s(&zone, until);
    int64_t days = floor_div(u, TG_DAY_S) - floor_div(f, TG_DAY_S), of_f = f - floor_div(f, TG_DAY_S) * TG_DAY_S, of_u = u - floor_div(u, TG_DAY_S) * TG_DAY_S;
    bool midnight = days == 1 && of_u == 0;
    if (days && !midnight)
        tg_day_format(floor_div(u, TG_DAY_S), day, sizeof day);
    if (days < 7)
        day[3] = '\0';
    snprintf(out, size, "%02d:%02d-%02d:%02d%s%s", (int) (of_f / 3600), (int) (of_f / 60 % 60), midnight ? 24 : (int) (of_u / 3600), (int) (of_u / 60 % 60),
             day[0] ? " " : "", day);
    return out;
}

void tg_week_days(const struct tg_week *week, struct tg_week_days *out)
{
    const size_t max = sizeof out->hosts / sizeof out->hosts[0];
    int64_t first = INT64_MAX, last = INT64_MIN;

    *out = (struct tg_week_days) {.one_zone = true};
    for (size_t s = 0; s < week->n_slots; s++) {
        first = week->slots[s].date < first ? week->slots[s].date : first;
        last = week->slots[s].date > last ? week->slots[s].date : last;
        out->one_zone = out->one_zone && strcmp(week->slots[s].zone, week->slots[0].zone) == 0;
    }
    snprintf(out->zone, sizeof out->zone, "%s", out->one_zone && week->n_slots ? week->slots[0].zone : "UTC");
    out->first = week->n_slots ? first : week->date;
    out->n = week->n_slots && (size_t) (last - first) < max ? (size_t) (last - first) + 1 : 1;
    for (size_t s = 0; s < week->n_slots; s++) {
        size_t d = (size_t) (week->slots[s].date - out->first);
        if (d >= max)
            continue;
        out->hosts[d] += week->slots[s].n;
        out->slots[d]++;
        out->most = out->hosts[d] > out->most ? out->hosts[d] : out->most;
    }
}

const char *tg_week_short(const char *name, size_t max, char *out, size_t size)
{
    size_t n = strlen(name), tail = (max - 1) / 2;

    if (n <= max)
        snprintf(out, size, "%s", name);
    else
        snprintf(out, size, "%.*s…%s", (int) (max - 1 - tail), name, name + n - tail);
    return out;
}

/* ---- cells ---- */

static size_t columns_of(const char *text)
{
    return (size_t) tg_columns(text);
}

/* At most max columns of text; what is cut ends in "…". Filled up with blanks when fill. */
static void put_cell(struct tg_buf *out, const char *text, size_t max, bool fill)
{
    int room = max < WHOLE ? (int) max : WHOLE; /* SIZE_MAX: whole */

    if (room)
        tg_put_cut(out, text, room);
    if (fill)
        tg_put_blanks(out, room - tg_columns(text));
}

/* No line ends in blanks. */
static void end_line(struct tg_buf *out)
{
    while (out->len && out->data[out->len - 1] == ' ')
        out->data[--out->len] = '\0';
    tg_buf_putc(out, '\n');
}

static void put_painted(struct tg_buf *out, const struct tg_week_paint *p, const char *code, const char *text)
{
    tg_buf_printf(out, "%s%s%s", p->colour ? code : "", text, p->colour ? PLAIN : "");
}

static size_t name_width(const struct tg_week *w, size_t max)
{
    size_t n = 4;

    for (size_t s = 0; s < w->n_slots; s++)
        n = strlen(w->slots[s].name) > n ? strlen(w->slots[s].name) : n;
    return n < max ? n : max;
}

/* ---- the table ---- */

struct table {
    const struct tg_week_paint *p;
    const struct tg_week_days *days;
    size_t name, when, zone;
};

static const char *when_of(const struct table *t, const struct tg_week_slot *s, char out[64])
{
    char day[16], hours[40];

    tg_day_format(s->date, day, sizeof day);
    if (t->p->width < NARROW)
        day[3] = '\0';
    snprintf(out, 64, "%s %s", day, tg_week_hours(s, hours, sizeof hours));
    return out;
}

static void measure(const struct tg_week *w, struct table *t)
{
    char when[64];

    t->name = name_width(w, t->p->width < NARROW ? 12 : NAME_MAX);
    for (size_t s = 0; s < w->n_slots; s++) {
        size_t n = columns_of(when_of(t, &w->slots[s], when)), z = t->days->one_zone ? 0 : strlen(w->slots[s].zone);
        t->when = n > t->when ? n : t->when;
        t->zone = z > t->zone ? z : t->zone;
    }
}

static int put_row(const struct tg_week *w, const struct table *t, size_t s, struct tg_buf *out, struct tg_error *e)
{
    const struct tg_week_slot *slot = &w->slots[s];
    struct tg_buf names = TG_BUF_INIT;
    char when[64], name[64];
    size_t before = t->name + 2 + t->when + 2 + (t->zone ? t->zone + 2 : 0) + 9;
    int rc = tg_week_fold(w, s, &names, e);

    put_cell(out, tg_week_short(slot->name, t->name, name, sizeof name), t->name, true);
    tg_buf_puts(out, "  ");
    put_cell(out, when_of(t, slot, when), t->when, true);
    tg_buf_puts(out, "  ");
    if (t->zone) {
        put_cell(out, slot->zone, t->zone, true);
        tg_buf_puts(out, "  ");
    }
    tg_buf_printf(out, "%7u  ", slot->n);
    if (t->p->width >= NARROW || !t->p->cut)
        put_cell(out, tg_buf_text(&names), t->p->cut ? ((size_t) t->p->width > before + 9 ? (size_t) t->p->width - before - 1 : 8) : SIZE_MAX, false);
    end_line(out);
    tg_buf_release(&names);
    return rc;
}

static int put_table(const struct tg_week *w, const struct tg_week_paint *p, const struct tg_week_days *days, struct tg_buf *out, struct tg_error *e)
{
    struct table t = {.p = p, .days = days};
    char head[TG_ZONE_NAME_SIZE + 16];
    size_t shown = p->cut && w->n_slots > ROWS_MAX ? ROWS_MAX : w->n_slots;
    int rc = 0;

    measure(w, &t);
    snprintf(head, sizeof head, days->one_zone ? "WHEN (%s)" : "WHEN", days->zone);
    t.when = columns_of(head) > t.when ? columns_of(head) : t.when;
    put_cell(out, "SLOT", t.name, true);
    tg_buf_puts(out, "  ");
    put_cell(out, head, t.when, true);
    tg_buf_puts(out, "  ");
    if (t.zone) {
        put_cell(out, "ZONE", t.zone, true);
        tg_buf_puts(out, "  ");
    }
    tg_buf_puts(out, p->width >= NARROW || !p->cut ? "  HOSTS  WHO\n" : "  HOSTS\n");
    for (size_t s = 0; !rc && s < shown; s++)
        rc = put_row(w, &t, s, out, e);
    if (shown < w->n_slots)
        tg_buf_printf(out, "… and %zu more slots: -o json has all of them\n", w->n_slots - shown);
    return rc;
}

/* ---- hosts a day ---- */

static void put_bar(struct tg_buf *out, const struct tg_week_paint *p, uint32_t value, uint32_t most, size_t room)
{
    static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    size_t n = most ? (size_t) value * room * 8 / most : 0;

    n = value && !n ? 1 : n;
    tg_buf_puts(out, p->colour ? COLOUR : "");
    for (size_t i = 0; i < n / 8; i++)
        tg_buf_puts(out, "█");
    tg_buf_puts(out, parts[n % 8]);
    tg_buf_puts(out, p->colour ? PLAIN : "");
}

static int64_t today(const struct tg_week_days *days, int64_t now_ms)
{
    struct tg_zone zone;

    return now_ms && !tg_zone_find(days->zone, &zone, NULL) ? tg_zone_date(&zone, now_ms / 1000) : INT64_MIN;
}

static void put_days(const struct tg_week *w, const struct tg_week_paint *p, const struct tg_week_days *days, struct tg_buf *out)
{
    size_t room = (size_t) p->width - 24;
    char day[16];

    tg_buf_puts(out, "\nhosts a day\n");
    for (size_t d = 0; d < days->n; d++) {
        tg_day_format(days->first + (int64_t) d, day, sizeof day);
        bool now = days->first + (int64_t) d == today(days, p->now_ms);
        tg_buf_puts(out, now ? "▶ " : "  ");
        put_cell(out, day, 10, true);
        tg_buf_printf(out, " %8u ", days->hosts[d]);
        put_bar(out, p, days->hosts[d], days->most, room);
        end_line(out);
    }
    (void) w;
}

/* ---- slots across the week ---- */

struct lanes {
    const struct tg_week_paint *p;
    size_t name, per, cells;    /* columns of the name, of a day, of all days */
    int64_t begin_s, cell_s;    /* local time of the first cell, seconds a cell */
    struct tg_zone zone;
    size_t now;                 /* cell, or cells */
};

static int64_t local_s(const struct lanes *l, int64_t wall_ms)
{
    int64_t s = floor_div(wall_ms, 1000);

    return s + tg_zone_offset_s(&l->zone, s);
}

/* Which cells it covers: from the one it begins in to the one it ends in. */
static void cells_of(const struct lanes *l, const struct tg_week_slot *s, size_t *out_from, size_t *out_until)
{
    int64_t from = floor_div(local_s(l, s->from_ms) - l->begin_s, l->cell_s), until = floor_div(local_s(l, s->until_ms) - l->begin_s + l->cell_s - 1, l->cell_s);
    int64_t max = (int64_t) l->cells;

    from = from < 0 ? 0 : from > max - 1 ? max - 1 : from;
    until = until > max ? max : until <= from ? from + 1 : until;
    *out_from = (size_t) from;
    *out_until = (size_t) until;
}

/* The gap before a cell: midnight, or now. */
static void put_edge(const struct lanes *l, size_t cell, struct tg_buf *out)
{
    if (cell == l->now)
        put_painted(out, l->p, MARK, "┃");
    else
        put_painted(out, l->p, DIM, cell % l->per == 0 ? "│" : " ");
}

static void put_lane(const struct lanes *l, const struct tg_week_slot *s, struct tg_buf *out)
{
    size_t from, until;
    char name[64];

    cells_of(l, s, &from, &until);
    tg_buf_puts(out, "  ");
    put_cell(out, tg_week_short(s->name, l->name, name, sizeof name), l->name, true);
    tg_buf_putc(out, ' ');
    for (size_t c = 0; c < l->cells; c++)
        if (c >= from && c < until)
            put_painted(out, l->p, COLOUR, "█");
        else
            put_edge(l, c, out);
    end_line(out);
}

/* How many hosts have their slot at that time. */
static int put_load(const struct lanes *l, const struct tg_week *w, struct tg_buf *out, struct tg_error *e)
{
    size_t *load = calloc(l->cells + 1, sizeof *load), most = 0, from, until;

    if (!load)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t s = 0; s < w->n_slots; s++) {
        cells_of(l, &w->slots[s], &from, &until);
        for (size_t c = from; c < until; c++)
            load[c] += w->slots[s].n;
    }
    for (size_t c = 0; c < l->cells; c++)
        most = load[c] > most ? load[c] : most;
    tg_buf_puts(out, "  ");
    put_cell(out, "hosts", l->name, true);
    tg_buf_putc(out, ' ');
    for (size_t c = 0; c < l->cells; c++)
        if (load[c])
            put_painted(out, l->p, COLOUR, eighths[(load[c] * 8 + most - 1) / most]);
        else
            put_edge(l, c, out);
    end_line(out);
    free(load);
    return 0;
}

static int put_lanes(const struct tg_week *w, const struct tg_week_paint *p, const struct tg_week_days *days, struct tg_buf *out, struct tg_error *e)
{
    struct lanes l = {.p = p, .name = name_width(w, p->width < NARROW ? 8 : 16)};
    char day[16];
    int rc = tg_zone_find(days->zone, &l.zone, e);

    if (rc)
        return rc;
    l.per = ((size_t) p->width - l.name - 4) / days->n;
    l.per = l.per > 24 ? 24 : l.per;
    l.cells = l.per * days->n;
    l.begin_s = days->first * TG_DAY_S;
    l.cell_s = TG_DAY_S / (int64_t) l.per;
    l.now = SIZE_MAX;
    if (p->now_ms && local_s(&l, p->now_ms) >= l.begin_s && local_s(&l, p->now_ms) < l.begin_s + (int64_t) days->n * TG_DAY_S)
        l.now = (size_t) ((local_s(&l, p->now_ms) - l.begin_s) * (int64_t) l.per / TG_DAY_S);
    tg_buf_printf(out, "\nslots across the week (%s)\n  %*s ", days->zone, (int) l.name, "");
    for (size_t d = 0; d < days->n; d++) {
        tg_day_format(days->first + (int64_t) d, day, sizeof day);
        day[3] = '\0';
        put_cell(out, day, l.per, true);
    }
    end_line(out);
    for (size_t s = 0; s < w->n_slots && w->n_slots <= LANES_MAX; s++)
        put_lane(&l, &w->slots[s], out);
    return put_load(&l, w, out, e);
}

/* ---- the whole ---- */

static void put_head(const struct tg_week *w, const struct tg_week_paint *p, const struct tg_week_days *days, struct tg_buf *out)
{
    char when[64];

    const char *gap = p->width < NARROW + (int) strlen(w->name) ? "\n" : "  ";
    put_cell(out, w->name, p->cut ? (size_t) p->width : SIZE_MAX, false);
    tg_buf_printf(out, "%s%s%s%zu host%s in %zu slot%s\n\n", gap, tg_days_format(days->first, days->n, when, sizeof when), gap, w->names.n, w->names.n == 1 ? "" : "s", w->n_slots,
                  w->n_slots == 1 ? "" : "s");
}

static void put_warnings(const struct tg_week *week, const struct tg_week_paint *p, struct tg_buf *out)
{
    for (size_t i = 0; i < week->n_warnings; i++) {
        struct tg_buf text = TG_BUF_INIT;
        tg_buf_printf(&text, "Warning: %s", week->warnings[i]);
        tg_buf_puts(out, i ? "" : "\n");
        tg_put_wrapped(out, tg_buf_text(&text), p->cut ? p->width - 2 : tg_columns(tg_buf_text(&text)), 2);
        tg_buf_putc(out, '\n');
        tg_buf_release(&text);
    }
}

int tg_week_text(const struct tg_week *week, const struct tg_week_paint *paint, struct tg_buf *out, struct tg_error *e)
{
    struct tg_week_paint p = *paint;
    struct tg_week_days days;

    p.width = p.width < CHART_MIN ? CHART_MIN : p.width;
    tg_week_days(week, &days);
    put_head(week, &p, &days, out);
    int rc = put_table(week, &p, &days, out, e);
    p.width = p.width > CHART_MAX ? CHART_MAX : p.width;
    if (!rc) {
        put_days(week, &p, &days, out);
        rc = put_lanes(week, &p, &days, out, e);
    }
    put_warnings(week, paint, out);
    return rc ? rc : tg_buf_ok(out, e);
}
