/* The parameters of a simulation, and what is drawn by them: see sim_model.h. */
#include "engine/sim_model.h"

#include "config/yaml.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YEAR_MS (INT64_C(366) * 86400000)

enum kind { SEED, TAKES, CHANCE, DURATION, TIMES, DATE };

#define FIELD(n, a, v, t, kind, member) {.name = n, .arg = a, .value = v, .text = t},
const struct tg_sim_field tg_sim_fields[] = {TG_SIM_FIELDS(FIELD){.name = NULL}};
#undef FIELD

#define SLOT(n, a, v, t, kind, member) {kind, offsetof(struct tg_sim_model, member)},
static const struct {
    enum kind kind;
    size_t offset;
} slots[] = {TG_SIM_FIELDS(SLOT)};
#undef SLOT
#define N_SLOTS (sizeof slots / sizeof slots[0])

void tg_sim_model_init(struct tg_sim_model *m)
{
    *m = (struct tg_sim_model){.seed = 1,
                               .takes = {.from_ms = 30000, .to_ms = 90000},
                               .verify_takes = {.from_ms = 1000, .to_ms = 5000},
                               .slow_by = 10,
                               .bad = -1,
                               .bad_after_ms = -1,
                               .crash_for_ms = 30000,
                               .going_within_ms = 3600000,
                               .going_for_ms = -1,
                               .inconclusive_for_ms = 600000,
                               .held_for_ms = 3600000,
                               .looks_after_ms = 15 * 60000,
                               .start_ms = TG_SIM_START};
}

/* ---- reading ---- */

