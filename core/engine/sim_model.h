/*
 * What simulated hosts do: how long things take, what goes wrong on whom. Pure, and the same on every machine: each
 * draw is made of the seed, the host's name and what is drawn, in whole numbers, never of what was drawn before. So a
 * host that fails under one pace fails under every other, and two rollouts can be compared on the same fleet.
 */
#ifndef TG_ENGINE_SIM_MODEL_H
#define TG_ENGINE_SIM_MODEL_H

#include <tagout/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tg_problems;

/* How long something takes: drawn evenly between two times, or lognormal, as most durations of machines are. */
struct tg_sim_takes {
    int64_t from_ms, to_ms;
    int64_t median_ms, p95_ms; /* lognormal when median_ms is not 0: one of twenty takes longer than p95_ms */
};

/* Chances are in thousandths of a percent. */
struct tg_sim_model {
    uint64_t seed;
    struct tg_sim_takes takes;        /* the change, on a host */
    struct tg_sim_takes verify_takes; /* a verification that passes; one that does not takes as long as it is tried */
    int64_t failing;                  /* hosts on which the tool fails */
    int64_t unreachable;              /* hosts that are never reached */
    int64_t lost;                     /* connections that break after the step was sent */
    int64_t busy;                     /* hosts whose tool is running already when we come */
    int64_t slow;                     /* hosts on which everything takes slow_by times as long */
    int64_t slow_by;
    int64_t bad;            /* hosts that a bad change hurts */
    int64_t bad_after_ms;   /* how long after the change it shows there; -1: the change is good */
    int64_t crash_every_ms; /* the controller dies so often; 0 never */
    int64_t crash_for_ms;   /* until another has taken over */
    int64_t gone;            /* hosts that are gone from the start, for good */
    int64_t going;           /* hosts that go at a moment of the first going_within_ms, */
    int64_t going_within_ms;
    int64_t going_for_ms;    /* and for how long; -1: for good */
    int64_t inconclusive;    /* hosts whose verification comes to no verdict */
    int64_t inconclusive_for_ms; /* until so long after the change */
    int64_t held;            /* of all hosts, at any moment, by others, */
    int64_t held_for_ms;     /* each for so long */
    int64_t looks_after_ms;  /* until a person has looked at a run that waits for one, or approves */
    int64_t start_ms;        /* Unix time of the beginning */
    int64_t since_ms;        /* from when on hosts go, and others hold them: start_ms of the first of two runs, one behind the other; 0: start_ms */
};

/* Monday, 2 January 2023, 09:00 UTC: that no date of today is in it keeps a simulation repeatable. */
#define TG_SIM_START INT64_C(1672650000000)

/*
 * One row a parameter: name, what its value is called, default (NULL: not there), text, kind and member. Options of the
 * command and keys of a file are made of these.
 */
