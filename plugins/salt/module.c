/* The module "salt": one driver. */
#include "salt.h"

#include <tagout/module.h>

static const struct tg_driver driver = {
    .version = TG_DRIVER_ABI,
    .name = "salt",
    .about = "Salt: salt-call on the minion, states or the highstate",
    .verbs = 1u << TG_VERB_STATUS | 1u << TG_VERB_DRY_RUN | 1u << TG_VERB_APPLY | 1u << TG_VERB_DISABLE | 1u << TG_VERB_ENABLE |
             1u << TG_VERB_FACTS | 1u << TG_VERB_REBOOT_NEEDED,
    .params = tg_salt_params,
    .params_free = tg_salt_params_free,
    .describe = tg_salt_describe,
    .request = tg_salt_request,
    .answer = tg_salt_answer,
};

extern const struct tg_module tagout_module;
TG_MODULE_EXPORT const struct tg_module tagout_module = {
    .abi = TG_MODULE_ABI,
    .name = "salt",
    .release = TG_RELEASE,
    .driver = &driver,
};
