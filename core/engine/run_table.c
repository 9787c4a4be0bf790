/* The tables of a run: names, and for each pair of state and event what follows, or why nothing does. See run.h. */
#include "engine/run.h"

/* In the tables an event is a bit. Those of hosts are counted from their first: a host is told nothing that a run, a stage or a domain is told, nor
 * they what comes from a host (might_meet()), so that two may share a bit. */
#define BIT(event) (UINT64_C(1) << ((event) < TG_EV_LOCKED ? (event) : (event) - TG_EV_LOCKED))
#define B(event) BIT(TG_EV_##event)
_Static_assert(TG_EV_LOCKED <= TG_EV_EXTERNAL - TG_EV_LOCKED, "what comes from inside, and all may be told, shares its bit with nothing");
_Static_assert(TG_EV_COUNT - TG_EV_LOCKED <= 64, "an event is a bit");
#define N(array) (sizeof(array) / sizeof((array)[0]))

static const char *const run_names[TG_RUN_STATES] = {"new", "active", "pausing", "paused", "halting", "aborting", "settling", "ended", "holding", "on-hold"};
static const char *const stage_names[TG_STAGE_STATES] = {"waiting", "running", "baking", "proving", "done", "gated"};
static const char *const host_names[TG_HOST_STATES] = {
    "waiting", "locking", "checking", "around-looking", "around", "around-waiting", "applying", "looking", "busy", "verifying", "deciding", "baking", "proving", "undoing", "undo-waiting", "unlocking",
    "dry-checking", "dry-running", "to-return", "returning", "done", "failed", "held", "unreachable", "unknown", "undecided", "lost", "skipped", "withdrawn", "returned", "stuck"};
static const char *const event_names[TG_EV_COUNT] = {
    "begin", "resume", "seated", "hold", "continue", "pause", "abort", "opened", "closed", "gave-up", "baked", "approved", "paced", "outside", "outside-gone", "window-opened", "window-closed", "window-skipped", "locked", "lock-refused", "go", "no-go", "applied", "busy", "held", "failed",
    "unproven", "not-sent", "lost", "absent", "retry-due", "verified", "not-verified", "inconclusive", "unlocked", "unlock-failed",
    "withdrawn", "return", "found", "made", "left", "around-refused", "around-away", "around-lost", "undone", "undo-kept", "keep", "gone", "back", "halt", "idle", "complete", "open", "gate", "all-verified", "all-ended", "again", "unsettled", "resumed", "start", "start-dry", "unclear", "doubt", "recheck", "skip", "stop", "bake-ended", "no-room", "away", "go-around", "all-made", "all-undone", "all-out", "bring", "bring-vouched", "reopen"};
static const char *const action_names[TG_DO_COUNT] = {"nothing", "lock", "check", "apply", "look", "retry", "verify", "unlock",
                                                      "dry-run", "bake", "pace", "give-up", "ask", "rest", "end", "around-look", "around", "undo"};
static const char *const end_names[] = {"", "done", "badly", "halted", "aborted"};

const char *tg_run_state_name(enum tg_run_state state)
{
    return run_names[state];
}

const char *tg_stage_state_name(enum tg_stage_state state)
{
    return stage_names[state];
}

const char *tg_host_state_name(enum tg_host_state state)
{
    return host_names[state];
}

const char *tg_run_event_name(enum tg_run_event_kind kind)
{
    return event_names[kind];
}

enum tg_run_subject tg_run_event_subject(enum tg_run_event_kind kind)
{
    return kind < TG_EV_BAKED ? TG_OF_RUN : kind <= TG_EV_PACED ? TG_OF_STAGE : kind <= TG_EV_OUTSIDE_GONE ? TG_OF_DOMAIN : kind <= TG_EV_WINDOW_SKIPPED ? TG_OF_WINDOW : TG_OF_HOST;
}

const char *tg_run_action_name(enum tg_run_action_kind kind)
{
    return action_names[kind];
}

bool tg_run_action_has_step(enum tg_run_action_kind kind)
{
    return kind == TG_DO_AROUND_LOOK || kind == TG_DO_AROUND || kind == TG_DO_UNDO;
}

const char *tg_run_end_name(enum tg_run_end end)
{
    return end_names[end];
}

/* ---- the run ---- */

