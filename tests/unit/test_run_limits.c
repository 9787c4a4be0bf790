/* limits.domains and limits.floor in the machine of a run: who starts next, judged by a slow and obvious count (P5). */
#include "engine/run.h"
#include "lib/plan.h"

#include <criterion/criterion.h>

struct rig {
    struct tg_plan *plan;
    struct tg_run *run;
    struct tg_run_actions todo;
    size_t at;
    int64_t now;
};

static void give(struct rig *r, enum tg_run_event_kind kind, size_t host)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_run_event ev = {.kind = kind, .at_ms = ++r->now, .host = host, .stage = TG_RUN_NONE, .by = "alice@ops1", .lock = "L1"};

    cr_assert_eq(tg_run_step(r->run, &ev, &r->todo, &e), 0, "%s", e.message);
}

static void make(struct rig *r, const struct test_stage *stages, size_t n_stages, int64_t running)
{
    *r = (struct rig) {.plan = test_plan(stages, n_stages, running, 1000), .now = 1000000};
}

static void begin(struct rig *r)
{
    struct tg_error e = TG_ERROR_INIT;

    cr_assert_eq(tg_run_new(r->plan, &r->run, &e), 0, "%s", e.message);
    give(r, TG_EV_BEGIN, TG_RUN_NONE);
}

static void end(struct rig *r)
{
    tg_run_actions_release(&r->todo);
    tg_run_free(r->run);
    tg_plan_free(r->plan);
}

/* Hosts that have been started since the last call, as "0 2 5". */
static const char *started(struct rig *r)
{
    static char text[400];

    text[0] = '\0';
    for (; r->at < r->todo.n; r->at++)
        if (r->todo.items[r->at].kind == TG_DO_LOCK)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%zu", text[0] ? " " : "", r->todo.items[r->at].host);
    return text;
}

static void change(struct rig *r, size_t host)
{
    give(r, TG_EV_LOCKED, host);
    give(r, TG_EV_GO, host);
    give(r, TG_EV_APPLIED, host);
}

static void change_well(struct rig *r, size_t host)
{
    change(r, host);
    give(r, TG_EV_VERIFIED, host);
    give(r, TG_EV_UNLOCKED, host);
}

Test(run_limits, one_host_of_each_domain_is_down_at_once_and_others_go_first)
{
    struct rig r;

    make(&r, &(struct test_stage) {.count = 6}, 1, 10);
    test_plan_limit(r.plan, TG_LIMIT_DOMAIN, 2, 1, 0); /* even ones in r0, odd ones in r1 */
    begin(&r);
    cr_expect_str_eq(started(&r), "0 1");
    cr_expect_eq(tg_run_brakes(r.run, r.now), TG_BRAKE_DOMAIN);
    size_t at = 0, domain, waiting;
    cr_expect(tg_run_full_domain(r.run, &at, &domain, &waiting) && domain == 0 && waiting == 2);
    cr_expect(tg_run_full_domain(r.run, &at, &domain, &waiting) && domain == 1 && waiting == 2);
    cr_expect_not(tg_run_full_domain(r.run, &at, &domain, &waiting));
    change(&r, 1);
    cr_expect_str_eq(started(&r), "", "not verified yet: it may be down");
    give(&r, TG_EV_VERIFIED, 1);
    cr_expect_str_eq(started(&r), "3");
    give(&r, TG_EV_UNLOCKED, 1);
    change_well(&r, 3);
    cr_expect_str_eq(started(&r), "5");
    change_well(&r, 0);
    cr_expect_str_eq(started(&r), "2");
    end(&r);
}

Test(run_limits, who_is_in_no_domain_is_not_held_back)
{
    struct rig r;

    make(&r, &(struct test_stage) {.count = 6}, 1, 10);
    test_plan_limit(r.plan, TG_LIMIT_FLOOR, 1, 1, 3); /* 2 and 5 are in none */
    begin(&r);
    cr_expect_str_eq(started(&r), "0 2 5");
    end(&r);
}

