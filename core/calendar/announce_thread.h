/*
 * A thread: what one customer was told of one source, what is true now, and the mail that closes the gap. Pure.
 *
 *   now      what is true: events, made of notes
 *   told     what the last message said; becomes "now" in the moment in which somebody may have got a message that says so
 *   message  what is being sent: the difference of the two, and for each recipient how far it got
 *
 * A message that nobody can have got yet is made anew when something changes; one that somebody has is overtaken by the next, which has a greater
 * SEQUENCE and goes to everybody. So nobody gets old news, and nobody gets the same twice, but for one case: a sender that dies, or loses its
 * connection, between the end of a mail and the server's answer to it does not know whether the server has taken it. It is sent again then, with the same
 * Message-ID and the same UID and SEQUENCE, so that a calendar shows it once: rather twice than never. At most TG_RECIPIENT_UNSURE_MAX times;
 * then people are asked.
 *
 * Who did not get a message before it was overtaken is behind: the next one tells him, and him alone, what he has missed as well.
 *
 * Whom a thread was told to is kept with it, as receipts. A contact without one is new: he is told all that the others know already. A receipt of somebody
 * who is no contact any more is of a former one: what he knows of is taken out of his calendar, once, and the receipt goes. As he is none that the inventory names,
 * the receipt has to prove that it was we who wrote to him, by a key that the store does not have: or who can write there could have mails sent to anybody.
 *
 * A customer's events of a source lie in up to TG_THREAD_LANES threads, each of which holds what a record can: the next begins when one is full.
 */
#ifndef TG_CALENDAR_ANNOUNCE_THREAD_H
#define TG_CALENDAR_ANNOUNCE_THREAD_H

#include "calendar/announce.h"
#include "fleet/inventory.h"

#define TG_THREAD_NAME_SIZE 24       /* "3f2a9c01-8d1e2f3a4b5c": source, source and customer */
#define TG_THREAD_EVENTS_MAX 2000
#define TG_THREAD_BYTES_MAX (480 * 1024) /* half of what a node of ZooKeeper can be */
#define TG_THREAD_LANES 8
#define TG_THREAD_LANE_BYTES (80 * 1024) /* of events; a record has each up to three times (now, told, to be told), and its recipients. about 600 events */
#define TG_RECIPIENTS_MAX 2020            /* TG_CUSTOMER_TOLD_MAX contacts, as many former ones, and the webhooks */
#define TG_PART_EVENTS 50                /* that a mail has; more are several mails */
#define TG_RECEIPT_SIZE 17               /* 64 bits, which nobody can try but by sending */
#define TG_RECIPIENT_UNSURE_MAX 3
#define TG_RECIPIENT_TRIES_MIN 8         /* before it is given up: a clock that jumps, or a sender that was off for long, is no reason */
#define TG_ANNOUNCE_UID_SIZE 48      /* "0123456789abcdef0123456789abcdef@tagout" */

struct tg_thread_event {
    char *key, *activity, *reason;   /* own, never NULL */
    char *hosts, *done;              /* folded; done: those that are, also in hosts */
    int64_t n_hosts, n_done;
    int64_t from_ms, until_ms;
    bool late;
};
void tg_thread_event_release(struct tg_thread_event *event);

/* A list of events, by key. */
struct tg_thread_events {
    struct tg_thread_event *v;
    size_t n;
};

/* A line of a message. For CANCELLED the event is as it was told, with the reason of its end. */
struct tg_thread_item {
    enum tg_announce_kind kind;      /* SCHEDULED, CHANGED, CANCELLED, LATE, DONE */
    struct tg_thread_event event;
    bool missed;                     /* of a message before: for those who are behind */
};
struct tg_thread_items {
    struct tg_thread_item *v;
    size_t n;
};
void tg_thread_items_release(struct tg_thread_items *items);

enum tg_recipient_state {
    TG_RECIPIENT_WAITING,  /* for its first or its next try */
    TG_RECIPIENT_TRYING,   /* the end of the mail may be on its way: who finds this does not know */
    TG_RECIPIENT_SENT,
    TG_RECIPIENT_REFUSED,  /* for good, or given up: people decide */
    TG_RECIPIENT_DROPPED,  /* they have */
    TG_RECIPIENT_STATES
};
const char *tg_recipient_state_name(enum tg_recipient_state state);