/* A whole number and nothing else. */
static bool read_number(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;

    if (!*text || strlen(text) > 20)
        return false;
    for (; *text; text++) {
        unsigned digit = (unsigned) (*text - '0');
        if (digit > 9 || n > (max - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = n;
    return true;
}

static bool read_time(const char *text, size_t len, int64_t *out_ms)
{
    char part[64];

    if (len >= sizeof part)
        return false;
    memcpy(part, text, len);
    part[len] = '\0';
    return tg_duration_parse(part, out_ms, NULL) == 0 && *out_ms <= YEAR_MS;
}

/* "60s", "30s-90s", "60s,p95=3m". */
static bool read_takes(const char *text, struct tg_sim_takes *out)
{
    const char *dash = strchr(text, '-'), *tail = strstr(text, ",p95=");
    struct tg_sim_takes t = {0};

    if (tail) {
        if (!read_time(text, (size_t) (tail - text), &t.median_ms) || !read_time(tail + 5, strlen(tail + 5), &t.p95_ms))
            return false;
        if (t.median_ms < 1 || t.p95_ms <= t.median_ms || t.p95_ms / t.median_ms > 1000)
            return false;
    } else {
        size_t len = dash ? (size_t) (dash - text) : strlen(text);
        if (!read_time(text, len, &t.from_ms))
            return false;
        t.to_ms = t.from_ms;
        if (dash && !read_time(dash + 1, strlen(dash + 1), &t.to_ms))
            return false;
        if (t.from_ms > t.to_ms)
            return false;
    }
    *out = t;
    return true;
}

static bool read_chance(const char *text, int64_t *out)
{
    struct tg_share share;

    if (!tg_share_parse(text, &share) || share.kind != TG_SHARE_PERCENT)
        return false;
    *out = share.value;
    return true;
}

static int refuse(const char *name, const char *value, enum kind kind, struct tg_error *e)
{
    static const char *const hints[] = {
        [SEED] = "a whole number",
        [TAKES] =
            "such as 60s, 30s-90s, or 60s,p95=3m: half of the hosts need less than 60s, one of twenty more than 3m",
        [CHANCE] = "a share of the hosts, such as 2% or 0.5%",
        [DURATION] = "a number and a unit (ms, s, m, h, d, w), such as 90s or 3h, at most a year",
        [TIMES] = "a whole number from 1 to 1000",
        [DATE] = "RFC 3339 with a zone, such as 2026-11-23T09:00:00Z"};

    tg_fail(e, TG_E_DATA, "%s can't be \"%.60s\"", name, value);
    tg_error_hint(e, "%s", hints[kind]);
    return TG_E_DATA;
}

static bool set_slot(struct tg_sim_model *m, size_t i, const char *value)
{
    void *slot = (char *) m + slots[i].offset;
    uint64_t n;

    switch (slots[i].kind) {
    case SEED:
        return read_number(value, UINT64_MAX, slot);
    case TAKES:
        return read_takes(value, slot);
    case CHANCE:
        return read_chance(value, slot);
    case DURATION:
        return read_time(value, strlen(value), slot);
    case TIMES:
        if (!read_number(value, 1000, &n) || n < 1)
            return false;
        m->slow_by = (int64_t) n;
        return true;
    case DATE:
        return tg_time_parse(value, slot, NULL) == 0 && m->start_ms > 0 && m->start_ms < INT64_C(253402300800000);
    }
    return false;
}

int tg_sim_model_set(struct tg_sim_model *m, const char *name, const char *value, struct tg_error *e)
{
    for (size_t i = 0; i < N_SLOTS; i++)
        if (strcmp(tg_sim_fields[i].name, name) == 0) {
            struct tg_sim_model with = *m;
            if (!set_slot(&with, i, value))
                return refuse(name, value, slots[i].kind, e);
            *m = with;
            return 0;
        }
    return tg_fail(e, TG_E_BUG, "a simulation has no parameter \"%s\"", name);
}

static void read_nodes(struct tg_sim_model *m, const struct tg_yaml_node *root, struct tg_problems *p)
{
    struct tg_yaml_key keys[N_SLOTS + 1] = {{.name = NULL}};
    const struct tg_yaml_node *values[N_SLOTS];
    const char *text;

    for (size_t i = 0; i < N_SLOTS; i++)
        keys[i].name = tg_sim_fields[i].name;
    tg_yaml_fields(root, "the model", keys, p, values);
    for (size_t i = 0; i < N_SLOTS; i++) {
        struct tg_error why = TG_ERROR_INIT;
        if (tg_yaml_string(values[i], keys[i].name, p, &text) && tg_sim_model_set(m, keys[i].name, text, &why))
            tg_error_hint(tg_yaml_problem(p, values[i], "%s", why.message), "%s", why.hint);
    }
}

int tg_sim_model_read(struct tg_sim_model *m, const char *file, struct tg_problems *problems, struct tg_error *e)
{
    struct tg_yaml_doc *doc;
    int rc = tg_yaml_load(file, problems, &doc, e);

    if (rc)
        return rc;
    read_nodes(m, tg_yaml_root(doc), problems);
    tg_yaml_free(doc);
    return tg_problems_error(problems, e);
}

int tg_sim_model_check(const struct tg_sim_model *m, struct tg_error *e)
{
    if (m->crash_every_ms && m->crash_every_ms <= m->crash_for_ms)
        return tg_fail(e, TG_E_DATA, "crash-every must be longer than crash-for: nobody would ever be in the seat");
    if (m->crash_every_ms && m->crash_every_ms < 10000)
        return tg_fail(e, TG_E_DATA, "crash-every must be at least 10s");
    if (m->held && m->held_for_ms < 60000)
        return tg_fail(e, TG_E_DATA, "held-for must be at least 1m");
    if (m->looks_after_ms < 1000)
        return tg_fail(e, TG_E_DATA, "looks-after must be at least 1s");
    return 0;
}

/* ---- saying ---- */

static void say_takes(const struct tg_sim_takes *t, char *out, size_t size)
{
    char a[32], b[32];

    tg_duration_format(t->median_ms ? t->median_ms : t->from_ms, a, sizeof a);
    tg_duration_format(t->median_ms ? t->p95_ms : t->to_ms, b, sizeof b);
    if (t->median_ms)
        snprintf(out, size, "%s, one of 20 more than %s", a, b);
    else if (t->from_ms != t->to_ms)
        snprintf(out, size, "%s to %s", a, b);
    else
        snprintf(out, size, "%s", a);
}

static void say_share(const char *what, int64_t share, char *out, size_t size)
{
    char text[32];
    size_t n = strlen(out);

    if (share <= 0)
        return;
    tg_share_format(&(struct tg_share){TG_SHARE_PERCENT, share}, text, sizeof text);
    snprintf(out + n, size - n, ", %s %s", text, what);
}

static void say_time(const char *what, int64_t ms, char *out, size_t size)
{
    char text[32];
    size_t n = strlen(out);

    tg_duration_format(ms, text, sizeof text);
    snprintf(out + n, size - n, "%s%s %s", what[0] == ',' ? "" : " ", what, text);
}

void tg_sim_model_describe(const struct tg_sim_model *m, char *out, size_t size)
{
    char takes[128];

    say_takes(&m->takes, takes, sizeof takes);
    snprintf(out, size, "seed %llu, a change takes %s", (unsigned long long) m->seed, takes);
    say_share("failing", m->failing, out, size);
    say_share("unreachable", m->unreachable, out, size);
    say_share("lost", m->lost, out, size);
    say_share("busy", m->busy, out, size);
    say_share("slow", m->slow, out, size);
    if (m->bad >= 0 || m->bad_after_ms >= 0) {
        say_share("hurt by a bad change", m->bad < 0 ? 100000 : m->bad, out, size);
        if (m->bad != 0)
            say_time("that shows after", m->bad_after_ms < 0 ? 0 : m->bad_after_ms, out, size);
    }
    say_share("gone", m->gone, out, size);
    say_share("going", m->going, out, size);
    if (m->going > 0 && m->going_for_ms >= 0)
        say_time("for", m->going_for_ms, out, size);
    say_share("inconclusive", m->inconclusive, out, size);
    if (m->inconclusive > 0)
        say_time("for", m->inconclusive_for_ms, out, size);
    say_share("held by others", m->held, out, size);
    if (m->held > 0)
        say_time("for", m->held_for_ms, out, size);
    if (m->crash_every_ms)
        say_time(", the controller dies every", m->crash_every_ms, out, size);
}

/* ---- drawing ---- */

/* splitmix64's end: each bit of the input changes half of the output's. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t tg_sim_draw(const struct tg_sim_model *m, const char *of, enum tg_sim_purpose purpose, unsigned nth)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (; *of; of++)
        h = (h ^ (unsigned char) *of) * UINT64_C(0x100000001b3);
    return mix(mix(h ^ mix(m->seed + UINT64_C(0x9e3779b97f4a7c15))) +
               ((uint64_t) purpose << 32 | nth) * UINT64_C(0x9e3779b97f4a7c15));
}

bool tg_sim_among(uint64_t draw, int64_t share)
{
    return (int64_t) (draw % 100000) < share;
}

#define ONE 65536 /* fixed point: 16 bits behind the point, the same on every processor, which floating point is not   \
                   */

/* log2 of a/b, a ≥ b, below 2^10. */
static int64_t log2_of(int64_t a, int64_t b)
{
    uint64_t x = ((uint64_t) a << 20) / (uint64_t) b; /* 20 bits behind the point */
    int64_t log = 0;

    for (; x >= UINT64_C(2) << 20; x >>= 1)
        log += ONE;
    for (int64_t bit = ONE / 2; bit; bit /= 2) {
        x = x * x >> 20;
        if (x >= UINT64_C(2) << 20) {
            x >>= 1;
            log += bit;
        }
    }
    return log;
}

/* value times 2 to the power of x. */
static int64_t scale(int64_t value, int64_t x)
{
    static const uint32_t roots[] = {1518500250, 1276901417, 1170923762, 1121280436, 1097253708, 1085434106,
                                     1079572136, 1076653033, 1075196443, 1074468888, 1074105294, 1073923544,
                                     1073832680, 1073787251, 1073764537, 1073753181}; /* of 2, times 2^30 */
    int64_t whole = x >> 16;
    uint64_t factor = UINT64_C(1) << 30;

    for (unsigned i = 0; i < 16; i++)
        if (x >> (15 - i) & 1)
            factor = factor * roots[i] >> 30;
    int64_t ms = (int64_t) ((uint64_t) value * (factor >> 10) >> 20);
    if (whole >= 0)
        return whole < 20 && ms <= YEAR_MS >> whole ? ms << whole : YEAR_MS;
    return whole > -40 ? ms >> -whole : 0;
}

/* Nearly normal, σ = 1: the sum of twelve even draws. */
static int64_t normal(uint64_t draw)
{
    int64_t sum = -6 * ONE;

    for (unsigned i = 0; i < 3; i++) {
        uint64_t bits = mix(draw + i * UINT64_C(0x9e3779b97f4a7c15));
        for (unsigned k = 0; k < 64; k += 16)
            sum += (int64_t) (bits >> k & 0xffff);
    }
    return sum;
}

int64_t tg_sim_duration_ms(const struct tg_sim_takes *t, uint64_t draw)
{
    int64_t ms = t->from_ms;

    if (t->median_ms)
        ms = scale(t->median_ms,
                   log2_of(t->p95_ms, t->median_ms) * normal(draw) / 107799); /* 1.6449 σ are one of twenty */
    else if (t->to_ms > t->from_ms)
        ms += (int64_t) (draw % (uint64_t) (t->to_ms - t->from_ms + 1));
    return ms < 1 ? 1 : ms > YEAR_MS ? YEAR_MS : ms;
}

/* ---- who is not there, and who is not to be touched ---- */

static int64_t since(const struct tg_sim_model *m)
{
    return m->since_ms ? m->since_ms : m->start_ms;
}

bool tg_sim_is_gone(const struct tg_sim_model *m, const char *host, int64_t at_ms, int64_t *out_until_ms)
{
    *out_until_ms = INT64_MAX;
    if (m->gone > 0 && tg_sim_among(tg_sim_draw(m, host, TG_SIM_IS_GONE, 0), m->gone))
        return true;
    if (m->going <= 0 || !tg_sim_among(tg_sim_draw(m, host, TG_SIM_GOES, 0), m->going))
        return false;
    int64_t goes_ms = since(m) + 1 + (int64_t) (tg_sim_draw(m, host, TG_SIM_GOES, 1) % (uint64_t) (m->going_within_ms + 1));
    int64_t back_ms = m->going_for_ms < 0 ? INT64_MAX : goes_ms + m->going_for_ms;
    if (at_ms < goes_ms)
        *out_until_ms = goes_ms;
    else if (at_ms < back_ms)
        *out_until_ms = back_ms;
    return at_ms >= goes_ms && at_ms < back_ms;
}

bool tg_sim_is_held(const struct tg_sim_model *m, const char *host, int64_t at_ms, int64_t *out_until_ms)
{
    *out_until_ms = INT64_MAX;
    if (m->held <= 0 || m->held >= 100000)
        return m->held > 0;
    int64_t every_ms = m->held_for_ms * 100000 / m->held, phase_ms = (int64_t) (tg_sim_draw(m, host, TG_SIM_HELD, 0) % (uint64_t) every_ms);
    int64_t into_ms = (at_ms - since(m) + phase_ms) % every_ms;
    bool is = into_ms < m->held_for_ms;

    *out_until_ms = at_ms + (is ? m->held_for_ms : every_ms) - into_ms;
    return is;
}
