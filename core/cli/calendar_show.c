/* tagout calendar show: days across, groups down. */
#include "cli/calendar.h"

#include "calendar/local.h"
#include "calendar/show_picture.h"

#include <stdlib.h>
#include <string.h>

#define DAYS_MAX 62
#define LABEL_MAX 24
#define LABEL_MIN 8

struct picture {
    struct tg_frame *f;
    struct tg_calendar_view *v;
    int64_t date;      /* the first day, there */
    int days, cells;   /* cells a day */
    int label;         /* columns of the names */
    struct tg_spans open, closed;
};

/* When a cell begins: an even part of what clocks show of its day. */
static int64_t cell_ms(const struct picture *p, int cell)
{
    int64_t local_s = p->date * TG_DAY_S + (int64_t) cell * TG_DAY_S / p->cells;

    return tg_local_wall_s(&p->v->zone, local_s, TG_ZONE_FIRST) * 1000;
}

/* The part of a stretch that is within spans. */
static int64_t overlap(const struct tg_spans *s, int64_t from_ms, int64_t until_ms)
{
    int64_t total = 0;

    for (const struct tg_span *x = tg_spans_from(s, from_ms); x && x < s->list + s->n && x->from_ms < until_ms; x++)
        total += (x->until_ms < until_ms ? x->until_ms : until_ms) - (x->from_ms > from_ms ? x->from_ms : from_ms);
    return total;
}

static const char *mark(const struct picture *p, int cell)
{
    int64_t from = cell_ms(p, cell), until = cell_ms(p, cell + 1), open = overlap(&p->open, from, until);

    if (open == until - from && open)
        return "█";
    if (open)
        return "▒";
    return overlap(&p->closed, from, until) ? "x" : "·";
}

static bool are(const struct picture *p, const struct tg_calendar_part *part, const uint32_t *hosts, size_t n)
{
    size_t same = 0;

    while (n == part->n && same < n && tg_agenda_class(p->v->agenda, hosts[same]) == part->class_)
        same++;
    return n == part->n && same == n;
}

/* The customer whose hosts these are, all of them; or the smallest group that is these hosts and no others; or their names. */
static const char *name_of(const struct picture *p, const struct tg_calendar_part *part)
{
    uint32_t one;
    size_t n, n_groups;
    const struct tg_group *all = tg_inventory_groups(p->f->inventory, &n_groups);
    const struct tg_host *host, *hosts = tg_inventory_hosts(p->f->inventory, &n);

    if (tg_agenda_class_hosts(p->v->agenda, part->class_, &one) != part->n)
        return part->folded; /* not all of its hosts are meant */
    host = &hosts[one];
    const struct tg_customer *customer = tg_host_customer(p->f->inventory, host);
    if (customer && are(p, part, customer->hosts, customer->n_hosts))
        return customer->name;
    const uint32_t *groups = tg_host_groups(p->f->inventory, host, &n);
    for (size_t i = 0; i < n; i++) {
        const struct tg_group *g = &all[groups[i]];
        if (are(p, part, g->hosts, g->n_hosts))
            return g->name;
    }
    return part->folded;
}

static void print_label(const struct picture *p, const char *name, size_t n)
{
    int len = (int) strlen(name);

    if (len > p->label)
        printf("%.*s…", p->label - 1, name);
    else
        printf("%-*s", p->label, name);
    printf(" %6zu ", n);
}

/* Between days, unless each is one column. */
static const char *bar(const struct picture *p)
{
    return p->cells > 1 ? "|" : "";
}

static void print_heads(const struct picture *p)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    char text[16];

    printf("%-*s %6s ", p->label, "", "HOSTS");
    for (int d = 0; d < p->days; d++) {
        tg_date_format(p->date + d, text, sizeof text);
        char both[16];
        snprintf(both, sizeof both, "%s %s", days[tg_weekday(p->date + d)], text + 8);
        printf("%s%-*.*s", bar(p), p->cells, p->cells, p->cells >= 6 ? both : p->cells >= 2 ? text + 8 : days[tg_weekday(p->date + d)]);
    }
    puts(bar(p));
}

