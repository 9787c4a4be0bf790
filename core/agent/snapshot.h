/*
 * What the agent knew last, on disk: for `check --on-unknown last-known`, and for people while the store is away. Written whole and durably,
 * sealed; a file that is cut or edited is refused, and one that is whole is trusted no further than its age goes.
 *
 * An age is taken by two clocks: the wall clock, and the boot clock, which runs on while the machine sleeps and never steps, as long as
 * the boot is the same. The older of the two counts; a wall clock that was set back shows as a date in the future, and then only the boot clock
 * tells. tg_last_known() (guard/policy.h) reads it.
 */
#ifndef TG_AGENT_SNAPSHOT_H
#define TG_AGENT_SNAPSHOT_H

#include "guard/check.h"

#define TG_SNAPSHOT_FORMAT 1

struct tg_snapshot {
    char host[TG_SCOPE_NAME_MAX + 1];
    char store[1024];
    char **groups;               /* of the host; sorted as the inventory has them */
    size_t n_groups;
    char boot[40];               /* /proc/sys/kernel/random/boot_id */
    int64_t boot_ms, wall_ms;    /* when it was proven: CLOCK_BOOTTIME, and by the wall clock */
    int64_t generation, txid;
    struct tg_lock *locks;
    size_t n_locks;
};
/* "STATE_DIR/agent/snapshot.json" */
void tg_snapshot_file(const char *state_dir, char *out, size_t size);
int tg_snapshot_write(const char *state_dir, const struct tg_snapshot *snapshot, struct tg_error *e);
/* TG_E_NOENT, TG_E_DATA (damaged: names the file), TG_E_UNKNOWN (a newer tagout's), TG_E_PERM. *out is the caller's: tg_snapshot_release(). */
int tg_snapshot_read(const char *state_dir, struct tg_snapshot *out, struct tg_error *e);
void tg_snapshot_release(struct tg_snapshot *snapshot);
/* How long ago it was proven, by the clocks given (boot: this boot's id). TG_E_UNKNOWN: it can't be told. */
int tg_snapshot_age(const struct tg_snapshot *snapshot, const char *boot, int64_t boot_ms, int64_t wall_ms, int64_t *out_ms, struct tg_error *e);
/* This boot's id; "" when it can't be read. size 40. */
void tg_boot_id(char *out, size_t size);

#endif
