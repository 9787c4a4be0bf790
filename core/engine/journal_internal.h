/* What the parts of the journal share: reading (journal.c), making (journal_make.c), writing (journal_write.c). */
#ifndef TG_ENGINE_JOURNAL_INTERNAL_H
#define TG_ENGINE_JOURNAL_INTERNAL_H

#include "engine/journal.h"

#define TG_PLAN_PART_MAX 262144 /* bytes of the plan in one node */
#define TG_PLAN_PARTS_MAX 256   /* 64 MB: a plan for a million hosts */
#define TG_SUM_START UINT64_C(0xcbf29ce484222325)

uint64_t tg_journal_sum(uint64_t sum, const char *bytes, size_t len);
int64_t tg_journal_deadline(const struct tg_journal *j);
/* A node below the run's own. */
int tg_journal_read_node(struct tg_journal *j, const char *below, struct tg_node *out, struct tg_error *e);
/* The head as read. TG_E_DATA: it is none, of another format, or counts more segments than the store does. */
int tg_journal_head_parse(const struct tg_node *node, struct tg_journal_head *out, struct tg_error *e);
/* What the head says of the run. */
struct tg_run_summary tg_journal_summary(const struct tg_journal *j);
/* TG_E_VERSION, with what to do. */
int tg_journal_seat_lost(const struct tg_journal *j, struct tg_error *e);
/* Writes the head alone, as a commit does. */
int tg_journal_commit_head(struct tg_journal *j, const struct tg_journal_head *head, struct tg_error *e);
void tg_journal_part_path(const struct tg_journal *j, const struct tg_snapshot_ref *ref, size_t part, char *out, size_t size);
/* The snapshot that the head names, as a machine of the plan. TG_E_DATA: it is not whole, or not known. */
int tg_journal_read_snapshot(struct tg_journal *j, const struct tg_journal_head *head, const struct tg_plan *plan, struct tg_run **out, struct tg_error *e);
/* Keeps a line when it is one of the run as a whole. */
void tg_journal_remember(struct tg_journal *j, const json_t *line);
void tg_journal_fold_free(struct tg_journal *j);
/* A record as JSON of our format; new reference, or NULL with TG_E_DATA in e. */
json_t *tg_journal_parse(const char *what, const struct tg_node *node, struct tg_error *e);
/* Of a record that bears a seal (base/seal.h): without it, or with that of another text, it is refused. */
json_t *tg_journal_parse_sealed(const char *what, const struct tg_node *node, struct tg_error *e);
/* The same, of any format up to newest. */
json_t *tg_journal_parse_to(const char *what, const struct tg_node *node, int newest, struct tg_error *e);
/* The journal as a whole, as a machine of the plan. */
int tg_journal_read(struct tg_journal *j, const struct tg_plan *plan, struct tg_run **out, struct tg_error *e);
/* Was the journal written to since its head was read? Then what does not add up says nothing. */
bool tg_journal_moved(struct tg_journal *j);

/* Appends a line as compact JSON. TG_E_MEMORY. */
int tg_journal_text(json_t *line, struct tg_buf *out, struct tg_error *e);

/* New strings, NULL when memory is short. */
char *tg_journal_head_text(const struct tg_journal_head *head, struct tg_error *e);
char *tg_journal_record(const char *rollout, const char *digest, const char *by, int64_t made_ms, int64_t epoch, struct tg_error *e);

#endif
