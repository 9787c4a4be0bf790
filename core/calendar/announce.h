/*
 * Announcements: what customers are told of maintenance. Who changes something that a customer is to know of puts a note into the store, in the same
 * transaction as the change itself, so that there is never one without the other; `tagout announce send` makes mails and webhook calls of it.
 *
 *   /announcements/new/2a/ID      a note (this file), one node each and never changed: who puts it there reads nothing and waits for nobody
 *   /announcements/open/2a/NAME   a customer's thread of a source, of which something is still to be sent, or was refused (announce_thread.h)
 *   /announcements/told/2a/NAME   the same when all was sent: what was told, so that the next change is told as one; removed a while after its end
 *   /announcements/sender         ephemeral: who sends now; there is at most one
 *   /announcements/audience       the digest of customers, contacts and hosts by which all threads were looked at last; made by who sends
 *
 * The four folders are made by init; a store of an older tagout lacks them, and nothing that would have to be told can be done until `tagout init` has
 * added them (fail closed: a change of which nobody can be told is not made). 2a: 64 folders by source and customer, made when needed.
 *
 * A note says how something is now, never what is to be written: the sender compares what is true with what the customer was told last, and tells
 * the difference, so that
 *   - several changes within a few minutes are one mail, and a plan made anew with the same result is none
 *   - after a day without a mail server each customer is told once, how it is now
 *   - a note that is put twice does no harm
 * Which of "scheduled" and "changed" a mail says depends on what was told before; the caller need not know.
 */
#ifndef TG_CALENDAR_ANNOUNCE_H
#define TG_CALENDAR_ANNOUNCE_H

#include "guard/record.h"

#include <tagout/store.h>

#define TG_ANNOUNCE_PATH "/announcements"
#define TG_ANNOUNCE_NEW TG_ANNOUNCE_PATH "/new"
#define TG_ANNOUNCE_OPEN TG_ANNOUNCE_PATH "/open"
#define TG_ANNOUNCE_TOLD TG_ANNOUNCE_PATH "/told"
#define TG_ANNOUNCE_SENDER TG_ANNOUNCE_PATH "/sender"
#define TG_ANNOUNCE_AUDIENCE TG_ANNOUNCE_PATH "/audience"
#define TG_ANNOUNCE_BUCKETS 64
#define TG_ANNOUNCE_NAME_SIZE 129      /* of a source, an event */
#define TG_ANNOUNCE_CUSTOMER_SIZE 129
#define TG_ANNOUNCE_HOSTS_MAX 65536   /* bytes of folded names in a note */
#define TG_ANNOUNCE_NODE_SIZE 96

enum tg_announce_kind {
    TG_ANNOUNCE_SCHEDULED, /* it is planned like this: from, until, activity; */
    TG_ANNOUNCE_CHANGED,   /* … the same, for callers that like to say so */
    TG_ANNOUNCE_CANCELLED, /* these hosts will not be maintained in this event; reason */
    TG_ANNOUNCE_LATE,      /* has begun, later than was told: from, until are the new times; reason */
    TG_ANNOUNCE_DONE,      /* these hosts are done: from, until are when it really was; reason: how it ended. Told when all of the event are */
    TG_ANNOUNCE_FORMER,    /* no note's: what a message is to somebody who is no contact any more */
    TG_ANNOUNCE_WEEK,      /* the sender looks into the book what is true of the week in event (book.h puts it) */
    TG_ANNOUNCE_KINDS
};
const char *tg_announce_kind_name(enum tg_announce_kind kind); /* "scheduled" … */

/*
 * A note. All is borrowed. Texts are UTF-8 without control characters.
 *
 * source and customer make a thread: all that lies in it is told in one mail. event makes the calendar entry within it: its UID is made of the three, so
 * that a later note of the same event moves the entry in the customer's calendar (SEQUENCE grows) instead of adding another. Hosts of one event share its
 * times. Hosts that are moved from one event to another: a CANCELLED note for the old and a SCHEDULED one for the new, in one transaction.
 */
struct tg_announcement {
    enum tg_announce_kind kind;
    const char *source;    /* "requests", "week:flying-circus-2026-11-30" */
    const char *event;     /* "R7K2QX", "2026-11-30T22:00Z"; stable */
    const char *customer;  /* as the inventory names him; NULL or "": nobody is to be told */
    const char *hosts;     /* folded; NULL: none (TG_ANNOUNCE_WEEK) */
    const char *activity;  /* "reboot"; NULL: "" */
    int64_t from_ms, until_ms; /* wall clock */
    const char *reason;    /* NULL: "" */
    const char *by;        /* who did it: an owner */
    int64_t at_ms;         /* when */
};

/* What is put into the caller's transaction. */
struct tg_announce_op {
    bool any;              /* false: nobody is to be told, there is nothing to put there */
    struct tg_op op;       /* a CREATE; its path and data are this struct's */
    char path[TG_ANNOUNCE_NODE_SIZE];
    char *data;
};
/*
 * Makes it. Blocks: one or two round trips, to see that the folder is there. TG_E_USAGE: the note makes no sense (a text with control characters, an end before its
 * start …), TG_E_DATA: too long. TG_E_UNKNOWN: the store lacks the folders, with the mend. A transaction with it that fails with TG_E_NOENT on its operation
 * may be tried anew. On success the caller releases it; it must live until the transaction was answered.
 */
int tg_announce_prepare(struct tg_store *store, const struct tg_announcement *a, int64_t wait_ms, struct tg_announce_op *out, struct tg_error *e);
void tg_announce_op_release(struct tg_announce_op *op);

/* A note as read; its texts are its own: tg_announce_note_release(). */
struct tg_announce_note {
    struct tg_announcement a;
    void *own;             /* what the texts lie in */
};
/* JSON, free(); NULL: memory. */
char *tg_announce_note_encode(const struct tg_announcement *a);
/* TG_E_DATA: damaged. TG_E_UNKNOWN: of a newer tagout. */
int tg_announce_note_decode(const char *text, size_t len, struct tg_announce_note *out, struct tg_error *e);
void tg_announce_note_release(struct tg_announce_note *note);

/* "2a": where things of this thread lie. */
void tg_announce_bucket(const char *source, const char *customer, char out[3]);

#endif
