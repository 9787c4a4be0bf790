/*
 * Seeded schedules over the whole ring: the machine, the drive, the journal, a store in memory that loses requests, answers and sessions, and
 * a fleet that does the like (world.h), all on a virtual clock. The driver is killed around journal writes, loses its session, has its seat
 * taken while it sleeps, is paused and aborted; each time another resumes. After it all the promises must hold: P5, P6, P7, P8, P10, P12.
 *
 *   sim [--seeds N] [--from N]   runs that many seeds; --first stops behind the first that is bad
 *   sim --seed N                 runs one, and shows its journal
 */
#include "engine/mend.h"
#include "engine/plan_internal.h"
#include "guard/tree.h"
#include "lib/same_run.h"
#include "store/cluster.h"
#include "store/memory.h"
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define TREE_MAX 80

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
    s->world->seated = j->epoch;
    s->world->seated_lines = j->lines;
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
    bool of_locks = s->world->holds && rng_chance(&s->rng, 40);
    struct tg_memory_fault f = {.path = of_locks ? "/locks/*" : rng_chance(&s->rng, 30) ? "/runs/*/snapshot*" : "/runs/*/journal*", .verbs = TG_MEMORY_MULTI, .session = s->store, .nth = 1,
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

    if (s->world->paused || !rng_chance(&s->rng, s->pause_percent))
        return;
    s->fleet_paused = rng_chance(&s->rng, 40);
    s->run_paused = !s->fleet_paused || rng_chance(&s->rng, 30);
    if (s->run_paused)
        must(s, tg_run_pause(s->admin, s->id, &said, &e), &e, "pause");
    if (s->fleet_paused)
        must(s, tg_pauses_add(s->admin, &fleet, &said, &was, &e), &e, "pause the fleet");
    s->world->paused = true;
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
    s->world->paused = s->fleet_paused;
}

