/* Before a run begins: is the plan the one that was looked at, and has somebody said yes to it? */
#ifndef TG_CLI_RUN_BEGIN_H
#define TG_CLI_RUN_BEGIN_H

#include "cli/cmd.h"
#include "engine/plan_keep.h"

#define TG_BEGIN_WAIT_MS 10000

/* A person is who he is on every machine: alice@ops1 is no second person for alice@ops2. */
bool tg_same_person(const char *a, const char *b);
/* --plan DIGEST. TG_E_DATA when it is another one: what has changed is told, as far as the store knows. */
int tg_begin_check(struct tg_frame *f, const struct tg_plan *plan, struct tg_error *e);
/*
 * The number of hosts typed at a terminal, --yes, or an approval in the store, which is used up; where the site wants a second person, that of another
 * one. TG_E_PERM: none of these; TG_E_CANCELLED: it was not the number.
 */
int tg_begin_confirm(struct tg_frame *f, const struct tg_plan *plan, struct tg_error *e);

#endif
