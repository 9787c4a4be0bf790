/* What the commands of locks and guards share: who asks, about what, and how times are shown. */
#ifndef TG_CLI_GUARDING_H
#define TG_CLI_GUARDING_H

#include "cli/cmd.h"
#include "guard/check.h"

/* USER@HOST of who runs this (through sudo: of who called it), or what the configuration says. size TG_OWNER_SIZE. */
void tg_cli_owner(const struct tg_frame *f, char *out, size_t size);
/* The guard's inputs from the frame. timeout_ms 0: the usual. */
/* From here on the holds of this host count, also for who has a state folder of his own. */
void tg_cli_holds_of_host(const struct tg_config *config);
struct tg_guard tg_cli_guard(struct tg_frame *f, int64_t timeout_ms);
/* This host as a scope: its name in the inventory when there is one, else what the machine calls itself. TG_E_UNKNOWN when it is in none. */
int tg_cli_own_host(const struct tg_inventory *inventory, struct tg_scope *out, struct tg_error *e);
/* The arguments as scopes; without any: this host. TG_E_USAGE, TG_E_UNKNOWN. */
int tg_cli_scopes(const struct tg_inventory *inventory, char **argv, int argc, struct tg_scopes *out, struct tg_error *e);
/* What a guard is asked about: the arguments, or this host, and what TAGOUT_ALSO adds; that can only make an answer stricter. */
int tg_cli_asked(const struct tg_frame *f, struct tg_scopes *out, struct tg_error *e);
/* Group locks need to know the hosts. TG_E_CONFIG. */
int tg_cli_groups_known(const struct tg_scopes *scopes, const struct tg_inventory *inventory, struct tg_error *e);

/* "17:20 UTC", with the date when it is not today. Returns out. */
const char *tg_cli_when(int64_t wall_ms, int64_t now_ms, char *out, size_t size);
/* "group:web (web[1-5]) and service:x"; appended. */
struct tg_buf;
void tg_cli_scope_list(const struct tg_scopes *scopes, struct tg_buf *out);
json_t *tg_cli_scopes_json(const struct tg_scopes *scopes);
json_t *tg_cli_lock_json(const struct tg_lock *lock, int64_t now_ms);
/* "2026-11-22T17:20:00Z" as a JSON string. */
json_t *tg_cli_time_json(int64_t wall_ms);
/*
 * Prints a table: rows of columns, as wide as they need. On a terminal it is cut to its width: first the last column, then the widest of those in between, never
 * the first. In a pipe nothing is cut.
 */
void tg_cli_table(const struct tg_frame *f, const char *const *head, char ***rows, size_t n_rows, size_t n_columns);
/* The rows with their cells. rows may be NULL. */
void tg_cli_table_free(char ***rows, size_t n_rows, size_t n_columns);
/* A cell of its rows. free(); NULL: memory. */
char *tg_cli_cell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints what has words of others in it (reasons, owners): what would not be seen as what it is, is escaped; line feeds are kept. */
void tg_cli_say(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* SIGINT, SIGTERM and SIGHUP interrupt the loop from now on; returned by tg_cli_signalled() once, 0 none. */
void tg_cli_catch_signals(struct tg_loop *loop);

/* The loop that signal handlers interrupt, by tg_cli_wake_loop(). NULL: none, as before a loop is freed, since a signal may come at any moment. */
void tg_cli_woken_loop(struct tg_loop *loop);
void tg_cli_wake_loop(void);
int tg_cli_signalled(void);
/*
 * Leaves nothing of this process' environment but what can be believed of anybody: TAGOUT_TOKEN and TAGOUT_PERMIT, which prove themselves, and TAGOUT_ALSO,
 * which only makes stricter. PATH, HOME and LANG are set as for every child of ours. Before anything is read from it, and before threads. TG_E_MEMORY.
 */
int tg_cli_forget_environment(struct tg_error *e);
/* Adds NAME=value to a copy of the environment (replacing it); the caller frees the array and, as it likes, nothing else. */
char **tg_cli_environment(const char *const *add);
void tg_cli_environment_free(char **env);

#endif
