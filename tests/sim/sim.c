/*
 * Seeded schedules over the whole ring: the machine, the drive, the journal, a store in memory that loses requests, answers and sessions, and
 * a fleet that does the like (world.h), all on a virtual clock. The driver is killed around journal writes, loses its session, has its seat
 * taken while it sleeps, is paused and aborted; each time another resumes. After it all the promises must hold: P5, P6, P7, P8, P10, P12.
 *
 *   sim [--seeds N] [--from N]   runs that many seeds; --first stops behind the first that is bad
 *   sim --seed N                 runs one, and shows its journal
 */
#include "engine/plan_internal.h"
#include "engine/withdraw.h"
#include "fleet/shard.h"
#include "lib/plan.h"
#include "lib/same_run.h"
#include "store/memory.h"
#include "sim.h"

#include <stdlib.h>
#include <string.h>

void must(struct sim *s, int rc, const struct tg_error *e, const char *what)
{
    if (!rc)
        return;
    printf("seed %llu: %s: %s\n", (unsigned long long) s->seed, what, e->message);
    exit(2);
}

static void open_store(struct sim *s, struct tg_store **out)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_store_options o = {.loop = s->loop, .url = s->url, .session_ms = 5000};

    must(s, tg_store_open(&o, out, &e), &e, "open");
    must(s, tg_store_connect(*out, tg_store_deadline(*out, WAIT_MS), &e), &e, "connect");
}

static struct test_stage random_stage(struct rng *r, size_t count, bool dry_run, int64_t bake_ms)
{
    static const struct tg_rate rates[] = {{1, 1000}, {4, 60000}, {20, 1000}};
    struct test_stage s = {.count = count, .dry_run = dry_run, .bake_ms = bake_ms};

    if (rng_chance(r, 30))
        s.rate = rates[rng_below(r, 3)];
    return s;
}

/* Days of a few hundred milliseconds: world_hours() tells when they are. */
static void random_hours(struct rng *r, struct tg_plan *plan)
{
    int64_t day = 1;

    plan->hours = (struct tg_hours) {.days = TG_HOURS_ALL_DAYS, .from_min = (int) rng_below(r, WORLD_DAYS_MAX), .until_min = 1440, .zone = "UTC"};
    for (size_t i = 0; i < plan->n_stages; i++) {
        day += (int64_t) rng_below(r, 3);
        plan->stages[i].day = rng_chance(r, 50) ? day : 0;
        plan->stages[i].spread_ms = rng_chance(r, 30) ? 20 + (int64_t) rng_below(r, 2000) : 0;
    }
}

static struct tg_bounds random_bounds(struct rng *r)
{
    static const struct tg_share shares[] = {{TG_SHARE_COUNT, 0}, {TG_SHARE_COUNT, 1}, {TG_SHARE_PERCENT, 25000}, {TG_SHARE_PERCENT, 50000}};
    struct tg_bounds b = {.of_at_least = (int64_t) rng_below(r, 3)};

    if (rng_chance(r, 20))
        b.failed = shares[rng_below(r, 4)];
    if (rng_chance(r, 20))
        b.unreachable = shares[rng_below(r, 4)];
    return b;
}

static int by_hash(const void *a, const void *b)
{
    uint64_t x = tg_shard_hash(((const struct tg_plan_host *) a)->name), y = tg_shard_hash(((const struct tg_plan_host *) b)->name);

    return (x > y) - (x < y);
}

/* Some stages are spread over windows: their hosts stand as the compiler puts them. */
static void random_spreads(struct rng *r, struct tg_plan *plan)
{
    for (size_t i = 0; i < plan->n_stages; i++) {
        plan->stages[i].over_window = rng_chance(r, 30);
        if (plan->stages[i].over_window)
            qsort(plan->hosts + plan->stages[i].first, plan->stages[i].count, sizeof *plan->hosts, by_hash);
    }
}

