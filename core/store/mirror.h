/*
 * A tree of one store made equal to that of another, and compared with it: what `tagout migrate` is made of (guard/migrate.h).
 *
 * Copying and comparing are apart on purpose. Copying walks the source and writes what differs from a sum of the target that was taken
 * before. Comparing sums both sides anew, from what the servers say now, and holds the number of children that was walked against
 * the number that the server counts, so that a walk which left something out can't find both sides equal.
 *
 * Left out on both sides: /cluster and /migration, which differ by their nature; /zookeeper, which is the server's; ephemeral nodes, which
 * belong to sessions; and what lies in the folders of these, which anybody makes when he needs it (/permits/host/3f). See tg_mirror_skips().
 *
 * All of it blocks (it pumps the loop), top level only.
 */
#ifndef TG_STORE_MIRROR_H
#define TG_STORE_MIRROR_H

#include "base/sha256.h"

#include <tagout/store.h>

#define TG_MIGRATION_PATH "/migration" /* the record of a move, on both sides: see guard/migrate.h */

/*
 * A folder that says something of its children is written in the transaction that makes or removes one. Whether that holds can be seen:
 * it was written in or after the last change of its children (guard/tree.h proves it so). A copy can't make a folder and its children at once, so it
 * writes such a folder once more behind them, where it holds at the source and not at the target.
 */

/* Is it no part of what is copied? children: it is, but not what is below it. */
bool tg_mirror_skips(const char *path, bool children);

struct tg_mirror_sum {
    char *path;
    uint8_t hash[TG_SHA256_BYTES]; /* of the data */
    int64_t version, modified_txid;
    int64_t children_txid;         /* INT64_MAX: one of them went while it was walked */
    int64_t counted;               /* children, says the server */
    int64_t walked;                /* children that were met, ephemeral ones among them; -1: not walked */
};
struct tg_mirror_sums {
    struct tg_mirror_sum *v; /* by path, in the order of tg_mirror_order() */
    size_t n, cap;
    int64_t bytes;           /* of data */
};
int tg_mirror_order(const char *a, const char *b);
void tg_mirror_sums_release(struct tg_mirror_sums *sums);
/* Written in or after the last change of its children; or it is empty, and says nothing of them. */
bool tg_mirror_is_stamped(const struct tg_mirror_sum *sum);
const struct tg_mirror_sum *tg_mirror_find(const struct tg_mirror_sums *sums, const char *path);

/* Each node of a walk, parents before children. node is borrowed. A negative code ends the walk. */
typedef int (*tg_mirror_fn)(void *data, const char *path, const struct tg_node *node, struct tg_error *e);
/* How many nodes were met so far; only tells. */
typedef void (*tg_mirror_tell_fn)(void *data, size_t nodes);

struct tg_mirror_walk {
    int64_t wait_ms;        /* of each exchange with the store */
    tg_mirror_fn visit;     /* may be NULL */
    void *data;
    tg_mirror_tell_fn tell; /* may be NULL */
    void *tell_data;
};
/*
 * Reads the whole tree, in rounds of as many reads as a transaction may have operations. *out (may be NULL: only visit) is the caller's.
 * Nodes that come or go meanwhile are met or not.
 */
int tg_mirror_sum(struct tg_store *store, const struct tg_mirror_walk *walk, struct tg_mirror_sums *out, struct tg_error *e);

struct tg_mirror_copied {
    size_t nodes, created, written, deleted; /* nodes: of the source; written: not those that were only written again */
    int64_t bytes;                           /* written */
};
/*
 * Makes `to` equal to `from`. Each transaction also has the n_fence operations (checks of who may write). What is there already is left alone,
 * so it goes on where an earlier one died; an answer that was lost is TG_E_LOST: do it again. TG_E_VERSION: the fence refused, or somebody
 * else writes there. A parent is written before its children, and what was made first is made first (the audit's order hangs on it).
 */
int tg_mirror_copy(struct tg_store *from, struct tg_store *to, const struct tg_mirror_walk *walk, const struct tg_op *fence, size_t n_fence,
                   struct tg_mirror_copied *out, struct tg_error *e);

/*
 * The same with one walk, of the source, when what the target holds is known: *there was summed, or updated, since when nobody but the caller
 * could write at the target (the fence tells). What is written is read back, so that *there is again what the target says it holds. walk->visit
 * sees each node of the source; *out_from is the caller's. On failure *there is not to be believed any more: sum it anew.
 */
int tg_mirror_update(struct tg_store *from, struct tg_store *to, const struct tg_mirror_walk *walk, const struct tg_op *fence, size_t n_fence,
                     struct tg_mirror_sums *there, struct tg_mirror_sums *out_from, struct tg_mirror_copied *out, struct tg_error *e);

/* Its parts: paths that were written, and reading them back into the sums. */
struct tg_mirror_paths {
    char **v;
    size_t n, cap;
};
/* folder: the folder that it is in as well. */
int tg_mirror_touch(struct tg_mirror_paths *paths, const char *path, bool folder, struct tg_error *e);
void tg_mirror_paths_release(struct tg_mirror_paths *paths);
/* In their order, each once. */
void tg_mirror_sort_once(struct tg_mirror_paths *paths);
int tg_mirror_reread(struct tg_store *store, int64_t wait_ms, struct tg_mirror_paths *touched, struct tg_mirror_sums *sums, struct tg_error *e);
/* A node's sum, but for its path and the children that were met. */
struct tg_mirror_sum tg_mirror_sum_of(const struct tg_node *node);

enum tg_mirror_difference { TG_MIRROR_MISSING, TG_MIRROR_EXTRA, TG_MIRROR_DIFFERS, TG_MIRROR_COUNT, TG_MIRROR_STAMP };
struct tg_mirror_found {
    enum tg_mirror_difference what;
    char *path;
};
/* One folder of the root. */
struct tg_mirror_folder {
    char name[64];
    size_t from, to;                            /* nodes */
    char from_digest[17], to_digest[17];        /* of all paths and data below, cut */
};
struct tg_mirror_report {
    struct tg_mirror_folder *folders;
    size_t n_folders;
    struct tg_mirror_found *found; /* the first TG_MIRROR_FOUND_MAX */
    size_t n_found;
    size_t differences, since; /* since: differences that are newer than since_txid, not among the former */
};
#define TG_MIRROR_FOUND_MAX 20
/*
 * Pure. What differs between two sums. since_txid (0: nothing counts as such): what changed in the source after that transaction may
 * differ, as the source is in use. Of walked and counted the server's word counts: a difference between them is one (TG_MIRROR_COUNT),
 * unless it is that new. TG_MIRROR_STAMP: the source's is stamped, the target's is not.
 */
int tg_mirror_compare(const struct tg_mirror_sums *from, const struct tg_mirror_sums *to, int64_t since_txid, struct tg_mirror_report *out,
                      struct tg_error *e);
void tg_mirror_report_release(struct tg_mirror_report *report);
const char *tg_mirror_difference_name(enum tg_mirror_difference what);

#endif
