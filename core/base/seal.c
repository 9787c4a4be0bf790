/* Checksums in records: see seal.h. */
#include "base/seal.h"

#include "base/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUM_LEN 16
#define KEY ",\"sum\":\""
#define KEY_LEN (sizeof KEY - 1)
#define TAIL_LEN (KEY_LEN + SUM_LEN + 2)

char *tg_seal(json_t *o)
{
    char hex[TG_SHA256_HEX], *text = json_is_object(o) && json_object_size(o) ? json_dumps(o, JSON_COMPACT) : NULL;
    size_t len = text ? strlen(text) - 1 : 0; /* without the last brace */
    char *sealed = text ? realloc(text, len + TAIL_LEN + 1) : NULL;

    json_decref(o);
    if (!sealed) {
        free(text);
        return NULL;
    }
    tg_sha256_hex(sealed, len, hex);
    snprintf(sealed + len, TAIL_LEN + 1, KEY "%.*s\"}", SUM_LEN, hex);
    return sealed;
}

enum tg_sealed tg_seal_check(const char *text, size_t len)
{
    char hex[TG_SHA256_HEX];

    if (len <= TAIL_LEN || memcmp(text + len - TAIL_LEN, KEY, KEY_LEN) != 0 || memcmp(text + len - 2, "\"}", 2) != 0)
        return TG_SEAL_NONE;
    tg_sha256_hex(text, len - TAIL_LEN, hex);
    return memcmp(hex, text + len - TAIL_LEN + KEY_LEN, SUM_LEN) == 0 ? TG_SEAL_WHOLE : TG_SEAL_BROKEN;
}
