/* Loading modules by name, and finding what they and core itself offer: see tagout/module.h. */
#define _GNU_SOURCE
#include <tagout/module.h>

#include "base/module.h"
#include "base/nearest.h"
#include "base/trusted.h"

#include <dirent.h>
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOADED_MAX 32

static struct {
    char name[40];
    const struct tg_module *module;
} loaded[LOADED_MAX];
static size_t n_loaded;

static int check_name(const char *name, struct tg_error *e)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

    if (len == 0 || len > 32 || name[len]) {
        tg_fail(e, TG_E_CONFIG, "\"%.40s\" is no module's name", name);
        tg_error_hint(e, "lower-case letters, digits and \"-\", at most 32");
        return TG_E_CONFIG;
    }
    return 0;
}

/* tagout/ beside libtagout: where an installation has its modules, wherever it was put. */
static void beside_library(char *out, size_t size)
{
    char self[PATH_MAX];
    Dl_info info;

    if (dladdr(&loaded, &info) == 0 || !info.dli_fname || !strchr(info.dli_fname, '/'))
        return;
    snprintf(self, sizeof self, "%s", info.dli_fname);
    snprintf(out, size, "%s/tagout", dirname(self));
}

#define FROM_ENVIRONMENT 0

/* The n-th folder to look in, or 1 when there are no more. "" means: skip. */
static int folder(int n, char *out, size_t size)
{
    const char *env = secure_getenv("TAGOUT_MODULES");
    char self[PATH_MAX];
    ssize_t len;

    out[0] = '\0';
    switch (n) {
    case FROM_ENVIRONMENT:
        if (env)
            snprintf(out, size, "%s", env);
        return 0;
    case 1: /* beside the program: a build tree has modules/ there */
        len = readlink("/proc/self/exe", self, sizeof self - 1);
        if (len > 0) {
            self[len] = '\0';
            snprintf(out, size, "%s/modules", dirname(self));
        }
        return 0;
    case 2:
        beside_library(out, size);
        return 0;
    case 3:
        snprintf(out, size, "%s", TG_MODULE_DIR);
        return 0;
    default:
        return 1;
    }
}

static int verify(const char *file, const char *name, void *handle, const struct tg_module **out, struct tg_error *e)
{
    const struct tg_module *m = dlsym(handle, "tagout_module");

    if (!m)
        return tg_fail(e, TG_E_CONFIG, "%s is no tagout module: it exports no tagout_module", file);
    if (m->abi != TG_MODULE_ABI) {
        tg_fail(e, TG_E_CONFIG, "%s speaks module ABI %u, this tagout speaks %u", file, (unsigned) m->abi, TG_MODULE_ABI);
        tg_error_hint(e, "install the module that belongs to this version of tagout");
        return TG_E_CONFIG;
    }
    if (!m->name || strcmp(m->name, name) != 0)
        return tg_fail(e, TG_E_CONFIG, "%s calls itself \"%s\", not \"%s\"", file, m->name ? m->name : "", name);
    *out = m;
    return 0;
}

/* The file that the environment names. Root loads only what nobody else can have put there: who calls sudo must not make root run his library. */
static int trust(char *file, struct tg_error *e)
{
    char way[PATH_MAX];

    if (geteuid() != 0)
        return 0;
    int rc = tg_trusted_program(file, way, e);
    if (rc) {
        tg_error_prefix(e, "TAGOUT_MODULES");
        return tg_error_hint(e, "let the folders on its way be root's, and not for others to write to; or unset TAGOUT_MODULES"), TG_E_CONFIG;
    }
    memcpy(file, way, strlen(way) + 1);
    return 0;
}

/* The names of the modules that are in the folders: what somebody can have meant. */
struct present {
    char names[LOADED_MAX * 2][40];
    size_t n;
};

