// Every codec: the sizes it tells are the sizes it makes, and what it decodes in pieces is what it decodes
// whole.
#include "base/memory.h"
#include "base/philox.h"
#include "summary/codec.h"
#include <criterion/criterion.h>
#include <string.h>

enum { N_VALUES = 10007 };

static float values[N_VALUES];

static void make_values(void)
{
    struct random random = random_open((struct random_key){.seed = 5, .purpose = RANDOM_TEST});
    for (size_t i = 0; i < N_VALUES; i++)
        values[i] = (float)random_normal(&random);
}

TestSuite(codecs, .init = make_values);

static const struct codec_kind *codec_at(size_t index)
{
    return (const struct codec_kind *)codecs.kinds[index];
}

Test(codecs, say_how_many_bytes_they_take)
{
    for (size_t k = 0; k < codecs.n_kinds; k++) {
        const struct codec_kind *codec = codec_at(k);
        cr_assert_eq(codec->identity, codec->encode == NULL, "%s", codec->kind.name);
        cr_assert_eq(codec->identity, codec->decode == NULL, "%s", codec->kind.name);
        cr_assert_gt(codec->encoded_bytes(NULL, N_VALUES), 0, "%s", codec->kind.name);
        if (codec->identity)
            cr_assert_eq(codec->encoded_bytes(NULL, N_VALUES), sizeof values, "%s", codec->kind.name);
    }
}

// Decodes `encoded` in pieces of `piece` bytes.
static void decode_pieces(const struct codec_kind *codec, const uint8_t *encoded, size_t bytes, size_t piece,
                          float *ret)
{
    for (size_t at = 0; at < bytes; at += piece) {
        size_t first = 0, n = 0;
        struct error error = ERROR_INIT;
        float *decoded = memory_floats(N_VALUES);
        cr_assert_eq(codec->decode(NULL, N_VALUES, at, encoded + at, piece < bytes - at ? piece : bytes - at,
                                   &first, &n, decoded, &error),
                     STATUS_OK, "%s: %s", codec->kind.name, error.message);
        cr_assert(first <= N_VALUES && n <= N_VALUES - first);
        memcpy(ret + first, decoded, n * sizeof *ret);
        memory_free(decoded);
    }
}

Test(codecs, give_back_in_pieces_what_they_give_back_whole)
{
    static float whole[N_VALUES], pieces[N_VALUES];
    for (size_t k = 0; k < codecs.n_kinds; k++) {
        const struct codec_kind *codec = codec_at(k);
        if (codec->identity)
            continue; // nothing is made
        size_t bytes = codec->encoded_bytes(NULL, N_VALUES);
        uint8_t *encoded = memory_zalloc(bytes);
        codec->encode(NULL, values, N_VALUES, encoded);
        decode_pieces(codec, encoded, bytes, bytes, whole);
        decode_pieces(codec, encoded, bytes, 1024, pieces);
        cr_assert_eq(memcmp(whole, pieces, sizeof whole), 0, "%s", codec->kind.name);
        memory_free(encoded);
    }
}
