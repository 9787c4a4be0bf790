/* YAML → tree, through libyaml's events: see yaml.h. */
#define _GNU_SOURCE
#include "config/yaml_internal.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

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

static struct tg_error *mark_problem(struct builder *b, const yaml_mark_t *mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static struct tg_error *mark_problem(struct builder *b, const yaml_mark_t *mark, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct tg_error *e = tg_yaml_problem_at(b->problems, b->doc, (int) mark->line + 1, (int) mark->column + 1, 1, format, args);
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
    n = tg_yaml_alloc(b->doc, sizeof *n);
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
    const struct tg_yaml_node **items = tg_yaml_alloc(b->doc, l->n * sizeof(struct tg_yaml_node *));

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
    struct tg_yaml_pair *pairs = tg_yaml_alloc(b->doc, n * sizeof *pairs);
    uint32_t *sorted = tg_yaml_alloc(b->doc, n * sizeof *sorted);

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
    char *text = tg_yaml_alloc(b->doc, len + 1);
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
    yaml_parser_t parser;
    int rc = 0;
    bool end = false;

    if (!yaml_parser_initialize(&parser))
        return no_memory(b->e);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *) b->doc->source, b->doc->len);
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

int tg_yaml_build(struct tg_yaml_doc *doc, struct tg_problems *p, struct tg_error *e)
{
    static const char bom[] = "\xef\xbb\xbf";
    struct builder b = {.doc = doc, .problems = p, .e = e};

    if (doc->len >= 3 && memcmp(doc->source, bom, 3) == 0)
        memmove(doc->source, doc->source + 3, doc->len -= 3);
    return build(&b);
}
