/* What the steps of tg_build_finish() share. */
#ifndef TG_FLEET_FINISH_H
#define TG_FLEET_FINISH_H

#include "fleet/build.h"

struct tg_finish {
    struct tg_build *b;
    uint32_t *group_new; /* number of reading → number by name */
    uint32_t *group_old; /* and back: the order of the file decides between groups equally close */
    uint32_t *host_new;
};

struct tg_finish_named {
    const char *name;
    uint32_t index;
};

/* Two groups, equally close to a host, that give an attribute different values: the second wins, because it comes later. */
struct tg_clash {
    const char *key;
    uint32_t loser, winner; /* groups */
    uint32_t host;          /* one of those that it is about */
};
/* Kept; a handful shows the pattern. */
#define TG_CLASHES_MAX 50

/* Gives every host its combination of groups, and each combination its ancestors and attributes. */
int tg_finish_combinations(struct tg_finish *f, struct tg_error *e);
/* The hosts of every group, and the keys that there are. */
int tg_finish_members(struct tg_finish *f, struct tg_error *e);

#endif
