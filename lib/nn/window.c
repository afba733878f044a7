#include "nn/window.h"
#include <assert.h>
#include <string.h>

static enum status check_pair(const char *name, const struct int_list *list, struct error *error)
{
    if (list && list->n > 2)
        return error_set(error, STATUS_INVALID_ARGUMENT, "%s has %zu numbers; write one, or [height, width]",
                         name, list->n);
    return STATUS_OK;
}

enum status window_check(const struct window_options *options, struct error *error)
{
    TRY(check_pair(options->kernel_name, options->kernel, error));
    TRY(check_pair("stride", options->stride, error));
    TRY(check_pair("pad", options->pad, error));
    if (options->pad && options->pad->n > 0 && options->padding == WINDOW_SAME)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'padding: same' computes the padding; leave 'pad' out, or write 'padding: valid'");
    return STATUS_OK;
}

static size_t pair_at(const struct int_list *list, int axis, size_t fallback)
{
    if (!list || list->n == 0)
        return fallback;
    return (size_t)list->values[list->n == 2 ? axis : 0];
}

static enum status read_input(const struct shape *input, struct window *ret, struct error *error)
{
    if (input->rank != 2 && input->rank != 3) {
        char text[64];
        shape_format(input, text, sizeof text);
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "input %s is not an image: it must be [channels, height, width] or [height, width]",
                         text);
    }
    const size_t *image = input->extents + input->rank - 2;
    ret->channels = input->rank == 3 ? input->extents[0] : 1;
    ret->input[0] = image[0];
    ret->input[1] = image[1];
    return STATUS_OK;
}

static enum status place(const struct window_options *options, int axis, struct window *ret,
                         struct error *error)
{
    size_t size = ret->input[axis], kernel = pair_at(options->kernel, axis, 1);
    size_t stride = pair_at(options->stride, axis, kernel), pad = pair_at(options->pad, axis, 0);
    size_t total = 2 * pad;
    if (options->padding == WINDOW_SAME) {
        size_t covered = ((size + stride - 1) / stride - 1) * stride + kernel;
        total = size > 0 && covered > size ? covered - size : 0;
    }
    if (size == 0 || kernel > size + total)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "%s %zu is larger than the input's %s %zu with padding %zu; make it smaller%s",
                         options->kernel_name, kernel, axis ? "width" : "height", size, total,
                         options->pad ? ", or pad more" : "");
    ret->kernel[axis] = kernel;
    ret->stride[axis] = stride;
    ret->before[axis] = options->padding == WINDOW_SAME ? total / 2 : pad;
    ret->output[axis] = (size + total - kernel) / stride + 1;
    ret->padded[axis] = (ret->output[axis] - 1) * stride + kernel;
    return STATUS_OK;
}

enum status window_plan(const struct window_options *options, const struct shape *input, struct window *ret,
                        struct error *error)
{
    struct window window = {0};
    TRY(read_input(input, &window, error));
    TRY(place(options, 0, &window, error));
    TRY(place(options, 1, &window, error));
    *ret = window;
    return STATUS_OK;
}

void window_store(const struct window *window, struct layer_plan *ret)
{
    static_assert(sizeof *window <= sizeof ret->integers, "a window fits a plan's integers");
    memcpy(ret->integers, window, sizeof *window);
}

struct window window_of(const struct layer_plan *plan)
{
    struct window window;
    memcpy(&window, plan->integers, sizeof window);
    return window;
}
