/* Bare mode: a request as one script call, and its framed report back as an answer. See bare.h. */
#define _GNU_SOURCE
#include "engine/bare.h"

#include "base/buf.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

extern const char tg_bare_script[]; /* bare_script.sh */

/* Becomes root, or says why not; then the script with its arguments. */
static const char become_root[] = "if [ \"$(id -u)\" = 0 ]; then exec sh -c \"$@\"; else exec sudo -n -- sh -c \"$@\"; fi";

static int check_name(const char *what, const char *name, struct tg_error *e)
{
    size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    if (len == 0 || len > 200 || name[len] || name[0] == '.' || name[0] == '-')
        return tg_fail(e, TG_E_DATA, "\"%.60s\" can't name a %s on a host", name, what);
    return 0;
}

static int make_nonce(char out[TG_BARE_NONCE_SIZE], struct tg_error *e)
{
    unsigned char bytes[16];

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t) sizeof bytes)
        return tg_fail(e, TG_E_SYSTEM, "no random numbers");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

/* stdin of the script: the nonce, the environment, an empty line. */
static int make_input(const struct tg_request *request, struct tg_bare_call *out, struct tg_error *e)
{
    struct tg_buf b = TG_BUF_INIT;

    tg_buf_printf(&b, "%s\n", out->nonce);
    for (size_t i = 0; request->env[i]; i++) {
        if (strchr(request->env[i], '\n') || !strchr(request->env[i], '=')) {
            tg_buf_release(&b);
            return tg_fail(e, TG_E_DATA, "an environment value with a line feed can't be carried to a host");
        }
        tg_buf_printf(&b, "%s\n", request->env[i]);
    }
    tg_buf_putc(&b, '\n');
    out->input_len = b.len;
    return (out->input = tg_buf_take(&b, e)) ? 0 : TG_E_MEMORY;
}

struct args {
    char **list;
    size_t n, cap;
    bool failed;
};

static void add(struct args *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct args *a, const char *format, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, format);
    if (a->n + 1 >= a->cap || vasprintf(&text, format, args) < 0)
        a->failed = true;
    else
        a->list[a->n++] = text;
    va_end(args);
}

static int make_argv(enum tg_bare_mode mode, const char *step, const char *run, int64_t epoch, const struct tg_request *request,
                     int64_t timeout_ms, const char *base, struct tg_bare_call *out, struct tg_error *e)
{
    static const char *const modes[] = {[TG_BARE_START] = "start", [TG_BARE_LOOK] = "look", [TG_BARE_FORGET] = "forget"};
    struct args a = {.cap = 16 + 2 * TG_REQUEST_FILES_MAX + TG_REQUEST_ARGS_MAX + 2};

    if (!(a.list = calloc(a.cap, sizeof *a.list)))
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    out->argv = a.list;
    add(&a, "sh");
    add(&a, "-c");
    add(&a, "%s", become_root);
    add(&a, "tagout");
    add(&a, "%s", tg_bare_script);
    add(&a, "tagout");
    add(&a, "%s", modes[mode]);
    add(&a, "%s", step);
    add(&a, "%s", run);
    add(&a, "%lld", (long long) epoch);
    add(&a, "%lld", (long long) ((timeout_ms + 999) / 1000));
    add(&a, "%d", request->changes || mode != TG_BARE_START ? 1 : 0);
    add(&a, "%s", base ? base : "/var/lib/tagout/steps");
    for (size_t i = 0; i < request->n_files; i++) {
        add(&a, "%s", request->files[i].path);
        add(&a, "%zu", request->files[i].max_bytes);
    }
    add(&a, "--");
    for (size_t i = 0; request->argv[i]; i++)
        add(&a, "%s", request->argv[i]);
    return a.failed ? tg_fail(e, TG_E_MEMORY, "out of memory") : 0;
}

