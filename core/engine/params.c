/* Reading the parameters of drivers. See tagout/driver.h. */
#include <tagout/clock.h>
#include <tagout/driver.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 1024   /* bytes of one word or path */
#define OBJECT_MAX 3072 /* an argument of a request has at most 4,096 */

void tg_params_mistake(struct tg_params *p, const char *path, const char *format, ...)
{
    char message[240];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    p->mistakes++;
    p->complain(p->data, path, message);
}

static bool fits(const char *text, const char *allowed)
{
    if (strlen(text) >= WORD_MAX)
        return false;
    if (!allowed)
        return text[0] == '/' && !strpbrk(text, ":\n");
    return text[0] && text[0] != '-' && !text[strspn(text, allowed)];
}

void tg_params_word(struct tg_params *p, const char *path, const json_t *v, const char *allowed, const char *shape, char **out)
{
    const char *text = json_string_value(v);

    if (text && fits(text, allowed)) {
        free(*out);
        *out = strdup(text);
    } else {
        tg_params_mistake(p, path, "should be %s", shape);
    }
}

void tg_params_path(struct tg_params *p, const char *path, const json_t *v, char **out)
{
    const char *text = json_string_value(v);

    if (text && text[0] == '/' && strlen(text) < WORD_MAX && !strchr(text, '\n')) {
        free(*out);
        *out = strdup(text);
    } else {
        tg_params_mistake(p, path, "should be an absolute path on the host");
    }
}

void tg_params_list(struct tg_params *p, const char *path, const json_t *v, const char *allowed, const char *shape, char glue, char **out)
{
    char joined[4000], where[160];
    size_t n = json_is_array(v) ? json_array_size(v) : 1, len = 0;

    if (n == 0)
        tg_params_mistake(p, path, "is empty: leave it out, or name something");
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
        snprintf(where, sizeof where, json_is_array(v) ? "%s/%zu" : "%s", path, i);
        if (!text || !fits(text, allowed)) {
            tg_params_mistake(p, where, "should be %s", shape);
            return;
        }
        if (len + strlen(text) + 2 > sizeof joined) {
            tg_params_mistake(p, where, "is too long a list");
            return;
        }
        len += (size_t) snprintf(joined + len, sizeof joined - len, "%.*s%s", len ? 1 : 0, &glue, text);
    }
    if (len) {
        free(*out);
        *out = strdup(joined);
    }
}

void tg_params_duration(struct tg_params *p, const char *path, const json_t *v, int64_t *out_ms)
{
    const char *text = json_string_value(v);
    int64_t ms;

    if (text && tg_duration_parse(text, &ms, NULL) == 0 && ms >= 1000)
        *out_ms = ms;
    else
        tg_params_mistake(p, path, "should be a duration of a second or more, such as 30m");
}

void tg_params_bool(struct tg_params *p, const char *path, const json_t *v, bool *out)
{
    if (json_is_boolean(v))
        *out = json_is_true(v);
    else
        tg_params_mistake(p, path, "should be true or false");
}

void tg_params_object(struct tg_params *p, const char *path, const json_t *v, char **out)
{
    char *text = json_is_object(v) ? json_dumps(v, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

    if (!text) {
        tg_params_mistake(p, path, "should be a mapping");
    } else if (strlen(text) > OBJECT_MAX) {
        tg_params_mistake(p, path, "is longer than %d bytes as JSON", OBJECT_MAX);
        free(text);
    } else {
        free(*out);
        *out = text;
    }
}

int tg_params_end(const struct tg_params *p, struct tg_error *e)
{
    return p->mistakes ? tg_fail(e, TG_E_DATA, "%s: %d mistake%s in the parameters", p->driver, p->mistakes, p->mistakes == 1 ? "" : "s") : 0;
}