static const struct tg_run_rule run_rules[] = {
    {TG_RUN_NEW, TG_EV_BEGIN, TG_RUN_ACTIVE, 0},
    {TG_RUN_NEW, TG_EV_RESUME, TG_RUN_ACTIVE, 0},
    {TG_RUN_NEW, TG_EV_SEATED, TG_RUN_HOLDING, 0},
    {TG_RUN_NEW, TG_EV_ABORT, TG_RUN_ENDED, TG_RUN_MARK_ABORTED | TG_RUN_SAY_END},

    {TG_RUN_ACTIVE, TG_EV_RESUME, TG_RUN_ACTIVE, TG_RUN_SAY_RESUMED},
    {TG_RUN_ACTIVE, TG_EV_SEATED, TG_RUN_HOLDING, TG_RUN_SAY_RESUMED},
    {TG_RUN_ACTIVE, TG_EV_HOLD, TG_RUN_HOLDING, TG_RUN_SAY_STOP},
    {TG_RUN_ACTIVE, TG_EV_PAUSE, TG_RUN_PAUSING, TG_RUN_SAY_STOP},
    {TG_RUN_ACTIVE, TG_EV_HALT, TG_RUN_HALTING, TG_RUN_MARK_HALTED | TG_RUN_SAY_STOP},
    {TG_RUN_ACTIVE, TG_EV_ABORT, TG_RUN_ABORTING, TG_RUN_MARK_ABORTED | TG_RUN_SAY_STOP},
    {TG_RUN_ACTIVE, TG_EV_COMPLETE, TG_RUN_ENDED, TG_RUN_SAY_END},

    {TG_RUN_PAUSING, TG_EV_RESUME, TG_RUN_ACTIVE, TG_RUN_SAY_RESUMED},
    {TG_RUN_PAUSING, TG_EV_SEATED, TG_RUN_HOLDING, TG_RUN_SAY_RESUMED},
    {TG_RUN_PAUSING, TG_EV_HOLD, TG_RUN_HOLDING, 0},
    {TG_RUN_PAUSING, TG_EV_HALT, TG_RUN_HALTING, TG_RUN_MARK_HALTED},
    {TG_RUN_PAUSING, TG_EV_ABORT, TG_RUN_ABORTING, TG_RUN_MARK_ABORTED},
    {TG_RUN_PAUSING, TG_EV_IDLE, TG_RUN_PAUSED, TG_RUN_SAY_REST},

    {TG_RUN_PAUSED, TG_EV_RESUME, TG_RUN_ACTIVE, TG_RUN_SAY_RESUMED},
    {TG_RUN_PAUSED, TG_EV_SEATED, TG_RUN_HOLDING, TG_RUN_SAY_RESUMED},
    {TG_RUN_PAUSED, TG_EV_ABORT, TG_RUN_ENDED, TG_RUN_MARK_ABORTED | TG_RUN_SAY_END},

    {TG_RUN_HOLDING, TG_EV_RESUME, TG_RUN_HOLDING, TG_RUN_SAY_RESUMED},
    {TG_RUN_HOLDING, TG_EV_SEATED, TG_RUN_HOLDING, TG_RUN_SAY_RESUMED},
    {TG_RUN_HOLDING, TG_EV_HOLD, TG_RUN_HOLDING, 0},
    {TG_RUN_HOLDING, TG_EV_CONTINUE, TG_RUN_ACTIVE, TG_RUN_SAY_GO_ON},
    {TG_RUN_HOLDING, TG_EV_HALT, TG_RUN_HALTING, TG_RUN_MARK_HALTED},
    {TG_RUN_HOLDING, TG_EV_GAVE_UP, TG_RUN_HALTING, TG_RUN_MARK_HALTED},
    {TG_RUN_HOLDING, TG_EV_ABORT, TG_RUN_ABORTING, TG_RUN_MARK_ABORTED},
    {TG_RUN_HOLDING, TG_EV_IDLE, TG_RUN_HELD, 0},

    {TG_RUN_HELD, TG_EV_RESUME, TG_RUN_HOLDING, TG_RUN_SAY_RESUMED},
    {TG_RUN_HELD, TG_EV_SEATED, TG_RUN_HOLDING, TG_RUN_SAY_RESUMED},
    {TG_RUN_HELD, TG_EV_HOLD, TG_RUN_HELD, 0},
    {TG_RUN_HELD, TG_EV_CONTINUE, TG_RUN_ACTIVE, TG_RUN_SAY_GO_ON},
    {TG_RUN_HELD, TG_EV_GAVE_UP, TG_RUN_ENDED, TG_RUN_MARK_HALTED | TG_RUN_SAY_END},
    {TG_RUN_HELD, TG_EV_ABORT, TG_RUN_ENDED, TG_RUN_MARK_ABORTED | TG_RUN_SAY_END},

    {TG_RUN_HALTING, TG_EV_RESUME, TG_RUN_HALTING, TG_RUN_SAY_RESUMED},
    {TG_RUN_HALTING, TG_EV_SEATED, TG_RUN_HALTING, TG_RUN_SAY_RESUMED},
    {TG_RUN_HALTING, TG_EV_ABORT, TG_RUN_ABORTING, TG_RUN_MARK_ABORTED},
    {TG_RUN_HALTING, TG_EV_IDLE, TG_RUN_ENDED, TG_RUN_SAY_END},

    {TG_RUN_ABORTING, TG_EV_RESUME, TG_RUN_ABORTING, TG_RUN_SAY_RESUMED},
    {TG_RUN_ABORTING, TG_EV_SEATED, TG_RUN_ABORTING, TG_RUN_SAY_RESUMED},
    {TG_RUN_ABORTING, TG_EV_IDLE, TG_RUN_ENDED, TG_RUN_SAY_END},

    {TG_RUN_SETTLING, TG_EV_RESUME, TG_RUN_SETTLING, TG_RUN_SAY_RESUMED},
    {TG_RUN_SETTLING, TG_EV_SEATED, TG_RUN_SETTLING, TG_RUN_SAY_RESUMED},
    {TG_RUN_SETTLING, TG_EV_PAUSE, TG_RUN_SETTLING, TG_RUN_SAY_STOP}, /* who was to be returned, and has not been begun, stays withdrawn */
    {TG_RUN_SETTLING, TG_EV_IDLE, TG_RUN_ENDED, TG_RUN_SAY_END},

    {TG_RUN_ENDED, TG_EV_RESUME, TG_RUN_SETTLING, TG_RUN_SAY_RESUMED},
    {TG_RUN_ENDED, TG_EV_SEATED, TG_RUN_SETTLING, TG_RUN_SAY_RESUMED},
    {TG_RUN_ENDED, TG_EV_UNSETTLED, TG_RUN_SETTLING, 0},
};

