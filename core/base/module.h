/* What is built into core and needs no module. NULL-terminated; defined by store/ and engine/. */
#ifndef TG_BASE_MODULE_H
#define TG_BASE_MODULE_H

#include <tagout/module.h>

extern const struct tg_store_backend *const tg_builtin_stores[];
extern const struct tg_transport_backend *const tg_builtin_transports[];

/* The store backend of a URL's scheme, its module loaded if need be. TG_E_CONFIG. */
int tg_store_backend_find(const char *scheme, const struct tg_store_backend **out, struct tg_error *e);
/* The HTTP server of the module "httpd". TG_E_CONFIG. */
int tg_httpd_find(const struct tg_httpd_backend **out, struct tg_error *e);
/* Time zones, of the module "calendar". TG_E_CONFIG. */
int tg_zone_backend_find(const struct tg_zone_backend **out, struct tg_error *e);

#endif
