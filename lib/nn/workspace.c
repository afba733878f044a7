// Forward and backward passes of a model over buffers that were all made beforehand.
#include "base/memory.h"
#include "nn/model_impl.h"
#include <assert.h>
#include <string.h>

// Where one layer's numbers stand.
struct place {
    float *output;  // [batch, output], after the activation; NULL for a view
    float *before;  // [batch, output], before an activation that needs it backward; NULL when not kept
    float *scratch; // [batch, scratch_floats]
    const float *input;
};

struct workspace {
    const struct model *model;
    size_t max_batch;
    bool training;
    struct place *places;
    float *shared;
    float *gradients[2];  // of a layer's output and of its input, by turns
    float *slab;          // what all of the above point into
    const float *outputs; // of the last pass
    size_t n_floats;
};

// Takes pieces out of a slab; with no slab it only counts, so that sizing and carving are one piece of code.
struct carver {
    float *slab;
    size_t n; // floats taken
    bool failed;
};

static float *carve(struct carver *carver, size_t batch, size_t floats)
{
    size_t n;
    if (__builtin_mul_overflow(batch, floats, &n) || __builtin_add_overflow(n, 15, &n) ||
        __builtin_add_overflow(carver->n, n & ~(size_t)15, &n) || n > SIZE_MAX / sizeof(float) / 2) {
        carver->failed = true;
        return NULL;
    }
    float *piece = carver->slab && floats > 0 ? carver->slab + carver->n : NULL;
    carver->n = n;
    return piece;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

struct extremes {
    size_t output, scratch, shared;
};

static struct extremes measure(const struct model *model)
{
    struct extremes most = {0};
    for (size_t i = 0; i < model->n_layers; i++) {
        const struct layer_plan *plan = &model->layers[i].plan;
        most.output = larger(most.output, shape_size(&plan->output));
        most.scratch = larger(most.scratch, plan->scratch_floats);
        most.shared = larger(most.shared, plan->shared_floats);
    }
    return most;
}

// Every layer keeps its own output for the backward pass.
static void carve_training(struct workspace *workspace, struct carver *carver, struct extremes most)
{
    const struct model *model = workspace->model;
    size_t batch = workspace->max_batch;
    for (size_t i = 0; i < model->n_layers; i++) {
        const struct model_layer *layer = &model->layers[i];
        struct place *place = &workspace->places[i];
        size_t n = shape_size(&layer->plan.output);
        place->scratch = carve(carver, batch, layer->plan.scratch_floats);
        if (layer_is_view(layer))
            continue;
        place->output = carve(carver, batch, n);
        if (layer->activation && layer->activation->keeps_input && layer->kind->forward)
            place->before = carve(carver, batch, n);
    }
    for (int i = 0; i < 2; i++)
        workspace->gradients[i] = carve(carver, batch, most.output);
}

// Two buffers by turns are enough when nothing is kept.
static void carve_inference(struct workspace *workspace, struct carver *carver, struct extremes most)
{
    const struct model *model = workspace->model;
    size_t batch = workspace->max_batch, turn = 0;
    float *scratch = carve(carver, batch, most.scratch);
    float *outputs[2] = {carve(carver, batch, most.output), carve(carver, batch, most.output)};
    for (size_t i = 0; i < model->n_layers; i++) {
        workspace->places[i].scratch = scratch;
        if (!layer_is_view(&model->layers[i]))
            workspace->places[i].output = outputs[turn++ % 2];
    }
}

static void carve_all(struct workspace *workspace, struct carver *carver)
{
    struct extremes most = measure(workspace->model);
    workspace->shared = carve(carver, 1, most.shared);
    if (workspace->training)
        carve_training(workspace, carver, most);
    else
        carve_inference(workspace, carver, most);
}

static enum status allocate(struct workspace *workspace, struct error *error)
{
    struct carver carver = {0};
    carve_all(workspace, &carver);
    if (!carver.failed)
        carver.slab = memory_floats(carver.n);
    if (!carver.slab)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED,
                         "no memory for the buffers of a model with batches of %zu: use a smaller batch_size",
                         workspace->max_batch);
    workspace->slab = carver.slab;
    workspace->n_floats = carver.n;
    carver.n = 0;
    carve_all(workspace, &carver);
    return STATUS_OK;
}