/* Windows that open each minute, and hosts that need a part of them. */
static void random_windows(struct sim *s, struct tg_plan *plan)
{
    struct tg_error e = TG_ERROR_INIT;

    plan->estimate_ms = 500 + (int64_t) rng_below(&s->rng, 3000);
    s->site = sim_site(1 + rng_below(&s->rng, 2), plan->n_targets, &e);
    must(s, e.code, &e, "calendar");
    must(s, tg_plan_windows_compile(plan, s->site->inventory, s->site->agenda, "UTC", &e), &e, "windows");
}

static struct tg_plan *random_plan(struct sim *s)
{
    struct rng *r = &s->rng;
    struct test_stage stages[4];
    size_t n = 0;

    if (rng_chance(r, 30))
        stages[n++] = random_stage(r, 1 + rng_below(r, 3), true, 0);
    if (rng_chance(r, 60))
        stages[n++] = random_stage(r, 1, false, rng_chance(r, 50) ? 1000 : 0);
    stages[n++] = random_stage(r, 1 + rng_below(r, 6), false, rng_chance(r, 30) ? 2000 : 0);
    if (rng_chance(r, 30))
        stages[n++] = random_stage(r, 1 + rng_below(r, 4), false, 0);
    struct tg_plan *plan = test_plan(stages, n, 1 + (int64_t) rng_below(r, 3), (int64_t) rng_below(r, 4));
    bool windows = rng_chance(r, 18);
    if (windows)
        random_spreads(r, plan);
    plan->unverified += (int64_t) rng_below(r, 4);
    plan->retries = rng_chance(r, 40) ? 1 + (int64_t) rng_below(r, 3) : 0;
    plan->retry_wait_ms = 1000;
    plan->decide_ms = rng_chance(r, 30) ? 1000 + (int64_t) rng_below(r, 60000) : 0;
    plan->give_up_ms = rng_chance(r, 30) ? 1000 + (int64_t) rng_below(r, 60000) : 0;
    plan->rollback = rng_chance(r, 50) ? json_object() : NULL;
    for (size_t i = 0; i < n; i++)
        plan->stages[i].policy = (struct tg_stage_policy) {.approve = rng_chance(r, 20), .bears = random_bounds(r)};
    plan->unreachable = random_bounds(r).unreachable;
    for (uint64_t limits = rng_below(r, 3); limits; limits--)
        test_plan_limit(plan, limits == 1 ? TG_LIMIT_DOMAIN : TG_LIMIT_FLOOR, 1 + (uint32_t) rng_below(r, 4), 1 + (uint32_t) rng_below(r, 2), rng_below(r, 5));
    test_plan_around(plan, rng_below(r, 4), (unsigned) rng_below(r, 16));
    if (rng_chance(r, 25))
        random_hours(r, plan);
    if (tg_withdraw_is_possible(plan) && rng_chance(r, 60))
        plan->then = TG_THEN_WITHDRAW;
    if (windows)
        random_windows(s, plan);
    return plan;
}

static void wait_ms(struct sim *s, int64_t ms)
{
    int64_t end = tg_mono_ms(tg_loop_clock(s->loop)) + ms;

    while (tg_mono_ms(tg_loop_clock(s->loop)) < end)
        tg_loop_turn(s->loop, end - tg_mono_ms(tg_loop_clock(s->loop)));
}

/* Somebody thinks that the driver is dead, and takes its lease away. */
static void remove_lease(struct sim *s)
{
    struct tg_error e = TG_ERROR_INIT;
    char path[TG_RUN_ID_SIZE + 32];

    snprintf(path, sizeof path, "/runs/%s/lease", s->id);
    int rc = tg_store_delete(s->admin, path, TG_ANY_VERSION, tg_store_deadline(s->admin, WAIT_MS), &e);
    if (rc != TG_E_NOENT) /* it went with a session that a fault has just ended */
        must(s, rc, &e, "remove the lease");
}

