/*
 * A rollout: what the user wrote. Parsed strictly (unknown keys, wrong types, things this version can't do are mistakes with a
 * place, all reported at once); nothing here knows a host yet. tg_plan_compile() turns it into a plan for today's fleet.
 */
#ifndef TG_ENGINE_ROLLOUT_H
#define TG_ENGINE_ROLLOUT_H

#include "base/buf.h"
#include "calendar/hours.h"
#include "config/rate.h"
#include "config/share.h"

#include <tagout/around.h>
#include <tagout/driver.h>
#include <tagout/error.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tg_problems;
struct tg_yaml_doc;
struct tg_yaml_node;

/* What follows when more fail than may. */
enum tg_then { TG_THEN_HALT, TG_THEN_ROLLBACK, TG_THEN_WITHDRAW };

/* Whether hosts start only when the site's calendar lets them (windows, blackouts, booked weeks). */
enum tg_windows_mode {
    TG_WINDOWS_UNSAID, /* of a rollout: as the site is; of a plan: there are no windows */
    TG_WINDOWS_HONOUR,
    TG_WINDOWS_IGNORE
};

/* What is borne: one more halts. UNSET: nothing is said. */
struct tg_bounds {
    struct tg_share failed;
    int64_t of_at_least;    /* shares count only from so many finished hosts on; 0 */
    struct tg_share unreachable;
};

/* What a stage waits for, and what it bears. In the plan it is the same. */
struct tg_stage_policy {
    bool approve;           /* it opens when somebody has said: tagout approve */
    struct tg_bounds bears; /* shares are of the stage's hosts; those of the whole rollout hold as well */
};

struct tg_stage_spec {
    char *name;
    char *targets;          /* selector; NULL: the rollout's */
    struct tg_share until;  /* cumulative, of the rollout's targets: all hosts changed when this stage has ended */
    int64_t count;          /* or this many more hosts; -1 unset. With neither: all of the stage's targets that are left */
    bool dry_run;           /* ask the driver's dry-run verb only; its hosts may be in a later stage as well */
    struct tg_rate rate;    /* how fast its hosts may start; count 0: as the limits allow */
    bool optional;          /* may turn out to have no host; else targets that match none are a mistake */
    int64_t bake_ms;        /* wait this long after the last host of the stage is verified; 0 none */
    struct tg_stage_policy policy;
    int64_t day;            /* not before the run's n-th day of work; 0: as soon as it is its turn */
    int64_t spread_ms;      /* its starts are spread evenly over what is left of the day's hours, at most so far apart; 0: they are not */
    bool over_window;       /* each host has its own moment of a window, by a hash of its name */
    int line, column;
    const struct tg_yaml_node *at;         /* where it stands, for mistakes that only the fleet shows; NULL when not read from a file */
    const struct tg_yaml_node *targets_at; /* NULL without targets */
    const struct tg_yaml_node *until_at;   /* NULL without until */
};

#define TG_SPREAD_MAX_MS INT64_C(86400000) /* spread without at-most */
/*
 * A limit by domain, counted over all hosts of the inventory that share a fate: those with the same value of an attribute (a rack, a
 * cluster of three), or those that a selector means.
 */
enum tg_limit_kind {
    TG_LIMIT_DOMAIN, /* at most share of a domain's hosts are down; a percentage is rounded down */
    TG_LIMIT_FLOOR   /* at least share of them stay up; a percentage is rounded up. As a number: k of n replicas */
};
struct tg_limit_spec {
    enum tg_limit_kind kind;
    char *name;             /* an attribute's key, or a selector */
    bool selector;
    struct tg_share share;  /* more than 0 */
    const struct tg_yaml_node *at; /* the key; NULL when not read from a file */
};

enum tg_around_kind { TG_AROUND_LOCK, TG_AROUND_MODULE };
struct tg_around {
    enum tg_around_kind kind;
    char **hold;            /* LOCK: actors; none: all */
    size_t n_hold;
    enum tg_around_what what; /* MODULE: "drain", */
    char *module;           /* "haproxy", */
    json_t *params;         /* and its value, as the module gets it; owned */
};
#define TG_AROUND_MAX 16    /* the lock included: bits of a host's struct, and records of it in memory */