enum status workspace_new(struct workspace **ret, const struct model *model, size_t max_batch, bool training,
                          struct error *error)
{
    struct workspace *workspace = memory_zalloc(sizeof *workspace);
    struct place *places = memory_array(model->n_layers, sizeof places[0]);
    if (!workspace || !places) {
        memory_free(workspace);
        memory_free(places);
        return error_no_memory(error, model->n_layers * sizeof places[0]);
    }
    *workspace =
        (struct workspace){.model = model, .max_batch = max_batch, .training = training, .places = places};
    enum status status = allocate(workspace, error);
    if (status != STATUS_OK)
        workspace_free(workspace);
    else
        *ret = workspace;
    return status;
}

struct workspace *workspace_free(struct workspace *workspace)
{
    if (workspace) {
        memory_free(workspace->slab);
        memory_free(workspace->places);
    }
    return memory_free(workspace);
}

size_t workspace_bytes(const struct workspace *workspace)
{
    return sizeof *workspace + workspace->model->n_layers * sizeof workspace->places[0] +
           workspace->n_floats * sizeof(float);
}

static struct layer_pass open_pass(const struct workspace *workspace, size_t index, const float *parameters,
                                   size_t batch)
{
    const struct model_layer *layer = &workspace->model->layers[index];
    const struct place *place = &workspace->places[index];
    struct layer_pass pass = {
        .plan = &layer->plan,
        .options = layer->options,
        .batch = batch,
        .input = place->input,
        .scratch = place->scratch,
        .shared = workspace->shared,
    };
    for (unsigned int t = 0; t < layer->plan.n_tensors; t++)
        pass.tensors[t] = parameters + workspace->model->layout.tensors[layer->first_tensor + t].offset;
    return pass;
}

static struct random_key layer_key(const struct random_key *step, size_t index)
{
    struct random_key key = *step;
    key.purpose = RANDOM_DROPOUT;
    key.index = (uint16_t)index;
    return key;
}

static const float *forward_layer(struct workspace *workspace, size_t index, const float *parameters,
                                  size_t batch, const struct random_key *key)
{
    const struct model_layer *layer = &workspace->model->layers[index];
    struct place *place = &workspace->places[index];
    if (!place->output)
        return place->input;
    const float *linear = place->input;
    if (layer->kind->forward) {
        struct layer_pass pass = open_pass(workspace, index, parameters, batch);
        pass.output = place->before ? place->before : place->output;
        pass.training = key != NULL;
        if (key)
            pass.key = layer_key(key, index);
        layer->kind->forward(&pass);
        linear = pass.output;
    }
    if (linear != place->output)
        memcpy(place->output, linear, batch * shape_size(&layer->plan.output) * sizeof linear[0]);
    if (layer->activation)
        layer->activation->forward(layer->activation_options, batch, &layer->plan.output, place->output);
    return place->output;
}

// `key` NULL: not training.
static const float *forward(const struct model *model, struct workspace *workspace, const float *parameters,
                            const float *input, size_t batch, const struct random_key *key)
{
    assert(workspace->model == model && batch <= workspace->max_batch);
    for (size_t i = 0; i < model->n_layers; i++) {
        workspace->places[i].input = input;
        input = forward_layer(workspace, i, parameters, batch, key);
    }
    workspace->outputs = input;
    return input;
}

// `gradient` of the layer's output, overwritten; `ret_below`, of its input, NULL when nobody needs it.
static void backward_layer(struct workspace *workspace, size_t index, const float *parameters, size_t batch,
                           const float *gradient, float *ret_below, float *ret_gradient,
                           const struct gradient_sink *sink)
{
    const struct model_layer *layer = &workspace->model->layers[index];
    struct layer_pass pass = open_pass(workspace, index, parameters, batch);
    pass.training = true;
    pass.output_gradient = gradient;
    pass.input_gradient = ret_below;
    pass.sink = sink;
    const struct tensor *tensors = workspace->model->layout.tensors + layer->first_tensor;
    for (unsigned int t = 0; t < layer->plan.n_tensors; t++) {
        pass.tensor_offsets[t] = tensors[t].offset;
        pass.tensor_gradients[t] = ret_gradient + tensors[t].offset;
    }
    layer->kind->backward(&pass);
    for (unsigned int t = 0; sink && !layer->kind->hands_on && t < layer->plan.n_tensors; t++)
        sink->take(sink->user, tensors[t].offset, shape_size(&tensors[t].shape), pass.tensor_gradients[t]);
}