static void find_present(struct present *found)
{
    char dir[PATH_MAX], name[40];

    found->n = 0;
    for (int n = 0; folder(n, dir, sizeof dir) == 0; n++) {
        DIR *d = dir[0] ? opendir(dir) : NULL;
        for (const struct dirent *f = d ? readdir(d) : NULL; f; f = readdir(d)) {
            int end = 0;
            if (sscanf(f->d_name, "tagout-%32[a-z0-9-].so%n", name, &end) == 1 && end > 0 && !f->d_name[end] && found->n < sizeof found->names / sizeof found->names[0])
                snprintf(found->names[found->n++], sizeof found->names[0], "%s", name);
        }
        if (d)
            closedir(d);
    }
}

static const char *present_name(const void *data, size_t i)
{
    const struct present *found = data;

    return i < found->n ? found->names[i] : NULL;
}

static int no_such_module(const char *name, struct tg_error *e)
{
    struct present found;

    find_present(&found);
    const char *near = tg_nearest(name, present_name, &found);
    tg_fail(e, TG_E_CONFIG, "there is no module \"%s\"", name);
    if (near)
        tg_error_hint(e, "did you mean \"%s\"?", near);
    else
        tg_error_hint(e, "looked for tagout-%s.so in $TAGOUT_MODULES, beside the program, beside libtagout and in %s", name, TG_MODULE_DIR);
    return TG_E_CONFIG;
}

static int open_module(const char *name, const struct tg_module **out, struct tg_error *e)
{
    char dir[PATH_MAX], file[PATH_MAX + 64];

    for (int n = 0; folder(n, dir, sizeof dir) == 0; n++) {
        if (!dir[0])
            continue;
        snprintf(file, sizeof file, "%s/tagout-%s.so", dir, name);
        if (access(file, F_OK) != 0)
            continue;
        int rc = n == FROM_ENVIRONMENT ? trust(file, e) : 0;
        if (rc)
            return rc;
        void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
        if (!handle)
            return tg_fail(e, TG_E_CONFIG, "the module \"%s\" does not load: %s", name, dlerror());
        rc = verify(file, name, handle, out, e);
        if (rc)
            dlclose(handle);
        return rc;
    }
    return no_such_module(name, e);
}

int tg_module_load(const char *name, const struct tg_module **out, struct tg_error *e)
{
    int rc = check_name(name, e);

    if (rc)
        return rc;
    for (size_t i = 0; i < n_loaded; i++)
        if (strcmp(loaded[i].name, name) == 0) {
            *out = loaded[i].module;
            return 0;
        }
    if (n_loaded == LOADED_MAX)
        return tg_fail(e, TG_E_CONFIG, "more than %d modules", LOADED_MAX);
    const struct tg_module *m;
    if ((rc = open_module(name, &m, e)) != 0)
        return rc;
    snprintf(loaded[n_loaded].name, sizeof loaded[n_loaded].name, "%s", name);
    loaded[n_loaded++].module = m;
    *out = m;
    return 0;
}

static int lacks(const char *name, const char *what, struct tg_error *e)
{
    return tg_fail(e, TG_E_CONFIG, "the module \"%s\" has no %s", name, what);
}

static int wrong_abi(const char *name, const char *what, unsigned has, unsigned wants, struct tg_error *e)
{
    return tg_fail(e, TG_E_CONFIG, "the %s of module \"%s\" speaks ABI %u, this tagout speaks %u", what, name, has, wants);
}

int tg_store_backend_find(const char *scheme, const struct tg_store_backend **out, struct tg_error *e)
{
    const struct tg_module *m;

    for (size_t i = 0; tg_builtin_stores[i]; i++)
        if (strcmp(tg_builtin_stores[i]->scheme, scheme) == 0) {
            *out = tg_builtin_stores[i];
            return 0;
        }
    int rc = tg_module_load(scheme, &m, e);
    if (rc)
        return rc;
    if (!m->store)
        return lacks(scheme, "store", e);
    if (m->store->version != TG_STORE_ABI)
        return wrong_abi(scheme, "store", m->store->version, TG_STORE_ABI, e);
    *out = m->store;
    return 0;
}

