/*
 * The driver for Ansible, on the host itself, as ansible-pull does it: ansible-playbook with a local connection, limited to this host.
 *
 *   change: {ansible: {playbook: /srv/ansible/site.yml, inventory: /srv/ansible/hosts, extra-vars: {version: "1.2"}}}
 *
 * With "from: controller", before an unlock only, it is the site's own ansible-playbook, where unlock is typed, limited to the hosts that are asked about.
 *
 * Facts about Ansible that this rests on were observed with ansible-core 2.14.18:
 *   - the exit status is 0 also for a check with changes, when no host matched and when the tags match nothing; 4 for an unreachable
 *     host and for a playbook that is no YAML. So only the statistics of the host itself prove that something was looked at
 *   - ansible-core has no callback that prints JSON; ours (events.py) is sent along
 *   - in check mode a command is skipped without a skip_reason: what it would do can't be told
 */
#ifndef TG_ANSIBLE_H
#define TG_ANSIBLE_H

#include <tagout/driver.h>

struct tg_driver_params {
    char *playbook, *inventory, *directory; /* paths on the host; inventory NULL: the host alone; directory NULL: the playbook's */
    char *tags, *skip_tags; /* joined by commas */
    char *extra_vars;       /* JSON */
    char *vault_password_file;
    bool from_controller;
    int64_t timeout_ms;
};

int tg_ansible_params(const json_t *value, void (*complain)(void *data, const char *path, const char *message), void *data,
                      struct tg_driver_params **out, struct tg_error *e);
void tg_ansible_params_free(struct tg_driver_params *params);
void tg_ansible_describe(const struct tg_driver_params *params, char *out, size_t size);
int tg_ansible_request(const struct tg_driver_params *params, enum tg_verb verb, const struct tg_request_context *context,
                       struct tg_request *out, struct tg_error *e);
bool tg_ansible_is_central(const struct tg_driver_params *params);
int tg_ansible_answer(const struct tg_driver_params *params, enum tg_verb verb, const struct tg_answer *answer, struct tg_outcome *out,
                      struct tg_error *e);

extern const char tg_ansible_events[]; /* events.py */

#endif
