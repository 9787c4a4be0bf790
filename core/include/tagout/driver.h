/*
 * A driver knows one configuration management tool. It is a table of pure functions: parameters in a rollout → a request
 * (what to run, what to bring back); what came back → an outcome with a sentence for people. No I/O, no clock, no globals: this
 * is what lets the simulator, the tests and a resumed run use the very same code.
 */
#ifndef TAGOUT_DRIVER_H
#define TAGOUT_DRIVER_H

#include <tagout/error.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TG_DRIVER_ABI 3
#define TG_REQUEST_ARGS_MAX 64
#define TG_REQUEST_FILES_MAX 8

/*
 * STATUS: busy, disabled, or unchanged ("idle"). DISABLE and ENABLE: changed, unchanged when it is so already, and disabled when another
 * has switched the tool off, which is respected. FACTS: unchanged, with the tool's version. REBOOT_NEEDED: would-change when one is due.
 */
enum tg_verb { TG_VERB_STATUS, TG_VERB_DRY_RUN, TG_VERB_APPLY, TG_VERB_DISABLE, TG_VERB_ENABLE, TG_VERB_FACTS, TG_VERB_REBOOT_NEEDED, TG_VERB_COUNT };
const char *tg_verb_name(enum tg_verb verb);

/* What the verbs of a driver are asked with. Strings are borrowed for the call. */
struct tg_request_context {
    const char *host;     /* inventory name */
    const char *lock_id;  /* the run's lock on it, or NULL: disable and enable name it */
    const char *reason;   /* for disable */
    const char *who;      /* owner, for disable */
    const char *run_id;
    const char *const *hosts; /* of a central driver: all that are meant, host is the first; NULL otherwise */
    size_t n_hosts;
};

/*
 * What to do on the host. The strings are the request's own: tg_request_release(). The caller runs argv as root there (bare
 * mode: through "sudo -n"), with env added to a clean environment, and then collects the files.
 */
