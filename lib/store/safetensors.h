// safetensors files: 8 bytes of little-endian header length, a JSON header, float32 tensors back to back. The
// same layout and values always give the same bytes, so a file's SHA-256 names a model. The format:
// github.com/huggingface/safetensors, "Format".
#pragma once

#include "base/bytes.h"
#include "base/sha256.h"
#include "nn/tensor.h"

enum {
    SAFETENSORS_HEADER_MAX = 4 << 20,   // bytes of JSON; some 30,000 tensors
    SAFETENSORS_TENSORS_MAX = 16 << 10, // a file
};

// The bytes before the first value: the length, then JSON in the layout's order, padded with spaces so that
// values start at a multiple of 64. Its metadata says {"format": "pt"}, which readers for PyTorch ask for.
enum status safetensors_header(const struct layout *layout, struct bytes *ret, struct error *error);

// Writes aside, syncs when `durable`, renames; no second copy of `values`. `ret_sha256` (may be NULL) is the
// file's.
enum status safetensors_write(const char *path, const struct layout *layout, const float *values,
                              bool durable, uint8_t ret_sha256[SHA256_BYTES], struct error *error);

// The SHA-256 that the file would have.
enum status safetensors_sha256(const struct layout *layout, const float *values, uint8_t ret[SHA256_BYTES],
                               struct error *error);

// Reads a file of F32 (or F16, BF16, F64, converted) tensors in the order of their offsets. `ret_values` is
// freed by memory_free. Memory is bounded by a few times the file's size; a header that lies (overlaps, gaps,
// sizes past the end, over the limits above) is DATA_LOSS, other types of number INVALID_ARGUMENT. A value
// that is infinite, not a number, or out of float32's range is DATA_LOSS too: no model starts from one.
enum status safetensors_read(const char *path, struct layout *ret_layout, float **ret_values,
                             struct error *error);

// Puts the file's tensors into `values` laid out as `layout`: same names and shapes, in any order, or an
// INVALID_ARGUMENT that names the first difference. `values` is untouched by a header that does not fit; a
// damaged value may leave it half filled.
enum status safetensors_load(const char *path, const struct layout *layout, float *values,
                             struct error *error);