int tg_bare_call(enum tg_bare_mode mode, const char *step, const char *run, int64_t epoch, const struct tg_request *request,
                 int64_t default_ms, const char *base, struct tg_bare_call *out, struct tg_error *e)
{
    struct tg_bare_call call = {0};
    int rc = check_name("step", step, e);

    if (!rc)
        rc = check_name("run", run, e);
    for (size_t i = 0; !rc && i < request->n_files; i++)
        if (strchr(request->files[i].path, '\n'))
            rc = tg_fail(e, TG_E_DATA, "a file's name with a line feed can't be carried to a host");
    if (!rc)
        rc = make_nonce(call.nonce, e);
    if (!rc)
        rc = make_input(request, &call, e);
    if (!rc)
        rc = make_argv(mode, step, run, epoch, request, request->timeout_ms ? request->timeout_ms : default_ms, base, &call, e);
    if (rc) {
        tg_bare_call_release(&call);
        return rc;
    }
    *out = call;
    return 0;
}

void tg_bare_call_release(struct tg_bare_call *call)
{
    for (size_t i = 0; call->argv && call->argv[i]; i++)
        free(call->argv[i]);
    free(call->argv);
    if (call->input)
        explicit_bzero(call->input, call->input_len);
    free(call->input);
    *call = (struct tg_bare_call) {0};
}

const char *tg_bare_state_name(enum tg_bare_state state)
{
    static const char *const names[] = {"exited", "running", "absent", "interrupted", "fenced", "denied", "broken"};

    return names[state];
}

/* Reading the report. Everything in it is what a host said: nothing is trusted but the nonce, and each length is checked. */
struct reader {
    char *at, *end;
};

/* The next line, without its line feed, which becomes NUL; NULL when there is no whole one. */
static char *next_line(struct reader *r)
{
    char *nl = r->at < r->end ? memchr(r->at, '\n', (size_t) (r->end - r->at)) : NULL;
    char *line = r->at;

    if (!nl)
        return NULL;
    *nl = '\0';
    r->at = nl + 1;
    return line;
}

/* "WORD rest": the rest, or NULL. */
static char *after_word(char *line, const char *word)
{
    size_t len = strlen(word);

    return line && strncmp(line, word, len) == 0 && line[len] == ' ' ? line + len + 1 : NULL;
}

static bool read_number(const char *text, int64_t max, int64_t *out)
{
    int64_t n = 0;

    if (!text || !isdigit((unsigned char) *text))
        return false;
    for (; isdigit((unsigned char) *text); text++) {
        if (n > max / 10)
            return false;
        n = n * 10 + (*text - '0');
    }
    *out = n;
    return n <= max && (*text == '\0' || *text == ' ');
}

/* "WORD length cut", then the bytes and a line feed. */
static bool read_part(struct reader *r, const char *word, const char **out, size_t *out_len, bool *out_cut)
{
    char *rest = after_word(next_line(r), word);
    int64_t len;

    if (!read_number(rest, 1 << 26, &len) || r->end - r->at < len + 1 || r->at[len] != '\n')
        return false;
    *out_cut = strchr(rest, ' ') && strcmp(strchr(rest, ' '), " 1") == 0;
    *out = r->at;
    *out_len = (size_t) len;
    r->at[len] = '\0';
    r->at += len + 1;
    return true;
}

static bool read_files(struct reader *r, const char *end_mark, struct tg_answer *a)
{
    for (;;) {
        char *line = next_line(r);
        if (!line)
            return false;
        if (strcmp(line, end_mark) == 0)
            return true;
        char *rest = after_word(line, "path"), *path = rest ? strchr(rest, ' ') : NULL;
        int64_t modified;
        if (!path || a->n_files == TG_REQUEST_FILES_MAX || !read_number(rest, INT64_C(1) << 50, &modified))
            return false;
        bool cut;
        const char *data;
        size_t len;
        if (!read_part(r, "file", &data, &len, &cut))
            return false;
        a->files[a->n_files].path = path + 1;
        a->files[a->n_files].data = data;
        a->files[a->n_files].len = len;
        a->files[a->n_files].truncated = cut;
        a->files[a->n_files].modified_ms = modified;
        a->n_files++;
    }
}

