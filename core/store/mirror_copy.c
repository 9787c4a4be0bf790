/* Copying a tree: see mirror.h. */
#include "store/mirror.h"
#include "store/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX (TG_STORE_DATA_MAX * 3 / 4) /* of one transaction; a node may be larger, and then goes alone */

struct copier {
    struct tg_store *to;
    const struct tg_mirror_walk *walk;
    const struct tg_op *fence;
    size_t n_fence;
    const struct tg_mirror_sums *there; /* as the target was found */
    bool *met;                    /* which of those the source has */
    struct tg_op ops[TG_STORE_OPS_MAX];
    size_t n;
    size_t bytes;
    struct tg_mirror_copied done;
    struct tg_mirror_paths folders; /* whose children may be newer than they are */
    struct tg_mirror_paths *touched; /* what was written, made or deleted, and its folders; NULL: nobody asks */
};

static void drop_ops(struct copier *c)
{
    for (size_t i = c->n_fence; i < c->n; i++) {
        free((void *) (uintptr_t) c->ops[i].path);
        free((void *) (uintptr_t) c->ops[i].data);
    }
    c->n = c->n_fence;
    c->bytes = 0;
}

static int flush(struct copier *c, struct tg_error *e)
{
    int rc = 0;

    if (c->n > c->n_fence)
        rc = tg_store_multi(c->to, c->ops, c->n, tg_store_deadline(c->to, c->walk->wait_ms), NULL, e);
    if (rc == TG_E_EXISTS || rc == TG_E_NOENT || rc == TG_E_NOTEMPTY) /* it is not any more as it was found */
        rc = TG_E_VERSION;
    drop_ops(c);
    return rc;
}

static int note_folder(struct copier *c, const char *path, struct tg_error *e)
{
    char above[TG_STORE_PATH_MAX + 1];
    const struct tg_mirror_paths *f = &c->folders;

    snprintf(above, sizeof above, "%s", path);
    *strrchr(above, '/') = '\0';
    if (!above[0] || (f->n && strcmp(f->v[f->n - 1], above) == 0))
        return 0;
    return tg_mirror_touch(&c->folders, above, false, e);
}