/* P6: the driver sleeps past its session's end, or its lease is taken away; another takes the seat; and then it wakes. */
static void steal(struct sim *s)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_store *other;
    struct tg_journal *j;
    struct tg_plan *plan;
    struct tg_run *run;

    bool asleep = rng_chance(&s->rng, 50);

    s->steals++;
    if (asleep) {
        tg_memory_disconnect(s->store);
        wait_ms(s, 6000);
    } else {
        remove_lease(s);
    }
    open_store(s, &other);
    must(s, tg_journal_load(other, s->id, WAIT_MS, &j, &plan, &run, &e), &e, "load for the thief");
    must(s, tg_journal_seat(j, "bob@ops2", tg_wall_ms(tg_loop_clock(s->loop)), &e), &e, "steal");
    s->world.seated = j->epoch;
    s->world.seated_lines = j->lines;
    tg_journal_leave(j);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    tg_store_close(other);
    if (asleep)
        tg_memory_reconnect(s->store);
}

static void add_fault(struct sim *s)
{
    static const enum tg_memory_action actions[] = {TG_MEMORY_LOSE_REQUEST, TG_MEMORY_LOSE_ANSWER, TG_MEMORY_EXPIRE, TG_MEMORY_HANG, TG_MEMORY_HANG_ANSWER};
    struct tg_memory_fault f = {.path = rng_chance(&s->rng, 30) ? "/runs/*/snapshot*" : "/runs/*/journal*", .verbs = TG_MEMORY_MULTI, .session = s->store, .nth = 1,
                                .action = actions[rng_below(&s->rng, 5)]};
    struct tg_error e = TG_ERROR_INIT;

    must(s, tg_memory_fault_add(s->memory, &f, &e), &e, "fault");
}

static struct tg_said says(const struct sim *s, const char *why)
{
    return (struct tg_said) {"alice@ops1", why, tg_wall_ms(tg_loop_clock(s->loop)), WAIT_MS};
}

/* Somebody pauses the run, or everything. */
static void pause_it(struct sim *s)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_scope fleet = {.kind = TG_SCOPE_FLEET};
    const struct tg_said said = says(s, "wait");
    bool was;

    if (s->world.paused || !rng_chance(&s->rng, s->pause_percent))
        return;
    s->fleet_paused = rng_chance(&s->rng, 40);
    s->run_paused = !s->fleet_paused || rng_chance(&s->rng, 30);
    if (s->run_paused)
        must(s, tg_run_pause(s->admin, s->id, &said, &e), &e, "pause");
    if (s->fleet_paused)
        must(s, tg_pauses_add(s->admin, &fleet, &said, &was, &e), &e, "pause the fleet");
    s->world.paused = true;
    s->pauses++;
}

/* And takes it back, the one before the other. */
void resume_it(struct sim *s, int64_t hold)
{
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_scope fleet = {.kind = TG_SCOPE_FLEET};
    const struct tg_said said = says(s, "go on");
    bool was;

    if (s->run_paused)
        must(s, tg_run_resume(s->admin, s->id, hold, &said, &e), &e, "resume");
    else if (s->fleet_paused)
        must(s, tg_pauses_remove(s->admin, &fleet, WAIT_MS, &was, NULL, &e), &e, "resume the fleet");
    s->fleet_paused = s->run_paused && s->fleet_paused;
    s->run_paused = false;
    s->world.paused = s->fleet_paused;
}

/* Somebody looks at a stage that waits, or that will. */
static void approve_it(struct sim *s, const struct tg_run *run)
{
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_said said = says(s, "looked at");

    for (size_t i = 0; i < s->plan->n_stages; i++) {
        bool waits = run->stages[i].state == TG_STAGE_GATED;
        if (!s->plan->stages[i].policy.approve || s->world.approved[i] || !rng_chance(&s->rng, waits ? s->calm ? 100 : 20 : 1))
            continue;
        s->world.approved[i] = true; /* from here on it may be heard */
        must(s, tg_run_approve(s->admin, s->id, s->plan->stages[i].name, &said, &e), &e, "approve");
    }
}

/* P7: the machine that a snapshot gives back is the machine. */
static void judge_snapshot(struct sim *s)
{
    struct tg_buf text = TG_BUF_INIT;
    struct tg_error e = TG_ERROR_INIT;
    struct tg_run *back;
    char why[300];

    must(s, tg_run_snapshot(s->run, &text, &e), &e, "snapshot");
    must(s, tg_run_restore(s->run->plan, text.data, text.len, &back, &e), &e, "restore");
    if (!same_run(s->run, back, why, sizeof why))
        world_violation(&s->world, "P7: from its snapshot the run comes back as another: %s", why);
    tg_run_free(back);
    tg_buf_release(&text);
}

