/* HMAC-SHA256: see hmac.h. */
#include "base/hmac.h"

#include <string.h>

#define BLOCK 64

void tg_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len, uint8_t out[TG_SHA256_BYTES])
{
    uint8_t block[BLOCK] = {0}, pad[BLOCK];
    struct tg_sha256 h;

    if (key_len > BLOCK) {
        tg_sha256_init(&h);
        tg_sha256_add(&h, key, key_len);
        tg_sha256_end(&h, block);
    } else if (key_len) {
        memcpy(block, key, key_len);
    }
    for (size_t i = 0; i < BLOCK; i++)
        pad[i] = block[i] ^ 0x36;
    tg_sha256_init(&h);
    tg_sha256_add(&h, pad, BLOCK);
    tg_sha256_add(&h, bytes, len);
    tg_sha256_end(&h, out);
    for (size_t i = 0; i < BLOCK; i++)
        pad[i] = block[i] ^ 0x5c;
    tg_sha256_init(&h);
    tg_sha256_add(&h, pad, BLOCK);
    tg_sha256_add(&h, out, TG_SHA256_BYTES);
    tg_sha256_end(&h, out);
    explicit_bzero(block, sizeof block);
    explicit_bzero(pad, sizeof pad);
    explicit_bzero(&h, sizeof h);
}
