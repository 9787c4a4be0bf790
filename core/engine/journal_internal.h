/* What the parts of the journal share: reading (journal.c), making (journal_make.c), writing (journal_write.c). */
#ifndef TG_ENGINE_JOURNAL_INTERNAL_H
#define TG_ENGINE_JOURNAL_INTERNAL_H

#include "engine/journal.h"

#define TG_PLAN_PART_MAX 262144 /* bytes of the plan in one node */
#define TG_PLAN_PARTS_MAX 256   /* 64 MB: a plan for a million hosts */
#define TG_SUM_START UINT64_C(0xcbf29ce484222325)

uint64_t tg_journal_sum(uint64_t sum, const char *bytes, size_t len);
int64_t tg_journal_deadline(const struct tg_journal *j);
/* New strings, NULL when memory is short. */
char *tg_journal_head(int64_t lines, size_t segments, uint64_t sum, struct tg_error *e);
char *tg_journal_record(const char *rollout, const char *digest, const char *by, int64_t made_ms, int64_t epoch, struct tg_error *e);

#endif
