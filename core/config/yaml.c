/* YAML → tree, through libyaml's events: see yaml.h. */
#define _GNU_SOURCE
#include "config/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#define CHUNK_BYTES (64u * 1024)

struct chunk {
    struct chunk *next;
    size_t used, size;
    char data[];
};

struct tg_yaml_doc {
    char *name;
    char *source;
    size_t len;
    struct chunk *chunks; /* everything of the tree */
    const struct tg_yaml_node *root;
};

/* A mapping or list that is being read; kids of a mapping are key, value, key, value… */
struct level {
    struct tg_yaml_node *node;
    struct tg_yaml_node **kids;
    uint32_t n, cap;
};

struct builder {
    struct tg_yaml_doc *doc;
    struct tg_problems *problems;
    struct tg_error *e;
    struct level levels[TG_YAML_DEPTH_MAX];
    int depth;
    uint32_t nodes;
    int documents;
};

static int no_memory(struct tg_error *e)
{
    return tg_fail(e, TG_E_MEMORY, "out of memory");
}

/* Memory that lives as long as the document, aligned for pointers; NULL when there is none. */
static void *doc_alloc(struct tg_yaml_doc *doc, size_t size)
{
    struct chunk *c = doc->chunks;

    size = (size + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
    if (!c || c->size - c->used < size) {
        size_t want = size > CHUNK_BYTES ? size : CHUNK_BYTES;
        c = malloc(sizeof *c + want);
        if (!c)
            return NULL;
        *c = (struct chunk) {.next = doc->chunks, .size = want};
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

static struct tg_error *problem_at(struct tg_problems *p, const struct tg_yaml_doc *doc, int line, int column, int width,
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
    struct tg_error *e = problem_at(p, at->doc, at->line, at->column, at->width, format, args);
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
    struct tg_error *e = problem_at(p, at->doc, at->line, column, width, format, args);
    va_end(args);
    return e;
}

static struct tg_error *mark_problem(struct builder *b, const yaml_mark_t *mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static struct tg_error *mark_problem(struct builder *b, const yaml_mark_t *mark, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct tg_error *e = problem_at(b->problems, b->doc, (int) mark->line + 1, (int) mark->column + 1, 1, format, args);
    va_end(args);
    return e;
}

/* Ends the reading, the mistake being in problems. */
static int refuse(struct builder *b)
{
    return tg_problems_error(b->problems, b->e);
}

static struct tg_yaml_node *new_node(struct builder *b, enum tg_yaml_kind kind, const yaml_event_t *event, int *rc)
{
    struct tg_yaml_node *n;

    if (++b->nodes > TG_YAML_NODES_MAX) {
        tg_error_hint(mark_problem(b, &event->start_mark, "more than %u values", TG_YAML_NODES_MAX),
                      "fold host names (web[001-100]), or split the file");
        *rc = refuse(b);
        return NULL;
    }
    n = doc_alloc(b->doc, sizeof *n);
    if (!n) {
        *rc = no_memory(b->e);
        return NULL;
    }
    *n = (struct tg_yaml_node) {.doc = b->doc, .kind = kind, .line = (int) event->start_mark.line + 1,
                                .column = (int) event->start_mark.column + 1, .width = 1};
    return n;
}

/* Hangs a node below the level that is open, or makes it the root. */
static int hang(struct builder *b, struct tg_yaml_node *node)
{
    if (b->depth == 0) {
        b->doc->root = node;
        return 0;
    }
    struct level *l = &b->levels[b->depth - 1];
    if (l->node->kind == TG_YAML_MAP && l->n % 2 == 0 && node->kind != TG_YAML_SCALAR) {
        tg_error_hint(tg_yaml_problem(b->problems, node, "a key must be a word, not a list or a mapping"),
                      "put quotes around a value that begins with { or [");
        return refuse(b);
    }
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 8;
        struct tg_yaml_node **kids = realloc(l->kids, cap * sizeof(struct tg_yaml_node *));
        if (!kids)
            return no_memory(b->e);
        l->kids = kids;
        l->cap = cap;
    }
    l->kids[l->n++] = node;
    return 0;
}

static int open_level(struct builder *b, enum tg_yaml_kind kind, const yaml_event_t *event)
{
    int rc = 0;
    struct tg_yaml_node *node = new_node(b, kind, event, &rc);

    if (!node)
        return rc;
    if (b->depth == TG_YAML_DEPTH_MAX) {
        tg_yaml_problem(b->problems, node, "nested more than %d deep", TG_YAML_DEPTH_MAX);
        return refuse(b);
    }
    if ((rc = hang(b, node)) != 0)
        return rc;
    b->levels[b->depth++] = (struct level) {.node = node};
    return 0;
}

static int close_list(struct builder *b, struct level *l)
{
    const struct tg_yaml_node **items = doc_alloc(b->doc, l->n * sizeof(struct tg_yaml_node *));

    if (!items)
        return no_memory(b->e);
    for (uint32_t i = 0; i < l->n; i++)
        items[i] = l->kids[i];
    l->node->items = items;
    l->node->n = l->n;
    return 0;
}

/* By key, then by place. */
static int compare_pairs(const void *a, const void *b, void *data)
{
    const struct tg_yaml_pair *pairs = data;
    uint32_t i = *(const uint32_t *) a, j = *(const uint32_t *) b;
    int order = strcmp(pairs[i].key->text, pairs[j].key->text);

    return order ? order : i < j ? -1 : i > j;
}

static void report_doubles(struct builder *b, const struct tg_yaml_pair *pairs, const uint32_t *sorted, uint32_t n)
{
    uint32_t first = 0;

    for (uint32_t i = 1; i < n; i++) {
        const struct tg_yaml_node *was = pairs[sorted[first]].key, *key = pairs[sorted[i]].key;
        if (strcmp(was->text, key->text) == 0)
            tg_error_hint(tg_yaml_problem(b->problems, key, "key \"%.80s\" is there twice", key->text),
                          "it was first in line %d, column %d", was->line, was->column);
        else
            first = i;
    }
}

static int close_map(struct builder *b, struct level *l)
{
    uint32_t n = l->n / 2;
    struct tg_yaml_pair *pairs = doc_alloc(b->doc, n * sizeof *pairs);
    uint32_t *sorted = doc_alloc(b->doc, n * sizeof *sorted);

    if (!pairs || !sorted)
        return no_memory(b->e);
    for (uint32_t i = 0; i < n; i++) {
        pairs[i] = (struct tg_yaml_pair) {.key = l->kids[2 * i], .value = l->kids[2 * i + 1]};
        sorted[i] = i;
    }
    qsort_r(sorted, n, sizeof *sorted, compare_pairs, pairs);
    report_doubles(b, pairs, sorted, n);
    l->node->pairs = pairs;
    l->node->sorted = sorted;
    l->node->n = n;
    return 0;
}

static int close_level(struct builder *b)
{
    struct level *l = &b->levels[--b->depth];
    int rc = l->node->kind == TG_YAML_MAP ? close_map(b, l) : close_list(b, l);

    free(l->kids);
    return rc;
}

/* The first byte of a control character that is neither \n nor \t: it would go to terminals and logs. */
static const char *control_character(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char) text[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ||
            (c == 0xc2 && i + 1 < len && (unsigned char) text[i + 1] >= 0x80 && (unsigned char) text[i + 1] < 0xa0))
            return text + i;
    }
    return NULL;
}

static int width_of(const yaml_event_t *event)
{
    size_t from = event->start_mark.column, to = event->end_mark.column;

    if (event->end_mark.line != event->start_mark.line)
        return 1 << 10; /* to the end of the line */
    return to > from ? (int) (to - from) : 1;
}

static int add_scalar(struct builder *b, const yaml_event_t *event)
{
    int rc = 0;
    struct tg_yaml_node *node = new_node(b, TG_YAML_SCALAR, event, &rc);
    size_t len = event->data.scalar.length;
    const char *value = (const char *) event->data.scalar.value;

    if (!node)
        return rc;
    char *text = doc_alloc(b->doc, len + 1);
    if (!text)
        return no_memory(b->e);
    memcpy(text, value, len);
    text[len] = '\0';
    node->text = text;
    node->n = (uint32_t) len;
    node->width = width_of(event);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    const char *control = control_character(text, len);
    if (control) {
        tg_yaml_problem(b->problems, node, "holds the control character \\x%02x", (unsigned) (unsigned char) *control);
        return refuse(b);
    }
    return hang(b, node);
}

static int refuse_anchor(struct builder *b, const yaml_event_t *event, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor)
        tg_error_hint(mark_problem(b, &event->start_mark, "anchor \"&%.40s\": anchors are not taken", (const char *) anchor),
                      "write the value out where it is used");
    else
        tg_error_hint(mark_problem(b, &event->start_mark, "tag \"%.40s\": tags are not taken", (const char *) tag),
                      "leave it out; put quotes around a value that begins with !");
    return refuse(b);
}

