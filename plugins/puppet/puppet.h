/*
 * The driver for Puppet, in two modes: "puppet agent" against a server, and "puppet apply" of a manifest that is on the host.
 *
 *   change: {puppet: {environment: production, tags: [openssl]}}              the agent
 *   change: {puppet: {manifest: /etc/puppet/code/site.pp, modulepath: /m}}    apply
 *
 * Facts about Puppet that this rests on were observed with 7.23.0 (Debian 12):
 *   - exit status with --detailed-exitcodes: 0 nothing changed (also a noop run with pending changes), 2 changed, 4 failures,
 *     6 both, 1 everything else: compile error, disabled, a run in progress, prerun_command refused, no server
 *   - a disabled agent and a compile error leave last_run_summary.yaml as it was; a refused prerun_command writes one of zeros
 *   - --tags that match nothing: exit 0, every resource is counted as skipped
 */
#ifndef TG_PUPPET_H
#define TG_PUPPET_H

#include <tagout/driver.h>

struct tg_driver_params {
    char *manifest;      /* NULL: agent */
    char *modulepath;    /* NULL: Puppet's own */
    char *hiera_config;
    char *environment;
    char *server;        /* agent only */
    char *tags, *skip_tags; /* joined by commas, as Puppet takes them */
    int64_t wait_for_run_ms; /* agent: how long to wait for a run in progress */
    int64_t timeout_ms;
};

int tg_puppet_params(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *data,
                     struct tg_driver_params **out, struct tg_error *e);
void tg_puppet_params_free(struct tg_driver_params *params);
void tg_puppet_describe(const struct tg_driver_params *params, char *out, size_t size);
int tg_puppet_request(const struct tg_driver_params *params, enum tg_verb verb, const struct tg_request_context *context,
                      struct tg_request *out, struct tg_error *e);
int tg_puppet_answer(const struct tg_driver_params *params, enum tg_verb verb, const struct tg_answer *answer,
                     struct tg_outcome *out, struct tg_error *e);

/* Said on stderr by an agent's dry-run on a host where Puppet can't tell manual changes from others. */
#define TG_PUPPET_NO_RECORD "tagout: Puppet has no record of its last run here"

/* What a dry-run printed as changing: the outcome's items. Pure; out is what a host said. */
void tg_puppet_items(const char *out, bool corrective_known, struct tg_outcome *o);

/* What we look for in last_run_summary.yaml; -1 where it says nothing. */
struct tg_puppet_summary {
    int64_t last_run_s;   /* Unix time at the run's end */
    int64_t total, changed, failed, failed_to_restart, out_of_sync, skipped, corrective; /* resources */
    int64_t failures;     /* events.failure */
    char version[128];    /* version.config */
};
/* 0 or TG_E_DATA for what is no YAML of that shape. Bounded in depth; unknown keys and tags are skipped. */
int tg_puppet_summary_parse(const char *text, size_t len, struct tg_puppet_summary *out);

#endif
