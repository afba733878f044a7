// A convolution over images, as in deep learning: a correlation, without flipping the kernel. With o filter,
// c channel, i j tap, y x pixel, s stride and X padded:
//     Y[o, y, x] = b[o] + sum_cij W[o, c, i, j] X[c, s y + i, s x + j]
//     dW[o, c, i, j] = sum_yx dY[o, y, x] X[c, s y + i, s x + j]        db[o] = sum_yx dY[o, y, x]
//     dX[c, u, v] = sum_oij W[o, c, i, j] D[o, u - i, v - j], D: dY with s - 1 zeros between its pixels
// X: [batch, channels, height, width], W: [filters, channels, kernel, kernel], Y: [batch, filters, ...].
//
// All three are products with an image's patches (nn/patches.h), one sample at a time: nothing larger than a
// sample is kept beside input and output. The vectors lie along filters (channels for dX), so results come
// out pixel by pixel and are transposed, a block of pixels at a time.
#include "base/kernel.h"
#include "base/memory.h"
#include "nn/init.h"
#include "nn/patches.h"
#include "nn/window.h"
#include <assert.h>
#include <string.h>

struct conv2d_options {
    int64_t filters;
    struct int_list kernel, stride, pad;
    int padding;
    bool bias;
    int init;
    struct choice activation;
};

static const char *const padding_words[] = {[WINDOW_VALID] = "valid", [WINDOW_SAME] = "same", NULL};

static const struct field fields[] = {
    {.name = "filters",
     .type = FIELD_INT,
     .offset = offsetof(struct conv2d_options, filters),
     .required = true,
     .min = 1,
     .max = 1 << 16,
     .help = "Channels of the output"},
    {.name = "kernel",
     .type = FIELD_INTS,
     .offset = offsetof(struct conv2d_options, kernel),
     .required = true,
     .min = 1,
     .max = 1 << 12,
     .help = "Extent of each filter in pixels, one number or [height, width]"},
    {.name = "stride",
     .type = FIELD_INTS,
     .offset = offsetof(struct conv2d_options, stride),
     .fallback = "1",
     .min = 1,
     .max = 1 << 12,
     .help = "Pixels from one place of a filter to the next, one number or [height, width]"},
    {.name = "padding",
     .type = FIELD_WORD,
     .offset = offsetof(struct conv2d_options, padding),
     .fallback = "valid",
     .words = padding_words,
     .help = "Zeros around the input: same for an output of input / stride pixels, valid for those of pad"},
    {.name = "pad",
     .type = FIELD_INTS,
     .offset = offsetof(struct conv2d_options, pad),
     .min = 0,
     .max = 1 << 12,
     .help = "Zeros on each side of the input, one number or [height, width]; none when left out"},
    {.name = "bias",
     .type = FIELD_BOOL,
     .offset = offsetof(struct conv2d_options, bias),
     .fallback = "true",
     .help = "Whether a learned constant is added to each filter's output"},
    INIT_FIELD(struct conv2d_options),
    ACTIVATION_FIELD(struct conv2d_options),
    {0},
};

enum { WEIGHT, BIAS };
enum { BLOCK = 256 };                 // pixels multiplied before they are transposed
enum { SAMPLE_FLOATS_MAX = 1 << 29 }; // so that offsets fit 32 bits
enum { ALIGN_FLOATS = 16 };

// Where each part of the working space stands, in floats. Only the backward pass uses those from `sums` on
// that start with d.
struct work {
    size_t taps, pixels, image, weights, sums;   // of the forward product
    size_t d_weights;                            // [taps, width(filters)]
    size_t d_taps, d_pixels, d_image, d_filters; // of the product for dX
    size_t total;
};

struct conv {
    struct window window;
    size_t filters, n_taps, n_pixels; // taps: channels x kernel; pixels: of the output
    size_t d_extent[2];               // of D: input + kernel - 1
    size_t n_d_taps, n_d_pixels;      // taps: filters x kernel; pixels: of the input
    size_t width, d_width;            // filters and channels, rounded up to whole vectors
    struct work work;
};

