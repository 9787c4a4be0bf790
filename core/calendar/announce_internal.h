/* What the parts of a thread share: see announce_thread.h. */
#ifndef TG_CALENDAR_ANNOUNCE_INTERNAL_H
#define TG_CALENDAR_ANNOUNCE_INTERNAL_H

#include "calendar/announce_thread.h"

int tg_thread_no_memory(struct tg_error *e);
/* Replaces a text; NULL is "". */
int tg_thread_set_text(char **slot, const char *text, struct tg_error *e);
int tg_thread_copy_event(const struct tg_thread_event *from, struct tg_thread_event *out, struct tg_error *e);
/* with_gone: also those without hosts. */
int tg_thread_copy_events(const struct tg_thread_events *from, struct tg_thread_events *out, bool with_gone, struct tg_error *e);
struct tg_thread_event *tg_thread_find(const struct tg_thread_events *list, const char *key);
/* Consumes ev, also on failure. */
int tg_thread_add(struct tg_thread_events *list, struct tg_thread_event *ev, struct tg_error *e);
void tg_thread_events_release(struct tg_thread_events *list);
void tg_thread_message_free(struct tg_thread_message *message);

/* announce_missed.c. Adds a copy; missed: for those who are behind. */
int tg_thread_add_item(struct tg_thread_items *items, enum tg_announce_kind kind, const struct tg_thread_event *event, const char *reason, bool missed, struct tg_error *e);
/* CHANGED when they differ. missed: whether what was missed counts. */
enum tg_announce_kind tg_thread_kind_of(const struct tg_thread_items *items, bool missed);
bool tg_thread_has_missed(const struct tg_thread_items *items);
/* Whether this one lacks something of old, which is about to be overtaken. old may be NULL. */
bool tg_thread_is_behind(const struct tg_thread_message *old, const char *to);
/* Adds what of old somebody in to lacks, and items does not tell anew. */
int tg_thread_add_missed(const struct tg_thread_message *old, const char *const *to, size_t n_to, int64_t now_ms, struct tg_thread_items *items, struct tg_error *e);
/* Nobody gets anything who is not (any more) to be told. */
int tg_thread_drop_strangers(struct tg_thread *t, const char *const *to, size_t n_to, int64_t now_ms, struct tg_error *e);
/* Of these, what is planned still. */
bool tg_thread_event_is_ahead(const struct tg_thread_event *event, int64_t now_ms);
bool tg_thread_is_ahead(const struct tg_thread_events *list, int64_t now_ms);

/* announce_audience.c. Who is to get the message that is to be made; items: its news. *out is the caller's: free(). *out_left: who finds no place */
struct tg_wanted {
    const char *to; /* borrowed */
    enum tg_recipient_role role;
    bool behind;
};
int tg_thread_wanted(const struct tg_thread *t, bool news, const char *const *to, size_t n_to, int64_t now_ms, struct tg_wanted **out, size_t *out_n, size_t *out_left,
                     struct tg_error *e);
struct tg_receipt *tg_thread_receipt(const struct tg_thread *t, const char *to);
/* proven: with the key, when there is one. */
int tg_thread_receipt_add(struct tg_thread *t, const char *to, bool proven, struct tg_error *e);
void tg_thread_receipt_drop(struct tg_thread *t, const char *to);
void tg_receipts_release(struct tg_receipts *receipts);
bool tg_thread_is_among(const char *one, const char *const *to, size_t n_to);
/* Of the message that may be NULL; NULL: he gets none of it. */
const struct tg_recipient *tg_thread_recipient(const struct tg_thread_message *message, const char *to);

#endif
