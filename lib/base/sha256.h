// SHA-256, by libcrypto (which gRPC brings along and which uses the CPU's SHA instructions).
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_HEX_BYTES = 65 };

struct sha256;

struct sha256 *sha256_new(void); // NULL when out of memory
struct sha256 *sha256_free(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t n);
void sha256_finish(struct sha256 *hash, uint8_t ret_digest[SHA256_BYTES]); // and starts anew

void sha256_of(const void *data, size_t n, uint8_t ret_digest[SHA256_BYTES]);
void sha256_hex(const uint8_t digest[SHA256_BYTES], char ret_hex[SHA256_HEX_BYTES]);
