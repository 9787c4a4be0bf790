/*
 * Which cluster is this, and may what it says be believed? (P2)
 *
 * The node /cluster says which cluster a store belongs to (a random id), in which generation (it grows when the tree moves to another
 * ensemble, where transaction ids start anew) and in which state. Each host keeps a mark of what it has seen at a URL: the
 * cluster's id, its generation and the highest transaction id. One pure function compares the two: an empty store where one was, another
 * cluster, an old copy, a tree that is being moved: none of them can prove that there is no lock.
 *
 * A host that meets a cluster at a URL for the first time, or in a new generation, asks its marks of other URLs as well (the
 * configuration was switched to where the tree was moved): a cluster that it has seen nowhere is not taken for the one it knows; one that
 * it knows must be of no lower generation than seen anywhere, and must have been copied from a state no older than what was seen there.
 * Once such a generation is believed the marks of that cluster at other URLs are raised to it, so that what was left behind is refused
 * there for ever, also when an old copy of it comes up live.
 */
#ifndef TG_STORE_CLUSTER_H
#define TG_STORE_CLUSTER_H

#include <tagout/store.h>

#define TG_CLUSTER_PATH "/cluster"
#define TG_CLUSTER_FORMAT 1
#define TG_CLUSTER_ID_SIZE 33 /* 128 random bits in hex, and NUL */
#define TG_CLUSTER_CAUSE_SIZE 32
#define TG_CLUSTER_URL_SIZE 512 /* a longer one can't be moved to: it would be cut in what guards say */

enum tg_cluster_state { TG_CLUSTER_LIVE, TG_CLUSTER_MIGRATING, TG_CLUSTER_RETIRED };
const char *tg_cluster_state_name(enum tg_cluster_state state); /* "live" … */

struct tg_cluster {
    char id[TG_CLUSTER_ID_SIZE];
    int64_t generation; /* ≥ 1 */
    enum tg_cluster_state state;
    int64_t created_ms; /* wall; 0 when it doesn't say */
    char created_by[128]; /* "alice@ops1"; "" likewise */
    int64_t from_generation, from_txid; /* copied from a tree of that generation, as it was at that transaction; 0: it was made here */
    char moved_to[TG_CLUSTER_URL_SIZE]; /* not live: where the tree is, or is being moved to; "" when it doesn't say */
    int64_t moved_generation;           /* its generation there; 0 likewise */
};

/* The record's JSON; free(). NULL: out of memory. */
char *tg_cluster_encode(const struct tg_cluster *cluster);
/* TG_E_UNKNOWN for what can't be read; cause (of TG_CLUSTER_CAUSE_SIZE) is "bad-record" or "format-newer". */
int tg_cluster_decode(const char *data, size_t len, struct tg_cluster *out, char *cause, struct tg_error *e);

/*
 * The newest transaction that the node /cluster tells of. Whoever takes or changes a lock makes and deletes a child of it in the same
 * transaction (TG_CLUSTER_TICK), so this is the last change of any lock. The store's own transaction ids would not do: on ZooKeeper every
 * session that begins or ends takes one, so an old copy would soon look as new as what it replaced.
 */
#define TG_CLUSTER_TICK TG_CLUSTER_PATH "/tick"
int64_t tg_cluster_txid(const struct tg_stat *stat);

/* What this host has seen at a URL. */
struct tg_seen {
    bool known;        /* anything at all */
    char id[TG_CLUSTER_ID_SIZE];
    int64_t generation, txid;
    int64_t written_ms; /* wall, of the file */
    char file[512];    /* where it is kept */
};

/*
 * The pure decision: 0, or TG_E_UNKNOWN with the cause in a word: "not-initialised" (no record, and none was ever seen), "store-empty",
 * "other-cluster", "generation-older", "migrating", "retired", "older-than-seen". cluster is NULL when the store has no record. txid: the
 * newest that the record tells of (tg_cluster_txid()). A server that lags behind looks older than seen as well: sync, read and ask
 * once more before you tell.
 */
