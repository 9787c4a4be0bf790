/* Filling in a template: see announce_text.h. */
#include "calendar/announce_fill.h"

#include "base/shown.h"
#include "calendar/local.h"

#include <stdio.h>
#include <string.h>

#define HOSTS_LINE 600   /* bytes of names in a line of {events}, */
#define HOSTS_WORD 2000  /* of {hosts} */
#define SUBJECT_MAX 200  /* bytes */
#define EVENTS_SHOWN 100

const char *tg_announce_when(const struct tg_announce_view *view, int64_t ms, char *out, size_t size)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    int64_t s = ms / 1000, date = tg_zone_date(&view->zone, s), of_day = tg_local_of(&view->zone, s) - date * TG_DAY_S;
    char text[16];

    snprintf(out, size, "%s %s %02d:%02d", days[tg_weekday(date)], tg_date_format(date, text, sizeof text), (int) (of_day / 3600), (int) (of_day / 60 % 60));
    return out;
}

/* Up to a whole name. */
static void put_names(const char *names, size_t max, struct tg_buf *out)
{
    size_t len = strlen(names);
    int depth = 0;

    if (len <= max) {
        tg_buf_puts(out, names);
        return;
    }
    size_t cut = 0;
    for (size_t i = 0; i < max; i++) {
        depth += (names[i] == '[') - (names[i] == ']');
        if (names[i] == ',' && !depth)
            cut = i;
    }
    tg_buf_add(out, names, cut);
    tg_buf_puts(out, cut ? " and others" : "many");
}

void tg_announce_hosts(const struct tg_thread_event *ev, size_t max, struct tg_buf *out)
{
    put_names(ev->hosts, max, out);
    if (ev->n_hosts > 1)
        tg_buf_printf(out, " (%lld hosts)", (long long) ev->n_hosts);
}

static const char *verb_of(enum tg_announce_kind kind)
{
    switch (kind) {
    case TG_ANNOUNCE_SCHEDULED:
        return "new: ";
    case TG_ANNOUNCE_CHANGED:
        return "changed: ";
    case TG_ANNOUNCE_CANCELLED:
        return "cancelled: ";
    case TG_ANNOUNCE_LATE:
        return "late: ";
    case TG_ANNOUNCE_DONE:
        return "done: ";
    case TG_ANNOUNCE_FORMER:
    case TG_ANNOUNCE_WEEK:
    case TG_ANNOUNCE_KINDS:
        break;
    }
    return "";
}

/* What differs is said; a mail of one kind says it in its words. */
static bool is_mixed(const struct tg_thread_items *items)
{
    for (size_t i = 1; i < items->n; i++)
        if (items->v[i].kind != items->v[0].kind)
            return true;
    return false;
}

static void put_event(const struct tg_thread_item *item, bool mixed, const struct tg_announce_view *view, struct tg_buf *out)
{
    const struct tg_thread_event *ev = &item->event;
    char from[40], until[40];

    tg_announce_when(view, ev->from_ms, from, sizeof from);
    tg_announce_when(view, ev->until_ms, until, sizeof until);
    bool same_day = strncmp(from, until, 14) == 0;
    tg_buf_printf(out, "  %s%s - %s\n", mixed ? verb_of(item->kind) : "", from, same_day ? until + 15 : until);
    if (ev->activity[0])
        tg_buf_printf(out, "    %s\n", ev->activity);
    tg_buf_puts(out, "    ");
    tg_announce_hosts(ev, HOSTS_LINE, out);
    if (ev->reason[0])
        tg_buf_printf(out, "\n    %s", ev->reason);
    tg_buf_putc(out, '\n');
}

static void put_events(const struct tg_thread_items *items, const struct tg_announce_view *view, struct tg_buf *out)
{
    bool mixed = is_mixed(items);

    for (size_t i = 0; i < items->n && i < EVENTS_SHOWN; i++)
        put_event(&items->v[i], mixed, view, out);
    if (items->n > EVENTS_SHOWN)
        tg_buf_printf(out, "  and %zu more\n", items->n - EVENTS_SHOWN);
}

