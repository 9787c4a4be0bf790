/* The tree of yaml.h as JSON, and JSON pointers into it: how drivers see their parameters. */
#include "config/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool all_digits(const char *s, size_t n)
{
    return n > 0 && strspn(s, "0123456789") >= n;
}

/* YAML 1.2's core schema, less octal, hex, .inf and .nan: those are words here. */
static json_t *plain_number(const char *text)
{
    const char *s = *text == '-' ? text + 1 : text;
    size_t whole = strspn(s, "0123456789");

    if (!all_digits(s, whole) || (s[0] == '0' && whole > 1))
        return NULL;
    if (!s[whole]) {
        errno = 0;
        long long value = strtoll(text, NULL, 10);
        return errno ? NULL : json_integer(value);
    }
    if (s[whole] != '.' || !all_digits(s + whole + 1, strlen(s + whole + 1)))
        return NULL;
    return json_real(strtod(text, NULL));
}

static json_t *scalar(const struct tg_yaml_node *n)
{
    if (tg_yaml_is_null(n))
        return json_null();
    if (!n->quoted && strcmp(n->text, "true") == 0)
        return json_true();
    if (!n->quoted && strcmp(n->text, "false") == 0)
        return json_false();
    json_t *number = n->quoted ? NULL : plain_number(n->text);
    return number ? number : json_stringn(n->text, n->n);
}

/* Recursion is bounded by TG_YAML_DEPTH_MAX. */
static json_t *convert(const struct tg_yaml_node *n)
{
    json_t *json;

    if (n->kind == TG_YAML_SCALAR)
        return scalar(n);
    json = n->kind == TG_YAML_LIST ? json_array() : json_object();
    for (uint32_t i = 0; json && i < n->n; i++) {
        int rc = n->kind == TG_YAML_LIST ? json_array_append_new(json, convert(n->items[i]))
                                         : json_object_set_new(json, n->pairs[i].key->text, convert(n->pairs[i].value));
        if (rc) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

int tg_yaml_to_json(const struct tg_yaml_node *node, json_t **out, struct tg_error *e)
{
    json_t *json = convert(node);

    if (!json)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    *out = json;
    return 0;
}

/* One part of a pointer, "~1" and "~0" undone; false when it is too long to name anything. */
static bool unescape(const char *from, size_t len, char *to, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = from[i];
        if (c == '~' && i + 1 < len && (from[i + 1] == '0' || from[i + 1] == '1'))
            c = from[++i] == '0' ? '~' : '/';
        if (n + 1 >= size)
            return false;
        to[n++] = c;
    }
    to[n] = '\0';
    return true;
}

static const struct tg_yaml_node *step(const struct tg_yaml_node *node, const char *name)
{
    if (node->kind == TG_YAML_MAP)
        return tg_yaml_get(node, name);
    if (node->kind != TG_YAML_LIST || !all_digits(name, strlen(name)) || strlen(name) > 9)
        return NULL;
    return tg_yaml_item(node, (size_t) strtoul(name, NULL, 10));
}

const struct tg_yaml_node *tg_yaml_at(const struct tg_yaml_node *node, const char *pointer)
{
    char name[256];

    while (*pointer == '/') {
        size_t len = strcspn(++pointer, "/");
        const struct tg_yaml_node *next = unescape(pointer, len, name, sizeof name) ? step(node, name) : NULL;
        if (!next)
            break;
        node = next;
        pointer += len;
    }
    return node;
}
