/* The gate of tagout unlock: what automation would revert, and whether the lock may go. The decisions are engine/gate.h's. */
#ifndef TG_CLI_UNLOCK_GATE_H
#define TG_CLI_UNLOCK_GATE_H

#include "cli/cmd.h"
#include "engine/gate.h"
#include "guard/lock.h"

/* Of one run of the command. Zeroed, then tg_unlock_gate_release(). */
struct tg_unlock_gate {
    bool ready;
    struct tg_gate_rules rules;
};
void tg_unlock_gate_release(struct tg_unlock_gate *gate);

enum tg_unlock_answer {
    TG_UNLOCK_GO,     /* nothing is in the way, or it was accepted */
    TG_UNLOCK_REFUSED /* frame->status says with what; people have been told */
};
/*
 * Asks on the hosts of the lock, when config management owns any. why gets what the audit is to say of what was accepted, "" none; *out_json
 * what was found (NULL: nobody was asked), for the caller. An error: the lock stays, too.
 */
int tg_unlock_ask(struct tg_frame *f, struct tg_unlock_gate *gate, struct tg_guard *guard, const struct tg_release_request *request,
                  enum tg_unlock_answer *out, char *why, size_t why_size, json_t **out_json, struct tg_error *e);

#endif
