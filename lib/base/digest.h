// A quick hash that tells contents apart: it finds other contents and damage, not malice, at the speed of
// memory. What has to hold against malice is hashed by base/sha256.h.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_HEX_BYTES = 17 };

// Of `bytes` bytes, the same on every machine that is little-endian.
uint64_t digest_of(const void *data, size_t bytes);
// As 16 hexadecimal digits.
void digest_hex(uint64_t digest, char ret[DIGEST_HEX_BYTES]);
