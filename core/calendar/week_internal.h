/* What the parts of the week's planner share: week_plan.c (the claims), week_class.c (selectors' hosts, and their order), week_check.c (what is
 * wrong with it), week_rows.c (groups and customers). */
#ifndef TG_CALENDAR_WEEK_INTERNAL_H
#define TG_CALENDAR_WEEK_INTERNAL_H

#include "base/index.h"
#include "calendar/week.h"
#include "fleet/selector.h"

/* The hosts of the location that a selector means, and in which order quotas take them: shared by all entries that say the same. */
struct tg_week_class {
    const char *hosts, *first; /* the pattern's; first may be NULL */
    uint32_t *list;            /* indices of the inventory: by name, or in the order of quotas */
    size_t n;
    size_t at;                 /* quotas: all before it have a slot */
    size_t uses;               /* entries that still need it */
    bool known, ordered;
};

struct tg_week_planner {
    const struct tg_pattern *pattern;
    const struct tg_inventory *inventory;
    const struct tg_host *hosts;
    size_t n_hosts;
    struct tg_problems *problems;
    struct tg_error *e;
    struct tg_week *week;
    bool *inside;              /* of the location, by the host's index */
    size_t n_inside;
    uint32_t *slot_of;         /* by the host's index: of week->slots; TG_WEEK_NONE */
    uint32_t *counts;          /* hosts of each slot of week->slots */
    const struct tg_pattern_slot **by_time; /* the pattern's slot of each of week->slots */
    uint32_t *choosing;        /* slots of the week in the order in which they choose */
    struct tg_select_memo *memo;
    struct tg_week_class *classes;
    size_t n_classes;
    struct tg_index index;     /* of classes */
    uint32_t **class_of;       /* of each slot's entries: of classes */
    int rc;                    /* the first failure that is no mistake of the file */
};

/* The value that hosts are spread by: an attribute, or for "customer" whose it is. NULL: it has none. */
const char *tg_week_value(const struct tg_inventory *inventory, const struct tg_host *host, const char *key);
/* One class an entry; classes and class_of. */
int tg_week_classes_collect(struct tg_week_planner *w);
/* Its hosts. false: the inventory does not have what the selector names, and that is reported at its place; or rc is set. */
bool tg_week_class_load(struct tg_week_planner *w, const struct tg_take *take, struct tg_week_class *c);
/* Brings it into the order in which quotas take. Likewise. */
bool tg_week_class_order(struct tg_week_planner *w, const struct tg_take *take, struct tg_week_class *c);
/* One of its entries is done. */
void tg_week_class_leave(struct tg_week_class *c);
void tg_week_classes_release(struct tg_week_planner *w);
/* A selector's hosts, complaining at node. */
bool tg_week_select(struct tg_week_planner *w, const struct tg_yaml_node *node, const char *what, const char *text, uint32_t **out, size_t *out_n);

/* week_check.c: complaints and warnings. */
struct tg_week_clash {
    uint32_t host, slot; /* it is named outright by slot as well */
};
void tg_week_say_clashes(struct tg_week_planner *w, uint32_t slot, const struct tg_take *take, struct tg_week_clash *clashes, size_t n);
void tg_week_say_short(struct tg_week_planner *w, uint32_t slot, const struct tg_take *take, const struct tg_week_class *c, int64_t wanted, int64_t got);
void tg_week_check_spread(struct tg_week_planner *w);
void tg_week_check_all(struct tg_week_planner *w);
/* What is odd and no mistake, when the week is finished. */
int tg_week_look(const struct tg_pattern *pattern, struct tg_week *week, struct tg_error *e);

/* week_rows.c: groups and customers of the finished week; host_of has the index in the inventory of each of its names. */
int tg_week_fill_rows(struct tg_week *week, const struct tg_inventory *inventory, const uint32_t *host_of, struct tg_error *e);
int tg_week_fill_customers(struct tg_week *week, const struct tg_inventory *inventory, const uint32_t *host_of, struct tg_error *e);

#endif
