/*
 * Requests: wishes of a host, or of a person for it, to be maintained. All of a host's are one record, merged, with the times that they were given.
 *
 *   /requests             empty; made by init
 *   /requests/3f          empty; a bucket of hosts (guard/tree.h)
 *   /requests/3f/HOST     sealed: the open requests of the host, when they are due, what is under way, how the last ones ended and how long they took
 *
 * What the store holds is a name ("reboot"), never a command: what a name does is written in the host's own configuration (config/activities.h), and
 * a name that is not there is not done (P9).
 *
 * Requests of a host that disturb share one visit, and those that do not another one: the host goes out of service once, and its customer is told
 * once. A visit lies within what the agenda allows (P5), not before the customer has known for the lead time, and as far into the stretch that is open
 * as a hash of the host's name says. It keeps its time as long as that still fits; whoever changes the record lays it anew.
 *
 *   WAITING ── a time is found ──► SCHEDULED ── it has come ──► DUE ──► RUNNING ── 0 ──► done
 *      ▲                              │                          ▲         │ 75 ──► RETRY ── the next run-due ──► RUNNING
 *      └── overdue, 69, postponed ◄───┴──────────────────────────┘         │ 80, or broken off and not safe to repeat ──► HELD, for a person
 *                                                                          └ other ──► failed
 *
 * Pure but for what request_store.c does: no clock, no I/O.
 */
#ifndef TG_CALENDAR_REQUEST_H
#define TG_CALENDAR_REQUEST_H

#include "calendar/agenda.h"
#include "calendar/book_marks.h"
#include "guard/record.h"

#define TG_REQUESTS_PATH "/requests"
#define TG_REQUESTS_FORMAT 1
#define TG_REQ_ID_SIZE 9                          /* bucket, six of TG_ID_ALPHABET */
#define TG_REQ_UID_SIZE 64
#define TG_REQ_WHY_SIZE 201
#define TG_REQ_USUAL_SIZE 260
#define TG_REQ_BOOT_SIZE 40
#define TG_REQ_BASIS_SIZE 40
#define TG_ACTIVITY_SIZE 49
#define TG_REQUESTS_MAX 16                        /* open ones of one host: a record stays below 16 KB */
#define TG_REQ_PAST_MAX 10
#define TG_REQ_TOOK_MAX 10                        /* durations that are kept of an activity */
#define TG_REQ_TRIES_MAX 48                       /* of 75 in a row; then it has failed */
#define TG_REQ_ESTIMATE_MIN_MS INT64_C(60000)
#define TG_REQ_ESTIMATE_MAX_MS (INT64_C(7) * 86400000)
#define TG_REQ_GRACE_MS INT64_C(3600000)          /* it may begin this much later than it was to */
#define TG_REQ_SPREAD_MS (INT64_C(4) * 3600000)   /* of a stretch that is longer, or has no end, hosts share this much */
#define TG_REQ_LATE_MS INT64_C(900000)            /* begun later than this is worth telling */
#define TG_REQ_LAY_MS (INT64_C(6) * 3600000)      /* times are looked at again after this, whatever they were given by */
#define TG_REQ_AGAIN_MS INT64_C(86400000)         /* what has failed is not tried again before this */

enum tg_request_state { TG_REQ_WAITING, TG_REQ_SCHEDULED, TG_REQ_DUE, TG_REQ_RUNNING, TG_REQ_RETRY, TG_REQ_HELD };
enum tg_request_end { TG_REQ_DONE, TG_REQ_FAILED, TG_REQ_CANCELLED, TG_REQ_EXPIRED };
const char *tg_request_state_name(enum tg_request_state state); /* "waiting" … */
const char *tg_request_end_name(enum tg_request_end end);       /* "done" … */

