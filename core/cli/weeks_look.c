/* Booked weeks for doctor and status: see weeks_look.h. */
#include "cli/weeks_look.h"

#include <stdlib.h>
#include <string.h>

/* ---- what runs have left unsaid ---- */

struct unsaid {
    const struct tg_run_row *rows;
    size_t n_rows;
    struct tg_week_unsaid *v;
    size_t n;
};

static bool has_ended(const struct unsaid *u, const char *run)
{
    for (size_t i = 0; i < u->n_rows; i++)
        if (strcmp(u->rows[i].id, run) == 0)
            return !u->rows[i].driven && !u->rows[i].error.code && u->rows[i].summary.known && u->rows[i].summary.state == TG_RUN_ENDED;
    return false;
}

static int take(void *data, const char *host, const struct tg_mark *mark, const char *by, struct tg_error *e)
{
    struct unsaid *u = data;
    size_t i = 0;

    (void) host;
    if (mark->state != TG_MARK_BEGUN || strlen(by) >= TG_RUN_ID_SIZE)
        return 0;
    while (i < u->n && strcmp(u->v[i].run, by) != 0)
        i++;
    if (i == u->n) {
        if (!has_ended(u, by))
            return 0;
        struct tg_week_unsaid *v = realloc(u->v, (u->n + 1) * sizeof *v);
        if (!v)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        u->v = v;
        v[u->n] = (struct tg_week_unsaid) {.n = 0};
        memcpy(v[u->n++].run, by, strlen(by) + 1);
    }
    u->v[i].n++;
    return 0;
}

int tg_week_unsaid(struct tg_store *store, const struct tg_booked *b, const struct tg_run_row *rows, size_t n_rows, int64_t wait_ms, struct tg_week_unsaid **out, size_t *out_n,
                   struct tg_error *e)
{
    struct unsaid u = {.rows = rows, .n_rows = n_rows};
    int64_t version;
    int rc = tg_marks_each(store, b, wait_ms, take, &u, &version, e);

    if (rc) {
        free(u.v);
        return rc;
    }
    *out = u.v;
    *out_n = u.n;
    return 0;
}

void tg_week_unsaid_lines(const char *indent, const struct tg_booked *b, const struct tg_week_unsaid *v, size_t n, struct tg_buf *out)
{
    for (size_t i = 0; i < n; i++)
        tg_buf_printf(out,
                      "%s%s: run %s has ended, and how %zu host%s of it ended in %s was not noted. To do so: tagout run --resume %s; or, of whom it does not know it either: "
                      "tagout calendar week done|failed %s HOST\n",
                      indent, b->id, v[i].run, v[i].n, v[i].n == 1 ? "" : "s", v[i].n == 1 ? "its slot" : "their slots", v[i].run, b->cancelled ? b->key : b->id);
}

/* ---- doctor ---- */

struct looking {
    struct tg_store *store;
    int64_t wait_ms;
    const struct tg_run_row *rows;
    size_t n_rows;
    struct tg_buf *out;
    struct tg_weeks_look *look;
};

static int read_week(const struct looking *l, const struct tg_booked *booked, struct tg_error *e)
{
    struct tg_marks marks = {.version = -1};
    struct tg_week_unsaid *v = NULL;
    struct tg_week *week = NULL;
    size_t n = 0;
    int rc = tg_book_load(l->store, booked, l->wait_ms, &week, e);

    if (!rc)
        rc = tg_marks_read(l->store, booked, week, NULL, l->wait_ms, &marks, e);
    if (!rc)
        rc = tg_week_unsaid(l->store, booked, l->rows, l->n_rows, l->wait_ms, &v, &n, e);
    if (!rc) {
        tg_week_unsaid_lines("    ", booked, v, n, l->out);
        l->look->unsaid += n;
    }
    free(v);
    tg_marks_release(&marks);
    tg_week_free(week);
    return rc;
}

/* One that was cancelled counts as long as how it went is kept. */
static int counts(const struct looking *l, const struct tg_booked *b, int64_t now_ms, bool *out, struct tg_error *e)
{
    *out = now_ms < b->until_ms + TG_MARK_LATER_MS;
    return *out && b->cancelled ? tg_marks_are_there(l->store, b, l->wait_ms, out, e) : 0;
}

static int look_at(const struct looking *l, const struct tg_book *book, int64_t now_ms, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < book->n; i++) {
        const struct tg_booked *b = &book->weeks[i];
        struct tg_error why = TG_ERROR_INIT;
        bool wanted;
        if ((rc = counts(l, b, now_ms, &wanted, e)) != 0 || !wanted)
            continue;
        l->look->weeks++;
        rc = read_week(l, b, &why);
        if (rc == TG_E_UNKNOWN || rc == TG_E_DATA) {
            l->look->bad++;
            tg_buf_printf(l->out, "    %s: %s\n", b->id, why.message);
            rc = 0;
        } else if (rc) {
            tg_fail(e, rc, "week %s: %s", b->id, why.message);
            tg_error_hint(e, "%s", why.hint);
        }
    }
    return rc;
}

int tg_weeks_look(struct tg_store *store, int64_t now_ms, int64_t wait_ms, struct tg_buf *out, struct tg_weeks_look *look, struct tg_error *e)
{
    struct looking l = {.store = store, .wait_ms = wait_ms, .out = out, .look = look};
    struct tg_run_row *rows = NULL;
    struct tg_book book;
    int rc = tg_book_read(store, wait_ms, &book, e);

    *look = (struct tg_weeks_look) {.weeks = 0};
    if (rc)
        return rc;
    if (book.n && tg_run_rows(store, wait_ms, &rows, &l.n_rows, NULL)) /* that runs can't be read is another check's to tell */
        l.n_rows = 0;
    l.rows = rows;
    rc = look_at(&l, &book, now_ms, e);
    free(rows);
    tg_book_release(&book);
    return rc;
}
