/*
 * Where a run lives in the store, and the driver's seat. What the run *is* (engine/run.h) knows nothing of this.
 *
 *   /runs/ID          record: rollout, digest, who made it, the seat's epoch. Written only when the seat changes hands: its version fences
 *                     whoever had the seat before (P6)
 *   /runs/ID/plan     number and size of the parts; /runs/ID/plan/0001 …: the plan's canonical JSON
 *   /runs/ID/control  what people want of it (control.h). Its version, and that of /pauses, are checked by each write that lets something
 *                     start (P10)
 *   /runs/ID/journal  head: how many lines, in how many segments, and the sum of their bytes; /runs/ID/journal/00000001 …: the lines
 *   /runs/ID/snapshot what lines were folded into, when they had become many: NAME-0001 …, the parts of a text. The head names it, with its length
 *                     and its sum, and the first segment behind it; what it does not name is nothing, and is removed by and by
 *   /runs/ID/token    who bears it passes the run's locks: the tool that the run itself starts. Kept so that a resumed run has it; it tells
 *                     nothing to those who may write here, since they could remove the locks as well
 *   /runs/ID/lease    ephemeral: somebody is in the seat
 *
 * A commit is one transaction: the record's version, the control's version when something starts, the head, the segments. So a line is in
 * the journal only if the seat was ours at that moment, and a start only if nobody had said stop. The head makes a journal that lost a
 * segment, or a byte, one that does not add up: it is refused (P2, P7).
 *
 * All of it blocks (it pumps the loop), top level only.
 */
#ifndef TG_ENGINE_JOURNAL_H
#define TG_ENGINE_JOURNAL_H

#include "base/buf.h"
#include "engine/pauses.h"
#include "engine/run.h"

#include <tagout/store.h>

#define TG_JOURNAL_FORMAT 1
#define TG_JOURNAL_FOLDED 2 /* of the head, once there is a snapshot */
#define TG_RUN_ID_SIZE 96
/* A segment is rewritten with each commit until it is full: small keeps that cheap, large keeps the nodes few. A run over 100,000 hosts
 * writes about 150 MB of lines, of which a tenth is there at a time. */
#define TG_JOURNAL_SEGMENT 65536
#define TG_JOURNAL_SEALED 8192     /* the last one is let go at */
#define TG_JOURNAL_SMALL_ONES 1024
/* Of one transaction; below TG_STORE_DATA_MAX with room for the head and the last segment's rest. */
#define TG_JOURNAL_COMMIT_MAX (TG_STORE_DATA_MAX - 2 * TG_JOURNAL_SEGMENT)

/* How far a run was when its head was written: with it a list of runs needs no journal. */
struct tg_run_summary {
    bool known;              /* a run of an earlier version says nothing */
    enum tg_run_state state;
    enum tg_run_end end;
    size_t done, hosts, failures, leftovers;
};

/* Who drives a run. */
struct tg_run_seat {
    char by[256], host[256]; /* "?" when the lease does not say */
    int64_t pid, epoch, since_ms;
    int64_t version;         /* of the lease */
    uint64_t session;        /* of the store */
};

/* A snapshot, as the head names it. */
struct tg_snapshot_ref {
    char name[32];
    size_t parts, bytes;     /* parts 0: there is none */
    uint64_t sum;            /* of its bytes */
    int64_t lines;           /* of the journal, that are in it */
    uint64_t journal_sum;    /* of the journal's bytes up to there */
};

struct tg_journal_head {
    int64_t version;         /* of the node */
    int64_t lines;
    size_t first;            /* the first segment's number; 1 unless there is a snapshot */
    size_t segments;         /* the last one's number; first - 1: none yet */
    struct tg_snapshot_ref snapshot;
    uint64_t sum;            /* of the bytes of all lines */
    int64_t children;        /* segments that the server counts */
    int64_t modified_ms;     /* by the store's clock */
    struct tg_run_summary summary;
};

