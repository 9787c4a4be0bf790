/*
 * The error object: one, owned by the caller, always the last parameter, may be NULL.
 *
 * A function that can fail returns 0, or a negative enum tg_code; its outputs are written only on success and the error only on
 * failure. The first error wins: a setter leaves an error that is already set alone, callers add where it happened with
 * tg_error_prefix(). Nothing here allocates; texts that are too long end in "…".
 */
#ifndef TAGOUT_ERROR_H
#define TAGOUT_ERROR_H

#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What went wrong, by what the caller should do about it. tg_exit_status() maps each to the documented exit status. */
enum tg_code {
    TG_OK = 0,
    TG_E_FAILED = -1,    /* it ran, and ended badly: look at the output                                     exit 1  */
    TG_E_USAGE = -2,     /* the command line is wrong: mend it                                              exit 64 */
    TG_E_DATA = -3,      /* a file or a record is wrong; file, line and column say where                    exit 65 */
    TG_E_UNKNOWN = -4,   /* it can't be proven (P2): do not act; the message says what does not add up      exit 69 */
    TG_E_LOST = -5,      /* the connection broke: a write may or may not have happened, look before retry   exit 69 */
    TG_E_SESSION = -6,   /* the session is over, its ephemerals are gone: open a new store                  exit 69 */
    TG_E_TIMEOUT = -7,   /* no answer within the deadline; ambiguous like TG_E_LOST                         exit 69 */
    TG_E_HELD = -8,      /* a lock or another holder is in the way: try again later                         exit 75 */
    TG_E_PERM = -9,      /* not allowed                                                                     exit 77 */
    TG_E_CONFIG = -10,   /* the configuration or the installation is wrong                                  exit 78 */
    TG_E_NOENT = -11,    /* there is no such thing (store: no node)                                         exit 1  */
    TG_E_EXISTS = -12,   /* it is there already                                                             exit 1  */
    TG_E_VERSION = -13,  /* somebody else changed it first: read again and retry                            exit 75 */
    TG_E_NOTEMPTY = -14, /* the node still has children                                                     exit 1  */
    TG_E_SYSTEM = -15,   /* a system call failed, sys_errno says how                                        exit 1  */
    TG_E_MEMORY = -16,   /* out of memory                                                                   exit 1  */
    TG_E_CANCELLED = -17, /* the caller, or a signal, ended it                                              exit 1  */
    TG_E_BUG = -18,      /* ours: please report                                                             exit 70 */
    TG_E_FULL = -19      /* no room left on a disk, nothing was written: make room, then try again          exit 69 */
};

struct tg_error {
    int code;           /* enum tg_code, 0 when nothing is set */
    int sys_errno;      /* 0, or the errno that caused it */
    int line, column;   /* 1-based, 0 when they say nothing */
    char file[256];     /* "" when it is no file's fault */
    char message[640];  /* one line, no full stop: names the thing and its value */
    char hint[384];     /* what the user can do next, or "" */
};

#define TG_ERROR_INIT {0}

/* Sets e unless it is set or NULL. Returns code, so that failing is one line: return tg_fail(e, TG_E_DATA, "…"). */
int tg_fail(struct tg_error *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
int tg_failv(struct tg_error *e, int code, const char *format, va_list args) __attribute__((format(printf, 3, 0)));
/* The same with errno (pass it: it must be read before anything else runs); the message gets ": strerror". A TG_E_SYSTEM for want of room is
 * TG_E_FULL, with its mend. */
int tg_fail_errno(struct tg_error *e, int code, int sys_errno, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with a place in a file. */
int tg_fail_at(struct tg_error *e, int code, const char *file, int line, int column, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* Sets the hint of an error that has none. Returns e->code, or 0 when e is NULL. */
int tg_error_hint(struct tg_error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts "where: " before the message. Returns e->code, or 0 when e is NULL. */
int tg_error_prefix(struct tg_error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tg_error_clear(struct tg_error *e);
/* "file:line:column: message" into out (of size bytes, always terminated); what is unset is left out. */
void tg_error_format(const struct tg_error *e, char *out, size_t size);
/* The exit status (sysexits) of a code: the one place where the two are tied. */
int tg_exit_status(int code);
/* A word for a code, for JSON: "held", "unknown", "lost" … never NULL. */
const char *tg_code_name(int code);

#ifdef __cplusplus
}
#endif
#endif
