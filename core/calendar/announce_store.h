/*
 * Threads in the store, and the sender's place. Who sends takes the place first: it is an ephemeral node, and whatever a sender writes, it writes in that
 * same session, so that one whose session is over can note nothing more, and therefore sends nothing more. People who retry or drop need no place: every write
 * checks the version that was read.
 */
#ifndef TG_CALENDAR_ANNOUNCE_STORE_H
#define TG_CALENDAR_ANNOUNCE_STORE_H

#include "calendar/announce_thread.h"
#include "calendar/book.h"

#define TG_ANNOUNCE_KEPT_MS (INT64_C(60) * 86400000) /* what was told, after the end of its last event */
#define TG_ANNOUNCE_PAST_MS (INT64_C(7) * 86400000)  /* an event of a thread that goes on */

struct tg_inventory;

/* All that these calls need; borrowed. */
struct tg_announce_place {
    struct tg_store *store;
    int64_t wait_ms;
    int64_t cluster;          /* tg_announce_begin() */
    const struct tg_inventory *inventory; /* whose the hosts of a week are now; NULL: as it was booked */
};
/* Is the tree live, and has it the folders? TG_E_UNKNOWN with the mend. */
int tg_announce_begin(struct tg_store *store, int64_t wait_ms, struct tg_announce_place *out, struct tg_error *e);
/* Until the session ends. TG_E_HELD: another sends, and who. */
int tg_announce_sit(const struct tg_announce_place *p, const char *by, int64_t wall_ms, struct tg_error *e);

struct tg_announce_folded {
    size_t notes;             /* taken */
    size_t bad;               /* that can't be, and stay where they are */
    struct tg_error why;      /* of the first of them */
};
/* Takes the notes into their threads, and deletes each with the write that took it. */
int tg_announce_fold(const struct tg_announce_place *p, int64_t wall_ms, int64_t settle_ms, struct tg_announce_folded *out, struct tg_error *e);
/* How many notes wait, and since when the oldest (0: none). */
int tg_announce_waiting(const struct tg_announce_place *p, size_t *out_n, int64_t *out_since_ms, struct tg_error *e);

/* Paths of what lies in a root, by name; release with tg_announce_paths_release(). */
struct tg_announce_paths {
    char (*v)[TG_ANNOUNCE_NODE_SIZE];
    size_t n;
};
int tg_announce_list(const struct tg_announce_place *p, const char *root, struct tg_announce_paths *out, struct tg_error *e);
void tg_announce_paths_release(struct tg_announce_paths *paths);

/* TG_E_NOENT. TG_E_UNKNOWN: it can't be understood. *out is the caller's. */
int tg_announce_read(const struct tg_announce_place *p, const char *path, struct tg_thread **out, struct tg_error *e);
/*
 * Each of these, read many at a time. look gets the thread, which is its own then (NULL: it can't be understood, and why); a code of its own ends it. What has
 * gone meanwhile is left out.
 */
int tg_announce_each(const struct tg_announce_place *p, const struct tg_announce_paths *paths, int (*look)(void *data, const char *path, struct tg_thread *t, const struct tg_error *why, struct tg_error *e),
                     void *data, struct tg_error *e);
/* Wherever it lies; a new one when there is none. */
int tg_announce_find(const struct tg_announce_place *p, const char *source, const char *customer, int lane, struct tg_thread **out, struct tg_error *e);
/* All lanes of a customer and source likewise; each is the caller's, also on failure (those that are not NULL). */
int tg_announce_lanes(const struct tg_announce_place *p, const char *source, const char *customer, struct tg_thread *out[TG_THREAD_LANES], struct tg_error *e);
/* Writes it to /open, and deletes the nodes of done (paths) in the same transaction. TG_E_VERSION: others have changed it. */
int tg_announce_write(const struct tg_announce_place *p, struct tg_thread *thread, const char *const *done, size_t n_done, struct tg_error *e);
/* Moves it to /told, or deletes it when nothing was ever told. */
int tg_announce_close(const struct tg_announce_place *p, struct tg_thread *thread, int64_t wall_ms, struct tg_error *e);
/* Deletes what was told long ago; looks at one bucket a call. What fails is left to the next. */
void tg_announce_sweep(const struct tg_announce_place *p, unsigned bucket, int64_t wall_ms);

/* announce_week.c: what is true of a booked week, for all of its customers. note_path goes when all is written. */
int tg_announce_week(const struct tg_announce_place *p, const struct tg_announcement *a, const char *note_path, int64_t wall_ms, int64_t due_ms, struct tg_error *e);
/*
 * The slots of a week of the book, as they stand, with those of others of its name (one is in force, others were cancelled when something of them had begun): who is to be told that his begin late, or have ended. Put into the threads of these alone, and nothing when they have it already.
 * *out_version: of the marks that were looked at; *out_next_ms: when the time alone makes news (announce_slot.h), INT64_MAX never.
 */
int tg_announce_slots_of(const struct tg_announce_place *p, const struct tg_book *book, const struct tg_booked *booked, int64_t wall_ms, int64_t due_ms, int64_t *out_version,
                         int64_t *out_next_ms, struct tg_error *e);

/*
 * announce_slots.c: the same for all weeks of which something is new since somebody has looked last: two round trips when nothing is. *out_next_ms: 0 never. One week that
 * can't be understood is none of the others' trouble: it is counted in *out_bad, with the first one's reason in why.
 */
int tg_announce_slots(const struct tg_announce_place *p, int64_t wall_ms, int64_t settle_ms, int64_t *out_next_ms, size_t *out_bad, struct tg_error *why, struct tg_error *e);

#endif
