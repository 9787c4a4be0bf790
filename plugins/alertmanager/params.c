/* Reading "silence: {alertmanager: …}", and its matchers for one host. Pure. */
#include "alertmanager.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOR_MS 900000
#define TEXT_MAX 256 /* bytes of a matcher's value, and of a comment */

static bool is_label(const char *text, size_t n)
{
    if (n == 0 || n > 100 || (text[0] >= '0' && text[0] <= '9'))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!strchr(TG_PARAMS_WORD, text[i]))
            return false;
    return true;
}

static bool add(struct tg_params *r, const char *path, struct tg_around_params *p, const char *name, size_t n, const char *value, bool regex, bool equal)
{
    struct tg_am_matcher m = {.name = strndup(name, n), .value = strdup(value), .regex = regex, .equal = equal};

    if (p->n == TG_AM_MATCHERS)
        tg_params_mistake(r, path, "is one more than the %d matchers that a silence may have here", TG_AM_MATCHERS);
    else if (!is_label(name, n))
        tg_params_mistake(r, path, "should begin with the name of a label: letters, digits and _");
    else if (!value[0] || strlen(value) > TEXT_MAX)
        tg_params_mistake(r, path, "should have a value of 1 to %d bytes", TEXT_MAX);
    else if (!tg_around_template_ok(value))
        tg_params_mistake(r, path, "has braces: {host}, {short} and {address} are known");
    else if (m.name && m.value) {
        p->matchers[p->n++] = m;
        return true;
    }
    free(m.name);
    free(m.value);
    return false;
}

/* What stands between quotes; without them the value stands as it is. False: quotes that do not match. */
static bool unquote(const char *text, char *out, size_t size)
{
    size_t n = 0, len = strlen(text);

    if (len >= size)
        return false;
    if (text[0] != '"') {
        memcpy(out, text, len + 1);
        return !strchr(text, '"');
    }
    for (text++; *text && *text != '"'; text++) {
        if (*text == '\\' && (text[1] == '\\' || text[1] == '"'))
            text++;
        out[n++] = *text;
    }
    out[n] = '\0';
    return text[0] == '"' && !text[1];
}

/* As Alertmanager writes them: name="value", !=, =~, !~ */
static void read_text(struct tg_params *r, const char *path, const char *text, struct tg_around_params *p)
{
    size_t n = strspn(text, TG_PARAMS_WORD);
    const char *op = text + n;
    char value[2 * TEXT_MAX + 8];
    bool equal = op[0] == '=', regex = op[0] && op[1] == '~';
    bool fine = equal || (op[0] == '!' && (op[1] == '=' || regex));

    if (!fine || !unquote(op + (equal && !regex ? 1 : 2), value, sizeof value))
        tg_params_mistake(r, path, "should be like instance=\"{host}:9100\", with =, !=, =~ or !~");
    else
        add(r, path, p, text, n, value, regex, equal);
}

static bool names_a_host(const struct tg_around_params *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->matchers[i].equal && strchr(p->matchers[i].value, '{'))
            return true;
    return false;
}

static void read_matchers(struct tg_params *r, const json_t *v, struct tg_around_params *p)
{
    int before = r->mistakes;
    const char *name;
    char path[160];
    size_t i;
    json_t *m;

    json_object_foreach((json_t *) v, name, m) {
        snprintf(path, sizeof path, "/matchers/%.100s", name);
        if (json_is_string(m))
            add(r, path, p, name, strlen(name), json_string_value(m), false, true);
        else
            tg_params_mistake(r, path, "should be a text, such as \"{host}:9100\"");
    }
    json_array_foreach((json_t *) v, i, m) {
        snprintf(path, sizeof path, "/matchers/%zu", i);
        read_text(r, path, json_is_string(m) ? json_string_value(m) : "", p);
    }
    if (r->mistakes == before && !names_a_host(p))
        tg_params_mistake(r, "/matchers", "would silence more than one host: one of them needs {host}, {short} or {address}, such as {instance: \"{host}:9100\"}");
}

static void read_url(struct tg_params *r, const json_t *v, struct tg_around_params *p)
{
    const char *text = json_is_string(v) ? json_string_value(v) : "";
    size_t n = strlen(text);

    if ((strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0) || n > 500 || text[strspn(text, TG_PARAMS_WORD "/.:-[]~%")]) {
        tg_params_mistake(r, "/url", strchr(text, '@') ? "has a password in it: put that into a file for auth-file" : "should be like http://alertmanager.example.com:9093");
        return;
    }
    while (n > 0 && text[n - 1] == '/')
        n--;
    p->url = strndup(text, n);
}

static void read_comment(struct tg_params *r, const json_t *v, struct tg_around_params *p)
{
    const char *text = json_string_value(v);

    if (!text || strlen(text) > TEXT_MAX)
        tg_params_mistake(r, "/comment", "should be a text of at most %d bytes", TEXT_MAX);
    else
        p->comment = strdup(text);
}

