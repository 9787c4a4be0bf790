/* The hosts of a simulation: what comes of each action, and when. See simulate.h, and sim_model.h for the parameters.
 */
#include "engine/simulate_internal.h"

#define CONNECT_MS 15000 /* until a host is given up: what the controller does with real ones */
#define LOOK_MS 300000   /* likewise, after a connection broke */

/* Exchanges with the store, and round trips to a host: short beside all that hosts do. */
static const struct tg_sim_takes exchange = {.from_ms = 5, .to_ms = 40};

static const char *name_of(const struct tg_simulation *s, size_t host)
{
    return s->sim->plan->hosts[host].name;
}

static bool is(const struct tg_simulation *s, size_t host, enum tg_sim_purpose purpose, int64_t share)
{
    return share > 0 && tg_sim_among(tg_sim_draw(s->sim->model, name_of(s, host), purpose, 0), share);
}

static uint64_t draw(const struct tg_simulation *s, const struct tg_run_action *a, enum tg_sim_purpose purpose)
{
    return tg_sim_draw(s->sim->model, name_of(s, a->host), purpose, (unsigned) a->step << 16 | (unsigned) a->attempt << 8 | (unsigned) a->kind);
}

static int64_t exchange_ms(const struct tg_simulation *s, const struct tg_run_action *a)
{
    return tg_sim_duration_ms(&exchange, draw(s, a, TG_SIM_STORE));
}

/* Of what the host itself does. */
static int64_t takes_ms(const struct tg_simulation *s, const struct tg_run_action *a, const struct tg_sim_takes *takes,
                        enum tg_sim_purpose purpose)
{
    int64_t ms = tg_sim_duration_ms(takes, draw(s, a, purpose));

    return is(s, a->host, TG_SIM_SLOW, s->sim->model->slow) ? ms * s->sim->model->slow_by : ms;
}

static void answer(struct tg_simulation *s, const struct tg_run_action *a, enum tg_run_event_kind kind, int64_t at_ms)
{
    enum tg_outcome_kind outcome = kind == TG_EV_FAILED       ? TG_OUTCOME_FAILED
                                   : a->kind == TG_DO_DRY_RUN ? TG_OUTCOME_WOULD_CHANGE
                                                              : TG_OUTCOME_CHANGED;

    tg_sim_push(s, (struct tg_sim_item){.at_ms = at_ms,
                                        .of = (uint32_t) a->host,
                                        .what = TG_SIM_HOST,
                                        .kind = (uint8_t) kind,
                                        .outcome = (uint8_t) outcome});
}

/* Whether it is gone; until when it is, or is not. */
static bool is_gone(const struct tg_simulation *s, size_t host, int64_t at_ms, int64_t *out_until_ms)
{
    *out_until_ms = INT64_MAX;
    return (s->sim->model->gone > 0 || s->sim->model->going > 0) && tg_sim_is_gone(s->sim->model, name_of(s, host), at_ms, out_until_ms);
}

static bool is_unreachable(const struct tg_simulation *s, size_t host)
{
    int64_t until_ms;

    return is_gone(s, host, s->now_ms, &until_ms) || is(s, host, TG_SIM_UNREACHABLE, s->sim->model->unreachable);
}

/* ---- a bad change ---- */

static bool is_bad(const struct tg_simulation *s, size_t host)
{
    const struct tg_sim_model *m = s->sim->model;

    if (m->bad < 0 && m->bad_after_ms < 0)
        return false;
    return is(s, host, TG_SIM_BAD, m->bad < 0 ? 100000 : m->bad);
}

static bool shows(const struct tg_simulation *s, size_t host, int64_t at_ms)
{
    const struct tg_sim_host *h = &s->hosts[host];
    int64_t after = s->sim->model->bad_after_ms;

    return h->changed_ms && is_bad(s, host) && at_ms >= h->changed_ms + (after < 0 ? 0 : after);
}

/* ---- actions ---- */

static void lock(struct tg_simulation *s, const struct tg_run_action *a)
{
    answer(s, a, TG_EV_LOCKED, s->now_ms + exchange_ms(s, a));
}

static void check(struct tg_simulation *s, const struct tg_run_action *a)
{
    int64_t until_ms;
    bool held = s->sim->model->held > 0 && tg_sim_is_held(s->sim->model, name_of(s, a->host), s->now_ms, &until_ms);

    answer(s, a, held ? TG_EV_NO_GO : TG_EV_GO, s->now_ms + exchange_ms(s, a));
}

static void unlock(struct tg_simulation *s, const struct tg_run_action *a)
{
    answer(s, a, TG_EV_UNLOCKED, s->now_ms + exchange_ms(s, a));
}