enum tg_verify_kind {
    TG_VERIFY_HTTP,
    TG_VERIFY_COMMAND,
    TG_VERIFY_TCP,
    TG_VERIFY_METRIC,
    TG_VERIFY_REPORT /* the driver's dry-run finds nothing left to change */
};
#define TG_VERIFY_UNCHANGED "{unchanged}" /* in a query: names of hosts of the run that are not changed yet, as a regular expression */
struct tg_verify {
    enum tg_verify_kind kind;
    char *url;              /* HTTP: with {host} and {address}; TCP: likewise, "{host}:5432"; METRIC: of the Prometheus that is asked */
    char *query;            /* METRIC: PromQL, with {host}, {address} and {unchanged} */
    json_t *options;        /* HTTP, METRIC: for the probe (tagout/probe.h); owned */
    char **argv;            /* COMMAND: run on the host, passes with status 0; NULL-terminated */
    int64_t after_ms;       /* METRIC: not asked earlier after the change: what is measured has to be seen first; default 1 min */
    int64_t within_ms;      /* retried until it passes or this has gone by; default 30 s */
};

#define TG_RETRY_WAIT_MAX_MS 600000

struct tg_rollout {
    char *name;             /* [a-z0-9][a-z0-9-]{0,62}: it names runs */
    char *file;             /* where it was read from */
    char *driver;           /* "puppet": the key below change: */
    json_t *change;         /* its value, as the driver gets it; owned */
    char *targets;          /* selector */
    struct tg_stage_spec *stages;
    size_t n_stages;        /* at least 1 */
    struct tg_hours hours;  /* hosts start only then; days 0: at any time */
    bool hours_by_preset;   /* the file has none */
    enum tg_windows_mode windows;
    bool windows_by_preset; /* the file does not say */
    int64_t estimate_ms;    /* how long a host takes, as far as the author knows; 0: he does not say */
    int64_t running;        /* limits.running: hosts in work at once, until they are changed; default 1: careful unless told otherwise */
    int64_t unverified;     /* limits.unverified: these, and those changed and not verified yet; default: running */
    bool ignore_gone;       /* limits.down: ignore; default count */
    struct tg_limit_spec *limits; /* limits.domains, limits.floor, as written */
    size_t n_limits;
    struct tg_share failed; /* failure.failed: more than this halts the run; default count 0 */
    int64_t of_at_least;    /* a share of failures counts only from this many finished hosts on; 0 */
    struct tg_share unreachable; /* failure.unreachable: likewise; UNSET as many as there are */
    int64_t retries;        /* failure.retries.unreachable: how often a host that was not reached is tried again; default 0 */
    int64_t retry_wait_ms;  /* .wait: before the first time, doubled each time, at most TG_RETRY_WAIT_MAX_MS */
    int64_t decide_ms;      /* failure.decide-by: how long a verification without a verdict is tried again; 0: a person decides */
    int64_t give_up_ms;     /* failure.give-up-by: how long a run that is on hold for want of a verdict waits for a person before it halts; 0: for ever */
    enum tg_then then;
    json_t *rollback;       /* the driver's parameters for the way back, owned; NULL there is none */
    struct tg_around *around; /* the first is the lock (P5): when the file has none, one on all actors */
    size_t n_around;
    struct tg_verify *verify;
    size_t n_verify;
    struct tg_yaml_doc *doc; /* what at and its like point into; owned, NULL when not read from a file */
    const struct tg_yaml_node *targets_at;
};

/*
 * Reads a rollout file. The driver named by change: is loaded and asked to check its parameters, so that its mistakes have places
 * too. Mistakes are added to problems and TG_E_DATA is returned. *out is the caller's: tg_rollout_free().
 */
int tg_rollout_read(const char *file, struct tg_problems *problems, struct tg_rollout **out, struct tg_error *e);
/* The same from memory; file is only for messages. What the fuzzer calls. */
int tg_rollout_parse(const char *file, const char *text, size_t len, struct tg_problems *problems, struct tg_rollout **out,
                     struct tg_error *e);
void tg_rollout_free(struct tg_rollout *rollout);
/* The stages, presets written out, as YAML that can stand in the file in place of what is there. TG_E_MEMORY. */
int tg_rollout_stages_text(const struct tg_rollout *rollout, struct tg_buf *out, struct tg_error *e);

/* Copies into *out, all its own; TG_E_MEMORY, *out then being nothing that must be released. */
int tg_around_copy(const struct tg_around *around, struct tg_around *out, struct tg_error *e);
int tg_verify_copy(const struct tg_verify *verify, struct tg_verify *out, struct tg_error *e);
void tg_around_release(struct tg_around *around);
void tg_verify_release(struct tg_verify *verify);
/* "http://{host}/", "on the host: test -f /x", "tcp {host}:5432", "up{instance="{host}"} above 0, at http://prom:9090". */
void tg_verify_describe(const struct tg_verify *verify, struct tg_buf *out);

#endif
