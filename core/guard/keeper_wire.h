/* What holder and keeper say to each other: fixed records over a SOCK_SEQPACKET pair on one machine, so there is no parsing to get wrong. */
#ifndef TG_GUARD_KEEPER_WIRE_H
#define TG_GUARD_KEEPER_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#define TG_KEEPER_NEVER "never" /* in place of a grace: the loss of the permit ends nothing */

enum tg_wire_kind {
    TG_WIRE_BEAT,    /* holder: a = TERM at, b = KILL at */
    TG_WIRE_SIGNAL,  /* holder: value */
    TG_WIRE_STOP,    /* holder */
    TG_WIRE_STARTED, /* keeper: value = pid of the command, which is its group */
    TG_WIRE_REFUSED, /* keeper: value = enum tg_code, text = why it could not be started */
    TG_WIRE_ENDED    /* keeper: value = status, a = enum tg_keeper_end */
};

struct tg_wire {
    enum tg_wire_kind kind;
    int32_t value;
    int64_t a, b;
    char text[1024]; /* REFUSED: message, NUL, hint, NUL */
};

/* KILLs the children of this process, which as a subreaper has those that left the group and lost their parent. Whether there were any. */
bool tg_keeper_kill_strays(void);

#endif
