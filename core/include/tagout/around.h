/*
 * What is done around the change of a host, and undone after it, elsewhere than on the host: it is taken out of a load balancer (drain), its alarms
 * are silenced (silence), its machine is given a snapshot (snapshot). The engine decides when, journals what it intends and what came of it, and sees
 * to it that all is undone in reverse on every way out (P8). A module knows one such system, and never acts on its own.
 *
 * Order, for each host: look, whose record the engine journals; act, with that record; keep, now and then, while the host is worked at; undo. Whoever
 * resumes a run whose controller died may call look, act or undo once more with the same tag: each is asked for twice without harm. What is found to be
 * so already and is not ours is left alone, by act and by undo: only what this tag made is undone.
 *
 * Asynchronous on the loop: each of these returns at once, and calls done exactly once later when it returned 0. Callbacks only record.
 */
#ifndef TAGOUT_AROUND_H
#define TAGOUT_AROUND_H

#include <tagout/driver.h>
#include <tagout/error.h>
#include <tagout/loop.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TG_AROUND_ABI 3
#define TG_AROUND_RECORD_SIZE 160 /* with its NUL */
#define TG_AROUND_TAG_SIZE 200
#define TG_AROUND_THING_SIZE 512 /* no name is longer: TG_E_DATA */

enum tg_around_what { TG_AROUND_DRAIN, TG_AROUND_SILENCE, TG_AROUND_SNAPSHOT, TG_AROUND_WHATS };
const char *tg_around_what_name(enum tg_around_what what); /* "drain", …: the key of a rollout below around: */

enum tg_around_verb {
    TG_AROUND_LOOK, /* reads only: what is there now, and whose */
    TG_AROUND_ACT,  /* brings it about, and proves it by reading back. With OURS, nothing more is to be waited for: a drained host has no connection left */
    TG_AROUND_KEEP, /* sees to it that it is still so, and lasts until context.until_ms: what the system itself forgot is done again, what a person took back is not */
    TG_AROUND_UNDO,
    TG_AROUND_VERBS
};
const char *tg_around_verb_name(enum tg_around_verb verb); /* "look", … */

/* Whose and what for. Strings are borrowed for the call; the module copies what it needs later. */
struct tg_around_context {
    const char *host;      /* inventory name */
    const char *address;   /* of the host; never NULL, its name when the inventory has none */
    const char *run_id;
    const char *lock_id;   /* of the run on this host; NULL: there is none any more */
    const char *who, *reason;
    const char *tag;       /* one a run, host and step of around, the same for ever: what is made carries it wherever there is room for it */
    const char *record;    /* what the last end of this tag gave; NULL: none */
    int64_t now_ms;        /* Unix time */
    int64_t until_ms;      /* Unix time: what can end by itself shall then, should nobody undo or keep it */
    bool failed;           /* undo: the host did not end well */
};

/*
 * How it ended. look and keep: ABSENT, OURS, OTHERS, REFUSED, NOT_SENT, LOST. act: OURS, OTHERS, REFUSED, NOT_SENT, LOST. undo: ABSENT, KEPT, REFUSED,
 * NOT_SENT, LOST. OURS of look says that there is something to undo, not that it is whole: only act proves that, so it is called for OURS, too.
 * ABSENT of keep: a person took it back, and it stays so.
 */
enum tg_around_end {
    TG_AROUND_ABSENT,   /* nothing of ours is in force (any more); the record says what was found instead */
    TG_AROUND_OURS,     /* in force, and to be undone */
    TG_AROUND_OTHERS,   /* in force, made by somebody else: nothing to undo */
    TG_AROUND_KEPT,     /* undo of what is kept on purpose (a snapshot of a host that failed): listed for people, with its mend */
    TG_AROUND_REFUSED,  /* answered no, or there is no such thing there; text says what and the mend. act: what there may be of it is undone */
    TG_AROUND_NOT_SENT, /* certainly nothing was done: worth another try */
    TG_AROUND_LOST      /* no answer, or one that proves nothing: look again */
};
const char *tg_around_end_name(enum tg_around_end end);

/* text: one line for people, may be "". record: what the engine journals and hands back, "" none; printable ASCII. Both live during the call. */
typedef void (*tg_around_fn)(void *data, enum tg_around_end end, const char *text, const char *record);

struct tg_around_params; /* the module's own, parsed from the rollout */
struct tg_around_impl;

struct tg_around_backend {
    uint32_t version;  /* TG_AROUND_ABI */
    const char *name;  /* "haproxy": the key below drain: */
    const char *about;
    enum tg_around_what what;
    /* As in struct tg_driver. Texts may hold {host}, {short} (the name up to its first dot) and {address}. */
    int (*params)(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *complain_data,
                  struct tg_around_params **out, struct tg_error *e);
    void (*params_free)(struct tg_around_params *params);
    /* One line for plans: "drain from haproxy, backend web". */
    void (*describe)(const struct tg_around_params *params, char *out, size_t size);
    /* The name of what would be acted upon for this host, such as a server of a backend or a virtual machine: where two hosts of one plan have the same, who ends
     * first would take away what the other still needs, so there is no such plan. Of the context only host and address are set. Pure, and called for each host of
     * a plan. TG_E_DATA: there can't be such a thing for this host; then there is no such plan either. NULL: what is made for one never stands in another's way. */
    int (*thing)(const struct tg_around_params *params, const struct tg_around_context *context, char *out, size_t size, struct tg_error *e);
    /* The command that undoes it by hand, for a host whose undo did not succeed; copied from the screen at night, so quoted for a shell. */
    void (*mend)(const struct tg_around_params *params, const struct tg_around_context *context, char *out, size_t size);
    /* params are borrowed and outlive it. close answers nothing more. */
    int (*open)(struct tg_loop *loop, const struct tg_around_params *params, struct tg_around_impl **out, struct tg_error *e);
    void (*close)(struct tg_around_impl *impl);
    int (*ask)(struct tg_around_impl *impl, enum tg_around_verb verb, const struct tg_around_context *context, tg_around_fn done, void *data, struct tg_error *e);
    /* How long act waits at most for what it can't hasten, such as the sessions of a host that is drained: for dates of plans that know no better. Pure. NULL: for nothing. */
    int64_t (*waits_ms)(const struct tg_around_params *params);
};

/* The backend by name, its module loaded if need be. TG_E_CONFIG with a hint when there is none of the kind. */
int tg_around_find(enum tg_around_what what, const char *name, const struct tg_around_backend **out, struct tg_error *e);

/*
 * For modules: {host}, {short} and {address} replaced; any other brace is a mistake that tg_around_template_ok() finds while reading. TG_E_DATA: it does
 * not fit size.
 */
bool tg_around_template_ok(const char *text);
int tg_around_template(const char *text, const struct tg_around_context *context, char *out, size_t size, struct tg_error *e);

#ifdef __cplusplus
}
#endif
#endif
