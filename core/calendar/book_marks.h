/*
 * How the slots of a booked week go, host by host: who is to be worked on by a run, who has begun, who is through, and how it ended.
 *
 *   /calendar/KEY/marks        empty; its version grows with every change below, so that who announces sees in one read that there is something new
 *   /calendar/KEY/marks-01f    sealed: marks of the hosts of a shard, the same ones as those of hosts-01f
 *   /calendar/KEY/told         sealed: up to which version who announces has looked, and when there is something to look at again. Only a hint
 *
 * Who writes them:
 *   a run        (engine/ports_slots.c) EXPECTED for its hosts when it begins, then what its journal says. Some seconds' worth in one transaction; all of it
 *                follows from the journal, so that a run which is resumed says again what was lost with its driver, and nothing twice
 *   a visit      (request_store.c) with the record of its host, in one transaction
 *   people       `tagout calendar week begin|done|failed`, who work by hand
 *
 * A week that was cancelled keeps what was said of it until TG_MARK_LATER_MS behind its end: of hosts that had begun by then it is still said how they end,
 * and their customers hear it. Of others nothing more is said.
 *
 * A mark only says what was done: it opens no window, and nothing acts by it. A week without any mark is one of which nothing is known, and of which nobody is
 * told anything but when it is to be.
 */
#ifndef TG_CALENDAR_BOOK_MARKS_H
#define TG_CALENDAR_BOOK_MARKS_H

#include "calendar/book.h"

#define TG_MARK_EARLY_MS INT64_C(60000)   /* what begins so long before a slot belongs to it: clocks of two machines */
#define TG_MARK_LATER_MS (INT64_C(7) * 86400000) /* so long behind a week's end people may still say how it went, and customers hear of it */
#define TG_MARKS_BY_MAX 1000              /* different ones who have marked hosts of a shard */

enum tg_mark_state {
    TG_MARK_NONE,      /* nothing is known */
    TG_MARK_EXPECTED,  /* a run is to work on it */
    TG_MARK_BEGUN,
    TG_MARK_DONE,
    TG_MARK_FAILED,    /* begun, and it did not end well */
    TG_MARK_STATES
};
const char *tg_mark_state_name(enum tg_mark_state state); /* "none", "expected" … */

struct tg_mark {
    enum tg_mark_state state;
    int64_t began_ms, ended_ms; /* the first begin, the last end; 0 */
};

/* What is said of a host. */
struct tg_mark_word {
    const char *host;
    struct tg_mark mark;
};
/* What a mark is with one more word: whatever is said twice changes nothing, nothing is begun anew by a word that is older than its end. */
struct tg_mark tg_mark_with(const struct tg_mark *was, const struct tg_mark *word);

/* A shard's record with n words about hosts of it more; *out NULL: they change nothing. text NULL, len 0: there is none yet. free(). TG_E_DATA, TG_E_UNKNOWN. */
int tg_marks_change(const struct tg_booked *booked, const char *text, size_t len, const struct tg_mark_word *words, size_t n, const char *by, char **out, struct tg_error *e);
/* by: who said the last of it. What is given lives until it returns. A code of its own ends it. */
typedef int tg_mark_take_fn(void *data, const char *host, const struct tg_mark *mark, const char *by, struct tg_error *e);
/* take is called with each host of a shard's record. */
int tg_marks_parse(const struct tg_booked *booked, const char *text, size_t len, tg_mark_take_fn *take, void *data, struct tg_error *e);

/* All of these block. */

/*
 * Says all of it, a few transactions for thousands. *out_changed (may be NULL): how many transactions changed something. TG_E_NOENT: the week is not booked (any
 * more), and nothing of it had begun. TG_E_UNKNOWN: what is there can't be understood. Twice does no harm.
 */
int tg_marks_write(struct tg_store *store, const struct tg_booked *booked, const struct tg_mark_word *words, size_t n, const char *by, int64_t wait_ms, size_t *out_changed,
                   struct tg_error *e);

/* Was anything ever said of it? Of a week that was cancelled nothing else is there any more when not. */
int tg_marks_are_there(struct tg_store *store, const struct tg_booked *booked, int64_t wait_ms, bool *out, struct tg_error *e);

/* One host's, for the caller's transaction; it lives until that was answered. n 0: there is nothing to be said. */
struct tg_mark_ops {
    struct tg_op ops[2];
    size_t n;
    char paths[2][160];
    char *data;
};
/* key: of the week (tg_booked). Of a week that is not booked any more nothing is said but how it ends, where it had begun. */
int tg_marks_prepare(struct tg_store *store, const char *key, const struct tg_mark_word *word, const char *by, int64_t wait_ms, struct tg_mark_ops *out, struct tg_error *e);
void tg_mark_ops_release(struct tg_mark_ops *ops);

/* Of a whole week, by the index of its names. */
struct tg_marks {
    struct tg_mark *v;
    size_t n;
    int64_t version;   /* of …/marks; -1: nothing was ever said */
};
/* by: only what this one said last of a host, a run for example; NULL: all. */
int tg_marks_read(struct tg_store *store, const struct tg_booked *booked, const struct tg_week *week, const char *by, int64_t wait_ms, struct tg_marks *out, struct tg_error *e);
/* Each mark of the week, in no order. *out_version as in tg_marks. */
int tg_marks_each(struct tg_store *store, const struct tg_booked *booked, int64_t wait_ms, tg_mark_take_fn *take, void *data, int64_t *out_version, struct tg_error *e);
void tg_marks_release(struct tg_marks *marks);

/* How a slot stands, or a part of it. */
struct tg_slot_count {
    size_t hosts, expected, begun, done, failed; /* each host in one of the last four, or in none */
    int64_t began_ms, ended_ms;                  /* the first, the last; 0 */
};
void tg_slot_add(struct tg_slot_count *count, const struct tg_mark *mark);
struct tg_slot_count tg_slot_count(const struct tg_week *week, const struct tg_marks *marks, size_t slot);
/* Hosts that a run was to work on, and did not by the end of their slot. */
size_t tg_slot_missed(const struct tg_slot_count *count, const struct tg_week_slot *slot, int64_t now_ms);

#endif
