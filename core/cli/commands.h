/* Every command there is; one file each. */
#ifndef TG_CLI_COMMANDS_H
#define TG_CLI_COMMANDS_H

#include "cli/cmd.h"

extern const struct tg_cmd tg_cmd_agent;
extern const struct tg_cmd tg_cmd_announce;
extern const struct tg_cmd tg_cmd_hold;
extern const struct tg_cmd tg_cmd_unhold;
extern const struct tg_cmd tg_cmd_calendar_show;
extern const struct tg_cmd tg_cmd_calendar_next;
extern const struct tg_cmd tg_cmd_calendar_why;
extern const struct tg_cmd tg_cmd_calendar_fits;
extern const struct tg_cmd tg_cmd_calendar_check;
extern const struct tg_cmd tg_cmd_calendar_export;
extern const struct tg_cmd tg_cmd_calendar_week;
extern const struct tg_cmd tg_cmd_check;
extern const struct tg_cmd tg_cmd_completion;
extern const struct tg_cmd tg_cmd_doctor;
extern const struct tg_cmd tg_cmd_exec;
extern const struct tg_cmd tg_cmd_permit;
extern const struct tg_cmd tg_cmd_hold_permit;
extern const struct tg_cmd tg_cmd_serve;
extern const struct tg_cmd tg_cmd_budget_set;
extern const struct tg_cmd tg_cmd_budget_list;
extern const struct tg_cmd tg_cmd_budget_reset;
extern const struct tg_cmd tg_cmd_budget_remove;
extern const struct tg_cmd tg_cmd_extend;
extern const struct tg_cmd tg_cmd_hosts;
extern const struct tg_cmd tg_cmd_init;
extern const struct tg_cmd tg_cmd_inventory_check;
extern const struct tg_cmd tg_cmd_keep;
extern const struct tg_cmd tg_cmd_lock;
extern const struct tg_cmd tg_cmd_locks;
extern const struct tg_cmd tg_cmd_log;
extern const struct tg_cmd tg_cmd_migrate;
extern const struct tg_cmd tg_cmd_abort;
extern const struct tg_cmd tg_cmd_pause;
extern const struct tg_cmd tg_cmd_rollback;
extern const struct tg_cmd tg_cmd_withdraw;
extern const struct tg_cmd tg_cmd_return;
extern const struct tg_cmd tg_cmd_approve;
extern const struct tg_cmd tg_cmd_resume;
extern const struct tg_cmd tg_cmd_plan;
extern const struct tg_cmd tg_cmd_request_submit;
extern const struct tg_cmd tg_cmd_request_list;
extern const struct tg_cmd tg_cmd_request_show;
extern const struct tg_cmd tg_cmd_request_cancel;
extern const struct tg_cmd tg_cmd_request_postpone;
extern const struct tg_cmd tg_cmd_request_run_due;
extern const struct tg_cmd tg_cmd_run;
extern const struct tg_cmd tg_cmd_simulate;
extern const struct tg_cmd tg_cmd_status;
extern const struct tg_cmd tg_cmd_shard;
extern const struct tg_cmd tg_cmd_tables;
extern const struct tg_cmd tg_cmd_tables_complete;
extern const struct tg_cmd tg_cmd_unlock;

#endif
