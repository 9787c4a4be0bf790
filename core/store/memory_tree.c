/* A tree of nodes in memory, and transactions on it: see memory_tree.h. */
#include "store/memory_tree.h"

#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash(const char *path, size_t len)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char) path[i]) * UINT64_C(1099511628211);
    return h;
}

static struct tg_mnode *find_len(const struct tg_mtree *t, const char *path, size_t len)
{
    struct tg_mnode *n = t->buckets[hash(path, len) & (t->n_buckets - 1)];

    while (n && (strncmp(n->path, path, len) != 0 || n->path[len]))
        n = n->hash_next;
    return n;
}

struct tg_mnode *tg_mtree_find(const struct tg_mtree *t, const char *path)
{
    return find_len(t, path, strlen(path));
}

static struct tg_mnode *parent_of(const struct tg_mtree *t, const char *path)
{
    return find_len(t, path, tg_path_parent_len(path));
}

static void grow(struct tg_mtree *t)
{
    size_t n = t->n_buckets * 2;
    struct tg_mnode **buckets = calloc(n, sizeof(*buckets));

    if (!buckets)
        return; /* longer chains, nothing worse */
    for (size_t i = 0; i < t->n_buckets; i++)
        for (struct tg_mnode *m = t->buckets[i], *next; m; m = next) {
            next = m->hash_next;
            struct tg_mnode **b = &buckets[hash(m->path, strlen(m->path)) & (n - 1)];
            m->hash_next = *b;
            *b = m;
        }
    free(t->buckets);
    t->buckets = buckets;
    t->n_buckets = n;
}