/* Below everything: where now is. */
static void print_now(const struct picture *p)
{
    int now = -1;

    for (int c = 0; c < p->days * p->cells; c++)
        if (p->v->at_ms >= cell_ms(p, c) && p->v->at_ms < cell_ms(p, c + 1))
            now = c;
    if (now >= 0)
        printf("%*s▲ now\n", p->label + 8 + now + (p->cells > 1 ? now / p->cells + 1 : 0), "");
    tg_calendar_say(p->f, 0, "█ open   ▒ open for a part   x blackout   · closed");
}

static int expand(struct picture *p, const struct tg_calendar_part *part, struct tg_error *e)
{
    int64_t from = cell_ms(p, 0), until = cell_ms(p, p->days * p->cells);
    int rc = tg_agenda_spans(p->v->agenda, part->class_, from, until, &p->open, NULL, e);

    return rc ? rc : tg_agenda_blackouts(p->v->agenda, part->class_, from, until, &p->closed, e);
}

static int print_text(struct picture *p, struct tg_error *e)
{
    char first[16], last[16];
    int rc = 0;

    if (!p->v->n_parts)
        return fputs("No host is meant by this.\n", stderr), 0;
    printf("%s to %s, %s\n", tg_date_format(p->date, first, sizeof first), tg_date_format(p->date + p->days - 1, last, sizeof last), p->v->zone_name);
    print_heads(p);
    size_t shown = p->f->out_tty && p->v->n_parts > TG_CALENDAR_ROWS_MAX ? TG_CALENDAR_ROWS_MAX : p->v->n_parts;
    for (size_t i = 0; !rc && i < shown; i++) {
        if ((rc = expand(p, &p->v->parts[i], e)))
            break;
        print_label(p, name_of(p, &p->v->parts[i]), p->v->parts[i].n);
        for (int c = 0; c < p->days * p->cells; c++)
            printf("%s%s", c % p->cells ? "" : bar(p), mark(p, c));
        puts(bar(p));
    }
    if (!rc && shown < p->v->n_parts)
        printf("… and %zu lines more: name fewer hosts, or use a pipe\n", p->v->n_parts - shown);
    if (!rc)
        print_now(p);
    return rc;
}

static json_t *spans_json(const struct tg_spans *s)
{
    json_t *all = json_array();

    for (size_t i = 0; i < s->n; i++)
        json_array_append_new(all, json_pack("{s:o,s:o}", "from", tg_calendar_time_json(s->list[i].from_ms), "until", tg_calendar_time_json(s->list[i].until_ms)));
    return all;
}

static int print_json(struct picture *p, struct tg_error *e)
{
    json_t *rows = json_array();
    int rc = 0;

    for (size_t i = 0; !rc && i < p->v->n_parts; i++)
        if (!(rc = expand(p, &p->v->parts[i], e)))
            json_array_append_new(rows, json_pack("{s:s,s:i,s:o,s:o}", "hosts", p->v->parts[i].folded, "count", (int) p->v->parts[i].n, "open", spans_json(&p->open),
                                                  "blackouts", spans_json(&p->closed)));
    if (rc) {
        json_decref(rows);
        return rc;
    }
    return tg_print_json(json_pack("{s:o,s:o,s:s,s:o}", "from", tg_calendar_time_json(cell_ms(p, 0)), "until", tg_calendar_time_json(cell_ms(p, p->days * p->cells)),
                                   "zone", p->v->zone_name, "rows", rows), e);
}

/* ---- pictures ---- */

static int draw_svg(const void *show, int64_t now_ms, struct tg_buf *out, struct tg_error *e)
{
    return tg_show_svg(show, now_ms, out, e);
}

static int draw_html(const void *show, int64_t now_ms, struct tg_buf *out, struct tg_error *e)
{
    return tg_show_html(show, now_ms, out, e);
}

static bool wants_picture(const struct picture *p)
{
    return tg_opt_given(p->f, "svg") || tg_opt_given(p->f, "html");
}

static int write_pictures(struct picture *p, struct tg_error *e)
{
    struct tg_show_row *rows = calloc(p->v->n_parts + 1, sizeof *rows);
    const struct tg_show show = {.who = p->v->selector, .zone = p->v->zone_name, .first = p->date, .days = (size_t) p->days, .rows = rows, .n = p->v->n_parts};
    int rc = rows ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    for (size_t i = 0; !rc && i < p->v->n_parts; i++) {
        const struct tg_calendar_part *part = &p->v->parts[i];
        rc = expand(p, part, e);
        rows[i] = (struct tg_show_row) {name_of(p, part), part->folded, part->n, p->open, p->closed};
        p->open = p->closed = (struct tg_spans) TG_SPANS_INIT;
    }
    if (!rc)
        rc = tg_calendar_picture(p->f, "svg", draw_svg, &show, p->v->at_ms, e);
    if (!rc)
        rc = tg_calendar_picture(p->f, "html", draw_html, &show, p->v->at_ms, e);
    for (size_t i = 0; rows && i < p->v->n_parts; i++) {
        tg_spans_release(&rows[i].open);
        tg_spans_release(&rows[i].blackouts);
    }
    free(rows);
    return rc;
}

