/* The modules of a plan's around: see around_module.h. */
#include "engine/around_module.h"

#include "base/sha256.h"

#include <stdio.h>
#include <string.h>

static void complain(void *data, const char *path, const char *message)
{
    tg_fail(data, TG_E_DATA, "%s%s%s", path, path[0] ? ": " : "", message);
}

int tg_around_module_load(const struct tg_around *of, struct tg_around_module *out, struct tg_error *e)
{
    struct tg_around_module m = {.backend = NULL};
    int rc = tg_around_find(of->what, of->module, &m.backend, e);

    if (!rc && (rc = m.backend->params(of->params, complain, e, &m.params, e)) != 0)
        tg_error_prefix(e, "%s of %s", tg_around_what_name(of->what), of->module);
    if (!rc)
        *out = m;
    return rc;
}

void tg_around_module_release(struct tg_around_module *m)
{
    if (m->backend && m->params)
        m->backend->params_free(m->params);
    *m = (struct tg_around_module) {.backend = NULL};
}

void tg_around_module_describe(const struct tg_around *of, char *out, size_t size)
{
    struct tg_around_module m;

    if (tg_around_module_load(of, &m, NULL)) {
        snprintf(out, size, "%s, by %s", tg_around_what_name(of->what), of->module);
        return;
    }
    m.backend->describe(m.params, out, size);
    tg_around_module_release(&m);
}

int64_t tg_around_waits_ms(const struct tg_around *around, size_t n)
{
    struct tg_around_module m;
    int64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        if (around[i].kind != TG_AROUND_MODULE || tg_around_module_load(&around[i], &m, NULL))
            continue;
        sum += m.backend->waits_ms ? m.backend->waits_ms(m.params) : 0;
        tg_around_module_release(&m);
    }
    return sum;
}

void tg_run_name(const char *run_id, const char *tokens, char out[TG_RUN_NAME_SIZE])
{
    char hash[TG_SHA256_HEX];

    tg_sha256_hex(tokens, strlen(tokens), hash);
    snprintf(out, TG_RUN_NAME_SIZE, "%s-%.8s", run_id, hash);
}

void tg_around_tag(const char *run_name, const char *host, int step, char out[TG_AROUND_TAG_SIZE])
{
    char hex[TG_SHA256_HEX];
    bool fits = strlen(run_name) + strlen(host) + 16 < TG_AROUND_TAG_SIZE;

    tg_sha256_hex(host, strlen(host), hex);
    snprintf(out, TG_AROUND_TAG_SIZE, "%s.%.*s.around.%d", run_name, fits ? TG_AROUND_TAG_SIZE : 32, fits ? host : hex, step);
}