Test(run_limits, the_strictest_of_several_limits_wins)
{
    struct rig r;

    make(&r, &(struct test_stage) {.count = 8}, 1, 10);
    test_plan_limit(r.plan, TG_LIMIT_DOMAIN, 4, 1, 0); /* rack: 0 4, 1 5, 2 6, 3 7 */
    test_plan_limit(r.plan, TG_LIMIT_FLOOR, 1, 3, 0);  /* of all of them three */
    begin(&r);
    cr_expect_str_eq(started(&r), "0 1 2");
    change_well(&r, 0);
    cr_expect_str_eq(started(&r), "3", "the first in order that has room");
    change_well(&r, 1);
    cr_expect_str_eq(started(&r), "4");
    end(&r);
}

Test(run_limits, a_host_that_ended_badly_stays_down_and_its_domain_is_skipped_in_the_end)
{
    struct rig r;

    make(&r, (const struct test_stage[]) {{.count = 4}, {.count = 2}}, 2, 10);
    test_plan_limit(r.plan, TG_LIMIT_DOMAIN, 2, 1, 0); /* 0 2 4 in r0, 1 3 5 in r1 */
    begin(&r);
    cr_expect_str_eq(started(&r), "0 1");
    give(&r, TG_EV_LOCKED, 0);
    give(&r, TG_EV_GO, 0);
    give(&r, TG_EV_FAILED, 0);
    give(&r, TG_EV_UNLOCKED, 0);
    cr_expect_str_eq(started(&r), "");
    cr_expect_eq(r.run->hosts[2].state, TG_HOST_WAITING, "somebody is still at work");
    change_well(&r, 1);
    cr_expect_str_eq(started(&r), "3");
    change_well(&r, 3);
    cr_expect_eq(r.run->hosts[2].state, TG_HOST_SKIPPED);
    cr_expect_str_eq(r.run->hosts[2].text, "attr0 r0 has 1 down (h0), and no more may be");
    cr_expect_str_eq(started(&r), "5", "the next stage, with what has room");
    change_well(&r, 5);
    cr_expect_eq(r.run->hosts[4].state, TG_HOST_SKIPPED);
    cr_expect_eq(tg_run_end(r.run), TG_END_BADLY);
    end(&r);
}

Test(run_limits, who_was_not_touched_gives_its_room_back)
{
    struct rig r;

    make(&r, &(struct test_stage) {.count = 3}, 1, 10);
    test_plan_limit(r.plan, TG_LIMIT_DOMAIN, 1, 1, 0);
    begin(&r);
    cr_expect_str_eq(started(&r), "0");
    give(&r, TG_EV_PAUSE, TG_RUN_NONE);
    give(&r, TG_EV_LOCKED, 0); /* unlocked again, for later */
    give(&r, TG_EV_UNLOCKED, 0);
    cr_expect_eq(r.run->state, TG_RUN_PAUSED);
    give(&r, TG_EV_RESUME, TG_RUN_NONE);
    cr_expect_str_eq(started(&r), "0", "the first once more");
    end(&r);
}

static void others_hold(struct rig *r, size_t domain, uint32_t n)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_run_event ev = {.kind = TG_EV_OUTSIDE, .at_ms = ++r->now, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .domain = domain, .count = n, .text = n ? "L7K2QX of bob@ops2: a new disk" : NULL};
    json_t *line = tg_run_event_to_json(r->run, &ev, 1);
    struct tg_run_event back;
    struct tg_run_action action;
    bool is_event;

    cr_assert_eq(tg_run_line_from_json(r->run, line, 1, &is_event, &back, &action, &e), 0, "%s", e.message);
    cr_assert(is_event && back.domain == domain && back.count == n);
    cr_assert_str_eq(back.text ? back.text : "", ev.text ? ev.text : "");
    json_decref(line);
    cr_assert_eq(tg_run_step(r->run, &ev, &r->todo, &e), 0, "%s", e.message);
    cr_expect_str_eq(r->run->domains[domain].whose ? r->run->domains[domain].whose : "", ev.text ? ev.text : "");
}

