#include "nn/pool2d.h"

const struct field pool2d_fields[] = {
    {.name = "size",
     .type = FIELD_INTS,
     .offset = offsetof(struct pool2d_options, size),
     .required = true,
     .min = 1,
     .max = 1 << 12,
     .help = "Extent of the window in pixels, one number or [height, width]"},
    {.name = "stride",
     .type = FIELD_INTS,
     .offset = offsetof(struct pool2d_options, stride),
     .min = 1,
     .max = 1 << 12,
     .help = "Pixels from one window to the next, one number or [height, width]; the window's size when "
             "left out"},
    {0},
};

static struct window_options window_options(const struct pool2d_options *options)
{
    return (struct window_options){.kernel = &options->size,
                                   .stride = options->stride.n ? &options->stride : &options->size,
                                   .kernel_name = "size"};
}

enum status pool2d_check(const void *options, struct error *error)
{
    struct window_options window = window_options(options);
    return window_check(&window, error);
}

enum status pool2d_plan(const void *options, const struct shape *input, struct layer_plan *ret,
                        struct error *error)
{
    struct window_options places = window_options(options);
    struct window window;
    TRY(window_plan(&places, input, &window, error));
    *ret = (struct layer_plan){
        .input = *input,
        .output = {3, {window.channels, window.output[0], window.output[1]}},
    };
    window_store(&window, ret);
    return STATUS_OK;
}
