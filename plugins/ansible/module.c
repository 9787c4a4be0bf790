/* The module "ansible": one driver. Ansible has no agent, so there is nothing to disable or enable. */
#include "ansible.h"

#include <tagout/module.h>

static const struct tg_driver driver = {
    .version = TG_DRIVER_ABI,
    .name = "ansible",
    .about = "Ansible: a playbook, run on the host itself (a dry-run: from the controller, too)",
    .verbs = 1u << TG_VERB_STATUS | 1u << TG_VERB_DRY_RUN | 1u << TG_VERB_APPLY | 1u << TG_VERB_FACTS | 1u << TG_VERB_REBOOT_NEEDED,
    .params = tg_ansible_params,
    .params_free = tg_ansible_params_free,
    .describe = tg_ansible_describe,
    .request = tg_ansible_request,
    .answer = tg_ansible_answer,
    .is_central = tg_ansible_is_central,
};

extern const struct tg_module tagout_module;
TG_MODULE_EXPORT const struct tg_module tagout_module = {
    .abi = TG_MODULE_ABI,
    .name = "ansible",
    .release = TG_RELEASE,
    .driver = &driver,
};