enum tg_recipient_role {
    TG_ROLE_CONTACT,       /* gets the message */
    TG_ROLE_NEW,           /* gets all that is planned: he was told nothing yet */
    TG_ROLE_FORMER,        /* is no contact any more: all that he was told of leaves his calendar */
    TG_ROLES
};
const char *tg_recipient_role_name(enum tg_recipient_role role);

struct tg_recipient {
    char *to;              /* an address, or "webhook:NAME" */
    enum tg_recipient_role role;
    enum tg_recipient_state state;
    int64_t tries, unsure; /* unsure: of these, how many may have arrived without our knowing */
    int64_t since_ms;      /* of the first try; 0 never */
    int64_t at_ms;         /* of the last */
    int64_t parts;         /* mails of this message that he has, when it takes several */
    bool behind;           /* a message before was overtaken when he did not have it */
    char *text;            /* the server's last answer, or our own; "" */
};
bool tg_recipient_is_hook(const struct tg_recipient *r);

struct tg_thread_message {
    enum tg_announce_kind kind; /* of all items but those missed, or CHANGED */
    int64_t sequence;
    int64_t at_ms;         /* made; the date of the mail */
    bool heard;            /* somebody has it, or may have it */
    struct tg_thread_items items; /* may be none: for new and former contacts alone */
    struct tg_recipient *recipients;
    size_t n_recipients, n_left_out; /* contacts beyond TG_CUSTOMER_TOLD_MAX: people are to be told of them */
    /* not in the record: tg_thread_message_for() */
    const struct tg_recipient *one;  /* NULL: of nobody */
    bool with_missed;
    size_t part, parts;              /* of items: from 0; parts 0 is 1 */
};

/* Somebody was told of this thread. */
struct tg_receipt {
    char *to;
    char mac[TG_RECEIPT_SIZE]; /* proves it; "": he counts as told, and is not written to when he leaves */
};
struct tg_receipts {
    struct tg_receipt *v;
    size_t n;
};
/* What receipts are proven with. */
struct tg_receipt_key {
    uint8_t bytes[64];
    size_t len;
};

struct tg_thread {
    char *source, *customer;
    int64_t sequence;      /* of the next message */
    int64_t due_ms;        /* when to look at it next; 0: nothing to do, or people have to decide */
    struct tg_thread_events now, told;
    struct tg_thread_message *message; /* NULL: none is under way */
    struct tg_receipts receipts;
    int lane;
    /* not in the record */
    int64_t version;
    bool open;             /* where it lies */
    const struct tg_receipt_key *key; /* who sends sets it, and owns it; NULL: no receipt can be proven */
};

int tg_thread_new(const char *source, const char *customer, int lane, struct tg_thread **out, struct tg_error *e);
void tg_thread_free(struct tg_thread *thread);
/* JSON, free(). TG_E_DATA: larger than TG_THREAD_BYTES_MAX. */
int tg_thread_encode(const struct tg_thread *thread, char **out, struct tg_error *e);
int tg_thread_decode(const char *text, size_t len, struct tg_thread **out, struct tg_error *e);
void tg_thread_name(const char *source, const char *customer, int lane, char out[TG_THREAD_NAME_SIZE]);
/* "/announcements/open/2a/NAME"; size TG_ANNOUNCE_NODE_SIZE */
void tg_thread_path(const char *root, const char *source, const char *customer, int lane, char *out, size_t size);
/* Has it an event of this key, or room for another one? */
bool tg_thread_has(const struct tg_thread *thread, const char *key);
bool tg_thread_has_room(const struct tg_thread *thread);
/* realm: of which store (the cluster's id), so that two of a site never share one. size TG_ANNOUNCE_UID_SIZE */
void tg_thread_uid(const struct tg_thread *thread, const char *realm, const char *key, char *out);

/* Takes a note of its source and customer (not TG_ANNOUNCE_WEEK). due_ms: when the customer is to be told, unless he is sooner for another reason. */
int tg_thread_take(struct tg_thread *thread, const struct tg_announcement *a, int64_t due_ms, struct tg_error *e);
/* Replaces all events by these (copied; of each key, activity, hosts, n_hosts, from_ms, until_ms are taken). reason: of those that are no more, and
 * whose time is not over yet: what was to be before wall_ms can't be called off any more. */
