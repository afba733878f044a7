// The values themselves: little-endian float32, as they lie in memory and in safetensors files.
#include "summary/codec.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "f32 sends the memory itself");

static size_t f32_bytes(const void *options, const struct codec_frame *frame)
{
    return frame->n_values * sizeof(float);
}

const struct codec_kind codec_f32 = {
    .kind = {.name = "f32", .help = "Float32 values as they are, 4 bytes each, folded in place"},
    .identity = true,
    .exact = true,
    .unbiased = true,
    .encoded_bytes = f32_bytes,
};
