/* The handles by which a test makes the store in memory misbehave: see memory.h. */
#include "store/memory_internal.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static struct memory *memories;

struct tg_memory_snapshot {
    struct tg_mtree tree;
    int64_t txid;
};

struct memory *tg_memory_find(const char *name)
{
    struct memory *m = memories;

    while (m && strcmp(m->name, name) != 0)
        m = m->next;
    return m;
}

int tg_memory_get(const char *name, struct memory **out, struct tg_error *e)
{
    struct memory *m = tg_memory_find(name);

    if (!name[0] || strlen(name) > 64) {
        tg_fail(e, TG_E_CONFIG, "\"memory:%.70s\" is no store's URL: a name of 1 to 64 bytes is missing", name);
        return TG_E_CONFIG;
    }
    if (!m) {
        m = calloc(1, sizeof *m);
        if (!m || !(m->name = strdup(name)) || tg_mtree_init(&m->tree, e)) {
            if (m)
                free(m->name);
            free(m);
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        }
        m->next = memories;
        memories = m;
    }
    *out = m;
    return 0;
}

void tg_memory_forget(const char *name)
{
    struct memory **at = &memories, *m;

    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    m = *at;
    if (!m || m->sessions)
        return;
    tg_memory_faults_clear(name);
    *at = m->next;
    for (struct mghost *g = m->ghosts, *next; g; g = next) {
        next = g->next;
        free(g);
    }
    tg_mtree_release(&m->tree);
    free(m->name);
    free(m);
}

int64_t tg_memory_txid(const char *name)
{
    const struct memory *m = tg_memory_find(name);

    return m ? m->txid : 0;
}

