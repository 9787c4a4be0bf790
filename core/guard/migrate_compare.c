/* Comparing the two sides of a move, and proving what was copied by its own counters: see migrate.h. */
#include "guard/migrate_internal.h"
#include "guard/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "/locks"

/* What records name, to be looked for when all was read. */
struct proof {
    char **paths;
    size_t n, cap;
    int64_t now_ms;
};

static int must_be_there(struct proof *p, const char *path, struct tg_error *e)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 256;
        char **v = realloc(p->paths, cap * sizeof *v);
        if (!v)
            return tg_fail(e, TG_E_MEMORY, "out of memory");
        p->paths = v;
        p->cap = cap;
    }
    if (!(p->paths[p->n] = strdup(path)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    p->n++;
    return 0;
}

static int prove_counter(struct proof *p, const char *path, const struct tg_node *node, const struct tg_counter *c, struct tg_error *e)
{
    char child[TG_NODE_PATH_SIZE + 260];
    int rc = 0;

    if (c->count != node->stat.children)
        return tg_fail(e, TG_E_DATA, "%s says %lld, the server counts %lld", path + 1, (long long) c->count, (long long) node->stat.children);
    for (int64_t i = 0; !rc && c->names && i < c->count; i++) {
        snprintf(child, sizeof child, "%s/%s", path, c->names[i]);
        rc = must_be_there(p, child, e);
    }
    return rc;
}

/* A lock that holds must also be found by its id. */
static int prove_lock(struct proof *p, const struct tg_lock *l, struct tg_error *e)
{
    char index[64];

    snprintf(index, sizeof index, "/lock-index/%c/%s", l->id[0], l->id);
    return tg_lock_is_live(l, p->now_ms) ? must_be_there(p, index, e) : 0;
}

static int visit(void *data, const char *path, const struct tg_node *node, struct tg_error *e)
{
    struct proof *p = data;
    struct tg_counter c;
    struct tg_lock l;
    struct tg_error why = TG_ERROR_INIT;

    if (strncmp(path, ROOT, strlen(ROOT)) != 0 || (path[strlen(ROOT)] != '/' && path[strlen(ROOT)] != '\0'))
        return 0;
    if (tg_counter_decode(node->data, node->len, &c, NULL) == 0) {
        int rc = prove_counter(p, path, node, &c, e);
        tg_counter_clear(&c);
        return rc;
    }
    if (tg_lock_decode(node->data, node->len, &l, &why) != 0)
        return tg_fail(e, TG_E_DATA, "%s can't be read: %s", path + 1, why.message);
    int rc = prove_lock(p, &l, e);
    tg_lock_clear(&l);
    return rc;
}

/* Sums one side; prove: its locks' counters as well. */
static int sum(struct tg_migrate *m, struct tg_store *store, bool prove, struct tg_mirror_sums *out, struct tg_error *e)
{
    struct proof p = {.now_ms = tg_wall_ms(tg_loop_clock(tg_store_loop(store)))};
    struct tg_mirror_walk walk = {.wait_ms = m->timeout_ms ? m->timeout_ms : 30000, .visit = prove ? visit : NULL, .data = &p};
    int rc = tg_store_sync(store, TG_CLUSTER_PATH, tg_migrate_deadline(m), e);

    if (!rc)
        rc = tg_mirror_sum(store, &walk, out, e);
    for (size_t i = 0; i < p.n; i++) {
        if (!rc && !tg_mirror_find(out, p.paths[i])) {
            tg_mirror_sums_release(out);
            rc = tg_fail(e, TG_E_DATA, "%s is named and is not there", p.paths[i] + 1);
        }
        free(p.paths[i]);
    }
    free(p.paths);
    if (rc)
        tg_error_prefix(e, "%s", tg_store_url(store));
    return rc;
}

static int differs(const struct tg_migrate *m, const struct tg_mirror_report *r, struct tg_error *e)
{
    const struct tg_mirror_found *f = r->found;

    if (r->n_found)
        tg_fail(e, TG_E_DATA, "%s is not equal to the source in %zu place%s, such as %s (%s)", tg_store_url(m->to), r->differences, r->differences == 1 ? "" : "s",
                f->path + 1, tg_mirror_difference_name(f->what));
    else
        tg_fail(e, TG_E_DATA, "%s is not equal to the source", tg_store_url(m->to));
    tg_error_hint(e, "tagout migrate copy --to %s, then verify again; is somebody else writing there?", m->s.record.to);
    return TG_E_DATA;
}

int tg_migrate_compare(struct tg_migrate *m, bool frozen, struct tg_mirror_report *out, struct tg_error *e)
{
    struct tg_mirror_sums from = {.n = 0}, to = {.n = 0};
    struct tg_mirror_report report = {.n_found = 0};
    /* What is in use is only equal to what was copied of it when nothing has changed since, so its counters are not proven. */
    int rc = sum(m, m->from, frozen, &from, e);

    if (!rc)
        rc = sum(m, m->to, frozen, &to, e);
    if (!rc)
        rc = tg_mirror_compare(&from, &to, frozen ? 0 : m->s.record.copied_txid, &report, e);
    if (!rc) {
        tg_migrate_tell(m, (struct tg_migrate_news) {.kind = TG_NEWS_COMPARED, .report = &report});
        rc = report.differences ? differs(m, &report, e) : 0;
    }
    tg_mirror_sums_release(&from);
    tg_mirror_sums_release(&to);
    if ((rc && rc != TG_E_DATA) || !out)
        tg_mirror_report_release(&report);
    else
        *out = report;
    return rc;
}
