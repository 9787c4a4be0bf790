/* YAML: whatever the bytes, no crash; and what is read has places within the file, converts to JSON, and its mistakes print. */
#include "config/yaml.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct tg_yaml_node *node, struct tg_problems *p)
{
    const char *text;
    struct tg_share share;
    int64_t number;
    bool yes;

    if (node->line < 1 || node->column < 1 || node->width < 1)
        abort();
    tg_yaml_string(node, "x", p, &text);
    tg_yaml_int(node, "x", -10, 1000, p, &number);
    tg_yaml_bool(node, "x", p, &yes);
    tg_yaml_duration(node, "x", 0, 1000000, p, &number);
    tg_yaml_share(node, "x", p, &share);
    tg_yaml_problem_inside(p, node, 3, "x");
    for (uint32_t i = 0; node->kind != TG_YAML_SCALAR && i < node->n; i++) {
        if (node->kind == TG_YAML_MAP && tg_yaml_get(node, node->pairs[i].key->text) == NULL)
            abort();
        walk(node->kind == TG_YAML_MAP ? node->pairs[i].value : node->items[i], p);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tg_problems p = TG_PROBLEMS_INIT;
    struct tg_yaml_doc *doc = NULL;
    struct tg_buf text = TG_BUF_INIT;
    json_t *json = NULL;

    if (!tg_yaml_parse("fuzz.yaml", (const char *) data, size, &p, &doc, NULL)) {
        walk(tg_yaml_root(doc), &p);
        tg_yaml_at(tg_yaml_root(doc), "/a/0/~1");
        if (tg_yaml_to_json(tg_yaml_root(doc), &json, NULL))
            abort();
        json_decref(json);
    }
    if (tg_problems_count(&p)) {
        json = tg_problems_json(&p);
        tg_problems_text(&p, &text);
        json_decref(json);
        tg_buf_release(&text);
    }
    tg_problems_release(&p);
    tg_yaml_free(doc);
    return 0;
}