Test(run_limits, hosts_that_others_hold_are_down_as_well)
{
    struct rig r;

    make(&r, &(struct test_stage) {.count = 6}, 1, 2);
    test_plan_limit(r.plan, TG_LIMIT_DOMAIN, 2, 2, 0);
    begin(&r);
    cr_expect_str_eq(started(&r), "0 1");
    others_hold(&r, 0, 2);
    others_hold(&r, 1, 1);
    give(&r, TG_EV_LOCKED, 0);
    cr_expect_eq(r.run->hosts[0].state, TG_HOST_UNLOCKING, "two others and this one are more than two");
    give(&r, TG_EV_LOCKED, 1);
    cr_expect_eq(r.run->hosts[1].state, TG_HOST_CHECKING, "one other and this one are not");
    give(&r, TG_EV_UNLOCKED, 0);
    cr_expect_eq(r.run->hosts[0].state, TG_HOST_WAITING);
    cr_expect_str_eq(started(&r), "", "h2, h4 would be with two others, h3, h5 with one and h1");
    give(&r, TG_EV_GO, 1);
    give(&r, TG_EV_APPLIED, 1);
    give(&r, TG_EV_VERIFIED, 1);
    give(&r, TG_EV_UNLOCKED, 1);
    cr_expect_str_eq(started(&r), "3");
    change_well(&r, 3);
    change_well(&r, 5);
    started(&r);
    cr_expect_eq(r.run->state, TG_RUN_ACTIVE);
    cr_expect_eq(r.run->hosts[0].state, TG_HOST_WAITING, "others end some day: nobody is skipped");
    others_hold(&r, 0, 1);
    cr_expect_str_eq(started(&r), "0");
    others_hold(&r, 0, 0);
    cr_expect_str_eq(started(&r), "2");
    end(&r);
}

/* ---- who is gone ---- */

static void others_gone(struct rig *r, size_t domain, uint32_t n, const char *who)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_run_event ev = {.kind = TG_EV_OUTSIDE_GONE, .at_ms = ++r->now, .host = TG_RUN_NONE, .stage = TG_RUN_NONE, .domain = domain, .count = n, .text = who};

    cr_assert_eq(tg_run_step(r->run, &ev, &r->todo, &e), 0, "%s", e.message);
}

/* P5 */
Test(run_limits, a_host_that_is_gone_is_down_once_and_does_not_hold_up_its_own_start)
{
    struct rig r;

    make(&r, &(struct test_stage) {.count = 4}, 1, 1);
    test_plan_limit(r.plan, TG_LIMIT_DOMAIN, 1, 1, 0);
    begin(&r);
    cr_expect_str_eq(started(&r), "0");
    give(&r, TG_EV_GONE, 2);
    give(&r, TG_EV_LOCKED, 0);
    cr_expect_eq(r.run->hosts[0].state, TG_HOST_UNLOCKING, "h2 is down: no room for another");
    give(&r, TG_EV_UNLOCKED, 0);
    cr_expect_str_eq(started(&r), "2", "who is down already adds nothing");
    change(&r, 2);
    cr_expect_eq(tg_run_domain_down(&r.run->domains[0]), 1, "down by this run, and gone: one host");
    give(&r, TG_EV_VERIFIED, 2);
    give(&r, TG_EV_UNLOCKED, 2);
    cr_expect_eq(r.run->hosts[2].state, TG_HOST_DONE);
    cr_expect_eq(tg_run_domain_down(&r.run->domains[0]), 1, "done, and its agent is not back yet");
    cr_expect_str_eq(started(&r), "");
    cr_expect_eq(tg_run_brakes(r.run, r.now), TG_BRAKE_DOMAIN);
    give(&r, TG_EV_BACK, 2);
    cr_expect_eq(tg_run_domain_down(&r.run->domains[0]), 1);
    cr_expect_str_eq(started(&r), "0");
    end(&r);
}

