/* What has happened, from whoever saw it, until the drive takes it in. Copies of events; only records. */
#ifndef TG_ENGINE_DRIVE_INBOX_H
#define TG_ENGINE_DRIVE_INBOX_H

#include "engine/run.h"

struct tg_heard {
    struct tg_heard *next;
    struct tg_run_event event; /* its texts are its own */
    char *text, *lock, *record;
};
struct tg_inbox {
    struct tg_heard *first, **last;
    bool out_of_memory; /* something was not kept */
};

void tg_inbox_init(struct tg_inbox *inbox);
void tg_inbox_put(struct tg_inbox *inbox, const struct tg_run_event *event);
/* The first; NULL there is none. The caller's: tg_heard_free(). */
struct tg_heard *tg_inbox_take(struct tg_inbox *inbox);
void tg_heard_free(struct tg_heard *heard);
void tg_inbox_release(struct tg_inbox *inbox);

#endif
