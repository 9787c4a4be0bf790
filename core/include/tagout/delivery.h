/*
 * Delivery: a mail to one recipient over SMTP, or one POST to a webhook. Asynchronous on the loop; callbacks only record. Implementation: delivery
 * (module, libcurl). Who sends, decides what is sent, to whom, and when again; this knows the protocols.
 *
 * A mail goes in two parts, so that who sends can note, in between, that from here on it may arrive: begin, which stops short of the end of the mail
 * (on_ready is called: nobody has got it, and nobody will when it is given up now), and finish, which ends it and waits for the answer.
 */
#ifndef TAGOUT_DELIVERY_H
#define TAGOUT_DELIVERY_H

#include <tagout/error.h>
#include <tagout/loop.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TG_DELIVERY_ABI 2

enum tg_delivered {
    TG_DELIVERED,        /* it was taken: 2xx */
    TG_DELIVERY_AGAIN,   /* not now, for sure: 4xx, or broken off before the mail's end */
    TG_DELIVERY_AWAY,    /* there was no connection, or no greeting: others will fare no better now */
    TG_DELIVERY_REFUSED, /* never like this, for sure: 5xx to it, 4xx of HTTP */
    TG_DELIVERY_UNSURE,  /* all was sent, and no answer came that tells */
    TG_DELIVERY_BROKEN   /* what is configured does not fit: a certificate, a password, a sender that is refused; nothing else will go either */
};

/* All is borrowed for the call. */
struct tg_delivery_mail {
    const char *url;             /* "smtp://mail.example.com:587", "smtps://…" */
    const char *user, *password; /* NULL: without */
    const char *ca_file;         /* NULL: the system's */
    bool plain;                  /* without TLS; else STARTTLS is required of smtp:// */
    const char *from, *to;       /* addresses, as spell() gives them. to is not ASCII: SMTPUTF8 (RFC 6531), REFUSED by a server that has it not */
    const char *helo;            /* NULL: this host's name */
    const void *bytes;           /* with CR LF */
    size_t len;
    int64_t timeout_ms;          /* of the whole */
};
struct tg_delivery_post {
    const char *url;             /* "https://…", "http://…" */
    const char *ca_file;
    const char *const *headers;  /* "Name: value", NULL-terminated */
    const void *bytes;
    size_t len;
    int64_t timeout_ms;
};

struct tg_delivery_impl;
struct tg_delivery_job;
/* text: one line for people, what the server said; lives during the call. The job is over. */
typedef void (*tg_delivered_fn)(void *data, enum tg_delivered outcome, const char *text);

struct tg_delivery_backend {
    uint32_t version; /* TG_DELIVERY_ABI */
    const char *name; /* "delivery" */
    const char *about;
    int (*open)(struct tg_loop *loop, struct tg_delivery_impl **out, struct tg_error *e);
    void (*close)(struct tg_delivery_impl *impl); /* with no job under way */
    /* One job at a time. */
    /* on_ready: once, all but the mail's end is there. done: exactly once when 0 was returned, also instead of on_ready. */
    int (*mail)(struct tg_delivery_impl *impl, const struct tg_delivery_mail *mail, void (*on_ready)(void *data), tg_delivered_fn done, void *data,
                struct tg_delivery_job **out, struct tg_error *e);
    void (*finish)(struct tg_delivery_job *job); /* behind on_ready */
    void (*cancel)(struct tg_delivery_job *job); /* done follows, within a second or so. Before finish, nobody gets it: AGAIN */
    /* An address as mail servers know it: its domain in A-labels ("xn--…"), what is before the "@" as it is. TG_E_DATA: the domain is none. No I/O. */
    int (*spell)(const char *address, char *out, size_t size, struct tg_error *e);
    int (*post)(struct tg_delivery_impl *impl, const struct tg_delivery_post *post, tg_delivered_fn done, void *data, struct tg_delivery_job **out, struct tg_error *e);
};

/* TG_E_CONFIG: the module is not installed. */
int tg_delivery_find(const struct tg_delivery_backend **out, struct tg_error *e);

#ifdef __cplusplus
}
#endif
#endif
