/* What writing (run_snapshot.c) and reading (run_restore.c) of a run's snapshot share. */
#ifndef TG_ENGINE_RUN_SNAPSHOT_INTERNAL_H
#define TG_ENGINE_RUN_SNAPSHOT_INTERNAL_H

#include "engine/run_snapshot.h"

#define TG_NOT_UTF8 "(text that is not UTF-8)" /* in the place of such */

#define TG_SNAPSHOT_STRUCTS 4
extern const struct tg_fields *const tg_snapshot_structs[TG_SNAPSHOT_STRUCTS];
#define TG_SNAPSHOT_WORDS_MAX 8
extern const struct tg_words *const tg_snapshot_words[TG_SNAPSHOT_WORDS_MAX]; /* NULL-terminated */

/* Of a field that is no text. */
int64_t tg_field_get(const struct tg_field *field, const void *of);
/* Of a field that is one: the struct's own. */
char *tg_field_text(const struct tg_field *field, const void *of);
/* As in a machine that is new. */
bool tg_field_is_first(const struct tg_field *field, const void *of);

#endif
