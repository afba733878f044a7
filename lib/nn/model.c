// From a list of layers to shapes, names and initial values.
#include "base/memory.h"
#include "nn/model_impl.h"
#include <stdio.h>
#include <string.h>

static const struct field variant_fields[] = {
    {.name = "layers",
     .type = FIELD_CHOICES,
     .offset = offsetof(struct model_variant, layers),
     .required = true,
     .registry = &layers,
     .help = "The layers from input to output"},
    {0},
};

const struct field model_fields[] = {
    {.name = "layers",
     .type = FIELD_CHOICES,
     .offset = offsetof(struct model_options, layers),
     .required = true,
     .registry = &layers,
     .help = "The layers from input to output"},
    {.name = "loss",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct model_options, loss),
     .required = true,
     .registry = &losses,
     .help = "What training makes small"},
    {.name = "weights",
     .type = FIELD_TEXT,
     .offset = offsetof(struct model_options, weights),
     .help = "A safetensors file with the initial parameters; without it they are drawn from the seed"},
    {.name = "variants",
     .type = FIELD_SECTIONS,
     .offset = offsetof(struct model_options, variants),
     .fields = variant_fields,
     .item_bytes = sizeof(struct model_variant),
     .help = "Further architectures, for algorithms whose learners need not have the same: of n in all, "
             "learner i has number i mod n, and `layers` is number 0"},
    {0},
};

size_t model_n_variants(const struct model_options *options)
{
    return 1 + options->variants.n;
}

struct model_options model_variant_options(const struct model_options *options, size_t variant)
{
    struct model_options chosen = *options;
    chosen.variants = (struct section_list){0};
    if (variant > 0)
        chosen.layers = ((const struct model_variant *)options->variants.items)[variant - 1].layers;
    return chosen;
}

static size_t layer_parameters(const struct model_layer *layer)
{
    size_t n = 0;
    for (unsigned int i = 0; i < layer->plan.n_tensors; i++)
        n += shape_size(&layer->plan.tensors[i].shape);
    return n;
}

// False when a sample of this shape is empty or too large for any buffer.
static bool shape_fits(const struct shape *shape)
{
    size_t size = 1;
    if (shape->rank > SHAPE_RANK_MAX)
        return false;
    for (unsigned int i = 0; i < shape->rank; i++)
        if (__builtin_mul_overflow(size, shape->extents[i], &size) || size > TENSOR_FLOATS_MAX)
            return false;
    return size > 0;
}

// Modules as nn.Sequential would number them: a layer, and its activation unless that is all there is to the
// layer.
static size_t layer_modules(const struct model_layer *layer)
{
    return layer->kind->forward && layer->activation ? 2 : 1;
}

static enum status add_tensors(struct model *model, struct model_layer *layer, size_t module,
                               struct error *error)
{
    char name[TENSOR_NAME_BYTES];
    layer->first_tensor = model->layout.n_tensors;
    for (unsigned int i = 0; i < layer->plan.n_tensors; i++) {
        snprintf(name, sizeof name, "%zu.%s", module, layer->plan.tensors[i].name);
        TRY(layout_add(&model->layout, name, &layer->plan.tensors[i].shape, error));
    }
    return STATUS_OK;
}

static enum status plan_layer(struct model *model, struct model_layer *layer, const struct choice *choice,
                              const struct shape *input, size_t module, struct error *error)
{
    *layer =
        (struct model_layer){.kind = (const struct layer_kind *)choice->kind, .options = choice->options};
    const struct choice *activation = activation_chosen(choice->kind, choice->options);
    const struct activation_kind *kind = activation ? (const struct activation_kind *)activation->kind : NULL;
    if (kind && kind->forward) {
        layer->activation = kind;
        layer->activation_options = activation->options;
    }
    TRY(layer->kind->plan(layer->options, input, &layer->plan, error));
    if (!shape_fits(&layer->plan.output)) {
        char text[128];
        shape_format(&layer->plan.output, text, sizeof text);
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "its output %s must hold 1 to %zu values a sample: make the layer smaller", text,
                         (size_t)TENSOR_FLOATS_MAX);
    }
    return add_tensors(model, layer, module, error);
}

// Puts "file:line:column: layer 3 (dense): " before what went wrong.
static enum status at_layer(struct error *error, const struct choice *choice, size_t number)
{
    struct error cause = *error;
    return error_at(error, choice->mark, cause.status, "layer %zu (%s): %s", number, choice->kind->name,
                    cause.message);
}

