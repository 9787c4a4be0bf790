/* Comparing the two sides of a move, and proving what was copied by its own counters: see migrate.h. */
#include "guard/migrate_internal.h"
#include "guard/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "/locks"

/* What records name, to be looked for when all was read. */
struct proof {
    struct tg_mirror_paths paths;
    int64_t now_ms;
};

static int must_be_there(struct proof *p, const char *path, struct tg_error *e)
{
    return tg_mirror_touch(&p->paths, path, false, e);
}

static int prove_counter(struct proof *p, const char *path, const struct tg_node *node, const struct tg_counter *c, struct tg_error *e)
{
    char child[TG_NODE_PATH_SIZE + 260];
    int rc = 0;

    if (c->count != node->stat.children)
        return tg_fail(e, TG_E_DATA, "%s says %lld, the server counts %lld", path + 1, (long long) c->count, (long long) node->stat.children);
    if (node->stat.children_txid > node->stat.modified_txid)
        return tg_fail(e, TG_E_DATA, "%s: something in it was made or removed since it last said what there is", path + 1);
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

/* All that was named must have been met. */
static int prove_named(const struct proof *p, const struct tg_mirror_sums *sums, struct tg_error *e)
{
    for (size_t i = 0; i < p->paths.n; i++)
        if (!tg_mirror_find(sums, p->paths.v[i]))
            return tg_fail(e, TG_E_DATA, "%s is named and is not there", p->paths.v[i] + 1);
    return 0;
}

static int64_t wait_of(const struct tg_migrate *m)
{
    return m->timeout_ms ? m->timeout_ms : 30000;
}

static int sum(struct tg_migrate *m, struct tg_store *store, struct tg_mirror_sums *out, struct tg_error *e)
{
    const struct tg_mirror_walk walk = {.wait_ms = wait_of(m)};
    int rc = tg_store_sync(store, TG_CLUSTER_PATH, tg_migrate_deadline(m), e);

    if (!rc)
        rc = tg_mirror_sum(store, &walk, out, e);
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

static int compare(struct tg_migrate *m, const struct tg_mirror_sums *from, const struct tg_mirror_sums *to, int64_t since_txid,
                   struct tg_mirror_report *out, struct tg_error *e)
{
    struct tg_mirror_report report = {.n_found = 0};
    int rc = tg_mirror_compare(from, to, since_txid, &report, e);

    if (rc)
        return rc;
    tg_migrate_tell(m, (struct tg_migrate_news) {.kind = TG_NEWS_COMPARED, .report = &report});
    rc = report.differences ? differs(m, &report, e) : 0;
    if (out)
        *out = report;
    else
        tg_mirror_report_release(&report);
    return rc;
}

int tg_migrate_compare(struct tg_migrate *m, struct tg_mirror_report *out, struct tg_error *e)
{
    struct tg_mirror_sums from = {.n = 0}, to = {.n = 0};
    /* What is in use is only equal to what was copied of it when nothing has changed since, so its counters are not proven. */
    int rc = sum(m, m->from, &from, e);

    if (!rc)
        rc = sum(m, m->to, &to, e);
    if (!rc)
        rc = compare(m, &from, &to, m->s.record.copied_txid, out, e);
    tg_mirror_sums_release(&from);
    tg_mirror_sums_release(&to);
    return rc;
}

int tg_migrate_sum_target(struct tg_migrate *m, struct tg_mirror_sums *out, struct tg_error *e)
{
    return sum(m, m->to, out, e);
}

static int update(struct tg_migrate *m, struct proof *proof, struct tg_mirror_sums *there, struct tg_mirror_sums *from, struct tg_mirror_copied *out,
                  struct tg_error *e)
{
    const struct tg_mirror_walk walk = {.wait_ms = wait_of(m), .visit = proof ? visit : NULL, .data = proof};
    struct tg_error why = TG_ERROR_INIT;
    struct tg_op fence[2];
    int rc = tg_store_sync(m->from, TG_CLUSTER_PATH, tg_migrate_deadline(m), e);

    if (rc)
        return rc;
    int64_t txid = tg_store_seen_txid(m->from);
    tg_migrate_fence(m, fence);
    rc = tg_mirror_update(m->from, m->to, &walk, fence, 2, there, from, out, &why);
    if (rc)
        return tg_fail(e, rc, "copying to %s: %s", tg_store_url(m->to), why.message);
    tg_migrate_tell(m, (struct tg_migrate_news) {.kind = TG_NEWS_COPIED, .copied = out});
    m->s.record.copied_txid = txid;
    return 0;
}

#define FEW 64    /* changes that a pass found: the next would find as many */
#define PASSES 4

int tg_migrate_approach(struct tg_migrate *m, struct tg_mirror_sums *there, struct tg_error *e)
{
    size_t changed = SIZE_MAX;
    int rc = 0;

    for (int i = 0; !rc && i < PASSES && changed > FEW; i++) {
        struct tg_mirror_copied c = {.nodes = 0};
        struct tg_mirror_sums from = {.n = 0};
        rc = update(m, NULL, there, &from, &c, e);
        tg_mirror_sums_release(&from);
        changed = c.created + c.written + c.deleted;
    }
    return rc;
}

/*
 * The counters are proven on the source; that the target has the same paths with the same data, and as many children by its server's word, is
 * what is compared: so they are proven there as well.
 */
int tg_migrate_equal(struct tg_migrate *m, struct tg_mirror_sums *there, struct tg_error *e)
{
    struct proof proof = {.now_ms = tg_wall_ms(tg_loop_clock(tg_store_loop(m->from)))};
    struct tg_mirror_sums from = {.n = 0};
    struct tg_mirror_copied copied = {.nodes = 0};
    int rc = update(m, &proof, there, &from, &copied, e);

    if (!rc && (rc = prove_named(&proof, &from, e)) != 0)
        tg_error_prefix(e, "%s", tg_store_url(m->from));
    if (!rc)
        rc = compare(m, &from, there, 0, NULL, e);
    tg_mirror_sums_release(&from);
    tg_mirror_paths_release(&proof.paths);
    return rc;
}
