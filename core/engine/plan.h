/*
 * A plan: a rollout compiled for today's fleet, with a digest. It is all that a run needs: nothing is looked up in the rollout
 * file or the inventory afterwards, so what was approved is what is done (P5). Pure; the same input gives the same plan.
 */
#ifndef TG_ENGINE_PLAN_H
#define TG_ENGINE_PLAN_H

#include "engine/rollout.h"

struct tg_inventory;
struct tg_windows;

#define TG_PLAN_FORMAT 12
#define TG_PLAN_DIGEST_SIZE 65 /* SHA-256 in hex, and NUL */

struct tg_plan_host {
    char *name;     /* the inventory's */
    char *address;  /* NULL: the name */
    char *user;     /* NULL: the transport's default */
    int port;       /* 0: likewise */
};

struct tg_plan_stage {
    char *name;
    size_t first, count; /* hosts[first … first+count): in the order of starting */
    bool dry_run;
    int64_t bake_ms;
    struct tg_rate rate; /* how fast they may start */
    struct tg_stage_policy policy;
    int64_t day;         /* not before the run's n-th day of work; 0: none */
    int64_t spread_ms;   /* starts spread over what is left of the day's hours, at most so far apart; 0: they are not */
    bool over_window;    /* starts spread over each window, by a hash of the host's name: its hosts stand in the order of that */
    size_t first_window, n_windows; /* of its hosts, in plan.windows */
    /* For warnings; no part of the plan's JSON, since nothing done depends on them. */
    bool optional;       /* may be empty */
    int64_t until_of;    /* how many hosts its until: means; 0 without one */
    char *only;          /* its own targets, or NULL */
};

struct tg_plan_limit {
    enum tg_limit_kind kind;
    char *name;              /* see struct tg_limit_spec */
    bool selector;
    struct tg_share share;
    size_t n_without;        /* hosts to be changed that have no such attribute: it does not hold them back */
};
struct tg_plan_domain {
    uint32_t limit;          /* in plan.limits */
    uint32_t n_hosts;        /* of the inventory, in the plan or not */
    uint32_t max;            /* so many of them may be down at once; at least 1, unless hosts are withdrawn */
    char *value;             /* of the attribute; "" of a selector */
};
#define TG_NO_DOMAIN UINT32_MAX

/* Hosts of a stage with the same windows: for the machine a domain that is full while it is closed. */
struct tg_plan_window {
    size_t stage;
    char *name;              /* of its rules, for people: "night of customer:acme" */
    int64_t need_ms;         /* a host starts only where so much is left: as long as most take, and to bring it back */
    uint32_t n_hosts;        /* of the plan */
};

struct tg_plan {
    char digest[TG_PLAN_DIGEST_SIZE];
    char *name;              /* of the rollout */
    char *driver;
    json_t *change;          /* owned */
    char *transport;         /* "ssh"; "local" for tests and one machine */
    char *targets;           /* selector, for people */
    size_t n_targets;        /* distinct hosts that targets matches: what shares are shares of */
    struct tg_plan_host *hosts; /* a host that is in a dry-run stage and in a changing one stands here twice */
    size_t n_hosts;
    struct tg_plan_stage *stages;
    size_t n_stages;
    int64_t running;         /* limits.running, limits.unverified: see run.h */
    int64_t unverified;      /* at least running */
    bool ignore_gone;        /* limits.down: ignore; hosts whose agents are gone don't count as down */
    struct tg_plan_limit *limits;
    size_t n_limits;
    struct tg_plan_domain *domains; /* of all limits, those that hosts to be changed are in */
    size_t n_domains;
    uint32_t *domain_of;     /* [host * n_limits + limit]: in plan.domains, or TG_NO_DOMAIN; NULL without limits. Hosts that are only dry-run are in none */
    struct tg_share failed;
    int64_t of_at_least;
    struct tg_share unreachable; /* failure.unreachable */
    int64_t retries, retry_wait_ms; /* failure.retries */
    int64_t decide_ms;       /* failure.decide-by */
    int64_t give_up_ms;      /* failure.give-up-by */
    enum tg_then then;
    json_t *rollback;        /* the driver's parameters for the way back, owned; NULL there is none */
    char *undoes;            /* the run that this plan rolls back (rollback.h), or takes out of service (withdraw.h); NULL */
    bool withdraws;          /* its hosts are not changed: they are drained, and stay so, locked, until somebody has them returned */
    char *mends;             /* the run whose withdrawn hosts these are (mend.h): they are out of service before, and until somebody has them returned; NULL */
    struct tg_around *around;
    size_t n_around;
    struct tg_verify *verify;
    size_t n_verify;
    struct tg_hours hours;   /* starts only then; days 0: at any time */
    /* The mode is part of what is approved. Who has which windows is not: the calendar is asked when a host is to start, and that it may not then is no other change. */
    enum tg_windows_mode windows_mode;
    char *windows_why;       /* of a run that ignores them; NULL */
    char windows_zone[TG_ZONE_NAME_SIZE]; /* the calendar's, for people; "" without windows */
    struct tg_plan_window *windows;
    size_t n_windows;        /* 0: any time will do, but for hours */
    uint32_t *window_of;     /* by host: in plan.windows, or TG_NO_DOMAIN (it is only dry-run); NULL without windows */
    int64_t estimate_ms;     /* how long a host takes; 0: not known */
    /* What the last runs took (history.h), for dates; no part of the plan's JSON, since nothing done depends on it. */
    int64_t learned_ms;      /* of a host, on the average; 0: nobody has looked, or there were none */
    int64_t learned_hosts, learned_runs;
    int64_t learned_p95_ms, learned_back_ms; /* what nearly all of them took, and nearly all ways back; 0: likewise */
    int64_t waits_ms;        /* what the steps of around wait at most, as their modules say; of a plan that was read: 0, nobody has looked */
    struct tg_windows *calendar; /* borrowed: asked for dates; NULL: nobody has looked */
    size_t n_left;           /* targets that no changing stage covers: a warning */
};

/* Compiles. Mistakes that only the fleet shows (a selector without hosts, an empty stage, until: that falls) go to problems,
 * with the stage's place; then TG_E_DATA. The rollout is copied from, not kept. transport: NULL for "ssh". */
int tg_plan_compile(const struct tg_rollout *rollout, const struct tg_inventory *inventory, const char *transport,
                    struct tg_problems *problems, struct tg_plan **out, struct tg_error *e);
void tg_plan_free(struct tg_plan *plan);
/* How often hosts of a stage must wait for each other by the domain that takes longest: 1 all may go at once, 40 one after another of 40. *out_domain is that one;
 * TG_NO_DOMAIN without limits. */
size_t tg_plan_rounds(const struct tg_plan *plan, size_t stage, size_t *out_domain);
/* "rack r7", or the selector. */
void tg_plan_domain_name(const struct tg_plan *plan, size_t domain, char *out, size_t size);
/* As JSON, with format number and digest: what the store keeps. New reference. The digest is over all that is in it but itself, with the
 * hosts of a stage as a digest of their own. */
json_t *tg_plan_to_json(const struct tg_plan *plan, struct tg_error *e);
/* Reads it back; refuses what does not have our format, or whose digest does not match its contents (edited by hand). TG_E_DATA. */
int tg_plan_from_json(const json_t *json, struct tg_plan **out, struct tg_error *e);

#endif