/* Nothing follows, and nothing is wrong: what was asked for is the case, or is too late. Hours are remembered, and whom they let start is seen to behind each event. */
#define HOURS (B(OPENED) | B(CLOSED))
static const uint64_t run_ignored[TG_RUN_STATES] = {
    [TG_RUN_NEW] = B(UNSETTLED) | B(PAUSE) | B(HOLD) | B(CONTINUE) | B(IDLE) | B(HALT) | B(COMPLETE),
    [TG_RUN_ACTIVE] = B(UNSETTLED) | HOURS | B(GAVE_UP) | B(CONTINUE) | B(IDLE),
    [TG_RUN_PAUSING] = B(UNSETTLED) | HOURS | B(GAVE_UP) | B(PAUSE) | B(CONTINUE) | B(COMPLETE),
    [TG_RUN_PAUSED] = B(UNSETTLED) | HOURS | B(GAVE_UP) | B(PAUSE) | B(HOLD) | B(CONTINUE) | B(HALT) | B(IDLE) | B(COMPLETE),
    [TG_RUN_HOLDING] = B(UNSETTLED) | HOURS | B(PAUSE) | B(COMPLETE), /* who leaves a run that is held leaves it held */
    [TG_RUN_HELD] = B(UNSETTLED) | HOURS | B(PAUSE) | B(HALT) | B(IDLE) | B(COMPLETE),
    [TG_RUN_HALTING] = B(UNSETTLED) | HOURS | B(GAVE_UP) | B(PAUSE) | B(HOLD) | B(CONTINUE) | B(HALT) | B(COMPLETE),
    [TG_RUN_ABORTING] = B(UNSETTLED) | HOURS | B(GAVE_UP) | B(PAUSE) | B(HOLD) | B(CONTINUE) | B(ABORT) | B(HALT) | B(COMPLETE),
    [TG_RUN_SETTLING] = HOURS | B(UNSETTLED) | B(GAVE_UP) | B(HOLD) | B(CONTINUE) | B(ABORT) | B(HALT) | B(COMPLETE),
    [TG_RUN_ENDED] = HOURS | B(GAVE_UP) | B(PAUSE) | B(HOLD) | B(CONTINUE) | B(ABORT) | B(HALT) | B(IDLE) | B(COMPLETE),
};
static const uint64_t run_impossible[TG_RUN_STATES] = {
    [TG_RUN_NEW] = HOURS | B(GAVE_UP),
    [TG_RUN_ACTIVE] = B(BEGIN),   [TG_RUN_PAUSING] = B(BEGIN),  [TG_RUN_PAUSED] = B(BEGIN), [TG_RUN_HALTING] = B(BEGIN),
    [TG_RUN_ABORTING] = B(BEGIN), [TG_RUN_SETTLING] = B(BEGIN), [TG_RUN_ENDED] = B(BEGIN),   [TG_RUN_HOLDING] = B(BEGIN),
    [TG_RUN_HELD] = B(BEGIN),
};

/* ---- a stage ---- */

static const struct tg_stage_rule stage_rules[] = {
    {TG_STAGE_WAITING, TG_EV_OPEN, TG_STAGE_RUNNING, TG_DO_NOTHING},
    {TG_STAGE_WAITING, TG_EV_GATE, TG_STAGE_GATED, TG_DO_ASK},
    {TG_STAGE_WAITING, TG_EV_APPROVED, TG_STAGE_WAITING, TG_DO_NOTHING},
    {TG_STAGE_GATED, TG_EV_APPROVED, TG_STAGE_WAITING, TG_DO_NOTHING},
    {TG_STAGE_GATED, TG_EV_RESUMED, TG_STAGE_GATED, TG_DO_ASK},
    {TG_STAGE_RUNNING, TG_EV_ALL_VERIFIED, TG_STAGE_BAKING, TG_DO_BAKE},
    {TG_STAGE_RUNNING, TG_EV_ALL_ENDED, TG_STAGE_DONE, TG_DO_NOTHING},
    {TG_STAGE_BAKING, TG_EV_BAKED, TG_STAGE_PROVING, TG_DO_NOTHING},
    {TG_STAGE_BAKING, TG_EV_RESUMED, TG_STAGE_BAKING, TG_DO_BAKE},
    {TG_STAGE_PROVING, TG_EV_ALL_ENDED, TG_STAGE_DONE, TG_DO_NOTHING},
    {TG_STAGE_PROVING, TG_EV_AGAIN, TG_STAGE_RUNNING, TG_DO_NOTHING},
};
static const uint64_t stage_ignored[TG_STAGE_STATES] = {
    [TG_STAGE_WAITING] = B(RESUMED),
    [TG_STAGE_GATED] = B(GATE),
    [TG_STAGE_RUNNING] = B(RESUMED) | B(APPROVED) | B(PACED) | B(BAKED), /* whom it lets start is seen to behind each event */
    [TG_STAGE_BAKING] = B(APPROVED) | B(ALL_VERIFIED) | B(ALL_ENDED) | B(PACED), /* a bake runs to its end also when a pause has ended its hosts */
    [TG_STAGE_PROVING] = B(APPROVED) | B(RESUMED) | B(ALL_VERIFIED) | B(BAKED) | B(PACED),
    [TG_STAGE_DONE] = B(APPROVED) | B(RESUMED) | B(ALL_VERIFIED) | B(ALL_ENDED) | B(BAKED) | B(PACED),
};
static const uint64_t stage_impossible[TG_STAGE_STATES] = {
    [TG_STAGE_WAITING] = B(AGAIN) | B(ALL_VERIFIED) | B(ALL_ENDED) | B(BAKED) | B(PACED),
    [TG_STAGE_GATED] = B(AGAIN) | B(OPEN) | B(ALL_VERIFIED) | B(ALL_ENDED) | B(BAKED) | B(PACED),
    [TG_STAGE_RUNNING] = B(AGAIN) | B(OPEN) | B(GATE),
    [TG_STAGE_BAKING] = B(AGAIN) | B(OPEN) | B(GATE),
    [TG_STAGE_PROVING] = B(OPEN) | B(GATE),
    [TG_STAGE_DONE] = B(AGAIN) | B(OPEN) | B(GATE),
};