static int take_node(struct builder *b, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor || tag)
        return refuse_anchor(b, event, anchor, tag);
    if (event->type == YAML_SCALAR_EVENT)
        return add_scalar(b, event);
    return open_level(b, event->type == YAML_MAPPING_START_EVENT ? TG_YAML_MAP : TG_YAML_LIST, event);
}

static int take_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->documents++ == 0)
            return 0;
        tg_error_hint(mark_problem(b, &event->start_mark, "a second document begins here"), "one file, one document: make two files");
        return refuse(b);
    case YAML_ALIAS_EVENT:
        tg_error_hint(mark_problem(b, &event->start_mark, "alias \"*%.40s\": aliases are not taken",
                                   (const char *) event->data.alias.anchor),
                      "write the value out; put quotes around a value that begins with *");
        return refuse(b);
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return take_node(b, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_level(b);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return 0;
}

/* What libyaml's commonest complaints usually mean. */
static const struct {
    const char *problem, *hint;
} mends[] = {
    {"mapping values are not allowed in this context", "put quotes around a value that holds \": \"; check the indentation"},
    {"found character that cannot start any token", "indent with blanks, not tabs; put quotes around a value that begins with %, @ or `"},
    {"found a tab character", "indent with blanks, not tabs"},
    {"could not find expected ':'", "a line before this one lacks its \":\", or its indentation"},
    {"found unexpected end of stream", "a quote or a bracket is never closed"},
};

