/* What has happened, until the drive takes it in: see drive_inbox.h. */
#include "engine/drive_inbox.h"

#include <stdlib.h>
#include <string.h>

void tg_inbox_init(struct tg_inbox *inbox)
{
    *inbox = (struct tg_inbox) {.last = &inbox->first};
}

static char *copy_of(struct tg_inbox *inbox, const char *text)
{
    char *copy = text ? strdup(text) : NULL;

    inbox->out_of_memory |= text && !copy;
    return copy;
}

void tg_inbox_put(struct tg_inbox *inbox, const struct tg_run_event *event)
{
    struct tg_heard *h = calloc(1, sizeof *h);

    if (!h) {
        inbox->out_of_memory = true;
        return;
    }
    h->event = *event;
    h->event.text = h->text = copy_of(inbox, event->text);
    h->event.lock = h->lock = copy_of(inbox, event->lock);
    h->event.record = h->record = copy_of(inbox, event->record);
    h->event.by = NULL;
    *inbox->last = h;
    inbox->last = &h->next;
}

struct tg_heard *tg_inbox_take(struct tg_inbox *inbox)
{
    struct tg_heard *h = inbox->first;

    if (h && !(inbox->first = h->next))
        inbox->last = &inbox->first;
    return h;
}

void tg_heard_free(struct tg_heard *h)
{
    free(h->text);
    free(h->lock);
    free(h->record);
    free(h);
}

void tg_inbox_release(struct tg_inbox *inbox)
{
    struct tg_heard *h;

    while ((h = tg_inbox_take(inbox)) != NULL)
        tg_heard_free(h);
}
