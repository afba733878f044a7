// An activation that stands in the list of layers by itself. It has no passes of its own: the model applies
// every layer's activation.
#include "nn/activation.h"
#include "nn/layer.h"

struct activation_options {
    struct choice function;
};

static const struct field fields[] = {
    {.name = "function",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct activation_options, function),
     .required = true,
     .registry = &activations,
     .help = "What each value passes through"},
    {0},
};

static enum status plan(const void *options, const struct shape *input, struct layer_plan *ret,
                        struct error *error)
{
    *ret = (struct layer_plan){.input = *input, .output = *input};
    return STATUS_OK;
}

const struct layer_kind layer_activation = {
    .kind = {.name = "activation",
             .help = "An activation by itself, for layers that have no such option",
             .fields = fields,
             .options_bytes = sizeof(struct activation_options)},
    .plan = plan,
};
