/* Whether booked weeks can be read: see weeks_look.h. */
#include "cli/weeks_look.h"

#include "calendar/book_marks.h"

static int read_week(struct tg_store *store, const struct tg_booked *booked, int64_t wait_ms, struct tg_error *e)
{
    struct tg_marks marks = {.version = -1};
    struct tg_week *week = NULL;
    int rc = tg_book_load(store, booked, wait_ms, &week, e);

    if (!rc)
        rc = tg_marks_read(store, booked, week, wait_ms, &marks, e);
    tg_marks_release(&marks);
    tg_week_free(week);
    return rc;
}

int tg_weeks_look(struct tg_store *store, int64_t now_ms, int64_t wait_ms, struct tg_buf *out, struct tg_weeks_look *look, struct tg_error *e)
{
    struct tg_book book;
    int rc = tg_book_read(store, wait_ms, &book, e);

    *look = (struct tg_weeks_look) {.weeks = 0};
    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < book.n; i++) {
        const struct tg_booked *b = &book.weeks[i];
        struct tg_error why = TG_ERROR_INIT;
        if (b->cancelled || now_ms >= b->until_ms + TG_MARK_LATER_MS)
            continue;
        look->weeks++;
        rc = read_week(store, b, wait_ms, &why);
        if (rc == TG_E_UNKNOWN || rc == TG_E_DATA) {
            look->bad++;
            tg_buf_printf(out, "    %s: %s\n", b->id, why.message);
            rc = 0;
        } else if (rc) {
            tg_fail(e, rc, "week %s: %s", b->id, why.message);
            tg_error_hint(e, "%s", why.hint);
        }
    }
    tg_book_release(&book);
    return rc;
}
