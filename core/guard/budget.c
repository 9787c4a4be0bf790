/* Budgets: the record, and the decision. See budget.h. */
#include "guard/budget.h"

#include "base/seal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define TIME_MAX_MS INT64_C(253402300799999) /* 9999-12-31 */

int tg_budget_name_check(const char *name, struct tg_error *e)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-");

    if (len && !name[len] && len < TG_BUDGET_NAME_SIZE && !strchr("_.-", name[0]))
        return 0;
    tg_fail(e, TG_E_USAGE, "\"%.80s\" is no name for a budget", name);
    tg_error_hint(e, "small letters, digits, \"-\", \"_\" and \".\", at most %d, the first a letter or digit", TG_BUDGET_NAME_SIZE - 1);
    return TG_E_USAGE;
}

void tg_budget_clear(struct tg_budget *b)
{
    tg_scope_release(&b->of);
    free(b->charges);
    free(b->pictures);
    *b = (struct tg_budget) {.n_charges = 0};
}

/* --- the record --- */

static json_t *encode_lists(const struct tg_budget *b)
{
    json_t *charges = json_array(), *pictures = json_array();

    for (size_t i = 0; i < b->n_charges; i++) {
        const struct tg_budget_charge *c = &b->charges[i];
        json_array_append_new(charges, json_pack("{s:s,s:I,s:I,s:s,s:s}", "id", c->id, "at", (json_int_t) c->at_ms, "n", (json_int_t) c->n, "actor",
                                                 c->actor, "owner", c->owner));
    }
    for (size_t i = 0; i < b->n_pictures; i++)
        json_array_append_new(pictures, json_pack("{s:I,s:I}", "at", (json_int_t) b->pictures[i].at_ms, "members", (json_int_t) b->pictures[i].members));
    return json_pack("{s:o,s:o}", "charges", charges, "pictures", pictures);
}

char *tg_budget_encode(const struct tg_budget *b)
{
    char at_most[32], brake[32], of[TG_SCOPE_TEXT_SIZE];
    json_t *actors = json_array(), *lists = encode_lists(b);

    tg_share_format(&b->at_most, at_most, sizeof at_most);
    tg_share_format(&b->brake, brake, sizeof brake);
    for (size_t i = 0; i < b->n_actors; i++)
        json_array_append_new(actors, json_string(b->actors[i]));
    json_t *o = json_pack("{s:i,s:s,s:s,s:s,s:I,s:s,s:o,s:s}", "format", TG_RECORD_FORMAT, "budget", b->name, "at_most", at_most, "of",
                          tg_scope_format(&b->of, of, sizeof of), "per", (json_int_t) b->per_ms, "brake", brake, "actors", actors, "set_by", b->set_by);
    if (o && (!lists || json_object_update(o, lists) != 0)) {
        json_decref(o);
        o = NULL;
    }
    json_decref(lists);
    return tg_seal(o);
}

static int take_actors(json_t *list, struct tg_budget *b, struct tg_error *e)
{
    size_t i;
    json_t *item;

    if (!json_is_array(list) || json_array_size(list) > TG_HOLD_MAX)
        return tg_fail(e, TG_E_DATA, "its actors are no list, or too many");
    json_array_foreach(list, i, item) {
        if (!json_is_string(item) || tg_actor_check(json_string_value(item), NULL) != 0)
            return tg_fail(e, TG_E_DATA, "one of its actors is no word");
        snprintf(b->actors[b->n_actors++], TG_ACTOR_SIZE, "%s", json_string_value(item));
    }
    return 0;
}

static bool in_time(json_int_t ms)
{
    return ms >= 0 && ms <= TIME_MAX_MS;
}