static enum status plan_layers(struct model *model, const struct choice_list *choices, struct error *error)
{
    const struct shape *input = &model->input;
    size_t module = 0;
    model->first_trained = choices->n;
    for (size_t i = 0; i < choices->n; i++) {
        struct model_layer *layer = &model->layers[i];
        struct error cause = ERROR_INIT;
        if (plan_layer(model, layer, &choices->choices[i], input, module, &cause) != STATUS_OK) {
            at_layer(&cause, &choices->choices[i], i + 1);
            return error_set(error, cause.status, "%s", cause.message);
        }
        if (layer->plan.n_tensors > 0 && model->first_trained == choices->n)
            model->first_trained = i;
        module += layer_modules(layer);
        input = &layer->plan.output;
    }
    return STATUS_OK;
}

static enum status check_outputs(const struct model *model, const struct choice *last, size_t n_outputs,
                                 enum target_type targets, struct error *error)
{
    size_t n = model_n_outputs(model);
    char shape[128];
    if (n_outputs == 0 || n == n_outputs || (targets == TARGET_CLASS && n_outputs == model_n_classes(model)))
        return STATUS_OK;
    shape_format(&model->layers[model->n_layers - 1].plan.output, shape, sizeof shape);
    return error_at(error, last->mark, STATUS_INVALID_ARGUMENT,
                    "layer %zu (%s): the last layer gives %zu outputs (shape %s) but the data has %zu %s: "
                    "make it give %zu",
                    model->n_layers, last->kind->name, n, shape, n_outputs,
                    targets == TARGET_CLASS ? "classes" : "target values a sample", n_outputs);
}

static enum status check_loss(const struct choice *loss, enum target_type targets, struct error *error)
{
    char names[256] = "";
    size_t n = 0;
    if (((const struct loss_kind *)loss->kind)->accepts & 1u << targets)
        return STATUS_OK;
    for (size_t i = 0; i < losses.n_kinds && n < sizeof names; i++)
        if (((const struct loss_kind *)losses.kinds[i])->accepts & 1u << targets)
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", losses.kinds[i]->name);
    return error_at(error, loss->mark, STATUS_INVALID_ARGUMENT,
                    "loss '%s' does not fit targets that are %s: choose one of %s", loss->kind->name,
                    targets == TARGET_CLASS ? "classes" : "values", names);
}

// A softmax before a loss that has one in it trains, slowly and to a worse model, and nothing else tells.
static enum status check_logits(const struct model *model, const struct model_options *options,
                                struct error *error)
{
    const struct model_layer *last = &model->layers[model->n_layers - 1];
    if (!model->loss->probabilities || !last->activation || !last->activation->gives_probabilities)
        return STATUS_OK;
    return error_at(error, options->layers.choices[model->n_layers - 1].mark, STATUS_INVALID_ARGUMENT,
                    "layer %zu (%s): activation '%s' does not fit before loss '%s', which takes logits and "
                    "makes probabilities of them: leave the activation out",
                    model->n_layers, last->kind->kind.name, last->activation->kind.name,
                    model->loss->kind.name);
}

static enum status check_options(const struct model_options *options, const struct shape *input,
                                 struct error *error)
{
    char text[128];
    if (options->layers.n == 0 || options->layers.n > MODEL_LAYERS_MAX)
        return error_set(error, STATUS_INVALID_ARGUMENT, "model.layers has %zu layers: give 1 to %d",
                         options->layers.n, MODEL_LAYERS_MAX);
    if (!shape_fits(input)) {
        shape_format(input, text, sizeof text);
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "samples of shape %s cannot be a model's input: every extent must be at least 1 and "
                         "their product at most %zu",
                         text, (size_t)TENSOR_FLOATS_MAX);
    }
    return STATUS_OK;
}

static enum status build(struct model *model, const struct model_options *options, size_t n_outputs,
                         enum target_type targets, struct error *error)
{
    const struct choice *last = &options->layers.choices[options->layers.n - 1];
    TRY(plan_layers(model, &options->layers, error));
    if (model->layout.n_parameters == 0)
        return error_at(error, last->mark, STATUS_INVALID_ARGUMENT,
                        "no layer of the model has parameters to train: add one that does, such as dense");
    TRY(check_outputs(model, last, n_outputs, targets, error));
    TRY(check_loss(&options->loss, targets, error));
    return check_logits(model, options, error);
}

