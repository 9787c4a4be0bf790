/* SHA-256 (FIPS 180-4): digests of plans, hashes of tokens. */
#ifndef TG_BASE_SHA256_H
#define TG_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define TG_SHA256_BYTES 32
#define TG_SHA256_HEX 65 /* with the NUL */

struct tg_sha256 {
    uint32_t state[8];
    uint64_t n_bytes;
    uint8_t block[64];
};

void tg_sha256_init(struct tg_sha256 *h);
void tg_sha256_add(struct tg_sha256 *h, const void *bytes, size_t len);
void tg_sha256_end(struct tg_sha256 *h, uint8_t out[TG_SHA256_BYTES]);
/* The whole at once, as lower-case hexadecimal digits. */
void tg_sha256_hex(const void *bytes, size_t len, char out[TG_SHA256_HEX]);

#endif
