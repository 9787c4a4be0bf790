/* Charging budgets: see budget.h. */
#include "guard/budget_internal.h"

#include "fleet/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- how many --- */

static int add_scope_hosts(const struct tg_scope *s, const struct tg_inventory *inventory, struct tg_hostlist *names, int64_t *things, struct tg_error *e)
{
    char text[TG_SCOPE_TEXT_SIZE];
    size_t n = 0;
    int rc = 0;

    switch (s->kind) {
    case TG_SCOPE_SERVICE:
        (*things)++;
        return 0;
    case TG_SCOPE_HOST:
        return tg_hostlist_add(names, s->name, strlen(s->name), e);
    case TG_SCOPE_GROUP:
        for (size_t i = 0; !rc && s->hosts && i < s->host_set.n; i++) {
            const char *name = tg_hostlist_get(&s->host_set, i);
            rc = tg_hostlist_add(names, name, strlen(name), e);
        }
        break;
    case TG_SCOPE_FLEET: {
        const struct tg_host *hosts = inventory ? tg_inventory_hosts(inventory, &n) : NULL;
        for (size_t i = 0; !rc && i < n; i++)
            rc = tg_hostlist_add(names, hosts[i].name, strlen(hosts[i].name), e);
        break;
    }
    }
    if (rc || (s->kind == TG_SCOPE_GROUP ? s->hosts != NULL : inventory != NULL))
        return rc;
    tg_fail(e, TG_E_UNKNOWN, "%s: how many hosts that is, is not known", tg_scope_format(s, text, sizeof text));
    tg_error_hint(e, "say how many: --budget NAME=N; or give --inventory FILE");
    return TG_E_UNKNOWN;
}

int tg_budget_count_hosts(const struct tg_scopes *scopes, const struct tg_inventory *inventory, int64_t *out, struct tg_error *e)
{
    struct tg_hostlist names = TG_HOSTLIST_INIT;
    int64_t things = 0;
    int rc = 0;

    for (size_t i = 0; !rc && i < scopes->n; i++)
        rc = add_scope_hosts(&scopes->v[i], inventory, &names, &things, e);
    if (!rc)
        rc = tg_hostlist_sort(&names, e);
    if (!rc)
        *out = things + (int64_t) names.n;
    tg_hostlist_release(&names);
    return rc;
}

/* The members of what the budget is about, as the inventory knows them; -1: it does not. */
static int64_t members_of(const struct tg_scope *of, const struct tg_inventory *inventory)
{
    const struct tg_group *group;
    size_t n = 0;

    switch (of->kind) {
    case TG_SCOPE_FLEET:
        return inventory && tg_inventory_hosts(inventory, &n) ? (int64_t) n : -1;
    case TG_SCOPE_GROUP:
        group = inventory ? tg_inventory_group(inventory, of->name) : NULL;
        return group ? (int64_t) group->n_hosts : -1;
    case TG_SCOPE_HOST:
        return 1;
    case TG_SCOPE_SERVICE:
        break;
    }
    return -1;
}

/* --- which --- */

struct charging {
    struct tg_budget_bill *bill;
    struct tg_guard *guard;
    int64_t hosts;              /* of the scopes; -1: not yet counted */
    bool looked_again;          /* behind a sync, because the ledger had more than the store */
    struct { char name[TG_BUDGET_NAME_SIZE]; int64_t per_ms, n; } *charged; /* what the last try has written */
    size_t n_charged;
    char cluster_id[TG_CLUSTER_ID_SIZE];
};

static const struct tg_budget_want *wanted(const struct tg_budget_bill *bill, const char *name)
{
    for (size_t i = 0; i < bill->n_want; i++)
        if (strcmp(bill->want[i].name, name) == 0)
            return &bill->want[i];
    return NULL;
}

/* Whether it counts for this actor and these scopes although nobody named it. In doubt it does. */
static int counts_unasked(const struct charging *c, const struct tg_budget *b, bool *out, struct tg_error *e)
{
    struct tg_scope of = {.kind = b->of.kind};
    struct tg_scopes one = {&of, 1};

    *out = false;
    for (size_t i = 0; i < b->n_actors && !*out; i++)
        *out = strcmp(b->actors[i], c->bill->actor) == 0;
    if (!*out)
        return 0;
    memcpy(of.name, b->of.name, sizeof of.name);
    int rc = tg_scope_resolve(&of, c->guard->inventory, NULL);
    if (rc == TG_E_MEMORY)
        return tg_fail(e, rc, "out of memory"); /* a group that this inventory does not know stays unresolved, and in doubt overlaps */
    *out = tg_scopes_overlap(&one, c->bill->scopes, NULL, NULL) != TG_OVERLAP_NO;
    tg_scope_release(&of);
    return 0;
}

