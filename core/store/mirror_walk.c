/* Walking and summing a tree: see mirror.h. */
#include "store/cluster.h"
#include "store/mirror.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Their folders are made by whoever needs one, and what is in those is of sessions. */
static const struct { const char *path; int depth; } loose[] = {{"/permits", 2}, {"/agents", 1}, {"/acks", 1}};
static const char *const apart[] = {TG_CLUSTER_PATH, TG_MIGRATION_PATH, "/zookeeper"};

static bool is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static int depth_of(const char *path)
{
    int depth = 0;

    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

bool tg_mirror_skips(const char *path, bool children)
{
    for (size_t i = 0; i < sizeof apart / sizeof apart[0]; i++)
        if (is_below(path, apart[i]))
            return true;
    for (size_t i = 0; i < sizeof loose / sizeof loose[0]; i++)
        if (is_below(path, loose[i].path))
            return depth_of(path) + children > loose[i].depth;
    return false;
}

void tg_mirror_sums_release(struct tg_mirror_sums *sums)
{
    for (size_t i = 0; i < sums->n; i++)
        free(sums->v[i].path);
    free(sums->v);
    *sums = (struct tg_mirror_sums) {.n = 0};
}

/* As strcmp(), with "/" before all: what is in one folder lies together, behind the folder. */
int tg_mirror_order(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    int x = *a == '/' ? 1 : (unsigned char) *a, y = *b == '/' ? 1 : (unsigned char) *b;
    return x - y;
}

static int by_path(const void *a, const void *b)
{
    const struct tg_mirror_sum *x = a, *y = b;

    return tg_mirror_order(x->path, y->path);
}

bool tg_mirror_is_stamped(const struct tg_mirror_sum *sum)
{
    uint8_t of_nothing[TG_SHA256_BYTES];
    struct tg_sha256 h;

    if (sum->children_txid <= sum->modified_txid)
        return true;
    tg_sha256_init(&h);
    tg_sha256_end(&h, of_nothing);
    return memcmp(sum->hash, of_nothing, sizeof of_nothing) == 0;
}

const struct tg_mirror_sum *tg_mirror_find(const struct tg_mirror_sums *sums, const char *path)
{
    struct tg_mirror_sum key = {.path = (char *) (uintptr_t) path};

    return sums->n ? bsearch(&key, sums->v, sums->n, sizeof *sums->v, by_path) : NULL;
}

/* Where a folder's sum is, while they are not in order yet. */
struct folder {
    char *path;
    size_t sum;
};
struct paths {
    char **v;
    size_t *parents; /* sum of each one's folder */
    size_t n, cap;
};
struct walker {
    struct tg_store *store;
    const struct tg_mirror_walk *walk;
    struct tg_mirror_sums sums;
    struct paths to_read;      /* names come in order; read from the front, so that what lies together is read together */
    size_t read;
    struct folder *to_list;
    size_t n_list, cap_list, listed;
};

static int out_of_memory(struct tg_error *e)
{
    return tg_fail(e, TG_E_MEMORY, "out of memory");
}

static int want_read(struct walker *w, const char *folder, const char *name, size_t parent, struct tg_error *e)
{
    struct paths *p = &w->to_read;
    char path[TG_STORE_PATH_MAX + 1];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);

    if (n < 0 || (size_t) n >= sizeof path)
        return tg_fail(e, TG_E_DATA, "%.200s: its path is too long", path);
    if (tg_mirror_skips(path, false)) {
        if (parent != SIZE_MAX)
            w->sums.v[parent].walked++;
        return 0;
    }
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 1024;
        char **v = realloc(p->v, cap * sizeof *v);
        p->v = v ? v : p->v;
        size_t *parents = v ? realloc(p->parents, cap * sizeof *parents) : NULL;
        if (!parents)
            return out_of_memory(e);
        p->parents = parents;
        p->cap = cap;
    }
    if (!(p->v[p->n] = strdup(path)))
        return out_of_memory(e);
    p->parents[p->n++] = parent;
    return 0;
}

static int want_list(struct walker *w, const char *path, size_t sum, struct tg_error *e)
{
    if (w->n_list == w->cap_list) {
        size_t cap = w->cap_list ? 2 * w->cap_list : 1024;
        struct folder *v = realloc(w->to_list, cap * sizeof *v);
        if (!v)
            return out_of_memory(e);
        w->to_list = v;
        w->cap_list = cap;
    }
    char *copy = strdup(path);
    if (!copy)
        return out_of_memory(e);
    w->to_list[w->n_list++] = (struct folder) {.path = copy, .sum = sum};
    return 0;
}

struct tg_mirror_sum tg_mirror_sum_of(const struct tg_node *node)
{
    struct tg_mirror_sum sum = {.version = node->stat.version, .counted = node->stat.children, .walked = -1, .children_txid = node->stat.children_txid,
                                .modified_txid = node->stat.modified_txid};
    struct tg_sha256 h;

    if (node->stat.created_txid > sum.modified_txid)
        sum.modified_txid = node->stat.created_txid;
    tg_sha256_init(&h);
    tg_sha256_add(&h, node->data, node->len);
    tg_sha256_end(&h, sum.hash);
    return sum;
}

