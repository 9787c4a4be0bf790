/*
 * How a site announces: "announce:" of its configuration.
 *
 *   announce:
 *     from: "Example Operations <ops@example.com>"
 *     reply-to: noc@example.com
 *     smtp: {url: "smtp://mail.example.com:587", user: tagout, password-file: smtp.password, ca: mail-ca.pem, tls: required, helo: ops1.example.com}
 *     webhooks:
 *       chat: {url: "https://chat.example.com/hooks/1", secret-file: chat.secret, ca: ca.pem}
 *     templates: templates     # a folder; what it lacks is ours
 *     zone: Europe/Berlin
 *     settle: 2m               # changes within that time are told in one mail
 *     key-file: announce.key   # what proves to whom we wrote; of all hosts that send the same. Without: one of this host's own
 *     timeout: 5m              # of one mail or call
 *     retry: {first: 1m, longest: 1h, give-up: 5d}
 *
 * Paths are beside the file that names them.
 */
#ifndef TG_CALENDAR_ANNOUNCE_SITE_H
#define TG_CALENDAR_ANNOUNCE_SITE_H

#include "calendar/announce_mail.h"

struct tg_yaml_node;

#define TG_WEBHOOK_NAME_SIZE 40
#define TG_WEBHOOKS_MAX 20

struct tg_webhook {
    char name[TG_WEBHOOK_NAME_SIZE];
    char *url, *secret_file, *ca;  /* ca NULL: the system's */
};
struct tg_announce_site {
    char *from_address, *from_name, *reply_to;                          /* the last two may be "" */
    char *url, *user, *password_file, *ca, *helo;                       /* url NULL: no mails; of the others each may be NULL */
    bool plain;
    struct tg_webhook *webhooks;
    size_t n_webhooks;
    char *key_file;                                                     /* NULL */
    char *templates;                                                    /* NULL */
    char *zone;
    int64_t settle_ms, timeout_ms;
    struct tg_retry retry;
};
/* Mistakes go to problems, then TG_E_DATA. TG_E_CONFIG: node is NULL, nothing is configured. *out is the caller's. */
int tg_announce_site_read(const struct tg_yaml_node *node, struct tg_problems *problems, struct tg_announce_site *out, struct tg_error *e);
void tg_announce_site_release(struct tg_announce_site *site);
const struct tg_webhook *tg_announce_webhook(const struct tg_announce_site *site, const char *name);

#endif