int tg_transport_find(const char *name, const struct tg_transport_backend **out, struct tg_error *e)
{
    const struct tg_module *m;

    for (size_t i = 0; tg_builtin_transports[i]; i++)
        if (strcmp(tg_builtin_transports[i]->name, name) == 0) {
            *out = tg_builtin_transports[i];
            return 0;
        }
    int rc = tg_module_load(name, &m, e);
    if (rc)
        return rc;
    if (!m->transport)
        return lacks(name, "transport", e);
    if (m->transport->version != TG_TRANSPORT_ABI)
        return wrong_abi(name, "transport", m->transport->version, TG_TRANSPORT_ABI, e);
    *out = m->transport;
    return 0;
}

int tg_driver_find(const char *name, const struct tg_driver **out, struct tg_error *e)
{
    const struct tg_module *m;
    int rc = tg_module_load(name, &m, e);

    if (rc)
        return rc;
    if (!m->driver)
        return lacks(name, "driver", e);
    if (m->driver->version != TG_DRIVER_ABI)
        return wrong_abi(name, "driver", m->driver->version, TG_DRIVER_ABI, e);
    *out = m->driver;
    return 0;
}

int tg_probe_find(const char *name, const struct tg_probe_backend **out, struct tg_error *e)
{
    const struct tg_module *m;
    int rc = tg_module_load(name, &m, e);

    if (rc)
        return rc;
    if (!m->probe)
        return lacks(name, "probe", e);
    if (m->probe->version != TG_PROBE_ABI)
        return wrong_abi(name, "probe", m->probe->version, TG_PROBE_ABI, e);
    *out = m->probe;
    return 0;
}

int tg_around_find(enum tg_around_what what, const char *name, const struct tg_around_backend **out, struct tg_error *e)
{
    const struct tg_module *m;
    int rc = tg_module_load(name, &m, e);

    if (rc)
        return rc;
    if (!m->around)
        return lacks(name, tg_around_what_name(what), e);
    if (m->around->version != TG_AROUND_ABI)
        return wrong_abi(name, tg_around_what_name(what), m->around->version, TG_AROUND_ABI, e);
    if (m->around->what != what)
        return lacks(name, tg_around_what_name(what), e);
    *out = m->around;
    return 0;
}

int tg_httpd_find(const struct tg_httpd_backend **out, struct tg_error *e)
{
    const struct tg_module *m;
    int rc = tg_module_load("httpd", &m, e);

    if (rc)
        return rc;
    if (!m->httpd)
        return lacks("httpd", "HTTP server", e);
    if (m->httpd->version != TG_HTTPD_ABI)
        return wrong_abi("httpd", "HTTP server", m->httpd->version, TG_HTTPD_ABI, e);
    *out = m->httpd;
    return 0;
}

int tg_zone_backend_find(const struct tg_zone_backend **out, struct tg_error *e)
{
    const struct tg_module *m;
    int rc = tg_module_load("calendar", &m, e);

    if (rc)
        return rc;
    if (!m->zones)
        return lacks("calendar", "time zones", e);
    if (m->zones->version != TG_ZONE_ABI)
        return wrong_abi("calendar", "time zones", m->zones->version, TG_ZONE_ABI, e);
    *out = m->zones;
    return 0;
}

int tg_delivery_find(const struct tg_delivery_backend **out, struct tg_error *e)
{
    const struct tg_module *m;
    int rc = tg_module_load("delivery", &m, e);

    if (rc)
        return rc;
    if (!m->delivery)
        return lacks("delivery", "delivery", e);
    if (m->delivery->version != TG_DELIVERY_ABI)
        return wrong_abi("delivery", "delivery", m->delivery->version, TG_DELIVERY_ABI, e);
    *out = m->delivery;
    return 0;
}