/* 1: this budget is to be charged with *out_n. */
static int concerns(struct charging *c, const struct tg_budget *b, int64_t *out_n, struct tg_error *e)
{
    const struct tg_budget_want *want = wanted(c->bill, b->name);
    bool unasked = false;
    int rc = want ? 0 : counts_unasked(c, b, &unasked, e);

    if (rc || (!want && !unasked))
        return rc;
    if (want && want->n >= 0) {
        *out_n = want->n;
        return 1;
    }
    if (c->hosts < 0)
        rc = tg_budget_count_hosts(c->bill->scopes, c->guard->inventory, &c->hosts, e);
    if (rc && unasked)
        tg_error_prefix(e, "budget %s", b->name);
    *out_n = c->hosts;
    return rc ? rc : 1;
}

/* --- refusing --- */

static int refuse(struct charging *c, struct tg_budget *b, int64_t n, const struct tg_budget_answer *a, struct tg_error *e)
{
    char of[TG_SCOPE_TEXT_SIZE];

    if (!c->bill->refused)
        c->bill->refused = calloc(1, sizeof *c->bill->refused);
    if (!c->bill->refused)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    tg_budget_clear(c->bill->refused);
    *c->bill->refused = *b; /* moved: its place in the round is emptied */
    *b = (struct tg_budget) {.version = 0};
    b = c->bill->refused;
    c->bill->answer = *a;
    c->bill->asked = n;
    tg_scope_format(&b->of, of, sizeof of);
    switch (a->word) {
    case TG_BUDGET_SHRANK:
        tg_unknown(c->guard, e, "picture-shrank", "%s had %lld members and the asker sees %lld: nobody has charged for the %lld that are missing", of,
                   (long long) a->expected, (long long) a->seen, (long long) (a->expected - a->seen));
        return TG_E_UNKNOWN;
    case TG_BUDGET_NO_PICTURE:
        tg_unknown(c->guard, e, "no-picture", "budget %s counts a share of %s, and how many members that has is not known", b->name, of);
        return TG_E_UNKNOWN;
    case TG_BUDGET_SPENT:
    case TG_BUDGET_TOO_MUCH:
    case TG_BUDGET_FITS:
        break;
    }
    return tg_fail(e, TG_E_HELD, "budget %s is spent: %lld of %lld", b->name, (long long) a->used, (long long) a->limit);
}

/* --- charging --- */

/* All of it is there: the answer to the earlier try was lost. */
static bool is_charged(const struct tg_budget_round *r, const char *id)
{
    for (size_t i = 0; i < r->budgets.n; i++)
        for (size_t c = 0; c < r->budgets.v[i].n_charges; c++)
            if (strcmp(r->budgets.v[i].charges[c].id, id) == 0)
                return true;
    return false;
}

static int64_t unseen_of(struct charging *c, const struct tg_budget_round *r, const struct tg_budget *b, int *rc, struct tg_error *e)
{
    int64_t n = 0;

    if (c->guard->state_dir)
        *rc = tg_ledger_unseen(c->guard->state_dir, r->cluster_id, b, c->bill->id, &n, e);
    if (*rc == TG_E_UNKNOWN)
        snprintf(c->guard->cause, sizeof c->guard->cause, "bad-ledger");
    return n;
}

/* Behind the charge in the store and before the act: who asks meanwhile on this machine sees each charge once. */
static void note_all(struct charging *c)
{
    struct tg_error why = TG_ERROR_INIT;

    for (size_t i = 0; c->guard->state_dir && i < c->n_charged; i++) {
        struct tg_budget b = {.per_ms = c->charged[i].per_ms};
        memcpy(b.name, c->charged[i].name, sizeof b.name);
        if (tg_ledger_note(c->guard->state_dir, c->cluster_id, &b, c->bill->id, c->charged[i].n, &why) != 0)
            snprintf(c->bill->warning, sizeof c->bill->warning, "%.250s", why.message);
    }
}

