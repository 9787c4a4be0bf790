/* SHA-256, by libmd (which every Debian has for dpkg's sake): digests of plans, hashes of tokens. */
#ifndef TG_BASE_SHA256_H
#define TG_BASE_SHA256_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define TG_SHA256_BYTES 32
#define TG_SHA256_HEX 65 /* with the NUL */

struct tg_sha256 {
    uint64_t context[32]; /* libmd's own */
};

void tg_sha256_init(struct tg_sha256 *h);
void tg_sha256_add(struct tg_sha256 *h, const void *bytes, size_t len);
void tg_sha256_end(struct tg_sha256 *h, uint8_t out[TG_SHA256_BYTES]);
void tg_sha256_end_hex(struct tg_sha256 *h, char out[TG_SHA256_HEX]);
/* The whole at once, as lower-case hexadecimal digits. */
void tg_sha256_hex(const void *bytes, size_t len, char out[TG_SHA256_HEX]);
/* Of a JSON value's canonical text (sorted keys, no white space), which is never held whole. 0, or -1 when memory is short. */
int tg_sha256_json(const json_t *json, char out[TG_SHA256_HEX]);

#endif
