/* Reading "change: {puppet: …}". Every string ends up as one argument on a host, so each is held to a shape. */
#include "puppet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void read_key(struct tg_params *r, const char *key, const json_t *v, struct tg_driver_params *p)
{
    static const char *const known = "environment, manifest, modulepath, hiera-config, server, tags, skip-tags, wait-for-run, timeout";
    char path[80];

    snprintf(path, sizeof path, "/%.70s", key);
    if (strcmp(key, "environment") == 0)
        tg_params_word(r, path, v, TG_PARAMS_WORD, "the name of an environment: letters, digits, _", &p->environment);
    else if (strcmp(key, "manifest") == 0)
        tg_params_path(r, path, v, &p->manifest);
    else if (strcmp(key, "modulepath") == 0)
        tg_params_list(r, path, v, NULL, "an absolute path on the host", ':', &p->modulepath);
    else if (strcmp(key, "hiera-config") == 0)
        tg_params_path(r, path, v, &p->hiera_config);
    else if (strcmp(key, "server") == 0)
        tg_params_word(r, path, v, TG_PARAMS_WORD ".-", "a host name", &p->server);
    else if (strcmp(key, "tags") == 0)
        tg_params_list(r, path, v, TG_PARAMS_WORD ":.-", "a tag: letters, digits, _ : . -", ',', &p->tags);
    else if (strcmp(key, "skip-tags") == 0)
        tg_params_list(r, path, v, TG_PARAMS_WORD ":.-", "a tag: letters, digits, _ : . -", ',', &p->skip_tags);
    else if (strcmp(key, "wait-for-run") == 0)
        tg_params_duration(r, path, v, &p->wait_for_run_ms);
    else if (strcmp(key, "timeout") == 0)
        tg_params_duration(r, path, v, &p->timeout_ms);
    else
        tg_params_mistake(r, path, "is not known; puppet takes %s", known);
}

static void check_together(struct tg_params *r, const struct tg_driver_params *p)
{
    if (p->manifest && p->server)
        tg_params_mistake(r, "/server", "goes with the agent, not with a manifest");
    if (!p->manifest && p->modulepath)
        tg_params_mistake(r, "/modulepath", "goes with a manifest; the agent gets its modules from the server");
    if (!p->manifest && p->hiera_config)
        tg_params_mistake(r, "/hiera-config", "goes with a manifest; the agent gets its data from the server");
}

int tg_puppet_params(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *data,
                     struct tg_driver_params **out, struct tg_error *e)
{
    struct tg_params r = {.driver = "puppet", .complain = complain, .data = data};
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
        tg_params_mistake(&r, "", "should be a mapping, such as {environment: production}");
    check_together(&r, p);
    int rc = tg_params_end(&r, e);
    if (rc) {
        tg_puppet_params_free(p);
        return rc;
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
