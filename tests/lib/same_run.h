/* Are two machines of one plan alike? Byte by byte, so that a field that nobody thought of counts as well; what a snapshot derives is compared where it is plain. */
#ifndef TESTS_LIB_SAME_RUN_H
#define TESTS_LIB_SAME_RUN_H

#include "engine/run_snapshot_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What may differ between machines that are alike: what points, and what only says where to look first. */
static inline bool same_may_differ(const struct tg_fields *fields, const struct tg_field *f)
{
    static const char *const of_run[] = {"plan", "stages", "hosts", "domains", "links", "bring", NULL}, *const of_stage[] = {"next", "ready", "parked", "kept_out", "wake_ms", NULL};
    static const char *const none[] = {NULL};
    const char *const *names = fields == &tg_run_fields ? of_run : fields == &tg_run_stage_fields ? of_stage : none;

    while (*names && strcmp(*names, f->name) != 0)
        names++;
    return *names || f->kind == TG_FIELD_TEXT;
}

static inline void *same_bare(const struct tg_fields *fields, const void *of)
{
    char *copy = malloc(fields->size);

    memcpy(copy, of, fields->size);
    for (size_t i = 0; i < fields->n; i++)
        if (same_may_differ(fields, &fields->rows[i]))
            memset(copy + fields->rows[i].offset, 0, fields->rows[i].size);
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
        if (a->domains[i].down != b->domains[i].down || a->domains[i].outside != b->domains[i].outside || a->domains[i].gone != b->domains[i].gone ||
            a->domains[i].outside_gone != b->domains[i].outside_gone || strcmp(a->domains[i].who_gone ? a->domains[i].who_gone : "", b->domains[i].who_gone ? b->domains[i].who_gone : "") != 0 ||
            strcmp(a->domains[i].whose ? a->domains[i].whose : "", b->domains[i].whose ? b->domains[i].whose : "") != 0) {
            snprintf(out, size, "domain %zu has %u, %u, %u and %u down, the other %u, %u, %u and %u", i, a->domains[i].down, a->domains[i].gone, a->domains[i].outside,
                     a->domains[i].outside_gone, b->domains[i].down, b->domains[i].gone, b->domains[i].outside, b->domains[i].outside_gone);
            same = false;
        }
    for (size_t i = 0; same && i < a->plan->n_windows; i++) {
        const struct tg_run_domain *x = tg_run_window(a, i), *y = tg_run_window(b, i);
        if (x->open != y->open || x->since_ms != y->since_ms || x->until_ms != y->until_ms || !x->why != !y->why || (x->why && strcmp(x->why, y->why) != 0)) {
            snprintf(out, size, "window %zu is %s, since %lld, the other %s, since %lld", i, x->open ? "open" : "closed", (long long) x->since_ms, y->open ? "open" : "closed",
                     (long long) y->since_ms);
            same = false;
        }
    }
    return same;
}

#endif