/* P5: more have gone than may be down. Then nobody starts, not even one of them: it may be that only its agent is dead. */
Test(run_limits, while_more_are_gone_than_may_be_down_nobody_starts)
{
    struct rig r;

    make(&r, &(struct test_stage) {.count = 3}, 1, 3);
    test_plan_limit(r.plan, TG_LIMIT_DOMAIN, 1, 1, 0);
    begin(&r);
    give(&r, TG_EV_LOCKED, 0);
    give(&r, TG_EV_GO, 0);
    started(&r);
    give(&r, TG_EV_GONE, 1); /* it stands in the line of h0's domain */
    give(&r, TG_EV_GONE, 2);
    give(&r, TG_EV_APPLIED, 0);
    give(&r, TG_EV_VERIFIED, 0);
    give(&r, TG_EV_UNLOCKED, 0);
    cr_expect_str_eq(started(&r), "");
    cr_expect_eq(r.run->state, TG_RUN_ACTIVE, "hosts come back some day: nobody is skipped");
    give(&r, TG_EV_BACK, 1);
    cr_expect_str_eq(started(&r), "2", "h2 is the one that is down");
    end(&r);
}

Test(run_limits, hosts_out_of_the_plan_that_are_gone_are_down_and_are_named) /* P5, P12 */
{
    struct rig r;
    size_t at = 0, domain, waiting;

    make(&r, &(struct test_stage) {.count = 2}, 1, 2);
    test_plan_limit(r.plan, TG_LIMIT_DOMAIN, 1, 1, 0);
    begin(&r);
    others_gone(&r, 0, 1, "db1.example.com");
    cr_expect_str_eq(r.run->domains[0].who_gone, "db1.example.com");
    give(&r, TG_EV_LOCKED, 0);
    give(&r, TG_EV_UNLOCKED, 0);
    cr_expect_eq(r.run->hosts[0].state, TG_HOST_WAITING);
    cr_assert(tg_run_full_domain(r.run, &at, &domain, &waiting));
    cr_expect(domain == 0 && waiting == 2);
    started(&r);
    others_gone(&r, 0, 0, NULL);
    cr_expect_null(r.run->domains[0].who_gone);
    cr_expect_str_eq(started(&r), "0");
    end(&r);
}

Test(run_limits, a_host_that_ended_badly_and_is_gone_keeps_others_out_for_good) /* P12 */
{
    struct rig r;

    make(&r, &(struct test_stage) {.count = 2}, 1, 2);
    test_plan_limit(r.plan, TG_LIMIT_DOMAIN, 1, 1, 0);
    begin(&r);
    give(&r, TG_EV_LOCKED, 0);
    give(&r, TG_EV_GO, 0);
    give(&r, TG_EV_GONE, 0);
    give(&r, TG_EV_NOT_SENT, 0);
    give(&r, TG_EV_UNLOCKED, 0);
    cr_expect_eq(r.run->hosts[0].state, TG_HOST_UNREACHABLE);
    cr_expect_eq(r.run->hosts[1].state, TG_HOST_SKIPPED);
    end(&r);
}

/* ---- against the obvious ---- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Whether a host could start beside those that are down; later: these are taken for waiting. */
static bool has_room(const struct rig *r, size_t host, const bool *later)
{
    const struct tg_plan *plan = r->plan;

    for (size_t l = 0; l < plan->n_limits; l++) {
        uint32_t domain = plan->domain_of[host * plan->n_limits + l], down = 0;
        for (size_t i = 0; i < plan->n_hosts; i++)
            down += i != host && plan->domain_of[i * plan->n_limits + l] == domain && ((!later[i] && tg_run_is_down(r->run, &r->run->hosts[i])) || r->run->hosts[i].gone);
        if (domain != TG_NO_DOMAIN && down >= plan->domains[domain].max)
            return false;
    }
    return true;
}

/* What has been started since from, one after another: each had room, and none before it that waited had. */
static void judge_starts(const struct rig *r, size_t from)
{
    bool later[64] = {false};

    for (size_t i = r->todo.n; i-- > from;) {
        if (r->todo.items[i].kind != TG_DO_LOCK)
            continue;
        size_t host = r->todo.items[i].host;
        later[host] = true;
        cr_assert(has_room(r, host, later), "host %zu started without room", host);
        for (size_t k = 0; k < host; k++)
            if (r->run->hosts[k].state == TG_HOST_WAITING || later[k])
                cr_assert_not(has_room(r, k, later), "host %zu started before %zu", host, k);
    }
}