static char *copy_bytes(const char *data, size_t len)
{
    char *copy = malloc(len + 1);

    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

static void free_node(struct tg_mnode *n)
{
    if (n) {
        free(n->path);
        free(n->data);
        free(n);
    }
}

/* Adds a node below its parent, whose statistics are left alone. NULL: out of memory. */
static struct tg_mnode *add(struct tg_mtree *t, const char *path, const char *data, size_t len, const struct tg_stat *stat)
{
    struct tg_mnode *n = calloc(1, sizeof *n);

    if (n) {
        n->path = strdup(path);
        n->data = copy_bytes(data, len);
    }
    if (!n || !n->path || !n->data) {
        free_node(n);
        return NULL;
    }
    n->len = len;
    n->stat = *stat;
    if (t->n_nodes >= t->n_buckets)
        grow(t);
    struct tg_mnode **b = &t->buckets[hash(path, strlen(path)) & (t->n_buckets - 1)];
    n->hash_next = *b;
    *b = n;
    t->n_nodes++;
    if (path[1] && (n->parent = parent_of(t, path)) != NULL) {
        n->next = n->parent->first;
        if (n->next)
            n->next->prev = n;
        n->parent->first = n;
    }
    return n;
}

static void detach(struct tg_mtree *t, struct tg_mnode *n)
{
    struct tg_mnode **b = &t->buckets[hash(n->path, strlen(n->path)) & (t->n_buckets - 1)];

    while (*b != n)
        b = &(*b)->hash_next;
    *b = n->hash_next;
    t->n_nodes--;
    if (n->prev)
        n->prev->next = n->next;
    else if (n->parent)
        n->parent->first = n->next;
    if (n->next)
        n->next->prev = n->prev;
    free_node(n);
}

static void remove_below(struct tg_mtree *t, struct tg_mnode *n)
{
    while (n->first) {
        struct tg_mnode *leaf = n->first;
        while (leaf->first)
            leaf = leaf->first;
        detach(t, leaf);
    }
}

void tg_mtree_remove(struct tg_mtree *t, struct tg_mnode *n)
{
    remove_below(t, n);
    if (n->parent)
        n->parent->stat.children--;
    detach(t, n);
}

int tg_mtree_init(struct tg_mtree *t, struct tg_error *e)
{
    struct tg_stat root = {0};

    *t = (struct tg_mtree) {.n_buckets = 64};
    t->buckets = calloc(t->n_buckets, sizeof(*t->buckets));
    if (t->buckets && add(t, "/", "", 0, &root))
        return 0;
    tg_mtree_release(t);
    return tg_fail(e, TG_E_MEMORY, "out of memory");
}

void tg_mtree_release(struct tg_mtree *t)
{
    for (size_t i = 0; t->buckets && i < t->n_buckets; i++)
        for (struct tg_mnode *n = t->buckets[i], *next; n; n = next) {
            next = n->hash_next;
            free_node(n);
        }
    free(t->buckets);
    *t = (struct tg_mtree) {0};
}

/* The node after n in the order parent, children, next sibling. */
static const struct tg_mnode *walk(const struct tg_mnode *n)
{
    if (n->first)
        return n->first;
    while (n && !n->next)
        n = n->parent;
    return n ? n->next : NULL;
}

int tg_mtree_copy(const struct tg_mtree *from, struct tg_mtree *to, struct tg_error *e)
{
    const struct tg_mnode *root = tg_mtree_find(from, "/");
    int rc = tg_mtree_init(to, e);

    if (rc)
        return rc;
    struct tg_mnode *copy = tg_mtree_find(to, "/");
    char *data = copy_bytes(root->data, root->len);
    if (data) {
        free(copy->data);
        copy->data = data;
        copy->len = root->len;
        copy->stat = root->stat;
    }
    for (const struct tg_mnode *n = walk(root); n && data; n = walk(n))
        if (!add(to, n->path, n->data, n->len, &n->stat))
            data = NULL;
    if (data)
        return 0;
    tg_mtree_release(to);
    return tg_fail(e, TG_E_MEMORY, "out of memory");
}

int tg_mtxn_new(int64_t txid, struct tg_mtxn **out, struct tg_error *e)
{
    struct tg_mtxn *txn = calloc(1, sizeof *txn);

    if (!txn)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    txn->refs = 1;
    txn->txid = txid;
    *out = txn;
    return 0;
}

struct tg_mtxn *tg_mtxn_ref(struct tg_mtxn *txn)
{
    txn->refs++;
    return txn;
}

void tg_mtxn_unref(struct tg_mtxn *txn)
{
    if (!txn || --txn->refs)
        return;
    for (size_t i = 0; i < txn->n_changes; i++) {
        free(txn->changes[i].path);
        free(txn->changes[i].data);
        free(txn->changes[i].old_data);
    }
    free(txn->changes);
    free(txn);
}

/* Carries one change out. */
static int apply(struct tg_mtree *t, const struct tg_mchange *c)
{
    struct tg_mnode *n = tg_mtree_find(t, c->path);
    char *data;

    switch (c->kind) {
    case TG_M_CREATE:
        return add(t, c->path, c->data, c->len, &c->stat) ? 0 : TG_E_MEMORY;
    case TG_M_WRITE:
        if (!(data = copy_bytes(c->data, c->len)))
            return TG_E_MEMORY;
        free(n->data);
        n->data = data;
        n->len = c->len;
        n->stat = c->stat;
        return 0;
    case TG_M_DELETE:
        detach(t, n);
        return 0;
    case TG_M_CHILDREN:
        n->stat = c->stat;
        return 0;
    }
    return TG_E_BUG;
}

/* Notes a change of a node and carries it out. */
static int change(struct tg_mtxn *txn, struct tg_mtree *t, enum tg_mchange_kind kind, const char *path, const void *data, size_t len,
                  const struct tg_stat *stat)
{
    const struct tg_mnode *n = tg_mtree_find(t, path);
    struct tg_mchange c = {.kind = kind, .path = strdup(path), .len = len, .stat = *stat};

    c.data = copy_bytes(data, len);
    if (n) {
        c.old_data = copy_bytes(n->data, n->len);
        c.old_len = n->len;
        c.old_stat = n->stat;
    }
    if (txn->n_changes == txn->cap_changes) {
        size_t cap = txn->cap_changes ? txn->cap_changes * 2 : 8;
        struct tg_mchange *changes = realloc(txn->changes, cap * sizeof *changes);
        if (changes) {
            txn->changes = changes;
            txn->cap_changes = cap;
        }
    }
    if (!c.path || !c.data || (n && !c.old_data) || txn->n_changes == txn->cap_changes || apply(t, &c)) {
        free(c.path);
        free(c.data);
        free(c.old_data);
        return TG_E_MEMORY;
    }
    txn->changes[txn->n_changes++] = c;
    return 0;
}

/* A child came or went: the parent's count. */
static int count_child(struct tg_mtxn *txn, struct tg_mtree *t, struct tg_mnode *parent, int by)
{
    struct tg_stat stat = parent->stat;

    stat.children += by;
    stat.children_txid = txn->txid;
    return change(txn, t, TG_M_CHILDREN, parent->path, "", 0, &stat);
}

static int create(struct tg_mtxn *txn, struct tg_mtree *t, const struct tg_op *op, uint64_t owner, int64_t wall_ms, struct tg_error *e)
{
    struct tg_mnode *parent = parent_of(t, op->path);
    struct tg_stat stat = {.created_txid = txn->txid, .modified_txid = txn->txid, .modified_ms = wall_ms, .children_txid = txn->txid};

    if (!parent)
        return tg_refuse_no_parent(op->path, e);
    if (tg_mtree_find(t, op->path))
        return tg_refuse_exists(op->path, e);
    if (parent->stat.owner)
        return tg_refuse_ephemeral_parent(op->path, e);
    stat.owner = op->flags & TG_CREATE_EPHEMERAL ? owner : 0;
    int rc = change(txn, t, TG_M_CREATE, op->path, op->data, op->len, &stat);
    return rc ? rc : count_child(txn, t, parent, 1);
}

static int delete_node(struct tg_mtxn *txn, struct tg_mtree *t, struct tg_mnode *n)
{
    struct tg_mnode *parent = n->parent;
    int rc = change(txn, t, TG_M_DELETE, n->path, "", 0, &n->stat);

    return rc ? rc : count_child(txn, t, parent, -1);
}

int tg_mtxn_op(struct tg_mtxn *txn, struct tg_mtree *t, const struct tg_op *op, uint64_t owner, int64_t wall_ms, struct tg_error *e)
{
    int rc = 0;

    if (op->kind == TG_OP_CREATE) {
        rc = create(txn, t, op, owner, wall_ms, e);
    } else {
        struct tg_mnode *n = tg_mtree_find(t, op->path);
        if (!n)
            return tg_refuse_noent(op->path, e);
        if (op->version != TG_ANY_VERSION && op->version != n->stat.version)
            return tg_refuse_version(op->path, op->version, n->stat.version, e);
        if (op->kind == TG_OP_DELETE && n->stat.children)
            return tg_refuse_not_empty(op->path, n->stat.children, e);
        struct tg_stat stat = n->stat;
        stat.version++;
        stat.modified_txid = txn->txid;
        stat.modified_ms = wall_ms;
        if (op->kind == TG_OP_DELETE)
            rc = delete_node(txn, t, n);
        else if (op->kind == TG_OP_WRITE)
            rc = change(txn, t, TG_M_WRITE, op->path, op->data, op->len, &stat);
    }
    return rc == TG_E_MEMORY ? tg_fail(e, rc, "out of memory") : rc;
}

int tg_mtxn_reap(struct tg_mtxn *txn, struct tg_mtree *t, uint64_t owner, struct tg_error *e)
{
    for (size_t i = 0; i < t->n_buckets; i++)
        for (struct tg_mnode *n = t->buckets[i], *next; n; n = next) {
            next = n->hash_next;
            if (n->stat.owner == owner && delete_node(txn, t, n))
                return tg_fail(e, TG_E_MEMORY, "out of memory");
        }
    return 0;
}

void tg_mtxn_revert(struct tg_mtxn *txn, struct tg_mtree *t)
{
    while (txn->n_changes) {
        struct tg_mchange *c = &txn->changes[--txn->n_changes];
        struct tg_mnode *n = tg_mtree_find(t, c->path);
        if (c->kind == TG_M_CREATE) {
            detach(t, n);
        } else if (c->kind == TG_M_DELETE) {
            add(t, c->path, c->old_data, c->old_len, &c->old_stat);
        } else {
            free(n->data);
            n->data = c->old_data;
            n->len = c->old_len;
            n->stat = c->old_stat;
            c->old_data = NULL;
        }
        free(c->path);
        free(c->data);
        free(c->old_data);
    }
}

int tg_mtxn_replay(const struct tg_mtxn *txn, struct tg_mtree *t, struct tg_error *e)
{
    for (size_t i = 0; i < txn->n_changes; i++)
        if (apply(t, &txn->changes[i]))
            return tg_fail(e, TG_E_MEMORY, "out of memory");
    return 0;
}