static bool read_exited(struct reader *r, const char *end_mark, struct tg_answer *a)
{
    int64_t status;
    bool cut;

    if (!read_number(after_word(next_line(r), "status"), 255, &status) ||
        !read_number(after_word(next_line(r), "started"), INT64_C(1) << 50, &a->started_ms) ||
        !read_number(after_word(next_line(r), "ended"), INT64_C(1) << 50, &a->ended_ms))
        return false;
    a->status = (int) status;
    return read_part(r, "out", &a->out, &a->out_len, &cut) && read_part(r, "err", &a->err, &a->err_len, &cut) &&
           read_files(r, end_mark, a);
}

static const struct {
    const char *word;
    enum tg_bare_state state;
    const char *text;
} states[] = {
    {"running", TG_BARE_RUNNING, "the step is still running on the host"},
    {"absent", TG_BARE_ABSENT, "the step was never begun on the host"},
    {"interrupted", TG_BARE_INTERRUPTED, "the step was begun on the host and interrupted there (a reboot, or its supervisor was killed): what came of it is unknown"},
    {"fenced", TG_BARE_FENCED, "the host has seen a newer controller of this run and refuses this one"},
    {"refused", TG_BARE_DENIED, "nothing was begun on the host"},
};

static enum tg_bare_state read_report(struct reader *r, const char *nonce, struct tg_answer *a, char *text, size_t size)
{
    char mark[64], end_mark[64];
    char *line, *word;

    snprintf(mark, sizeof mark, "tagout-bare 1 %s", nonce);
    snprintf(end_mark, sizeof end_mark, "end %s", nonce);
    do {
        line = next_line(r);
    } while (line && strcmp(line, mark) != 0);
    if ((word = after_word(next_line(r), "state")) != NULL) {
        if (strcmp(word, "exited") == 0 && read_exited(r, end_mark, a))
            return TG_BARE_EXITED;
        for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
            if (strcmp(word, states[i].word) == 0 && (line = next_line(r)) != NULL && strcmp(line, end_mark) == 0) {
                snprintf(text, size, "%s", states[i].text);
                return states[i].state;
            }
    }
    return TG_BARE_BROKEN;
}

/* The last line of stderr that says something, for a report that never came. */
static void last_words(const char *err_text, char *out, size_t size)
{
    const char *last = "";

    for (const char *p = err_text; *p; p += strcspn(p, "\n"), p += *p == '\n')
        if (*p != '\n')
            last = p;
    snprintf(out, size, "%.*s", (int) (strcspn(last, "\n") > 300 ? 300 : strcspn(last, "\n")), last);
    for (char *c = out; *c; c++)
        if ((unsigned char) *c < ' ' || *c == 0x7f)
            *c = '?';
}

enum tg_bare_state tg_bare_answer(char *out_bytes, size_t len, const char *err_text, const char *nonce, struct tg_answer *answer,
                                  char *text, size_t text_size)
{
    struct reader r = {.at = out_bytes, .end = out_bytes + len};
    struct tg_answer a = {.out = "", .err = ""};
    char words[320];

    enum tg_bare_state state = read_report(&r, nonce, &a, text, text_size);
    if (state == TG_BARE_EXITED)
        *answer = a;
    if (state != TG_BARE_BROKEN && state != TG_BARE_DENIED)
        return state;
    last_words(err_text ? err_text : "", words, sizeof words);
    if (state == TG_BARE_DENIED) {
        snprintf(text, text_size, "nothing was begun on the host%s%s", words[0] ? ": " : "", words);
        return state;
    }
    if (strncmp(words, "sudo:", 5) == 0) {
        snprintf(text, text_size, "root is refused on the host: %s", words);
        return TG_BARE_DENIED;
    }
    snprintf(text, text_size, "no whole report came from the host%s%s", words[0] ? ": " : "", words);
    return TG_BARE_BROKEN;
}
