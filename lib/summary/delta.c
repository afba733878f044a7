// The difference from what the receiver has, coded with another codec. On the way down that is the model of
// the round before, as the learner holds it (Gruntkowska, Tyurin and Richtárik, "EF21-P and friends", ICML
// 2023, Algorithm 1). On the way up every codec but f32 sends the difference from the round's model anyway.
// The bytes are the other codec's.
#include "base/memory.h"
#include "config/fields.h"
#include "summary/codec.h"

struct delta_options {
    struct choice codec;
};

static const struct choice *delta_of(const void *options)
{
    return &((const struct delta_options *)options)->codec;
}

static const struct codec_kind *inner(const void *options)
{
    return (const struct codec_kind *)(const void *)delta_of(options)->kind;
}

static size_t delta_bytes(const void *options, const struct codec_frame *frame)
{
    return inner(options)->encoded_bytes(delta_of(options)->options, frame);
}

static enum status delta_encode(const void *options, const struct codec_frame *frame, const float *values,
                                uint8_t *ret, struct error *error)
{
    return inner(options)->encode(delta_of(options)->options, frame, values, ret, error);
}

static enum status delta_check(const void *options, const struct codec_frame *frame, const uint8_t *encoded,
                               struct error *error)
{
    return inner(options)->check ? inner(options)->check(delta_of(options)->options, frame, encoded, error)
                                 : STATUS_OK;
}

static size_t delta_ready(const void *options, const struct codec_frame *frame, size_t n_bytes)
{
    return inner(options)->ready ? inner(options)->ready(delta_of(options)->options, frame, n_bytes) : 0;
}

static void delta_decode(const void *options, const struct codec_frame *frame, const uint8_t *encoded,
                         size_t first, size_t n, float *ret)
{
    inner(options)->decode(delta_of(options)->options, frame, encoded, first, n, ret);
}

static enum status check_options(const void *options, struct error *error)
{
    const char *name = delta_of(options)->kind->name;
    if (inner(options)->identity)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "delta of '%s' would be as long as the values themselves; choose another codec for "
                         "the differences, or '%s' without delta",
                         name, name);
    if (inner(options)->of)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "delta of '%s' is a difference of differences; choose another codec", name);
    return STATUS_OK;
}

static const struct field fields[] = {
    {.name = "codec",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct delta_options, codec),
     .registry = &codecs,
     .fallback = "int8",
     .help = "How the differences become bytes; neither f32 nor delta"},
    {0},
};

const struct codec_kind codec_delta = {
    .kind = {.name = "delta",
             .help = "The difference from what the receiver has, in another codec; of models, from the last "
                     "round's",
             .fields = fields,
             .options_bytes = sizeof(struct delta_options),
             .check = check_options},
    .of = delta_of,
    .encoded_bytes = delta_bytes,
    .encode = delta_encode,
    .check = delta_check,
    .ready = delta_ready,
    .decode = delta_decode,
};