/* Line and column of a byte: where the reader found what is no UTF-8. */
static yaml_mark_t mark_of_offset(const struct tg_yaml_doc *doc, size_t offset)
{
    yaml_mark_t mark = {0};

    for (size_t i = 0; i < offset && i < doc->len; i++) {
        unsigned char c = (unsigned char) doc->source[i];
        if (c == '\n') {
            mark.line++;
            mark.column = 0;
        } else if ((c & 0xc0U) != 0x80U) {
            mark.column++;
        }
    }
    return mark;
}

static int syntax_error(struct builder *b, const yaml_parser_t *parser)
{
    yaml_mark_t mark = parser->problem_mark;
    const char *problem = parser->problem ? parser->problem : "no YAML";
    struct tg_error *e;

    if (parser->error == YAML_MEMORY_ERROR)
        return no_memory(b->e);
    if (parser->error == YAML_READER_ERROR) {
        mark = mark_of_offset(b->doc, parser->problem_offset);
        e = mark_problem(b, &mark, "no YAML: %s (0x%02x)", problem, (unsigned) parser->problem_value);
        tg_error_hint(e, "the file must be UTF-8 text");
        return refuse(b);
    }
    e = mark_problem(b, &mark, "no YAML: %s%s%s", problem, parser->context ? " " : "", parser->context ? parser->context : "");
    for (size_t i = 0; i < sizeof mends / sizeof mends[0]; i++)
        if (strstr(problem, mends[i].problem))
            tg_error_hint(e, "%s", mends[i].hint);
    if (parser->context && parser->context_mark.line != mark.line)
        tg_error_hint(e, "it began in line %zu, column %zu", parser->context_mark.line + 1, parser->context_mark.column + 1);
    return refuse(b);
}

static int build(struct builder *b)
{
    static const char bom[] = "\xef\xbb\xbf";
    struct tg_yaml_doc *doc = b->doc;
    yaml_parser_t parser;
    int rc = 0;
    bool end = false;

    if (!yaml_parser_initialize(&parser))
        return no_memory(b->e);
    if (doc->len >= 3 && memcmp(doc->source, bom, 3) == 0)
        memmove(doc->source, doc->source + 3, doc->len -= 3);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *) doc->source, doc->len);
    while (!rc && !end) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            rc = syntax_error(b, &parser);
            break;
        }
        rc = take_event(b, &event);
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    while (b->depth > 0)
        free(b->levels[--b->depth].kids);
    return rc;
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
    struct builder b = {.doc = doc, .problems = p, .e = e};
    rc = build(&b);
    if (!rc && !doc->root) {
        empty = doc_alloc(doc, sizeof *empty);
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

static int read_all(int fd, const char *path, struct tg_buf *b, struct tg_error *e)
{
    char block[65536];
    ssize_t n;

    while ((n = read(fd, block, sizeof block)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            tg_fail_errno(e, TG_E_DATA, errno, "%s can't be read", path);
            return TG_E_DATA;
        }
        tg_buf_add(b, block, (size_t) n);
        if (b->len > TG_YAML_SIZE_MAX)
            return too_large(path, e);
    }
    return tg_buf_ok(b, e);
}

int tg_yaml_load(const char *path, struct tg_problems *p, struct tg_yaml_doc **out, struct tg_error *e)
{
    struct tg_buf b = TG_BUF_INIT;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

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
    for (struct chunk *c = doc->chunks, *next; c; c = next) {
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
