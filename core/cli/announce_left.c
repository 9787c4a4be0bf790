/* What is not told, and why: see announce_left.h. */
#include "cli/announce_left.h"

#include "calendar/announce_store.h"

#define LINES_MAX 12

struct looking {
    struct tg_buf *out;
    struct tg_announce_left *left;
};

static int look_at(void *data, const char *path, struct tg_thread *t, const struct tg_error *unknown, struct tg_error *e)
{
    struct looking *l = data;
    char name[TG_THREAD_NAME_SIZE];
    const struct tg_recipient *refused = NULL;

    (void) path, (void) unknown, (void) e;
    l->left->bad += !t;
    l->left->open += t != NULL;
    for (size_t i = 0; t && t->message && i < t->message->n_recipients; i++) {
        const struct tg_recipient *r = &t->message->recipients[i];
        if (r->state == TG_RECIPIENT_REFUSED)
            refused = r;
        else if (r->state == TG_RECIPIENT_WAITING && r->since_ms && (!l->left->tried_ms || r->since_ms < l->left->tried_ms))
            l->left->tried_ms = r->since_ms;
    }
    if (refused && l->left->refused++ < LINES_MAX) {
        tg_thread_name(t->source, t->customer, t->lane, name);
        tg_buf_printf(l->out, "    %s, %s: %s\n        tagout announce retry %s, or: tagout announce drop %s --reason TEXT\n", t->customer, refused->to, refused->text, name, name);
    }
    tg_thread_free(t);
    return 0;
}

int tg_announce_left(struct tg_store *store, int64_t wait_ms, struct tg_buf *out, struct tg_announce_left *left, struct tg_error *e)
{
    struct tg_announce_left found = {.notes = 0};
    struct looking l = {out, &found};
    struct tg_announce_place p;
    struct tg_announce_paths paths = {.v = NULL};
    int rc = tg_announce_begin(store, wait_ms, &p, e);

    if (!rc)
        rc = tg_announce_waiting(&p, &found.notes, &found.notes_ms, e);
    if (!rc)
        rc = tg_announce_list(&p, TG_ANNOUNCE_OPEN, &paths, e);
    if (!rc)
        rc = tg_announce_each(&p, &paths, look_at, &l, e);
    tg_announce_paths_release(&paths);
    *left = found;
    return rc;
}
