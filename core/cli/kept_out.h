/* Whether hosts that were withdrawn are out of service still, and taking them out again when a load balancer has forgotten it. See engine/out_look.h. */
#ifndef TG_CLI_KEPT_OUT_H
#define TG_CLI_KEPT_OUT_H

#include "base/buf.h"
#include "cli/cmd.h"
#include "engine/journal.h"

/* What was found of one withdrawal. tg_cli_out_release() */
struct tg_cli_out {
    size_t n;              /* hosts that were asked about */
    size_t *wrong;         /* that are not out of service as they were left, by their number in its plan */
    size_t n_wrong;
    size_t n_in, n_untold; /* that are in service; of which nobody can tell */
    struct tg_buf says;    /* a line for each thing that was said, with its hosts folded; "" all is as it was left */
};
/* Top level: asks the load balancers. run: the withdrawal's, of the journal j. */
int tg_cli_out_look(struct tg_loop *loop, struct tg_journal *j, const struct tg_run *run, int64_t wait_ms, struct tg_cli_out *out, struct tg_error *e);
void tg_cli_out_release(struct tg_cli_out *out);

/* KEEP: what a restart has forgotten is done again, what a person took back is not. ANEW: both. */
enum tg_cli_out_how { TG_CLI_OUT_KEEP, TG_CLI_OUT_ANEW };
/*
 * All withdrawals of the run: whoever is not out of service as he was left is seen to, and what is not well behind that is said. *out_left: hosts that are in service
 * still, or of which nobody can tell. TG_E_HELD: another process is at work there.
 */
int tg_cli_out_keep(struct tg_frame *f, const char *id, enum tg_cli_out_how how, size_t *out_left, struct tg_error *e);

#endif
