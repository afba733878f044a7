// A convolution over images, as in deep learning: a correlation, without flipping the kernel. With o filter,
// c channel, i j tap, y x pixel, s stride and X padded:
//     Y[o, y, x] = b[o] + sum_cij W[o, c, i, j] X[c, s y + i, s x + j]
//     dW[o, c, i, j] = sum_yx dY[o, y, x] X[c, s y + i, s x + j]        db[o] = sum_yx dY[o, y, x]
//     dX[c, u, v] = sum_oij W[o, c, i, j] dY[o, (u - i) / s, (v - j) / s], over the i, j that s divides
// X: [batch, channels, height, width], W: [filters, channels, kernel, kernel], Y: [batch, filters, ...].
//
// All three are products with an image's patches (nn/patches.h), one sample at a time: nothing larger than a
// sample is kept beside input and output. The vectors lie along filters (channels for dX), so results come
// out pixel by pixel and are transposed, a block of pixels at a time.
#include "base/kernel.h"
#include "base/memory.h"
#include "nn/conv2d_impl.h"
#include "nn/init.h"
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
     .max = 1 << 6,
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
enum { SAMPLE_FLOATS_MAX = 1 << 29 }; // so that offsets fit 32 bits
enum { ALIGN_FLOATS = 16 };

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

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t reserve(size_t *total, size_t n)
{
    size_t at = *total;
    *total += (n + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    return at;
}

static void lay_out(struct conv2d *conv)
{
    const size_t *padded = conv->window.padded, *d_extent = conv->d_extent;
    struct conv2d_work *work = &conv->work;
    size_t pixels = conv->n_pixels > conv->n_d_pixels ? conv->n_pixels : conv->n_d_pixels;
    size_t width = conv->width > conv->d_width ? conv->width : conv->d_width;
    work->taps = reserve(&work->total, conv->n_taps);
    work->pixels = reserve(&work->total, conv->n_pixels);
    work->image = reserve(&work->total, conv->window.channels * padded[0] * padded[1]);
    work->weights = reserve(&work->total, conv->n_taps * conv->width);
    work->sums = reserve(&work->total, least(pixels, CONV2D_BLOCK) * width);
    work->d_weights = reserve(&work->total, conv->n_taps * conv->width);
    work->d_taps = reserve(&work->total, conv->n_d_taps);
    work->d_pixels = reserve(&work->total, conv->n_d_pixels);
    work->d_places = reserve(&work->total, conv->n_d_pixels);
    work->d_image = reserve(&work->total, conv->filters * d_extent[0] * d_extent[1]);
    work->d_filters = reserve(&work->total, conv->n_d_taps * conv->d_width);
}

static struct conv2d conv_of(const struct window *window, size_t filters)
{
    struct conv2d conv = {.window = *window, .filters = filters};
    size_t kernel = window->kernel[0] * window->kernel[1];
    conv.n_taps = window->channels * kernel;
    conv.n_pixels = window->output[0] * window->output[1];
    for (int axis = 0; axis < 2; axis++)
        conv.d_extent[axis] = conv2d_d_extent(window, axis);
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

static void spread_row(const struct conv2d_spread *spread, const float *row, float *ret)
{
    ptrdiff_t shift = spread->from[1], n = (ptrdiff_t)spread->input[1];
    ptrdiff_t room = (ptrdiff_t)spread->output[1] - shift;
    ptrdiff_t from = shift < 0 ? -shift : 0, end = room < n ? room : n;
    if (from < end)
        memcpy(ret + shift + from, row + from, (size_t)(end - from) * sizeof row[0]);
}

void conv2d_spread(const struct conv2d_spread *spread, size_t channels, const float *image, float *ret)
{
    for (size_t c = 0; c < channels; c++)
        for (size_t y = 0; y < spread->input[0]; y++) {
            ptrdiff_t to = (ptrdiff_t)y + spread->from[0];
            const float *row = image + (c * spread->input[0] + y) * spread->input[1];
            if (to >= 0 && to < (ptrdiff_t)spread->output[0])
                spread_row(spread, row, ret + (c * spread->output[0] + (size_t)to) * spread->output[1]);
        }
}

static struct conv2d_spread spread_input(const struct window *window)
{
    return (struct conv2d_spread){.input = {window->input[0], window->input[1]},
                                  .output = {window->padded[0], window->padded[1]},
                                  .from = {(ptrdiff_t)window->before[0], (ptrdiff_t)window->before[1]}};
}

// The forward product's offset lists, and zeros where no sample writes.
static void open_forward(const struct conv2d *conv, float *shared)
{
    const struct window *window = &conv->window;
    const struct conv2d_work *work = &conv->work;
    fill_taps(window->channels, window->kernel, window->padded, (int32_t *)(shared + work->taps));
    fill_pixels(window->output, window->stride, window->padded[1], (int32_t *)(shared + work->pixels));
    memset(shared + work->image, 0, (work->weights - work->image) * sizeof shared[0]);
}

// ret [n_columns, n_pixels] = transpose(P * right), by blocks of pixels. P has the pixels as its columns.
void conv2d_multiply(const struct patches *all, size_t width, const float *right, float *sums,
                     size_t n_filters, float *ret)
{
    struct patches block = *all;
    for (size_t from = 0; from < all->n_columns; from += CONV2D_BLOCK) {
        block.columns = all->columns + from;
        block.n_columns = least(all->n_columns - from, CONV2D_BLOCK);
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

static struct conv2d conv_of_pass(const struct layer_pass *pass)
{
    struct window window = window_of(pass->plan);
    return conv_of(&window, pass->plan->tensors[WEIGHT].shape.extents[0]);
}

static void forward(const struct layer_pass *pass)
{
    const struct conv2d conv = conv_of_pass(pass);
    const struct conv2d_work *work = &conv.work;
    const struct conv2d_spread spread = spread_input(&conv.window);
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
        conv2d_spread(&spread, conv.window.channels, pass->input + sample * input, shared + work->image);
        conv2d_multiply(&patches, conv.width, weights, shared + work->sums, conv.filters, to);
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
static void add_tensor_gradients(const struct conv2d *conv, float *shared, const float *output_gradient,
                                 bool first, float *bias_gradient)
{
    const struct conv2d_work *work = &conv->work;
    float *gradient = shared + work->sums; // [CONV2D_BLOCK, width]
    struct patches patches = {
        .image = shared + work->image,
        .columns = (const int32_t *)(shared + work->taps),
        .n_columns = conv->n_taps,
    };
    if (conv->width > conv->filters) // the vectors' unused lanes
        memset(gradient, 0, least(conv->n_pixels, CONV2D_BLOCK) * conv->width * sizeof gradient[0]);
    for (size_t from = 0; from < conv->n_pixels; from += CONV2D_BLOCK) {
        patches.rows = (const int32_t *)(shared + work->pixels) + from;
        patches.n_rows = least(conv->n_pixels - from, CONV2D_BLOCK);
        patches_transpose(conv->filters, patches.n_rows, output_gradient + from, conv->n_pixels, gradient,
                          conv->width);
        patches_multiply(&patches, conv->width, gradient, conv->width, !first || from,
                         shared + work->d_weights, conv->width);
        if (bias_gradient)
            add_rows(patches.n_rows, conv->width, conv->filters, gradient, bias_gradient);
    }
}

static void backward(const struct layer_pass *pass)
{
    const struct conv2d conv = conv_of_pass(pass);
    const struct conv2d_spread spread = spread_input(&conv.window);
    const size_t input = shape_size(&pass->plan->input), output = shape_size(&pass->plan->output);
    float *shared = pass->shared;
    float *bias_gradient = pass->plan->n_tensors > BIAS ? pass->tensor_gradients[BIAS] : NULL;
    open_forward(&conv, shared);
    if (pass->input_gradient)
        conv2d_open_input_gradient(&conv, pass->tensors[WEIGHT], shared);
    if (bias_gradient)
        memset(bias_gradient, 0, conv.filters * sizeof bias_gradient[0]);
    for (size_t sample = 0; sample < pass->batch; sample++) {
        const float *gradient = pass->output_gradient + sample * output;
        conv2d_spread(&spread, conv.window.channels, pass->input + sample * input, shared + conv.work.image);
        add_tensor_gradients(&conv, shared, gradient, sample == 0, bias_gradient);
        if (pass->input_gradient)
            conv2d_input_gradient(&conv, shared, gradient, pass->input_gradient + sample * input);
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
