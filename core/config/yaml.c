/* YAML documents: their memory, their places, reading files. See yaml.h. */
#define _GNU_SOURCE
#include "config/yaml_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES (64u * 1024)
#define PIPE_WAIT_MS 60000

static int no_memory(struct tg_error *e)
{
    return tg_fail(e, TG_E_MEMORY, "out of memory");
}

void *tg_yaml_alloc(struct tg_yaml_doc *doc, size_t size)
{
    struct tg_yaml_chunk *c = doc->chunks;

    size = (size + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
    if (!c || c->size - c->used < size) {
        size_t want = size > CHUNK_BYTES ? size : CHUNK_BYTES;
        c = malloc(sizeof *c + want);
        if (!c)
            return NULL;
        *c = (struct tg_yaml_chunk) {.next = doc->chunks, .size = want};
        doc->chunks = c;
    }
    void *at = c->data + c->used;
    c->used += size;
    return at;
}

/* The bytes from the start of a line (1-based) on; line breaks are counted as YAML 1.1, and so libyaml, does. */
static const char *find_line(const struct tg_yaml_doc *doc, int line)
{
    const char *s = doc->source, *end = s + doc->len;

    for (int at = 1; s < end && at < line; s++) {
        if (*s == '\n' || (*s == '\r' && (s + 1 == end || s[1] != '\n'))) {
            at++;
        } else if (end - s >= 2 && memcmp(s, "\xc2\x85", 2) == 0) {
            at++;
            s += 1;
        } else if (end - s >= 3 && (memcmp(s, "\xe2\x80\xa8", 3) == 0 || memcmp(s, "\xe2\x80\xa9", 3) == 0)) {
            at++;
            s += 2;
        }
    }
    return s;
}

struct tg_error *tg_yaml_problem_at(struct tg_problems *p, const struct tg_yaml_doc *doc, int line, int column, int width,
                                    const char *format, va_list args)
{
    struct tg_place place = {.file = doc->name, .line = line, .column = column, .width = width};

    if (p->n < TG_PROBLEMS_MAX) {
        place.source = find_line(doc, line);
        place.source_len = (size_t) (doc->source + doc->len - place.source);
    }
    return tg_problems_addv(p, &place, format, args);
}

struct tg_error *tg_yaml_problem(struct tg_problems *p, const struct tg_yaml_node *at, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct tg_error *e = tg_yaml_problem_at(p, at->doc, at->line, at->column, at->width, format, args);
    va_end(args);
    return e;
}

/* Characters in the first n bytes of text. */
static int characters(const char *text, size_t n)
{
    int count = 0;

    for (size_t i = 0; i < n; i++)
        count += ((unsigned char) text[i] & 0xc0U) != 0x80U;
    return count;
}

struct tg_error *tg_yaml_problem_inside(struct tg_problems *p, const struct tg_yaml_node *at, int byte, const char *format, ...)
{
    va_list args;
    int column = at->column, width = at->width, quote = at->kind == TG_YAML_SCALAR && at->quoted;

    if (byte > 0 && at->kind == TG_YAML_SCALAR && (size_t) byte <= at->n + 1U && characters(at->text, at->n) + 2 * quote == width) {
        column += quote + characters(at->text, (size_t) byte - 1);
        width = 1;
    }
    va_start(args, format);
    struct tg_error *e = tg_yaml_problem_at(p, at->doc, at->line, column, width, format, args);
    va_end(args);
    return e;
}

/* Consumes source, also on failure. */
static int parse(const char *name, char *source, size_t len, struct tg_problems *p, struct tg_yaml_doc **out, struct tg_error *e)
{
    struct tg_yaml_doc *doc = calloc(1, sizeof *doc);
    struct tg_yaml_node *empty;
    int rc = 0;

    if (!doc || !(doc->name = strdup(name))) {
        free(source);
        free(doc);
        return no_memory(e);
    }
    doc->source = source;
    doc->len = len;
    rc = tg_yaml_build(doc, p, e);
    if (!rc && !doc->root) {
        empty = tg_yaml_alloc(doc, sizeof *empty);
        if (empty)
            *empty = (struct tg_yaml_node) {.doc = doc, .kind = TG_YAML_SCALAR, .line = 1, .column = 1, .width = 1, .text = ""};
        else
            rc = no_memory(e);
        doc->root = empty;
    }
    if (rc) {
        tg_yaml_free(doc);
        return rc;
    }
    *out = doc;
    return 0;
}

static int too_large(const char *name, struct tg_error *e)
{
    tg_fail_at(e, TG_E_DATA, name, 0, 0, "larger than %u MiB", TG_YAML_SIZE_MAX >> 20U);
    return tg_error_hint(e, "fold host names (web[001-100]), or split the file");
}

int tg_yaml_parse(const char *name, const char *text, size_t len, struct tg_problems *p, struct tg_yaml_doc **out,
                  struct tg_error *e)
{
    char *copy;

    if (len > TG_YAML_SIZE_MAX)
        return too_large(name, e);
    copy = malloc(len + 1);
    if (!copy)
        return no_memory(e);
    memcpy(copy, text, len);
    return parse(name, copy, len, p, out, e);
}

/* A pipe (<(program)) may be slow. One that nobody writes into, as a FIFO that lies where a file should, would be waited for with no end. */
static int await_more(int fd, const char *path, struct tg_error *e)
{
    struct pollfd poll_in = {.fd = fd, .events = POLLIN};
    int n = poll(&poll_in, 1, isatty(fd) ? -1 : PIPE_WAIT_MS);

    return n > 0 || (n < 0 && errno == EINTR) ? 0 : tg_fail(e, TG_E_DATA, "%s can't be read: nothing came for %d s", path, PIPE_WAIT_MS / 1000);
}

static int read_all(int fd, const char *path, struct tg_buf *b, struct tg_error *e)
{
    char block[65536];
    struct stat st;
    ssize_t n;

    while ((n = read(fd, block, sizeof block)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            int rc = await_more(fd, path, e);
            if (rc)
                return rc;
            continue;
        }
        if (n < 0) {
            tg_fail_errno(e, TG_E_DATA, errno, "%s can't be read", path);
            return TG_E_DATA;
        }
        tg_buf_add(b, block, (size_t) n);
        if (b->len > TG_YAML_SIZE_MAX)
            return too_large(path, e);
    }
    if (!b->len && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
        return tg_fail(e, TG_E_DATA, "%s can't be read: it is a pipe, and nobody writes into it", path);
    return tg_buf_ok(b, e);
}

int tg_yaml_load(const char *path, struct tg_problems *p, struct tg_yaml_doc **out, struct tg_error *e)
{
    struct tg_buf b = TG_BUF_INIT;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return tg_fail_errno(e, TG_E_DATA, errno, "%s can't be read", path);
    int rc = read_all(fd, path, &b, e);
    close(fd);
    size_t len = b.len;
    char *source = rc ? NULL : tg_buf_take(&b, e);
    tg_buf_release(&b);
    if (rc)
        return rc;
    return source ? parse(path, source, len, p, out, e) : TG_E_MEMORY;
}

void tg_yaml_free(struct tg_yaml_doc *doc)
{
    if (!doc)
        return;
    for (struct tg_yaml_chunk *c = doc->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(doc->source);
    free(doc->name);
    free(doc);
}

const struct tg_yaml_node *tg_yaml_root(const struct tg_yaml_doc *doc)
{
    return doc->root;
}

const char *tg_yaml_name(const struct tg_yaml_doc *doc)
{
    return doc->name;
}