/* ---- a host ---- */

/* R: the same whether the run is active or stopping. U(end): undo what was done around it, unlock, then end as said. */
#define GO(state, action) {TG_HOST_##state, TG_HOST_WAITING, TG_DO_##action}
#define U(end) {TG_HOST_UNLOCKING, TG_HOST_##end, TG_DO_UNLOCK}
#define R(state, event, ...) {TG_HOST_##state, TG_EV_##event, __VA_ARGS__, __VA_ARGS__}

static const struct tg_host_rule host_rules[] = {
    R(WAITING, START, GO(LOCKING, LOCK)),
    R(WAITING, START_DRY, GO(DRY_CHECKING, CHECK)),
    R(WAITING, SKIP, GO(SKIPPED, NOTHING)),
    R(HELD, REOPEN, GO(WAITING, NOTHING)),

    {TG_HOST_LOCKING, TG_EV_LOCKED, GO(CHECKING, CHECK), U(WAITING)},
    R(LOCKING, NO_ROOM, U(WAITING)),
    R(LOCKING, LOCK_REFUSED, U(HELD)), /* it may be there all the same: one that waited in vain, one of a driver that died */
    R(LOCKING, WITHDRAWN, U(WAITING)), /* not GO: a driver that died before this one may have taken the lock */
    {TG_HOST_LOCKING, TG_EV_RESUMED, GO(LOCKING, LOCK), U(WAITING)},

    {TG_HOST_CHECKING, TG_EV_GO, GO(APPLYING, APPLY), U(WAITING)},
    R(CHECKING, NO_GO, U(HELD)),
    R(CHECKING, NO_ROOM, U(WAITING)),
    {TG_HOST_CHECKING, TG_EV_RESUMED, GO(CHECKING, CHECK), U(WAITING)},
    {TG_HOST_CHECKING, TG_EV_GO_AROUND, GO(AROUND_LOOKING, AROUND_LOOK), U(WAITING)},

    {TG_HOST_AROUND_LOOKING, TG_EV_FOUND, GO(AROUND, AROUND), U(WAITING)},
    R(AROUND_LOOKING, AROUND_REFUSED, U(HELD)),
    {TG_HOST_AROUND_LOOKING, TG_EV_AROUND_AWAY, GO(AROUND_WAITING, RETRY), U(WAITING)},
    {TG_HOST_AROUND_LOOKING, TG_EV_AROUND_LOST, GO(AROUND_WAITING, RETRY), U(WAITING)},
    {TG_HOST_AROUND_LOOKING, TG_EV_RESUMED, GO(AROUND_LOOKING, AROUND_LOOK), U(WAITING)},

    {TG_HOST_AROUND, TG_EV_MADE, GO(AROUND_LOOKING, AROUND_LOOK), U(WAITING)},
    {TG_HOST_AROUND, TG_EV_LEFT, GO(AROUND_LOOKING, AROUND_LOOK), U(WAITING)},
    R(AROUND, ALL_OUT, GO(WITHDRAWN, NOTHING)),
    {TG_HOST_AROUND, TG_EV_ALL_MADE, GO(CHECKING, CHECK), U(WAITING)}, /* it may have taken long: the guard is asked once more */
    R(AROUND, AROUND_REFUSED, U(HELD)),
    {TG_HOST_AROUND, TG_EV_AROUND_AWAY, GO(AROUND_WAITING, RETRY), U(WAITING)},
    {TG_HOST_AROUND, TG_EV_AROUND_LOST, GO(AROUND_WAITING, RETRY), U(WAITING)},
    R(AROUND, WITHDRAWN, U(WAITING)),
    {TG_HOST_AROUND, TG_EV_RESUMED, GO(AROUND_LOOKING, AROUND_LOOK), U(WAITING)},

    {TG_HOST_AROUND_WAITING, TG_EV_RETRY_DUE, GO(AROUND_LOOKING, AROUND_LOOK), U(WAITING)},
    R(AROUND_WAITING, STOP, U(WAITING)),
    {TG_HOST_AROUND_WAITING, TG_EV_RESUMED, GO(AROUND_LOOKING, AROUND_LOOK), U(WAITING)},

    R(APPLYING, APPLIED, GO(VERIFYING, VERIFY)),
    {TG_HOST_APPLYING, TG_EV_BUSY, GO(BUSY, RETRY), U(WAITING)},
    R(APPLYING, HELD, U(HELD)),
    R(APPLYING, FAILED, U(FAILED)),
    R(APPLYING, UNPROVEN, U(UNKNOWN)),
    R(APPLYING, NOT_SENT, U(UNREACHABLE)),
    {TG_HOST_APPLYING, TG_EV_AWAY, GO(BUSY, RETRY), U(WAITING)},
    R(APPLYING, LOST, GO(LOOKING, LOOK)),
    R(APPLYING, WITHDRAWN, U(WAITING)),
    R(APPLYING, RESUMED, GO(LOOKING, LOOK)),
    {TG_HOST_APPLYING, TG_EV_FOUND, GO(AROUND, AROUND), U(WAITING)}, /* right before the change a drain does not stand any more: that, and what follows it, is done again */
    R(APPLYING, AROUND_REFUSED, U(HELD)),
    {TG_HOST_APPLYING, TG_EV_AROUND_AWAY, GO(AROUND_WAITING, RETRY), U(WAITING)},
    {TG_HOST_APPLYING, TG_EV_AROUND_LOST, GO(AROUND_WAITING, RETRY), U(WAITING)},

    R(LOOKING, APPLIED, GO(VERIFYING, VERIFY)),
    {TG_HOST_LOOKING, TG_EV_BUSY, GO(BUSY, RETRY), U(WAITING)},
    R(LOOKING, HELD, U(HELD)),
    R(LOOKING, FAILED, U(FAILED)),
    R(LOOKING, UNPROVEN, U(UNKNOWN)),
    {TG_HOST_LOOKING, TG_EV_ABSENT, GO(CHECKING, CHECK), U(WAITING)},
    R(LOOKING, LOST, GO(LOST, NOTHING)), /* the driver has looked for as long as it is worth it */
    R(LOOKING, RESUMED, GO(LOOKING, LOOK)),

    {TG_HOST_BUSY, TG_EV_RETRY_DUE, GO(CHECKING, CHECK), U(WAITING)},
    R(BUSY, STOP, U(WAITING)),
    {TG_HOST_BUSY, TG_EV_RESUMED, GO(BUSY, RETRY), U(WAITING)},

    {TG_HOST_VERIFYING, TG_EV_VERIFIED, GO(BAKING, NOTHING), U(DONE)}, /* a stage without a bake: as when stopping */
    R(VERIFYING, NOT_VERIFIED, U(FAILED)),
    R(VERIFYING, INCONCLUSIVE, U(UNKNOWN)),
    {TG_HOST_VERIFYING, TG_EV_UNCLEAR, GO(DECIDING, RETRY), U(UNDECIDED)},
    R(VERIFYING, DOUBT, U(UNDECIDED)),
    R(VERIFYING, RESUMED, GO(VERIFYING, VERIFY)),

    R(DECIDING, RETRY_DUE, GO(VERIFYING, VERIFY)),
    R(DECIDING, STOP, U(UNDECIDED)),
    {TG_HOST_DECIDING, TG_EV_RESUMED, GO(DECIDING, RETRY), U(UNDECIDED)},

    R(BAKING, BAKE_ENDED, GO(PROVING, VERIFY)),
    R(BAKING, STOP, U(DONE)),
    {TG_HOST_BAKING, TG_EV_RESUMED, GO(BAKING, NOTHING), U(DONE)},

    R(PROVING, VERIFIED, U(DONE)),
    R(PROVING, NOT_VERIFIED, U(FAILED)),
    R(PROVING, INCONCLUSIVE, U(UNKNOWN)),
    {TG_HOST_PROVING, TG_EV_UNCLEAR, GO(DECIDING, RETRY), U(UNDECIDED)},
    R(PROVING, DOUBT, U(UNDECIDED)),
    R(PROVING, RESUMED, GO(PROVING, VERIFY)),

    R(UNDOING, UNDONE, GO(UNDOING, UNDO)), /* the next one */
    R(UNDOING, UNDO_KEPT, GO(UNDOING, UNDO)),
    R(UNDOING, AROUND_REFUSED, GO(UNDOING, UNDO)), /* the others are undone all the same */
    R(UNDOING, ALL_UNDONE, GO(UNLOCKING, UNLOCK)),
    R(UNDOING, AROUND_AWAY, GO(UNDO_WAITING, RETRY)),
    R(UNDOING, AROUND_LOST, GO(UNDO_WAITING, RETRY)),
    R(UNDOING, RESUMED, GO(UNDOING, UNDO)),
    R(UNDO_WAITING, RETRY_DUE, GO(UNDOING, UNDO)),
    R(UNDO_WAITING, RESUMED, GO(UNDOING, UNDO)),

    R(UNLOCKING, UNLOCKED, GO(DONE, NOTHING)), /* in truth: host.end, or STUCK */
    R(UNLOCKING, UNLOCK_FAILED, GO(STUCK, NOTHING)),
    R(UNLOCKING, RESUMED, GO(UNLOCKING, UNLOCK)),

    {TG_HOST_DRY_CHECKING, TG_EV_GO, GO(DRY_RUNNING, DRY_RUN), GO(WAITING, NOTHING)},
    R(DRY_CHECKING, NO_GO, GO(HELD, NOTHING)),
    {TG_HOST_DRY_CHECKING, TG_EV_RESUMED, GO(DRY_CHECKING, CHECK), GO(WAITING, NOTHING)},

    R(DRY_RUNNING, APPLIED, GO(DONE, NOTHING)),
    R(DRY_RUNNING, BUSY, GO(HELD, NOTHING)),
    R(DRY_RUNNING, HELD, GO(HELD, NOTHING)),
    R(DRY_RUNNING, FAILED, GO(FAILED, NOTHING)),
    R(DRY_RUNNING, UNPROVEN, GO(UNKNOWN, NOTHING)),
    R(DRY_RUNNING, NOT_SENT, GO(UNREACHABLE, NOTHING)),
    R(DRY_RUNNING, LOST, GO(UNREACHABLE, NOTHING)), /* it changes nothing, so nothing needs to be found out */
    R(DRY_RUNNING, WITHDRAWN, GO(WAITING, NOTHING)),
    {TG_HOST_DRY_RUNNING, TG_EV_RESUMED, GO(DRY_CHECKING, CHECK), GO(WAITING, NOTHING)},

    R(UNDECIDED, RECHECK, GO(VERIFYING, VERIFY)), /* without its lock: looking changes nothing */
    {TG_HOST_UNDECIDED, TG_EV_RESUMED, GO(VERIFYING, VERIFY), GO(UNDECIDED, NOTHING)},

    R(WITHDRAWN, RETURN, GO(TO_RETURN, NOTHING)),
    R(TO_RETURN, STOP, GO(WITHDRAWN, NOTHING)),
    R(TO_RETURN, BRING, GO(RETURNING, VERIFY)),
    R(TO_RETURN, BRING_VOUCHED, GO(RETURNING, CHECK)),
    R(RETURNING, VERIFIED, GO(RETURNING, CHECK)), /* behind our seat: who took a lock under the one before us is seen */
    R(RETURNING, GO, U(RETURNED)),
    R(RETURNING, NO_GO, GO(WITHDRAWN, NOTHING)),
    R(RETURNING, NOT_VERIFIED, GO(WITHDRAWN, NOTHING)),
    R(RETURNING, INCONCLUSIVE, GO(WITHDRAWN, NOTHING)), /* not to know is no reason to serve */
    R(RETURNING, RESUMED, GO(TO_RETURN, NOTHING)),

    R(LOST, RESUMED, GO(LOOKING, LOOK)),
    R(STUCK, RESUMED, GO(UNLOCKING, UNLOCK)),
};

