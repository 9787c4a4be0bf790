/*
 * Modules: what core does not know. One shared object a module, "tagout-NAME.so" in the module folder, exporting one symbol,
 * tagout_module. They are loaded by name, the moment a URL, a rollout or a configuration names them, and stay loaded.
 */
#ifndef TAGOUT_MODULE_H
#define TAGOUT_MODULE_H

#include <tagout/around.h>
#include <tagout/delivery.h>
#include <tagout/driver.h>
#include <tagout/httpd.h>
#include <tagout/probe.h>
#include <tagout/store.h>
#include <tagout/transport.h>
#include <tagout/zone.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TG_MODULE_ABI 3 /* 2: around; 3: delivery */

/* Each slot is NULL when the module has nothing of the kind. Everything is static. */
struct tg_module {
    uint32_t abi;     /* TG_MODULE_ABI: first, for ever */
    const char *name; /* must be the file's NAME */
    const char *release; /* of the project, for doctor */
    const struct tg_store_backend *store;
    const struct tg_transport_backend *transport;
    const struct tg_driver *driver;
    const struct tg_probe_backend *probe;
    const struct tg_httpd_backend *httpd;
    const struct tg_zone_backend *zones;
    const struct tg_around_backend *around;
    const struct tg_delivery_backend *delivery;
};

#define TG_MODULE_EXPORT __attribute__((visibility("default")))

/*
 * The module by name: [a-z0-9-]{1,32}. Looked for in $TAGOUT_MODULES (not honoured in a set-uid process; by root only where nobody else may write), beside the running program
 * (a build tree), then in the installed folder. TG_E_CONFIG: none, or of another ABI (the message names the file and both numbers).
 */
int tg_module_load(const char *name, const struct tg_module **out, struct tg_error *e);

#ifdef __cplusplus
}
#endif
#endif
