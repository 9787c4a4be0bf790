/*
 * Bare mode: a host that has sshd, a POSIX shell, coreutils and util-linux, and the tool; nothing of ours. A step is carried there
 * as one fixed script (bare_script.sh, sent along each time) with arguments; the script becomes root (it is, or "sudo -n"), runs
 * the request and brings back what came of it in a framed report. Pure: text in, text out.
 *
 * What the script promises (each is tested on a real shell):
 *   - A step that changes the host is named by its id and has a folder below /var/lib/tagout/steps. It is started at most once in
 *     the host's life, detached from the connection. Sending the same step again finds it: it waits for a step that is
 *     still running, and returns the recorded report of one that has ended (P7). A step whose supervisor died, or whose
 *     host was rebooted under it, is reported as interrupted: unknown, never failed and never begun anew.
 *   - What does not change the host (a dry-run) ends with its connection, within some seconds: TERM, and KILL 30 s later.
 *   - A controller that has been replaced is refused: the host remembers the highest epoch of each run (P6).
 *   - While it waits it says so every few seconds, so that silence means a dead connection and not a slow tool.
 *   - Secrets come on stdin and are in no argument list. Reports of more than 30 days are removed.
 */
#ifndef TG_ENGINE_BARE_H
#define TG_ENGINE_BARE_H

#include <tagout/driver.h>
#include <tagout/error.h>

#define TG_BARE_NONCE_SIZE 33

enum tg_bare_mode {
    TG_BARE_START, /* start the step unless it was started already, wait, report */
    TG_BARE_LOOK,  /* never start anything: report what is known of the step now */
    TG_BARE_FORGET /* remove the record of a step that has ended (not while it runs) */
};

/* What the transport shall carry. tg_bare_call_release(). */
struct tg_bare_call {
    char **argv;      /* NULL-terminated */
    char *input;      /* for stdin: nonce and environment; secret */
    size_t input_len;
    char nonce[TG_BARE_NONCE_SIZE]; /* frames the report: give it to tg_bare_answer() */
};

/*
 * step: "RUN.HOST.STEP", [A-Za-z0-9._-]{1,200}, not beginning with "."; the same text means the same step. run: names whose epoch it is.
 * timeout_ms: the request's, or default_ms when it has none. base: NULL for /var/lib/tagout/steps (tests use another).
 * TG_E_DATA for a name that does not fit, or an environment value with a line feed.
 */
int tg_bare_call(enum tg_bare_mode mode, const char *step, const char *run, int64_t epoch, const struct tg_request *request,
                 int64_t default_ms, const char *base, struct tg_bare_call *out, struct tg_error *e);
void tg_bare_call_release(struct tg_bare_call *call);

enum tg_bare_state {
    TG_BARE_EXITED,      /* answer is filled in */
    TG_BARE_RUNNING,     /* LOOK only: under way */
    TG_BARE_ABSENT,      /* LOOK only: never begun on this host */
    TG_BARE_INTERRUPTED, /* begun, and its end is not known */
    TG_BARE_FENCED,      /* the host has seen a newer controller of this run: stop */
    TG_BARE_DENIED,      /* sudo refused, or no record could be written (a full disk): the step has not begun; text says why */
    TG_BARE_BROKEN       /* no complete report: unknown (P12) */
};
const char *tg_bare_state_name(enum tg_bare_state state);

/*
 * Reads the report out of a job's stdout. answer borrows from out_bytes (which must live as long and is NUL-terminated behind len; line
 * feeds behind the streams are overwritten with NUL, so it must be writable). text, of text_size, gets a sentence for people when the state is
 * not EXITED. Never fails: what can't be read is TG_BARE_BROKEN.
 */
enum tg_bare_state tg_bare_answer(char *out_bytes, size_t len, const char *err_text, const char *nonce, struct tg_answer *answer,
                                  char *text, size_t text_size);

#endif
