/* Templates of mails: see announce_text.h. announce_fill.c fills them in. */
#include "calendar/announce_fill.h"

#include "base/nearest.h"
#include "base/shown.h"
#include "base/whole.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const builtin[TG_ANNOUNCE_WEEK] = {
    [TG_ANNOUNCE_SCHEDULED] = "Subject: Maintenance scheduled: {begin}\n\n"
                              "Maintenance is scheduled for {count} of your hosts ({customer}):\n\n{events}\n"
                              "Times are {zone}. The attached calendar entry will be kept up to date.\n",
    [TG_ANNOUNCE_CHANGED] = "Subject: Maintenance changed: {begin}\n\n"
                            "Maintenance of your hosts ({customer}) has changed:\n\n{events}\n"
                            "Times are {zone}. The attached calendar entry replaces the one that you have.\n",
    [TG_ANNOUNCE_CANCELLED] = "Subject: Maintenance cancelled: {begin}\n\n"
                              "This maintenance of your hosts ({customer}) will not take place:\n\n{events}\n"
                              "Times are {zone}. The attached entry removes it from your calendar.\n",
    [TG_ANNOUNCE_LATE] = "Subject: Maintenance begins late: {begin}\n\n"
                         "Maintenance of your hosts ({customer}) begins later than announced:\n\n{events}\n"
                         "Times are {zone}.\n",
    [TG_ANNOUNCE_DONE] = "Subject: Maintenance done: {begin}\n\n"
                         "Maintenance of {count} of your hosts ({customer}) is over:\n\n{events}\n"
                         "Times are {zone}.\n",
    [TG_ANNOUNCE_FORMER] = "Subject: No longer yours: maintenance of {begin}\n\n"
                           "You are told no more of maintenance of the hosts of {customer}, as you are not among those who are to be told of it now. The following may still take "
                           "place:\n\n{events}\n"
                           "Times are {zone}. The attached entry removes it from your calendar.\n",
};

const char *tg_template_builtin(enum tg_announce_kind kind)
{
    return builtin[kind];
}

static const struct {
    const char *name, *about;
} words[TG_WORDS + 1] = {
    [TG_WORD_CUSTOMER] = {"customer", "the customer's name in the inventory"},
    [TG_WORD_EVENTS] = {"events", "a few lines for each slot: when, what, which hosts, and why"},
    [TG_WORD_HOSTS] = {"hosts", "the hosts, folded; long lists are cut"},
    [TG_WORD_COUNT] = {"count", "how many hosts these are"},
    [TG_WORD_BEGIN] = {"begin", "when the first slot begins"},
    [TG_WORD_END] = {"end", "when the last slot ends"},
    [TG_WORD_ACTIVITY] = {"activity", "what is done; several are separated by commas"},
    [TG_WORD_REASON] = {"reason", "why it was cancelled, is late, or how it ended; may be empty"},
    [TG_WORD_ZONE] = {"zone", "the time zone of all times"},
    [TG_WORD_SOURCE] = {"source", "where it comes from: \"requests\", or a maintenance week"},
    [TG_WORD_SEQUENCE] = {"sequence", "how many messages of this came before"},
    [TG_WORDS] = {NULL, NULL},
};

const char *tg_template_word(size_t i, const char **out_about)
{
    if (i >= TG_WORDS)
        return NULL;
    *out_about = words[i].about;
    return words[i].name;
}

static const char *next_word(const void *data, size_t i)
{
    (void) data;
    return i < TG_WORDS ? words[i].name : NULL;
}

/* ---- parsing ---- */

struct parser {
    const char *file, *text;
    size_t len, at, line_at;
    int line;
    struct tg_problems *p;
    struct tg_template *t;
    struct tg_buf literal;
};

static struct tg_error *problem(const struct parser *s, size_t at, int width, const char *format, ...) __attribute__((format(printf, 4, 5)));
static struct tg_error *problem(const struct parser *s, size_t at, int width, const char *format, ...)
{
    const struct tg_place place = {.file = s->file, .line = s->line, .column = (int) (at - s->line_at) + 1, .width = width, .source = s->text + s->line_at,
                                   .source_len = s->len - s->line_at};
    va_list args;

    va_start(args, format);
    struct tg_error *e = tg_problems_addv(s->p, &place, format, args);
    va_end(args);
    return e;
}

