// A summary, or a model, on its way through a codec, as both sides agree on it. A summary that loses
// something is not sent as weights but as how far they are from the round's model, which both sides have; and
// what was lost is kept and added to the next one (error feedback: Seide, Fu, Droppo, Li and Yu 2014; Stich
// et al. 2018, Algorithm 1).
#pragma once

#include "config/fields.h"
#include "summary/codec.h"

struct coder {
    const struct choice *codec;
    struct codec_frame frame;
    // What the summary's first values lie around; the others lie around zero.
    const float *reference;
    size_t n_reference;
};

bool coder_is_identity(const struct coder *coder);
size_t coder_bytes(const struct coder *coder);
// Encodes `summary` [frame.n_values] into `ret` [coder_bytes]. `residual` [n_values] holds what earlier ones
// have lost, zeros at first, and then what all of them have; without feedback, zeros. On failure it is as
// before, to rounding.
enum status coder_encode(const struct coder *coder, const float *summary, float *residual, uint8_t *ret,
                         struct error *error);
// Whether bytes [coder_bytes] from anybody can be decoded.
enum status coder_check(const struct coder *coder, const uint8_t *encoded, struct error *error);
// Values [first, first + n) of the summary.
void coder_decode(const struct coder *coder, const uint8_t *encoded, size_t first, size_t n, float *ret);
// The first values that can be decoded when the first `n_bytes` bytes have come: all of them when all have,
// which then want a check. Never fewer than of fewer bytes.
size_t coder_ready(const struct coder *coder, size_t n_bytes);
// The same as coder_decode, bit for bit, where values [first, first + n) of `values` are themselves the
// reference (with `of`; the coder's own is not looked at), or of no account.
void coder_apply(const struct coder *coder, const uint8_t *encoded, size_t first, size_t n, float *values);
