/*
 * The module "haproxy": servers are taken out of HAProxy's backends over its Runtime API, and put back. What is decided (decide.c, record.c) and read
 * (params.c, answer.c) is pure; talk.c carries one command a connection, module.c joins them.
 */
#ifndef TAGOUT_HAPROXY_H
#define TAGOUT_HAPROXY_H

#include <tagout/around.h>

#include <stdbool.h>
#include <stdint.h>

#define TG_HAPROXY_SOCKETS 8       /* load balancers that must agree: as many as a record has room for */
#define TG_HAPROXY_NAME_SIZE 256
#define TG_HAPROXY_ANSWER_MAX (16u << 20) /* bytes: some 20,000 servers in one backend */
#define TG_HAPROXY_TURN_MS 5000    /* of one connection, from the look for its address to the end of the answer */

struct tg_around_params {
    char *sockets[TG_HAPROXY_SOCKETS]; /* a path, or HOST:PORT */
    size_t n;
    char *backend, *server;
    int64_t wait_ms;
    bool go_on_timeout, maint, percent;
    int64_t floor; /* servers, or a share of 100 */
};

int tg_haproxy_params(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *data, struct tg_around_params **out,
                      struct tg_error *e);
void tg_haproxy_params_free(struct tg_around_params *p);
void tg_haproxy_describe(const struct tg_around_params *p, char *out, size_t size);
void tg_haproxy_mend(const struct tg_around_params *p, const struct tg_around_context *c, char *out, size_t size);
/* The server's name for this host. TG_E_DATA: HAProxy can have none of that name. */
int tg_haproxy_server(const struct tg_around_params *p, const struct tg_around_context *c, char *out, size_t size, struct tg_error *e);

/* Which process of HAProxy answered: what it was told is lost with it. */
struct tg_haproxy_process {
    int64_t pid, start_s; /* Unix time by its own clock */
    bool rough;           /* an old one that only says how long it has run: start_s is right within seconds */
};
bool tg_haproxy_same(const struct tg_haproxy_process *a, const struct tg_haproxy_process *b);

/* What one load balancer says of one server, and of the others of its backend. */
struct tg_haproxy_seen {
    struct tg_haproxy_process process;
    unsigned admin; /* bits, as in srv_admin_state */
    bool up, backup;
    int64_t weight, id;
    int64_t sessions;  /* and requests that queue for it */
    int others, total; /* ready and up, without it; all, with it. Backups and unused slots of templates apart */
};
enum tg_haproxy_read {
    TG_HAPROXY_READ,
    TG_HAPROXY_NONE,   /* it has no such server or backend: text */
    TG_HAPROXY_GARBAGE, /* it is none of HAProxy's answers: text */
    TG_HAPROXY_CUT /* it begins like one, but is not whole: text */
};
/* Reads the answer to tg_haproxy_question(). now_s: Unix time. */
enum tg_haproxy_read tg_haproxy_answer(const char *text, size_t len, const char *backend, const char *server, int64_t now_s, struct tg_haproxy_seen *out,
                                       char *why, size_t size);
/* id 0: all servers; else what is told of sessions is told of that one only. */
void tg_haproxy_question(const char *backend, int64_t id, char *out, size_t size);

/* What is known of whose it is, on one load balancer. */
enum tg_haproxy_whose {
    TG_HAPROXY_NOBODY = '-',
    TG_HAPROXY_WAS_READY = 'r', /* ready when it was looked at: what is found as we set it later, we have set */
    TG_HAPROXY_OURS = 'o',
    TG_HAPROXY_OTHERS = 'x',
    TG_HAPROXY_TAKEN_BACK = 't' /* ours, but somebody set it ready */
};
struct tg_haproxy_mark {
    enum tg_haproxy_whose whose;
    struct tg_haproxy_process process; /* in which that was seen */
};
int tg_haproxy_record_read(const char *record, size_t n, struct tg_haproxy_mark *out, struct tg_error *e); /* NULL or "": all NOBODY */
void tg_haproxy_record_write(const struct tg_haproxy_mark *marks, size_t n, char *out, size_t size);

