/*
 * The log: for operators who look behind a command (--verbose) and for daemons. It goes to stderr, one line each; what a command
 * has to say to its user is output, not log. Never log secrets.
 */
#ifndef TAGOUT_LOG_H
#define TAGOUT_LOG_H

enum tg_log_level { TG_LOG_ERROR, TG_LOG_WARN, TG_LOG_INFO, TG_LOG_DEBUG };

/* Lines above the level are dropped; TG_LOG_WARN at start. */
void tg_log_level_set(enum tg_log_level level);
enum tg_log_level tg_log_level_get(void);
/* where: the module, "zk", "ssh". */
void tg_log(enum tg_log_level level, const char *where, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