enum status model_new(struct model **ret, const struct model_options *options, const struct shape *input,
                      size_t n_outputs, enum target_type targets, struct error *error)
{
    TRY(check_options(options, input, error));
    struct model *model = memory_zalloc(sizeof *model);
    struct model_layer *rows = memory_array(options->layers.n, sizeof rows[0]);
    if (!model || !rows) {
        memory_free(model);
        memory_free(rows);
        return error_no_memory(error, options->layers.n * sizeof rows[0]);
    }
    *model = (struct model){.input = *input,
                            .n_layers = options->layers.n,
                            .layers = rows,
                            .loss = (const struct loss_kind *)options->loss.kind,
                            .loss_options = options->loss.options};
    enum status status = build(model, options, n_outputs, targets, error);
    if (status != STATUS_OK)
        model_free(model);
    else
        *ret = model;
    return status;
}

struct model *model_free(struct model *model)
{
    if (model) {
        layout_release(&model->layout);
        memory_free(model->layers);
    }
    return memory_free(model);
}

const struct layout *model_layout(const struct model *model)
{
    return &model->layout;
}

size_t model_n_outputs(const struct model *model)
{
    return shape_size(&model->layers[model->n_layers - 1].plan.output);
}

size_t model_n_classes(const struct model *model)
{
    size_t n = model_n_outputs(model);
    return n == 1 && model->loss->two_by_one ? 2 : n;
}

bool model_is_classifier(const struct model *model)
{
    return model->loss->probabilities && !model->loss->two_by_one && model_n_outputs(model) > 1;
}

int32_t model_class(const struct model *model, const float *outputs)
{
    size_t n = model_n_outputs(model), best = 0;
    if (n < model_n_classes(model))
        return outputs[0] > 0;
    for (size_t i = 1; i < n; i++)
        if (outputs[i] > outputs[best])
            best = i;
    return (int32_t)best;
}

const struct shape *model_input(const struct model *model)
{
    return &model->input;
}

bool model_is_affine(const struct model *model)
{
    size_t n_dense = 0;
    for (size_t i = 0; i < model->n_layers; i++) {
        const struct model_layer *layer = &model->layers[i];
        bool dense = strcmp(layer->kind->kind.name, "dense") == 0 && !layer->activation;
        if (!dense && !layer_is_view(layer))
            return false;
        n_dense += dense;
    }
    return n_dense == 1;
}

bool model_is_least_squares(const struct model *model)
{
    return model_is_affine(model) && strcmp(model->loss->kind.name, "mse") == 0;
}

void model_describe(const struct model *model, struct bytes *ret)
{
    char shape[128];
    shape_format(&model->input, shape, sizeof shape);
    bytes_format(ret, "%5s  %-16s %-10s %-20s %12s\n", "layer", "kind", "activation", "output", "parameters");
    bytes_format(ret, "%5s  %-16s %-10s %-20s %12s\n", "", "input", "", shape, "");
    for (size_t i = 0; i < model->n_layers; i++) {
        const struct model_layer *layer = &model->layers[i];
        shape_format(&layer->plan.output, shape, sizeof shape);
        bytes_format(ret, "%5zu  %-16s %-10s %-20s %12zu\n", i + 1, layer->kind->kind.name,
                     layer->activation ? layer->activation->kind.name : "", shape, layer_parameters(layer));
    }
    bytes_format(ret, "%5s  %-16s %-10s %-20s %12zu\n", "", "total", "", "", model->layout.n_parameters);
}

static void init_tensor(const struct model *model, const struct model_layer *layer, unsigned int t,
                        uint64_t seed, float *values)
{
    uint32_t index = (uint32_t)(layer->first_tensor + t);
    struct random random =
        random_open((struct random_key){.seed = seed, .purpose = RANDOM_INIT, .step = index});
    layer->kind->init(layer->options, &layer->plan, t, &random, values);
}

void model_init_from(const struct model *model, uint64_t seed, size_t first, float *ret_parameters)
{
    for (size_t i = 0; i < model->n_layers; i++) {
        const struct model_layer *layer = &model->layers[i];
        for (unsigned int t = 0; t < layer->plan.n_tensors; t++) {
            size_t offset = model->layout.tensors[layer->first_tensor + t].offset;
            if (offset >= first)
                init_tensor(model, layer, t, seed, ret_parameters + (offset - first));
        }
    }
}

void model_init(const struct model *model, uint64_t seed, float *ret_parameters)
{
    model_init_from(model, seed, 0, ret_parameters);
}
