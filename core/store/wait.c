/*
 * The store's generic layer, second half: verbs that wait. See tagout/store.h.
 *
 * What an answer is written into lives on the heap, and belongs to the waiter until it gives up, then to the answer: a call whose
 * deadline passed leaves nothing behind that a late answer could write into.
 */
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

/* A read may meet a server that goes; more than this many times in one call, and the reader should hear of it. */
#define READ_TRIES 4
/* Requests of tg_store_read_many() under way at a time: enough to hide any round trip, bounded in memory. */
#define WINDOW 256

struct answer {
    bool done, abandoned;
    bool want_names;
    int failed_op;
    int64_t own_txid;
    struct tg_error error; /* code 0: it went well */
    struct tg_node node;
    struct tg_names names;
};

void tg_node_release(struct tg_node *node)
{
    free(node->data);
    *node = (struct tg_node) {0};
}

void tg_names_release(struct tg_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    *names = (struct tg_names) {0};
}

static void free_answer(struct answer *a)
{
    tg_node_release(&a->node);
    tg_names_release(&a->names);
    free(a);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static int copy_node(const struct tg_store_reply *r, struct tg_node *out)
{
    char *data = malloc(r->len + 1);

    if (!data)
        return TG_E_MEMORY;
    if (r->len)
        memcpy(data, r->data, r->len);
    data[r->len] = '\0';
    *out = (struct tg_node) {.data = data, .len = r->len, .stat = r->stat};
    return 0;
}

static int copy_names(const struct tg_store_reply *r, struct tg_names *out)
{
    struct tg_names n = {.stat = r->stat};

    n.names = calloc(r->n_names + 1, sizeof *n.names);
    if (!n.names)
        return TG_E_MEMORY;
    for (; n.count < r->n_names; n.count++)
        if (!(n.names[n.count] = strdup(r->names[n.count]))) {
            tg_names_release(&n);
            return TG_E_MEMORY;
        }
    if (n.count)
        qsort(n.names, n.count, sizeof *n.names, by_bytes);
    *out = n;
    return 0;
}

static void on_answer(void *data, const struct tg_store_reply *r)
{
    struct answer *a = data;

    if (a->abandoned) {
        free_answer(a);
        return;
    }
    a->done = true;
    a->failed_op = r->failed_op;
    a->own_txid = r->own_txid;
    if (r->code) {
        if (r->error)
            a->error = *r->error;
        tg_fail(&a->error, r->code, "the store answered \"%s\"", tg_code_name(r->code));
        return;
    }
    if (a->want_names ? copy_names(r, &a->names) : copy_node(r, &a->node))
        tg_fail(&a->error, TG_E_MEMORY, "out of memory");
}

static struct answer *new_answer(struct tg_error *e)
{
    struct answer *a = calloc(1, sizeof *a);

    if (!a)
        tg_fail(e, TG_E_MEMORY, "out of memory");
    else
        a->failed_op = -1;
    return a;
}

/* The waiter goes: frees what came, or leaves it to the answer. */
static void give_up(struct answer *a)
{
    if (a->done)
        free_answer(a);
    else
        a->abandoned = true;
}

static int copy_error(struct tg_error *e, const struct tg_error *from)
{
    if (e && !e->code)
        *e = *from;
    return from->code;
}

int64_t tg_store_deadline(struct tg_store *s, int64_t from_now_ms)
{
    return tg_mono_ms(tg_loop_clock(tg_store_loop(s))) + from_now_ms;
}

static int64_t left_ms(struct tg_store *s, int64_t deadline)
{
    return deadline - tg_mono_ms(tg_loop_clock(tg_store_loop(s)));
}

/* One turn of the loop, towards the deadline. */
static int turn(struct tg_store *s, int64_t deadline, const char *what, struct tg_error *e)
{
    int64_t left = left_ms(s, deadline);

    if (left <= 0) {
        const char *why = tg_store_trouble(s);
        tg_fail(e, TG_E_TIMEOUT, "%s: %s in time%s%s", tg_store_url(s), what, why[0] ? ": " : "", why);
        tg_error_hint(e, "is the store up, and can it be reached from here?");
        return TG_E_TIMEOUT;
    }
    if (tg_loop_turn(tg_store_loop(s), left) == TG_E_CANCELLED)
        return tg_fail(e, TG_E_CANCELLED, "interrupted");
    return 0;
}

int tg_store_connect(struct tg_store *s, int64_t deadline, struct tg_error *e)
{
    int rc = 0;

    while (!rc) {
        rc = tg_store_usable(s, e);
        if (rc || tg_store_state(s) == TG_SESSION_CONNECTED)
            return rc;
        rc = turn(s, deadline, "no connection", e);
    }
    return rc;
}

static int await(struct tg_store *s, struct answer *a, int64_t deadline, struct tg_error *e)
{
    int rc = 0;

    while (!a->done && !rc)
        rc = turn(s, deadline, "no answer", e);
    return a->done ? 0 : rc;
}

/* A verb on one path, once. On success *out is the answer, freed by the caller. */
static int once(struct tg_store *s, enum tg_store_verb verb, const char *path, tg_watch_fn watch, void *watch_data,
                int64_t deadline, struct answer **out, struct tg_error *e)
{
    struct tg_store_watch *set = NULL;
    int rc = tg_store_path_check(path, e);

    if (rc || (rc = tg_store_connect(s, deadline, e)) != 0)
        return rc;
    struct answer *a = new_answer(e);
    if (!a)
        return TG_E_MEMORY;
    a->want_names = verb == TG_VERB_LIST;
    if ((rc = tg_store_start(s, verb, path, watch, watch_data, on_answer, a, &set, e)) != 0) {
        free_answer(a);
        return rc;
    }
    if ((rc = await(s, a, deadline, e)) != 0) {
        tg_store_watch_drop(set);
        give_up(a);
        return rc;
    }
    if (a->error.code) {
        rc = copy_error(e, &a->error);
        free_answer(a);
        return rc;
    }
    *out = a;
    return 0;
}

/* The same, again while the connection breaks. */
static int again(struct tg_store *s, enum tg_store_verb verb, const char *path, tg_watch_fn watch, void *watch_data,
                 int64_t deadline, struct answer **out, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    int rc = 0;

    for (int i = 0; i < READ_TRIES; i++) {
        tg_error_clear(&own);
        rc = once(s, verb, path, watch, watch_data, deadline, out, &own);
        if (rc != TG_E_LOST)
            break;
    }
    if (rc)
        copy_error(e, &own);
    return rc;
}

int tg_store_read_watch(struct tg_store *s, const char *path, tg_watch_fn watch, void *watch_data, int64_t deadline,
                        struct tg_node *out, struct tg_error *e)
{
    struct answer *a;
    int rc = again(s, TG_VERB_READ, path, watch, watch_data, deadline, &a, e);

    if (rc)
        return rc;
    *out = a->node;
    a->node = (struct tg_node) {0};
    free_answer(a);
    return 0;
}

int tg_store_read(struct tg_store *s, const char *path, int64_t deadline, struct tg_node *out, struct tg_error *e)
{
    return tg_store_read_watch(s, path, NULL, NULL, deadline, out, e);
}

int tg_store_list_watch(struct tg_store *s, const char *path, tg_watch_fn watch, void *watch_data, int64_t deadline,
                        struct tg_names *out, struct tg_error *e)
{
    struct answer *a;
    int rc = again(s, TG_VERB_LIST, path, watch, watch_data, deadline, &a, e);

    if (rc)
        return rc;
    *out = a->names;
    a->names = (struct tg_names) {0};
    free_answer(a);
    return 0;
}

int tg_store_list(struct tg_store *s, const char *path, int64_t deadline, struct tg_names *out, struct tg_error *e)
{
    return tg_store_list_watch(s, path, NULL, NULL, deadline, out, e);
}

int tg_store_sync(struct tg_store *s, const char *path, int64_t deadline, struct tg_error *e)
{
    struct answer *a;
    int rc = again(s, TG_VERB_SYNC, path, NULL, NULL, deadline, &a, e);

    if (!rc)
        free_answer(a);
    return rc;
}

int tg_store_multi(struct tg_store *s, const struct tg_op *ops, size_t n_ops, int64_t deadline, int *out_failed_op,
                   struct tg_error *e)
{
    int rc;

    if (out_failed_op)
        *out_failed_op = -1;
    if ((rc = tg_store_connect(s, deadline, e)) != 0)
        return rc;
    struct answer *a = new_answer(e);
    if (!a)
        return TG_E_MEMORY;
    if ((rc = tg_store_multi_async(s, ops, n_ops, on_answer, a, e)) != 0) {
        free_answer(a);
        return rc;
    }
    if ((rc = await(s, a, deadline, e)) != 0) {
        give_up(a);
        return rc;
    }
    if (a->error.code) {
        rc = copy_error(e, &a->error);
        if (out_failed_op)
            *out_failed_op = a->failed_op;
    }
    free_answer(a);
    return rc;
}

static int one_op(struct tg_store *s, struct tg_op op, int64_t deadline, struct tg_error *e)
{
    return tg_store_multi(s, &op, 1, deadline, NULL, e);
}

int tg_store_create(struct tg_store *s, const char *path, const void *value, size_t len, unsigned flags,
                    int64_t deadline, struct tg_error *e)
{
    return one_op(s, (struct tg_op) {.kind = TG_OP_CREATE, .path = path, .data = value, .len = len, .flags = flags}, deadline, e);
}

int tg_store_write(struct tg_store *s, const char *path, const void *value, size_t len, int64_t version,
                   int64_t deadline, struct tg_error *e)
{
    return one_op(s, (struct tg_op) {.kind = TG_OP_WRITE, .path = path, .data = value, .len = len, .version = version}, deadline, e);
}

int tg_store_delete(struct tg_store *s, const char *path, int64_t version, int64_t deadline, struct tg_error *e)
{
    return one_op(s, (struct tg_op) {.kind = TG_OP_DELETE, .path = path, .version = version}, deadline, e);
}

void tg_read_items_release(struct tg_read_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tg_node_release(&items[i].node);
        tg_names_release(&items[i].names);
        items[i].code = 0;
    }
}

