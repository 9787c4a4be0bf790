/* What receipts are proven with: see announce_send.h. */
#include "calendar/announce_send.h"

#include "base/whole.h"
#include "config/secret.h"
#include "guard/record.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEY_LEN 40

static int make_key(const char *file, struct tg_error *e)
{
    char line[KEY_LEN + 2];
    int rc = tg_random_id(line, KEY_LEN, e);

    if (rc)
        return rc;
    line[KEY_LEN] = '\n';
    rc = tg_whole_write(file, line, KEY_LEN + 1, 0600, TG_WHOLE_DURABLE | TG_WHOLE_FOLDERS, e);
    explicit_bzero(line, sizeof line);
    return rc;
}

int tg_announce_key(const char *file, const char *state_dir, struct tg_receipt_key *out, struct tg_error *e)
{
    char own[4096], line[TG_SECRET_SIZE];
    int rc = 0;

    if (!file) {
        if (snprintf(own, sizeof own, "%s/announce.key", state_dir) >= (int) sizeof own)
            return tg_fail(e, TG_E_CONFIG, "state-dir has too long a path");
        file = own;
        if (access(file, F_OK) != 0)
            rc = make_key(file, e);
    }
    if (!rc)
        rc = tg_secret_read("announce.key-file", "with a key", file, line, e);
    if (rc)
        return rc;
    size_t len = strlen(line);
    if (len >= 16) {
        out->len = len < sizeof out->bytes ? len : sizeof out->bytes;
        memcpy(out->bytes, line, out->len);
    }
    explicit_bzero(line, sizeof line);
    if (len >= 16)
        return 0;
    tg_fail(e, TG_E_CONFIG, "announce.key-file %s has too short a key: at least 16 bytes", file);
    return tg_error_hint(e, "openssl rand -base64 32 > %s", file), TG_E_CONFIG;
}
