/*
 * YAML in, with places: a tree in which every node knows its line, its column and whether it was quoted.
 *
 * A careful subset: one document; no anchors, aliases (a few bytes of them explode into gigabytes) or tags (they make one text mean
 * two things); keys are scalars and never twice in a mapping. Whatever is wrong goes into a struct tg_problems, many at once.
 * Scalars stay text: what they mean is asked by the typed getters, so that "version: 1.10" is never 1.1 and "no" never false.
 */
#ifndef TG_CONFIG_YAML_H
#define TG_CONFIG_YAML_H

#include "config/problems.h"
#include "config/rate.h"
#include "config/share.h"

#include <tagout/error.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An inventory that lists 200,000 hosts one by one, with attributes, has about 12 MB; what is larger is not what was meant. */
#define TG_YAML_SIZE_MAX (16u * 1024 * 1024)
/* A rollout needs 6, an inventory 5; drivers' parameters may nest a few more. Bounds the recursion of all who walk the tree. */
#define TG_YAML_DEPTH_MAX 32
/* Eight bytes of the largest file each; 140 MB of memory at the worst, read in about a second. */
#define TG_YAML_NODES_MAX 2000000u

enum tg_yaml_kind { TG_YAML_SCALAR, TG_YAML_LIST, TG_YAML_MAP };

struct tg_yaml_doc;
struct tg_yaml_pair;

/* Read-only, and the document's: it lives until tg_yaml_free(). */
struct tg_yaml_node {
    const struct tg_yaml_doc *doc;
    enum tg_yaml_kind kind;
    bool quoted;         /* scalar: '…', "…" or a block (|, >): always text, never null, true or a number */
    int line, column;    /* 1-based; columns count characters */
    int width;           /* characters that a caret line underlines */
    uint32_t n;          /* bytes of text, items, or pairs */
    union {
        const char *text;                         /* NUL-terminated UTF-8, no control characters but \n and \t; n bytes */
        const struct tg_yaml_node *const *items;
        const struct tg_yaml_pair *pairs;         /* in the order of the file */
    };
    const uint32_t *sorted; /* map: indexes of pairs, by key */
};

struct tg_yaml_pair {
    const struct tg_yaml_node *key; /* a scalar */
    const struct tg_yaml_node *value;
};

/*
 * Reads a file (or a pipe, to its end). 0: *out is there; p may have got mistakes that did not end the reading, such as keys that are
 * there twice, so end with tg_problems_error(). TG_E_DATA: no YAML (it is in p, too), or not readable (e->sys_errno is set).
 * Blocks on the file. Free with tg_yaml_free().
 */
int tg_yaml_load(const char *path, struct tg_problems *p, struct tg_yaml_doc **out, struct tg_error *e);
/* The same of len bytes of memory (copied); name stands in messages. */
int tg_yaml_parse(const char *name, const char *text, size_t len, struct tg_problems *p, struct tg_yaml_doc **out,
                  struct tg_error *e);
void tg_yaml_free(struct tg_yaml_doc *doc);
/* Never NULL: of an empty file, a plain empty scalar at 1:1. */
const struct tg_yaml_node *tg_yaml_root(const struct tg_yaml_doc *doc);
const char *tg_yaml_name(const struct tg_yaml_doc *doc);