struct tg_request {
    char id[TG_REQ_ID_SIZE];
    char activity[TG_ACTIVITY_SIZE];
    char owner[TG_OWNER_SIZE], reason[TG_REASON_SIZE];
    bool disruptive;
    enum tg_request_state state;
    int64_t estimate_ms;             /* as it was asked */
    int64_t added_ms, seen_ms;       /* seen: asked for last */
    int64_t expires_ms;              /* not asked for again for this long, it is needed no longer; 0: it stays */
    int64_t after_ms;                /* not before; 0 */
    int64_t began_ms;                /* RUNNING, RETRY, HELD: when it was begun last */
    int64_t tries;
    char boot[TG_REQ_BOOT_SIZE];     /* of its host when it was first asked for, there; "" elsewhere */
    char why[TG_REQ_WHY_SIZE];       /* it waits, is tried again or held; "" */
    int64_t usual_ms;                /* what it took on other hosts, as was known when it was given its time; 0: nobody knew */
    char usual_of[TG_REQ_USUAL_SIZE]; /* which: "group:web", "fleet" */
};
struct tg_request_past {
    char id[TG_REQ_ID_SIZE], activity[TG_ACTIVITY_SIZE];
    enum tg_request_end end;
    int64_t at_ms, took_ms;          /* took: 0 when it never ran */
    char by[TG_OWNER_SIZE], why[TG_REQ_WHY_SIZE];
};
struct tg_request_took {
    char activity[TG_ACTIVITY_SIZE];
    int64_t ms[TG_REQ_TOOK_MAX];     /* the last first */
    size_t n;
};

enum tg_visit_kind { TG_VISIT_QUIET, TG_VISIT_DISRUPTIVE, TG_VISITS };
struct tg_visit {
    int64_t start_ms, latest_ms, until_ms; /* 0: there is none. latest: it may still begin. until: over by then, as it was told */
    int64_t told_ms;                 /* when its customer was told of it; 0: nobody was */
    char uid[TG_REQ_UID_SIZE];       /* names it in what customers are told: the same through all changes of it */
};
/* What is under way on the host; began_ms 0: nothing. */
struct tg_visit_now {
    int64_t began_ms;
    char boot[TG_REQ_BOOT_SIZE];     /* of the host at that time */
    char lock[TG_LOCK_ID_SIZE];      /* which keeps others off the host */
    bool rebooting;                  /* something has been told to reboot the host, and said that it would */
    char customer[129];              /* whose the host was when it began: he is told of the end; "": nobody's */
    char week[TG_BOOK_KEY_SIZE];     /* the booked week in whose slot of this host something that disturbs was begun; "": none */
    struct tg_visit visit;
};

struct tg_requests {
    char host[TG_SCOPE_NAME_MAX + 1], customer[129];
    struct tg_request *v;            /* in the order of asking; room for TG_REQUESTS_MAX */
    size_t n;
    struct tg_visit visits[TG_VISITS];
    struct tg_visit_now now;
    int64_t laid_ms;                 /* when times were given last; 0: something waits for one */
    char basis[TG_REQ_BASIS_SIZE];   /* and by what (request_basis.h); "": that is not known */
    struct tg_request_past past[TG_REQ_PAST_MAX]; /* the last first */
    size_t n_past;
    struct tg_request_took took[TG_REQUESTS_MAX];
    size_t n_took;
    int64_t version;                 /* of its node, not in the record; -1: there is none yet */
    int64_t weeks_txid;              /* not in the record: of the list of booked weeks, when the record was read; 0: not known */
    bool was_held;                   /* not in the record: when it was read one was HELD (request_held.h) */
};
/* An empty one. TG_E_MEMORY. */
int tg_requests_init(struct tg_requests *out, const char *host, struct tg_error *e);
void tg_requests_release(struct tg_requests *r);
/* The record; free(). NULL: memory. And back: TG_E_DATA damaged, TG_E_UNKNOWN a newer tagout's; nothing of *out is then to be released. */
char *tg_requests_encode(const struct tg_requests *r);
int tg_requests_decode(const char *text, size_t len, struct tg_requests *out, struct tg_error *e);

