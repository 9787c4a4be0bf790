/* What budgets promise, on any store: a part of guard_suite.h. */
#ifndef TESTS_GUARD_BUDGET_H
#define TESTS_GUARD_BUDGET_H

#include "guard/budget.h"

static void set_budget(const char *name, const char *at_most, const char *of, const char *actor)
{
    struct tg_budget b = {.per_ms = 3600000};

    snprintf(b.name, sizeof b.name, "%s", name);
    cr_assert(tg_share_parse(at_most, &b.at_most));
    OK(tg_scope_parse(of, &b.of, e));
    if (actor)
        snprintf(b.actors[b.n_actors++], TG_ACTOR_SIZE, "%s", actor);
    OK(tg_budget_set(&g, &b, "alice@ops1", "", e));
    tg_budget_clear(&b);
}

/* As an exec of the actor in the scopes, naming budgets "NAME=N NAME=N". */
static int charge(const char *actor, const char *scopes, const char *names, int64_t members, struct tg_budget_bill *bill, struct tg_error *e)
{
    static struct tg_budget_want want[4];
    struct tg_scopes list = scopes_of(scopes);
    char *copy = strdup(names), *save = NULL;

    *bill = (struct tg_budget_bill) {.scopes = &list, .actor = actor, .owner = "scaler@ops1", .want = want, .members = members, .now_ms = NOW};
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        char *number = strchr(w, '=');
        struct tg_budget_want *one = &want[bill->n_want++];
        one->n = number ? strtoll(number + 1, NULL, 10) : -1;
        snprintf(one->name, sizeof one->name, "%.*s", (int) strcspn(w, "="), w);
    }
    int rc = tg_budget_charge(&g, bill, e);
    bill->scopes = NULL;
    tg_scopes_release(&list);
    free(copy);
    return rc;
}

static int charge_once(const char *actor, const char *scopes, const char *names)
{
    struct tg_budget_bill bill;
    int rc = charge(actor, scopes, names, -1, &bill, NULL);

    tg_budget_bill_release(&bill);
    return rc;
}

static int64_t used(const char *name)
{
    struct tg_budgets all;
    int64_t sum = 0;

    OK(tg_budget_list(&g, &all, e));
    for (size_t i = 0; i < all.n; i++)
        for (size_t c = 0; strcmp(all.v[i].name, name) == 0 && c < all.v[i].n_charges; c++)
            sum += all.v[i].charges[c].n;
    tg_budgets_release(&all);
    return sum;
}

GTEST(a_budget_is_charged_until_it_is_spent)
{
    struct tg_budget_bill bill;

    set_budget("web", "3", "group:web", NULL);
    OK(charge("autoscaler", "service:scaler", "web=2", -1, &bill, e));
    cr_assert_eq(charge_once("autoscaler", "service:scaler", "web=2"), TG_E_HELD);
    cr_assert_eq(used("web"), 2);
    cr_assert_eq(charge_once("autoscaler", "host:a host:a", "web"), 0); /* as many as the scopes have hosts */
    cr_assert_eq(charge_once("autoscaler", "service:scaler", "web=1"), TG_E_HELD);
    tg_budget_refund(&g, &bill); /* what was not even begun */
    cr_assert_eq(used("web"), 1);
    tg_budget_bill_release(&bill);
}

GTEST(a_budget_counts_for_its_actors_unasked)
{
    set_budget("web", "1", "group:web", "autoscaler");
    cr_assert_eq(charge_once("reboot", "host:a=web", ""), 0);
    cr_assert_eq(charge_once("autoscaler", "service:scaler", ""), 0);
    cr_assert_eq(charge_once("autoscaler", "host:z=db", ""), 0);
    cr_assert_eq(used("web"), 0);
    cr_assert_eq(charge_once("autoscaler", "host:a=web", ""), 0);
    cr_assert_eq(charge_once("autoscaler", "host:b=web", ""), TG_E_HELD);
    cr_assert_eq(charge_once("autoscaler", "host:c", ""), TG_E_HELD); /* a host unsure of its groups: in doubt it counts */
    cr_assert_eq(charge_once("autoscaler", "fleet", ""), TG_E_UNKNOWN); /* how many is that? */
}