/* As many cells a day as fit, an even part of 24 hours. */
static bool lay_out(struct picture *p)
{
    static const int parts[] = {24, 12, 8, 6, 4, 3, 2, 1};
    size_t longest = LABEL_MIN;

    for (size_t i = 0; i < p->v->n_parts; i++)
        if (strlen(name_of(p, &p->v->parts[i])) > longest)
            longest = strlen(name_of(p, &p->v->parts[i]));
    p->label = longest > LABEL_MAX ? LABEL_MAX : (int) longest;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        p->cells = parts[i];
        if (p->label + 9 + p->days * (p->cells + (p->cells > 1)) <= p->f->width)
            return true;
    }
    return p->f->json;
}

static int paint(struct picture *p, struct tg_error *e)
{
    const char *from = tg_opt_text(p->f, "from");
    int64_t days = tg_opt_int(p->f, "days");
    struct tg_error why = TG_ERROR_INIT;

    if (days < 1 || days > DAYS_MAX)
        return tg_fail(e, TG_E_USAGE, "--days must be 1 to %d", DAYS_MAX);
    p->days = (int) days;
    p->date = tg_zone_date(&p->v->zone, p->v->at_ms / 1000);
    if (from && tg_date_parse(from, &p->date, &why)) {
        tg_fail(e, TG_E_USAGE, "--from: %s", why.message);
        return tg_error_hint(e, "%s", why.hint), TG_E_USAGE;
    }
    int rc = wants_picture(p) ? write_pictures(p, e) : 0;
    if (rc)
        return rc;
    if (!lay_out(p)) {
        if (wants_picture(p))
            return 0; /* who asked for a picture has it */
        tg_fail(e, TG_E_USAGE, "%d days don't fit into %d columns", p->days, p->f->width);
        return tg_error_hint(e, "ask for fewer --days, or for a picture with --svg FILE or --html FILE"), TG_E_USAGE;
    }
    return p->f->json ? print_json(p, e) : print_text(p, e);
}

static int run_show(struct tg_frame *f, struct tg_error *e)
{
    struct tg_calendar_view v;
    struct picture p = {.f = f, .v = &v, .cells = 1};
    int rc = tg_calendar_open(f, 0, &v, e);

    if (!rc)
        rc = paint(&p, e);
    tg_spans_release(&p.open);
    tg_spans_release(&p.closed);
    tg_calendar_close(&v);
    return rc;
}

static const struct tg_opt opts[] = {
    TG_CALENDAR_CLI_OPTS,
    {.name = "from", .type = TG_OPT_STRING, .arg = "DATE", .text = "The first day, such as 2026-11-30. Otherwise today"},
    {.name = "days", .letter = 'd', .type = TG_OPT_INT, .arg = "N", .value = "7", .text = "How many days"},
    {.name = "svg", .type = TG_OPT_FILE, .arg = "FILE", .text = "Writes it as a picture, too"},
    {.name = "html", .type = TG_OPT_FILE, .arg = "FILE", .text = "Writes the picture and all stretches as one page that needs nothing beside it, too"},
    {.name = NULL},
};

const struct tg_cmd tg_cmd_calendar_show = {
    .name = "calendar show",
    .args = "[SELECTOR…]",
    .brief = "show when hosts may be disturbed, days across and groups down",
    .details = "One line for hosts that the same windows and blackouts are about, in the calendar's time zone. With -o json, the exact stretches.",
    .examples = "  $ tagout calendar show\n  $ tagout calendar show @web --from 2026-12-21 --days 14\n  $ tagout calendar show --days 28 --html december.html\n",
    .opts = opts,
    .max_args = -1,
    .needs = TG_NEED_INVENTORY,
    .complete = "selector",
    .exec = run_show,
};