/* Each different text once. */
static void put_texts(const struct tg_thread_items *items, bool reasons, struct tg_buf *out)
{
    size_t shown = 0;

    for (size_t i = 0; i < items->n && shown < 8; i++) {
        const char *text = reasons ? items->v[i].event.reason : items->v[i].event.activity;
        bool seen = !text[0];
        for (size_t k = 0; !seen && k < i; k++)
            seen = strcmp(text, reasons ? items->v[k].event.reason : items->v[k].event.activity) == 0;
        if (seen)
            continue;
        tg_buf_printf(out, "%s%s", shown ? ", " : "", text);
        shown++;
    }
}

static void put_hosts(const struct tg_thread_items *items, struct tg_buf *out)
{
    struct tg_buf names = TG_BUF_INIT;

    for (size_t i = 0; i < items->n && names.len <= HOSTS_WORD; i++)
        tg_buf_printf(&names, "%s%s", i ? "," : "", items->v[i].event.hosts);
    put_names(tg_buf_text(&names), HOSTS_WORD, out);
    tg_buf_release(&names);
}

static void put_word(enum tg_word word, const struct tg_thread *t, const struct tg_announce_view *view, struct tg_buf *out)
{
    const struct tg_thread_items *items = &t->message->items;
    int64_t count = 0, from = items->n ? items->v[0].event.from_ms : t->message->at_ms, until = items->n ? items->v[0].event.until_ms : from;
    char when[40];

    for (size_t i = 0; i < items->n; i++) {
        count += items->v[i].event.n_hosts;
        from = items->v[i].event.from_ms < from ? items->v[i].event.from_ms : from;
        until = items->v[i].event.until_ms > until ? items->v[i].event.until_ms : until;
    }
    if (word == TG_WORD_CUSTOMER || word == TG_WORD_SOURCE)
        tg_buf_puts(out, word == TG_WORD_CUSTOMER ? t->customer : t->source);
    else if (word == TG_WORD_EVENTS)
        put_events(items, view, out);
    else if (word == TG_WORD_HOSTS)
        put_hosts(items, out);
    else if (word == TG_WORD_COUNT || word == TG_WORD_SEQUENCE)
        tg_buf_printf(out, "%lld", (long long) (word == TG_WORD_COUNT ? count : t->message->sequence));
    else if (word == TG_WORD_BEGIN || word == TG_WORD_END)
        tg_buf_puts(out, tg_announce_when(view, word == TG_WORD_BEGIN ? from : until, when, sizeof when));
    else if (word == TG_WORD_ZONE)
        tg_buf_puts(out, view->zone_name);
    else
        put_texts(items, word == TG_WORD_REASON, out);
}

static void fill(const struct tg_pieces *list, const struct tg_thread *t, const struct tg_announce_view *view, struct tg_buf *out)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->v[i].literal)
            tg_buf_puts(out, list->v[i].literal);
        else
            put_word(list->v[i].word, t, view, out);
}

int tg_template_fill(const struct tg_template *t, const struct tg_thread *thread, const struct tg_announce_view *view, struct tg_buf *out_subject, struct tg_buf *out_text,
                     struct tg_error *e)
{
    struct tg_buf subject = TG_BUF_INIT;
    const struct tg_thread_message *m = thread->message;
    size_t shown = 0;
    long point;

    if (m->parts > 1)
        tg_buf_printf(out_subject, "(%zu of %zu) ", m->part + 1, m->parts);
    fill(&t->subject, thread, view, &subject);
    const char *text = tg_buf_text(&subject);
    for (size_t n; (n = tg_char_at(text, &point)) && shown + n <= SUBJECT_MAX; text += n, shown += n) /* {events} has lines */
        if (tg_char_is_hidden(point))
            tg_buf_putc(out_subject, ' ');
        else
            tg_buf_add(out_subject, text, n);
    tg_buf_release(&subject);
    fill(&t->body, thread, view, out_text);
    int rc = tg_buf_ok(out_subject, e);
    return rc ? rc : tg_buf_ok(out_text, e);
}
