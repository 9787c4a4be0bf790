/* The list of commands, in the order of help. */
#include "cli/commands.h"

#include <stddef.h>

const struct tg_cmd *const tg_commands[] = {
    &tg_cmd_init,
    &tg_cmd_doctor,
    &tg_cmd_migrate,
    &tg_cmd_lock,
    &tg_cmd_unlock,
    &tg_cmd_extend,
    &tg_cmd_hold,
    &tg_cmd_unhold,
    &tg_cmd_locks,
    &tg_cmd_log,
    &tg_cmd_check,
    &tg_cmd_exec,
    &tg_cmd_permit,
    &tg_cmd_agent,
    &tg_cmd_budget_set,
    &tg_cmd_budget_list,
    &tg_cmd_budget_reset,
    &tg_cmd_budget_remove,
    &tg_cmd_hosts,
    &tg_cmd_shard,
    &tg_cmd_inventory_check,
    &tg_cmd_plan,
    &tg_cmd_run,
    &tg_cmd_status,
    &tg_cmd_abort,
    &tg_cmd_serve,
    &tg_cmd_completion,
    &tg_cmd_tables,
    &tg_cmd_tables_complete,
    &tg_cmd_keep,
    &tg_cmd_hold_permit,
    NULL,
};
