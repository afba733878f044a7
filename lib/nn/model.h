// A model: a list of layers bound to an input shape. Immutable once made, so many learners' threads share
// one.
#pragma once

#include "base/philox.h"
#include "config/fields.h"
#include "nn/gradient_sink.h"
#include "nn/loss.h"
#include "nn/tensor.h"
#include <stdbool.h>

enum { MODEL_LAYERS_MAX = 1024 };

struct model;
struct workspace;

// As written in YAML: `model: {layers: [...], loss: ..., weights: FILE}`.
struct model_options {
    struct choice_list layers;
    struct choice loss;
    const char *weights;          // a safetensors file to start from; NULL: from the seed
    struct section_list variants; // of struct model_variant: architectures beside `layers`
};

struct model_variant {
    struct choice_list layers;
};

extern const struct field model_fields[];

// Infers every shape from `input` (one sample's) and checks the last layer's output against `n_outputs`
// (classes, or target values; 0: unknown, unchecked) and the loss against the targets' type. Errors name the
// layer, its position and both shapes. What `options` point to must outlive the model.
//
// Tensors are named and shaped as in PyTorch's nn.Sequential of the same list with each activation as a
// module of its own: dense{relu}, dense{relu}, dense gives "0.weight" [out, in], "0.bias", "2.weight",
// "2.bias", "4.weight", "4.bias". (A dense layer's implicit flattening is not a module.)
enum status model_new(struct model **ret, const struct model_options *options, const struct shape *input,
                      size_t n_outputs, enum target_type targets, struct error *error);
struct model *model_free(struct model *model);

// The architectures of `options`: 0 has its `layers`, 1 and on are the variants.
size_t model_n_variants(const struct model_options *options);
struct model_options model_variant_options(const struct model_options *options, size_t variant);

const struct layout *model_layout(const struct model *model);
size_t model_n_outputs(const struct model *model);
const struct shape *model_input(const struct model *model);
// The classes that the outputs tell apart: one an output, but two for a single output under
// binary_cross_entropy.
size_t model_n_classes(const struct model *model);
// Whether outputs become the probabilities of classes that exclude each other, by softmax.
bool model_is_classifier(const struct model *model);
// The class that one sample's outputs [n_outputs] speak for: the first of the largest; of two classes by one
// output, class 1 above 0.
int32_t model_class(const struct model *model, const float *outputs);

// Whether the outputs are an affine function of the sample's values: a single dense layer, with no
// activation; its tensors are "weight" [outputs, inputs] and, unless left out, "bias" [outputs]. And whether
// training then is least squares, by the loss mse.
bool model_is_affine(const struct model *model);
bool model_is_least_squares(const struct model *model);

// A table of the layers, a line each: name, output shape, parameters; for `cohort validate` and the report.
void model_describe(const struct model *model, struct bytes *ret);

// Draws the initial parameters; they depend on the seed and the architecture alone.
void model_init(const struct model *model, uint64_t seed, float *ret_parameters);
// The same values of the tensors from offset `first` on, which is where one begins: [n_parameters - first].
void model_init_from(const struct model *model, uint64_t seed, size_t first, float *ret_parameters);

// Buffers for passes of up to `max_batch` samples; one a thread. Everything that a step needs is allocated
// here.
enum status workspace_new(struct workspace **ret, const struct model *model, size_t max_batch, bool training,
                          struct error *error);
struct workspace *workspace_free(struct workspace *workspace);
size_t workspace_bytes(const struct workspace *workspace);

// Outputs [batch, n_outputs] of the last layer (logits under cross entropy), owned by the workspace, valid
// until the next pass.
const float *model_forward(const struct model *model, struct workspace *workspace, const float *parameters,
                           const float *input, size_t batch);

// The last layer's outputs in the workspace's last pass, also of model_gradient and trainer_step: training
// accuracy comes for free.
const float *workspace_outputs(const struct workspace *workspace);

// The outputs [batch, n_outputs] as probabilities into `ret`: softmax under cross_entropy, sigmoid under
// binary_cross_entropy, else a copy. Used by predict.
void model_probabilities(const struct model *model, const float *outputs, size_t batch, float *ret);

// The mean loss over outputs made by model_forward.
double model_loss(const struct model *model, const float *outputs, const struct targets *targets,
                  size_t batch);

// One forward and backward pass: the batch's mean loss, and its gradient [n_parameters]. `key` is this
// step's, for dropout.
double model_gradient(const struct model *model, struct workspace *workspace, const float *parameters,
                      const float *input, const struct targets *targets, size_t batch, struct random_key key,
                      float *ret_gradient);

// The same, but the gradient is handed on part by part; `room` [n_parameters] is overwritten. Parameters that
// the sink changes are this pass's no more.
double model_hand_gradient(const struct model *model, struct workspace *workspace, const float *parameters,
                           const float *input, const struct targets *targets, size_t batch,
                           struct random_key key, const struct gradient_sink *sink, float *room);

// The same for the loss and something more: `add` (NULL: nothing) adds to the gradient of the mean loss by
// the outputs [batch, n_outputs].
double model_gradient_with(const struct model *model, struct workspace *workspace, const float *parameters,
                           const float *input, const struct targets *targets, size_t batch,
                           struct random_key key,
                           void (*add)(void *user, const float *outputs, size_t batch,
                                       float *output_gradient),
                           void *user, float *ret_gradient);

// The same in two halves, for objectives of an algorithm's own: a forward pass as in training, and the
// backward pass of that same batch from the gradient of the objective by the outputs, `output_gradient`
// [batch, n_outputs].
const float *model_forward_training(const struct model *model, struct workspace *workspace,
                                    const float *parameters, const float *input, size_t batch,
                                    struct random_key key);
void model_backward(const struct model *model, struct workspace *workspace, const float *parameters,
                    size_t batch, const float *output_gradient, float *ret_gradient);
