// The identity: what a layer's linear map gives is what the next layer gets.
#include "nn/activation.h"

const struct activation_kind activation_none = {
    .kind = {.name = "none", .help = "Nothing: the layer's sums as they are"},
};