/* Moves an answer into its item. The answer is gone afterwards. */
static int take(struct tg_read_item *item, struct answer *a, struct tg_error *e)
{
    int rc = a->error.code;

    item->code = rc == TG_E_NOENT ? rc : 0;
    item->node = a->node;
    item->names = a->names;
    a->node = (struct tg_node) {0};
    a->names = (struct tg_names) {0};
    if (rc && rc != TG_E_NOENT)
        copy_error(e, &a->error);
    free_answer(a);
    return rc == TG_E_NOENT ? 0 : rc;
}

static struct answer *send_item(struct tg_store *s, const struct tg_read_item *item, struct tg_error *e)
{
    struct answer *a = new_answer(e);

    if (!a)
        return NULL;
    a->want_names = item->want_names;
    if (tg_store_start(s, item->want_names ? TG_VERB_LIST : TG_VERB_READ, item->path, NULL, NULL, on_answer, a, NULL, e)) {
        free_answer(a);
        return NULL;
    }
    return a;
}

static int many_once(struct tg_store *s, struct tg_read_item *items, size_t count, int64_t deadline, struct tg_error *e)
{
    struct answer *ring[WINDOW];
    size_t sent = 0, taken = 0;
    int rc = tg_store_connect(s, deadline, e);

    while (!rc && taken < count) {
        while (!rc && sent < count && sent - taken < WINDOW) {
            if ((ring[sent % WINDOW] = send_item(s, &items[sent], e)) == NULL)
                rc = e->code;
            else
                sent++;
        }
        if (!rc && !(rc = await(s, ring[taken % WINDOW], deadline, e))) {
            rc = take(&items[taken], ring[taken % WINDOW], e);
            taken++;
        }
    }
    for (; taken < sent; taken++)
        give_up(ring[taken % WINDOW]);
    return rc;
}

