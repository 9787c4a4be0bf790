/* What is printed from the tables of commands for machines: option lists of man pages, completion. */
#ifndef TG_CLI_TABLES_H
#define TG_CLI_TABLES_H

#include "cli/cmd.h"

/* The command of a name, with "-" or a blank between its words; NULL when there is none. */
const struct tg_cmd *tg_tables_find(const char *name);
/* An option list, or the list of all commands, in scdoc's form. */
void tg_tables_options(FILE *to, const struct tg_cmd *cmd);
void tg_tables_commands(FILE *to);
/* The completion of bash, whole. */
void tg_tables_bash(FILE *to);

#endif
