/*
 * The store in memory, the server's side: see memory.h. Requests wait in a queue to the server, are carried out in their order, and
 * their answers wait in a queue back, in one order with the events of watches; a timer on the session's loop moves both.
 */
#include "store/memory_internal.h"

#include <stdlib.h>
#include <string.h>

void tg_memory_push(struct mqueue *q, struct mitem *item)
{
    item->next = NULL;
    *q->last = item;
    q->last = &item->next;
}

struct mitem *tg_memory_pop(struct mqueue *q)
{
    struct mitem *item = q->first;

    if (item && (q->first = item->next) == NULL)
        q->last = &q->first;
    return item;
}

static int64_t now_of(const struct tg_store_impl *s)
{
    return tg_mono_ms(tg_loop_clock(s->loop));
}

void tg_memory_free_item(struct mitem *item)
{
    free(item->path);
    free(item->ops);
    tg_node_release(&item->node);
    for (size_t i = 0; i < item->n_names; i++)
        free(item->names[i]);
    free(item->names);
    free(item);
}

/* Answers an item, and frees it. */
static void answer(struct mitem *item)
{
    struct tg_store_reply r = {.code = item->error.code, .error = &item->error, .stat = item->node.stat, .data = item->node.data ? item->node.data : "",
                               .len = item->node.len, .names = (const char *const *) item->names, .n_names = item->n_names,
                               .failed_op = item->failed_op, .txid = item->txid,
                               .own_txid = item->verb == TG_MEMORY_MULTI && !item->error.code ? item->txid : 0};

    item->fn(item->data, &r);
    tg_memory_free_item(item);
}

void tg_memory_drop_watch(struct tg_store_impl *s, tg_watch_fn fn, const void *data)
{
    for (struct mwatch **w = &s->watches; *w;) {
        struct mwatch *gone = *w;
        if (gone->fn != fn || gone->data != data) {
            w = &gone->next;
            continue;
        }
        *w = gone->next;
        free(gone->path);
        free(gone);
    }
}

static void answer_error(struct tg_store_impl *s, struct mitem *item, int code, const char *what)
{
    if (item->watch)
        tg_memory_drop_watch(s, item->watch, item->watch_data);
    tg_error_clear(&item->error);
    tg_fail(&item->error, code, "memory:%s: %s", s->memory->name, what);
    item->failed_op = -1;
    answer(item);
}

void tg_memory_start_pump(struct tg_store_impl *s)
{
    int64_t now = now_of(s), due = INT64_MAX;

    if (s->back.first && (!s->cut_off || s->expired))
        due = s->back.first->due_ms;
    if (s->out.first && !s->cut_off && s->out.first->due_ms < due)
        due = s->out.first->due_ms;
    if (due != INT64_MAX)
        tg_timer_start(s->pump, due > now ? due - now : 0);
}

static void queue_event(struct tg_store_impl *s, struct mwatch *w, enum tg_watch_event event)
{
    struct mitem *item = calloc(1, sizeof *item);

    if (!item)
        abort(); /* a test's store: an event lost for want of memory would lie to the test */
    item->event = event;
    item->watch = w->fn;
    item->watch_data = w->data;
    item->path = w->path;
    item->due_ms = now_of(s) + s->answer_ms;
    tg_memory_push(&s->back, item);
    free(w);
    tg_memory_start_pump(s);
}

static bool concerns(const struct mwatch *w, const struct tg_mchange *c, enum tg_watch_event *event)
{
    static const enum tg_watch_event events[] = {
        [TG_M_CREATE] = TG_WATCH_CREATED, [TG_M_WRITE] = TG_WATCH_CHANGED, [TG_M_DELETE] = TG_WATCH_DELETED, [TG_M_CHILDREN] = TG_WATCH_CHANGED};

    if (c->kind != TG_M_DELETE && w->of_children != (c->kind == TG_M_CHILDREN))
        return false;
    *event = events[c->kind];
    return strcmp(w->path, c->path) == 0;
}