int tg_memory_fault_add(const char *name, const struct tg_memory_fault *fault, struct tg_error *e)
{
    struct memory *m = NULL;
    int rc = tg_memory_get(name, &m, e);

    if (rc)
        return rc;
    struct mfault **at = &m->faults, *f = calloc(1, sizeof *f);
    if (!f || (fault->path && !(f->path = strdup(fault->path)))) {
        free(f);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    f->is = *fault;
    f->is.path = f->path;
    f->is.nth = fault->nth > 0 ? fault->nth : 1;
    f->is.times = fault->times ? fault->times : 1;
    while (*at)
        at = &(*at)->next;
    *at = f;
    return 0;
}

void tg_memory_faults_clear(const char *name)
{
    struct memory *m = tg_memory_find(name);

    while (m && m->faults) {
        struct mfault *f = m->faults;
        m->faults = f->next;
        free(f->path);
        free(f);
    }
}

static bool fault_matches(const struct mfault *f, const struct tg_store_impl *s, const struct mitem *item)
{
    if (f->is.times == 0 || (f->is.verbs && !(f->is.verbs & item->verb)))
        return false;
    if (f->is.session && tg_store_impl_of(f->is.session) != s)
        return false;
    if (!f->path)
        return true;
    if (item->path)
        return fnmatch(f->path, item->path, 0) == 0;
    for (size_t i = 0; i < item->n_ops; i++)
        if (fnmatch(f->path, item->ops[i].path, 0) == 0)
            return true;
    return false;
}

const struct tg_memory_fault *tg_memory_fault_for(struct tg_store_impl *s, const struct mitem *item)
{
    const struct tg_memory_fault *found = NULL;

    for (struct mfault *f = s->memory->faults; f; f = f->next) {
        if (!fault_matches(f, s, item))
            continue;
        if (f->is.nth > 1) {
            f->is.nth--;
        } else if (!found) {
            if (f->is.times > 0)
                f->is.times--;
            found = &f->is;
        }
    }
    return found;
}

void tg_memory_disconnect(struct tg_store *store)
{
    struct tg_store_impl *s = tg_store_impl_of(store);

    if (s->cut_off || s->state == TG_SESSION_EXPIRED)
        return;
    s->cut_off = true;
    tg_timer_start(s->expiry, s->session_ms);
    if (s->state == TG_SESSION_CONNECTED)
        tg_memory_set_state(s, TG_SESSION_CONNECTING, NULL);
    tg_memory_break(s);
}

void tg_memory_reconnect(struct tg_store *store)
{
    struct tg_store_impl *s = tg_store_impl_of(store);

    if (!s->cut_off)
        return;
    s->cut_off = false;
    tg_timer_stop(s->expiry);
    tg_timer_start(s->pump, 0);
}

void tg_memory_expire(struct tg_store *store)
{
    struct tg_store_impl *s = tg_store_impl_of(store);

    if (s->expired)
        return;
    s->expired = true;
    tg_memory_expire_at_server(s->memory, s->id);
    tg_timer_start(s->pump, 0);
}

void tg_memory_haunt(struct tg_store_impl *s)
{
    struct mghost **at = &s->memory->ghosts, *g = calloc(1, sizeof *g);

    if (!g)
        abort();
    g->id = s->id;
    g->due_ms = tg_mono_ms(tg_loop_clock(s->loop)) + s->session_ms;
    while (*at && (*at)->due_ms <= g->due_ms)
        at = &(*at)->next;
    g->next = *at;
    *at = g;
    for (struct tg_store_impl *other = s->memory->sessions; other; other = other->next)
        if (other != s)
            tg_timer_start(other->reaper, s->memory->ghosts->due_ms - tg_mono_ms(tg_loop_clock(other->loop)));
}

void tg_memory_kill(struct tg_store *store)
{
    tg_memory_disconnect(store);
    tg_store_close(store);
}

void tg_memory_reap_due(struct memory *m, int64_t now_ms)
{
    while (m->ghosts && m->ghosts->due_ms <= now_ms) {
        struct mghost *g = m->ghosts;
        m->ghosts = g->next;
        tg_memory_expire_at_server(m, g->id);
        free(g);
    }
}

void tg_memory_reap(const char *name)
{
    struct memory *m = tg_memory_find(name);

    if (m)
        tg_memory_reap_due(m, INT64_MAX);
}

static int reset_view(struct tg_store_impl *s, struct tg_error *e)
{
    struct tg_mtree view;
    int rc = tg_mtree_copy(&s->memory->tree, &view, e);

    if (rc)
        return rc;
    tg_memory_view_release(s);
    s->view = view;
    s->view_txid = s->memory->txid;
    return 0;
}

int tg_memory_lag(struct tg_store *store, size_t transactions, struct tg_error *e)
{
    struct tg_store_impl *s = tg_store_impl_of(store);
    int rc = 0;

    if (s->lag)
        tg_memory_catch_up(s, transactions);
    if (transactions && !s->lag)
        rc = reset_view(s, e);
    else if (!transactions && s->lag)
        tg_memory_view_release(s);
    if (!rc)
        s->lag = transactions;
    return rc;
}

void tg_memory_latency(struct tg_store *store, int64_t request_ms, int64_t answer_ms)
{
    struct tg_store_impl *s = tg_store_impl_of(store);

    s->request_ms = request_ms;
    s->answer_ms = answer_ms;
}

uint64_t tg_memory_requests(const struct tg_store *store)
{
    return tg_store_impl_of(store)->requests;
}

int tg_memory_snapshot(const char *name, struct tg_memory_snapshot **out, struct tg_error *e)
{
    const struct memory *m = tg_memory_find(name);
    struct tg_memory_snapshot *snap = calloc(1, sizeof *snap);

    if (!m || !snap || tg_mtree_copy(&m->tree, &snap->tree, e)) {
        free(snap);
        return tg_fail(e, m ? TG_E_MEMORY : TG_E_NOENT, "memory:%s: no snapshot", name);
    }
    snap->txid = m->txid;
    *out = snap;
    return 0;
}

void tg_memory_snapshot_free(struct tg_memory_snapshot *snapshot)
{
    if (snapshot)
        tg_mtree_release(&snapshot->tree);
    free(snapshot);
}

static bool lives(const struct memory *m, uint64_t id)
{
    for (const struct tg_store_impl *s = m->sessions; s; s = s->next)
        if (s->id == id && !s->expired)
            return true;
    return false;
}

static void drop_dead(struct memory *m)
{
    for (size_t i = 0; i < m->tree.n_buckets; i++)
        for (struct tg_mnode *n = m->tree.buckets[i], *next; n; n = next) {
            next = n->hash_next;
            if (n->stat.owner && !lives(m, n->stat.owner))
                tg_mtree_remove(&m->tree, n);
        }
}

int tg_memory_restore(const char *name, const struct tg_memory_snapshot *snapshot, struct tg_error *e)
{
    struct memory *m = tg_memory_find(name);
    struct tg_mtree tree;
    int rc = m ? tg_mtree_copy(&snapshot->tree, &tree, e) : tg_fail(e, TG_E_NOENT, "memory:%s: no such tree", name);

    if (rc)
        return rc;
    tg_mtree_release(&m->tree);
    m->tree = tree;
    m->txid = snapshot->txid;
    drop_dead(m);
    for (struct tg_store_impl *s = m->sessions; s && !rc; s = s->next)
        if (s->lag)
            rc = reset_view(s, e);
    return rc;
}

int tg_memory_drop(const char *name, const char *path, struct tg_error *e)
{
    struct memory *m = tg_memory_find(name);
    struct tg_mnode *n = m && path[1] ? tg_mtree_find(&m->tree, path) : NULL;

    if (!n)
        return tg_refuse_noent(path, e);
    tg_mtree_remove(&m->tree, n);
    for (struct tg_store_impl *s = m->sessions; s; s = s->next)
        if (s->lag)
            return reset_view(s, e);
    return 0;
}
