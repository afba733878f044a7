// safetensors files: 8 bytes of little-endian header length, a JSON header, float32 tensors back to back. The
// same layout and values always give the same bytes, so a file's SHA-256 names a model.
#pragma once

#include "base/bytes.h"
#include "base/sha256.h"
#include "nn/tensor.h"

// The bytes before the first value, padded with spaces to a multiple of 64.
enum status safetensors_header(const struct layout *layout, struct bytes *ret, struct error *error);

// Writes aside, syncs when `durable`, renames. `ret_sha256` (may be NULL) is the file's.
enum status safetensors_write(const char *path, const struct layout *layout, const float *values,
                              bool durable, uint8_t ret_sha256[SHA256_BYTES], struct error *error);

// The SHA-256 that the file would have.
enum status safetensors_sha256(const struct layout *layout, const float *values, uint8_t ret[SHA256_BYTES],
                               struct error *error);

// Reads a file of F32 (or F16, BF16, F64, converted) tensors in the order of their offsets. `ret_values` is
// freed by memory_free. Bounded by the file's size; a header that lies (overlaps, gaps, sizes past the end,
// more than 16 MiB) is DATA_LOSS.
enum status safetensors_read(const char *path, struct layout *ret_layout, float **ret_values,
                             struct error *error);

// Puts the file's tensors into `values` laid out as `layout`: same names and shapes, or an error that names
// the first difference.
enum status safetensors_load(const char *path, const struct layout *layout, float *values,
                             struct error *error);
