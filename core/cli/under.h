/* Running a command in the foreground, as a shell would, while something is held for it. */
#ifndef TG_CLI_UNDER_H
#define TG_CLI_UNDER_H

#include <tagout/error.h>

/* Is there such a program? Asked before anything is taken. TG_E_USAGE. */
int tg_run_findable(char *const *command, struct tg_error *e);
/*
 * Runs it to its end with add ("NAME=value", NULL-terminated) in the environment: own process group, the terminal's foreground when we had
 * that, signals passed on, Ctrl-Z stops both. *out_status: 0..255, 128+n when signal n ended it.
 */
int tg_run_under(char *const *command, const char *const *add, int *out_status, struct tg_error *e);

#endif
