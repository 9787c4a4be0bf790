/* The error object: see tagout/error.h. */
#include <tagout/error.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int code;
    int exit_status;
    const char *name;
} codes[] = {
    {TG_OK, 0, "ok"},
    {TG_E_FAILED, 1, "failed"},
    {TG_E_USAGE, 64, "usage"},
    {TG_E_DATA, 65, "data"},
    {TG_E_UNKNOWN, 69, "unknown"},
    {TG_E_LOST, 69, "lost"},
    {TG_E_SESSION, 69, "session"},
    {TG_E_TIMEOUT, 69, "timeout"},
    {TG_E_HELD, 75, "held"},
    {TG_E_PERM, 77, "not-allowed"},
    {TG_E_CONFIG, 78, "configuration"},
    {TG_E_NOENT, 1, "no-such-thing"},
    {TG_E_EXISTS, 1, "exists"},
    {TG_E_VERSION, 75, "changed-meanwhile"},
    {TG_E_NOTEMPTY, 1, "not-empty"},
    {TG_E_SYSTEM, 1, "system"},
    {TG_E_MEMORY, 1, "memory"},
    {TG_E_CANCELLED, 1, "cancelled"},
    {TG_E_BUG, 70, "bug"},
    {TG_E_FULL, 69, "no-room"},
};

/* Ends a text that did not fit in "…", at a character's border. */
static void mark_cut(char *text, size_t size)
{
    static const char mark[] = "…";
    size_t at = size - sizeof mark;

    while (at > 0 && ((unsigned char) text[at] & 0xc0U) == 0x80U)
        at--;
    memcpy(text + at, mark, sizeof mark);
}

static void set_text(char *text, size_t size, const char *format, va_list args)
{
    int n = vsnprintf(text, size, format, args);

    if (n < 0)
        text[0] = '\0';
    else if ((size_t) n >= size)
        mark_cut(text, size);
    for (char *c = text; *c; c++)
        if ((unsigned char) *c < 0x20 || *c == 0x7f)
            *c = ' '; /* one line, and nothing that a terminal would obey */
}

int tg_failv(struct tg_error *e, int code, const char *format, va_list args)
{
    if (e && !e->code) {
        tg_error_clear(e);
        e->code = code;
        set_text(e->message, sizeof e->message, format, args);
    }
    return code;
}

int tg_fail(struct tg_error *e, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tg_failv(e, code, format, args);
    va_end(args);
    return code;
}

int tg_fail_errno(struct tg_error *e, int code, int sys_errno, const char *format, ...)
{
    va_list args;
    bool mine = e && !e->code;

    if (code == TG_E_SYSTEM && (sys_errno == ENOSPC || sys_errno == EDQUOT))
        code = TG_E_FULL;
    va_start(args, format);
    tg_failv(e, code, format, args);
    va_end(args);
    if (mine && code == TG_E_FULL)
        tg_error_hint(e, "make room on its file system, then try again");
    if (mine) {
        size_t len = strlen(e->message);
        e->sys_errno = sys_errno;
        int n = snprintf(e->message + len, sizeof e->message - len, ": %s", strerror(sys_errno));
        if (n >= 0 && (size_t) n >= sizeof e->message - len)
            mark_cut(e->message, sizeof e->message);
    }
    return code;
}

int tg_fail_at(struct tg_error *e, int code, const char *file, int line, int column, const char *format, ...)
{
    va_list args;
    bool mine = e && !e->code;

    va_start(args, format);
    tg_failv(e, code, format, args);
    va_end(args);
    if (mine) {
        snprintf(e->file, sizeof e->file, "%s", file ? file : "");
        e->line = line;
        e->column = column;
    }
    return code;
}

int tg_error_hint(struct tg_error *e, const char *format, ...)
{
    va_list args;

    if (!e)
        return 0;
    if (e->code && !e->hint[0]) {
        va_start(args, format);
        set_text(e->hint, sizeof e->hint, format, args);
        va_end(args);
    }
    return e->code;
}

int tg_error_prefix(struct tg_error *e, const char *format, ...)
{
    char rest[sizeof e->message];
    va_list args;

    if (!e)
        return 0;
    if (!e->code)
        return 0;
    memcpy(rest, e->message, sizeof rest);
    va_start(args, format);
    set_text(e->message, sizeof e->message, format, args);
    va_end(args);
    size_t len = strlen(e->message);
    int n = snprintf(e->message + len, sizeof e->message - len, ": %s", rest);
    if (n >= 0 && (size_t) n >= sizeof e->message - len)
        mark_cut(e->message, sizeof e->message);
    return e->code;
}

void tg_error_clear(struct tg_error *e)
{
    if (e)
        *e = (struct tg_error) TG_ERROR_INIT;
}

void tg_error_format(const struct tg_error *e, char *out, size_t size)
{
    if (e->file[0] && e->line && e->column)
        snprintf(out, size, "%s:%d:%d: %s", e->file, e->line, e->column, e->message);
    else if (e->file[0] && e->line)
        snprintf(out, size, "%s:%d: %s", e->file, e->line, e->message);
    else if (e->file[0])
        snprintf(out, size, "%s: %s", e->file, e->message);
    else
        snprintf(out, size, "%s", e->message);
}

int tg_exit_status(int code)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].code == code)
            return codes[i].exit_status;
    return 70;
}

const char *tg_code_name(int code)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].code == code)
            return codes[i].name;
    return "bug";
}