static struct window_options window_options(const struct conv2d_options *options)
{
    return (struct window_options){
        .padding = (enum window_padding)options->padding,
        .kernel = &options->kernel,
        .stride = &options->stride,
        .pad = &options->pad,
        .kernel_name = "kernel",
    };
}

static enum status check(const void *layer_options, struct error *error)
{
    struct window_options window = window_options(layer_options);
    return window_check(&window, error);
}

static size_t reserve(size_t *total, size_t n)
{
    size_t at = *total;
    *total += (n + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    return at;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void lay_out(struct conv *conv)
{
    const size_t *padded = conv->window.padded, *d_extent = conv->d_extent;
    struct work *work = &conv->work;
    size_t pixels = conv->n_pixels > conv->n_d_pixels ? conv->n_pixels : conv->n_d_pixels;
    size_t width = conv->width > conv->d_width ? conv->width : conv->d_width;
    work->taps = reserve(&work->total, conv->n_taps);
    work->pixels = reserve(&work->total, conv->n_pixels);
    work->image = reserve(&work->total, conv->window.channels * padded[0] * padded[1]);
    work->weights = reserve(&work->total, conv->n_taps * conv->width);
    work->sums = reserve(&work->total, least(pixels, BLOCK) * width);
    work->d_weights = reserve(&work->total, conv->n_taps * conv->width);
    work->d_taps = reserve(&work->total, conv->n_d_taps);
    work->d_pixels = reserve(&work->total, conv->n_d_pixels);
    work->d_image = reserve(&work->total, conv->filters * d_extent[0] * d_extent[1]);
    work->d_filters = reserve(&work->total, conv->n_d_taps * conv->d_width);
}

static struct conv conv_of(const struct window *window, size_t filters)
{
    struct conv conv = {.window = *window, .filters = filters};
    size_t kernel = window->kernel[0] * window->kernel[1];
    conv.n_taps = window->channels * kernel;
    conv.n_pixels = window->output[0] * window->output[1];
    for (int axis = 0; axis < 2; axis++)
        conv.d_extent[axis] = window->input[axis] + window->kernel[axis] - 1;
    conv.n_d_taps = filters * kernel;
    conv.n_d_pixels = window->input[0] * window->input[1];
    conv.width = patches_width(filters);
    conv.d_width = patches_width(window->channels);
    lay_out(&conv);
    return conv;
}

// Whether the product of the extents stays below SAMPLE_FLOATS_MAX.
static bool fits(size_t a, size_t b, size_t c, size_t d)
{
    size_t product;
    return !__builtin_mul_overflow(a, b, &product) && !__builtin_mul_overflow(product, c, &product) &&
           !__builtin_mul_overflow(product, d, &product) && product <= SAMPLE_FLOATS_MAX;
}

static enum status check_size(const struct window *window, size_t filters, struct error *error)
{
    const size_t *input = window->input, *kernel = window->kernel, *padded = window->padded;
    size_t d_height = input[0] + kernel[0], d_width = input[1] + kernel[1];
    if (fits(window->channels + 16, filters + 16, kernel[0], kernel[1]) &&
        fits(window->channels, padded[0], padded[1], 1) && fits(filters, d_height, d_width, 1))
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "%zu filters of %zux%zu over %zu channels of %zux%zu need more than %d numbers a "
                     "sample; use fewer filters or pool the input first",
                     filters, kernel[0], kernel[1], window->channels, input[0], input[1], SAMPLE_FLOATS_MAX);
}

static enum status plan(const void *layer_options, const struct shape *input, struct layer_plan *ret,
                        struct error *error)
{
    const struct conv2d_options *options = layer_options;
    struct window_options places = window_options(options);
    struct window window;
    TRY(window_plan(&places, input, &window, error));
    size_t filters = (size_t)options->filters;
    TRY(check_size(&window, filters, error));
    *ret = (struct layer_plan){
        .input = *input,
        .output = {3, {filters, window.output[0], window.output[1]}},
        .n_tensors = options->bias ? 2 : 1,
        .tensors = {{"weight", {4, {filters, window.channels, window.kernel[0], window.kernel[1]}}},
                    {"bias", {1, {filters}}}},
        .shared_floats = conv_of(&window, filters).work.total,
    };
    window_store(&window, ret);
    return STATUS_OK;
}

static void init(const void *layer_options, const struct layer_plan *plan, unsigned int index,
                 struct random *random, float *values)
{
    const struct conv2d_options *options = layer_options;
    const size_t *shape = plan->tensors[WEIGHT].shape.extents;
    size_t filters = shape[0], channels = shape[1], kernel = shape[2] * shape[3];
    if (index == BIAS)
        memset(values, 0, filters * sizeof values[0]);
    else
        init_weights((enum init_rule)options->init, &options->activation, channels * kernel, filters * kernel,
                     random, filters * channels * kernel, values);
}

// Offsets of an image's [channels, height, width] elements (c, i, j) below `kernel`.
static void fill_taps(size_t channels, const size_t kernel[2], const size_t extent[2], int32_t *ret)
{
    for (size_t c = 0; c < channels; c++)
        for (size_t i = 0; i < kernel[0]; i++)
            for (size_t j = 0; j < kernel[1]; j++)
                *ret++ = (int32_t)((c * extent[0] + i) * extent[1] + j);
}

static void fill_pixels(const size_t count[2], const size_t stride[2], size_t row, int32_t *ret)
{
    for (size_t y = 0; y < count[0]; y++)
        for (size_t x = 0; x < count[1]; x++)
            *ret++ = (int32_t)(y * stride[0] * row + x * stride[1]);
}

// Where an image's pixels go in a wider one: pixel (y, x) to (step y + from[0], step x + from[1]), those
// outside are dropped.
struct spread {
    size_t input[2], output[2], step[2];
    ptrdiff_t from[2];
};

static void spread_row(const struct spread *spread, const float *row, float *ret)
{
    ptrdiff_t from = spread->from[1], width = (ptrdiff_t)spread->output[1];
    if (spread->step[1] == 1 && from >= 0 && from < width) {
        memcpy(ret + from, row, least(spread->input[1], (size_t)(width - from)) * sizeof row[0]);
        return;
    }
    for (size_t x = 0; x < spread->input[1]; x++) {
        ptrdiff_t to = (ptrdiff_t)(x * spread->step[1]) + from;
        if (to >= 0 && to < width)
            ret[to] = row[x];
    }
}

static void spread_image(const struct spread *spread, size_t channels, const float *image, float *ret)
{
    for (size_t c = 0; c < channels; c++)
        for (size_t y = 0; y < spread->input[0]; y++) {
            ptrdiff_t to = (ptrdiff_t)(y * spread->step[0]) + spread->from[0];
            const float *row = image + (c * spread->input[0] + y) * spread->input[1];
            if (to >= 0 && to < (ptrdiff_t)spread->output[0])
                spread_row(spread, row, ret + (c * spread->output[0] + (size_t)to) * spread->output[1]);
        }
}

static struct spread spread_input(const struct window *window)
{
    return (struct spread){.input = {window->input[0], window->input[1]},
                           .output = {window->padded[0], window->padded[1]},
                           .step = {1, 1},
                           .from = {(ptrdiff_t)window->before[0], (ptrdiff_t)window->before[1]}};
}

static struct spread spread_gradient(const struct conv *conv)
{
    const struct window *window = &conv->window;
    struct spread spread = {.input = {window->output[0], window->output[1]},
                            .output = {conv->d_extent[0], conv->d_extent[1]},
                            .step = {window->stride[0], window->stride[1]}};
    for (int axis = 0; axis < 2; axis++)
        spread.from[axis] = (ptrdiff_t)window->kernel[axis] - 1 - (ptrdiff_t)window->before[axis];
    return spread;
}

// The forward product's offset lists, and zeros where no sample writes.
static void open_forward(const struct conv *conv, float *shared)
{
    const struct window *window = &conv->window;
    const struct work *work = &conv->work;
    fill_taps(window->channels, window->kernel, window->padded, (int32_t *)(shared + work->taps));
    fill_pixels(window->output, window->stride, window->padded[1], (int32_t *)(shared + work->pixels));
    memset(shared + work->image, 0, (work->weights - work->image) * sizeof shared[0]);
}

// ret [n_columns, n_pixels] = transpose(P * right), by blocks of pixels. P has the pixels as its columns.
static void multiply_blocks(const struct patches *all, size_t width, const float *right, float *sums,
                            size_t n_filters, float *ret)
{
    struct patches block = *all;
    for (size_t from = 0; from < all->n_columns; from += BLOCK) {
        block.columns = all->columns + from;
        block.n_columns = least(all->n_columns - from, BLOCK);
        patches_multiply(&block, width, right, width, false, sums, width);
        patches_transpose(block.n_columns, n_filters, sums, width, ret + from, all->n_columns);
    }
}

KERNEL static void add_to_rows(size_t n_rows, size_t n, const float *restrict constants,
                               float *restrict values)
{
    for (size_t row = 0; row < n_rows; row++)
        for (size_t i = 0; i < n; i++)
            values[row * n + i] += constants[row];
}

static struct conv conv_of_pass(const struct layer_pass *pass)
{
    struct window window = window_of(pass->plan);
    return conv_of(&window, pass->plan->tensors[WEIGHT].shape.extents[0]);
}

static void forward(const struct layer_pass *pass)
{
    const struct conv conv = conv_of_pass(pass);
    const struct work *work = &conv.work;
    const struct spread spread = spread_input(&conv.window);
    const size_t input = shape_size(&pass->plan->input), output = shape_size(&pass->plan->output);
    float *shared = pass->shared, *weights = shared + work->weights;
    open_forward(&conv, shared);
    memset(weights, 0, conv.n_taps * conv.width * sizeof weights[0]);
    patches_transpose(conv.filters, conv.n_taps, pass->tensors[WEIGHT], conv.n_taps, weights, conv.width);
    const struct patches patches = {
        .image = shared + work->image,
        .rows = (const int32_t *)(shared + work->taps),
        .columns = (const int32_t *)(shared + work->pixels),
        .n_rows = conv.n_taps,
        .n_columns = conv.n_pixels,
    };
    for (size_t sample = 0; sample < pass->batch; sample++) {
        float *to = pass->output + sample * output;
        spread_image(&spread, conv.window.channels, pass->input + sample * input, shared + work->image);
        multiply_blocks(&patches, conv.width, weights, shared + work->sums, conv.filters, to);
        if (pass->plan->n_tensors > BIAS)
            add_to_rows(conv.filters, conv.n_pixels, pass->tensors[BIAS], to);
    }
}

KERNEL static void add_rows(size_t n_rows, size_t width, size_t n, const float *restrict rows,
                            float *restrict sums)
{
    for (size_t row = 0; row < n_rows; row++)
        for (size_t i = 0; i < n; i++)
            sums[i] += rows[row * width + i];
}

// Adds one sample's part to dW (transposed, in the working space) and db. The sample's input lies padded in
// the working space already.
static void add_tensor_gradients(const struct conv *conv, float *shared, const float *output_gradient,
                                 bool first, float *bias_gradient)
{
    const struct work *work = &conv->work;
    float *gradient = shared + work->sums; // [BLOCK, width]
    struct patches patches = {
        .image = shared + work->image,
        .columns = (const int32_t *)(shared + work->taps),
        .n_columns = conv->n_taps,
    };
    if (conv->width > conv->filters) // the vectors' unused lanes
        memset(gradient, 0, least(conv->n_pixels, BLOCK) * conv->width * sizeof gradient[0]);
    for (size_t from = 0; from < conv->n_pixels; from += BLOCK) {
        patches.rows = (const int32_t *)(shared + work->pixels) + from;
        patches.n_rows = least(conv->n_pixels - from, BLOCK);
        patches_transpose(conv->filters, patches.n_rows, output_gradient + from, conv->n_pixels, gradient,
                          conv->width);
        patches_multiply(&patches, conv->width, gradient, conv->width, !first || from,
                         shared + work->d_weights, conv->width);
        if (bias_gradient)
            add_rows(patches.n_rows, conv->width, conv->filters, gradient, bias_gradient);
    }
}

// For dX: offsets, zeros where no sample writes, and the filters with taps reversed, [filters x taps,
// channels].
static void open_input_gradient(const struct conv *conv, const float *weights, float *shared)
{
    const struct window *window = &conv->window;
    const struct work *work = &conv->work;
    const size_t channels = window->channels, kernel = window->kernel[0] * window->kernel[1];
    float *filters = shared + work->d_filters;
    fill_taps(conv->filters, window->kernel, conv->d_extent, (int32_t *)(shared + work->d_taps));
    fill_pixels(window->input, (const size_t[2]){1, 1}, conv->d_extent[1],
                (int32_t *)(shared + work->d_pixels));
    memset(shared + work->d_image, 0, (work->total - work->d_image) * sizeof shared[0]);
    for (size_t filter = 0; filter < conv->filters; filter++)
        for (size_t c = 0; c < channels; c++)
            for (size_t tap = 0; tap < kernel; tap++)
                filters[(filter * kernel + kernel - 1 - tap) * conv->d_width + c] =
                    weights[(filter * channels + c) * kernel + tap];
}

static void input_gradient(const struct conv *conv, float *shared, const float *output_gradient, float *ret)
{
    const struct work *work = &conv->work;
    const struct spread spread = spread_gradient(conv);
    const struct patches patches = {
        .image = shared + work->d_image,
        .rows = (const int32_t *)(shared + work->d_taps),
        .columns = (const int32_t *)(shared + work->d_pixels),
        .n_rows = conv->n_d_taps,
        .n_columns = conv->n_d_pixels,
    };
    spread_image(&spread, conv->filters, output_gradient, shared + work->d_image);
    multiply_blocks(&patches, conv->d_width, shared + work->d_filters, shared + work->sums,
                    conv->window.channels, ret);
}

static void backward(const struct layer_pass *pass)
{
    const struct conv conv = conv_of_pass(pass);
    const struct spread spread = spread_input(&conv.window);
    const size_t input = shape_size(&pass->plan->input), output = shape_size(&pass->plan->output);
    float *shared = pass->shared;
    float *bias_gradient = pass->plan->n_tensors > BIAS ? pass->tensor_gradients[BIAS] : NULL;
    open_forward(&conv, shared);
    if (pass->input_gradient)
        open_input_gradient(&conv, pass->tensors[WEIGHT], shared);
    if (bias_gradient)
        memset(bias_gradient, 0, conv.filters * sizeof bias_gradient[0]);
    for (size_t sample = 0; sample < pass->batch; sample++) {
        const float *gradient = pass->output_gradient + sample * output;
        spread_image(&spread, conv.window.channels, pass->input + sample * input, shared + conv.work.image);
        add_tensor_gradients(&conv, shared, gradient, sample == 0, bias_gradient);
        if (pass->input_gradient)
            input_gradient(&conv, shared, gradient, pass->input_gradient + sample * input);
    }
    patches_transpose(conv.n_taps, conv.filters, shared + conv.work.d_weights, conv.width,
                      pass->tensor_gradients[WEIGHT], conv.n_taps);
}

const struct layer_kind layer_conv2d = {
    .kind = {.name = "conv2d",
             .help = "Convolution over an image: each filter sums products over a window of all channels",
             .fields = fields,
             .options_bytes = sizeof(struct conv2d_options),
             .check = check},
    .plan = plan,
    .init = init,
    .forward = forward,
    .backward = backward,
};
