/* What the commands "calendar …" share: see calendar.h. */
#include "cli/calendar.h"

#include "base/columns.h"

#include "base/whole.h"
#include "calendar/local.h"
#include "config/site.h"
#include "fleet/nodeset.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WEEKS_WAIT_MS 20000

/* What can't be read is UNKNOWN, and never a week without slots (P2). */
static int load_weeks(struct tg_frame *f, struct tg_calendar_view *v, struct tg_error *e)
{
    struct tg_book book;
    int rc = tg_opt_flag(f, "weeks") ? tg_frame_open_store(f, &f->store, e) : 0;

    if (rc || !tg_opt_flag(f, "weeks"))
        return rc;
    if ((rc = tg_frame_prove_store(f, e)) || (rc = tg_book_read(f->store, WEEKS_WAIT_MS, &book, e)))
        return rc;
    if (!(v->weeks = calloc(book.n + 1, sizeof *v->weeks)))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < book.n; i++)
        if (!book.weeks[i].cancelled && (rc = tg_book_load(f->store, &book.weeks[i], WEEKS_WAIT_MS, &v->weeks[v->n_weeks], e)) == 0)
            v->n_weeks++;
    tg_book_release(&book);
    return rc;
}

static int load(struct tg_frame *f, struct tg_calendar_view *v, struct tg_error *e)
{
    const char *path = tg_opt_text(f, "calendar") ? tg_opt_text(f, "calendar") : f->config->calendar;
    int rc;

    if (!path && (!tg_opt_flag(f, "weeks") || f->cmd == &tg_cmd_calendar_check)) { /* booked weeks need none */
        tg_fail(e, TG_E_CONFIG, "there is no calendar");
        tg_error_hint(e, "give --calendar FILE, or write \"calendar: FILE\" into " TG_CONFIG_FILE);
        return TG_E_CONFIG;
    }
    if (path && (rc = tg_calendar_load(path, &f->problems, &v->calendar, e)))
        return rc;
    v->zone_name = v->calendar ? tg_calendar_zone(v->calendar) : "UTC";
    if ((rc = tg_zone_find(v->zone_name, &v->zone, e)))
        return rc;
    if ((rc = load_weeks(f, v, e)))
        return rc;
    return tg_agenda_new_booked(v->calendar, f->inventory, (const struct tg_week *const *) v->weeks, v->n_weeks, &f->problems, &v->agenda, e);
}

static int take_at(struct tg_frame *f, struct tg_calendar_view *v, struct tg_error *e)
{
    const char *text = tg_opt_text(f, "at");
    int64_t local_s;
    bool has_time;

    if (!text) {
        v->at_ms = tg_wall_ms(tg_loop_clock(f->loop));
        return 0;
    }
    if (tg_local_parse(text, &local_s, &has_time)) {
        v->at_ms = tg_local_wall_s(&v->zone, local_s, TG_ZONE_ICAL) * 1000;
        return 0;
    }
    struct tg_error why = TG_ERROR_INIT;
    if (!tg_time_parse(text, &v->at_ms, &why))
        return 0;
    tg_fail(e, TG_E_USAGE, "--at: \"%.60s\" is no time", text);
    return tg_error_hint(e, "such as 2026-12-24T22:00:00Z, or \"2026-12-24 22:00\" in the calendar's zone"), TG_E_USAGE;
}

/* "fleet" and the like are words of the calendar, and fine in a selector's place. */
static char *selector_of(struct tg_frame *f, int first, struct tg_error *e)
{
    struct tg_buf text = TG_BUF_INIT;

    for (int i = first; i < f->argc; i++) {
        const char *word = f->argv[i];
        if (!word[strspn(word, " \t\n")]) { /* "$(hostname -f)" that failed is not the whole fleet */
            tg_fail(e, TG_E_USAGE, "the selector is empty");
            tg_error_hint(e, "for all hosts give none, or \"*\"");
            tg_buf_release(&text);
            return NULL;
        }
        if (strcmp(word, "fleet") == 0)
            word = "*";
        else if (strncmp(word, "host:", 5) == 0)
            word += 5;
        bool group = strncmp(word, "group:", 6) == 0;
        tg_buf_printf(&text, "%s%s%s", i > first ? " " : "", group ? "@" : "", group ? word + 6 : word);
    }
    return tg_buf_take(&text, e);
}

