/* Typed getters over the tree of yaml.h; they report and go on. */
#include "base/nearest.h"
#include "config/yaml.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *kind_name(const struct tg_yaml_node *n)
{
    return n->kind == TG_YAML_MAP ? "a mapping" : n->kind == TG_YAML_LIST ? "a list" : tg_yaml_is_null(n) ? "empty" : "a word";
}

bool tg_yaml_is_null(const struct tg_yaml_node *n)
{
    return !n || (n->kind == TG_YAML_SCALAR && !n->quoted &&
                  (n->n == 0 || strcmp(n->text, "~") == 0 || strcmp(n->text, "null") == 0));
}

const struct tg_yaml_node *tg_yaml_get(const struct tg_yaml_node *map, const char *key)
{
    if (!map || map->kind != TG_YAML_MAP)
        return NULL;
    for (uint32_t low = 0, high = map->n; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        const struct tg_yaml_pair *pair = &map->pairs[map->sorted[middle]];
        int order = strcmp(key, pair->key->text);
        if (order == 0)
            return pair->value;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* A scalar that is not null. */
static bool is_word(const struct tg_yaml_node *n, const char *what, const char *wanted, struct tg_problems *p)
{
    if (!n)
        return false;
    if (n->kind == TG_YAML_SCALAR && !tg_yaml_is_null(n))
        return true;
    tg_yaml_problem(p, n, "%s must be %s, and is %s", what, wanted, kind_name(n));
    return false;
}

bool tg_yaml_string(const struct tg_yaml_node *n, const char *what, struct tg_problems *p, const char **out)
{
    if (!is_word(n, what, "text", p))
        return false;
    if (n->n == 0) {
        tg_yaml_problem(p, n, "%s must not be empty", what);
        return false;
    }
    *out = n->text;
    return true;
}

/* Decimal digits with an optional sign; no blanks, no octal, no overflow. */
static bool whole_number(const char *s, int64_t *out)
{
    bool minus = *s == '-';
    int64_t value = 0;

    if (minus)
        s++;
    if (!*s || (s[0] == '0' && s[1]))
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || value > (INT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (*s - '0');
    }
    *out = minus ? -value : value;
    return true;
}

bool tg_yaml_int(const struct tg_yaml_node *n, const char *what, int64_t min, int64_t max, struct tg_problems *p, int64_t *out)
{
    int64_t value;

    if (!is_word(n, what, "a whole number", p))
        return false;
    if (n->quoted || !whole_number(n->text, &value)) {
        struct tg_error *e = tg_yaml_problem(p, n, "%s must be a whole number, and is \"%.60s\"", what, n->text);
        if (n->quoted && whole_number(n->text, &value))
            tg_error_hint(e, "leave out the quotes");
        return false;
    }
    if (value < min || value > max) {
        tg_yaml_problem(p, n, "%s must be %lld to %lld, and is %lld", what, (long long) min, (long long) max, (long long) value);
        return false;
    }
    *out = value;
    return true;
}

bool tg_yaml_bool(const struct tg_yaml_node *n, const char *what, struct tg_problems *p, bool *out)
{
    static const char *const yes[] = {"yes", "on", "y", "True", "TRUE", "Yes", "YES", "On", "ON", NULL};

    if (!is_word(n, what, "true or false", p))
        return false;
    if (!n->quoted && (strcmp(n->text, "true") == 0 || strcmp(n->text, "false") == 0)) {
        *out = n->text[0] == 't';
        return true;
    }
    struct tg_error *e = tg_yaml_problem(p, n, "%s must be true or false, and is \"%.60s\"", what, n->text);
    for (size_t i = 0; yes[i]; i++)
        if (strcmp(yes[i], n->text) == 0)
            tg_error_hint(e, "did you mean true?");
    return false;
}

bool tg_yaml_duration(const struct tg_yaml_node *n, const char *what, int64_t min_ms, int64_t max_ms, struct tg_problems *p,
                      int64_t *out_ms)
{
    struct tg_error e = TG_ERROR_INIT;
    int64_t ms;
    char low[32], high[32];

    if (!is_word(n, what, "a duration such as 30s", p))
        return false;
    if (tg_duration_parse(n->text, &ms, &e)) {
        tg_error_hint(tg_yaml_problem(p, n, "%s: %s", what, e.message), "%s", e.hint);
        return false;
    }
    if (ms < min_ms || (max_ms && ms > max_ms)) {
        tg_duration_format(min_ms, low, sizeof low);
        tg_duration_format(max_ms, high, sizeof high);
        if (max_ms)
            tg_yaml_problem(p, n, "%s must be %s to %s, and is %.40s", what, low, high, n->text);
        else
            tg_yaml_problem(p, n, "%s must be at least %s, and is %.40s", what, low, n->text);
        return false;
    }
    *out_ms = ms;
    return true;
}

static const char *next_word(const void *data, size_t i)
{
    const char *const *words = data;

    return words[i];
}

bool tg_yaml_choice(const struct tg_yaml_node *n, const char *what, const char *const *choices, struct tg_problems *p,
                    size_t *out_index)
{
    char list[256] = "";

    for (size_t i = 0, at = 0; choices[i] && at < sizeof list; i++)
        at += (size_t) snprintf(list + at, sizeof list - at, "%s%s", i ? (choices[i + 1] ? ", " : " or ") : "", choices[i]);
    if (!is_word(n, what, list, p))
        return false;
    for (size_t i = 0; choices[i]; i++)
        if (strcmp(choices[i], n->text) == 0) {
            *out_index = i;
            return true;
        }
    struct tg_error *e = tg_yaml_problem(p, n, "%s must be %s, and is \"%.60s\"", what, list, n->text);
    const char *near = tg_nearest(n->text, next_word, choices);
    if (near)
        tg_error_hint(e, "did you mean \"%s\"?", near);
    return false;
}

bool tg_yaml_rate(const struct tg_yaml_node *n, const char *what, struct tg_problems *p, struct tg_rate *out)
{
    if (!is_word(n, what, "a rate", p))
        return false;
    if (tg_rate_parse(n->text, out))
        return true;
    tg_error_hint(tg_yaml_problem(p, n, "%s must be a number of hosts in a time, and is \"%.60s\"", what, n->text),
                  "such as 1/s, 30/min, 4/h or 2/d; at most 100000");
    return false;
}

bool tg_yaml_share(const struct tg_yaml_node *n, const char *what, struct tg_problems *p, struct tg_share *out)
{
    if (!is_word(n, what, "a number of hosts or a percentage", p))
        return false;
    if (tg_share_parse(n->text, out))
        return true;
    tg_error_hint(tg_yaml_problem(p, n, "%s must be a number of hosts or a percentage, and is \"%.60s\"", what, n->text),
                  "such as 5, 30%% or 0.5%%, at most 100%%");
    return false;
}

bool tg_yaml_strings(const struct tg_yaml_node *n, const char *what, struct tg_problems *p, size_t *out_n)
{
    const char *text;
    bool fine = true;

    if (!n)
        return false;
    if (n->kind != TG_YAML_LIST) {
        fine = tg_yaml_string(n, what, p, &text);
        if (fine)
            *out_n = 1;
        return fine;
    }
    for (uint32_t i = 0; i < n->n; i++)
        fine = tg_yaml_string(n->items[i], what, p, &text) && fine;
    if (fine)
        *out_n = n->n;
    return fine;
}

const struct tg_yaml_node *tg_yaml_item(const struct tg_yaml_node *n, size_t i)
{
    if (n->kind != TG_YAML_LIST)
        return i == 0 ? n : NULL;
    return i < n->n ? n->items[i] : NULL;
}

bool tg_yaml_is_list(const struct tg_yaml_node *n, const char *what, struct tg_problems *p)
{
    if (n && n->kind != TG_YAML_LIST)
        tg_yaml_problem(p, n, "%s must be a list, and is %s", what, kind_name(n));
    return n && n->kind == TG_YAML_LIST;
}

bool tg_yaml_is_map(const struct tg_yaml_node *n, const char *what, struct tg_problems *p)
{
    if (n && n->kind != TG_YAML_MAP)
        tg_yaml_problem(p, n, "%s must be a mapping (key: value), and is %s", what, kind_name(n));
    return n && n->kind == TG_YAML_MAP;
}

static const char *next_key(const void *data, size_t i)
{
    const struct tg_yaml_key *keys = data;

    return keys[i].name;
}

/* Takes one pair: into values, or into problems. */
static bool take_pair(const struct tg_yaml_pair *pair, const char *what, const struct tg_yaml_key *keys, struct tg_problems *p,
                      const struct tg_yaml_node **values)
{
    const char *name = pair->key->text;

    for (size_t i = 0; keys[i].name; i++) {
        if (strcmp(keys[i].name, name) != 0)
            continue;
        if (keys[i].later) {
            tg_error_hint(tg_yaml_problem(p, pair->key, "\"%s\" in %s is not supported yet", name, what),
                          "take it out; this version would not act on it");
            return false;
        }
        if (!values[i])
            values[i] = pair->value;
        return true;
    }
    struct tg_error *e = tg_yaml_problem(p, pair->key, "unknown key \"%.80s\" in %s", name, what);
    const char *near = tg_nearest(name, next_key, keys);
    if (near)
        tg_error_hint(e, "did you mean \"%s\"?", near);
    return false;
}

bool tg_yaml_fields(const struct tg_yaml_node *n, const char *what, const struct tg_yaml_key *keys, struct tg_problems *p,
                    const struct tg_yaml_node **values)
{
    bool fine = true;

    for (size_t i = 0; keys[i].name; i++)
        values[i] = NULL;
    if (!tg_yaml_is_map(n, what, p))
        return false;
    for (uint32_t i = 0; i < n->n; i++)
        fine = take_pair(&n->pairs[i], what, keys, p, values) && fine;
    for (size_t i = 0; keys[i].name; i++)
        if (keys[i].required && !values[i]) {
            tg_yaml_problem(p, n, "%s has no \"%s\"", what, keys[i].name);
            fine = false;
        }
    return fine;
}

const struct tg_yaml_pair *tg_yaml_single(const struct tg_yaml_node *n, const char *what, struct tg_problems *p)
{
    if (!tg_yaml_is_map(n, what, p))
        return NULL;
    if (n->n == 1)
        return &n->pairs[0];
    if (n->n == 0)
        tg_yaml_problem(p, n, "%s is empty", what);
    else
        tg_error_hint(tg_yaml_problem(p, n->pairs[1].key, "%s has more than one key: \"%.40s\" and \"%.40s\"", what,
                                      n->pairs[0].key->text, n->pairs[1].key->text),
                      "begin each with \"- \", or indent what belongs below \"%.40s\"", n->pairs[0].key->text);
    return NULL;
}
