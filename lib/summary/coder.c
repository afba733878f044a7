#include "summary/coder.h"
#include <string.h>

enum { TILE_VALUES = 1 << 12 };

static const struct codec_kind *kind_of(const struct coder *coder)
{
    return (const struct codec_kind *)(const void *)coder->codec->kind;
}

bool coder_is_identity(const struct coder *coder)
{
    return kind_of(coder)->identity;
}

size_t coder_bytes(const struct coder *coder)
{
    return kind_of(coder)->encoded_bytes(coder->codec->options, &coder->frame);
}

static void add(float *restrict to, const float *restrict values, size_t n, float sign)
{
    for (size_t i = 0; i < n; i++)
        to[i] += sign * values[i];
}

// The residual becomes what is to be sent: the summary's distance from the reference, and what is owed.
static void add_summary(const struct coder *coder, const float *summary, float *residual, float sign)
{
    add(residual, summary, coder->frame.n_values, sign);
    add(residual, coder->reference, coder->n_reference, -sign);
}

static void keep_what_was_lost(const struct coder *coder, const uint8_t *encoded, float *residual)
{
    float tile[TILE_VALUES];
    size_t n_values = coder->frame.n_values;
    if (!coder->frame.feedback) {
        memset(residual, 0, n_values * sizeof *residual);
        return;
    }
    for (size_t at = 0; at < n_values; at += TILE_VALUES) {
        size_t n = n_values - at < TILE_VALUES ? n_values - at : TILE_VALUES;
        kind_of(coder)->decode(coder->codec->options, &coder->frame, encoded, at, n, tile);
        add(residual + at, tile, n, -1);
    }
}

enum status coder_encode(const struct coder *coder, const float *summary, float *residual, uint8_t *ret,
                         struct error *error)
{
    add_summary(coder, summary, residual, 1);
    enum status status = kind_of(coder)->encode(coder->codec->options, &coder->frame, residual, ret, error);
    if (status == STATUS_OK)
        keep_what_was_lost(coder, ret, residual);
    else
        add_summary(coder, summary, residual, -1);
    return status;
}

size_t coder_ready(const struct coder *coder, size_t n_bytes)
{
    size_t n_values = coder->frame.n_values, n = 0;
    if (n_bytes >= coder_bytes(coder))
        return n_values;
    if (kind_of(coder)->ready)
        n = kind_of(coder)->ready(coder->codec->options, &coder->frame, n_bytes);
    return n < n_values ? n : n_values;
}

void coder_apply(const struct coder *coder, const uint8_t *encoded, size_t first, size_t n, float *values)
{
    float tile[TILE_VALUES];
    for (size_t at = first; at < first + n; at += TILE_VALUES) {
        size_t some = first + n - at < TILE_VALUES ? first + n - at : TILE_VALUES;
        kind_of(coder)->decode(coder->codec->options, &coder->frame, encoded, at, some, tile);
        if (kind_of(coder)->of)
            add(values + at, tile, some, 1);
        else
            memcpy(values + at, tile, some * sizeof *values);
    }
}

enum status coder_check(const struct coder *coder, const uint8_t *encoded, struct error *error)
{
    if (!kind_of(coder)->check)
        return STATUS_OK;
    return kind_of(coder)->check(coder->codec->options, &coder->frame, encoded, error);
}

void coder_decode(const struct coder *coder, const uint8_t *encoded, size_t first, size_t n, float *ret)
{
    kind_of(coder)->decode(coder->codec->options, &coder->frame, encoded, first, n, ret);
    if (first < coder->n_reference)
        add(ret, coder->reference + first, n < coder->n_reference - first ? n : coder->n_reference - first,
            1);
}