static int select_hosts(struct tg_frame *f, struct tg_calendar_view *v, struct tg_error *e)
{
    const char *text = v->selector[0] ? v->selector : "*";
    struct tg_error why = TG_ERROR_INIT;
    size_t n;

    tg_inventory_hosts(f->inventory, &n);
    if (!n && !v->selector[0])
        return 0; /* "*" must match something */
    int rc = tg_select(f->inventory, text, &v->hosts, &why);
    if (!rc)
        return 0;
    const struct tg_place place = {.file = "selector", .line = 1, .column = why.column, .source = text, .source_len = strlen(text)};
    if (rc == TG_E_DATA && why.column > 0)
        tg_error_hint(tg_problems_add(&f->problems, &place, "%s", why.message), "%s", why.hint);
    tg_fail(e, rc, "%s", why.message);
    return tg_error_hint(e, "%s", why.hint), rc;
}

struct by_class {
    uint32_t class_, host;
};

static int compare_by_class(const void *a, const void *b)
{
    const struct by_class *x = a, *y = b;

    if (x->class_ != y->class_)
        return x->class_ < y->class_ ? -1 : 1;
    return (x->host > y->host) - (x->host < y->host);
}

static int compare_parts(const void *a, const void *b)
{
    const struct tg_calendar_part *x = a, *y = b;

    return tg_name_compare(x->folded, y->folded);
}

static int fold_part(const struct tg_inventory *inv, const struct by_class *list, size_t n, struct tg_calendar_part *part, struct tg_error *e)
{
    size_t n_hosts;
    const struct tg_host *hosts = tg_inventory_hosts(inv, &n_hosts);
    struct tg_buf text = TG_BUF_INIT;
    struct tg_folder *folder;
    int rc = tg_folder_new(&folder, e);

    for (size_t i = 0; !rc && i < n; i++)
        rc = tg_folder_add(folder, hosts[list[i].host].name, e);
    if (!rc)
        rc = tg_folder_print(folder, &text, e);
    tg_folder_free(folder);
    *part = (struct tg_calendar_part) {.class_ = list[0].class_, .n = n, .folded = rc ? NULL : tg_buf_take(&text, e)};
    tg_buf_release(&text);
    return part->folded ? 0 : rc ? rc : TG_E_MEMORY;
}

static int part(struct tg_frame *f, struct tg_calendar_view *v, struct tg_error *e)
{
    struct by_class *list = calloc(v->hosts.n + 1, sizeof *list);
    int rc = list ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    for (size_t i = 0; !rc && i < v->hosts.n; i++)
        list[i] = (struct by_class) {tg_agenda_class(v->agenda, v->hosts.hosts[i]->index), v->hosts.hosts[i]->index};
    if (!rc)
        qsort(list, v->hosts.n, sizeof *list, compare_by_class);
    if (!rc && !(v->parts = calloc(tg_agenda_classes(v->agenda) + 1, sizeof *v->parts)))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0, n; !rc && i < v->hosts.n; i += n) {
        for (n = 1; i + n < v->hosts.n && list[i + n].class_ == list[i].class_;)
            n++;
        rc = fold_part(f->inventory, list + i, n, &v->parts[v->n_parts++], e);
    }
    if (!rc)
        qsort(v->parts, v->n_parts, sizeof *v->parts, compare_parts);
    free(list);
    return rc;
}

int tg_calendar_open(struct tg_frame *f, int first, struct tg_calendar_view *v, struct tg_error *e)
{
    int rc;

    *v = (struct tg_calendar_view) {0};
    if (!(v->selector = selector_of(f, first, e)))
        return e && e->code ? e->code : TG_E_MEMORY;
    if ((rc = load(f, v, e)) || (rc = take_at(f, v, e)) || (rc = select_hosts(f, v, e)))
        return rc;
    return part(f, v, e);
}