struct tg_journal {
    struct tg_store *store;  /* borrowed */
    char id[TG_RUN_ID_SIZE];
    int64_t wait_ms;         /* greatest wait for one answer of the store */
    bool seated;
    int64_t epoch;
    int64_t record_version, control_version, head_version;
    char *rollout, *digest, *by; /* of the record */
    int64_t made_ms;
    struct tg_run_control control;
    struct tg_pauses pauses; /* of the whole store; checked as control is */
    struct tg_replay replay; /* of the machine that was loaded: borrowed. Only who reads on uses it */
    int64_t lines;           /* committed */
    uint64_t sum;            /* of what is committed */
    size_t first, segments;  /* committed, as in the head */
    struct tg_snapshot_ref snapshot;
    struct tg_buf tail;      /* the last segment as committed */
    struct tg_buf pending;   /* lines to be committed */
    struct tg_buf history;   /* lines of what befell the run as a whole: they stay when others are folded; bounded */
    /* folding */
    size_t fold_bytes;       /* lines of so many bytes are folded; 0: as many as is good */
    size_t tail_bytes;       /* of lines, behind the snapshot */
    struct tg_fold *fold;    /* under way */
    bool cut;                /* the next line begins a segment */
    bool stale;              /* the store has what is in no use */
    size_t put_off;          /* not before tail_bytes has this much */
    unsigned folds;          /* for their names */
};

enum tg_commit {
    TG_COMMITTED,
    TG_COMMIT_CONTROL /* refused, nothing written, pending kept: control or the pauses have changed, and have been read anew */
};

/* What a run carries to hosts. */
struct tg_run_tokens {
    char own[65];     /* of the run's locks */
    char all[1024];   /* that one, and those which the operator gave, separated by commas */
};
/* A fresh one; given: the operator's TAGOUT_TOKEN, or NULL. TG_E_DATA when that is too long. */
int tg_run_tokens_make(const char *given, struct tg_run_tokens *out, struct tg_error *e);

/* Makes a run of the plan: NAME-YYYYMMDD-N, the day in UTC. It has not begun, and the seat is free. */
int tg_journal_create(struct tg_store *store, const struct tg_plan *plan, const char *by, const struct tg_run_tokens *tokens, int64_t wall_ms,
                      int64_t wait_ms, char out_id[TG_RUN_ID_SIZE], struct tg_error *e);
/* The same with an id that the caller gives: of a rollback. TG_E_EXISTS: it is taken. */
int tg_journal_create_as(struct tg_store *store, const struct tg_plan *plan, const char *id, const char *by, const struct tg_run_tokens *tokens, int64_t wall_ms,
                         int64_t wait_ms, struct tg_error *e);
int tg_journal_tokens(struct tg_journal *j, struct tg_run_tokens *out, struct tg_error *e);
/*
 * Reads a run whole: its record, its plan, and its journal replayed into a machine that the caller owns (the run borrows the plan: free
 * the run first). TG_E_NOENT: there is no such run. TG_E_DATA: it does not add up (the message says where): never act on it.
 */
int tg_journal_load(struct tg_store *store, const char *id, int64_t wait_ms, struct tg_journal **out, struct tg_plan **out_plan,
                    struct tg_run **out_run, struct tg_error *e);
/*
 * The same. 0 with *out_run NULL: its making was cut short, or is under way: it never did anything. One that was made whole meanwhile is read.
 */
int tg_journal_load_whole(struct tg_store *store, const char *id, int64_t wait_ms, struct tg_journal **out, struct tg_plan **out_plan, struct tg_run **out_run, struct tg_error *e);
/* A line that was read: event or intent. run is as it is behind it. */
typedef void (*tg_journal_line_fn)(void *data, const struct tg_run *run, const json_t *line);
struct tg_journal_reader {
    tg_watch_fn watch;        /* on the head, set before it is read; NULL none */
    tg_journal_line_fn on_line; /* may be NULL */
    void *data;               /* of both */
};
/*
 * Reads what was written since: for who follows a run that another drives. TG_E_VERSION: what lies between is no longer there as lines: load again.
 * After any error the machine is as of some line in between, and must not be read on.
 */