enum tg_haproxy_todo { TG_HAPROXY_ASK, TG_HAPROXY_SET, TG_HAPROXY_PAUSE, TG_HAPROXY_END };
enum tg_haproxy_came { TG_HAPROXY_ANSWERED, TG_HAPROXY_AWAY /* nothing was sent */, TG_HAPROXY_SILENT /* sent, but no whole answer */ };

struct tg_haproxy_balancer {
    struct tg_haproxy_mark mark;
    struct tg_haproxy_seen seen;
    bool wanted;        /* in the round of orders that goes on */
    bool ordered;       /* in this call: it may be out by us */
    bool was_up;        /* before that */
    enum tg_haproxy_came came, order_came; /* of the last question, and the last order */
    enum tg_haproxy_read read;
    char why[200];      /* why there is no answer to the question */
    char refused[200];  /* what was said to the order; "": it was followed */
};

enum tg_haproxy_phase { TG_HAPROXY_FIRST, TG_HAPROXY_ORDERS, TG_HAPROXY_PROOF, TG_HAPROXY_WAITING, TG_HAPROXY_BACK, TG_HAPROXY_BACK_PROOF, TG_HAPROXY_ENDED };

/* One call, on all load balancers. */
struct tg_haproxy_op {
    const struct tg_around_params *params;
    enum tg_around_verb verb;
    char server[TG_HAPROXY_NAME_SIZE];
    struct tg_haproxy_balancer lb[TG_HAPROXY_SOCKETS];
    enum tg_haproxy_phase phase;
    size_t at;            /* the load balancer that is asked or ordered now */
    int64_t deadline_ms;  /* of the wait for sessions: monotonic; 0 not begun */
    int64_t pause_ms;
    bool pausing;
    int rounds;           /* restarts that were met */
    /* END: */
    enum tg_around_end end;
    char text[400], record[TG_AROUND_RECORD_SIZE];
};
int tg_haproxy_begin(struct tg_haproxy_op *op, const struct tg_around_params *p, enum tg_around_verb verb, const struct tg_around_context *c,
                     struct tg_error *e);
/* What is to be done now: on op->at; command for ASK and SET. PAUSE: for op->pause_ms, then tg_haproxy_paused(). */
enum tg_haproxy_todo tg_haproxy_next(const struct tg_haproxy_op *op, char *command, size_t size);
/* What came of it. answer: ANSWERED; why: not. */
void tg_haproxy_heard(struct tg_haproxy_op *op, enum tg_haproxy_came came, const char *answer, size_t len, const char *why, int64_t mono_ms, int64_t now_s);
void tg_haproxy_paused(struct tg_haproxy_op *op);
/* From its first question to the proof of its orders an act counts who is left: no other one may be between. */
bool tg_haproxy_is_counting(const struct tg_haproxy_op *op);

/* Between op.c and decide.c: */
bool tg_haproxy_seen(const struct tg_haproxy_balancer *b); /* it answered the last question, and told of the server */
void tg_haproxy_next_order(struct tg_haproxy_op *op);      /* to the next wanted load balancer; without one, all are asked what came of it */
void tg_haproxy_all_asked(struct tg_haproxy_op *op, int64_t mono_ms);

/* One command on a connection of its own. */
struct uv_loop_s;
struct tg_haproxy_talk;
typedef void (*tg_haproxy_talk_fn)(void *data, enum tg_haproxy_came came, const char *answer, size_t len, const char *why);
/* Calls done once, later, unless it is ended before. NULL: out of memory. *open is the count of what libuv still holds. */
struct tg_haproxy_talk *tg_haproxy_talk(struct uv_loop_s *uv, const char *socket, const char *command, int *open, tg_haproxy_talk_fn done, void *data);
void tg_haproxy_talk_end(struct tg_haproxy_talk *t);

#endif
