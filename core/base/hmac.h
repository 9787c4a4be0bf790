/* HMAC-SHA256 (RFC 2104). */
#ifndef TG_BASE_HMAC_H
#define TG_BASE_HMAC_H

#include "base/sha256.h"

void tg_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len, uint8_t out[TG_SHA256_BYTES]);

#endif
