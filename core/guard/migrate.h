/*
 * Moving the tree to another store while guards go on asking: begin, copy, verify, complete, or back. docs/tagout-migrate.1.scd tells the
 * same to operators.
 *
 * What may be said when hangs on two records, /cluster on either side, and on the order in which they change:
 *
 *   step                 source /cluster           target /cluster                    guards, locks, permits
 *   before               live, g                   none: UNKNOWN (not-initialised)    at the source
 *   begin, copy, verify  live, g                   migrating, G (> g)                 at the source, as ever; the target answers UNKNOWN
 *   complete: freeze     migrating, g, moved → G   migrating, G                       nobody: UNKNOWN everywhere; begins
 *   complete: copies the rest, waits for the permits in flight, compares              nobody
 *   complete: retire     retired, g, moved → G     migrating, G                       nobody. No way back from here
 *   complete: live       retired, g, moved → G     live, G, from (g, freeze's txid)   at the target; ends
 *   back                 migrating or live, g      retired, G, moved → g              as it was
 *   back: thaw           live, g                   retired, G                         at the source
 *
 * Why no guard says GO that should not:
 *   - At most one of the two is live at any moment: the target is written live only after the source was written retired, and the source
 *     is written live again (back, or complete giving up) only when it is not retired and, by back, after the target was. Both
 *     stores serialise the writes of their own record by its version, and whoever writes has the seat (below). So a guard that reads the
 *     one or the other, before or after its configuration is switched, early or late, either finds the live one or answers UNKNOWN.
 *   - A target that is empty or half copied says "migrating" from its first node on: /cluster is made in the first transaction.
 *   - What is live is whole: after the freeze nothing persistent of the source changes (each transaction that changes a lock, a run … checks the
 *     version of /cluster, which the freeze changed), it is copied after that, and compared node by node before the source is retired.
 *   - A permit that was granted at the source was written there before its look at a live /cluster (permit.h), so before the
 *     freeze: its transaction is lower than the freeze's. Reading the permits behind the freeze, on the same session, finds them all; the
 *     target goes live when they have ended (P1 across the two). Permits that are newer than the freeze can't be granted: they are not
 *     waited for. A lock that was held at the source lies at the target before any permit is granted there.
 *   - A lock that was being taken (state taking) is copied so, and holds; its taker can't confirm it and is told UNKNOWN.
 *   - A stale copy: the target's record tells which transaction of the source it has; a host that has seen a later one there refuses it,
 *     as it refuses a source of lower generation ever after (store/cluster.h).
 *   - Fencing tokens are (generation, transaction): G > g makes all tokens of the target greater than all of the source. Each attempt takes a
 *     generation of its own, also after one that was taken back.
 *
 * The seat: who moves holds /migration/seat, ephemeral, at the source, and has raised the epoch in the record /migration on both
 * sides, whose version every transaction of his checks. So one who was stopped and wakes writes nothing any more, on either side.
 *
 * Each step may be killed anywhere and called again. Nothing of it is remembered anywhere but in the two stores.
 *
 * All of it blocks (it pumps the one loop of both stores), top level only.
 */
#ifndef TG_GUARD_MIGRATE_H
#define TG_GUARD_MIGRATE_H

#include "guard/lock.h"
#include "store/cluster.h"
#include "store/mirror.h"

#define TG_MIGRATION_FORMAT 1

enum tg_migrate_phase {
    TG_MIGRATE_NONE,       /* there is no record */
    TG_MIGRATE_BEGUN,
    TG_MIGRATE_COPIED,
    TG_MIGRATE_VERIFIED,
    TG_MIGRATE_COMPLETING, /* from the freeze on */
    TG_MIGRATE_DONE,
    TG_MIGRATE_BACKING,    /* being taken back: only back goes on from here */
    TG_MIGRATE_BACK
};
const char *tg_migrate_phase_name(enum tg_migrate_phase phase);

/* The record at /migration: at the source it says what was done, at the target whose it is. */
struct tg_migration {
    char id[TG_CLUSTER_ID_SIZE];
    char cluster[TG_CLUSTER_ID_SIZE];
    char from[TG_CLUSTER_URL_SIZE], to[TG_CLUSTER_URL_SIZE];
    int64_t generation;    /* of the target */
    enum tg_migrate_phase phase;
    int64_t epoch;         /* how often the seat was taken */
    char by[TG_OWNER_SIZE];
    int64_t began_ms, changed_ms; /* wall */
    int64_t copied_txid;   /* of the source: all up to it is at the target; 0 nothing is known */
};
/* JSON, free(); NULL: memory. */
char *tg_migration_encode(const struct tg_migration *record);
/* TG_E_UNKNOWN: it makes no sense, or a newer tagout wrote it. */
int tg_migration_decode(const char *text, size_t len, struct tg_migration *out, struct tg_error *e);

