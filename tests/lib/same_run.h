/* Are two machines of one plan alike? Byte by byte, so that a field that nobody thought of counts as well; what a snapshot derives is compared where it is plain. */
#ifndef TESTS_LIB_SAME_RUN_H
#define TESTS_LIB_SAME_RUN_H

#include "engine/run_snapshot_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A copy of a struct without what points, and without what may differ between machines that are alike. */
static inline void *same_bare(const struct tg_fields *fields, const void *of)
{
    char *copy = malloc(fields->size);

    memcpy(copy, of, fields->size);
    for (size_t i = 0; i < fields->n; i++) {
        const struct tg_field *f = &fields->rows[i];
        bool counts = strcmp(f->name, "totals") == 0 || strcmp(f->name, "counts") == 0 || strncmp(f->name, "in_", 3) == 0 || strncmp(f->name, "stuck_", 6) == 0 ||
                      (fields == &tg_run_host_fields && strcmp(f->name, "stage") == 0);
        if (f->kind == TG_FIELD_TEXT || (f->kind == TG_FIELD_DERIVED && !counts))
            memset(copy + f->offset, 0, f->size);
    }
    return copy;
}

static inline bool same_struct(const struct tg_fields *fields, const void *a, const void *b, char *out, size_t size)
{
    unsigned char *x = same_bare(fields, a), *y = same_bare(fields, b);
    size_t at = 0;

    while (at < fields->size && x[at] == y[at])
        at++;
    const char *name = "a field that no row names";
    for (size_t i = 0; i < fields->n; i++) {
        const struct tg_field *f = &fields->rows[i];
        if (at >= f->offset && at < f->offset + f->size)
            name = f->name;
        const char *s = f->kind == TG_FIELD_TEXT ? tg_field_text(f, a) : NULL, *t = f->kind == TG_FIELD_TEXT ? tg_field_text(f, b) : NULL;
        if (at == fields->size && (!s != !t || (s && strcmp(s, t) != 0))) {
            at = f->offset;
            name = f->name;
        }
    }
    if (at < fields->size)
        snprintf(out, size, "%s: %s differs (byte %zu)", fields->name, name, at);
    bool same = at == fields->size;
    free(x);
    free(y);
    return same;
}

/* False with what differs in out. */
static inline bool same_run(const struct tg_run *a, const struct tg_run *b, char *out, size_t size)
{
    bool same = same_struct(&tg_run_fields, a, b, out, size);

    for (size_t i = 0; same && i < a->plan->n_stages; i++)
        same = same_struct(&tg_run_stage_fields, &a->stages[i], &b->stages[i], out, size);
    for (size_t i = 0; same && i < a->plan->n_hosts; i++)
        same = same_struct(&tg_run_host_fields, &a->hosts[i], &b->hosts[i], out, size);
    for (size_t i = 0; same && i < a->plan->n_domains; i++)
        if (a->domains[i].down != b->domains[i].down) {
            snprintf(out, size, "domain %zu has %u down, the other %u", i, a->domains[i].down, b->domains[i].down);
            same = false;
        }
    return same;
}

#endif