/* News of a host that is nobody's answer. */
#define TOLD (B(KEEP) | B(GONE) | B(BACK))
static const uint64_t host_ignored[TG_HOST_STATES] = {
    [TG_HOST_WAITING] = TOLD | B(RECHECK) | B(RESUMED) | B(STOP) | B(RETRY_DUE),
    [TG_HOST_LOCKING] = TOLD | B(RECHECK) | B(STOP),
    [TG_HOST_CHECKING] = TOLD | B(RECHECK) | B(STOP),
    [TG_HOST_AROUND_LOOKING] = TOLD | B(RECHECK) | B(STOP),
    [TG_HOST_AROUND] = TOLD | B(RECHECK) | B(STOP),
    [TG_HOST_AROUND_WAITING] = TOLD | B(RECHECK),
    [TG_HOST_APPLYING] = TOLD | B(RECHECK) | B(STOP),
    [TG_HOST_LOOKING] = TOLD | B(RECHECK) | B(STOP),
    [TG_HOST_VERIFYING] = TOLD | B(RECHECK) | B(STOP),
    [TG_HOST_PROVING] = TOLD | B(RECHECK) | B(STOP),
    [TG_HOST_UNDOING] = TOLD | B(RECHECK) | B(STOP) | B(RETRY_DUE),
    [TG_HOST_UNDO_WAITING] = TOLD | B(RECHECK) | B(STOP),
    [TG_HOST_UNLOCKING] = TOLD | B(RECHECK) | B(STOP) | B(RETRY_DUE),
    [TG_HOST_DRY_CHECKING] = TOLD | B(RECHECK) | B(STOP),
    [TG_HOST_DRY_RUNNING] = TOLD | B(RECHECK) | B(STOP),
    [TG_HOST_DONE] = TOLD | B(RECHECK) | B(STOP) | B(RESUMED),
    [TG_HOST_FAILED] = TOLD | B(RECHECK) | B(STOP) | B(RESUMED),
    [TG_HOST_HELD] = TOLD | B(RECHECK) | B(STOP) | B(RESUMED),
    [TG_HOST_UNREACHABLE] = TOLD | B(RECHECK) | B(STOP) | B(RESUMED),
    [TG_HOST_UNKNOWN] = TOLD | B(RECHECK) | B(STOP) | B(RESUMED),
    [TG_HOST_UNDECIDED] = TOLD | B(STOP),
    [TG_HOST_BUSY] = TOLD | B(RECHECK),
    [TG_HOST_BAKING] = TOLD | B(RECHECK),
    [TG_HOST_DECIDING] = TOLD | B(RECHECK),
    [TG_HOST_LOST] = TOLD | B(RECHECK) | B(STOP),
    [TG_HOST_SKIPPED] = TOLD | B(RECHECK) | B(STOP) | B(RESUMED),
    [TG_HOST_TO_RETURN] = TOLD | B(RECHECK) | B(RESUMED) | B(RETURN), /* whose turn it is is seen to behind each event */
    [TG_HOST_RETURNING] = TOLD | B(RECHECK) | B(STOP) | B(RETURN),
    [TG_HOST_WITHDRAWN] = TOLD | B(RECHECK) | B(STOP) | B(RESUMED),
    [TG_HOST_RETURNED] = TOLD | B(RECHECK) | B(STOP) | B(RESUMED) | B(RETURN),
    [TG_HOST_STUCK] = TOLD | B(RECHECK) | B(STOP),
};