int tg_store_read_many(struct tg_store *s, struct tg_read_item *items, size_t count, int64_t deadline, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    int rc = 0;

    for (size_t i = 0; i < count; i++) {
        items[i].node = (struct tg_node) {0};
        items[i].names = (struct tg_names) {0};
    }
    for (int i = 0; i < READ_TRIES; i++) {
        tg_error_clear(&own);
        rc = many_once(s, items, count, deadline, &own);
        if (!rc)
            return 0;
        tg_read_items_release(items, count);
        if (rc != TG_E_LOST)
            break;
    }
    return copy_error(e, &own);
}

static struct answer *send_multi(struct tg_store *s, const struct tg_multi *m, struct tg_error *e)
{
    struct answer *a = new_answer(e);

    if (a && tg_store_multi_async(s, m->ops, m->n_ops, on_answer, a, e) != 0) {
        free_answer(a);
        a = NULL;
    }
    return a;
}

/* Sends all of it; a slot that is NULL was not sent, because an earlier one could not be. */
static int send_all(struct tg_store *s, const struct tg_exchange *x, struct answer **answers, struct tg_error *e)
{
    for (size_t i = 0; i < x->n_multis; i++)
        if (!(answers[i] = send_multi(s, &x->multis[i], e)))
            return TG_E_FAILED;
    for (size_t i = 0; i < x->n_items; i++)
        if (!(answers[x->n_multis + i] = send_item(s, &x->items[i], e)))
            return TG_E_FAILED;
    return 0;
}