/* An activity's name: [a-z0-9][a-z0-9._-]*. TG_E_USAGE. */
int tg_activity_check(const char *name, struct tg_error *e);
/* "3FK7QXAB" of a host, in any case → upper case and its bucket. false: it is none. */
bool tg_request_id_parse(const char *text, char out[TG_REQ_ID_SIZE], char out_bucket[3]);
/* By id or by activity; NULL. */
struct tg_request *tg_requests_find(const struct tg_requests *r, const char *what);
/*
 * What it is reckoned to take: the 95th percentile of the last ten on this host, once there are three; else that of a group of it; else that of the fleet, and no less than was asked; else as
 * asked. No less than the longest that is known of this host.
 */
int64_t tg_request_expected_ms(const struct tg_requests *r, const struct tg_request *q);
/* Where that comes from: "this host", "group:web", "fleet", "asked". */
const char *tg_request_expected_of(const struct tg_requests *r, const struct tg_request *q);
/* The sum of those of a kind that are open and not under way; 0: there are none. */
int64_t tg_requests_need_ms(const struct tg_requests *r, enum tg_visit_kind kind);

/* --- what customers are told --- */

enum tg_request_tell { TG_REQ_TELL_SCHEDULED, TG_REQ_TELL_CHANGED, TG_REQ_TELL_CANCELLED, TG_REQ_TELL_LATE, TG_REQ_TELL_DONE };
struct tg_request_news {
    enum tg_request_tell tell;
    struct tg_visit visit;
    char what[256];                  /* activities: "reboot, update" */
    char customer[129];              /* who is told; "": whose the host is */
};
#define TG_REQ_NEWS_MAX 4            /* of one change */
/* What the audit is to say (guard/audit.c), in the same transaction. */
struct tg_request_deed {
    const char *verb;                /* "req-submit" …: static */
    char id[TG_REQ_ID_SIZE], activity[TG_ACTIVITY_SIZE], owner[TG_OWNER_SIZE], why[TG_REQ_WHY_SIZE];
};
#define TG_REQ_DEEDS_MAX TG_REQUESTS_MAX
struct tg_request_newses {
    struct tg_request_news v[TG_REQ_NEWS_MAX];
    size_t n;
    struct tg_request_deed deeds[TG_REQ_DEEDS_MAX];
    size_t n_deeds;
    char week[TG_BOOK_KEY_SIZE];     /* whose slot of the host begins or ends (calendar/book_marks.h); "": none does */
    struct tg_mark mark;
};
/* verb: static, at most 15 letters. why is shown as it is: no control characters. */
void tg_requests_audit(struct tg_request_newses *news, const char *verb, const struct tg_request *q, const char *why);

/* --- changes. Each may be done twice --- */

/* When may it be? fits: as tg_agenda_fits(). */
struct tg_request_when {
    int (*fits)(void *self, int64_t t_ms, int64_t need_ms, struct tg_fit *out, struct tg_error *e);
    void *self;
    int64_t lead_ms;                 /* how long ahead the customer wants to know */
    const char *customer;            /* whose the host is; "" nobody's */
    /* How long an activity takes on other hosts, and which (request_usual.h); 0: nobody knows. NULL: nobody is asked. */
    int64_t (*usual)(void *self, const char *activity, char of[TG_REQ_USUAL_SIZE]);
    const char *basis;               /* what it is made of (request_basis.h); NULL or "": that is not known */
    const char *week;                /* the booked week in whose slot of the host it was asked (its key); NULL or "": none */
};

struct tg_request_wish {
    const char *activity, *owner, *reason; /* reason may be "" */
    const char *boot;                /* this boot's id when it is asked for on the host itself; "" */
    bool disruptive;
    int64_t estimate_ms, expires_ms;
    int64_t after_ms;
};
enum tg_request_was { TG_REQ_NEW, TG_REQ_SAME, TG_REQ_UPDATED };
/*
 * An open request of the same activity is the same one: the owner's last word counts, another's only adds to it. SAME: nothing is to be written. *out
 * is r's. TG_E_USAGE: too many. Lay the visits afterwards.
 */
