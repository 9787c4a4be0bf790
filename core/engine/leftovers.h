/*
 * What a run holds, or has left behind, and the command that mends each: hosts that are drained, silenced, snapshotted or locked by it. Said of a run that
 * has ended, rests, or is driven by nobody. Loads the modules that the plan names, so that they can say how it is mended; asks none of their systems.
 */
#ifndef TG_ENGINE_LEFTOVERS_H
#define TG_ENGINE_LEFTOVERS_H

#include "engine/journal.h"

#define TG_LEFTOVER_MEND_SIZE 1024

struct tg_leftover {
    size_t host;
    int step;             /* index in plan.around; 0: the lock */
    bool on_purpose;      /* kept, since the host did not end well */
    bool withdrawn;       /* on purpose as well: out of service until somebody has it returned */
    char what[400];       /* "drain from haproxy, backend web"; "the lock 5f0c…" */
    char mend[TG_LEFTOVER_MEND_SIZE];
};

/* Which hosts are looked at: those that ended and keep something, or all. */
enum tg_leftovers_of { TG_LEFTOVERS_ENDED, TG_LEFTOVERS_ALL };
/*
 * Calls each for whatever is left, step by step, hosts in the order of the plan; until it returns false. name: of the run elsewhere
 * (tg_run_name()), NULL: its id.
 */
void tg_leftovers(const struct tg_run *run, const char *id, const char *name, enum tg_leftovers_of of, bool (*each)(void *data, const struct tg_leftover *left),
                  void *data);
/* How many there are; nothing is loaded. */
size_t tg_leftovers_count(const struct tg_run *run, enum tg_leftovers_of of);

#endif