static int add_piece(struct tg_template *t, bool subject, char *literal, enum tg_word word, struct tg_error *e)
{
    struct tg_pieces *list = subject ? &t->subject : &t->body;
    struct tg_piece *v = realloc(list->v, (list->n + 1) * sizeof *v);

    if (!v) {
        free(literal);
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    list->v = v;
    v[list->n++] = (struct tg_piece) {.literal = literal, .word = word};
    return 0;
}

static int flush(struct parser *s, bool subject, struct tg_error *e)
{
    if (!s->literal.len)
        return tg_buf_ok(&s->literal, e);
    char *text = tg_buf_take(&s->literal, e);

    return text ? add_piece(s->t, subject, text, TG_WORDS, e) : TG_E_MEMORY;
}

/* At a "{". */
static int take_word(struct parser *s, bool subject, struct tg_error *e)
{
    size_t from = s->at + 1, n = strspn(s->text + from, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    char name[40];
    size_t w = 0;

    if (s->text[from + n] != '}' || !n) {
        tg_error_hint(problem(s, s->at, 1, "\"{\" begins no placeholder"), "a brace itself is written {{");
        s->at++;
        return 0;
    }
    snprintf(name, sizeof name, "%.*s", (int) (n < sizeof name ? n : sizeof name - 1), s->text + from);
    while (w < TG_WORDS && strcmp(words[w].name, name) != 0)
        w++;
    if (w == TG_WORDS) {
        const char *near = tg_nearest(name, next_word, NULL);
        struct tg_error *what = problem(s, s->at, (int) n + 2, "unknown placeholder {%s}", name);
        if (near)
            tg_error_hint(what, "did you mean {%s}?", near);
        else
            tg_error_hint(what, "man tagout-templates lists them");
    }
    s->at = from + n + 1;
    int rc = flush(s, subject, e);
    return rc || w == TG_WORDS ? rc : add_piece(s->t, subject, NULL, (enum tg_word) w, e);
}

/* One character, whatever it is. */
static void take_char(struct parser *s)
{
    long point;
    size_t n = tg_char_at(s->text + s->at, &point);

    if (point != '\n' && point != '\t' && tg_char_is_hidden(point)) {
        problem(s, s->at, 1, point < 0 ? "a byte that is no UTF-8" : "a character that can't be seen (U+%04lX)", (unsigned long) point);
        n = n ? n : 1;
    } else {
        tg_buf_add(&s->literal, s->text + s->at, n);
    }
    s->at += n;
}

static int take_line(struct parser *s, bool subject, struct tg_error *e)
{
    int rc = 0;

    while (!rc && s->at < s->len && s->text[s->at] != '\n') {
        char c = s->text[s->at];
        if (c == '\r' && s->at + 1 < s->len && s->text[s->at + 1] == '\n') {
            s->at++;
        } else if ((c == '{' || c == '}') && s->text[s->at + 1] == c) {
            tg_buf_putc(&s->literal, c);
            s->at += 2;
        } else if (c == '{') {
            rc = take_word(s, subject, e);
        } else if (c == '}') {
            tg_error_hint(problem(s, s->at, 1, "\"}\" ends no placeholder"), "a brace itself is written }}");
            s->at++;
        } else {
            take_char(s);
        }
    }
    if (!subject)
        tg_buf_putc(&s->literal, '\n');
    s->at += s->at < s->len;
    s->line_at = s->at;
    s->line++;
    return rc;
}

#define SUBJECT "Subject:"

static int parse(struct parser *s, struct tg_error *e)
{
    if (s->len < sizeof SUBJECT || strncasecmp(s->text, SUBJECT, sizeof SUBJECT - 1) != 0) {
        tg_error_hint(problem(s, 0, 1, "the first line is no subject"), "Subject: Maintenance of {customer}");
        return 0;
    }
    s->at = sizeof SUBJECT - 1;
    s->at += strspn(s->text + s->at, " \t");
    size_t from = s->at;
    int rc = take_line(s, true, e);
    if (!rc)
        rc = flush(s, true, e);
    if (rc)
        return rc;
    if (!s->t->subject.n) {
        s->line = 1;
        s->line_at = 0;
        problem(s, from, 1, "the subject is empty");
        return 0;
    }
    if (s->at >= s->len || (s->text[s->at] != '\n' && strncmp(s->text + s->at, "\r\n", 2) != 0)) {
        problem(s, s->at, 1, "an empty line must follow the subject");
        return 0;
    }
    s->at += s->text[s->at] == '\r' ? 2 : 1;
    s->line_at = s->at;
    s->line++;
    while (!rc && s->at < s->len)
        rc = take_line(s, false, e);
    return rc ? rc : flush(s, false, e);
}

int tg_template_parse(const char *file, const char *text, size_t len, struct tg_problems *problems, struct tg_template **out, struct tg_error *e)
{
    struct parser s = {.file = file, .text = text, .len = len, .line = 1, .p = problems, .t = calloc(1, sizeof *s.t)};
    size_t before = tg_problems_count(problems);
    int rc = s.t ? 0 : tg_fail(e, TG_E_MEMORY, "out of memory");

    if (!rc && memchr(text, '\0', len))
        problem(&s, 0, 1, "it has a NUL byte: it is no text");
    else if (!rc)
        rc = parse(&s, e);
    tg_buf_release(&s.literal);
    if (!rc && tg_problems_count(problems) > before)
        rc = tg_problems_error(problems, e);
    if (rc) {
        tg_template_free(s.t);
        return rc;
    }
    *out = s.t;
    return 0;
}

static void release_pieces(struct tg_pieces *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->v[i].literal);
    free(list->v);
}

void tg_template_free(struct tg_template *t)
{
    if (!t)
        return;
    release_pieces(&t->subject);
    release_pieces(&t->body);
    free(t);
}

/* ---- files ---- */

/* A file that nobody ever reads would be believed to be in use. */
static int check_names(const char *folder, struct tg_problems *p, struct tg_error *e)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    if (!dir)
        return tg_fail_errno(e, TG_E_CONFIG, errno, "templates %s can't be read", folder);
    while ((entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name), k = 0;
        if (len < 5 || entry->d_name[0] == '.' || strcmp(entry->d_name + len - 4, ".txt") != 0)
            continue;
        while (k < TG_ANNOUNCE_WEEK && (strlen(tg_announce_kind_name((enum tg_announce_kind) k)) != len - 4 ||
                                        strncmp(tg_announce_kind_name((enum tg_announce_kind) k), entry->d_name, len - 4) != 0))
            k++;
        if (k == TG_ANNOUNCE_WEEK) {
            const struct tg_place place = {.file = folder};
            tg_error_hint(tg_problems_add(p, &place, "%.80s is no template's name", entry->d_name), "scheduled.txt, changed.txt, cancelled.txt, late.txt, done.txt, former.txt");
        }
    }
    closedir(dir);
    return tg_problems_error(p, e);
}