#define ANSWERS (B(APPLIED) | B(BUSY) | B(HELD) | B(FAILED) | B(UNPROVEN) | B(LOST))
#define VERDICTS (B(VERIFIED) | B(NOT_VERIFIED) | B(INCONCLUSIVE) | B(UNCLEAR) | B(DOUBT))
#define LOCKS (B(LOCKED) | B(LOCK_REFUSED) | B(NO_ROOM))
#define GUARDS (B(GO) | B(NO_GO))
#define UNLOCKS (B(UNLOCKED) | B(UNLOCK_FAILED))
#define AWAYS (B(NOT_SENT) | B(AWAY))
#define DOINGS (B(FOUND) | B(MADE) | B(LEFT) | B(ALL_MADE) | B(ALL_OUT) | B(AROUND_REFUSED) | B(AROUND_AWAY) | B(AROUND_LOST))
#define UNDOINGS (B(UNDONE) | B(UNDO_KEPT) | B(ALL_UNDONE))
#define DRIFTS (B(FOUND) | B(AROUND_REFUSED) | B(AROUND_AWAY) | B(AROUND_LOST)) /* what is found of a drain right before a change */
#define AROUNDS (DOINGS | UNDOINGS | B(GO_AROUND))
#define STARTS (B(START) | B(START_DRY) | B(SKIP)) /* what only a host that waits is told */
#define BRINGS (B(BRING) | B(BRING_VOUCHED) | B(REOPEN))
#define RETURNS (B(RETURN) | BRINGS) /* what only a host that was withdrawn is told */
#define ENDED                                                                                                                    \
    (STARTS | BRINGS | LOCKS | GUARDS | ANSWERS | AWAYS | B(ABSENT) | B(RETRY_DUE) | VERDICTS | UNLOCKS | B(WITHDRAWN) | B(BAKE_ENDED) | AROUNDS)

