/* What yaml.c (documents, places) and yaml_build.c (from libyaml's events to the tree) share. */
#ifndef TG_CONFIG_YAML_INTERNAL_H
#define TG_CONFIG_YAML_INTERNAL_H

#include "config/yaml.h"

struct tg_yaml_chunk {
    struct tg_yaml_chunk *next;
    size_t used, size;
    char data[];
};

struct tg_yaml_doc {
    char *name;
    char *source;                 /* the file's bytes, without a byte order mark */
    size_t len;
    struct tg_yaml_chunk *chunks; /* everything of the tree */
    const struct tg_yaml_node *root;
};

/* Memory that lives as long as the document, aligned for pointers; NULL when there is none. */
void *tg_yaml_alloc(struct tg_yaml_doc *doc, size_t size);
/* A mistake at a place that no node has. */
struct tg_error *tg_yaml_problem_at(struct tg_problems *p, const struct tg_yaml_doc *doc, int line, int column, int width,
                                    const char *format, va_list args) __attribute__((format(printf, 6, 0)));
/* Fills doc->root from doc->source; NULL of an empty one. What ends the reading is in p and e. */
int tg_yaml_build(struct tg_yaml_doc *doc, struct tg_problems *p, struct tg_error *e);

#endif
