/* What a command runs in: see cmd.h. */
#include "cli/cmd.h"
#include "cli/guarding.h"
#include "config/site.h"
#include "fleet/inventory.h"
#include "store/cluster.h"

#include <stddef.h>

#define PROOF_MS 10000

/* Only for commands that need it, or when --config was given: "tagout shard" works whatever is in /etc. */
static bool wants_config(const struct tg_frame *f)
{
    if (f->cmd->needs & TG_OWN_CONFIG)
        return false;
    return f->cmd->needs & (TG_NEED_STORE | TG_NEED_INVENTORY | TG_WANT_INVENTORY | TG_NEED_CONFIG) || tg_opt_given(f, "config");
}

static int load_config(struct tg_frame *f, struct tg_error *e)
{
    struct tg_config_args args = {.file = tg_opt_text(f, "config"), .store = tg_opt_text(f, "store"),
                                  .inventory = tg_opt_text(f, "inventory")};

    int rc = tg_config_load(&args, &f->problems, &f->config, e);

    if (!rc)
        tg_cli_holds_of_host(f->config);
    return rc;
}

int tg_frame_open_store(struct tg_frame *f, struct tg_store **out, struct tg_error *e)
{
    char *auth;
    struct tg_store_options o = {.loop = f->loop, .url = f->config->store, .session_ms = f->config->session_ms};

    if (f->cmd->needs & TG_CREATES_STORE)
        o.flags |= TG_STORE_CREATE;
    int rc = tg_config_read_auth(f->config, &auth, e);
    if (rc)
        return rc;
    o.auth = auth;
    rc = tg_store_open(&o, out, e);
    tg_config_forget_auth(auth);
    if (rc)
        tg_error_prefix(e, "store (%s)", f->config->store_from);
    return rc;
}

int tg_frame_load_inventory(struct tg_frame *f, struct tg_error *e)
{
    if (f->config->inventory)
        return tg_inventory_load(f->config->inventory, &f->problems, &f->inventory, e);
    if (f->cmd->needs & TG_WANT_INVENTORY)
        return 0;
    tg_fail(e, TG_E_CONFIG, "there is no inventory");
    tg_error_hint(e, "give --inventory FILE, or write \"inventory: FILE\" into " TG_CONFIG_FILE);
    return TG_E_CONFIG;
}

int tg_frame_prove_store(struct tg_frame *f, struct tg_error *e)
{
    char cause[TG_CLUSTER_CAUSE_SIZE];
    struct tg_cluster cluster;

    return tg_cluster_check(f->store, f->config->state_dir, tg_store_deadline(f->store, PROOF_MS), &cluster, cause, e);
}

void tg_frame_tick_store(struct tg_frame *f)
{
    struct tg_error quiet = TG_ERROR_INIT; /* a second line of defence: what was changed is changed */

    tg_cluster_tick(f->store, f->config->state_dir, tg_store_deadline(f->store, PROOF_MS), &quiet);
    tg_error_clear(&quiet);
}

int tg_frame_prepare(struct tg_frame *f, struct tg_error *e)
{
    int rc = tg_loop_new(&f->loop, e);

    if (!rc && wants_config(f))
        rc = load_config(f, e);
    if (!rc && f->cmd->needs & (TG_NEED_INVENTORY | TG_WANT_INVENTORY))
        rc = tg_frame_load_inventory(f, e);
    if (!rc && f->cmd->needs & TG_NEED_STORE)
        rc = tg_frame_open_store(f, &f->store, e);
    return rc;
}

void tg_frame_release(struct tg_frame *f)
{
    tg_store_close(f->store);
    f->store = NULL;
    tg_inventory_free(f->inventory);
    f->inventory = NULL;
    tg_config_free(f->config);
    f->config = NULL;
    tg_cli_woken_loop(NULL);
    tg_loop_free(f->loop);
    f->loop = NULL;
}
