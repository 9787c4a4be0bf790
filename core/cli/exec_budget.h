/* What exec does with budgets: see guard/budget.h. */
#ifndef TG_CLI_EXEC_BUDGET_H
#define TG_CLI_EXEC_BUDGET_H

#include "cli/cmd.h"
#include "guard/budget.h"
#include "guard/permit.h"

struct tg_exec_budget {
    struct tg_budget_want want[TG_BUDGETS_MAX];
    struct tg_budget_bill bill;
};
/* --budget NAME[=N],… and --members N|@FILE. TG_E_USAGE, TG_E_DATA. */
int tg_exec_budget_take(struct tg_frame *f, struct tg_exec_budget *out, struct tg_error *e);
/* --on-held quiet: what holds is told to syslog, with the command, and not on stderr. */
bool tg_exec_is_quiet(const struct tg_frame *f);
/* "TAGOUT-HELD …" to where that says. */
void tg_exec_say_held(const struct tg_frame *f, const char *line);
/*
 * Charges for what the permit is about to do. 0: go on. TG_E_HELD: it is spent, and *out_free_ms says in how long it may fit (-1: it will not);
 * else the verdict says why not, with f->status set, or e (TG_E_USAGE: there is no such budget). Says so on stderr unless quiet.
 */
int tg_exec_budget_charge(struct tg_frame *f, struct tg_guard *g, const struct tg_permit *p, const struct tg_permit_request *r, struct tg_exec_budget *b,
                          bool quiet, int64_t *out_free_ms, struct tg_error *e);

#endif