int tg_requests_submit(struct tg_requests *r, const struct tg_request_wish *wish, int64_t now_ms, enum tg_request_was *out_was, struct tg_request **out,
                       struct tg_error *e);
/* TG_E_NOENT: there is none. TG_E_HELD: it runs. A HELD one goes. */
int tg_requests_cancel(struct tg_requests *r, const char *what, const char *by, const char *why, int64_t now_ms, struct tg_error *e);
/* Not before until_ms; also for a HELD one, which is tried again then. TG_E_NOENT, TG_E_HELD. */
int tg_requests_postpone(struct tg_requests *r, const char *what, const char *by, const char *why, int64_t until_ms, struct tg_error *e);
/* Drops what nobody has asked for again in time, and a reboot that has happened meanwhile (boot: this one's id; ""). How many. */
size_t tg_requests_tidy(struct tg_requests *r, const char *boot, int64_t now_ms);
/* Gives what is open its times; keeps those that still fit. TG_E_DATA …: it can't be known when, and nothing is changed. */
int tg_requests_lay(struct tg_requests *r, const struct tg_request_when *when, int64_t now_ms, struct tg_request_newses *news, struct tg_error *e);

/* --- carrying out --- */

enum tg_requests_turn {
    TG_TURN_NOTHING,                 /* nothing is due */
    TG_TURN_UNDER_WAY,               /* something was begun, and is not over */
    TG_TURN_BLOCKED,                 /* one is held for a person: nothing begins */
    TG_TURN_DUE,                     /* a visit's time has come */
    TG_TURN_LAY                      /* a time was missed, or something has none: lay anew */
};
enum tg_requests_turn tg_requests_turn(const struct tg_requests *r, int64_t now_ms);
/* What the visits that are due take; with_quiet: and what would not disturb anyway and may be done already. */
enum tg_requests_whom { TG_REQ_WHOM_DUE, TG_REQ_WHOM_QUIET_TOO };
int64_t tg_requests_due_ms(const struct tg_requests *r, enum tg_requests_whom whom, int64_t now_ms);
/* These begin: they become DUE, and their visits are under way. week: as in tg_request_when. */
void tg_requests_begin(struct tg_requests *r, enum tg_requests_whom whom, const char *boot, const char *lock, const char *week, int64_t now_ms, struct tg_request_newses *news);
/* What of the visit that is under way is yet to be done. */
int64_t tg_requests_left_ms(const struct tg_requests *r);
/* The one to run now, of those that are DUE or to be tried again: the least of rank, < 0 not at all. NULL: none is left. */
struct tg_request *tg_requests_next(const struct tg_requests *r, int (*rank)(void *data, const struct tg_request *q), void *data);
/* Intent: it is about to be run. */
void tg_requests_start(struct tg_request *q, int64_t now_ms);
enum { TG_REQ_EXIT_DONE = 0, TG_REQ_EXIT_POSTPONE = 69, TG_REQ_EXIT_RETRY = 75, TG_REQ_EXIT_UNSAFE = 80 };
/* Outcome: its exit status (or, of one that was broken off, RETRY or UNSAFE), and a sentence about it. Its host's way of taking is learned. */
void tg_requests_outcome(struct tg_requests *r, struct tg_request *q, int status, const char *why, int64_t now_ms, struct tg_request_newses *news);
/* The visit is over: what is left of it waits anew. False: one is HELD, so the host stays out of service, and its lock where it is. */
bool tg_requests_leave(struct tg_requests *r, int64_t now_ms, struct tg_request_newses *news);
bool tg_requests_has(const struct tg_requests *r, enum tg_request_state state);

#endif
