/* What a snapshot has of a run's structs: see run_snapshot.h. */
#include "engine/run_snapshot_internal.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const char *run_word(int i)
{
    return tg_run_state_name((enum tg_run_state) i);
}

static const char *stage_word(int i)
{
    return tg_stage_state_name((enum tg_stage_state) i);
}

static const char *host_word(int i)
{
    return tg_host_state_name((enum tg_host_state) i);
}

static const char *outcome_word(int i)
{
    return tg_outcome_name((enum tg_outcome_kind) i);
}

static const struct tg_words run_words = {"run", TG_RUN_STATES, run_word};
static const struct tg_words stage_words = {"stage", TG_STAGE_STATES, stage_word};
static const struct tg_words host_words = {"host", TG_HOST_STATES, host_word};
static const struct tg_words outcome_words = {"outcome", TG_OUTCOME_UNKNOWN + 1, outcome_word};

#define F(type, member, kind, ...) {#member, offsetof(struct type, member), sizeof(((struct type *) 0)->member), TG_FIELD_##kind, __VA_ARGS__}
#define RUN(member, kind) F(tg_run, member, kind, NULL, 0)
#define STAGE(member, kind) F(tg_run_stage, member, kind, NULL, 0)
#define HOST(member, kind) F(tg_run_host, member, kind, NULL, 0)

static const struct tg_field run_rows[] = {
    RUN(plan, DERIVED),
    F(tg_run, state, WORD, &run_words, 0),
    RUN(aborted, BOOL),
    RUN(halted, BOOL),
    RUN(why, TEXT),
    RUN(by, TEXT),
    RUN(causes, INT),
    RUN(holds, I64),
    RUN(give_up_ms, I64),
    RUN(in_row, SIZE),
    RUN(row_step, SHORT),
    RUN(hold_why, TEXT),
    RUN(hold_by, TEXT),
    RUN(epoch, I64),
    RUN(started_ms, I64),
    RUN(last_ms, TIME),
    RUN(open, BOOL),
    RUN(hours_until_ms, I64),
    RUN(date, I64),
    RUN(day, I64),
    RUN(stage, SIZE),
    RUN(stages, DERIVED),
    RUN(hosts, DERIVED),
    RUN(domains, DERIVED),
    RUN(links, DERIVED),
    RUN(drains, DERIVED),
    RUN(bring, DERIVED),
    RUN(in_work, DERIVED),
    RUN(in_flight, DERIVED),
    RUN(totals, DERIVED),
    RUN(failures, DERIVED),
    RUN(unreachable, DERIVED),
};

static const struct tg_field stage_rows[] = {
    F(tg_run_stage, state, WORD, &stage_words, 0),
    STAGE(counts, DERIVED),
    STAGE(stuck_done, DERIVED),
    STAGE(failures, DERIVED),
    STAGE(unreachable, DERIVED),
    STAGE(returning, DERIVED),
    STAGE(next, DERIVED), /* who starts next follows from the hosts' states */
    STAGE(ready, DERIVED),
    STAGE(parked, DERIVED),
    STAGE(kept_out, DERIVED),
    STAGE(wake_ms, DERIVED),
    STAGE(baked, BOOL),
    STAGE(approved, BOOL),
    STAGE(approved_by, TEXT),
    STAGE(next_us, I64),
    STAGE(paced_ms, TIME),
    STAGE(bake_until_ms, TIME),
    STAGE(started_ms, TIME),
    STAGE(ended_ms, TIME),
};

static const struct tg_field host_rows[] = {
    F(tg_run_host, state, WORD, &host_words, 0),
    F(tg_run_host, end, WORD, &host_words, 0),
    HOST(stage, DERIVED), /* the plan's */
    F(tg_run_host, attempt, INT, NULL, 1),
    HOST(begun, INT),
    HOST(away, SHORT),
    F(tg_run_host, outcome, WORD, &outcome_words, 0),
    F(tg_run_host, changed, INT, NULL, -1),
    HOST(started_ms, TIME),
    HOST(ended_ms, TIME),
    HOST(since_ms, TIME),
    HOST(looked, BOOL),
    HOST(step, SHORT),
    HOST(made, SHORT),
    HOST(stuck, SHORT),
    HOST(kept, SHORT),
    HOST(gone, BOOL),
    HOST(shut, BOOL),
    HOST(reopened, BOOL),
    HOST(text, TEXT),
    HOST(lock, TEXT),
    HOST(records, TEXT),
    HOST(left, SHORT),
    HOST(unkept, SHORT),
};

/* What others hold came as events; the rest follows from the hosts. */
static const struct tg_field domain_rows[] = {
    F(tg_run_domain, down, DERIVED, NULL, 0),
    F(tg_run_domain, gone, DERIVED, NULL, 0),
    F(tg_run_domain, outside, INT, NULL, 0),
    F(tg_run_domain, outside_gone, INT, NULL, 0),
    F(tg_run_domain, whose, TEXT, NULL, 0),
    F(tg_run_domain, who_gone, TEXT, NULL, 0),
    F(tg_run_domain, lines, DERIVED, NULL, 0),
    F(tg_run_domain, open, BOOL, NULL, 0),
    F(tg_run_domain, since_ms, TIME, NULL, 0),
    F(tg_run_domain, until_ms, I64, NULL, 0),
    F(tg_run_domain, why, TEXT, NULL, 0),
};

const struct tg_fields tg_run_fields = {"run", sizeof(struct tg_run), run_rows, N(run_rows)};
const struct tg_fields tg_run_stage_fields = {"stage", sizeof(struct tg_run_stage), stage_rows, N(stage_rows)};
const struct tg_fields tg_run_domain_fields = {"domain", sizeof(struct tg_run_domain), domain_rows, N(domain_rows)};
const struct tg_fields tg_run_host_fields = {"host", sizeof(struct tg_run_host), host_rows, N(host_rows)};

const struct tg_fields *const tg_snapshot_structs[TG_SNAPSHOT_STRUCTS] = {&tg_run_fields, &tg_run_stage_fields, &tg_run_domain_fields, &tg_run_host_fields};
const struct tg_words *const tg_snapshot_words[TG_SNAPSHOT_WORDS_MAX] = {&run_words, &stage_words, &host_words, &outcome_words, NULL};
