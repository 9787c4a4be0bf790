/* The program: parses, prepares what the command needs, runs it, and turns its error into a message and an exit status. */
#include "base/log.h"
#include "base/shown.h"
#include "cli/cmd.h"
#include "cli/guarding.h"
#include "config/site.h"
#include "guard/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void look_at_terminal(struct tg_frame *f)
{
    const char *term = getenv("TERM");
    bool dumb = term && strcmp(term, "dumb") == 0;
    struct winsize size;

    f->out_tty = isatty(STDOUT_FILENO) && !dumb;
    f->err_tty = isatty(STDERR_FILENO) && !dumb;
    f->colour = f->out_tty && !getenv("NO_COLOR");
    f->width = 80;
    if (f->out_tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        f->width = size.ws_col;
}

static void print_problems(struct tg_frame *f)
{
    struct tg_buf text = TG_BUF_INIT, shown = TG_BUF_INIT;

    tg_problems_text(&f->problems, &text);
    tg_shown_lines(&shown, tg_buf_text(&text));
    fputs(tg_buf_text(&shown), stderr);
    tg_buf_release(&shown);
    tg_buf_release(&text);
}

static void print_json_line(json_t *o)
{
    struct tg_buf shown = TG_BUF_INIT;
    char *dump = json_dumps(o, JSON_COMPACT);

    tg_shown_json(&shown, dump ? dump : "");
    fprintf(stderr, "%s\n", tg_buf_text(&shown));
    tg_buf_release(&shown);
    free(dump);
}

static void print_problems_json(struct tg_frame *f)
{
    json_t *json = tg_problems_json(&f->problems);

    print_json_line(json);
    json_decref(json);
}

void tg_print_error(struct tg_frame *f, const struct tg_error *e)
{
    bool unknown = e->code && tg_exit_status(e->code) == tg_exit_status(TG_E_UNKNOWN);
    const char *hint = e->hint[0] || !unknown ? e->hint : tg_unknown_hint(e->code);
    struct tg_buf shown = TG_BUF_INIT;
    char text[1200];

    if (e->code == TG_E_DATA && tg_problems_count(&f->problems)) {
        if (f->json)
            print_problems_json(f);
        else
            print_problems(f);
        return;
    }
    if (f->json) {
        json_t *o = json_pack("{s:{s:s,s:s,s:i}}", "error", "code", tg_code_name(e->code), "message", e->message, "exit",
                              f->status ? f->status : tg_exit_status(e->code));
        if (o && hint[0])
            json_object_set_new(json_object_get(o, "error"), "hint", json_string(hint));
        if (o && e->file[0])
            json_object_set_new(json_object_get(o, "error"), "place", json_pack("{s:s,s:i,s:i}", "file", e->file, "line", e->line, "column", e->column));
        print_json_line(o);
        json_decref(o);
        return;
    }
    tg_error_format(e, text, sizeof text);
    tg_buf_puts(&shown, "tagout: ");
    tg_shown(&shown, text);
    tg_buf_puts(&shown, hint[0] ? "\n  " : "");
    tg_shown(&shown, hint);
    fprintf(stderr, "%s\n", tg_buf_text(&shown));
    tg_buf_release(&shown);
}

/* Somebody who reads no more, as head does, is told nothing: whoever writes into his pipe usually dies of it. */
static bool is_broken_pipe(int error)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return error == EPIPE || (poll(&out, 1, 0) == 1 && out.revents & POLLERR);
}

int tg_out_flush(struct tg_frame *f, struct tg_error *e)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    int error = errno;
    f->reader_gone = is_broken_pipe(error);
    return tg_fail(e, TG_E_SYSTEM, "the output could not be written%s%s", error ? ": " : "", error ? strerror(error) : "");
}

int tg_print_json(json_t *value, struct tg_error *e)
{
    if (!value)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    struct tg_buf shown = TG_BUF_INIT;
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
    json_decref(value);
    tg_shown_json(&shown, text ? text : "");
    free(text);
    int rc = shown.len ? tg_buf_ok(&shown, e) : tg_fail(e, TG_E_MEMORY, "out of memory");
    if (!rc && fputs(tg_buf_text(&shown), stdout) != EOF)
        putchar('\n'); /* what could not be written, main tells at the end */
    tg_buf_release(&shown);
    return rc;
}