/* P7, P12: what is in the store, folded or not, is what the driver knew when it left. */
static void judge_store(struct sim *s)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_journal *j;
    struct tg_plan *plan;
    struct tg_run *run;
    char why[300];

    must(s, tg_journal_load(s->admin, s->id, WAIT_MS, &j, &plan, &run, &e), &e, "load behind a driver");
    if (!same_run(s->run, run, why, sizeof why))
        world_violation(&s->world, "P7: the store has the run as another than its driver left it: %s", why);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
}

static int around_commit(void *data, int committed)
{
    struct sim *s = data;
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_said said = says(s, "enough");

    s->commits += !committed;
    if (committed && rng_chance(&s->rng, 30))
        judge_snapshot(s);
    if (s->commits > COMMITS_MAX) {
        world_violation(&s->world, "it does not come to an end");
        printf("seed %llu\n", (unsigned long long) s->seed);
        exit(1);
    }
    if (s->abort_at && !s->world.aborted && s->commits >= s->abort_at) {
        must(s, tg_run_abort(s->admin, s->id, &said, &e), &e, "abort");
        s->world.aborted = true;
    }
    if (s->calm)
        return 0;
    if (!committed)
        pause_it(s);
    if (committed && rng_chance(&s->rng, s->steal_percent))
        steal(s);
    if (!committed && rng_chance(&s->rng, s->fault_percent))
        add_fault(s);
    if (rng_chance(&s->rng, 2))
        s->stops = 1;
    s->died = rng_chance(&s->rng, s->crash_percent);
    s->crashes += s->died;
    return s->died;
}

static void on_line(void *data, const struct tg_run *run, const json_t *line)
{
    struct sim *s = data;

    world_line(&s->world, run, line);
}

/* A person, at what has no verdict, or keeps hosts out. */
static void look_at_it(struct sim *s, const struct tg_run *run)
{
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_said said = says(s, "looked");

    s->world.looks += (run->causes & TG_CAUSE_AROUND) != 0;
    s->world.mended |= (run->causes & TG_CAUSE_AROUND) && rng_chance(&s->rng, 60);
    must(s, tg_run_resume(s->admin, s->id, run->holds, &said, &e), &e, "resume");
}

static void on_tick(void *data, const struct tg_run *run, int64_t now_ms)
{
    struct sim *s = data;

    approve_it(s, run);
    world_judge_dead(&s->world, run);
    if ((run->causes & TG_CAUSES_TO_LOOK) && !s->world.paused && (s->calm || rng_chance(&s->rng, 20)))
        look_at_it(s, run);
    if (s->world.paused && (s->calm || rng_chance(&s->rng, 20)))
        resume_it(s, run->holds);
    if (now_ms < WALL_START + DAYS_MAX * 86400000)
        return;
    world_violation(&s->world, "it does not come to an end: the run is %s", tg_run_state_name(run->state));
    printf("seed %llu\n", (unsigned long long) s->seed);
    exit(1);
}