static void notify(struct tg_store_impl *s, const struct tg_mtxn *txn)
{
    for (size_t i = 0; i < txn->n_changes; i++)
        for (struct mwatch **w = &s->watches; *w;) {
            struct mwatch *fired = *w;
            enum tg_watch_event event;
            if (!concerns(fired, &txn->changes[i], &event)) {
                w = &fired->next;
                continue;
            }
            *w = fired->next;
            queue_event(s, fired, event);
        }
}

void tg_memory_view_release(struct tg_store_impl *s)
{
    for (size_t i = 0; i < s->n_behind; i++)
        tg_mtxn_unref(s->behind[i]);
    s->n_behind = 0;
    tg_mtree_release(&s->view);
}

void tg_memory_catch_up(struct tg_store_impl *s, size_t keep)
{
    size_t n = s->n_behind > keep ? s->n_behind - keep : 0;

    for (size_t i = 0; i < n; i++) {
        if (tg_mtxn_replay(s->behind[i], &s->view, NULL))
            abort();
        s->view_txid = s->behind[i]->txid;
        notify(s, s->behind[i]);
        tg_mtxn_unref(s->behind[i]);
    }
    s->n_behind -= n;
    if (n)
        memmove(s->behind, s->behind + n, s->n_behind * sizeof(*s->behind));
}

static void lag_behind(struct tg_store_impl *s, struct tg_mtxn *txn)
{
    if (s->n_behind == s->cap_behind) {
        size_t cap = s->cap_behind ? s->cap_behind * 2 : 16;
        struct tg_mtxn **behind = realloc(s->behind, cap * sizeof(*behind));
        if (!behind)
            abort();
        s->behind = behind;
        s->cap_behind = cap;
    }
    s->behind[s->n_behind++] = tg_mtxn_ref(txn);
    tg_memory_catch_up(s, s->lag);
}

void tg_memory_commit(struct memory *m, struct tg_mtxn *txn)
{
    m->txid = txn->txid;
    for (struct tg_store_impl *s = m->sessions; s; s = s->next)
        if (s->expired)
            continue;
        else if (s->lag)
            lag_behind(s, txn);
        else
            notify(s, txn);
    tg_mtxn_unref(txn);
}

void tg_memory_expire_at_server(struct memory *m, uint64_t id)
{
    struct tg_mtxn *txn;

    if (tg_mtxn_new(m->txid + 1, &txn, NULL) || tg_mtxn_reap(txn, &m->tree, id, NULL))
        abort();
    tg_memory_commit(m, txn);
}

void tg_memory_set_state(struct tg_store_impl *s, enum tg_session_state state, const struct tg_error *e)
{
    s->state = state;
    if (s->on_session)
        s->on_session(s->data, state, e);
}

/* Answers everything in a queue; events in it go nowhere. */
static void fail_queue(struct tg_store_impl *s, struct mqueue *q, int code, const char *what)
{
    struct mitem *item;

    while ((item = tg_memory_pop(q)) != NULL)
        if (item->verb)
            answer_error(s, item, code, what);
        else
            tg_memory_free_item(item);
}

static void fail_hung(struct tg_store_impl *s, int code, const char *what)
{
    for (struct mitem *item = s->hung, *next; item; item = next) {
        next = item->next;
        answer_error(s, item, code, what);
    }
    s->hung = NULL;
}

void tg_memory_fail_all(struct tg_store_impl *s, int code, const char *what)
{
    fail_queue(s, &s->out, code, what);
    fail_queue(s, &s->back, code, what);
    fail_hung(s, code, what);
}

void tg_memory_break(struct tg_store_impl *s)
{
    struct mqueue sent = {.last = &sent.first}, events = {.last = &events.first};
    struct mitem *item;

    while ((item = tg_memory_pop(&s->back)) != NULL)
        tg_memory_push(item->verb ? &sent : &events, item);
    while ((item = tg_memory_pop(&s->out)) != NULL)
        tg_memory_push(&sent, item);
    while ((item = tg_memory_pop(&events)) != NULL) /* they arrive after the reconnect */
        tg_memory_push(&s->back, item);
    fail_queue(s, &sent, TG_E_LOST, "the connection broke");
    fail_hung(s, TG_E_LOST, "the connection broke");
}