static void read_key(struct tg_params *r, const char *key, const json_t *v, struct tg_around_params *p)
{
    char path[80];

    snprintf(path, sizeof path, "/%.70s", key);
    if (strcmp(key, "url") == 0)
        read_url(r, v, p);
    else if (strcmp(key, "matchers") == 0)
        read_matchers(r, v, p);
    else if (strcmp(key, "comment") == 0)
        read_comment(r, v, p);
    else if (strcmp(key, "for") == 0) {
        tg_params_duration(r, path, v, &p->for_ms);
        if (p->for_ms < 60000)
            tg_params_mistake(r, path, "should be a minute or more: it has to be renewed in time");
    } else if (strcmp(key, "auth-file") == 0)
        tg_params_word(r, path, v, TG_PARAMS_WORD "/.@+-", "the absolute path of a file on the machine that drives the run", &p->auth_file);
    else
        tg_params_mistake(r, path, "is not known; alertmanager takes url, matchers, comment, for, auth-file");
}

int tg_am_params(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *data, struct tg_around_params **out,
                 struct tg_error *e)
{
    struct tg_params r = {.driver = "alertmanager", .complain = complain, .data = data};
    struct tg_around_params *p = calloc(1, sizeof *p);
    const char *key;
    json_t *v;

    if (!p)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    p->for_ms = FOR_MS;
    json_object_foreach((json_t *) value, key, v)
        read_key(&r, key, v, p);
    if (!json_object_get(value, "url") || !json_object_get(value, "matchers"))
        tg_params_mistake(&r, "", "needs a url and matchers, such as {url: \"http://alertmanager.example.com:9093\", matchers: {instance: \"{host}:9100\"}}");
    if (p->auth_file && p->auth_file[0] != '/')
        tg_params_mistake(&r, "/auth-file", "should be an absolute path");
    int rc = tg_params_end(&r, e);
    if (!rc && (!p->url || p->n == 0))
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    if (rc) {
        tg_am_params_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void tg_am_params_free(struct tg_around_params *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n; i++) {
        free(p->matchers[i].name);
        free(p->matchers[i].value);
    }
    free(p->url);
    free(p->comment);
    free(p->auth_file);
    free(p);
}

void tg_am_describe(const struct tg_around_params *p, char *out, size_t size)
{
    static const char *const ops[2][2] = {{"!=", "!~"}, {"=", "=~"}};
    char took[32];
    size_t len;

    tg_duration_format(p->for_ms, took, sizeof took);
    len = (size_t) snprintf(out, size, "silence in alertmanager %s:", p->url);
    for (size_t i = 0; i < p->n && len < size; i++)
        len += (size_t) snprintf(out + len, size - len, "%s %s%s\"%s\"", i ? "," : "", p->matchers[i].name, ops[p->matchers[i].equal][p->matchers[i].regex],
                                 p->matchers[i].value);
    if (len < size)
        snprintf(out + len, size - len, "; %s at a time", took);
}

/* A template; what stands for the host is text in a regular expression, too. */
static int expand(const struct tg_am_matcher *m, const struct tg_around_context *c, char *out, size_t size, struct tg_error *e)
{
    char word[16], value[300];
    size_t n = 0;
    int rc;

    for (const char *at = m->value; *at;) {
        size_t len = *at == '{' ? strcspn(at, "}") + 1 : 1;
        snprintf(word, sizeof word, "%.*s", (int) len, at);
        if ((rc = tg_around_template(word, c, value, sizeof value, e)) != 0)
            return rc;
        for (const char *v = value; *v && n + 3 < size; v++) {
            if (*at == '{' && m->regex && strchr("\\.+*?()|[]{}^$", *v))
                out[n++] = '\\';
            out[n++] = *v;
        }
        if (n + 3 >= size)
            return tg_fail(e, TG_E_DATA, "the matcher %s=%.80s is too long for %.80s", m->name, m->value, c->host);
        at += len;
    }
    out[n] = '\0';
    return 0;
}

json_t *tg_am_matchers(const struct tg_around_params *p, const struct tg_around_context *c, struct tg_error *e)
{
    json_t *all = json_array();
    char value[1024];

    for (size_t i = 0; i < p->n; i++) {
        const struct tg_am_matcher *m = &p->matchers[i];
        json_t *one = expand(m, c, value, sizeof value, e) ? NULL : json_pack("{s:s, s:s, s:b, s:b}", "name", m->name, "value", value, "isRegex", m->regex, "isEqual", m->equal);
        if (!one || json_array_append_new(all, one) != 0) {
            json_decref(all);
            tg_fail(e, TG_E_MEMORY, "out of memory, or a name that is no UTF-8");
            return NULL;
        }
    }
    return all;
}

/* The file has the header line, as curl wants it: nothing secret is in anybody's arguments. */
void tg_am_mend(const struct tg_around_params *p, const struct tg_around_context *c, char *out, size_t size)
{
    char id[TG_AM_ID_SIZE] = "", marker[TG_AROUND_TAG_SIZE + 16];
    int n;

    if (c->record && sscanf(c->record, "1 %63s", id) == 1 && tg_am_is_id(id)) {
        n = snprintf(out, size, "curl -sS --fail-with-body %s%s%s-X DELETE '%s/api/v2/silence/%s'", p->auth_file ? "-H @" : "", p->auth_file ? p->auth_file : "",
                     p->auth_file ? " " : "", p->url, id);
        if (n > 0 && (size_t) n < size)
            return;
    }
    tg_am_marker(c->tag, marker, sizeof marker);
    snprintf(out, size, "# expire the silences that begin with %s in %s", marker, p->url);
}
