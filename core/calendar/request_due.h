/*
 * Carrying out what is due on this host: the steps of `tagout request run-due`.
 *
 *   1  the host's record is read, in one round trip, and whether other weeks are booked; nothing is due, and what times were given by is as it was: that was all
 *   2  is it the time? asked of calendar and booked weeks, read anew, and of two clocks: this host's and the store's must agree
 *   3  would a permit be given, and is there room among the hosts that share its fate? somebody else's lock is waited for, until it is too late, and then for the next window
 *   4  intent, on this host's disk: who asks for the lock, and its token
 *   5  a lock on the host: others keep off, and those in flight are waited for. It stays, whatever becomes of this process or this host (P3)
 *   6  is there still room? of two that locked their hosts at one moment the first one's lock counts for the second, which goes back; is it still the time? (step 2 again: 5 may
 *      have taken long)
 *   7  intent, in the store: the visit is under way; in the same transaction, customers are told when that is late
 *   8  for each: intent in the store; a permit, which passes the own lock and no other; the command; its outcome in the store
 *   9  the visit is over, in the store; the lock goes; the note of 4 goes
 *
 * Broken off anywhere, the next one finds in the note and the record what was begun: before 7 nothing was, and the lock goes. From 8 on what runs is
 * done when the host has rebooted since and that is what it was for; else it is run again if its activity says repeat, or is held for a person. No
 * two are at it at once: a locked file, which the keeper of a command keeps locked as long as that runs, whatever became of us.
 *
 * The clock, the commands and the calendar are ports, so that all of this can be tried at every step.
 */
#ifndef TG_CALENDAR_REQUEST_DUE_H
#define TG_CALENDAR_REQUEST_DUE_H

#include "calendar/request_store.h"
#include "config/activities.h"

#define TG_DUE_REBOOT_MS INT64_C(900000)  /* a reboot that was asked for begins within this */

/* How a command went: its exit status, or a code. */
struct tg_due_act {
    const char *const *argv;
    const char *actor, *what;      /* of the permit */
    const char *token;             /* of the host's lock */
    const char *request;           /* its id; "" for enter and leave */
    int64_t tries, timeout_ms;
};

struct tg_due {
    struct tg_guard *guard;
    const struct tg_scopes *scopes; /* this host with its groups */
    const char *host, *owner, *state_dir;
    const char *boot;               /* this boot's id */
    const struct tg_activities *activities;
    int64_t lock_wait_ms;           /* for those in flight */
    void *self;
    /* When may it be? Read anew at each call; what an earlier call gave is of no use then. */
    int (*when)(void *self, struct tg_request_when *out, struct tg_error *e);
    /* What that is made of now, the booked weeks being as of this transaction (request_basis.h). No round trip. A failure: nothing is known to have changed. NULL: nobody asks. */
    int (*basis)(void *self, int64_t weeks_txid, char out[TG_REQ_BASIS_SIZE], struct tg_error *e);
    /* Runs it to its end. 0: *out_status is what it ended with. TG_E_HELD, TG_E_UNKNOWN: no permit, it was not begun. TG_E_CONFIG: it can't be begun.
     * TG_E_TIMEOUT, TG_E_SESSION, TG_E_CANCELLED: it was stopped. */
    int (*act)(void *self, const struct tg_due_act *act, int *out_status, struct tg_error *e);
    /* May it go down beside those that are down already (engine/room.h)? own, before_txid: of the lock that does not count; "" and 0: it has none yet. TG_E_HELD: not now, and why. NULL: it may. */
    int (*room)(void *self, const char *own, int64_t before_txid, struct tg_error *e);
    void (*took)(void *self, const char *activity, int64_t ms); /* one was done, and took so long: for other hosts to know. NULL */
    void (*tell)(void *self, const char *line);    /* for people */
    bool (*dies)(void *self, const char *step);    /* tests: this process is gone at that step; NULL */
};

struct tg_due_report {
    int64_t done, failed, postponed, retry, held;
    bool rebooting, moved, waiting; /* waiting: it is due, and something is in the way */
    int64_t next_ms;                /* when the next visit begins; 0 none */
};
/*
 * 0: what was due was seen to, report says how. TG_E_UNKNOWN and its kin: it is not known, nothing more was begun. TG_E_HELD: another is at work here, or
 * a lock of somebody's is in the way. Blocks as long as the commands take.
 */
int tg_requests_run_due(const struct tg_due *due, struct tg_due_report *out, struct tg_error *e);

/* What is under way on this host, on its own disk; for its owner alone. */
struct tg_due_note {
    char host[TG_SCOPE_NAME_MAX + 1];
    char request[TG_REQUEST_ID_SIZE];  /* who asked for the lock */
    char lock[TG_LOCK_ID_SIZE];        /* "": it is not known yet */
    char token[TG_TOKEN_SIZE];
};
/* "STATE_DIR/requests.json" */
void tg_due_note_file(const char *state_dir, char *out, size_t size);
/* TG_E_NOENT: there is none. TG_E_UNKNOWN: it can't be understood. */
int tg_due_note_read(const char *state_dir, struct tg_due_note *out, struct tg_error *e);
int tg_due_note_write(const char *state_dir, const struct tg_due_note *note, struct tg_error *e);
void tg_due_note_remove(const char *state_dir);
/* From its text: TG_E_DATA. */
int tg_due_note_decode(const char *text, size_t len, struct tg_due_note *out, struct tg_error *e);

#endif
