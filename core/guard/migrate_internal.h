/* What the parts of a move share: records and seat (migrate_record.c), steps (migrate.c), the last one (migrate_complete.c). */
#ifndef TG_GUARD_MIGRATE_INTERNAL_H
#define TG_GUARD_MIGRATE_INTERNAL_H

#include "guard/migrate.h"

#define TG_MIGRATE_SEAT TG_MIGRATION_PATH "/seat"

int64_t tg_migrate_deadline(const struct tg_migrate *m);
int64_t tg_migrate_now(const struct tg_migrate *m); /* monotonic, of the loop */
void tg_migrate_tell(const struct tg_migrate *m, struct tg_migrate_news news);
/* Turns the loop for some time. TG_E_CANCELLED. */
int tg_migrate_pause(const struct tg_migrate *m, int64_t ms, struct tg_error *e);

/* A new text of a side's record with, in the same transaction, one of its /cluster (NULL: that stays, and is only checked to be as it was
 * read). A lost answer is looked for. TG_E_VERSION: the seat is another's. On success the side is as written. */
int tg_migrate_put(struct tg_migrate *m, bool target, const struct tg_migration *record, const struct tg_cluster *cluster, struct tg_error *e);
struct tg_batch;
/* Appends to b an entry in a side's audit: who does which step of the move, and to where (at the target: from where). */
int tg_migrate_audit(struct tg_migrate *m, bool target, const char *step, const struct tg_migration *record, struct tg_batch *b, struct tg_error *e);
/* One try: the seat, the record with a new epoch, and the step's entry in the audit, in one transaction. TG_E_EXISTS, TG_E_VERSION: look again. */
int tg_migrate_take_seat(struct tg_migrate *m, const char *step, const struct tg_migration *record, struct tg_error *e);
/*
 * Looks, refuses unless it is the step's turn, takes the seat (waiting for a dead one's to go), and raises the epoch at the target. fresh: begin's
 * new record, in place of one that is over.
 */
int tg_migrate_sit(struct tg_migrate *m, const char *step, unsigned phases, const struct tg_migration *fresh, struct tg_error *e);
void tg_migrate_leave(struct tg_migrate *m);
/* Writes the source's phase. */
int tg_migrate_phase(struct tg_migrate *m, enum tg_migrate_phase phase, struct tg_error *e);

/* Copies until a pass finds little to do (at most passes). */
int tg_migrate_copy_passes(struct tg_migrate *m, int passes, struct tg_mirror_copied *out, struct tg_error *e);
/* Each transaction that writes at the target has these: nobody else has been there since. */
void tg_migrate_fence(const struct tg_migrate *m, struct tg_op out[2]);
/* Compares what the two sides hold now. TG_E_DATA: there is a difference that is no change since the last copy. */
int tg_migrate_compare(struct tg_migrate *m, struct tg_mirror_report *out, struct tg_error *e);
/*
 * The short way, for complete: the target is read once, while the source still serves, and what it holds is known from then on, as nobody
 * else can write there. Each update reads the source once, writes what differs, and reads that back.
 */
int tg_migrate_sum_target(struct tg_migrate *m, struct tg_mirror_sums *out, struct tg_error *e);
/* While the source serves: until there is little left. */
int tg_migrate_approach(struct tg_migrate *m, struct tg_mirror_sums *there, struct tg_error *e);
/* The source is frozen: then nothing may differ, and the locks' counters are proven. TG_E_DATA. On any failure there is to be summed anew. */
int tg_migrate_equal(struct tg_migrate *m, struct tg_mirror_sums *there, struct tg_error *e);
#define TG_PHASE(phase) (1u << (phase)) /* for phases */
/* Are both sides this move's? TG_E_UNKNOWN when the target is not (any more) what begin made of it. */
int tg_migrate_own_target(struct tg_migrate *m, struct tg_error *e);

#endif