static void answer_one(struct rig *r, uint64_t *random)
{
    static const enum tg_run_event_kind ends[] = {TG_EV_FAILED, TG_EV_UNPROVEN, TG_EV_NOT_SENT, TG_EV_HELD};
    size_t busy[64], n = 0;

    for (size_t i = 0; i < r->plan->n_hosts; i++)
        if (r->run->hosts[i].state != TG_HOST_WAITING && !tg_host_state_is_end(r->run->hosts[i].state))
            busy[n++] = i;
    if (n == 0)
        return;
    size_t host = busy[next_random(random) % n];
    bool good = next_random(random) % 12 != 0;
    switch ((int) r->run->hosts[host].state) {
    case TG_HOST_LOCKING:
        give(r, good ? TG_EV_LOCKED : TG_EV_LOCK_REFUSED, host);
        break;
    case TG_HOST_CHECKING:
        give(r, good ? TG_EV_GO : TG_EV_NO_GO, host);
        break;
    case TG_HOST_APPLYING:
        give(r, good ? TG_EV_APPLIED : ends[next_random(random) % 4], host);
        break;
    case TG_HOST_VERIFYING:
        give(r, good ? TG_EV_VERIFIED : TG_EV_NOT_VERIFIED, host);
        break;
    case TG_HOST_UNLOCKING:
        give(r, good ? TG_EV_UNLOCKED : TG_EV_UNLOCK_FAILED, host);
        break;
    default:
        break;
    }
}

Test(run_limits, the_first_that_has_room_starts_whatever_happens) /* P5 */
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15);
        struct rig r;
        size_t skipped = 0, steps = 0;

        make(&r, (const struct test_stage[]) {{.count = 1 + next_random(&random) % 20}, {.count = 1 + next_random(&random) % 20}}, 2,
             1 + (int64_t) (next_random(&random) % 8));
        r.plan->failed.value = 1000;
        for (uint64_t n = 1 + next_random(&random) % 3; n; n--)
            test_plan_limit(r.plan, TG_LIMIT_DOMAIN, 1 + (uint32_t) (next_random(&random) % 7), 1 + (uint32_t) (next_random(&random) % 3), next_random(&random) % 6);
        begin(&r);
        judge_starts(&r, 0);
        while (r.run->state == TG_RUN_ACTIVE && steps++ < 2000) {
            size_t from = r.todo.n;
            if (next_random(&random) % 40 == 0) {
                give(&r, TG_EV_PAUSE, TG_RUN_NONE);
                while (r.run->state == TG_RUN_PAUSING)
                    answer_one(&r, &random);
                from = r.todo.n;
                give(&r, TG_EV_RESUME, TG_RUN_NONE);
            } else if (next_random(&random) % 10 == 0) {
                size_t host = next_random(&random) % r.plan->n_hosts;
                give(&r, r.run->hosts[host].gone ? TG_EV_BACK : TG_EV_GONE, host);
            } else {
                answer_one(&r, &random);
            }
            judge_starts(&r, from);
            for (size_t i = 0; steps > 1500 && i < r.plan->n_hosts; i++)
                if (r.run->hosts[i].gone) {
                    from = r.todo.n;
                    give(&r, TG_EV_BACK, i);
                    judge_starts(&r, from);
                }
        }
        for (size_t i = 0; i < r.plan->n_hosts; i++) {
            bool nobody[64] = {false};
            if (r.run->hosts[i].state == TG_HOST_SKIPPED) {
                skipped++;
                cr_assert_not(has_room(&r, i, nobody), "host %zu was skipped, and has room", i);
            }
            cr_assert(tg_host_state_is_end(r.run->hosts[i].state) || r.run->halted, "seed %llu: host %zu is %s", (unsigned long long) seed, i,
                      tg_host_state_name(r.run->hosts[i].state));
        }
        cr_assert_eq(r.run->state, TG_RUN_ENDED, "seed %llu: %s", (unsigned long long) seed, tg_run_state_name(r.run->state));
        end(&r);
    }
}

