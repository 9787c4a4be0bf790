/* The store in memory, the client's side: sessions and the backend's slots. See memory.h. */
#include "store/memory_internal.h"

#include <stdlib.h>
#include <string.h>

static int64_t now_of(const struct tg_store_impl *s)
{
    return tg_mono_ms(tg_loop_clock(s->loop));
}

/* Cut off for too long: the server ends the session; it will hear of it when it is back. */
static void on_expiry(void *data)
{
    struct tg_store_impl *s = data;

    if (s->expired)
        return;
    s->expired = true;
    tg_memory_expire_at_server(s->memory, s->id);
}

static void on_reaper(void *data)
{
    struct tg_store_impl *s = data;

    tg_memory_reap_due(s->memory, now_of(s));
    if (s->memory->ghosts)
        tg_timer_start(s->reaper, s->memory->ghosts->due_ms - now_of(s));
}

static void close_session(struct tg_store_impl *s, int64_t max_wait_ms)
{
    struct memory *m = s->memory;
    struct tg_store_impl **at = &m->sessions;

    s->on_session = NULL;
    while (s->watches)
        tg_memory_drop_watch(s, s->watches->fn, s->watches->data);
    tg_memory_fail_all(s, TG_E_CANCELLED, "closed");
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    if (!s->expired && (s->cut_off || max_wait_ms < 0))
        tg_memory_haunt(s);
    else if (!s->expired)
        tg_memory_expire_at_server(m, s->id);
    if (s->lag)
        tg_memory_view_release(s);
    free(s->behind);
    tg_timer_free(s->pump);
    tg_timer_free(s->expiry);
    tg_timer_free(s->reaper);
    free(s);
}

static int make_session(struct memory *m, const struct tg_store_options *o, struct tg_store_impl **out, struct tg_error *e)
{
    struct tg_store_impl *s = calloc(1, sizeof *s);

    if (!s)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    *s = (struct tg_store_impl) {.memory = m, .loop = o->loop, .on_session = o->on_session, .data = o->data, .session_ms = o->session_ms};
    s->out.last = &s->out.first;
    s->back.last = &s->back.first;
    if (tg_timer_new(s->loop, tg_memory_on_pump, s, &s->pump, e) || tg_timer_new(s->loop, on_expiry, s, &s->expiry, e) ||
        tg_timer_new(s->loop, on_reaper, s, &s->reaper, e)) {
        tg_timer_free(s->pump);
        tg_timer_free(s->expiry);
        free(s);
        return TG_E_MEMORY;
    }
    *out = s;
    return 0;
}

static int open_session(const struct tg_store_options *o, struct tg_store_impl **out, struct tg_error *e)
{
    struct memory *m = NULL;
    struct tg_store_impl *s = NULL;
    int rc = tg_memory_get(strchr(o->url, ':') + 1, &m, e);

    if (rc || (rc = make_session(m, o, &s, e)) != 0)
        return rc;
    s->id = ++m->last_session;
    s->proven_ms = now_of(s);
    s->next = m->sessions;
    m->sessions = s;
    tg_timer_start(s->pump, 0);
    if (m->ghosts)
        tg_timer_start(s->reaper, m->ghosts->due_ms - now_of(s));
    *out = s;
    return 0;
}

static int submit(struct tg_store_impl *s, struct mitem item, const char *path, tg_store_fn fn, void *data, struct tg_error *e)
{
    struct mitem *copy = malloc(sizeof *copy);

    item.path = path ? strdup(path) : NULL;
    if (!copy || (path && !item.path)) {
        free(copy);
        free(item.path);
        free(item.ops);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    item.fn = fn;
    item.data = data;
    item.sent_ms = now_of(s);
    item.due_ms = item.sent_ms + s->request_ms;
    item.failed_op = -1;
    *copy = item;
    s->requests++;
    tg_memory_push(&s->out, copy);
    tg_memory_start_pump(s);
    return 0;
}

static int do_read(struct tg_store_impl *s, const char *path, tg_watch_fn watch, void *watch_data, tg_store_fn fn, void *data, struct tg_error *e)
{
    return submit(s, (struct mitem) {.verb = TG_MEMORY_READ, .watch = watch, .watch_data = watch_data}, path, fn, data, e);
}

static int do_list(struct tg_store_impl *s, const char *path, tg_watch_fn watch, void *watch_data, tg_store_fn fn, void *data, struct tg_error *e)
{
    return submit(s, (struct mitem) {.verb = TG_MEMORY_LIST, .watch = watch, .watch_data = watch_data}, path, fn, data, e);
}

static int do_multi(struct tg_store_impl *s, const struct tg_op *ops, size_t n_ops, tg_store_fn fn, void *data, struct tg_error *e)
{
    struct tg_op *copy = tg_ops_copy(ops, n_ops);

    if (!copy)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    return submit(s, (struct mitem) {.verb = TG_MEMORY_MULTI, .ops = copy, .n_ops = n_ops}, NULL, fn, data, e);
}

static int do_sync(struct tg_store_impl *s, const char *path, tg_store_fn fn, void *data, struct tg_error *e)
{
    return submit(s, (struct mitem) {.verb = TG_MEMORY_SYNC}, path, fn, data, e);
}

static void unwatch(struct tg_store_impl *s, tg_watch_fn watch, void *watch_data)
{
    tg_memory_drop_watch(s, watch, watch_data);
    struct mqueue kept = {.last = &kept.first};
    struct mitem *item;
    while ((item = tg_memory_pop(&s->back)) != NULL)
        if (!item->verb && item->watch == watch && item->watch_data == watch_data)
            tg_memory_free_item(item);
        else
            tg_memory_push(&kept, item);
    while ((item = tg_memory_pop(&kept)) != NULL)
        tg_memory_push(&s->back, item);
    for (item = s->out.first; item; item = item->next)
        if (item->watch == watch && item->watch_data == watch_data)
            item->watch = NULL;
}

static enum tg_session_state get_state(struct tg_store_impl *s)
{
    return s->state;
}

static uint64_t get_session_id(struct tg_store_impl *s)
{
    return s->id;
}

static int64_t get_session_ms(struct tg_store_impl *s)
{
    return s->session_ms;
}

static int64_t get_proven_ms(struct tg_store_impl *s)
{
    return s->proven_ms;
}

const struct tg_store_backend tg_store_memory = {
    .version = TG_STORE_ABI,
    .scheme = "memory",
    .about = "in this process only, for tests",
    .open = open_session,
    .close = close_session,
    .read = do_read,
    .list = do_list,
    .multi = do_multi,
    .sync = do_sync,
    .unwatch = unwatch,
    .state = get_state,
    .session_id = get_session_id,
    .session_ms = get_session_ms,
    .proven_ms = get_proven_ms,
};