int tg_journal_read_on(struct tg_journal *j, const struct tg_journal_reader *reader, struct tg_error *e);
/* Reads the head; with a watch when watch is not NULL. TG_E_DATA: it is none, or of another format. */
int tg_journal_read_head(struct tg_journal *j, tg_watch_fn watch, void *data, struct tg_journal_head *out, struct tg_error *e);
/*
 * Takes the seat: the lease, and an epoch above all before. The caller must have loaded the journal on the same store handle, and gets
 * TG_E_VERSION when anything was written since (load again). TG_E_HELD: somebody has it; the message says who.
 */
int tg_journal_seat(struct tg_journal *j, const char *by, int64_t wall_ms, struct tg_error *e);
/*
 * The same, whoever has it: for a driver that hangs. Its session may live, so it is told by its next write, or its watch on the lease: neither can it
 * write from here on, nor do hosts that have seen our epoch obey it. TG_E_VERSION: somebody else was faster, or something was written (load again).
 */
int tg_journal_take_over(struct tg_journal *j, const char *by, int64_t wall_ms, struct tg_error *e);
/* Gives it back; what is pending is dropped. Best effort: the lease goes with the session anyway. */
void tg_journal_leave(struct tg_journal *j);
void tg_journal_free(struct tg_journal *j);

/* Appends to what is pending; consumes line (also on failure; NULL is TG_E_MEMORY). */
int tg_journal_note(struct tg_journal *j, json_t *line, struct tg_error *e);
/*
 * Writes all that is pending. starts: some of it lets something start. A broken connection is waited out and the write looked for, until
 * the session is over, or two minutes have gone by. TG_E_VERSION: the seat is another's now; stop at once. Other errors: it may or may not be written; stop as well.
 */
int tg_journal_commit(struct tg_journal *j, bool starts, enum tg_commit *out, struct tg_error *e);
/*
 * Folds lines into a snapshot when they have become many; called again and again by who drives, when nothing is pending. At most one exchange
 * with the store each time. *out_busy: there is more to do at once. TG_E_VERSION, TG_E_SESSION: as of a commit. Other troubles put it off.
 */
int tg_journal_fold(struct tg_journal *j, bool *out_busy, struct tg_error *e);
/* At a run's end: as far as it goes. Best effort. */
void tg_journal_fold_end(struct tg_journal *j);
/* How long a store that is away is waited for, by commits and by whoever else needs it for the run. */
int64_t tg_journal_patience_ms(const struct tg_journal *j);
/* Reads control and the pauses; with a watch on both when watch is not NULL. */
int tg_journal_control(struct tg_journal *j, tg_watch_fn watch, void *data, struct tg_error *e);
/* 0 when the seat is provably ours now (one read): asked before a step is sent after a long sleep. TG_E_VERSION when it is not. */
int tg_journal_prove(struct tg_journal *j, struct tg_error *e);

/* Who is in the seat: 0, or TG_E_NOENT when nobody is. A watch (may be NULL) fires when that changes. */
int tg_run_seat_read(struct tg_store *store, const char *id, tg_watch_fn watch, void *data, int64_t wait_ms, struct tg_run_seat *out,
                     struct tg_error *e);
/* The same as text. */
int tg_run_seat(struct tg_store *store, const char *id, int64_t wait_ms, char *out, size_t size, struct tg_error *e);
/* "alice@ops1, process 4711 on ops1, since 2026-11-22T14:00:00Z" */
void tg_run_seat_text(const struct tg_run_seat *seat, char *out, size_t size);
/* A run, as its record and its head have it. */
struct tg_run_row {
    char id[TG_RUN_ID_SIZE], rollout[64], by[256];
    int64_t made_ms, modified_ms;  /* modified_ms: when something was written last, by the store's clock */
    struct tg_run_summary summary; /* not known: made by an earlier tagout */
    bool driven;
    struct tg_error error;         /* code 0, or why it can't be read */
};
/* All runs, the newest first, in one exchange for some hundred of them whatever their size. Free *out with free(). */
int tg_run_rows(struct tg_store *store, int64_t wait_ms, struct tg_run_row **out, size_t *out_n, struct tg_error *e);
/* Ids of all runs, in the order of their names. Release with tg_names_release(). */
int tg_run_list(struct tg_store *store, int64_t wait_ms, struct tg_names *out, struct tg_error *e);

#endif