/* Each answers a question which this state has not asked. */
static const uint64_t host_impossible[TG_HOST_STATES] = {
    [TG_HOST_WAITING] = RETURNS | AROUNDS | LOCKS | GUARDS | ANSWERS | AWAYS | B(ABSENT) | VERDICTS | UNLOCKS | B(WITHDRAWN) | B(BAKE_ENDED),
    [TG_HOST_LOCKING] = RETURNS | AROUNDS | STARTS | GUARDS | ANSWERS | AWAYS | B(ABSENT) | B(RETRY_DUE) | VERDICTS | UNLOCKS | B(BAKE_ENDED),
    [TG_HOST_CHECKING] = RETURNS | DOINGS | UNDOINGS | STARTS | B(LOCKED) | B(LOCK_REFUSED) | ANSWERS | AWAYS | B(ABSENT) | B(RETRY_DUE) | VERDICTS | UNLOCKS | B(WITHDRAWN) | B(BAKE_ENDED),
    [TG_HOST_AROUND_LOOKING] = RETURNS | STARTS | LOCKS | GUARDS | ANSWERS | AWAYS | B(ABSENT) | VERDICTS | UNLOCKS | B(BAKE_ENDED) | UNDOINGS | B(GO_AROUND) | B(MADE) | B(LEFT) | B(ALL_MADE) | B(ALL_OUT) | B(WITHDRAWN) | B(RETRY_DUE),
    [TG_HOST_AROUND] = RETURNS | STARTS | LOCKS | GUARDS | ANSWERS | AWAYS | B(ABSENT) | VERDICTS | UNLOCKS | B(BAKE_ENDED) | UNDOINGS | B(GO_AROUND) | B(FOUND) | B(RETRY_DUE),
    [TG_HOST_AROUND_WAITING] = RETURNS | STARTS | LOCKS | GUARDS | ANSWERS | AWAYS | B(ABSENT) | VERDICTS | UNLOCKS | B(BAKE_ENDED) | AROUNDS | B(WITHDRAWN),
    [TG_HOST_APPLYING] = RETURNS | (AROUNDS & ~DRIFTS) | STARTS | LOCKS | GUARDS | B(ABSENT) | B(RETRY_DUE) | VERDICTS | UNLOCKS | B(BAKE_ENDED),
    [TG_HOST_LOOKING] = RETURNS | AROUNDS | STARTS | LOCKS | GUARDS | AWAYS | B(RETRY_DUE) | VERDICTS | UNLOCKS | B(WITHDRAWN) | B(BAKE_ENDED),
    [TG_HOST_BUSY] = RETURNS | AROUNDS | STARTS | LOCKS | GUARDS | ANSWERS | AWAYS | B(ABSENT) | VERDICTS | UNLOCKS | B(WITHDRAWN) | B(BAKE_ENDED),
    [TG_HOST_VERIFYING] = RETURNS | AROUNDS | STARTS | LOCKS | GUARDS | ANSWERS | AWAYS | B(ABSENT) | B(RETRY_DUE) | UNLOCKS | B(WITHDRAWN) | B(BAKE_ENDED),
    [TG_HOST_DECIDING] = RETURNS | AROUNDS | STARTS | LOCKS | GUARDS | ANSWERS | AWAYS | B(ABSENT) | VERDICTS | UNLOCKS | B(WITHDRAWN) | B(BAKE_ENDED),
    [TG_HOST_BAKING] = RETURNS | AROUNDS | STARTS | LOCKS | GUARDS | ANSWERS | AWAYS | B(ABSENT) | B(RETRY_DUE) | VERDICTS | UNLOCKS | B(WITHDRAWN),
    [TG_HOST_PROVING] = RETURNS | AROUNDS | STARTS | LOCKS | GUARDS | ANSWERS | AWAYS | B(ABSENT) | B(RETRY_DUE) | UNLOCKS | B(WITHDRAWN) | B(BAKE_ENDED),
    [TG_HOST_UNDOING] = RETURNS | STARTS | LOCKS | GUARDS | ANSWERS | AWAYS | B(ABSENT) | VERDICTS | UNLOCKS | B(BAKE_ENDED) | B(GO_AROUND) | B(FOUND) | B(MADE) | B(LEFT) | B(ALL_MADE) | B(ALL_OUT) | B(WITHDRAWN),
    [TG_HOST_UNDO_WAITING] = RETURNS | STARTS | LOCKS | GUARDS | ANSWERS | AWAYS | B(ABSENT) | VERDICTS | UNLOCKS | B(BAKE_ENDED) | AROUNDS | B(WITHDRAWN),
    [TG_HOST_UNLOCKING] = RETURNS | AROUNDS | STARTS | LOCKS | GUARDS | ANSWERS | AWAYS | B(ABSENT) | VERDICTS | B(WITHDRAWN) | B(BAKE_ENDED),
    [TG_HOST_DRY_CHECKING] = RETURNS | AROUNDS | STARTS | LOCKS | ANSWERS | AWAYS | B(ABSENT) | B(RETRY_DUE) | VERDICTS | UNLOCKS | B(WITHDRAWN) | B(BAKE_ENDED),
    [TG_HOST_DRY_RUNNING] = RETURNS | AROUNDS | B(AWAY) | STARTS | LOCKS | GUARDS | B(ABSENT) | B(RETRY_DUE) | VERDICTS | UNLOCKS | B(BAKE_ENDED),
    [TG_HOST_TO_RETURN] = B(REOPEN) | AROUNDS | STARTS | LOCKS | GUARDS | ANSWERS | AWAYS | B(ABSENT) | B(RETRY_DUE) | VERDICTS | UNLOCKS | B(WITHDRAWN) | B(BAKE_ENDED),
    [TG_HOST_RETURNING] = BRINGS | AROUNDS | STARTS | LOCKS | ANSWERS | AWAYS | B(ABSENT) | B(RETRY_DUE) | UNLOCKS | B(WITHDRAWN) | B(BAKE_ENDED) | B(UNCLEAR) | B(DOUBT),
    [TG_HOST_DONE] = RETURNS | ENDED,
    [TG_HOST_FAILED] = RETURNS | ENDED,
    [TG_HOST_HELD] = (RETURNS | ENDED) & ~B(REOPEN),
    [TG_HOST_UNREACHABLE] = RETURNS | ENDED,
    [TG_HOST_UNKNOWN] = RETURNS | ENDED,
    [TG_HOST_UNDECIDED] = RETURNS | ENDED,
    [TG_HOST_LOST] = RETURNS | ENDED,
    [TG_HOST_SKIPPED] = RETURNS | ENDED,
    [TG_HOST_WITHDRAWN] = ENDED,
    [TG_HOST_RETURNED] = ENDED,
    [TG_HOST_STUCK] = RETURNS | ENDED,
};

