// A quick hash that tells contents apart: it finds other contents and damage, not malice, at the speed of
// memory. What has to hold against malice is hashed by base/sha256.h. The same on every machine that is
// little-endian.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_HEX_BYTES = 17, DIGEST_WORD_BYTES = 8 };

uint64_t digest_of(const void *data, size_t bytes);

// The same of content that comes in parts, in any order: the parts are summed up, then the sum is closed with
// the content's length. A part begins at byte `at`, a multiple of DIGEST_WORD_BYTES, and is as long as a
// multiple of it unless it is the content's end.
uint64_t digest_part(uint64_t at, const void *data, size_t bytes);
uint64_t digest_close(uint64_t sum, uint64_t bytes);

// As 16 hexadecimal digits.
void digest_hex(uint64_t digest, char ret[DIGEST_HEX_BYTES]);
