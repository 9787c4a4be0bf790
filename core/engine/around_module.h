/* The modules of a plan's around, loaded with their parameters; names of what they make. For ports.h (does it), plans and leftovers (tell of it). */
#ifndef TG_ENGINE_AROUND_MODULE_H
#define TG_ENGINE_AROUND_MODULE_H

#include "engine/journal.h"

struct tg_around_module {
    const struct tg_around_backend *backend;
    struct tg_around_params *params;
};

/* of: a step that is no lock; borrowed. TG_E_CONFIG: there is no such module here. TG_E_DATA: it does not take what the plan has. */
int tg_around_module_load(const struct tg_around *of, struct tg_around_module *out, struct tg_error *e);
void tg_around_module_release(struct tg_around_module *module);
/* "drain from haproxy, backend web"; where there is no such module "drain, by haproxy". */
void tg_around_module_describe(const struct tg_around *of, char *out, size_t size);

/* How long its steps wait at most, one after the other, as their modules say; those that are not here say nothing. */
int64_t tg_around_waits_ms(const struct tg_around *around, size_t n);

/* The run's name elsewhere: its id and something of its tokens, since another store may have a run of the same id. */
#define TG_RUN_NAME_SIZE (TG_RUN_ID_SIZE + 16)
void tg_run_name(const char *run_id, const char *tokens, char out[TG_RUN_NAME_SIZE]);
/* "RUN.HOST.around.STEP", or with a digest of the host in place of a long one: the same for ever. */
void tg_around_tag(const char *run_name, const char *host, int step, char out[TG_AROUND_TAG_SIZE]);

#endif
