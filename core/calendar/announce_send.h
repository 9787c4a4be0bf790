/* Sending: from notes to mails and calls of webhooks, with what is noted in between. Blocks; top level only. */
#ifndef TG_CALENDAR_ANNOUNCE_SEND_H
#define TG_CALENDAR_ANNOUNCE_SEND_H

#include "calendar/announce_mail.h"
#include "calendar/announce_site.h"
#include "calendar/announce_store.h"

#include <tagout/delivery.h>

struct tg_inventory;

struct tg_announce_stats {
    size_t notes, messages;       /* taken; that were sent to somebody */
    size_t sent, again, refused;  /* recipients */
    size_t bad;                   /* notes and threads that can't be understood */
    size_t strangers;             /* threads of customers whom the inventory does not know */
    int64_t next_ms;              /* when something is due next; 0: nothing waits */
    int broken;                   /* TG_E_CONFIG: what is configured does not fit, … */
    struct tg_error why;          /* … or the first of bad, strangers, left_out and broken */
    size_t left_out;              /* customers who have more contacts than can be told */
    bool away;                    /* the mail server gave no answer */
    bool stopped;                 /* by a signal */
};

struct tg_announce_run {
    /* The caller's, borrowed. */
    struct tg_loop *loop;
    struct tg_store *store;
    const struct tg_inventory *inventory;
    const struct tg_announce_site *site;
    bool now;                     /* nothing waits for its time */
    /* For who watches; may be NULL. outcome: enum tg_try */
    void (*on_try)(void *data, const struct tg_thread *thread, const struct tg_recipient *recipient, enum tg_try outcome);
    void *data;
    /* tg_announce_open() */
    struct tg_announce_place place;
    struct tg_announce_sender sender;
    struct tg_templates templates;
    const struct tg_delivery_backend *backend;
    struct tg_delivery_impl *impl;
    char realm[48];
    char from[TG_ANNOUNCE_ADDRESS_SIZE], reply_to[TG_ANNOUNCE_ADDRESS_SIZE]; /* as servers know them */
    int64_t sat_store_ms, sat_mono_ms; /* tg_announce_take_clock(); 0: the clocks are not compared */
    char audience[65];            /* of the inventory; "": to be reckoned */
    struct tg_receipt_key key;    /* who sends sets it: tg_announce_key() */
    char user[1026], password[1026]; /* cleared by close */
    bool mail_away, hook_away[TG_WEBHOOKS_MAX];
};

/* announce_key.c. What receipts are proven with: file, or state_dir/announce.key, which is made when it is not there. */
int tg_announce_key(const char *file, const char *state_dir, struct tg_receipt_key *out, struct tg_error *e);
/* Reads the templates and secrets, opens the module. What is the caller's must be set. TG_E_DATA: mistakes in templates, in problems. */
int tg_announce_open(struct tg_announce_run *run, struct tg_problems *problems, struct tg_error *e);
/* For who stays: the templates and the password as they are now. On failure those before are kept, all of them. */
int tg_announce_reread(struct tg_announce_run *run, struct tg_problems *problems, struct tg_error *e);
void tg_announce_close_run(struct tg_announce_run *run);
/*
 * announce_clock.c. Who sits notes the store's clock; by one that is days ahead, what is planned would be over, and be forgotten unsaid. The embedded store's clock is this host's: of
 * it only a step is seen, while a sender stays. TG_E_UNKNOWN: they differ by a day or more.
 */
int tg_announce_take_clock(struct tg_announce_run *run, struct tg_error *e);
int tg_announce_check_clock(const struct tg_announce_run *run, struct tg_error *e);
/* announce_follow.c. Once behind each change of the inventory: threads whose contacts are others now become due, weeks are spread over the customers of now. */
int tg_announce_follow(struct tg_announce_run *run, struct tg_error *e);
/* Who sends has the place: tg_announce_sit(). All that is due, once. */
int tg_announce_pass(struct tg_announce_run *run, struct tg_announce_stats *out, struct tg_error *e);
/* One mail, or one call, to somebody, of a thread that is nobody's (it is in no store). */
int tg_announce_try(struct tg_announce_run *run, struct tg_thread *thread, const char *to, enum tg_delivered *out, char *text, size_t size, struct tg_error *e);
/* Addresses of the customer, and the site's webhooks; *out_known: whether the inventory has him. Each borrowed, the list free(). */
int tg_announce_recipients(const struct tg_announce_run *run, const char *customer, char ***out, size_t *out_n, bool *out_known, struct tg_error *e);
void tg_announce_recipients_free(char **list, size_t n);

#endif