#define TG_SIM_FIELDS(X)                                                                                               \
    X("seed", "N", "1", "What chance is made of: the same number gives the same run on every machine", SEED, seed)     \
    X("takes", "TIME", "30s-90s",                                                                                      \
      "How long the change takes on a host: a time, FROM-TO, or MEDIAN,p95=TIME (lognormal)", TAKES, takes)            \
    X("verify-takes", "TIME", "1s-5s", "How long a verification takes that passes, written likewise", TAKES,           \
      verify_takes)                                                                                                    \
    X("failing", "SHARE", "0%", "Hosts on which the tool fails, such as 2%", CHANCE, failing)                          \
    X("unreachable", "SHARE", "0%", "Hosts that are never reached", CHANCE, unreachable)                               \
    X("lost", "SHARE", "0%", "Connections that break after the change was sent: the host is looked at again", CHANCE,  \
      lost)                                                                                                            \
    X("busy", "SHARE", "0%", "Hosts whose tool is running already when their turn comes", CHANCE, busy)                \
    X("slow", "SHARE", "0%", "Hosts on which everything takes --slow-by times as long", CHANCE, slow)                  \
    X("slow-by", "N", "10", "How many times as long", TIMES, slow_by)                                                  \
    X("bad", "SHARE", NULL,                                                                                            \
      "The change is bad, and hurts this share of the hosts; 100% when only --bad-after is given", CHANCE, bad)        \
    X("bad-after", "TIME", NULL,                                                                                       \
      "How long after the change it shows there: until then a host passes its verification", DURATION, bad_after_ms)   \
    X("crash-every", "TIME", NULL,                                                                                     \
      "The controller dies so often; what is not journalled is lost, and the run is resumed", DURATION,                \
      crash_every_ms)                                                                                                  \
    X("crash-for", "TIME", "30s", "How long until it is resumed", DURATION, crash_for_ms)                              \
    X("gone", "SHARE", "0%", "Hosts that are gone from the start, and stay so: they count as down, and are never reached", CHANCE, gone)                             \
    X("going", "SHARE", "0%", "Hosts that go in the middle, with what is being done on them", CHANCE, going)           \
    X("going-within", "TIME", "1h", "Each of them at a moment of so long from the beginning", DURATION, going_within_ms) \
    X("going-for", "TIME", NULL, "How long until they are back; not given, they stay away", DURATION, going_for_ms)    \
    X("inconclusive", "SHARE", "0%", "Hosts whose verification comes to no verdict", CHANCE, inconclusive)             \
    X("inconclusive-for", "TIME", "10m", "How long after the change there is none", DURATION, inconclusive_for_ms)     \
    X("held", "SHARE", "0%", "Hosts that others hold at any moment: their locks come and go", CHANCE, held)            \
    X("held-for", "TIME", "1h", "How long each of these locks stays, at least a minute", DURATION, held_for_ms)        \
    X("looks-after", "TIME", "15m", "How long until a person looks at a run that waits for one, or approves a stage",  \
      DURATION, looks_after_ms)                                                                                        \
    X("start", "DATE", NULL,                                                                                           \
      "When the simulated run begins, such as 2026-11-23T09:00:00Z. A Monday at 09:00 UTC when not given", DATE,       \
      start_ms)

struct tg_sim_field {
    const char *name, *arg, *value, *text;
};
extern const struct tg_sim_field tg_sim_fields[]; /* behind the last, name is NULL */

/* The defaults. */
void tg_sim_model_init(struct tg_sim_model *model);
/* Sets the parameter of a name. TG_E_DATA with what is wrong and a hint. */
int tg_sim_model_set(struct tg_sim_model *model, const char *name, const char *value, struct tg_error *e);
/* Reads a YAML mapping of parameters over what is set. Mistakes go to problems, then TG_E_DATA. */
int tg_sim_model_read(struct tg_sim_model *model, const char *file, struct tg_problems *problems, struct tg_error *e);
/* What does not go together. TG_E_DATA. */
int tg_sim_model_check(const struct tg_sim_model *model, struct tg_error *e);
#define TG_SIM_DESCRIBED_SIZE 640
/* One line for people: what differs from a fleet that is well. size: that one. */
void tg_sim_model_describe(const struct tg_sim_model *model, char *out, size_t size);

/* What a draw is for; part of it, so append only. */
enum tg_sim_purpose {
    TG_SIM_FAILS = 1,
    TG_SIM_UNREACHABLE,
    TG_SIM_BUSY,
    TG_SIM_SLOW,
    TG_SIM_BAD,
    TG_SIM_LOST,
    TG_SIM_TAKES,
    TG_SIM_VERIFY,
    TG_SIM_STORE,
    TG_SIM_CRASH,
    TG_SIM_AROUND,
    TG_SIM_IS_GONE,
    TG_SIM_GOES,
    TG_SIM_UNCLEAR,
    TG_SIM_HELD
};
/* 64 bits; of: a host's name, or "" for the controller; nth: of several draws for the same. */
uint64_t tg_sim_draw(const struct tg_sim_model *model, const char *of, enum tg_sim_purpose purpose, unsigned nth);
/* Whether it is among the share, in thousandths of a percent. */
bool tg_sim_among(uint64_t draw, int64_t share);
/* Is the host gone at a time; when that changes next (INT64_MAX: never). */
bool tg_sim_is_gone(const struct tg_sim_model *model, const char *host, int64_t at_ms, int64_t *out_until_ms);
/* Do others hold it; until when they do, or don't. A lock comes again and again, always as long, at moments that are drawn by host. */
bool tg_sim_is_held(const struct tg_sim_model *model, const char *host, int64_t at_ms, int64_t *out_until_ms);
/* At least 1 ms, at most a year. */
int64_t tg_sim_duration_ms(const struct tg_sim_takes *takes, uint64_t draw);

#endif