/* Somebody looks at a stage that waits, or that will. */
static void approve_it(struct sim *s, const struct tg_run *run)
{
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_said said = says(s, "looked at");

    for (size_t i = 0; i < s->plan->n_stages; i++) {
        bool waits = run->stages[i].state == TG_STAGE_GATED;
        if (!s->plan->stages[i].policy.approve || s->world->approved[i] || !rng_chance(&s->rng, waits ? s->calm ? 100 : 20 : 1))
            continue;
        s->world->approved[i] = true; /* from here on it may be heard */
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
        world_violation(s->world, "P7: from its snapshot the run comes back as another: %s", why);
    tg_run_free(back);
    tg_buf_release(&text);
}

/* P7, P12: what is in the store, folded or not, is what the driver knew when it left. */
static void judge_store(struct sim *s)
{
    struct sim_loaded l;
    char why[300];

    load(s, s->id, &l);
    if (!same_run(s->run, l.run, why, sizeof why))
        world_violation(s->world, "P7: the store has the run as another than its driver left it: %s", why);
    unload(&l);
}

static int around_commit(void *data, int committed)
{
    struct sim *s = data;
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_said said = says(s, "enough");

    s->commits += !committed;
    if (committed && rng_chance(&s->rng, 30))
        judge_snapshot(s);
    if (s->commits > COMMITS_MAX / 2) /* hours, windows and domains of a bad day leave some hosts hardly a moment */
        s->calm = s->world->healed = true;
    if (s->commits > COMMITS_MAX) {
        world_violation(s->world, "it does not come to an end");
        printf("seed %llu\n", (unsigned long long) s->seed);
        exit(1);
    }
    if (s->abort_at && !s->world->aborted && s->commits >= s->abort_at) {
        must(s, tg_run_abort(s->admin, s->id, &said, &e), &e, "abort");
        s->world->aborted = true;
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

    world_line(s->world, run, line);
}

/* A person, at what has no verdict, or keeps hosts out. */
static void look_at_it(struct sim *s, const struct tg_run *run)
{
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_said said = says(s, "looked");

    s->world->looks += (run->causes & TG_CAUSE_AROUND) != 0;
    s->world->mended |= (run->causes & TG_CAUSE_AROUND) && rng_chance(&s->rng, 60);
    must(s, tg_run_resume(s->admin, s->id, run->holds, &said, &e), &e, "resume");
}

static void on_tick(void *data, const struct tg_run *run, int64_t now_ms)
{
    struct sim *s = data;

    approve_it(s, run);
    world_judge_dead(s->world, run);
    if ((run->causes & TG_CAUSES_TO_LOOK) && !s->world->paused && (s->calm || rng_chance(&s->rng, 20)))
        look_at_it(s, run);
    if (s->world->paused && (s->calm || rng_chance(&s->rng, 20)))
        resume_it(s, run->holds);
    if (now_ms < WALL_START + DAYS_MAX * 86400000)
        return;
    world_violation(s->world, "it does not come to an end: the run is %s", tg_run_state_name(run->state));
    printf("seed %llu\n", (unsigned long long) s->seed);
    exit(1);
}

/* Another process drives next. */
static void change_driver(struct sim *s)
{
    tg_memory_faults_clear(s->memory); /* they name the session */
    tg_memory_kill(s->store);
    tg_memory_reap(s->memory);
    open_store(s, &s->store);
}

/* As tagout return: who is still out of service, and by others free. */
static size_t choose_returns(struct sim *s, const struct tg_run *run, size_t *out)
{
    struct world *w = s->world;
    char why[600];
    size_t n = 0;
    int code;

    for (size_t i = 0; s->wish.wanted && i < run->plan->n_hosts; i++) {
        enum tg_host_state state = run->hosts[i].state;
        if (!s->wish.who[i] || !(state == TG_HOST_WITHDRAWN || state == TG_HOST_TO_RETURN || state == TG_HOST_RETURNING))
            continue;
        if (state == TG_HOST_WITHDRAWN) {
            w->hosts[i].bob_then = world_bob_holds(w, i);
            if (tg_hold_ask(w->holds, run->plan->hosts[i].name, why, sizeof why, &code) != TG_HOLD_GO)
                continue;
        }
        w->hosts[i].vouched |= s->wish.vouched;
        out[n++] = i;
    }
    return n;
}

/* Nobody brings hosts back while they are being mended. */
static bool take_seat(struct sim *s, struct sim_loaded *out)
{
    struct tg_error e = TG_ERROR_INIT;

    *out = (struct sim_loaded) {NULL, NULL, NULL};
    if (!s->mends)
        return true;
    must(s, tg_journal_load(s->store, s->mends, WAIT_MS, &out->j, &out->plan, &out->run, &e), &e, "load the withdrawal");
    must(s, tg_journal_seat(out->j, "alice@ops1", tg_wall_ms(tg_loop_clock(s->loop)), &e), &e, "the seat of the withdrawal");
    return tg_mend_may(out->run, s->mends, &e) == 0;
}

static void leave_seat(struct sim *s, struct sim_loaded *l)
{
    if (l->j && !s->died)
        tg_journal_leave(l->j);
    unload(l);
}

static int drive(struct sim *s, struct sim_loaded *l)
{
    struct tg_error e = TG_ERROR_INIT;
    size_t returns[HOSTS_MAX];

    s->world->epoch = l->j->epoch + 1;
    s->run = s->world->run = l->run;
    world_windows_begin(s->world, l->run);
    s->folds += l->j->snapshot.parts > 0;
    l->j->fold_bytes = s->fold_bytes ? 1 + rng_below(&s->rng, s->fold_bytes) : 0;
    if (s->tokens.own[0])
        must(s, world_locks_open(s->world, s->store, s->id, &s->tokens, &e), &e, "locks");
    struct tg_drive_options o = {.journal = l->j, .run = l->run, .by = "alice@ops1", .ports = &s->world->ports, .on_line = on_line, .on_tick = on_tick, .data = s,
                                 .stops = &s->stops, .hours = world_hours, .crash = around_commit,
                                 .returns = returns, .n_returns = choose_returns(s, l->run, returns), .vouched = s->wish.vouched};
    int rc = tg_drive(&o, &e);
    world_locks_close(s->world);
    if (s->world->verbose)
        printf("  -- %s: %s %s (%s)\n", s->id, tg_run_state_name(l->run->state), rc ? e.message : "", s->died ? "died" : "left");
    if (rc == TG_E_DATA || rc == TG_E_MEMORY)
        world_violation(s->world, "the drive ended with: %s", e.message);
    if (!rc)
        judge_store(s);
    s->world->run = NULL;
    return rc;
}

bool drive_once(struct sim *s)
{
    struct tg_error e = TG_ERROR_INIT;
    struct sim_loaded l, seat;
    bool over = false;
    int rc = 0;

    s->stops = 0;
    s->died = false;
    if (take_seat(s, &seat)) {
        must(s, tg_journal_load(s->store, s->id, WAIT_MS, &l.j, &l.plan, &l.run, &e), &e, "load");
        rc = drive(s, &l);
        over = !rc && l.run->state == TG_RUN_ENDED && tg_run_leftovers(l.run) == 0 && !(s->wish.wanted && s->stops);
        unload(&l);
    }
    leave_seat(s, &seat);
    if (rc || rng_chance(&s->rng, 50) || tg_store_state(s->store) != TG_SESSION_CONNECTED)
        change_driver(s);
    return over;
}

/* What the journal says, against what is true. */
void judge(struct sim *s)
{
    struct world *w = s->world;
    struct sim_loaded l;

    load(s, s->id, &l);
    const struct tg_plan *plan = l.plan;
    const struct tg_run *run = l.run;
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
    unload(&l);
}

static void make_tree(struct sim *s)
{
    struct tg_error e = TG_ERROR_INIT;
    const struct tg_run_tokens tokens = {.own = "A", .all = "A"};
    const struct tg_cluster cluster = {.id = "0123456789abcdef0123456789abcdef", .generation = 1, .state = TG_CLUSTER_LIVE};
    char *text = tg_cluster_encode(&cluster);
    struct tg_op ops[TREE_MAX] = {{.path = TG_CLUSTER_PATH, .data = text, .len = strlen(text)}, {.path = "/runs", .data = ""}};

    open_store(s, &s->admin);
    open_store(s, &s->store);
    must(s, tg_store_multi(s->admin, ops, 2 + tg_tree_init_ops(ops + 2, TREE_MAX - 2), tg_store_deadline(s->admin, WAIT_MS), NULL, &e), &e, "tree");
    free(text);
    must(s, tg_journal_create(s->admin, s->plan, "alice@ops1", &tokens, tg_wall_ms(tg_loop_clock(s->loop)), WAIT_MS, s->id, &e), &e, "create");
}

/* Until the run has ended and nothing is left over: at first with troubles, then without. */
void drive_to_the_end(struct sim *s)
{
    while (s->rounds++ < ROUNDS_MAX) {
        s->calm = s->rounds > 40;
        s->world->healed = s->rounds > 50;
        if (s->calm)
            tg_memory_faults_clear(s->memory);
        if (s->mends)
            return_some(s);
        if (drive_once(s))
            return;
        if (rng_chance(&s->rng, 30))
            world_settle(s->world);
    }
    world_violation(s->world, "after %u drivers the run has not ended", s->rounds);
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
    s.world = calloc(1, sizeof *s.world);
    if (!s.world || world_init(s.world, seed, s.loop, s.plan))
        exit(2);
    must(&s, world_windows_open(s.world, s.site, &e), &e, "windows of the world");
    s.world->verbose = verbose;
    make_tree(&s);
    drive_to_the_end(&s);
    world_settle(s.world);
    judge(&s);
    if (s.plan->then == TG_THEN_WITHDRAW)
        withdraw(&s);
    else if (s.plan->rollback)
        roll_back(&s);
    unsigned violations = s.world->violations;
    if (violations || verbose)
        printf("seed %llu: %u violation%s in %u drivers, %u crashes, %u thefts, %u pauses, %u loads of a snapshot, %zu hosts\n", (unsigned long long) seed, violations,
               violations == 1 ? "" : "s", s.rounds, s.crashes, s.steals, s.pauses, s.folds, s.plan->n_hosts);
    world_release(s.world);
    free(s.world);
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