static int load_one(const char *folder, enum tg_announce_kind kind, struct tg_problems *p, struct tg_template **out, struct tg_error *e)
{
    struct tg_error why = TG_ERROR_INIT;
    char file[512], *text = NULL;
    size_t len = 0;
    int rc = TG_E_NOENT;

    snprintf(file, sizeof file, "%s/%s.txt", folder ? folder : "", tg_announce_kind_name(kind));
    if (folder)
        rc = tg_whole_read(file, TG_TEMPLATE_BYTES_MAX, &text, &len, &why);
    if (rc == TG_E_NOENT)
        return tg_template_parse("built in", builtin[kind], strlen(builtin[kind]), p, out, e);
    if (rc)
        return tg_fail(e, TG_E_CONFIG, "%s", why.message);
    rc = tg_template_parse(file, text, len, p, out, e);
    free(text);
    return rc;
}

int tg_templates_load(const char *folder, struct tg_problems *problems, struct tg_templates *out, struct tg_error *e)
{
    struct tg_templates t = {.of = {NULL}};
    struct tg_error last = TG_ERROR_INIT;
    int rc = folder ? check_names(folder, problems, &last) : 0;

    for (int k = 0; (!rc || rc == TG_E_DATA) && k < TG_ANNOUNCE_WEEK; k++) { /* all mistakes at once */
        int one = load_one(folder, (enum tg_announce_kind) k, problems, &t.of[k], &last);
        rc = one ? one : rc;
    }
    if (rc) {
        tg_templates_release(&t);
        return rc == TG_E_DATA ? tg_problems_error(problems, e) : tg_fail(e, rc, "%s", last.message);
    }
    *out = t;
    return 0;
}

void tg_templates_release(struct tg_templates *t)
{
    for (int k = 0; k < TG_ANNOUNCE_WEEK; k++)
        tg_template_free(t->of[k]);
    *t = (struct tg_templates) {.of = {NULL}};
}