static void dry_run(struct tg_simulation *s, const struct tg_run_action *a)
{
    if (is_unreachable(s, a->host))
        answer(s, a, TG_EV_NOT_SENT, s->now_ms + CONNECT_MS);
    else
        answer(s, a, TG_EV_APPLIED, s->now_ms + takes_ms(s, a, &s->sim->model->takes, TG_SIM_TAKES));
}

/* A step begins on its host, once for each attempt. */
static void start_step(struct tg_simulation *s, const struct tg_run_action *a)
{
    const struct tg_sim_model *m = s->sim->model;
    struct tg_sim_host *h = &s->hosts[a->host];
    int64_t goes_ms;

    if (h->attempt == a->attempt)
        return;
    h->attempt = (uint16_t) a->attempt;
    if (a->attempt == 1 && is(s, a->host, TG_SIM_BUSY, m->busy)) {
        h->end = TG_EV_BUSY;
        h->ends_ms = s->now_ms + exchange_ms(s, a);
        return;
    }
    h->end = is(s, a->host, TG_SIM_FAILS, m->failing) ? TG_EV_FAILED : TG_EV_APPLIED;
    h->ends_ms = s->now_ms + takes_ms(s, a, &m->takes, TG_SIM_TAKES);
    is_gone(s, a->host, s->now_ms, &goes_ms);
    if (goes_ms < h->ends_ms) { /* and the change with it: nothing proves how far it came */
        h->end = TG_EV_UNPROVEN;
        h->ends_ms = goes_ms;
    }
    tg_sim_push(s, (struct tg_sim_item){.at_ms = h->ends_ms, .of = (uint32_t) a->host, .what = TG_SIM_STEP_ENDS});
}

static void apply(struct tg_simulation *s, const struct tg_run_action *a)
{
    const struct tg_sim_host *h = &s->hosts[a->host];

    if (is_unreachable(s, a->host)) {
        answer(s, a, TG_EV_NOT_SENT, s->now_ms + CONNECT_MS);
        return;
    }
    start_step(s, a);
    if (h->end == TG_EV_UNPROVEN)
        answer(s, a, TG_EV_LOST, h->ends_ms + exchange_ms(s, a));
    else if (tg_sim_among(draw(s, a, TG_SIM_LOST), s->sim->model->lost))
        answer(s, a, TG_EV_LOST, s->now_ms + (h->ends_ms - s->now_ms) / 2);
    else
        answer(s, a, (enum tg_run_event_kind) h->end, h->ends_ms + exchange_ms(s, a));
}

static void look(struct tg_simulation *s, const struct tg_run_action *a)
{
    const struct tg_sim_host *h = &s->hosts[a->host];
    int64_t from_ms = h->ends_ms > s->now_ms ? h->ends_ms : s->now_ms, back_ms;
    bool gone = is_gone(s, a->host, s->now_ms, &back_ms), in_time = gone && back_ms - s->now_ms < LOOK_MS;

    from_ms = in_time && back_ms > from_ms ? back_ms : from_ms;
    if (is_unreachable(s, a->host) && !in_time)
        answer(s, a, TG_EV_LOST, s->now_ms + LOOK_MS);
    else if (h->attempt != a->attempt)
        answer(s, a, TG_EV_ABSENT, (in_time ? back_ms : s->now_ms) + exchange_ms(s, a));
    else
        answer(s, a, (enum tg_run_event_kind) h->end, from_ms + exchange_ms(s, a));
}

/* There is no verdict yet. */
static bool is_unclear(const struct tg_simulation *s, size_t host, int64_t at_ms)
{
    return is(s, host, TG_SIM_UNCLEAR, s->sim->model->inconclusive) && at_ms < s->hosts[host].changed_ms + s->sim->model->inconclusive_for_ms;
}

/* One that fails is tried until its time is over. Without any check nothing is ever noticed. */
static void verify(struct tg_simulation *s, const struct tg_run_action *a)
{
    const struct tg_plan *plan = s->sim->plan;
    bool proves = s->sim->run->hosts[a->host].state == TG_HOST_PROVING; /* the change is past what after waits for */
    int64_t passes_ms = s->now_ms + takes_ms(s, a, &s->sim->model->verify_takes, TG_SIM_VERIFY), within_ms = 0, after_ms = 0, until_ms;

    for (size_t i = 0; i < plan->n_verify; i++) {
        within_ms = plan->verify[i].within_ms > within_ms ? plan->verify[i].within_ms : within_ms;
        after_ms = plan->verify[i].after_ms > after_ms && !proves ? plan->verify[i].after_ms : after_ms;
    }
    passes_ms += after_ms;
    within_ms += after_ms;
    if (plan->n_verify == 0)
        answer(s, a, TG_EV_VERIFIED, s->now_ms + 1);
    else if (is_unclear(s, a->host, passes_ms))
        answer(s, a, TG_EV_INCONCLUSIVE, passes_ms);
    else if (is_gone(s, a->host, passes_ms, &until_ms))
        answer(s, a, TG_EV_NOT_VERIFIED, s->now_ms + within_ms);
    else if (shows(s, a->host, passes_ms))
        answer(s, a, TG_EV_NOT_VERIFIED, s->now_ms + within_ms);
    else
        answer(s, a, TG_EV_VERIFIED, passes_ms);
}

