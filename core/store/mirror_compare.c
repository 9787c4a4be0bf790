/* Comparing two trees by their sums: see mirror.h. Pure. */
#include "store/mirror.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *tg_mirror_difference_name(enum tg_mirror_difference what)
{
    static const char *const names[] = {[TG_MIRROR_MISSING] = "missing", [TG_MIRROR_EXTRA] = "extra", [TG_MIRROR_DIFFERS] = "differs",
                                        [TG_MIRROR_COUNT] = "count", [TG_MIRROR_STAMP] = "stamp"};

    return names[what];
}

void tg_mirror_report_release(struct tg_mirror_report *r)
{
    for (size_t i = 0; i < r->n_found; i++)
        free(r->found[i].path);
    free(r->found);
    free(r->folders);
    *r = (struct tg_mirror_report) {.n_found = 0};
}

struct comparing {
    const struct tg_mirror_sums *from, *to;
    int64_t since_txid;
    struct tg_mirror_report report;
    struct tg_sha256 from_digest, to_digest; /* of the folder that is under way */
    int failed;
};

static void found(struct comparing *c, enum tg_mirror_difference what, const char *path, bool since)
{
    struct tg_mirror_report *r = &c->report;

    if (since) {
        r->since++;
        return;
    }
    r->differences++;
    if (r->n_found == TG_MIRROR_FOUND_MAX)
        return;
    char *copy = strdup(path);
    if (!copy)
        c->failed = TG_E_MEMORY;
    else
        r->found[r->n_found++] = (struct tg_mirror_found) {.what = what, .path = copy};
}

/* Has the source lost it after the transaction? Then the nearest folder above that is left has changed after it. */
static bool went_since(const struct comparing *c, const char *path)
{
    char above[TG_STORE_PATH_MAX + 1];
    char *slash;

    if (!c->since_txid)
        return false;
    snprintf(above, sizeof above, "%s", path);
    while ((slash = strrchr(above, '/')) != NULL && slash != above) {
        *slash = '\0';
        const struct tg_mirror_sum *s = tg_mirror_find(c->from, above);
        if (s)
            return s->children_txid > c->since_txid;
    }
    return false;
}

static bool is_since(const struct comparing *c, int64_t txid)
{
    return c->since_txid && txid > c->since_txid;
}

static void count_one(struct comparing *c, const struct tg_mirror_sum *s, bool of_source)
{
    if (s->walked >= 0 && s->walked != s->counted)
        found(c, TG_MIRROR_COUNT, s->path, of_source && is_since(c, s->children_txid));
}

static void add_digest(struct tg_sha256 *h, const struct tg_mirror_sum *s)
{
    tg_sha256_add(h, s->path, strlen(s->path) + 1);
    tg_sha256_add(h, s->hash, sizeof s->hash);
}

static void end_digest(struct tg_sha256 *h, char out[17])
{
    char hex[TG_SHA256_HEX];

    tg_sha256_end_hex(h, hex);
    snprintf(out, 17, "%.16s", hex);
}

static void end_folder(struct comparing *c)
{
    struct tg_mirror_report *r = &c->report;

    if (!r->n_folders)
        return;
    end_digest(&c->from_digest, r->folders[r->n_folders - 1].from_digest);
    end_digest(&c->to_digest, r->folders[r->n_folders - 1].to_digest);
}

/* The folder of the root that the path is in. */
static int enter(struct comparing *c, const char *path)
{
    struct tg_mirror_report *r = &c->report;
    size_t len = strcspn(path + 1, "/");

    if (r->n_folders && strlen(r->folders[r->n_folders - 1].name) == len && strncmp(r->folders[r->n_folders - 1].name, path + 1, len) == 0)
        return 0;
    end_folder(c);
    struct tg_mirror_folder *v = realloc(r->folders, (r->n_folders + 1) * sizeof *v);
    if (!v)
        return TG_E_MEMORY;
    r->folders = v;
    v[r->n_folders] = (struct tg_mirror_folder) {.from = 0};
    snprintf(v[r->n_folders].name, sizeof v->name, "%.*s", (int) len, path + 1);
    r->n_folders++;
    tg_sha256_init(&c->from_digest);
    tg_sha256_init(&c->to_digest);
    return 0;
}

/* At one path: either may be NULL. */
static void compare_one(struct comparing *c, const struct tg_mirror_sum *a, const struct tg_mirror_sum *b)
{
    struct tg_mirror_folder *f = &c->report.folders[c->report.n_folders - 1];

    if (a) {
        f->from++;
        add_digest(&c->from_digest, a);
        count_one(c, a, true);
    }
    if (b) {
        f->to++;
        add_digest(&c->to_digest, b);
        count_one(c, b, false);
    }
    if (a && !b)
        found(c, TG_MIRROR_MISSING, a->path, is_since(c, a->modified_txid));
    else if (b && !a)
        found(c, TG_MIRROR_EXTRA, b->path, went_since(c, b->path));
    else if (a && b && memcmp(a->hash, b->hash, sizeof a->hash) != 0)
        found(c, TG_MIRROR_DIFFERS, a->path, is_since(c, a->modified_txid));
    else if (a && b && tg_mirror_is_stamped(a) && !tg_mirror_is_stamped(b))
        found(c, TG_MIRROR_STAMP, a->path, is_since(c, a->modified_txid));
}

int tg_mirror_compare(const struct tg_mirror_sums *from, const struct tg_mirror_sums *to, int64_t since_txid, struct tg_mirror_report *out,
                      struct tg_error *e)
{
    struct comparing c = {.from = from, .to = to, .since_txid = since_txid};
    size_t i = 0, k = 0;

    c.report.found = calloc(TG_MIRROR_FOUND_MAX, sizeof *c.report.found);
    c.failed = c.report.found ? 0 : TG_E_MEMORY;
    while (!c.failed && (i < from->n || k < to->n)) {
        const struct tg_mirror_sum *a = i < from->n ? &from->v[i] : NULL, *b = k < to->n ? &to->v[k] : NULL;
        int order = !a ? 1 : !b ? -1 : tg_mirror_order(a->path, b->path);
        c.failed = enter(&c, order <= 0 ? a->path : b->path);
        if (!c.failed)
            compare_one(&c, order <= 0 ? a : NULL, order >= 0 ? b : NULL);
        i += order <= 0;
        k += order >= 0;
    }
    end_folder(&c);
    if (c.failed) {
        tg_mirror_report_release(&c.report);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    *out = c.report;
    return 0;
}
