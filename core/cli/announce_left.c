/* What is not told, and why: see announce_left.h. */
#include "cli/announce_left.h"

#include "calendar/announce_store.h"

#define LINES_MAX 12

static void look_at(const struct tg_thread *t, struct tg_buf *out, struct tg_announce_left *left)
{
    char name[TG_THREAD_NAME_SIZE];
    const struct tg_recipient *refused = NULL;

    left->open++;
    for (size_t i = 0; t->message && i < t->message->n_recipients; i++) {
        const struct tg_recipient *r = &t->message->recipients[i];
        if (r->state == TG_RECIPIENT_REFUSED)
            refused = r;
        else if (r->state == TG_RECIPIENT_WAITING && r->since_ms && (!left->tried_ms || r->since_ms < left->tried_ms))
            left->tried_ms = r->since_ms;
    }
    if (!refused || left->refused++ >= LINES_MAX)
        return;
    tg_thread_name(t->source, t->customer, name);
    tg_buf_printf(out, "    %s, %s: %s\n        tagout announce retry %s, or: tagout announce drop %s --reason TEXT\n", t->customer, refused->to, refused->text, name, name);
}

int tg_announce_left(struct tg_store *store, int64_t wait_ms, struct tg_buf *out, struct tg_announce_left *left, struct tg_error *e)
{
    struct tg_announce_left found = {.notes = 0};
    struct tg_announce_place p;
    struct tg_announce_paths paths = {.v = NULL};
    int rc = tg_announce_begin(store, wait_ms, &p, e);

    if (!rc)
        rc = tg_announce_waiting(&p, &found.notes, &found.notes_ms, e);
    if (!rc)
        rc = tg_announce_list(&p, TG_ANNOUNCE_OPEN, &paths, e);
    for (size_t i = 0; !rc && i < paths.n; i++) {
        struct tg_thread *t;
        struct tg_error why = TG_ERROR_INIT;
        int one = tg_announce_read(&p, paths.v[i], &t, &why);
        found.bad += one == TG_E_UNKNOWN;
        if (!one) {
            look_at(t, out, &found);
            tg_thread_free(t);
        } else if (one != TG_E_NOENT && one != TG_E_UNKNOWN) {
            rc = tg_fail(e, one, "%s", why.message);
        }
    }
    tg_announce_paths_release(&paths);
    *left = found;
    return rc;
}