Test(run_limits, who_bakes_does_not_wait_for_a_host_that_can_not_start)
{
    struct rig r;

    make(&r, (const struct test_stage[]) {{.count = 3, .bake_ms = 1000}}, 1, 10);
    test_plan_limit(r.plan, TG_LIMIT_DOMAIN, 2, 1, 0);
    begin(&r);
    change(&r, 1);
    give(&r, TG_EV_VERIFIED, 1);
    change(&r, 0);
    give(&r, TG_EV_NOT_VERIFIED, 0);
    give(&r, TG_EV_UNLOCKED, 0);
    cr_expect_eq(r.run->hosts[2].state, TG_HOST_SKIPPED);
    cr_expect_eq(r.run->stages[0].state, TG_STAGE_BAKING);
    end(&r);
}

/* ---- retries ---- */

Test(run_retries, who_is_not_reached_is_tried_again_later_and_later)
{
    struct rig r;
    int64_t waits[3];

    make(&r, &(struct test_stage) {.count = 2}, 1, 1);
    r.plan->retries = 3;
    r.plan->retry_wait_ms = 1000;
    begin(&r);
    give(&r, TG_EV_LOCKED, 0);
    for (int i = 0; i < 3; i++) {
        give(&r, TG_EV_GO, 0);
        give(&r, TG_EV_NOT_SENT, 0);
        cr_assert_eq(r.run->hosts[0].state, TG_HOST_BUSY);
        cr_assert_eq(r.todo.items[r.todo.n - 1].kind, TG_DO_RETRY);
        waits[i] = r.todo.items[r.todo.n - 1].until_ms - r.now;
        give(&r, TG_EV_RETRY_DUE, 0);
        cr_assert_eq(r.run->hosts[0].state, TG_HOST_CHECKING, "the guard is asked anew");
    }
    cr_expect(waits[0] == 1000 && waits[1] == 2000 && waits[2] == 4000);
    give(&r, TG_EV_GO, 0);
    give(&r, TG_EV_NOT_SENT, 0);
    cr_expect_eq(r.run->hosts[0].state, TG_HOST_UNLOCKING);
    cr_expect_eq(r.run->hosts[0].end, TG_HOST_UNREACHABLE);
    end(&r);
}

Test(run_retries, a_pause_ends_the_waiting_and_the_next_start_counts_anew)
{
    struct rig r;

    make(&r, &(struct test_stage) {.count = 1}, 1, 1);
    r.plan->retries = 1;
    r.plan->retry_wait_ms = INT64_C(600000);
    begin(&r);
    give(&r, TG_EV_LOCKED, 0);
    give(&r, TG_EV_GO, 0);
    give(&r, TG_EV_NOT_SENT, 0);
    give(&r, TG_EV_PAUSE, TG_RUN_NONE);
    give(&r, TG_EV_UNLOCKED, 0);
    cr_assert_eq(r.run->hosts[0].state, TG_HOST_WAITING);
    give(&r, TG_EV_RESUME, TG_RUN_NONE);
    give(&r, TG_EV_LOCKED, 0);
    give(&r, TG_EV_GO, 0);
    give(&r, TG_EV_NOT_SENT, 0);
    cr_expect_eq(r.run->hosts[0].state, TG_HOST_BUSY);
    end(&r);
}

Test(run_verdicts, a_bake_waits_for_a_host_that_is_to_be_verified_once_more)
{
    struct rig r;

    make(&r, &(struct test_stage) {.count = 2, .bake_ms = 1000}, 1, 2);
    begin(&r);
    change(&r, 0);
    give(&r, TG_EV_VERIFIED, 0);
    change(&r, 1);
    give(&r, TG_EV_INCONCLUSIVE, 1);
    cr_assert_eq(r.run->state, TG_RUN_HOLDING);
    cr_assert_eq(r.run->hosts[1].end, TG_HOST_UNDECIDED);
    give(&r, TG_EV_CONTINUE, TG_RUN_NONE);
    give(&r, TG_EV_UNLOCKED, 0);
    cr_expect_eq(r.run->stages[0].state, TG_STAGE_RUNNING, "it is not baking before all are verified");
    give(&r, TG_EV_UNLOCKED, 1);
    cr_expect_eq(r.run->hosts[1].state, TG_HOST_VERIFYING);
    give(&r, TG_EV_VERIFIED, 1);
    cr_expect_eq(r.run->stages[0].state, TG_STAGE_BAKING);
    end(&r);
}