GTEST(of_several_budgets_all_are_charged_or_none)
{
    struct tg_budget_bill bill;

    set_budget("wide", "10", "fleet", NULL);
    set_budget("narrow", "1", "group:web", NULL);
    cr_assert_eq(charge_once("autoscaler", "service:scaler", "wide=1 narrow=1"), 0);
    cr_assert_eq(charge("autoscaler", "service:scaler", "wide=1 narrow=1", -1, &bill, NULL), TG_E_HELD);
    cr_assert_str_eq(bill.refused->name, "narrow");
    cr_assert_eq(used("wide"), 1);
    tg_budget_bill_release(&bill);
    cr_assert_eq(charge_once("autoscaler", "service:scaler", "wide=1 none=1"), TG_E_USAGE);
    cr_assert_eq(used("wide"), 1);
}

GTEST(terms_change_and_charges_stay)
{
    set_budget("web", "1", "group:web", NULL);
    cr_assert_eq(charge_once("autoscaler", "service:s", "web=1"), 0);
    set_budget("web", "2", "group:web", NULL);
    cr_assert_eq(charge_once("autoscaler", "service:s", "web=1"), 0);
    cr_assert_eq(charge_once("autoscaler", "service:s", "web=1"), TG_E_HELD);
    OK(tg_budget_reset(&g, "web", TG_BUDGET_CHARGES, "alice@ops1", "OPS-1", e));
    cr_assert_eq(charge_once("autoscaler", "service:s", "web=2"), 0);
    OK(tg_budget_remove(&g, "web", "alice@ops1", "no more", e));
    cr_assert_eq(charge_once("autoscaler", "service:s", "web=1"), TG_E_USAGE);
    cr_assert_eq(tg_budget_remove(&g, "web", "alice@ops1", "no more", NULL), TG_E_USAGE);
    struct tg_audit log;
    OK(tg_audit_read(&g, NULL, 0, 10, &log, e));
    cr_assert_eq(log.n, 4);
    tg_audit_release(&log);
}

/* P2 */
GTEST(a_budget_that_is_missing_or_broken_is_unknown)
{
    set_budget("web", "1", "group:web", NULL);
    OK(tg_store_write(g.store, "/budgets/web", "{}", 2, TG_ANY_VERSION, tg_guard_deadline(&g), e));
    cr_assert_eq(charge_once("autoscaler", "service:s", ""), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "bad-record");
    OK(tg_store_delete(g.store, "/budgets/web", TG_ANY_VERSION, tg_guard_deadline(&g), e));
    cr_assert_eq(charge_once("autoscaler", "service:s", ""), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "fewer-locks-than-recorded");
    OK(tg_store_delete(g.store, "/budgets", TG_ANY_VERSION, tg_guard_deadline(&g), e));
    cr_assert_eq(charge_once("autoscaler", "service:s", ""), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "store-older");
}

GTEST(the_brake_holds_who_sees_too_few)
{
    struct tg_budget b = {.per_ms = 3600000, .name = "web"};
    struct tg_budget_bill bill;

    cr_assert(tg_share_parse("5%", &b.at_most) && tg_share_parse("20%", &b.brake));
    OK(tg_scope_parse("group:web", &b.of, e));
    OK(tg_budget_set(&g, &b, "alice@ops1", "", e));
    tg_budget_clear(&b);
    OK(charge("autoscaler", "service:s", "web=1", 100, &bill, e));
    cr_assert_eq(charge("autoscaler", "service:s", "web=1", 60, &bill, NULL), TG_E_UNKNOWN);
    cr_assert_str_eq(g.cause, "picture-shrank");
    cr_assert_eq(bill.answer.expected, 99);
    tg_budget_bill_release(&bill);
    OK(tg_budget_reset(&g, "web", TG_BUDGET_PICTURE, "alice@ops1", "half of it moved", e));
    OK(charge("autoscaler", "service:s", "web=1", 60, &bill, e));
}

#endif