static int charge_one(struct charging *c, struct tg_budget_round *r, struct tg_budget *b, int64_t n, struct tg_batch *batch, struct tg_error *e)
{
    struct tg_budget_ask ask = {.n = n, .now_ms = c->bill->now_ms, .members = c->bill->members >= 0 ? c->bill->members : members_of(&b->of, c->guard->inventory)};
    struct tg_budget_answer answer;
    int rc = 0;

    ask.unseen = unseen_of(c, r, b, &rc, e);
    if (rc)
        return rc;
    tg_budget_decide(b, &ask, &answer);
    if (answer.word != TG_BUDGET_FITS && ask.unseen && !c->looked_again) {
        c->looked_again = true; /* a charge that was made between our two looks is in both by now */
        return tg_fail(e, TG_E_VERSION, "this machine has charged more than budget %s shows", b->name);
    }
    if (answer.word != TG_BUDGET_FITS)
        return refuse(c, b, n, &answer, e);
    rc = tg_budget_apply(b, &ask, c->bill->id, c->bill->actor, c->bill->owner, e);
    if (rc)
        return rc;
    memcpy(c->charged[c->n_charged].name, b->name, sizeof b->name);
    c->charged[c->n_charged].per_ms = b->per_ms;
    c->charged[c->n_charged++].n = n;
    tg_budget_write(batch, b);
    return 0;
}

static int apply_charge(struct tg_budget_round *r, void *data, bool lost, struct tg_batch *b, struct tg_error *e)
{
    struct charging *c = data;
    int rc = 0;

    if (lost && is_charged(r, c->bill->id))
        return 1;
    c->n_charged = 0;
    memcpy(c->cluster_id, r->cluster_id, sizeof c->cluster_id);
    for (size_t i = 0; i < c->bill->n_want; i++)
        if (!tg_budget_find(r, c->bill->want[i].name))
            return tg_budget_none_such(r, c->bill->want[i].name, e);
    for (size_t i = 0; rc >= 0 && i < r->budgets.n && i < TG_BUDGETS_MAX; i++) {
        int64_t n = 0;
        rc = concerns(c, &r->budgets.v[i], &n, e);
        if (rc == 1)
            rc = charge_one(c, r, &r->budgets.v[i], n, b, e);
    }
    if (rc < 0)
        return rc;
    tg_batch_check(b, "/budgets", r->counter_version); /* one that was made meanwhile counts as well */
    return c->n_charged ? 0 : 1;
}

int tg_budget_charge(struct tg_guard *guard, struct tg_budget_bill *bill, struct tg_error *e)
{
    struct charging c = {.bill = bill, .guard = guard, .hosts = -1, .charged = calloc(TG_BUDGETS_MAX, sizeof *c.charged)};
    int rc = c.charged ? tg_random_id(bill->id, 26, e) : tg_fail(e, TG_E_MEMORY, "out of memory");

    bill->refused = NULL;
    bill->warning[0] = '\0';
    for (size_t i = 0; !rc && i < bill->n_want; i++)
        if (bill->want[i].n > TG_BUDGET_UNITS_MAX)
            rc = tg_fail(e, TG_E_USAGE, "--budget %s=%lld: more than there are hosts anywhere", bill->want[i].name, (long long) bill->want[i].n);
    if (!rc)
        rc = tg_budget_change(guard, apply_charge, &c, e);
    if (rc == TG_E_VERSION || rc == TG_E_EXISTS || rc == TG_E_NOENT)
        rc = TG_E_UNKNOWN; /* overtaken again and again */
    if (!rc)
        note_all(&c);
    free(c.charged);
    if (rc)
        bill->id[0] = '\0';
    return rc;
}

static int apply_refund(struct tg_budget_round *r, void *data, bool lost, struct tg_batch *b, struct tg_error *e)
{
    const struct tg_budget_bill *bill = data;
    int rc = 1;

    (void) lost;
    (void) e;
    for (size_t i = 0; i < r->budgets.n; i++) {
        struct tg_budget *budget = &r->budgets.v[i];
        for (size_t c = 0; c < budget->n_charges; c++)
            if (strcmp(budget->charges[c].id, bill->id) == 0) {
                memmove(budget->charges + c, budget->charges + c + 1, (budget->n_charges - c - 1) * sizeof *budget->charges);
                budget->n_charges--;
                tg_budget_write(b, budget);
                rc = 0;
                break;
            }
        if (r->guard->state_dir)
            tg_ledger_forget(r->guard->state_dir, r->cluster_id, budget->name, bill->id);
    }
    return rc;
}

void tg_budget_refund(struct tg_guard *guard, const struct tg_budget_bill *bill)
{
    if (bill->id[0])
        (void) tg_budget_change(guard, apply_refund, (void *) (uintptr_t) bill, NULL);
}

void tg_budget_bill_release(struct tg_budget_bill *bill)
{
    if (bill->refused)
        tg_budget_clear(bill->refused);
    free(bill->refused);
    bill->refused = NULL;
}