int tg_thread_replace(struct tg_thread *thread, const struct tg_thread_events *events, const char *reason, int64_t wall_ms, int64_t due_ms, struct tg_error *e);

/* What a customer who was told "told" would have to be told now; sorted by time. n 0: nothing. */
int tg_thread_difference(const struct tg_thread *thread, struct tg_thread_items *out, struct tg_error *e);
/*
 * Before anything is sent: is there a message, and is it still the one to send? Makes, remakes, overtakes or drops it. to: addresses and webhooks of now, of a
 * message that is made; who is not among them any more gets nothing of an older one, but that what he was told of is not his any more. Behind it message is
 * NULL (nothing to tell: close it) or has recipients that wait, or were refused.
 */
int tg_thread_settle(struct tg_thread *thread, const char *const *to, size_t n_to, int64_t now_ms, struct tg_error *e);
/* Would these be told anything that is no news to the others? */
bool tg_thread_audience_differs(const struct tg_thread *thread, const char *const *to, size_t n_to, int64_t now_ms);
/*
 * The message is sent as far as it goes for now: are there former contacts who found no place in it? They are in the next, with those who did not get this
 * one; so only when most have it, as it would not come to an end otherwise.
 */
bool tg_thread_has_more(const struct tg_thread *thread, const char *const *to, size_t n_to, int64_t now_ms);
/* Did we write to him, for sure? Only then is a former contact written to. */
bool tg_thread_receipt_is_proven(const struct tg_thread *thread, const char *to);
/* The message as this one is to get it: all of it, or what is no news to him left out. Borrows from the thread; free(out->items.v). TG_E_MEMORY. */
int tg_thread_message_for(const struct tg_thread *thread, const struct tg_recipient *r, struct tg_thread_message *out, struct tg_error *e);
/* The part-th mail of it, TG_PART_EVENTS events; borrows from m. */
struct tg_thread_message tg_thread_message_part(const struct tg_thread_message *m, size_t part);
/* Somebody may get it from here on: what it says counts as told. */
int tg_thread_heard(struct tg_thread *thread, struct tg_error *e);

/* One recipient's way. */
struct tg_retry {
    int64_t first_ms, longest_ms, give_up_ms; /* 1 min, doubled each time up to 1 h; given up after 5 days */
};
enum tg_try { TG_TRY_SENT, TG_TRY_AGAIN, TG_TRY_REFUSED, TG_TRY_UNSURE };
/* The outcome of a try of message->recipients[i], in what is known of him and in the receipts. parts: mails that his message takes. TG_E_MEMORY. */
int tg_thread_tried(struct tg_thread *thread, size_t i, size_t parts, const struct tg_retry *retry, enum tg_try outcome, const char *text, int64_t now_ms, struct tg_error *e);
/* Of it, what is known of him. text NULL is "". TG_E_MEMORY. */
int tg_recipient_tried(struct tg_recipient *r, const struct tg_retry *retry, enum tg_try outcome, const char *text, int64_t now_ms, struct tg_error *e);
/* Found TRYING by who has the sender's place: its sender has died in between. */
int tg_thread_recover(struct tg_thread *thread, const struct tg_retry *retry, int64_t now_ms, struct tg_error *e);
/* How long behind its n-th try the next one may be. */
int64_t tg_retry_delay_ms(const struct tg_retry *retry, int64_t tries);
/* When the next recipient that waits may be tried; 0: none waits. */
int64_t tg_thread_next_ms(const struct tg_thread *thread, const struct tg_retry *retry);
/* People: all that was refused waits again, at once; or is given up (what waits, too). How many. */
size_t tg_thread_retry(struct tg_thread *thread, int64_t now_ms);
int tg_thread_drop(struct tg_thread *thread, const char *why, int64_t now_ms, size_t *out_n, struct tg_error *e);
/* Whether all recipients are SENT or DROPPED, so that it can go to /told. */
bool tg_thread_is_over(const struct tg_thread *thread);
size_t tg_thread_count(const struct tg_thread *thread, enum tg_recipient_state state);
/* Forgets events that ended before then. */
void tg_thread_prune(struct tg_thread *thread, int64_t before_ms);
/* When its last event ends. */
int64_t tg_thread_until_ms(const struct tg_thread *thread);

#endif
