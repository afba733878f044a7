// What model.c (shapes, names, initial values) and workspace.c (passes) share.
#pragma once

#include "nn/activation.h"
#include "nn/layer.h"
#include "nn/model.h"

struct model_layer {
    const struct layer_kind *kind;
    const void *options;
    struct layer_plan plan;
    const struct activation_kind *activation; // NULL: none
    const void *activation_options;
    size_t first_tensor; // in the layout
};

struct model {
    struct shape input;
    size_t n_layers;
    struct model_layer *layers;
    struct layout layout;
    const struct loss_kind *loss;
    const void *loss_options;
    size_t first_trained; // the lowest layer with tensors: gradients go no further down
};

// Whether the layer hands its input on as it is, and so has no buffer of its own.
static inline bool layer_is_view(const struct model_layer *layer)
{
    return !layer->kind->forward && !layer->activation;
}
