/*
 * A message as a mail (RFC 5322, MIME) and as a webhook's call. The same message gives the same bytes at every try: Message-ID, Date and the calendar
 * entries' stamps are of the moment in which it was made. Pure.
 */
#ifndef TG_CALENDAR_ANNOUNCE_MAIL_H
#define TG_CALENDAR_ANNOUNCE_MAIL_H

#include "base/buf.h"
#include "calendar/announce_text.h"

#define TG_ANNOUNCE_ID_SIZE 160
#define TG_ANNOUNCE_TO_MAX 50        /* recipients whom a mail names; of more, each reads his own name alone */
#define TG_ANNOUNCE_MAIL_MAX (4u << 20)

#define TG_ANNOUNCE_ADDRESS_SIZE 320

struct tg_announce_sender {
    const char *address, *name;      /* ASCII; name: "" none */
    const char *reply_to;            /* "" none */
    const char *realm;               /* of the store: the cluster's id */
    struct tg_announce_view view;
    const struct tg_templates *templates;
    /* An address whose domain is no ASCII, as mail servers know it: the module's (tagout/delivery.h). NULL: such addresses are left out. */
    int (*spell)(const char *address, char *out, size_t size, struct tg_error *e);
};
/* "3.3f2a9c01-8d1e2f3a4b5c.0f0e0d0c@ops.example": of a message, the same for all its recipients and at every try. size TG_ANNOUNCE_ID_SIZE. Returns out. */
const char *tg_announce_message_id(const struct tg_thread *thread, const struct tg_announce_sender *sender, char *out);
/* Appends the mail of thread->message, with CR LF. */
int tg_announce_mail(const struct tg_thread *thread, const struct tg_announce_sender *sender, struct tg_buf *out, struct tg_error *e);
/* The body of a webhook's call. NULL: memory. */
json_t *tg_announce_json(const struct tg_thread *thread, const struct tg_announce_sender *sender);
/*
 * "v1,BASE64": HMAC-SHA256 over "ID.SECONDS.BODY", as https://www.standardwebhooks.com has it, so that receivers need no code of ours. size ≥ 64.
 */
void tg_announce_sign(const void *key, size_t key_len, const char *id, int64_t wall_s, const char *body, char *out, size_t size);

#endif
