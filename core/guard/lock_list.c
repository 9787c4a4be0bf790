/* Listing the locks there are: see lock.h. */
#include "guard/tree.h"

#include <stdlib.h>
#include <string.h>

static int older_first(const void *a, const void *b)
{
    const struct tg_lock *x = a, *y = b;

    return x->since_ms != y->since_ms ? (x->since_ms < y->since_ms ? -1 : 1) : strcmp(x->id, y->id);
}

int tg_lock_list(struct tg_guard *guard, const struct tg_scopes *scopes, struct tg_locks *out, struct tg_error *e)
{
    struct tg_look *look = NULL;
    bool all = !scopes || !scopes->n;
    size_t n = 0;
    int rc = tg_look_run(guard, scopes, all, tg_guard_deadline(guard), &look, e);

    if (rc)
        return rc;
    struct tg_lock *locks = tg_look_locks(look, &n);
    struct tg_locks found = {.v = calloc(n + 1, sizeof *found.v)};
    int64_t now = tg_guard_wall(guard);
    for (size_t i = 0; found.v && i < n; i++)
        if (tg_lock_is_live(&locks[i], now) && (all || tg_scopes_overlap(scopes, &locks[i].scopes, NULL, NULL) != TG_OVERLAP_NO)) {
            found.v[found.n++] = locks[i];
            locks[i].scopes = (struct tg_scopes) TG_SCOPES_INIT;
        }
    tg_look_free(look);
    if (!found.v)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    qsort(found.v, found.n, sizeof *found.v, older_first);
    *out = found;
    return 0;
}

void tg_locks_release(struct tg_locks *locks)
{
    for (size_t i = 0; i < locks->n; i++)
        tg_lock_clear(&locks->v[i]);
    free(locks->v);
    *locks = (struct tg_locks) {.n = 0};
}
