/* What the recipes of budgets share: one round of reading, deciding and writing, tried again when it was overtaken. */
#ifndef TG_GUARD_BUDGET_INTERNAL_H
#define TG_GUARD_BUDGET_INTERNAL_H

#include "guard/budget.h"
#include "guard/tree.h"

/* What one round has read: everything that a change is decided on. */
struct tg_budget_round {
    struct tg_guard *guard;
    struct tg_counter counter;
    int64_t counter_version, cluster_version;
    char cluster_id[TG_CLUSTER_ID_SIZE];
    struct tg_budgets budgets;
};
struct tg_budget *tg_budget_find(struct tg_budget_round *round, const char *name);
/* Fails with TG_E_USAGE: TG_E_NOENT is what a race looks like, and would be tried again. */
int tg_budget_none_such(const struct tg_budget_round *round, const char *name, struct tg_error *e);
/* Adds the write of its record to the transaction. */
void tg_budget_write(struct tg_batch *b, const struct tg_budget *budget);

/* Decides on what was read and fills the transaction, which checks the cluster's record already. lost: an earlier try may have been
 * carried out. 0: run it; 1: nothing is to be done any more; negative: that is the end, but for what a race looks like. */
typedef int (*tg_budget_change_fn)(struct tg_budget_round *round, void *data, bool lost, struct tg_batch *b, struct tg_error *e);
int tg_budget_change(struct tg_guard *guard, tg_budget_change_fn fn, void *data, struct tg_error *e);

#endif
