/* Who had begun in a week that was cancelled, and booked anew by the same name: what is said of them needs the name of that one. */
#include "cli/calendar_week.h"

#include "fleet/nodeset.h"

#include <stdio.h>
#include <string.h>

#define WAIT_MS 20000
#define NAMES_MAX 160 /* of hosts in one command; more are looked up */

struct search {
    struct tg_frame *f;
    const char *what;            /* hosts or a slot, as it was typed; NULL: all */
    struct tg_hostlist named;    /* what, if it is hosts; sorted */
};

static bool is_named(const struct tg_hostlist *list, const char *host)
{
    size_t from = 0, until = list->n;

    while (from < until) {
        size_t middle = from + (until - from) / 2;
        int order = tg_name_compare(tg_hostlist_get(list, middle), host);
        if (order == 0)
            return true;
        from = order < 0 ? middle + 1 : from;
        until = order < 0 ? until : middle;
    }
    return false;
}

static bool is_meant(const struct search *s, const struct tg_week *w, uint32_t host)
{
    return !s->what || strcmp(w->slots[w->slot_of[host]].name, s->what) == 0 || is_named(&s->named, tg_hostlist_get(&w->names, host));
}

/* *out: folded; "" for nobody. */
static int begun_in(const struct search *s, const struct tg_booked *b, struct tg_buf *out, size_t *out_n, struct tg_error *e)
{
    struct tg_marks marks = {.version = -1};
    struct tg_folder *folder = NULL;
    struct tg_week *week = NULL;
    int rc = tg_book_load(s->f->store, b, WAIT_MS, &week, e);

    *out_n = 0;
    if (!rc)
        rc = tg_marks_read(s->f->store, b, week, NULL, WAIT_MS, &marks, e);
    if (!rc)
        rc = tg_folder_new(&folder, e);
    for (uint32_t i = 0; !rc && i < week->names.n; i++)
        if (marks.v[i].state == TG_MARK_BEGUN && is_meant(s, week, i)) {
            rc = tg_folder_add(folder, tg_hostlist_get(&week->names, i), e);
            ++*out_n;
        }
    if (!rc)
        rc = tg_folder_print(folder, out, e);
    tg_folder_free(folder);
    tg_marks_release(&marks);
    tg_week_free(week);
    return rc;
}

static void put(const struct tg_booked *b, const char *names, size_t n, const char *verb, struct tg_buf *out)
{
    tg_buf_printf(out, "%zu host%s had begun in the week of that name that was cancelled by %s, and %s begun there still: ", n, n == 1 ? "" : "s", b->cancelled_by, n == 1 ? "is" : "are");
    if (strlen(names) > NAMES_MAX)
        tg_buf_printf(out, "tagout calendar week show %s names them, tagout calendar week %s %s HOSTS is about them", b->key, verb, b->key);
    else
        tg_buf_printf(out, strpbrk(names, "[,") ? "tagout calendar week %s %s '%s'" : "tagout calendar week %s %s %s", verb, b->key, names);
}

static bool is_before(struct tg_frame *f, const struct tg_booked *b, const struct tg_booked *now)
{
    return b->cancelled && strcmp(b->id, now->id) == 0 && strcmp(b->key, now->key) != 0 && tg_week_has_marks(f, b);
}

int tg_week_begun_before(struct tg_frame *f, const struct tg_booked *now, const char *what, const char *verb, struct tg_buf *out, struct tg_error *e)
{
    struct search s = {.f = f, .what = what, .named = TG_HOSTLIST_INIT};
    struct tg_book book;
    int rc = tg_book_read(f->store, WAIT_MS, &book, e);

    if (rc)
        return rc;
    if (what && tg_nodeset_expand(what, strlen(what), &s.named, NULL) == 0)
        rc = tg_hostlist_sort(&s.named, e);
    for (size_t i = 0; !rc && !out->len && i < book.n; i++) {
        struct tg_buf names = TG_BUF_INIT;
        size_t n = 0;
        if (is_before(f, &book.weeks[i], now))
            rc = begun_in(&s, &book.weeks[i], &names, &n, e);
        if (!rc && n)
            put(&book.weeks[i], tg_buf_text(&names), n, verb, out);
        tg_buf_release(&names);
    }
    tg_hostlist_release(&s.named);
    tg_book_release(&book);
    return rc;
}