/*
 * No descriptors, no memory, no process: what was to be guarded has not begun, and a status of 1 or 77 would be taken for its own. What is wrong with
 * the command line or with a file keeps its status, and what a signal has ended, too.
 */
static int not_started(struct tg_frame *f, int rc, struct tg_error *e)
{
    struct tg_guard_verdict v = {.answer = TG_ANSWER_UNKNOWN, .error = *e};
    struct tg_buf line = TG_BUF_INIT;
    int status = tg_exit_status(rc);

    if (rc == TG_E_CANCELLED || status == tg_exit_status(TG_E_USAGE) || status == tg_exit_status(TG_E_DATA) || status == tg_exit_status(TG_E_CONFIG))
        return rc;
    snprintf(v.cause, sizeof v.cause, "%s", tg_unknown_cause(rc));
    tg_error_hint(&v.error, "%s", tg_unknown_hint(rc));
    tg_verdict_line(&v, f->config ? f->config->store : "-", 0, &line);
    fprintf(stderr, "%s\n", tg_buf_text(&line));
    tg_buf_release(&line);
    f->status = tg_exit_status(TG_E_UNKNOWN);
    return 0;
}

static int run(struct tg_frame *f, int argc, char **argv, struct tg_error *e)
{
    int rc = tg_cli_parse(f, argc, argv, e);

    if (rc)
        return rc;
    if (tg_opt_flag(f, "version")) {
        printf("tagout %s\n", TG_RELEASE);
        return 0;
    }
    if (!f->cmd && f->json && !tg_opt_flag(f, "help")) {
        tg_fail(e, TG_E_USAGE, "no command is named");
        tg_error_hint(e, "tagout --help lists them");
        return TG_E_USAGE;
    }
    if (tg_opt_flag(f, "help") || !f->cmd) {
        bool asked = tg_opt_flag(f, "help");
        tg_cli_help(asked ? stdout : stderr, f->cmd, f->family);
        f->status = asked ? 0 : tg_exit_status(TG_E_USAGE);
        return 0;
    }
    if (tg_opt_flag(f, "verbose"))
        tg_log_level_set(TG_LOG_DEBUG);
    rc = tg_frame_prepare(f, e);
    if (!rc)
        rc = f->cmd->exec(f, e);
    return rc && f->cmd->needs & TG_GUARDS_COMMAND ? not_started(f, rc, e) : rc;
}

#define OF_SIGNAL 128 /* the status of what a signal has ended, as the shell has it */

/* The status, and on stderr why. What could not be written makes of a well a badly, and of nothing else anything: HELD stays HELD. */
static int end(struct tg_frame *f, int rc, struct tg_error *e)
{
    struct tg_error own = TG_ERROR_INIT;
    int number = rc == TG_E_CANCELLED ? tg_cli_signalled() : 0, out = tg_out_flush(f, &own);
    bool quiet = f->reader_gone && (!rc || e->code == TG_E_SYSTEM);

    f->status = !rc ? f->status : number ? OF_SIGNAL + number : tg_exit_status(rc);
    if (quiet && (rc || f->status == 0))
        f->status = OF_SIGNAL + SIGPIPE;
    else if (out && f->status == 0)
        f->status = tg_exit_status(out);
    if ((rc || out) && !quiet)
        tg_print_error(f, rc ? e : &own);
    return f->status;
}

/* Whoever started us without one of the three: what we open must not become it, or what is printed goes into the store. */
static void fill_standard_descriptors(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY) != fd)
            _exit(70);
}

int main(int argc, char **argv)
{
    struct tg_frame f = {0};
    struct tg_error e = TG_ERROR_INIT;

    fill_standard_descriptors();
    setlocale(LC_CTYPE, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN);
    look_at_terminal(&f);
    int rc = run(&f, argc, argv, &e);
    int status = end(&f, rc, &e);
    tg_frame_release(&f);
    tg_problems_release(&f.problems);
    tg_cli_release(&f);
    return status;
}
