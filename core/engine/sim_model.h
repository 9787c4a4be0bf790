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
    int64_t start_ms;       /* Unix time of the beginning */
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
/* One line for people: what differs from a fleet that is well. size ≥ 300. */
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
    TG_SIM_AROUND
};
/* 64 bits; of: a host's name, or "" for the controller; nth: of several draws for the same. */
uint64_t tg_sim_draw(const struct tg_sim_model *model, const char *of, enum tg_sim_purpose purpose, unsigned nth);
/* Whether it is among the share, in thousandths of a percent. */
bool tg_sim_among(uint64_t draw, int64_t share);
/* At least 1 ms, at most a year. */
int64_t tg_sim_duration_ms(const struct tg_sim_takes *takes, uint64_t draw);

#endif
