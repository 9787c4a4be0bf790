/*
 * Whether a host that maintains itself may go down beside those that are down already: the limits of the site's requests (config/activities.h), counted as those of a
 * run are (engine/others.h): hosts that anybody's lock keeps down, another request's as well as a run's, and hosts whose agents are gone.
 */
#ifndef TG_ENGINE_ROOM_H
#define TG_ENGINE_ROOM_H

#include "config/activities.h"
#include "fleet/inventory.h"
#include "guard/tree.h"

/*
 * 0: there is room in each of its domains. TG_E_HELD: not in one, and by whom. TG_E_CONFIG: the limits don't fit the inventory. Others: it is not known.
 *
 * own: the request id of the lock that does not count ("" none); before_txid: of that lock, as only those that were there before it count; 0: all. Of two that take
 * their locks at one moment the first one finds room, and the second one finds it taken. Blocks: a few round trips.
 */
int tg_room_ask(struct tg_guard *guard, const struct tg_inventory *inventory, const struct tg_activities *activities, const char *host, const char *own, int64_t before_txid,
                struct tg_error *e);

#endif
