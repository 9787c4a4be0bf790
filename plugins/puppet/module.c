/* The module "puppet": one driver. */
#include "puppet.h"

#include <tagout/module.h>

static const struct tg_driver driver = {
    .version = TG_DRIVER_ABI,
    .name = "puppet",
    .about = "Puppet: agent, or apply of a manifest",
    .verbs = 1u << TG_VERB_APPLY | 1u << TG_VERB_DRY_RUN | 1u << TG_VERB_REBOOT_NEEDED,
    .params = tg_puppet_params,
    .params_free = tg_puppet_params_free,
    .describe = tg_puppet_describe,
    .request = tg_puppet_request,
    .answer = tg_puppet_answer,
};

extern const struct tg_module tagout_module;
TG_MODULE_EXPORT const struct tg_module tagout_module = {
    .abi = TG_MODULE_ABI,
    .name = "puppet",
    .release = TG_RELEASE,
    .driver = &driver,
};