/* One of the two stores, as it was read. */
struct tg_migrate_side {
    bool has_cluster, has_record;
    struct tg_cluster cluster;
    int64_t cluster_version, cluster_txid; /* txid: of the last write of the record: the freeze's, once frozen */
    struct tg_migration record;
    int64_t record_version;
    size_t others;      /* nodes of the root beside these two; only counted when there is no cluster */
    char seat[400];     /* who moves, for people; "" nobody. Only at the source */
};

enum tg_migrate_news_kind {
    TG_NEWS_SEAT,     /* waits for the seat; text: who has it */
    TG_NEWS_READ,     /* n nodes were read so far; text: of which side */
    TG_NEWS_COPIED,   /* a pass; copied */
    TG_NEWS_RUNS,     /* waits for runs; text names them; "" when they have ended */
    TG_NEWS_PERMITS,  /* waits for permits; waits; none: they have ended */
    TG_NEWS_FROZEN,   /* from here on guards answer UNKNOWN */
    TG_NEWS_THAWED,   /* the source serves again */
    TG_NEWS_COMPARED, /* report */
    TG_NEWS_RETIRED,
    TG_NEWS_LIVE      /* n: milliseconds since the freeze, as far as this process has seen it */
};
struct tg_migrate_news {
    enum tg_migrate_news_kind kind;
    const char *text;
    size_t n;
    const struct tg_waits *waits;
    const struct tg_mirror_copied *copied;
    const struct tg_mirror_report *report;
};
/* Only tells; must not call the store. */
typedef void (*tg_migrate_fn)(void *data, const struct tg_migrate_news *news);

struct tg_migrate {
    struct tg_store *from, *to; /* on one loop; to may be NULL for status and back */
    const char *state_dir;      /* of this host's marks; NULL: none are kept (tests) */
    const char *by;
    int64_t timeout_ms;         /* of each exchange with a store; 0: 30 s */
    int64_t wait_ms;            /* of complete, for runs and permits in flight; -1: no bound */
    int64_t seat_wait_ms;       /* for a seat that is taken: its holder may be dead, and its session not yet */
    tg_migrate_fn tell;         /* may be NULL */
    void *data;
    bool dies;                  /* tests: a failure leaves all as a process leaves it that is killed at that moment */
    /* own */
    struct tg_migrate_side s, t;
    bool seated;
    int64_t frozen_ms;          /* monotonic; 0 not by this process */
    int64_t unknown_ms;         /* out: how long guards had no answer; 0: not known */
};

/*
 * Pure. TG_E_USAGE when a ZooKeeper's place of that name would lie inside of the source's, were the servers the same: to be asked before the
 * target is opened, which makes the place. A node of a stranger in the source's tree would make its guards answer UNKNOWN, and the tree would
 * be copied into itself.
 */
int tg_migrate_refuse_inside(const char *from, const char *to, struct tg_error *e);
/* Reads both sides into s and t. TG_E_NOENT is no failure; a damaged record is. */
int tg_migrate_look(struct tg_migrate *m, struct tg_error *e);
/* After a look: the next step, "begin" … "complete", "back"; "" when all is done. */
const char *tg_migrate_next(const struct tg_migrate *m);

/*
 * The steps. Each looks itself, and refuses with TG_E_USAGE when it is not its turn; the hint is the command to type. TG_E_HELD: somebody
 * else has the seat, or another move is under way (the message says whose), or what is in flight has not ended in time; TG_E_UNKNOWN: a side
 * does not add up; TG_E_DATA: the copy differs. TG_E_LOST, TG_E_TIMEOUT, TG_E_SESSION: a store was lost; call it again.
 */
int tg_migrate_begin(struct tg_migrate *m, struct tg_error *e);
int tg_migrate_copy(struct tg_migrate *m, struct tg_mirror_copied *out, struct tg_error *e);
/* *out is filled on 0 and on TG_E_DATA; tg_mirror_report_release(). */
int tg_migrate_verify(struct tg_migrate *m, struct tg_mirror_report *out, struct tg_error *e);
/* When it gives up, is interrupted, or finds a difference, before the source is retired, it thaws the source. */
int tg_migrate_complete(struct tg_migrate *m, struct tg_error *e);
/* to NULL: the target can't be reached, and stays as it is: "migrating", so believed by nobody. */
int tg_migrate_back(struct tg_migrate *m, struct tg_error *e);

/* Who is in flight at the source now, for a dry run: permits, and runs' seats as text. *waits: tg_waits_release(). */
int tg_migrate_in_flight(struct tg_migrate *m, struct tg_waits *waits, char *runs, size_t size, struct tg_error *e);

#endif
