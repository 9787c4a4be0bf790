/*
 * The driver for Salt: salt-call on the minion itself, against its master or (local) without one.
 *
 *   change: {salt: {}}                                          the highstate
 *   change: {salt: {state: [web, web.tls], saltenv: prod}}      these
 *
 * Facts about Salt that this rests on were observed with 3006.16 and 3008.3:
 *   - the exit status (with --retcode-passthrough) is 0 also for a dry-run with pending changes, for a run of a disabled highstate, and 2
 *     when nothing was looked at; so the JSON decides
 *   - {"local": {STATE: {"result": true|false|null, "changes": {…}}}}: null is "would change"
 *   - {"local": ["…"]}: a list of strings is an error: it did not compile, another run is in progress, a state is disabled
 *   - {"local": {"result": "False", "comment": "Disabled"}}: the highstate is disabled
 *   - a dry-run does not ask onlyif and unless of commands alike, and foretells every command without them
 */
#ifndef TG_SALT_H
#define TG_SALT_H

#include <tagout/driver.h>

struct tg_driver_params {
    char *state;      /* joined by commas; NULL: the highstate */
    char *saltenv, *pillarenv;
    char *pillar;     /* JSON */
    char *config_dir; /* NULL: Salt's own */
    bool local;       /* without a master */
    int64_t timeout_ms;
};

int tg_salt_params(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *data,
                   struct tg_driver_params **out, struct tg_error *e);
void tg_salt_params_free(struct tg_driver_params *params);
void tg_salt_describe(const struct tg_driver_params *params, char *out, size_t size);
int tg_salt_request(const struct tg_driver_params *params, enum tg_verb verb, const struct tg_request_context *context, struct tg_request *out,
                    struct tg_error *e);
int tg_salt_answer(const struct tg_driver_params *params, enum tg_verb verb, const struct tg_answer *answer, struct tg_outcome *out,
                   struct tg_error *e);

/* What one document of salt-call says (its value below the minion's id) of a run of states. Pure; never fails: what it can't be is UNKNOWN. */
void tg_salt_states(const json_t *value, enum tg_verb verb, struct tg_outcome *out);

/* Exit statuses of our own scripts around salt-call. */
#define TG_SALT_ANOTHERS 75 /* the highstate was disabled by somebody else */
#define TG_SALT_ALREADY 76  /* it is so already */

#endif
