/* Reading back what was written at the target of a copy, into the sums that are known of it: see mirror.h. */
#include "store/mirror.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(struct tg_mirror_paths *p, const char *path, size_t len, struct tg_error *e)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 64;
        char **v = realloc(p->v, cap * sizeof *v);
        if (!v)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        p->v = v;
        p->cap = cap;
    }
    if (!(p->v[p->n] = strndup(path, len)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    p->n++;
    return 0;
}

int tg_mirror_touch(struct tg_mirror_paths *p, const char *path, bool folder, struct tg_error *e)
{
    int rc = add(p, path, strlen(path), e);
    size_t above = (size_t) (strrchr(path, '/') - path);

    return rc || !folder || !above ? rc : add(p, path, above, e);
}

void tg_mirror_paths_release(struct tg_mirror_paths *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->v[i]);
    free(p->v);
    *p = (struct tg_mirror_paths) {.n = 0};
}

static int by_path(const void *a, const void *b)
{
    return tg_mirror_order(*(char *const *) a, *(char *const *) b);
}

void tg_mirror_sort_once(struct tg_mirror_paths *p)
{
    size_t n = 0;

    if (p->n)
        qsort(p->v, p->n, sizeof *p->v, by_path);
    for (size_t i = 0; i < p->n; i++)
        if (n && strcmp(p->v[n - 1], p->v[i]) == 0)
            free(p->v[i]);
        else
            p->v[n++] = p->v[i];
    p->n = n;
}

/* What they are now, in their order; path NULL: it is not there. Takes the paths over. */
static int read_back(struct tg_store *store, int64_t wait_ms, struct tg_mirror_paths *p, struct tg_mirror_sum *out, struct tg_error *e)
{
    struct tg_read_item items[TG_STORE_OPS_MAX];
    int rc = 0;

    for (size_t i = 0, n; !rc && i < p->n; i += n) {
        n = p->n - i < TG_STORE_OPS_MAX ? p->n - i : TG_STORE_OPS_MAX;
        for (size_t k = 0; k < n; k++)
            items[k] = (struct tg_read_item) {.path = p->v[i + k]};
        if ((rc = tg_store_read_many(store, items, n, tg_store_deadline(store, wait_ms), e)) != 0)
            break;
        for (size_t k = 0; k < n; k++)
            if (!items[k].code && !items[k].node.stat.owner) {
                out[i + k] = tg_mirror_sum_of(&items[k].node);
                out[i + k].walked = tg_mirror_skips(p->v[i + k], true) ? -1 : 0;
                out[i + k].path = p->v[i + k];
                p->v[i + k] = NULL; /* is the sum's now */
            }
        tg_read_items_release(items, n);
    }
    return rc;
}

/* The two in one, by path; fresh ones stand for those they meet. is_fresh tells which of the result they are. */
static void merge(struct tg_mirror_sums *sums, const struct tg_mirror_paths *p, struct tg_mirror_sum *fresh, struct tg_mirror_sum *out, bool *is_fresh)
{
    size_t n = 0, i = 0, k = 0;

    while (i < sums->n || k < p->n) {
        const char *path = k < p->n ? (fresh[k].path ? fresh[k].path : p->v[k]) : NULL;
        int order = !path ? -1 : i == sums->n ? 1 : tg_mirror_order(sums->v[i].path, path);
        if (order < 0) {
            out[n++] = sums->v[i++];
            continue;
        }
        if (order == 0)
            free(sums->v[i++].path);
        if (fresh[k].path) {
            is_fresh[n] = true;
            out[n++] = fresh[k];
        }
        k++;
    }
    free(sums->v);
    sums->v = out;
    sums->cap = sums->n + p->n + 1;
    sums->n = n;
}

/* Of those that were read back: how many children they have among the sums. */
static void count_children(struct tg_mirror_sums *sums, const bool *is_fresh)
{
    char above[TG_STORE_PATH_MAX + 1];

    for (size_t i = 0; i < sums->n; i++) {
        snprintf(above, sizeof above, "%s", sums->v[i].path);
        *strrchr(above, '/') = '\0';
        const struct tg_mirror_sum *folder = above[0] ? tg_mirror_find(sums, above) : NULL;
        if (folder && is_fresh[folder - sums->v] && folder->walked >= 0)
            sums->v[folder - sums->v].walked++;
    }
}

int tg_mirror_reread(struct tg_store *store, int64_t wait_ms, struct tg_mirror_paths *p, struct tg_mirror_sums *sums, struct tg_error *e)
{
    if (!p->n)
        return 0;
    tg_mirror_sort_once(p);
    struct tg_mirror_sum *fresh = calloc(p->n, sizeof *fresh), *all = calloc(sums->n + p->n + 1, sizeof *all);
    bool *is_fresh = calloc(sums->n + p->n + 1, sizeof *is_fresh);
    int rc = fresh && all && is_fresh ? read_back(store, wait_ms, p, fresh, e) : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (!rc) {
        merge(sums, p, fresh, all, is_fresh);
        count_children(sums, is_fresh);
        all = NULL;
    }
    for (size_t i = 0; rc && fresh && i < p->n; i++)
        free(fresh[i].path);
    free(fresh);
    free(all);
    free(is_fresh);
    return rc;
}