static bool of_connection(int code)
{
    return code == TG_E_LOST || code == TG_E_TIMEOUT || code == TG_E_SESSION || code == TG_E_CANCELLED;
}

static void take_multi(struct tg_multi *m, struct answer *a, int rc, const struct tg_error *trouble)
{
    m->txid = a && a->done ? a->own_txid : 0;
    m->error = a && a->done ? a->error : *trouble;
    m->code = a && a->done ? a->error.code : a && !of_connection(rc) ? TG_E_LOST : rc; /* sent, and not answered: nobody knows */
    if (a)
        give_up(a);
}

int tg_store_exchange(struct tg_store *s, struct tg_exchange *x, int64_t deadline, struct tg_error *e)
{
    size_t n = x->n_multis + x->n_items;
    struct tg_error why = TG_ERROR_INIT;
    struct answer **answers = calloc(n + 1, sizeof(struct answer *));
    int rc = answers ? tg_store_connect(s, deadline, &why) : tg_fail(&why, TG_E_MEMORY, "out of memory");

    for (size_t i = 0; i < x->n_items; i++) {
        x->items[i].node = (struct tg_node) {0};
        x->items[i].names = (struct tg_names) {0};
    }
    if (!rc && send_all(s, x, answers, &why) != 0)
        rc = why.code;
    if (!rc && x->meanwhile) {
        (void) tg_loop_turn(tg_store_loop(s), 0); /* on the wire; an interruption is met below */
        x->meanwhile(x->data);
    }
    for (size_t i = 0; !rc && i < n; i++)
        rc = await(s, answers[i], deadline, &why);
    for (size_t i = 0; i < x->n_multis; i++) {
        take_multi(&x->multis[i], answers ? answers[i] : NULL, rc, &why);
        if (!rc && of_connection(x->multis[i].code))
            rc = copy_error(&why, &x->multis[i].error);
    }
    for (size_t i = 0; answers && i < x->n_items; i++) {
        struct answer *a = answers[x->n_multis + i];
        if (!rc)
            rc = take(&x->items[i], a, &why);
        else if (a)
            give_up(a);
    }
    if (rc)
        tg_read_items_release(x->items, x->n_items);
    free(answers);
    return rc ? copy_error(e, &why) : 0;
}
