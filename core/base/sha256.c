/* SHA-256: see sha256.h. */
#include "base/sha256.h"

#include <sys/types.h>
#include <sha2.h>
#include <string.h>

_Static_assert(sizeof(SHA2_CTX) <= sizeof(struct tg_sha256), "libmd's context fits");

static SHA2_CTX *context(struct tg_sha256 *h)
{
    return (SHA2_CTX *) (void *) h->context;
}

void tg_sha256_init(struct tg_sha256 *h)
{
    SHA256Init(context(h));
}

void tg_sha256_add(struct tg_sha256 *h, const void *bytes, size_t len)
{
    if (len)
        SHA256Update(context(h), bytes, len);
}

void tg_sha256_end(struct tg_sha256 *h, uint8_t out[TG_SHA256_BYTES])
{
    SHA256Final(out, context(h));
}

void tg_sha256_end_hex(struct tg_sha256 *h, char out[TG_SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef"; /* every record that is read or written comes by here */
    uint8_t digest[TG_SHA256_BYTES];

    tg_sha256_end(h, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[TG_SHA256_HEX - 1] = '\0';
}

void tg_sha256_hex(const void *bytes, size_t len, char out[TG_SHA256_HEX])
{
    struct tg_sha256 h;

    tg_sha256_init(&h);
    tg_sha256_add(&h, bytes, len);
    tg_sha256_end_hex(&h, out);
}

static int add_text(const char *text, size_t len, void *h)
{
    tg_sha256_add(h, text, len);
    return 0;
}

int tg_sha256_json(const json_t *json, char out[TG_SHA256_HEX])
{
    struct tg_sha256 h;

    tg_sha256_init(&h);
    if (json_dump_callback(json, add_text, &h, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY))
        return -1;
    tg_sha256_end_hex(&h, out);
    return 0;
}