struct tg_request {
    char *argv[TG_REQUEST_ARGS_MAX + 1];   /* argv[0] may be a bare name: looked up in the host's root PATH */
    char *env[TG_REQUEST_ARGS_MAX + 1];    /* "NAME=value" */
    struct {
        char *path;                        /* absolute; brought back when it exists and was modified since the start */
        size_t max_bytes;
    } files[TG_REQUEST_FILES_MAX];
    size_t n_files;
    bool changes;                          /* may change the host: it runs detached, under its step's id, and is found again */
    int64_t timeout_ms;                    /* of the whole on the host; 0: the caller's default */
};
int tg_request_arg(struct tg_request *r, const char *format, ...) __attribute__((format(printf, 2, 3))); /* 0 or TG_E_MEMORY */
int tg_request_env(struct tg_request *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
int tg_request_file(struct tg_request *r, const char *path, size_t max_bytes);
void tg_request_release(struct tg_request *r);

/* What came back. Borrowed for the call. */
struct tg_answer {
    const char *host;      /* as in the request's context */
    int status;            /* exit status 0..255; 128+n when signal n killed it */
    const char *out, *err; /* NUL-terminated */
    size_t out_len, err_len;
    int64_t started_ms;    /* by the host's own wall clock: compare with times in reports */
    int64_t ended_ms;
    struct {
        const char *path;
        const char *data;
        size_t len;
        bool truncated;
        int64_t modified_ms; /* host's wall clock */
    } files[TG_REQUEST_FILES_MAX];
    size_t n_files;
};

enum tg_outcome_kind {
    TG_OUTCOME_UNCHANGED,    /* looked, and it is as wished */
    TG_OUTCOME_CHANGED,
    TG_OUTCOME_WOULD_CHANGE, /* dry-run; diff tells */
    TG_OUTCOME_BUSY,         /* a run is in progress: try again later */
    TG_OUTCOME_DISABLED,     /* switched off on the host, by somebody else */
    TG_OUTCOME_HELD,         /* a guard said HELD or UNKNOWN there */
    TG_OUTCOME_FAILED,
    TG_OUTCOME_UNKNOWN       /* can't be told (no report, nothing was looked at): never taken for fine */
};
const char *tg_outcome_name(enum tg_outcome_kind kind); /* "unchanged", "changed", "would-change", … */
int tg_outcome_parse(const char *name, enum tg_outcome_kind *out); /* 0 or TG_E_DATA */

/* One thing that (would) change. */
#define TG_OUTCOME_ITEMS_MAX 200
struct tg_outcome_item {
    char *what;         /* a path, else what the tool calls it: "Package[openssl]", "service.running nginx" */
    int added, removed; /* lines of text; -1 not told */
    int corrective;     /* 1 it would undo a manual change, 0 it would not, -1 the tool can't tell */
};

struct tg_outcome {
    enum tg_outcome_kind kind;
    int changed;        /* resources changed, or that would change; -1 unknown */
    int failed;         /* resources that failed; -1 unknown */
    int corrective;     /* of changed: would undo a manual change; -1 unknown */
    char text[512];     /* one line for people: "puppet: Could not find package openssl 3.0.19 (exit 4)" */
    char *diff;         /* malloc'ed, or NULL: what (would) change, several lines; tg_outcome_release() */
    char version[128];  /* configuration version that was applied, "" unknown */
    struct tg_outcome_item *items; /* at most TG_OUTCOME_ITEMS_MAX of what changed says; may be fewer, or none */
    size_t n_items;
};
void tg_outcome_release(struct tg_outcome *outcome);
/*
 * For drivers: adds what (would) change; the same thing twice is one, its lines added up, corrective when one of them is. Bytes that
 * could harm a terminal are replaced. Short memory and too many only leave things out.
 */
void tg_outcome_item(struct tg_outcome *outcome, const char *what, int added, int removed, int corrective);
/* Sets kind and text; the text's control characters are replaced. */
void tg_outcome_say(struct tg_outcome *outcome, enum tg_outcome_kind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* FAILED, with "TOOL: ended after N s, its time-out": N as it was, for the caller's own time-out may be shorter than most_ms, the parameter's. */
void tg_outcome_say_timeout(struct tg_outcome *outcome, const char *tool, const struct tg_answer *answer, int64_t most_ms);
/* Lines of a unified diff that begin with + and -, its head apart. */
void tg_diff_count(const char *diff, int *out_added, int *out_removed);

/* REBOOT_NEEDED is the distribution's matter, not the tool's: what is run (Debian's and Red Hat's ways), and what it said. */
int tg_reboot_request(struct tg_request *out, struct tg_error *e);
void tg_reboot_answer(const struct tg_answer *answer, struct tg_outcome *out);

/*
 * Reading parameters: each value that ends up on a host's command line is held to a shape. What does not fit is complained of, and
 * counted in mistakes; *out is then untouched. path is a JSON pointer below the driver's key.
 */
struct tg_params {
    const char *driver;
    void (*complain)(void *data, const char *path, const char *message);
    void *data;
    int mistakes;
};
#define TG_PARAMS_WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
void tg_params_mistake(struct tg_params *p, const char *path, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A word of the bytes allowed, not beginning with "-"; shape says which: "the name of an environment". */
void tg_params_word(struct tg_params *p, const char *path, const json_t *v, const char *allowed, const char *shape, char **out);
void tg_params_path(struct tg_params *p, const char *path, const json_t *v, char **out);
/* A word or a list of them, joined; allowed NULL: absolute paths. */
void tg_params_list(struct tg_params *p, const char *path, const json_t *v, const char *allowed, const char *shape, char glue, char **out);
void tg_params_duration(struct tg_params *p, const char *path, const json_t *v, int64_t *out_ms); /* a second or more */
void tg_params_bool(struct tg_params *p, const char *path, const json_t *v, bool *out);
/* A mapping as JSON in one line, at most 3 KB, for tools that take such an argument. */
void tg_params_object(struct tg_params *p, const char *path, const json_t *v, char **out);
/* 0, or TG_E_DATA with how many mistakes there were. */
int tg_params_end(const struct tg_params *p, struct tg_error *e);

struct tg_driver_params; /* the driver's own, parsed from the rollout */

struct tg_driver {
    uint32_t version;   /* TG_DRIVER_ABI */
    const char *name;   /* "puppet": the key below change: */
    const char *about;
    unsigned verbs;     /* bit (1u << enum tg_verb) for each that it has */
    /*
     * Reads the value of the driver's key. Reports each mistake through complain (several are welcome; path is a JSON pointer below
     * the value, "/tags/0", or "" for the whole), and then returns TG_E_DATA.
     */
    int (*params)(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *complain_data,
                  struct tg_driver_params **out, struct tg_error *e);
    void (*params_free)(struct tg_driver_params *params);
    /* One line for plans: "puppet, environment production, tags openssl". */
    void (*describe)(const struct tg_driver_params *params, char *out, size_t size);
    int (*request)(const struct tg_driver_params *params, enum tg_verb verb, const struct tg_request_context *context,
                   struct tg_request *out, struct tg_error *e);
    int (*answer)(const struct tg_driver_params *params, enum tg_verb verb, const struct tg_answer *answer, struct tg_outcome *out,
                  struct tg_error *e);
    /*
     * Whether a dry-run with these parameters is made on the machine where it is asked for, as the user who asks, for many hosts at once: one request for
     * context.hosts, whose argv reads an environment from its stdin ("NAME=value" a line, up to its end), and the same answer is then read once
     * for each host. Nothing but DRY_RUN is asked like that. NULL: never.
     */
    bool (*is_central)(const struct tg_driver_params *params);
};

/* The driver by name, its module loaded if need be. Static. TG_E_CONFIG with a hint when there is none. */
int tg_driver_find(const char *name, const struct tg_driver **out, struct tg_error *e);

#ifdef __cplusplus
}
#endif
#endif
