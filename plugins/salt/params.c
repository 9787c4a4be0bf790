/* Reading "change: {salt: …}". Every string ends up as one argument on a host, so each is held to a shape. */
#include "salt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 3600000 /* Salt has none of its own; an hour is as long as Puppet gives itself */

static void read_key(struct tg_params *r, const char *key, const json_t *v, struct tg_driver_params *p)
{
    static const char *const known = "state, saltenv, pillarenv, pillar, local, config-dir, timeout";
    char path[80];

    snprintf(path, sizeof path, "/%.70s", key);
    if (strcmp(key, "state") == 0)
        tg_params_list(r, path, v, TG_PARAMS_WORD ".-/", "the name of a state: letters, digits, _ . - /", ',', &p->state);
    else if (strcmp(key, "saltenv") == 0)
        tg_params_word(r, path, v, TG_PARAMS_WORD ".-/", "the name of an environment: letters, digits, _ . - /", &p->saltenv);
    else if (strcmp(key, "pillarenv") == 0)
        tg_params_word(r, path, v, TG_PARAMS_WORD ".-/", "the name of an environment: letters, digits, _ . - /", &p->pillarenv);
    else if (strcmp(key, "pillar") == 0)
        tg_params_object(r, path, v, &p->pillar);
    else if (strcmp(key, "local") == 0)
        tg_params_bool(r, path, v, &p->local);
    else if (strcmp(key, "config-dir") == 0)
        tg_params_path(r, path, v, &p->config_dir);
    else if (strcmp(key, "timeout") == 0)
        tg_params_duration(r, path, v, &p->timeout_ms);
    else
        tg_params_mistake(r, path, "is not known; salt takes %s", known);
}

int tg_salt_params(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *data,
                   struct tg_driver_params **out, struct tg_error *e)
{
    struct tg_params r = {.driver = "salt", .complain = complain, .data = data};
    struct tg_driver_params *p = calloc(1, sizeof *p);
    const char *key;
    json_t *v;

    if (!p)
        return tg_fail(e, TG_E_MEMORY, "out of memory");
    p->timeout_ms = TIMEOUT_MS;
    if (json_is_null(value) || json_is_object(value))
        json_object_foreach((json_t *) value, key, v)
            read_key(&r, key, v, p);
    else
        tg_params_mistake(&r, "", "should be a mapping, such as {state: web}");
    int rc = tg_params_end(&r, e);
    if (rc) {
        tg_salt_params_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void tg_salt_params_free(struct tg_driver_params *p)
{
    if (!p)
        return;
    free(p->state);
    free(p->saltenv);
    free(p->pillarenv);
    free(p->pillar);
    free(p->config_dir);
    free(p);
}

void tg_salt_describe(const struct tg_driver_params *p, char *out, size_t size)
{
    snprintf(out, size, "salt %s%s%s%s%s", p->state ? "state " : "highstate", p->state ? p->state : "", p->saltenv ? ", environment " : "",
             p->saltenv ? p->saltenv : "", p->local ? ", without a master" : "");
}
