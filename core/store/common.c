/* What backends share: the wording of refusals, copies of operations, paths. See internal.h. */
#include "store/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int tg_refuse_noent(const char *path, struct tg_error *e)
{
    return tg_fail(e, TG_E_NOENT, "%s: there is no such node", path);
}

int tg_refuse_no_parent(const char *path, struct tg_error *e)
{
    return tg_fail(e, TG_E_NOENT, "%s: there is no node to create it under", path);
}

int tg_refuse_exists(const char *path, struct tg_error *e)
{
    return tg_fail(e, TG_E_EXISTS, "%s: it is there already", path);
}

int tg_refuse_version(const char *path, int64_t wanted, int64_t is, struct tg_error *e)
{
    return tg_fail(e, TG_E_VERSION, "%s: changed meanwhile (version %" PRId64 ", not %" PRId64 ")", path, is, wanted);
}

int tg_refuse_not_empty(const char *path, int64_t children, struct tg_error *e)
{
    return tg_fail(e, TG_E_NOTEMPTY, "%s: it still has %" PRId64 " children", path, children);
}

int tg_refuse_ephemeral_parent(const char *path, struct tg_error *e)
{
    return tg_fail(e, TG_E_DATA, "%s: an ephemeral node can't have children", path);
}

size_t tg_path_parent_len(const char *path)
{
    size_t len = (size_t) (strrchr(path, '/') - path);

    return len ? len : 1;
}

struct tg_op *tg_ops_copy(const struct tg_op *ops, size_t n_ops)
{
    size_t size = n_ops * sizeof *ops;

    for (size_t i = 0; i < n_ops; i++)
        size += strlen(ops[i].path) + 1 + ops[i].len;
    struct tg_op *copy = malloc(size);
    if (!copy)
        return NULL;
    char *at = (char *) (copy + n_ops);
    for (size_t i = 0; i < n_ops; i++) {
        size_t len = strlen(ops[i].path) + 1;
        copy[i] = ops[i];
        memcpy(at, ops[i].path, len);
        copy[i].path = at;
        at += len;
        if (ops[i].len)
            memcpy(at, ops[i].data, ops[i].len);
        copy[i].data = at;
        at += ops[i].len;
    }
    return copy;
}
