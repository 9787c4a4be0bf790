/*
 * Keeps out of service what runs have withdrawn (withdraw.h), while somebody is at work on it: a load balancer that restarts forgets its drains, and who brings something better to
 * such hosts left these drains to whoever made them. Asks the modules of the withdrawals' own plans (TG_AROUND_KEEP): what was forgotten is done again, what a person took back is
 * not. What it learns is kept in memory: the withdrawals' journals are brought up to that behind the run that mends (cli/kept_out.h).
 */
#ifndef TG_ENGINE_OUT_KEEP_H
#define TG_ENGINE_OUT_KEEP_H

#include "engine/run.h"

#include <tagout/around.h>
#include <tagout/loop.h>

struct tg_out_keeper;

int tg_out_keeper_new(struct tg_loop *loop, struct tg_out_keeper **out, struct tg_error *e);
/* One withdrawal, whose run and id are borrowed. name: the run's elsewhere (tg_run_name()); owner: who has withdrawn. */
int tg_out_keeper_add(struct tg_out_keeper *keeper, const struct tg_run *run, const char *id, const char *name, const char *owner, struct tg_error *e);
/* end: the worst of the host's drains, OURS, or OTHERS', when it is out of service. redone: one had been forgotten. text: lives during the call, may be "". */
typedef void (*tg_out_kept_fn)(void *data, enum tg_around_end end, bool redone, const char *text);
/* done comes later, once, unless the keeper is closed. TG_E_NOENT: this host is not withdrawn by a drain. TG_E_HELD: it is asked about already. Others: it can't be. */
int tg_out_keeper_ask(struct tg_out_keeper *keeper, const char *host, tg_out_kept_fn done, void *data, struct tg_error *e);
/* Nothing is answered any more. */
void tg_out_keeper_close(struct tg_out_keeper *keeper);
void tg_out_keeper_free(struct tg_out_keeper *keeper);

#endif