/* A mistake at a node (or key). See tg_problems_add() for the result. */
struct tg_error *tg_yaml_problem(struct tg_problems *p, const struct tg_yaml_node *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A mistake inside a scalar, at the given byte (1-based) of its text; at the scalar when 0, or when escapes hide where that is. */
struct tg_error *tg_yaml_problem_inside(struct tg_problems *p, const struct tg_yaml_node *at, int byte, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Looking, without complaints. */
bool tg_yaml_is_null(const struct tg_yaml_node *node); /* plain and empty, "~" or "null"; NULL, too */
/* The value of a key, NULL when it is not there or map is no map. O(log n). */
const struct tg_yaml_node *tg_yaml_get(const struct tg_yaml_node *map, const char *key);
/*
 * The node that a JSON pointer ("/tags/0", "" itself) names below node; when there is none, the last one on the way that there is:
 * so a complaint of a driver about its parameters always has a place.
 */
const struct tg_yaml_node *tg_yaml_at(const struct tg_yaml_node *node, const char *pointer);
/* As JSON, for drivers and probes: plain true, false, null and decimal numbers become such, everything else a string. TG_E_MEMORY. */
int tg_yaml_to_json(const struct tg_yaml_node *node, json_t **out, struct tg_error *e);

/*
 * Typed getters. what is how a message calls the thing: "until of stage \"rest\"". Each returns true and writes *out, or reports what
 * is wrong to p and returns false with *out untouched. node may be NULL (a key that is not there): false without a report, so that
 * optional things need no case.
 */
bool tg_yaml_string(const struct tg_yaml_node *node, const char *what, struct tg_problems *p, const char **out); /* not empty */
bool tg_yaml_int(const struct tg_yaml_node *node, const char *what, int64_t min, int64_t max, struct tg_problems *p, int64_t *out);
bool tg_yaml_bool(const struct tg_yaml_node *node, const char *what, struct tg_problems *p, bool *out); /* true, false: no yes, no on */
/* min_ms ≤ value ≤ max_ms; of max_ms 0: no greatest. */
bool tg_yaml_duration(const struct tg_yaml_node *node, const char *what, int64_t min_ms, int64_t max_ms, struct tg_problems *p,
                      int64_t *out_ms);
/* One of a NULL-terminated array. */
bool tg_yaml_choice(const struct tg_yaml_node *node, const char *what, const char *const *choices, struct tg_problems *p,
                    size_t *out_index);

/* "30%", "0.5%" (up to three decimals, at most 100%) or a number of hosts. */
/* "1/min": see config/rate.h. */
bool tg_yaml_rate(const struct tg_yaml_node *node, const char *what, struct tg_problems *p, struct tg_rate *out);
bool tg_yaml_share(const struct tg_yaml_node *node, const char *what, struct tg_problems *p, struct tg_share *out);

/*
 * A list of strings, or one string which is a list of one: true when all of them are non-empty strings. *out_n is their number; the
 * i-th is tg_yaml_item(node, i)->text.
 */
bool tg_yaml_strings(const struct tg_yaml_node *node, const char *what, struct tg_problems *p, size_t *out_n);
/* The i-th of a list, or a scalar or map itself as the only one; NULL behind the end. */
const struct tg_yaml_node *tg_yaml_item(const struct tg_yaml_node *node, size_t i);
bool tg_yaml_is_list(const struct tg_yaml_node *node, const char *what, struct tg_problems *p);
bool tg_yaml_is_map(const struct tg_yaml_node *node, const char *what, struct tg_problems *p);

/* The keys that a mapping may have; the table ends with a row whose name is NULL. */
struct tg_yaml_key {
    const char *name;
    bool required;
    bool later;   /* known, and not supported by this version: refused with just that */
};
/*
 * Takes a mapping apart: values[i] becomes the value of keys[i], or NULL when it is not there. Unknown keys are reported with the
 * nearest known one, missing ones at the mapping, those of later versions as "not supported yet". Returns true when nothing was
 * reported; values are written in any case (all NULL when node is no mapping), so that checking goes on.
 */
bool tg_yaml_fields(const struct tg_yaml_node *node, const char *what, const struct tg_yaml_key *keys, struct tg_problems *p,
                    const struct tg_yaml_node **values);
/* A mapping with exactly one key, as in "- lock: {…}"; NULL and a report when it is not that. */
const struct tg_yaml_pair *tg_yaml_single(const struct tg_yaml_node *node, const char *what, struct tg_problems *p);

#endif