void tg_memory_end(struct tg_store_impl *s)
{
    struct tg_error e = TG_ERROR_INIT;

    s->expired = true;
    tg_fail(&e, TG_E_SESSION, "memory:%s: the session has expired", s->memory->name);
    tg_memory_set_state(s, TG_SESSION_EXPIRED, &e);
    fail_queue(s, &s->out, TG_E_SESSION, "the session has expired");
    fail_hung(s, TG_E_SESSION, "the session has expired");
    struct mitem *item;
    while ((item = tg_memory_pop(&s->back)) != NULL) {
        if (item->verb) {
            answer_error(s, item, TG_E_SESSION, "the session has expired");
            continue;
        }
        item->watch(item->watch_data, item->event, item->path);
        tg_memory_free_item(item);
    }
    while (s->watches) {
        struct mwatch *w = s->watches;
        s->watches = w->next;
        w->fn(w->data, TG_WATCH_LOST, w->path);
        free(w->path);
        free(w);
    }
}

static int arm(struct tg_store_impl *s, const struct mitem *item)
{
    struct mwatch *w = item->watch ? calloc(1, sizeof *w) : NULL;

    if (!item->watch)
        return 0;
    if (!w || !(w->path = strdup(item->path))) {
        free(w);
        return TG_E_MEMORY;
    }
    w->of_children = item->verb == TG_MEMORY_LIST;
    w->fn = item->watch;
    w->data = item->watch_data;
    w->next = s->watches;
    s->watches = w;
    return 0;
}

static int fill(struct mitem *item, const struct tg_mnode *n)
{
    item->node.stat = n->stat;
    if (item->verb == TG_MEMORY_READ) {
        if (!(item->node.data = malloc(n->len + 1)))
            return TG_E_MEMORY;
        memcpy(item->node.data, n->data, n->len + 1);
        item->node.len = n->len;
        return 0;
    }
    item->names = calloc((size_t) n->stat.children + 1, sizeof(*item->names));
    if (!item->names)
        return TG_E_MEMORY;
    for (const struct tg_mnode *c = n->first; c; c = c->next)
        if (!(item->names[item->n_names++] = strdup(strrchr(c->path, '/') + 1)))
            return TG_E_MEMORY;
    return 0;
}

static void carry_out_read(struct tg_store_impl *s, struct mitem *item)
{
    const struct tg_mnode *n = tg_mtree_find(s->lag ? &s->view : &s->memory->tree, item->path);
    int rc = 0;

    item->txid = s->lag ? s->view_txid : s->memory->txid;
    if (!n)
        tg_refuse_noent(item->path, &item->error);
    else
        rc = fill(item, n);
    if (!rc && (n || item->verb == TG_MEMORY_READ))
        rc = arm(s, item);
    if (rc)
        tg_fail(&item->error, rc, "out of memory");
}

static void carry_out_multi(struct tg_store_impl *s, struct mitem *item)
{
    struct memory *m = s->memory;
    struct tg_mtxn *txn;
    int64_t wall = tg_wall_ms(tg_loop_clock(s->loop));

    item->failed_op = -1;
    if (tg_mtxn_new(m->txid + 1, &txn, &item->error))
        return;
    for (size_t i = 0; i < item->n_ops; i++)
        if (tg_mtxn_op(txn, &m->tree, &item->ops[i], s->id, wall, &item->error)) {
            item->failed_op = (int) i;
            tg_mtxn_revert(txn, &m->tree);
            tg_mtxn_unref(txn);
            item->txid = m->txid;
            return;
        }
    item->txid = txn->txid;
    tg_memory_commit(m, txn);
    tg_memory_catch_up(s, 0);
}

