#include "summary/codec.h"
#include <criterion/criterion.h>

Test(codec, f32_is_the_values_themselves)
{
    const struct codec_kind *f32 = (const struct codec_kind *)registry_find(&codecs, "f32");
    cr_assert_not_null(f32);
    cr_assert(f32->identity);
    cr_assert_eq(f32->encoded_bytes(NULL, 0), 0);
    cr_assert_eq(f32->encoded_bytes(NULL, 235146), 940584);
    cr_assert_null(f32->encode);
}
