/*
 * Slots to reboot: FleetLock's semaphore. Hosts that speak that protocol (Zincati on Fedora CoreOS, and others) ask for a slot of their group before they
 * reboot, and give it back when they are up again. Who has one is one record a group, /fleetlock/GROUP: it outlives everything but
 * its owner's word. The request and its answers are pure; the recipes are blocking and for top level only.
 */
#ifndef TG_GUARD_SLOTS_H
#define TG_GUARD_SLOTS_H

#include "guard/lock.h"

#define TG_SLOT_ID_SIZE 129      /* a host's id: any visible ASCII but quotes and backslashes; Zincati's is 32 hex digits */
#define TG_SLOT_GROUP_SIZE 65    /* the protocol: [a-zA-Z0-9.-]+ */
#define TG_SLOTS_OF_GROUP_MAX 1000

struct tg_slot {
    char id[TG_SLOT_ID_SIZE];
    int64_t since_ms;            /* wall clock of who served it */
};
struct tg_slots {
    char group[TG_SLOT_GROUP_SIZE];
    struct tg_slot *v;
    size_t n;
    int64_t version;             /* of its node, not in the record; -1: there is none yet */
};
void tg_slots_release(struct tg_slots *slots);
char *tg_slots_encode(const struct tg_slots *slots);
/* TG_E_DATA, TG_E_UNKNOWN as other records; nothing of *out is then to be released. */
int tg_slots_decode(const char *text, size_t len, struct tg_slots *out, struct tg_error *e);
const struct tg_slot *tg_slots_find(const struct tg_slots *slots, const char *id);

/* The body of a request: {"client_params":{"id":…,"group":…}}. Further keys are let be, as the protocol may grow. TG_E_USAGE. */
struct tg_slot_request {
    char id[TG_SLOT_ID_SIZE], group[TG_SLOT_GROUP_SIZE];
};
int tg_slot_request_parse(const char *body, size_t len, struct tg_slot_request *out, struct tg_error *e);

/* Takes a slot of at most limit, or finds that it is had already (*out_fresh false). TG_E_HELD: all are taken, by *out_by when there is
 * one to name (may be NULL). TG_E_UNKNOWN. A lost answer is looked for. */
int tg_slot_take(struct tg_guard *guard, const struct tg_slot_request *request, int64_t limit, bool *out_fresh, char out_by[TG_SLOT_ID_SIZE],
                 struct tg_error *e);
/* Gives it back; *out_had (may be NULL): whether there was one. */
int tg_slot_give(struct tg_guard *guard, const struct tg_slot_request *request, bool *out_had, struct tg_error *e);
/* All groups that have ever had one. */
struct tg_slot_groups {
    struct tg_slots *v;
    size_t n;
};
void tg_slot_groups_release(struct tg_slot_groups *groups);
int tg_slot_list(struct tg_guard *guard, struct tg_slot_groups *out, struct tg_error *e);

#endif
