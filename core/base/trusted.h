/*
 * Whose word is a path? For what is believed, or run, because of where it lies: the agent's socket, modules and programs that a variable of
 * the environment names.
 */
#ifndef TG_BASE_TRUSTED_H
#define TG_BASE_TRUSTED_H

#include <tagout/error.h>
#include <sys/stat.h>

/*
 * Resolves path, once, and looks at every folder on the resolved way and at what lies at its end: each must be root's or the own user's
 * (effective), and no folder one that others may write to, so that nobody else can put another thing there, now or between this call and the
 * next. A folder that others may write to is fine when it is sticky (nobody removes or renames what is root's or ours in it: /tmp), but not as the
 * last one if it is for everybody. TG_E_NOENT: there is nothing. TG_E_PERM: it is not so, the message says where. TG_E_SYSTEM. On success
 * out (of PATH_MAX bytes) is the path to use, without links, and *out_st what lies there; its kind and mode are the caller's to judge.
 */
int tg_trusted_path(const char *path, char *out, struct stat *out_st, struct tg_error *e);
/* The same of what is to be run, or loaded: an ordinary file that others may not write to. Not so, or not there: TG_E_CONFIG. */
int tg_trusted_program(const char *path, char *out, struct tg_error *e);

#endif
