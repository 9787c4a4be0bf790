/* Agents that went away while a lock waited for them: see acks.h. */
#include "guard/acks.h"

#include <stdlib.h>
#include <string.h>

void tg_acks_owed_release(struct tg_acks_owed *o)
{
    for (size_t i = 0; i < o->n; i++)
        free(o->v[i]);
    free(o->v);
    *o = (struct tg_acks_owed) {.n = 0};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static bool has(char *const *v, size_t n, const char *name)
{
    return n && bsearch(&name, v, n, sizeof *v, by_name);
}

static int add(struct tg_acks_owed *o, const char *name, struct tg_error *e)
{
    if (!(o->v[o->n] = strdup(name)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    o->n++;
    return 0;
}

/* What an agent has told of: a report on its own host. */
static const char *reported_by(const struct tg_waited *w)
{
    const struct tg_scopes *s = &w->permit.scopes;

    return w->permit.in_flight && s->n && s->v[0].kind == TG_SCOPE_HOST ? s->v[0].name : NULL;
}

/* Those of before that have not acknowledged by now, those who have not now, and who tells of something in flight; each once. */
static int gather(const struct tg_acks_owed *before, const struct tg_waits *w, struct tg_acks_owed *out, struct tg_error *e)
{
    size_t cap = before->n + w->acks.n_missing + w->n;
    int rc = 0;

    *out = (struct tg_acks_owed) {.v = calloc(cap + 1, sizeof *out->v)};
    if (!out->v)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    for (size_t i = 0; !rc && i < before->n; i++)
        if (!has(w->acks.who_acked, w->acks.acked, before->v[i]))
            rc = add(out, before->v[i], e);
    for (size_t i = 0; !rc && i < w->acks.n_missing; i++)
        rc = add(out, w->acks.missing[i], e);
    for (size_t i = 0; !rc && i < w->n; i++)
        if (reported_by(&w->v[i]))
            rc = add(out, reported_by(&w->v[i]), e);
    if (out->n)
        qsort(out->v, out->n, sizeof *out->v, by_name);
    size_t kept = out->n > 0;
    for (size_t i = 1; i < out->n; i++)
        if (strcmp(out->v[i], out->v[kept - 1]) == 0)
            free(out->v[i]);
        else
            out->v[kept++] = out->v[i];
    out->n = kept;
    return rc;
}

static bool is_waited_for(const struct tg_waits *w, const char *name)
{
    for (size_t i = 0; i < w->n; i++)
        if (reported_by(&w->v[i]) && strcmp(reported_by(&w->v[i]), name) == 0)
            return true;
    return has(w->acks.missing, w->acks.n_missing, name);
}

int tg_acks_owe(struct tg_acks_owed *owed, struct tg_waits *w, struct tg_error *e)
{
    struct tg_acks_owed now;
    int rc = gather(owed, w, &now, e);
    char **missing = rc ? NULL : realloc(w->acks.missing, (w->acks.n_missing + now.n + 1) * sizeof *missing);

    if (!rc && !missing)
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc)
        w->acks.missing = missing;
    size_t n_vanished = 0, n_missing = w->acks.n_missing;
    for (size_t i = 0; !rc && i < now.n; i++) {
        if (is_waited_for(w, now.v[i]))
            continue;
        if (!(missing[n_missing + n_vanished] = strdup(now.v[i])))
            rc = tg_fail(e, TG_E_MEMORY, "out of memory");
        else
            n_vanished++;
    }
    if (!rc || n_vanished) {
        w->acks.n_missing += n_vanished;
        w->acks.n_vanished = n_vanished;
    }
    tg_acks_owed_release(owed);
    *owed = now;
    return rc;
}
