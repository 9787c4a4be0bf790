/* Who a changed host is compared with. */
#include "engine/compare.h"

#include "../lib/plan.h"

#include <criterion/criterion.h>

static const struct test_stage stages[] = {{.count = 3, .dry_run = true}, {.count = 2}, {.count = 4}};

static void set(struct tg_run *run, size_t host, enum tg_host_state state)
{
    run->stages[run->hosts[host].stage].counts[run->hosts[host].state]--;
    run->hosts[host].state = state;
    run->stages[run->hosts[host].stage].counts[state]++;
}

static struct tg_run *run_of(struct tg_plan *plan)
{
    struct tg_run *run = NULL;

    cr_assert_eq(tg_run_new(plan, &run, NULL), 0);
    return run;
}

/* P12: a host that is changed, or being changed, says nothing about how it was before. */
Test(compare, only_hosts_that_wait_the_last_first)
{
    struct tg_plan *plan = test_plan(stages, 3, 1, 0);
    struct tg_run *run = run_of(plan);
    size_t hosts[9];

    cr_assert_eq(tg_compare_hosts(run, hosts, 9), 6, "those of the dry stage are no others");
    cr_assert(hosts[0] == 8 && hosts[5] == 3);
    set(run, 8, TG_HOST_APPLYING);
    set(run, 6, TG_HOST_DONE);
    set(run, 3, TG_HOST_UNREACHABLE);
    cr_assert_eq(tg_compare_hosts(run, hosts, 9), 3);
    cr_assert(hosts[0] == 7 && hosts[1] == 5 && hosts[2] == 4);
    cr_assert_eq(tg_compare_hosts(run, hosts, 2), 2, "no more than asked for");
    tg_run_free(run);
    tg_plan_free(plan);
}

Test(compare, names_are_a_regular_expression)
{
    struct tg_plan *plan = test_plan(stages, 3, 1, 0);
    struct tg_run *run = run_of(plan);
    struct tg_buf names = TG_BUF_INIT;

    for (size_t i = 3; i < 7; i++)
        set(run, i, TG_HOST_DONE);
    free(plan->hosts[8].name);
    plan->hosts[8].name = strdup("web1.example.com");
    cr_assert_eq(tg_compare_names(run, &names), 2);
    cr_assert_str_eq(tg_buf_text(&names), "web1[.]example[.]com|h4");
    tg_buf_release(&names);
    set(run, 7, TG_HOST_DONE);
    set(run, 8, TG_HOST_DONE);
    cr_assert_eq(tg_compare_names(run, &names), 0);
    tg_buf_release(&names);
    tg_run_free(run);
    tg_plan_free(plan);
}

Test(compare, long_names_are_fewer)
{
    static const struct test_stage many = {.count = 100};
    struct tg_plan *plan = test_plan(&many, 1, 1, 0);
    struct tg_run *run = run_of(plan);
    struct tg_buf names = TG_BUF_INIT;

    cr_assert_eq(tg_compare_names(run, &names), TG_COMPARE_MAX);
    tg_buf_release(&names);
    for (size_t i = 0; i < 100; i++) {
        free(plan->hosts[i].name);
        plan->hosts[i].name = malloc(254);
        memset(plan->hosts[i].name, 'a', 253);
        plan->hosts[i].name[253] = '\0';
    }
    cr_assert_eq(tg_compare_names(run, &names), TG_COMPARE_BYTES_MAX / 253);
    tg_buf_release(&names);
    tg_run_free(run);
    tg_plan_free(plan);
}
