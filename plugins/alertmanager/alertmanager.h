/*
 * The module "alertmanager": alarms of a host are silenced while it is worked at. Its API, v2. What is read (params.c, silences.c) and decided (op.c) is
 * pure; module.c sends it. A silence is short, and renewed by keep: should nobody be left to end it, it ends by itself.
 */
#ifndef TAGOUT_ALERTMANAGER_H
#define TAGOUT_ALERTMANAGER_H

#include <tagout/around.h>

#include <stdbool.h>

#define TG_AM_MATCHERS 16
#define TG_AM_OURS_MAX 32          /* silences of one tag: one, or a few after answers were lost */
#define TG_AM_ANSWER_MAX (8u << 20) /* bytes */
#define TG_AM_TURN_MS 10000        /* of one request */
#define TG_AM_ID_SIZE 64

struct tg_am_matcher {
    char *name, *value; /* value: with {host} and the like */
    bool regex, equal;
};

struct tg_around_params {
    char *url; /* without a slash at its end */
    struct tg_am_matcher matchers[TG_AM_MATCHERS];
    size_t n;
    char *comment, *auth_file;
    int64_t for_ms;
};
int tg_am_params(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *data, struct tg_around_params **out,
                 struct tg_error *e);
void tg_am_params_free(struct tg_around_params *p);
void tg_am_describe(const struct tg_around_params *p, char *out, size_t size);
void tg_am_mend(const struct tg_around_params *p, const struct tg_around_context *c, char *out, size_t size);

/* The matchers for this host, as a silence has them; names are escaped in regular expressions. NULL: e says why. */
json_t *tg_am_matchers(const struct tg_around_params *p, const struct tg_around_context *c, struct tg_error *e);
/* What the comment of a silence of this tag begins with. */
void tg_am_marker(const char *tag, char *out, size_t size);

struct tg_am_silence {
    char id[TG_AM_ID_SIZE];
    char starts[40];         /* as it was told */
    int64_t ends_ms;
    bool expired, same;      /* same: it has the matchers that were asked for */
};
/*
 * Those of an answer whose comment begins with marker, at most max; the number of them in *out_n. False: it is none of an Alertmanager's answers, why says.
 */
bool tg_am_silences(const char *body, size_t len, const char *marker, const json_t *matchers, struct tg_am_silence *out, size_t max, size_t *out_n,
                    char *why, size_t size);
/* The id in the answer to a POST. */
bool tg_am_posted(const char *body, size_t len, char *id, size_t size);
/* What an error's body says: one line, printable. */
void tg_am_said(const char *body, size_t len, char *out, size_t size);
bool tg_am_is_id(const char *text);

enum tg_am_phase { TG_AM_LIST, TG_AM_POST, TG_AM_DELETE, TG_AM_PROOF, TG_AM_ENDED };
enum tg_am_came { TG_AM_ANSWERED, TG_AM_AWAY /* nothing was sent */, TG_AM_SILENT };

/* One call. */
struct tg_am_op {
    const struct tg_around_params *params;
    enum tg_around_verb verb;
    enum tg_am_phase phase;
    json_t *matchers;
    char *list, *comment, *who; /* list: path and query of what is asked for */
    char marker[TG_AROUND_TAG_SIZE + 16];
    int64_t now_ms, want_ms;    /* until when it shall last */
    char id[TG_AM_ID_SIZE];     /* ours, by the record or by what was answered */
    int64_t ends_ms;            /* as we set it last */
    struct tg_am_silence ours[TG_AM_OURS_MAX];
    size_t n, at;               /* at: which one is ended now */
    size_t kept;                /* the one that stays; n: none */
    char trouble[300];          /* of an order whose answer was no success */
    enum tg_around_end trouble_end;
    enum tg_around_end end;
    char text[400], record[TG_AROUND_RECORD_SIZE];
};
int tg_am_begin(struct tg_am_op *op, const struct tg_around_params *p, enum tg_around_verb verb, const struct tg_around_context *c, struct tg_error *e);
void tg_am_release(struct tg_am_op *op);
/* The next request: its method, its path and its body (to be freed; NULL none). False: it has ended. */
bool tg_am_next(const struct tg_am_op *op, const char **method, char *path, size_t size, char **body);
void tg_am_heard(struct tg_am_op *op, enum tg_am_came came, long status, const char *body, size_t len, const char *why);

#endif
