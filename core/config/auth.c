/* The store's password, from a file that nobody else can read: see site.h. */
#define _GNU_SOURCE
#include "config/secret.h"
#include "config/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tg_config_forget_auth(char *auth)
{
    if (auth)
        explicit_bzero(auth, strlen(auth));
    free(auth);
}

int tg_config_read_auth(const struct tg_config *config, char **out, struct tg_error *e)
{
    char line[TG_SECRET_SIZE];

    *out = NULL;
    if (!config->store_auth)
        return 0;
    int rc = tg_secret_read("store-auth", "USER:PASSWORD", config->store_auth, line, e);
    if (rc)
        return rc;
    const char *colon = strchr(line, ':');
    if (!colon || colon == line || !colon[1])
        rc = tg_fail(e, TG_E_CONFIG, "store-auth %s is not one line USER:PASSWORD", config->store_auth);
    else if (asprintf(out, "digest:%s", line) < 0) {
        *out = NULL;
        rc = tg_fail(e, TG_E_MEMORY, "out of memory");
    }
    explicit_bzero(line, sizeof line);
    return rc;
}