/* One driver, from taking the seat to its end. 1: the run has ended and left nothing; 0: there is more to do. */
static int drive_once(struct sim *s)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_journal *j;
    struct tg_plan *plan;
    struct tg_run *run;

    must(s, tg_journal_load(s->store, s->id, WAIT_MS, &j, &plan, &run, &e), &e, "load");
    s->stops = 0;
    s->died = false;
    s->world.epoch = j->epoch + 1;
    s->run = s->world.run = run;
    world_windows_begin(&s->world, run);
    s->folds += j->snapshot.parts > 0;
    size_t all[HOSTS_MAX];
    for (size_t i = 0; i < plan->n_hosts; i++)
        all[i] = i;
    j->fold_bytes = s->fold_bytes ? 1 + rng_below(&s->rng, s->fold_bytes) : 0;
    struct tg_drive_options o = {.journal = j, .run = run, .by = "alice@ops1", .ports = &s->world.ports, .on_line = on_line, .on_tick = on_tick, .data = s,
                                 .stops = &s->stops, .hours = world_hours, .crash = around_commit,
                                 .returns = s->returning ? all : NULL, .n_returns = s->returning ? plan->n_hosts : 0, .vouched = s->vouched};
    int rc = tg_drive(&o, &e);
    if (s->world.verbose)
        printf("  -- %s %s (%s)\n", tg_run_state_name(run->state), rc ? e.message : "", s->died ? "died" : "left");
    if (rc == TG_E_DATA || rc == TG_E_MEMORY)
        world_violation(&s->world, "the drive ended with: %s", e.message);
    if (!rc)
        judge_store(s);
    s->world.run = NULL;
    int over = !rc && run->state == TG_RUN_ENDED && tg_run_leftovers(run) == 0 && !(s->returning && s->stops);
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
    if (rc || rng_chance(&s->rng, 50) || tg_store_state(s->store) != TG_SESSION_CONNECTED) { /* another process drives next */
        tg_memory_faults_clear(s->memory); /* they name the session */
        tg_memory_kill(s->store);
        tg_memory_reap(s->memory);
        open_store(s, &s->store);
    }
    return over;
}

/* What the journal says, against what is true. */
void judge(struct sim *s)
{
    struct tg_error e = TG_ERROR_INIT;
    struct tg_journal *j;
    struct tg_plan *plan;
    struct tg_run *run;
    struct world *w = &s->world;

    must(s, tg_journal_load(s->admin, s->id, WAIT_MS, &j, &plan, &run, &e), &e, "load at the end");
    if (run->state != TG_RUN_ENDED)
        world_violation(w, "P12: the run is over, its journal says %s", tg_run_state_name(run->state));
    world_judge_rates(w);
    world_judge_hours(w, WALL_START);
    world_judge_bakes(w);
    world_judge_around(w, run);
    for (size_t i = 0; i < plan->n_hosts; i++) {
        const struct sim_host *h = &w->hosts[i];
        const struct tg_run_host *r = &run->hosts[i];
        bool dry = plan->stages[r->stage].dry_run;
        const char *name = plan->hosts[i].name, *says = tg_host_state_name(r->state);
        if (h->locked)
            world_violation(w, "P8: %s is left locked, and is %s", name, says);
        if (dry && h->changed)
            world_violation(w, "P12: %s was changed by a dry run", name);
        if (r->state == TG_HOST_DONE && !dry && !(h->changed == 1 && h->verified))
            world_violation(w, "P12: %s is said to be done; changed %d times, verified %d", name, h->changed, h->verified);
        bool untouched = r->state == TG_HOST_WAITING || r->state == TG_HOST_HELD || r->state == TG_HOST_UNREACHABLE || r->state == TG_HOST_SKIPPED;
        if (untouched && h->changed)
            world_violation(w, "P12: %s was changed, and is said to be %s", name, says);
    }
    if (tg_run_end(run) == TG_END_DONE && run->totals[TG_HOST_WAITING])
        world_violation(w, "P12: it is over, and %zu hosts wait", run->totals[TG_HOST_WAITING]);
    if (w->aborted && tg_run_end(run) != TG_END_ABORTED && s->commits > s->abort_at + 2 && tg_run_end(run) == TG_END_DONE && run->totals[TG_HOST_WAITING])
        world_violation(w, "P10: aborted, and said to be done");
    tg_run_free(run);
    tg_plan_free(plan);
    tg_journal_free(j);
}

static void make_tree(struct sim *s)
{
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_run_tokens tokens = {.own = "A", .all = "A"};

    open_store(s, &s->admin);
    open_store(s, &s->store);
    must(s, tg_store_create(s->admin, TG_PAUSES_PATH, "", 0, 0, tg_store_deadline(s->admin, WAIT_MS), &e), &e, "tree");
    must(s, tg_store_create(s->admin, "/runs", "", 0, 0, tg_store_deadline(s->admin, WAIT_MS), &e), &e, "tree");
    must(s, tg_journal_create(s->admin, s->plan, "alice@ops1", &tokens, tg_wall_ms(tg_loop_clock(s->loop)), WAIT_MS, s->id, &e), &e, "create");
}