void tg_calendar_close(struct tg_calendar_view *v)
{
    for (size_t i = 0; i < v->n_parts; i++)
        free(v->parts[i].folded);
    free(v->parts);
    tg_selection_release(&v->hosts);
    free(v->selector);
    tg_agenda_free(v->agenda);
    for (size_t i = 0; i < v->n_weeks; i++)
        tg_week_free(v->weeks[i]);
    free(v->weeks);
    tg_calendar_free(v->calendar);
}

const char *tg_calendar_when(const struct tg_calendar_view *v, int64_t ms, char *out, size_t size)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

    if (ms == INT64_MAX) {
        snprintf(out, size, "never");
        return out;
    }
    int n = snprintf(out, size, "%s ", days[tg_weekday(tg_zone_date(&v->zone, tg_floor_s(ms)))]);
    tg_local_format(tg_local_of(&v->zone, tg_floor_s(ms)), out + n, size - (size_t) n);
    return out;
}

const char *tg_calendar_until(const struct tg_calendar_view *v, int64_t ms, int64_t other_ms, char *out, size_t size)
{
    char text[40];

    if (ms == INT64_MAX || other_ms == INT64_MAX || tg_zone_date(&v->zone, tg_floor_s(ms)) != tg_zone_date(&v->zone, tg_floor_s(other_ms)))
        return ms == INT64_MAX ? (snprintf(out, size, "no end"), out) : tg_calendar_when(v, ms, out, size);
    tg_local_format(tg_local_of(&v->zone, tg_floor_s(ms)), text, sizeof text);
    snprintf(out, size, "%s", text + 11);
    return out;
}

json_t *tg_calendar_time_json(int64_t ms)
{
    char text[40];

    if (ms == INT64_MAX)
        return json_null();
    tg_time_format(ms, text, sizeof text);
    return json_string(text);
}

void tg_calendar_place(const struct tg_rule *rule, const struct tg_when *when, char *out, size_t size)
{
    const char *file = when && when->file ? when->file : rule->file;
    int line = when && when->file ? when->line : rule->line, column = when && when->file ? 0 : rule->column;

    if (!line)
        snprintf(out, size, "%s", file);
    else if (column)
        snprintf(out, size, "%s:%d:%d", file, line, column);
    else
        snprintf(out, size, "%s:%d", file, line);
}

void tg_calendar_say(const struct tg_frame *f, int indent, const char *format, ...)
{
    struct tg_buf text = TG_BUF_INIT, out = TG_BUF_INIT;
    va_list args;

    va_start(args, format);
    tg_buf_vprintf(&text, format, args);
    va_end(args);
    int lead = (int) strspn(tg_buf_text(&text), " ");
    if (f->out_tty) {
        tg_put_blanks(&out, lead);
        tg_put_wrapped(&out, tg_buf_text(&text) + lead, f->width - (lead > indent ? lead : indent), indent);
    }
    puts(tg_buf_text(f->out_tty ? &out : &text));
    tg_buf_release(&text);
    tg_buf_release(&out);
}

bool tg_calendar_is_narrow(const struct tg_frame *f)
{
    return f->out_tty && f->width < 80;
}

void tg_calendar_names(const struct tg_frame *f, const char *folded, int used)
{
    int room = f->width - used;

    if (!f->out_tty || room < 8 || (int) strlen(folded) <= room)
        puts(folded);
    else
        printf("%.*s…\n", room - 1, folded);
}

int tg_calendar_picture(const struct tg_frame *f, const char *option, tg_calendar_draw_fn *draw, const void *what, int64_t now_ms, struct tg_error *e)
{
    const char *file = tg_opt_text(f, option);
    struct tg_buf text = TG_BUF_INIT;
    int rc = file ? draw(what, now_ms, &text, e) : 0;

    if (!rc && file)
        rc = tg_whole_write(file, text.data, text.len, 0644, TG_WHOLE_ANYWHERE, e);
    tg_buf_release(&text);
    return rc;
}