static void backward_activation(const struct workspace *workspace, size_t index, size_t batch,
                                float *gradient)
{
    const struct model_layer *layer = &workspace->model->layers[index];
    const struct place *place = &workspace->places[index];
    const float *before = place->before ? place->before : place->input;
    layer->activation->backward(layer->activation_options, batch, &layer->plan.output,
                                layer->activation->keeps_input ? before : NULL, place->output, gradient);
}

static void backward(const struct model *model, struct workspace *workspace, const float *parameters,
                     size_t batch, float *ret_gradient, const struct gradient_sink *sink)
{
    float *gradient = workspace->gradients[0], *other = workspace->gradients[1];
    for (size_t i = model->n_layers; i-- > model->first_trained;) {
        if (model->layers[i].activation)
            backward_activation(workspace, i, batch, gradient);
        if (!model->layers[i].kind->backward)
            continue;
        backward_layer(workspace, i, parameters, batch, gradient, i > model->first_trained ? other : NULL,
                       ret_gradient, sink);
        float *below = other;
        other = gradient;
        gradient = below;
    }
}

const float *model_forward(const struct model *model, struct workspace *workspace, const float *parameters,
                           const float *input, size_t batch)
{
    return forward(model, workspace, parameters, input, batch, NULL);
}

const float *workspace_outputs(const struct workspace *workspace)
{
    return workspace->outputs;
}

void model_probabilities(const struct model *model, const float *outputs, size_t batch, float *ret)
{
    size_t n = model_n_outputs(model);
    if (model->loss->probabilities)
        model->loss->probabilities(batch, n, outputs, ret);
    else
        memcpy(ret, outputs, batch * n * sizeof ret[0]);
}

double model_loss(const struct model *model, const float *outputs, const struct targets *targets,
                  size_t batch)
{
    return model->loss->evaluate(model->loss_options, batch, model_n_outputs(model), outputs, targets, NULL);
}

const float *model_forward_training(const struct model *model, struct workspace *workspace,
                                    const float *parameters, const float *input, size_t batch,
                                    struct random_key key)
{
    assert(workspace->training);
    return forward(model, workspace, parameters, input, batch, &key);
}

void model_backward(const struct model *model, struct workspace *workspace, const float *parameters,
                    size_t batch, const float *output_gradient, float *ret_gradient)
{
    memcpy(workspace->gradients[0], output_gradient,
           batch * model_n_outputs(model) * sizeof output_gradient[0]);
    backward(model, workspace, parameters, batch, ret_gradient, NULL);
}

double model_gradient(const struct model *model, struct workspace *workspace, const float *parameters,
                      const float *input, const struct targets *targets, size_t batch, struct random_key key,
                      float *ret_gradient)
{
    return model_gradient_with(model, workspace, parameters, input, targets, batch, key, NULL, NULL,
                               ret_gradient);
}

// Both `add` and `sink` may be NULL.
static double gradient(const struct model *model, struct workspace *workspace, const float *parameters,
                       const float *input, const struct targets *targets, size_t batch, struct random_key key,
                       void (*add)(void *user, const float *outputs, size_t batch, float *output_gradient),
                       void *user, const struct gradient_sink *sink, float *ret_gradient)
{
    const float *outputs = model_forward_training(model, workspace, parameters, input, batch, key);
    double loss = model->loss->evaluate(model->loss_options, batch, model_n_outputs(model), outputs, targets,
                                        workspace->gradients[0]);
    if (add)
        add(user, outputs, batch, workspace->gradients[0]);
    backward(model, workspace, parameters, batch, ret_gradient, sink);
    return loss;
}

double model_hand_gradient(const struct model *model, struct workspace *workspace, const float *parameters,
                           const float *input, const struct targets *targets, size_t batch,
                           struct random_key key, const struct gradient_sink *sink, float *room)
{
    return gradient(model, workspace, parameters, input, targets, batch, key, NULL, NULL, sink, room);
}

double model_gradient_with(const struct model *model, struct workspace *workspace, const float *parameters,
                           const float *input, const struct targets *targets, size_t batch,
                           struct random_key key,
                           void (*add)(void *user, const float *outputs, size_t batch,
                                       float *output_gradient),
                           void *user, float *ret_gradient)
{
    return gradient(model, workspace, parameters, input, targets, batch, key, add, user, NULL, ret_gradient);
}
