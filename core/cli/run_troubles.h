/* Hosts that did not end well, those with one end and one text together: failures first, names folded. */
#ifndef TG_CLI_RUN_TROUBLES_H
#define TG_CLI_RUN_TROUBLES_H

#include "base/buf.h"
#include "engine/run.h"

struct tg_trouble {
    enum tg_host_state state;     /* how they ended */
    enum tg_outcome_kind outcome; /* of those that are DONE */
    char *text;                   /* without the hosts' own names and addresses, and what else differs in the lines of a guard; "" none */
    char *said;                   /* while they are collected: the first one's, whole; NULL: others say another */
    size_t n;
    struct tg_buf names;          /* folded; of the first groups only */
};

struct tg_troubles {
    struct tg_trouble *items;     /* the worst first, of these the largest */
    size_t n;
    size_t listed;                /* so many of them have their names */
};

/* Groups with their names for at most max of them. well: hosts that ended well and have something to say as well. TG_E_MEMORY. */
int tg_troubles_collect(const struct tg_run *run, size_t max, bool well, struct tg_troubles *out, struct tg_error *e);
void tg_troubles_release(struct tg_troubles *troubles);

#endif
