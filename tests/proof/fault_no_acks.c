/* The mistake "no acks": a lock that does not wait for the agents of its hosts. In this build of the worker only. */
#include "guard/acks.h"

int tg_acks_look_take(struct tg_acks_look *look, const struct tg_read_item *items, struct tg_acks *out, struct tg_error *e)
{
    (void) look;
    (void) items;
    (void) e;
    *out = (struct tg_acks) {.present = 0};
    return 0;
}