static int take_charges(json_t *list, struct tg_budget *b, struct tg_error *e)
{
    size_t i;
    json_t *item;

    if (!json_is_array(list) || json_array_size(list) > TG_BUDGET_CHARGES_MAX)
        return tg_fail(e, TG_E_DATA, "its charges are no list, or too many");
    if (!(b->charges = calloc(json_array_size(list) + 1, sizeof *b->charges)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    json_array_foreach(list, i, item) {
        struct tg_budget_charge *c = &b->charges[i];
        const char *id, *actor, *owner;
        json_int_t at, n;
        if (json_unpack_ex(item, NULL, JSON_STRICT, "{s:s,s:I,s:I,s:s,s:s}", "id", &id, "at", &at, "n", &n, "actor", &actor, "owner", &owner) != 0 ||
            strlen(id) >= sizeof c->id || !id[0] || !in_time(at) || n < 0 || n > (json_int_t) TG_BUDGET_UNITS_MAX * TG_BUDGET_CHARGES_MAX ||
            strlen(actor) >= sizeof c->actor || strlen(owner) >= sizeof c->owner || (i && at < b->charges[i - 1].at_ms))
            return tg_fail(e, TG_E_DATA, "its charge %zu makes no sense", i + 1);
        *c = (struct tg_budget_charge) {.at_ms = at, .n = n};
        memcpy(c->id, id, strlen(id) + 1);
        memcpy(c->actor, actor, strlen(actor) + 1);
        memcpy(c->owner, owner, strlen(owner) + 1);
        b->n_charges++;
    }
    return 0;
}

static int take_pictures(json_t *list, struct tg_budget *b, struct tg_error *e)
{
    size_t i;
    json_t *item;

    if (!json_is_array(list) || json_array_size(list) > TG_BUDGET_PICTURES_MAX)
        return tg_fail(e, TG_E_DATA, "its pictures are no list, or too many");
    if (!(b->pictures = calloc(json_array_size(list) + 1, sizeof *b->pictures)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    json_array_foreach(list, i, item) {
        json_int_t at, members;
        if (json_unpack_ex(item, NULL, JSON_STRICT, "{s:I,s:I}", "at", &at, "members", &members) != 0 || !in_time(at) || members < 0 ||
            members > TG_BUDGET_UNITS_MAX || (i && at < b->pictures[i - 1].at_ms))
            return tg_fail(e, TG_E_DATA, "its picture %zu makes no sense", i + 1);
        b->pictures[b->n_pictures++] = (struct tg_budget_picture) {.at_ms = at, .members = members};
    }
    return 0;
}

static int take_terms(const char *name, const char *at_most, const char *of, const char *brake, const char *set_by, struct tg_budget *b, struct tg_error *e)
{
    if (tg_budget_name_check(name, NULL) != 0 || strlen(set_by) >= sizeof b->set_by)
        return tg_fail(e, TG_E_DATA, "its name or its author is none");
    if (!tg_share_parse(at_most, &b->at_most) || (brake[0] && (!tg_share_parse(brake, &b->brake) || b->brake.kind != TG_SHARE_PERCENT)))
        return tg_fail(e, TG_E_DATA, "its shares \"%.20s\" and \"%.20s\" are none", at_most, brake);
    if (b->per_ms < TG_BUDGET_PER_MIN_MS || b->per_ms > TG_BUDGET_PER_MAX_MS)
        return tg_fail(e, TG_E_DATA, "its window of %lld ms is too short or too long", (long long) b->per_ms);
    if (tg_scope_parse(of, &b->of, NULL) != 0)
        return tg_fail(e, TG_E_DATA, "\"%.80s\" in it is no scope", of);
    memcpy(b->name, name, strlen(name) + 1);
    memcpy(b->set_by, set_by, strlen(set_by) + 1);
    return 0;
}

int tg_budget_decode(const char *text, size_t len, struct tg_budget *out, struct tg_error *e)
{
    json_t *o = NULL, *actors, *charges, *pictures;
    const char *name, *at_most, *of, *brake, *set_by, *sum;
    struct tg_budget b = {.version = 0};
    json_int_t per;
    int number, rc = tg_record_load(text, len, &o, e);

    if (rc)
        return rc;
    if (json_unpack_ex(o, NULL, JSON_STRICT, "{s:i,s:s,s:s,s:s,s:I,s:s,s:o,s:s,s:o,s:o,s:s}", "format", &number, "budget", &name, "at_most", &at_most, "of",
                       &of, "per", &per, "brake", &brake, "actors", &actors, "set_by", &set_by, "charges", &charges, "pictures", &pictures, "sum", &sum) != 0) {
        rc = tg_fail(e, TG_E_DATA, "it is no budget");
    } else {
        b.per_ms = per;
        rc = take_terms(name, at_most, of, brake, set_by, &b, e);
        if (!rc && (rc = take_actors(actors, &b, e)) == 0 && (rc = take_charges(charges, &b, e)) == 0)
            rc = take_pictures(pictures, &b, e);
    }
    json_decref(o);
    if (rc)
        tg_budget_clear(&b);
    else
        *out = b;
    return rc;
}

/* --- the decision --- */

static int64_t brake_window(const struct tg_budget *b)
{
    return b->per_ms > TG_BUDGET_BRAKE_MS ? b->per_ms : TG_BUDGET_BRAKE_MS;
}

int64_t tg_budget_now(const struct tg_budget *b, int64_t now_ms)
{
    if (b->n_charges && b->charges[b->n_charges - 1].at_ms > now_ms)
        now_ms = b->charges[b->n_charges - 1].at_ms;
    if (b->n_pictures && b->pictures[b->n_pictures - 1].at_ms > now_ms)
        now_ms = b->pictures[b->n_pictures - 1].at_ms;
    return now_ms;
}

static int64_t charged_since(const struct tg_budget *b, int64_t since_ms)
{
    int64_t sum = 0;

    for (size_t i = 0; i < b->n_charges; i++)
        if (b->charges[i].at_ms >= since_ms)
            sum += b->charges[i].n;
    return sum;
}

/* How many there should be: the greatest picture of the window (or the last before it), less what was charged since. */
static int64_t expected_members(const struct tg_budget *b, int64_t now_ms, int64_t *out_of)
{
    int64_t best = -1;

    *out_of = -1;
    for (size_t i = b->n_pictures; i > 0; i--) {
        const struct tg_budget_picture *p = &b->pictures[i - 1];
        int64_t charged = charged_since(b, p->at_ms), left = charged < p->members ? p->members - charged : 0;
        if (best >= 0 && p->at_ms <= now_ms - brake_window(b))
            break;
        if (left > best || (left == best && p->members > *out_of)) {
            best = left;
            *out_of = p->members;
        }
    }
    return best;
}

/* When enough has left the window for n more; the ledger's own are not in the record, and leave it within one window at the latest. */
static int64_t free_at(const struct tg_budget *b, int64_t over, int64_t now_ms)
{
    for (size_t i = 0; i < b->n_charges; i++)
        if (b->charges[i].at_ms > now_ms - b->per_ms && (over -= b->charges[i].n) <= 0)
            return b->charges[i].at_ms + b->per_ms;
    return now_ms + b->per_ms;
}

void tg_budget_decide(const struct tg_budget *b, const struct tg_budget_ask *ask, struct tg_budget_answer *out)
{
    int64_t now = tg_budget_now(b, ask->now_ms), of, base = -1;
    struct tg_budget_answer a = {.word = TG_BUDGET_FITS, .limit = -1, .seen = ask->members};

    a.used = charged_since(b, now - b->per_ms + 1) + ask->unseen;
    a.expected = expected_members(b, now, &of);
    if (a.seen >= 0) /* a share is of what there was before the window's charges; of two numbers the smaller is the safer */
        base = a.seen + a.used;
    if (of >= 0 && (base < 0 || of < base))
        base = of;
    if (b->at_most.kind == TG_SHARE_COUNT || base >= 0)
        a.limit = tg_share_within(&b->at_most, base);
    if (b->brake.kind != TG_SHARE_UNSET && a.expected >= 0 && a.seen >= 0 && a.expected - a.seen > tg_share_within(&b->brake, of))
        a.word = TG_BUDGET_SHRANK;
    else if (a.limit < 0 || (b->brake.kind != TG_SHARE_UNSET && a.seen < 0))
        a.word = TG_BUDGET_NO_PICTURE;
    else if (ask->n > a.limit)
        a.word = TG_BUDGET_TOO_MUCH;
    else if (a.used + ask->n > a.limit)
        a.word = TG_BUDGET_SPENT;
    if (a.word == TG_BUDGET_SPENT)
        a.free_at_ms = free_at(b, a.used + ask->n - a.limit, now);
    *out = a;
}

/* --- charging --- */

static void forget_past(struct tg_budget *b, int64_t now_ms)
{
    int64_t edge = now_ms - brake_window(b);
    size_t past = 0;

    while (past < b->n_charges && b->charges[past].at_ms <= edge)
        past++;
    memmove(b->charges, b->charges + past, (b->n_charges - past) * sizeof *b->charges);
    b->n_charges -= past;
    for (past = 0; past + 1 < b->n_pictures && b->pictures[past + 1].at_ms <= edge;)
        past++; /* the last before the window stays: there may be none in it */
    memmove(b->pictures, b->pictures + past, (b->n_pictures - past) * sizeof *b->pictures);
    b->n_pictures -= past;
    if (b->n_charges == TG_BUDGET_CHARGES_MAX) {
        b->charges[1].n += b->charges[0].n;
        memmove(b->charges, b->charges + 1, --b->n_charges * sizeof *b->charges);
    }
}

/* The same again is only seen later; of many, the smaller of the two oldest goes. */
static void add_picture(struct tg_budget *b, int64_t now_ms, int64_t members)
{
    size_t n = b->n_pictures;

    if (n > 1 && b->pictures[n - 1].members == members && b->pictures[n - 2].members == members)
        b->n_pictures = --n;
    if (n == TG_BUDGET_PICTURES_MAX) {
        size_t drop = b->pictures[0].members <= b->pictures[1].members ? 0 : 1;
        memmove(b->pictures + drop, b->pictures + drop + 1, (--n - drop) * sizeof *b->pictures);
    }
    b->pictures[n] = (struct tg_budget_picture) {.at_ms = now_ms, .members = members};
    b->n_pictures = n + 1;
}

int tg_budget_apply(struct tg_budget *b, const struct tg_budget_ask *ask, const char *id, const char *actor, const char *owner, struct tg_error *e)
{
    int64_t now = tg_budget_now(b, ask->now_ms);
    struct tg_budget_charge *charges = realloc(b->charges, (TG_BUDGET_CHARGES_MAX + 1) * sizeof *charges);
    struct tg_budget_picture *pictures = realloc(b->pictures, (TG_BUDGET_PICTURES_MAX + 1) * sizeof *pictures);

    b->charges = charges ? charges : b->charges;
    b->pictures = pictures ? pictures : b->pictures;
    if (!charges || !pictures)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    forget_past(b, now);
    if (ask->members >= 0)
        add_picture(b, now, ask->members);
    if (id) {
        struct tg_budget_charge *c = &b->charges[b->n_charges++];
        *c = (struct tg_budget_charge) {.at_ms = now, .n = ask->n};
        snprintf(c->id, sizeof c->id, "%s", id);
        snprintf(c->actor, sizeof c->actor, "%s", actor);
        snprintf(c->owner, sizeof c->owner, "%s", owner);
    }
    return 0;
}
