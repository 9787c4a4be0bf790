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
/* A record as JSON of our format; new reference, or NULL with TG_E_DATA in e. */
json_t *tg_journal_parse(const char *what, const struct tg_node *node, struct tg_error *e);
/* The journal as a whole into a machine that is new. TG_E_VERSION: it was written to meanwhile, begin again. */
int tg_journal_read(struct tg_journal *j, struct tg_run *run, struct tg_error *e);
/* Was the journal written to since its head was read? Then what does not add up says nothing. */
bool tg_journal_moved(struct tg_journal *j);

/* Appends a line as compact JSON. TG_E_MEMORY. */
int tg_journal_text(json_t *line, struct tg_buf *out, struct tg_error *e);

/* New strings, NULL when memory is short. */
char *tg_journal_head_text(const struct tg_journal_head *head, struct tg_error *e);
char *tg_journal_record(const char *rollout, const char *digest, const char *by, int64_t made_ms, int64_t epoch, struct tg_error *e);

#endif