static int add(struct copier *c, enum tg_op_kind kind, const char *path, const void *data, size_t len, int64_t version, struct tg_error *e)
{
    int rc = c->n == TG_STORE_OPS_MAX || c->bytes + len > BYTES_MAX ? flush(c, e) : 0;
    char *own = strdup(path), *copy = len ? malloc(len) : NULL;

    if (!rc && c->touched)
        rc = tg_mirror_touch(c->touched, path, kind != TG_OP_WRITE, e);
    if (!rc && kind != TG_OP_WRITE)
        rc = note_folder(c, path, e);
    if (rc || !own || (len && !copy)) {
        free(own);
        free(copy);
        return rc ? rc : tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    if (len)
        memcpy(copy, data, len);
    unsigned flags = kind == TG_OP_CREATE && tg_store_is_secret(path) ? TG_CREATE_PRIVATE : TG_CREATE_PERSISTENT;
    c->ops[c->n++] = (struct tg_op) {.kind = kind, .path = own, .data = copy, .len = len, .flags = flags, .version = version};
    c->bytes += len;
    return 0;
}

static int take(void *data, const char *path, const struct tg_node *node, struct tg_error *e)
{
    struct copier *c = data;
    const struct tg_mirror_sum *there = tg_mirror_find(c->there, path);
    uint8_t hash[TG_SHA256_BYTES];
    struct tg_sha256 h;
    int rc = c->walk->visit ? c->walk->visit(c->walk->data, path, node, e) : 0;

    if (rc)
        return rc;
    c->done.nodes++;
    if (!there) {
        c->done.created++;
        c->done.bytes += (int64_t) node->len;
        return add(c, TG_OP_CREATE, path, node->data, node->len, 0, e);
    }
    c->met[there - c->there->v] = true;
    tg_sha256_init(&h);
    tg_sha256_add(&h, node->data, node->len);
    tg_sha256_end(&h, hash);
    if (memcmp(hash, there->hash, sizeof hash) == 0)
        return 0;
    c->done.written++;
    c->done.bytes += (int64_t) node->len;
    return add(c, TG_OP_WRITE, path, node->data, node->len, there->version, e);
}

/* What the source does not have, children first: by path that is from the end. */
static int delete_rest(struct copier *c, struct tg_error *e)
{
    int rc = 0;

    for (size_t i = c->there->n; !rc && i > 0; i--)
        if (!c->met[i - 1]) {
            rc = add(c, TG_OP_DELETE, c->there->v[i - 1].path, NULL, 0, c->there->v[i - 1].version, e);
            c->done.deleted++;
        }
    return rc ? rc : flush(c, e);
}

/* Which of the folders hold at the source what they are to hold here? The others are dropped. */
static void keep_stamped(struct tg_mirror_paths *folders, const struct tg_mirror_sums *from)
{
    size_t n = 0;

    tg_mirror_sort_once(folders);
    for (size_t i = 0; i < folders->n; i++) {
        const struct tg_mirror_sum *s = tg_mirror_find(from, folders->v[i]);
        if (s && tg_mirror_is_stamped(s))
            folders->v[n++] = folders->v[i];
        else
            free(folders->v[i]);
    }
    folders->n = n;
}

static int stamp_some(struct copier *c, char *const *paths, size_t n, struct tg_error *e)
{
    struct tg_read_item items[TG_STORE_OPS_MAX];
    int rc;

    for (size_t i = 0; i < n; i++)
        items[i] = (struct tg_read_item) {.path = paths[i]};
    if ((rc = tg_store_read_many(c->to, items, n, tg_store_deadline(c->to, c->walk->wait_ms), e)) != 0)
        return rc;
    for (size_t i = 0; !rc && i < n; i++) {
        const struct tg_node *node = &items[i].node;
        if (!items[i].code && node->len && node->stat.children_txid > node->stat.modified_txid)
            rc = add(c, TG_OP_WRITE, items[i].path, node->data, node->len, node->stat.version, e);
    }
    tg_read_items_release(items, n);
    return rc;
}

/* What was made or deleted is newer than the folder that counts it: that is written once more. */
static int stamp(struct copier *c, const struct tg_mirror_sums *from, struct tg_error *e)
{
    struct tg_mirror_paths *f = &c->folders;
    int rc = 0;

    for (size_t i = 0; !rc && i < c->there->n; i++) /* an earlier one may have died before it came to this */
        if (!tg_mirror_is_stamped(&c->there->v[i]))
            rc = tg_mirror_touch(f, c->there->v[i].path, false, e);
    if (!rc)
        keep_stamped(f, from);
    for (size_t i = 0; !rc && i < f->n; i += TG_STORE_OPS_MAX)
        rc = stamp_some(c, f->v + i, f->n - i < TG_STORE_OPS_MAX ? f->n - i : TG_STORE_OPS_MAX, e);
    return rc ? rc : flush(c, e);
}

/* Walks the source and writes what differs from c->there. */
static int run(struct copier *c, struct tg_store *from, struct tg_mirror_sums *out_from, struct tg_error *e)
{
    struct tg_mirror_walk reading = *c->walk;
    struct tg_mirror_sums sums = {.n = 0};
    int rc = 0;

    reading.visit = take;
    reading.data = c;
    c->n = c->n_fence;
    memcpy(c->ops, c->fence, c->n_fence * sizeof *c->fence);
    if (!(c->met = calloc(c->there->n + 1, sizeof *c->met)))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc)
        rc = tg_mirror_sum(from, &reading, &sums, e);
    if (!rc && (rc = flush(c, e)) == 0)
        rc = delete_rest(c, e);
    if (!rc)
        rc = stamp(c, &sums, e);
    if (!rc && out_from)
        *out_from = sums;
    else
        tg_mirror_sums_release(&sums);
    tg_mirror_paths_release(&c->folders);
    drop_ops(c);
    free(c->met);
    return rc;
}

int tg_mirror_copy(struct tg_store *from, struct tg_store *to, const struct tg_mirror_walk *walk, const struct tg_op *fence, size_t n_fence,
                   struct tg_mirror_copied *out, struct tg_error *e)
{
    struct tg_mirror_sums there = {.n = 0};
    const struct tg_mirror_walk look = {.wait_ms = walk->wait_ms};
    struct copier *c = calloc(1, sizeof *c);
    int rc = c ? tg_mirror_sum(to, &look, &there, e) : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (!rc) {
        *c = (struct copier) {.to = to, .walk = walk, .fence = fence, .n_fence = n_fence, .there = &there};
        rc = run(c, from, NULL, e);
    }
    if (!rc)
        *out = c->done;
    tg_mirror_sums_release(&there);
    free(c);
    return rc;
}

int tg_mirror_update(struct tg_store *from, struct tg_store *to, const struct tg_mirror_walk *walk, const struct tg_op *fence, size_t n_fence,
                     struct tg_mirror_sums *there, struct tg_mirror_sums *out_from, struct tg_mirror_copied *out, struct tg_error *e)
{
    struct tg_mirror_paths touched = {.n = 0};
    struct copier *c = calloc(1, sizeof *c);
    int rc = c ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (!rc) {
        *c = (struct copier) {.to = to, .walk = walk, .fence = fence, .n_fence = n_fence, .there = there, .touched = &touched};
        rc = run(c, from, out_from, e);
    }
    if (!rc && (rc = tg_mirror_reread(to, walk->wait_ms, &touched, there, e)) != 0)
        tg_mirror_sums_release(out_from);
    if (!rc)
        *out = c->done;
    tg_mirror_paths_release(&touched);
    free(c);
    return rc;
}