static int add_sum(struct walker *w, const char *path, const struct tg_node *node, struct tg_error *e)
{
    struct tg_mirror_sums *s = &w->sums;

    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 1024;
        struct tg_mirror_sum *v = realloc(s->v, cap * sizeof *v);
        if (!v)
            return out_of_memory(e);
        s->v = v;
        s->cap = cap;
    }
    struct tg_mirror_sum *sum = &s->v[s->n];
    *sum = tg_mirror_sum_of(node);
    if (!(sum->path = strdup(path)))
        return out_of_memory(e);
    s->n++;
    s->bytes += (int64_t) node->len;
    return 0;
}

static int take_read(struct walker *w, const char *path, size_t parent, const struct tg_node *node, struct tg_error *e)
{
    size_t own = w->sums.n;
    int rc = 0;

    if (parent != SIZE_MAX)
        w->sums.v[parent].walked++;
    if (node->stat.owner)
        return 0;
    rc = add_sum(w, path, node, e);
    if (!rc && w->walk->visit)
        rc = w->walk->visit(w->walk->data, path, node, e);
    if (!rc && node->stat.children && !tg_mirror_skips(path, true))
        rc = want_list(w, path, own, e);
    else if (!rc && !node->stat.children)
        w->sums.v[own].walked = 0;
    return rc;
}

static size_t round_of(size_t left)
{
    return left < TG_STORE_OPS_MAX ? left : TG_STORE_OPS_MAX;
}

static int read_round(struct walker *w, struct tg_error *e)
{
    size_t n = round_of(w->to_read.n - w->read);
    struct tg_read_item *items = calloc(n, sizeof *items);

    if (!items)
        return out_of_memory(e);
    for (size_t i = 0; i < n; i++)
        items[i].path = w->to_read.v[w->read + i];
    int rc = tg_store_read_many(w->store, items, n, tg_store_deadline(w->store, w->walk->wait_ms), e);
    if (!rc) {
        for (size_t i = 0; !rc && i < n; i++)
            if (!items[i].code)
                rc = take_read(w, items[i].path, w->to_read.parents[w->read + i], &items[i].node, e);
            else if (w->to_read.parents[w->read + i] != SIZE_MAX) /* gone between two rounds */
                w->sums.v[w->to_read.parents[w->read + i]].children_txid = INT64_MAX;
        tg_read_items_release(items, n);
        for (size_t i = 0; i < n; i++) { /* done with */
            free(w->to_read.v[w->read + i]);
            w->to_read.v[w->read + i] = NULL;
        }
        w->read += n;
        if (!rc && w->walk->tell)
            w->walk->tell(w->walk->tell_data, w->sums.n);
    }
    free(items);
    return rc;
}

static int list_round(struct walker *w, struct tg_error *e)
{
    size_t n = round_of(w->n_list - w->listed), first = w->listed;
    struct tg_read_item *items = calloc(n, sizeof *items);

    if (!items)
        return out_of_memory(e);
    for (size_t i = 0; i < n; i++)
        items[i] = (struct tg_read_item) {.path = w->to_list[first + i].path, .want_names = true};
    int rc = tg_store_read_many(w->store, items, n, tg_store_deadline(w->store, w->walk->wait_ms), e);
    if (!rc) {
        for (size_t i = 0; !rc && i < n; i++) {
            struct folder f = w->to_list[first + i];
            struct tg_mirror_sum *sum = &w->sums.v[f.sum];
            sum->walked = 0;
            sum->counted = items[i].code ? 0 : items[i].names.stat.children;
            sum->children_txid = items[i].code ? INT64_MAX : items[i].names.stat.children_txid;
            for (size_t k = 0; !rc && !items[i].code && k < items[i].names.count; k++)
                rc = want_read(w, f.path, items[i].names.names[k], f.sum, e);
        }
        tg_read_items_release(items, n);
        w->listed += n;
    }
    free(items);
    return rc;
}

/* The root itself has no record of ours; its folders are where all begins. */
static int list_root(struct walker *w, struct tg_error *e)
{
    struct tg_names names;
    int rc = tg_store_list(w->store, "/", tg_store_deadline(w->store, w->walk->wait_ms), &names, e);

    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < names.count; i++)
        rc = want_read(w, "", names.names[i], SIZE_MAX, e);
    tg_names_release(&names);
    return rc;
}

static void walker_release(struct walker *w)
{
    for (size_t i = w->read; i < w->to_read.n; i++)
        free(w->to_read.v[i]);
    for (size_t i = 0; i < w->n_list; i++)
        free(w->to_list[i].path);
    free(w->to_read.v);
    free(w->to_read.parents);
    free(w->to_list);
    tg_mirror_sums_release(&w->sums);
}

int tg_mirror_sum(struct tg_store *store, const struct tg_mirror_walk *walk, struct tg_mirror_sums *out, struct tg_error *e)
{
    struct walker w = {.store = store, .walk = walk};
    int rc = list_root(&w, e);

    while (!rc && (w.read < w.to_read.n || w.listed < w.n_list))
        rc = w.read < w.to_read.n ? read_round(&w, e) : list_round(&w, e);
    if (!rc && out) {
        if (w.sums.n)
            qsort(w.sums.v, w.sums.n, sizeof *w.sums.v, by_path);
        *out = w.sums;
        w.sums = (struct tg_mirror_sums) {.n = 0};
    }
    walker_release(&w);
    return rc;
}
