/* What an UNKNOWN means to whoever asks: see policy.h. */
#include "guard/policy.h"

#include "guard/hold.h"

#include <tagout/clock.h>

#include <string.h>

int tg_policy_parse(const char *text, struct tg_policy *out, struct tg_error *e)
{
    static const char last_known[] = "last-known=";
    struct tg_policy p = {.on_unknown = TG_UNKNOWN_HOLDS, .max_age_ms = TG_LAST_KNOWN_MS};
    struct tg_error why = TG_ERROR_INIT;

    if (strcmp(text, "go") == 0) {
        p.on_unknown = TG_UNKNOWN_GOES;
    } else if (strcmp(text, "last-known") == 0) {
        p.on_unknown = TG_UNKNOWN_LAST_KNOWN;
    } else if (strncmp(text, last_known, sizeof last_known - 1) == 0) {
        p.on_unknown = TG_UNKNOWN_LAST_KNOWN;
        if (tg_duration_parse(text + sizeof last_known - 1, &p.max_age_ms, &why) != 0 || p.max_age_ms <= 0)
            return tg_fail(e, TG_E_USAGE, "\"%s\": how old may it be? last-known=20m", text);
    } else if (strcmp(text, "hold") != 0) {
        return tg_fail(e, TG_E_USAGE, "\"%s\" is no policy: hold, last-known, last-known=AGE, or go", text);
    }
    *out = p;
    return 0;
}

/* What was asked is certain, only the answer is not: a host that does not know who it is can't look up what was known of it. */
static bool knows_its_question(const char *cause)
{
    static const char *const no[] = {"own-groups", "inventory", "configuration"};

    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        if (strcmp(cause, no[i]) == 0)
            return false;
    return true;
}

/* The store can't be reached: what was known last is the best there is. A store that is reached and does not add up (emptied, old, half copied) is
 * another thing: the last known GO is of before whatever happened to it. */
static bool is_away(const char *cause)
{
    static const char *const away[] = {"no-answer", "store-unreachable", "session-expired"};

    for (size_t i = 0; i < sizeof away / sizeof away[0]; i++)
        if (strcmp(cause, away[i]) == 0)
            return true;
    return false;
}

static void assume_last_known(const struct tg_policy *policy, const char *state_dir, const char *store_url, const struct tg_question *question,
                              int64_t wall_ms, struct tg_guard_verdict *v)
{
    struct tg_guard_verdict known = {.answer = TG_ANSWER_UNKNOWN};
    struct tg_error why = TG_ERROR_INIT;
    char age[32];
    int64_t as_of_ms = 0;

    if (!knows_its_question(v->cause) || !question || !state_dir || !store_url)
        return;
    int rc = tg_last_known(state_dir, store_url, question, wall_ms, &known, &as_of_ms, &why);
    tg_duration_format(wall_ms - as_of_ms, age, sizeof age);
    if (!rc && (wall_ms < as_of_ms || wall_ms - as_of_ms > policy->max_age_ms)) /* a clock that was set back proves nothing */
        rc = wall_ms < as_of_ms ? tg_fail(&why, TG_E_UNKNOWN, "what was known last is from the future")
                                : tg_fail(&why, TG_E_UNKNOWN, "what was known last is %s old", age);
    if (!rc && known.answer == TG_ANSWER_GO && !is_away(v->cause))
        rc = tg_fail(&why, TG_E_UNKNOWN, "the store is there, so what was known last says nothing of it");
    if (!rc && known.answer != TG_ANSWER_UNKNOWN) {
        known.generation = v->generation;
        known.txid = v->txid;
        known.error = v->error;
        memcpy(known.cause, v->cause, sizeof known.cause);
        known.assumed = TG_UNKNOWN_LAST_KNOWN;
        known.as_of_ms = as_of_ms;
        tg_verdict_release(v);
        *v = known;
        return;
    }
    tg_verdict_release(&known);
    size_t len = strlen(v->error.message);
    snprintf(v->error.message + len, sizeof v->error.message - len, "; %s", why.message[0] ? why.message : "what was known last does not say");
}

void tg_policy_apply(const struct tg_policy *policy, const char *state_dir, const char *store_url, const struct tg_question *question, int64_t wall_ms,
                     struct tg_guard_verdict *verdict)
{
    struct tg_guard_verdict held;

    if (verdict->answer != TG_ANSWER_UNKNOWN)
        return;
    if (question && tg_local_hold_decides(state_dir, NULL, question, wall_ms, &held)) { /* a local hold is known, whatever else is not */
        tg_verdict_release(verdict);
        *verdict = held;
        return;
    }
    if (strcmp(verdict->cause, TG_LOCAL_HOLD_BAD) == 0) /* somebody meant to stop something: that is no store which is away */
        return;
    if (policy->on_unknown == TG_UNKNOWN_GOES) {
        verdict->answer = TG_ANSWER_GO;
        verdict->assumed = TG_UNKNOWN_GOES;
    } else if (policy->on_unknown == TG_UNKNOWN_LAST_KNOWN) {
        assume_last_known(policy, state_dir, store_url, question, wall_ms, verdict);
    }
}
