#include "summary/codec.h"
#include "base/memory.h"

#define X(name) extern const struct codec_kind codec_##name;
#include "summary/codecs.def"
#undef X

static const struct kind *const kinds[] = {
#define X(name) &codec_##name.kind,
#include "summary/codecs.def"
#undef X
};

const struct registry codecs = {.what = "codec", .kinds = kinds, .n_kinds = ARRAY_SIZE(kinds)};
