/* Reading "change: {puppet: …}". Every string ends up as one argument on a host, so each is held to a shape. */
#include "puppet.h"

#include <tagout/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    void (*complain)(void *data, const char *path, const char *message);
    void *data;
    int mistakes;
};

static void mistake(struct reader *r, const char *path, const char *message)
{
    r->mistakes++;
    r->complain(r->data, path, message);
}

static bool fits(const char *text, const char *allowed)
{
    return text[0] && text[0] != '-' && strlen(text) < 1024 && !text[strspn(text, allowed)];
}

#define WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

static void read_word(struct reader *r, const char *path, const json_t *v, const char *allowed, const char *shape, char **out)
{
    char message[160];
    const char *text = json_string_value(v);

    if (text && fits(text, allowed)) {
        *out = strdup(text);
        return;
    }
    snprintf(message, sizeof message, "should be %s", shape);
    mistake(r, path, message);
}

static void read_path(struct reader *r, const char *path, const json_t *v, char **out)
{
    const char *text = json_string_value(v);

    if (text && text[0] == '/' && strlen(text) < 1024 && !strchr(text, '\n'))
        *out = strdup(text);
    else
        mistake(r, path, "should be an absolute path on the host");
}

/* A string or a list of strings, joined. */
static void read_list(struct reader *r, const char *path, const json_t *v, char glue, char **out)
{
    char joined[4096], where[160];
    size_t n = json_is_array(v) ? json_array_size(v) : 1, len = 0;

    if (n == 0)
        mistake(r, path, "is empty: leave it out, or name something");
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_is_array(v) ? json_array_get(v, i) : v;
        const char *text = json_string_value(item);
        snprintf(where, sizeof where, json_is_array(v) ? "%s/%zu" : "%s", path, i);
        if (!text || !(glue == ':' ? text[0] == '/' && !strpbrk(text, ":\n") : fits(text, WORD ":.-"))) {
            mistake(r, where, glue == ':' ? "should be an absolute path on the host" : "should be a tag: letters, digits, _ : . -");
            return;
        }
        if (len + strlen(text) + 2 > sizeof joined) {
            mistake(r, where, "is too long a list");
            return;
        }
        len += (size_t) snprintf(joined + len, sizeof joined - len, "%.*s%s", len ? 1 : 0, &glue, text);
    }
    if (len)
        *out = strdup(joined);
}

static void read_duration(struct reader *r, const char *path, const json_t *v, int64_t *out)
{
    const char *text = json_string_value(v);

    if (!text || tg_duration_parse(text, out, NULL) || *out < 1000)
        mistake(r, path, "should be a duration of a second or more, such as 30m");
}

static void read_key(struct reader *r, const char *key, const json_t *v, struct tg_driver_params *p)
{
    static const char *const known = "environment, manifest, modulepath, hiera-config, server, tags, skip-tags, wait-for-run, timeout";
    char path[80], message[200];

    snprintf(path, sizeof path, "/%.70s", key);
    if (strcmp(key, "environment") == 0)
        read_word(r, path, v, WORD, "the name of an environment: letters, digits, _", &p->environment);
    else if (strcmp(key, "manifest") == 0)
        read_path(r, path, v, &p->manifest);
    else if (strcmp(key, "modulepath") == 0)
        read_list(r, path, v, ':', &p->modulepath);
    else if (strcmp(key, "hiera-config") == 0)
        read_path(r, path, v, &p->hiera_config);
    else if (strcmp(key, "server") == 0)
        read_word(r, path, v, WORD ".-", "a host name", &p->server);
    else if (strcmp(key, "tags") == 0)
        read_list(r, path, v, ',', &p->tags);
    else if (strcmp(key, "skip-tags") == 0)
        read_list(r, path, v, ',', &p->skip_tags);
    else if (strcmp(key, "wait-for-run") == 0)
        read_duration(r, path, v, &p->wait_for_run_ms);
    else if (strcmp(key, "timeout") == 0)
        read_duration(r, path, v, &p->timeout_ms);
    else {
        snprintf(message, sizeof message, "is not known; puppet takes %s", known);
        mistake(r, path, message);
    }
}

static void check_together(struct reader *r, const struct tg_driver_params *p)
{
    if (p->manifest && p->server)
        mistake(r, "/server", "goes with the agent, not with a manifest");
    if (!p->manifest && p->modulepath)
        mistake(r, "/modulepath", "goes with a manifest; the agent gets its modules from the server");
    if (!p->manifest && p->hiera_config)
        mistake(r, "/hiera-config", "goes with a manifest; the agent gets its data from the server");
}

int tg_puppet_params(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *data,
                     struct tg_driver_params **out, struct tg_error *e)
{
    struct reader r = {.complain = complain, .data = data};
    struct tg_driver_params *p = calloc(1, sizeof *p);
    const char *key;
    json_t *v;

    if (!p)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    p->wait_for_run_ms = 600000; /* Puppet's runs take a minute or so; ten of them is more than patience */
    p->timeout_ms = 3600000;     /* Puppet's own runtimeout */
    if (json_is_null(value) || json_is_object(value))
        json_object_foreach((json_t *) value, key, v)
            read_key(&r, key, v, p);
    else
        mistake(&r, "", "should be a mapping, such as {environment: production}");
    check_together(&r, p);
    if (r.mistakes) {
        tg_puppet_params_free(p);
        return tg_fail(e, TG_E_DATA, "puppet: %d mistake%s in the parameters", r.mistakes, r.mistakes == 1 ? "" : "s");
    }
    *out = p;
    return 0;
}

void tg_puppet_params_free(struct tg_driver_params *p)
{
    if (!p)
        return;
    free(p->manifest);
    free(p->modulepath);
    free(p->hiera_config);
    free(p->environment);
    free(p->server);
    free(p->tags);
    free(p->skip_tags);
    free(p);
}

void tg_puppet_describe(const struct tg_driver_params *p, char *out, size_t size)
{
    snprintf(out, size, "puppet%s%s%s%s%s%s%s%s", p->manifest ? " apply " : " agent", p->manifest ? p->manifest : "",
             p->environment ? ", environment " : "", p->environment ? p->environment : "", p->tags ? ", tags " : "",
             p->tags ? p->tags : "", p->skip_tags ? ", without tags " : "", p->skip_tags ? p->skip_tags : "");
}
