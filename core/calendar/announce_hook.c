/* A message as a webhook's call: see announce_mail.h. */
#include "calendar/announce_mail.h"

#include "base/base64.h"
#include "base/hmac.h"

#include <stdio.h>
#include <string.h>

static json_t *time_json(int64_t ms)
{
    char text[40];

    tg_time_format(ms / 1000 * 1000, text, sizeof text);
    return json_string(text);
}

static json_t *item_json(const struct tg_thread *t, const struct tg_announce_sender *s, const struct tg_thread_item *item)
{
    char uid[TG_ANNOUNCE_UID_SIZE];

    tg_thread_uid(t, s->realm, item->event.key, uid);
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:o,s:o,s:s,s:I}", "kind", tg_announce_kind_name(item->kind), "uid", uid, "event", item->event.key, "activity", item->event.activity, "reason",
                     item->event.reason, "begin", time_json(item->event.from_ms), "end", time_json(item->event.until_ms), "hosts", item->event.hosts, "count",
                     (json_int_t) item->event.n_hosts);
}

json_t *tg_announce_json(const struct tg_thread *t, const struct tg_announce_sender *s)
{
    json_t *items = json_array();
    char type[40], id[TG_ANNOUNCE_ID_SIZE];
    int bad = 0;

    snprintf(type, sizeof type, "maintenance.%s", tg_announce_kind_name(t->message->kind));
    for (size_t i = 0; i < t->message->items.n; i++)
        bad |= json_array_append_new(items, item_json(t, s, &t->message->items.v[i]));
    json_t *o = bad ? NULL : json_pack("{s:s,s:o,s:{s:s,s:s,s:s,s:I,s:O}}", "type", type, "timestamp", time_json(t->message->at_ms), "data", "id", tg_announce_message_id(t, s, id),
                                       "customer", t->customer, "source", t->source, "sequence", (json_int_t) t->message->sequence, "events", items);
    json_decref(items);
    return o;
}

void tg_announce_sign(const void *key, size_t key_len, const char *id, int64_t wall_s, const char *body, char *out, size_t size)
{
    struct tg_buf text = TG_BUF_INIT, sum = TG_BUF_INIT;
    uint8_t mac[TG_SHA256_BYTES] = {0};

    tg_buf_printf(&text, "%s.%lld.%s", id, (long long) wall_s, body);
    tg_hmac_sha256(key, key_len, tg_buf_text(&text), text.len, mac);
    tg_base64(&sum, mac, sizeof mac, 0);
    snprintf(out, size, "v1,%s", tg_buf_text(&sum));
    tg_buf_release(&text);
    tg_buf_release(&sum);
}