/* Until the run has ended and nothing is left over: at first with troubles, then without. */
void drive_to_the_end(struct sim *s)
{
    while (s->rounds++ < ROUNDS_MAX) {
        s->calm = s->rounds > 40;
        s->world.healed = s->rounds > 50;
        if (s->calm)
            tg_memory_faults_clear(s->memory);
        if (drive_once(s))
            return;
        if (rng_chance(&s->rng, 30))
            world_settle(&s->world);
    }
    world_violation(&s->world, "after %u drivers the run has not ended", s->rounds);
}

static unsigned simulate(uint64_t seed, bool verbose)
{
    struct sim s = {.seed = seed, .rng = {seed * 7919 + 1}};
    struct tg_error e = TG_ERROR_INIT;

    snprintf(s.memory, sizeof s.memory, "sim-%llu", (unsigned long long) seed);
    snprintf(s.url, sizeof s.url, "memory:%s", s.memory);
    must(&s, tg_loop_virtual(WALL_START, &s.loop, &e), &e, "loop");
    s.plan = random_plan(&s);
    must(&s, tg_plan_seal(s.plan, &e), &e, "seal");
    s.crash_percent = (unsigned) rng_below(&s.rng, 3) * 7;
    s.pause_percent = rng_chance(&s.rng, 40) ? 8 : 0;
    s.steal_percent = rng_chance(&s.rng, 35) ? 6 : 0;
    s.fault_percent = (unsigned) rng_below(&s.rng, 3) * 6;
    s.abort_at = rng_chance(&s.rng, 30) ? 1 + (unsigned) rng_below(&s.rng, 30) : 0;
    s.fold_bytes = rng_chance(&s.rng, 60) ? (size_t) 200 << rng_below(&s.rng, 6) : 0;
    if (world_init(&s.world, seed, s.loop, s.plan))
        exit(2);
    must(&s, world_windows_open(&s.world, s.site, &e), &e, "windows of the world");
    s.world.verbose = verbose;
    make_tree(&s);
    drive_to_the_end(&s);
    world_settle(&s.world);
    judge(&s);
    if (s.plan->then == TG_THEN_WITHDRAW)
        withdraw(&s);
    else if (s.plan->rollback)
        roll_back(&s);
    unsigned violations = s.world.violations;
    if (violations || verbose)
        printf("seed %llu: %u violation%s in %u drivers, %u crashes, %u thefts, %u pauses, %u loads of a snapshot, %zu hosts\n", (unsigned long long) seed, violations,
               violations == 1 ? "" : "s", s.rounds, s.crashes, s.steals, s.pauses, s.folds, s.plan->n_hosts);
    world_release(&s.world);
    tg_store_close(s.store);
    tg_store_close(s.admin);
    tg_memory_forget(s.memory);
    tg_plan_free(s.plan);
    tg_loop_free(s.loop);
    return violations;
}

int main(int argc, char **argv)
{
    uint64_t from = 1, count = 400, done = 0;
    unsigned bad = 0;
    bool verbose = false, first = false;
    const struct tg_clock *clock = tg_clock_real();
    int64_t began = tg_mono_ms(clock);

    for (int i = 1; i < argc; i++) {
        uint64_t n = i + 1 < argc ? strtoull(argv[i + 1], NULL, 10) : 0;
        verbose |= strcmp(argv[i], "--seed") == 0;
        first |= strcmp(argv[i], "--first") == 0;
        if (strcmp(argv[i], "--seed") == 0 || strcmp(argv[i], "--from") == 0)
            from = n;
        if (strcmp(argv[i], "--seed") == 0 || strcmp(argv[i], "--seeds") == 0)
            count = verbose ? 1 : n;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (; done < count && !(first && bad); done++)
        bad += simulate(from + done, verbose) > 0;
    int64_t ms = tg_mono_ms(clock) - began;
    sim_sites_close();
    printf("%llu seeds, %u bad%s (%lld a minute)\n", (unsigned long long) done, bad, bad ? ": run one with sim --seed N" : "",
           (long long) (ms ? (int64_t) done * 60000 / ms : 0));
    return bad ? 1 : 0;
}
