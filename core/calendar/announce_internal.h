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

#endif