/* ---- finding ---- */

static bool might_meet(bool host, enum tg_run_event_kind event)
{
    return event >= TG_EV_EXTERNAL || (event >= TG_EV_LOCKED) == host;
}

static enum tg_pair listed(uint64_t ignored, uint64_t impossible, enum tg_run_event_kind event)
{
    return ignored & BIT(event) ? TG_PAIR_IGNORED : impossible & BIT(event) ? TG_PAIR_IMPOSSIBLE : TG_PAIR_NONE;
}

const struct tg_run_rule *tg_run_rule_find(enum tg_run_state state, enum tg_run_event_kind event, enum tg_pair *out_pair)
{
    *out_pair = !might_meet(false, event) ? TG_PAIR_NONE : listed(run_ignored[state], run_impossible[state], event);
    for (size_t i = 0; i < N(run_rules); i++)
        if (run_rules[i].state == state && run_rules[i].event == event) {
            *out_pair = *out_pair == TG_PAIR_NONE ? TG_PAIR_RULE : TG_PAIR_NONE; /* listed twice is listed wrongly */
            return &run_rules[i];
        }
    return NULL;
}

const struct tg_stage_rule *tg_stage_rule_find(enum tg_stage_state state, enum tg_run_event_kind event, enum tg_pair *out_pair)
{
    *out_pair = !might_meet(false, event) ? TG_PAIR_NONE : listed(stage_ignored[state], stage_impossible[state], event);
    for (size_t i = 0; i < N(stage_rules); i++)
        if (stage_rules[i].state == state && stage_rules[i].event == event) {
            *out_pair = *out_pair == TG_PAIR_NONE ? TG_PAIR_RULE : TG_PAIR_NONE;
            return &stage_rules[i];
        }
    return NULL;
}

const struct tg_host_rule *tg_host_rule_find(enum tg_host_state state, enum tg_run_event_kind event, enum tg_pair *out_pair)
{
    *out_pair = !might_meet(true, event) ? TG_PAIR_NONE : listed(host_ignored[state], host_impossible[state], event);
    for (size_t i = 0; i < N(host_rules); i++)
        if (host_rules[i].state == state && host_rules[i].event == event) {
            *out_pair = *out_pair == TG_PAIR_NONE ? TG_PAIR_RULE : TG_PAIR_NONE;
            return &host_rules[i];
        }
    return NULL;
}
