// The same values as one row a sample.
#include "nn/layer.h"

static enum status plan(const void *options, const struct shape *input, struct layer_plan *ret,
                        struct error *error)
{
    *ret = (struct layer_plan){.input = *input, .output = {1, {shape_size(input)}}};
    return STATUS_OK;
}

const struct layer_kind layer_flatten = {
    .kind = {.name = "flatten", .help = "A sample's values as one row, as dense reads them anyway"},
    .plan = plan,
};