static void carry_out(struct tg_store_impl *s, struct mitem *item)
{
    tg_memory_reap_due(s->memory, now_of(s));
    if (item->verb == TG_MEMORY_MULTI)
        carry_out_multi(s, item);
    else if (item->verb == TG_MEMORY_SYNC)
        tg_memory_catch_up(s, 0);
    else
        carry_out_read(s, item);
    if (item->verb == TG_MEMORY_SYNC)
        item->txid = s->memory->txid;
}

static void back(struct tg_store_impl *s, struct mitem *item)
{
    item->due_ms = now_of(s) + s->answer_ms + item->extra_ms;
    tg_memory_push(&s->back, item);
}

static void hang(struct tg_store_impl *s, struct mitem *item)
{
    item->next = s->hung;
    s->hung = item;
}

/* One request has arrived at the server. */
static void arrive(struct tg_store_impl *s, struct mitem *item)
{
    const struct tg_memory_fault *f = item->faulted ? NULL : tg_memory_fault_for(s, item);
    enum tg_memory_action action = f ? f->action : TG_MEMORY_DELAY;
    int64_t delay_ms = f ? f->delay_ms : 0;

    item->faulted = true;
    if (action == TG_MEMORY_DELAY && delay_ms > 0) { /* it was not there yet: back to the head of the queue */
        item->due_ms = now_of(s) + delay_ms;
        if ((item->next = s->out.first) == NULL)
            s->out.last = &item->next;
        s->out.first = item;
        return;
    }
    if (action == TG_MEMORY_EXPIRE) {
        tg_memory_expire_at_server(s->memory, s->id);
        hang(s, item);
        tg_memory_end(s);
        return;
    }
    if (action == TG_MEMORY_FAIL)
        tg_fail(&item->error, f->code, "%s: a fault as asked for", item->path ? item->path : item->ops[0].path);
    else if (action != TG_MEMORY_LOSE_REQUEST && action != TG_MEMORY_HANG)
        carry_out(s, item);
    item->extra_ms = action == TG_MEMORY_DELAY_ANSWER ? delay_ms : 0;
    if (action == TG_MEMORY_HANG || action == TG_MEMORY_HANG_ANSWER) {
        hang(s, item);
    } else if (action == TG_MEMORY_LOSE_REQUEST || action == TG_MEMORY_LOSE_ANSWER) {
        tg_error_clear(&item->error);
        tg_fail(&item->error, TG_E_LOST, "memory:%s: the connection broke", s->memory->name);
        if (item->watch)
            tg_memory_drop_watch(s, item->watch, item->watch_data);
        item->failed_op = -1;
        item->txid = 0;
        back(s, item);
    } else {
        back(s, item);
        if (action == TG_MEMORY_DISCONNECT) {
            s->cut_off = true;
            tg_timer_start(s->expiry, s->session_ms);
            tg_memory_set_state(s, TG_SESSION_CONNECTING, NULL);
            tg_memory_break(s);
        }
    }
}

static void deliver(struct tg_store_impl *s, struct mitem *item)
{
    if (!item->verb) {
        item->watch(item->watch_data, item->event, item->path);
        tg_memory_free_item(item);
        return;
    }
    if (item->sent_ms > s->proven_ms && item->error.code != TG_E_LOST)
        s->proven_ms = item->sent_ms;
    answer(item);
}

void tg_memory_on_pump(void *data)
{
    struct tg_store_impl *s = data;
    int64_t now = now_of(s);

    if (s->cut_off)
        return;
    if (s->expired && s->state != TG_SESSION_EXPIRED) {
        tg_memory_end(s);
        return;
    }
    if (s->state == TG_SESSION_CONNECTING) {
        s->proven_ms = now;
        tg_memory_set_state(s, TG_SESSION_CONNECTED, NULL);
    }
    while (!s->cut_off && s->out.first && s->out.first->due_ms <= now)
        arrive(s, tg_memory_pop(&s->out));
    while (!s->cut_off && s->back.first && s->back.first->due_ms <= now)
        deliver(s, tg_memory_pop(&s->back));
    tg_memory_start_pump(s);
}