/* What is done around a change always succeeds here: it only takes its time, by what it is. */
static void around(struct tg_simulation *s, const struct tg_run_action *a)
{
    static const struct tg_sim_takes act[TG_AROUND_WHATS] = {
        [TG_AROUND_DRAIN] = {.from_ms = 10000, .to_ms = 60000}, [TG_AROUND_SILENCE] = {.from_ms = 50, .to_ms = 500}, [TG_AROUND_SNAPSHOT] = {.from_ms = 5000, .to_ms = 30000}};
    static const struct tg_sim_takes undo[TG_AROUND_WHATS] = {
        [TG_AROUND_DRAIN] = {.from_ms = 50, .to_ms = 500}, [TG_AROUND_SILENCE] = {.from_ms = 50, .to_ms = 500}, [TG_AROUND_SNAPSHOT] = {.from_ms = 2000, .to_ms = 15000}};
    enum tg_around_what what = s->sim->plan->around[a->step].what;

    if (a->kind == TG_DO_AROUND_LOOK)
        answer(s, a, TG_EV_FOUND, s->now_ms + exchange_ms(s, a));
    else
        answer(s, a, a->kind == TG_DO_AROUND ? TG_EV_MADE : TG_EV_UNDONE,
               s->now_ms + tg_sim_duration_ms(a->kind == TG_DO_AROUND ? &act[what] : &undo[what], draw(s, a, TG_SIM_AROUND)));
}

static void retry(struct tg_simulation *s, const struct tg_run_action *a)
{
    answer(s, a, TG_EV_RETRY_DUE, a->until_ms);
}

static void wait(struct tg_simulation *s, const struct tg_run_action *a)
{
    tg_sim_push(s, (struct tg_sim_item){.at_ms = a->until_ms,
                                        .of = (uint32_t) a->stage,
                                        .what = TG_SIM_STAGE,
                                        .kind = a->kind == TG_DO_BAKE ? TG_EV_BAKED : TG_EV_PACED});
}

static void give_up(struct tg_simulation *s, const struct tg_run_action *a)
{
    tg_sim_push(s, (struct tg_sim_item) {.at_ms = a->until_ms, .what = TG_SIM_GIVES_UP});
}

static void ask(struct tg_simulation *s, const struct tg_run_action *a)
{
    tg_sim_push(s, (struct tg_sim_item){
                       .at_ms = s->now_ms + s->sim->model->looks_after_ms, .of = (uint32_t) a->stage, .what = TG_SIM_STAGE, .kind = TG_EV_APPROVED});
}

typedef void model_fn(struct tg_simulation *s, const struct tg_run_action *a);
static model_fn *const models[TG_DO_COUNT] = {
    [TG_DO_LOCK] = lock,   [TG_DO_CHECK] = check,   [TG_DO_APPLY] = apply,   [TG_DO_LOOK] = look,
    [TG_DO_RETRY] = retry, [TG_DO_VERIFY] = verify, [TG_DO_UNLOCK] = unlock, [TG_DO_DRY_RUN] = dry_run,
    [TG_DO_BAKE] = wait,   [TG_DO_GIVE_UP] = give_up,   [TG_DO_PACE] = wait,     [TG_DO_ASK] = ask,
    [TG_DO_AROUND_LOOK] = around, [TG_DO_AROUND] = around, [TG_DO_UNDO] = around,
};

bool tg_sim_models(enum tg_run_action_kind kind)
{
    return kind == TG_DO_NOTHING || kind == TG_DO_REST || kind == TG_DO_END || models[kind];
}

bool tg_sim_begin(struct tg_simulation *s, const struct tg_run_action *a)
{
    if (a->kind >= TG_DO_COUNT || !models[a->kind])
        return false;
    models[a->kind](s, a);
    return true;
}

void tg_sim_step_ends(struct tg_simulation *s, size_t host)
{
    struct tg_sim_host *h = &s->hosts[host];
    struct tg_sim_stage *stage = &s->sim->stages[s->sim->run->hosts[host].stage];

    h->changed_ms = s->now_ms;
    h->hurt = h->end == TG_EV_FAILED || is_bad(s, host);
    stage->changed++;
    stage->hurt += h->hurt;
    s->sim->all.changed++;
    s->sim->all.hurt += h->hurt;
}
