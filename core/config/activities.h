/*
 * What this host does for a request: "requests:" of its own configuration. Commands are never in the store, and nothing that is not named here is run (P9).
 *
 *   requests:
 *     hold: [autoscaler, package-manager]      # whom the host is kept from meanwhile; all automation when not given
 *     enter: [/usr/local/sbin/evacuate]        # before the first one; same exit statuses
 *     leave: [/usr/local/sbin/come-back]       # after the last one
 *     limits: {domains: {pair: 1}, floor: {role: 80%}}   # how many hosts that share a fate may be down at once, as in a rollout
 *     activities:
 *       reboot: {run: [/usr/bin/systemctl, reboot], reboots: true, estimate: 10m}
 *       update: {run: [/usr/local/sbin/update-all], repeat: true, actor: package-manager, estimate: 20m, timeout: 2h}
 */
#ifndef TG_CONFIG_ACTIVITIES_H
#define TG_CONFIG_ACTIVITIES_H

#include "config/share.h"
#include "config/yaml.h"

#define TG_ACTIVITIES_MAX 64
#define TG_ACTIVITY_ARGS_MAX 32
#define TG_ACTIVITY_TIMEOUT_MS INT64_C(7200000) /* when it names none */

struct tg_activity {
    char *name;
    char **run;            /* NULL-terminated; the first is an absolute path */
    char *actor;           /* whose permit it needs: "reboot" for what reboots, else "config-management" */
    bool reboots;          /* it is done when the host has rebooted */
    bool repeat;           /* broken off, it may simply be run again */
    int64_t estimate_ms;   /* when nobody gives one; 0 */
    int64_t timeout_ms;
};
#define TG_REQUEST_LIMITS_MAX 16
struct tg_request_limit {
    char *name;            /* an attribute's key, or a selector */
    bool selector, floor;  /* floor: so many must stay up; else so many may be down */
    struct tg_share share;
};
struct tg_activities {
    struct tg_activity *v;
    size_t n;
    char **hold;           /* NULL-terminated; NULL: all */
    size_t n_hold;
    char **enter, **leave; /* as run; NULL: nothing */
    struct tg_request_limit *limits;
    size_t n_limits;
    bool ignore_gone;      /* hosts whose agents are gone don't count as down */
};

/* Adds to *out what a file says; a later file's list replaces an earlier one's. Mistakes go to problems. TG_E_MEMORY. */
int tg_activities_read(const struct tg_yaml_node *node, struct tg_problems *problems, struct tg_activities *out, struct tg_error *e);
void tg_activities_release(struct tg_activities *activities);
const struct tg_activity *tg_activities_find(const struct tg_activities *activities, const char *name);

#endif