int tg_cluster_judge(const struct tg_seen *seen, const struct tg_cluster *cluster, int64_t txid, char *cause, struct tg_error *e);
/*
 * The same for what this host has seen at other URLs (n marks, all known; own may be among them), asked when at this one it has seen
 * nothing, or a lower generation: "other-cluster" when there are marks and none is of this cluster (not asked when own_known),
 * "generation-older", "older-than-seen".
 */
int tg_cluster_judge_others(const struct tg_seen *marks, size_t n, bool own_known, const struct tg_cluster *cluster, int64_t txid, char *cause,
                            struct tg_error *e);

/* Where the mark of a URL is kept. */
int tg_seen_file(const char *state_dir, const char *url, char *out, size_t size, struct tg_error *e);
/*
 * Reads the mark of a URL from state_dir/seen/. No file: known is false. A file that can't be read or makes no sense is TG_E_UNKNOWN and
 * names the file and the mend; it never counts as "nothing seen".
 */
int tg_seen_load(const char *state_dir, const char *url, struct tg_seen *out, struct tg_error *e);

#define TG_SEEN_MAX 256 /* marks of one host; more URLs than anybody has, and none behind them counts as unseen: TG_E_UNKNOWN */
/* All marks of this host. *out: free(). TG_E_UNKNOWN as above. */
int tg_seen_all(const char *state_dir, struct tg_seen **out, size_t *out_n, struct tg_error *e);

enum tg_seen_note {
    TG_NOTE_BOUNDED, /* at most once in ten seconds, but for another id or generation */
    TG_NOTE_NOW      /* something hangs on it: a lock was taken or met */
};
/*
 * Notes what was seen, when it is more than the mark says: the file is written whole and durably (two fsyncs, so it is bounded: a
 * copy that is up to ten seconds older than what was last seen may go unnoticed by this alone, and only by a host whose every look in
 * those seconds met no lock). A generation that is new here raises the marks of this cluster at other URLs, too, before its own. A cluster
 * that is not the mark's is not noted: TG_E_UNKNOWN. TG_E_PERM, TG_E_SYSTEM when it can't be written: the caller
 * goes on, the mark is a second line of defence.
 */
int tg_seen_note(struct tg_seen *seen, const char *url, const struct tg_cluster *cluster, int64_t txid, enum tg_seen_note how, struct tg_error *e);

/*
 * All of it, for what a read of /cluster gave (node NULL: there is no such node): loads the mark (state_dir NULL: none is kept), decodes,
 * judges, notes. TG_E_UNKNOWN with the cause; also "bad-mark".
 */
int tg_cluster_prove(struct tg_store *store, const char *state_dir, const struct tg_node *node, enum tg_seen_note how, struct tg_cluster *out,
                     char *cause, struct tg_error *e);
/* Reads /cluster and proves it; what looks old is looked at once more behind a sync. */
int tg_cluster_check(struct tg_store *store, const char *state_dir, int64_t deadline, struct tg_cluster *out, char *cause, struct tg_error *e);
/*
 * For who changes the tree without asking a guard first (a run's seat): is it live? TG_E_UNKNOWN when it is being moved or was. The
 * transaction that follows checks *out_version of TG_CLUSTER_PATH, so that nothing changes in a tree that is being moved.
 * TG_ANY_VERSION: there is no record, so it is no cluster's tree.
 */
int tg_cluster_live(struct tg_store *store, int64_t deadline, int64_t *out_version, struct tg_error *e);
/*
 * Behind a change that an old copy of the store must not take back unnoticed (a booked week, a mail that was sent): the record tells of it, and this host
 * notes that at once. When it fails the change stands, and an old copy may be believed.
 */
int tg_cluster_tick(struct tg_store *store, const char *state_dir, int64_t deadline, struct tg_error *e);

#endif
