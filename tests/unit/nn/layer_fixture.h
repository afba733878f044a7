// A layer kind with options and buffers of its own, to be driven through struct layer_pass without a model.
#pragma once

#include "base/memory.h"
#include "config/fields.h"
#include "nn/layer.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct option {
    const char *name; // NULL closes a list
    size_t n;
    int64_t values[3];
};

struct layer_fixture {
    const struct layer_kind *kind;
    struct arena arena;
    void *options;
    struct layer_plan plan;
    struct layer_pass pass;
    struct error error;
};

static inline void fixture_set(struct layer_fixture *fixture, const struct option *option)
{
    const struct field *field = fixture->kind->kind.fields;
    while (field->name && strcmp(field->name, option->name) != 0)
        field++;
    cr_assert_not_null(field->name, "no option '%s'", option->name);
    void *member = (char *)fixture->options + field->offset;
    if (field->type == FIELD_INT) {
        *(int64_t *)member = option->values[0];
    } else if (field->type == FIELD_BOOL) {
        *(bool *)member = option->values[0] != 0;
    } else if (field->type == FIELD_WORD) {
        *(int *)member = (int)option->values[0];
    } else {
        int64_t *values = arena_array(&fixture->arena, option->n, sizeof *values);
        memcpy(values, option->values, option->n * sizeof *values);
        *(struct int_list *)member = (struct int_list){option->n, values};
    }
}

static inline float *fixture_floats(struct layer_fixture *fixture, size_t n, struct random *random)
{
    float *floats = arena_array(&fixture->arena, n + 1, sizeof *floats);
    for (size_t i = 0; i < n; i++)
        floats[i] = random ? 2 * random_float(random) - 1 : NAN; // what a pass must overwrite is no number
    return floats;
}

// The status of kind.check and plan; fills fixture->plan.
static inline enum status fixture_plan(struct layer_fixture *fixture, const struct layer_kind *kind,
                                       const struct option *options, struct shape input)
{
    *fixture = (struct layer_fixture){.kind = kind};
    fixture->options = arena_alloc(&fixture->arena, kind->kind.options_bytes);
    for (; options->name; options++)
        fixture_set(fixture, options);
    if (kind->kind.check)
        TRY(kind->kind.check(fixture->options, &fixture->error));
    return kind->plan(fixture->options, &input, &fixture->plan, &fixture->error);
}

// Plans, and fills inputs, tensors and output gradients at random.
static inline void fixture_open(struct layer_fixture *fixture, const struct layer_kind *kind,
                                const struct option *options, struct shape input, size_t batch)
{
    cr_assert_eq(fixture_plan(fixture, kind, options, input), STATUS_OK, "%s", fixture->error.message);
    const struct layer_plan *plan = &fixture->plan;
    struct random random = random_open((struct random_key){.seed = 7, .purpose = RANDOM_TEST});
    size_t n_input = batch * shape_size(&plan->input), n_output = batch * shape_size(&plan->output);
    fixture->pass = (struct layer_pass){
        .plan = plan,
        .options = fixture->options,
        .batch = batch,
        .training = true,
        .input = fixture_floats(fixture, n_input, &random),
        .output = fixture_floats(fixture, n_output, NULL),
        .scratch = fixture_floats(fixture, batch * plan->scratch_floats, NULL),
        .shared = fixture_floats(fixture, plan->shared_floats, NULL),
        .output_gradient = fixture_floats(fixture, n_output, &random),
        .input_gradient = fixture_floats(fixture, n_input, NULL),
    };
    for (unsigned int i = 0; i < plan->n_tensors; i++) {
        size_t n = shape_size(&plan->tensors[i].shape);
        fixture->pass.tensors[i] = fixture_floats(fixture, n, &random);
        fixture->pass.tensor_gradients[i] = fixture_floats(fixture, n, NULL);
    }
}

static inline void fixture_release(struct layer_fixture *fixture)
{
    arena_release(&fixture->arena);
}

// Sum of output x output_gradient: what the gradients are the derivatives of.
static inline double fixture_objective(const struct layer_fixture *fixture)
{
    const struct layer_pass *pass = &fixture->pass;
    fixture->kind->forward(pass);
    double sum = 0;
    for (size_t i = 0; i < pass->batch * shape_size(&fixture->plan.output); i++)
        sum += (double)pass->output[i] * (double)pass->output_gradient[i];
    return sum;
}

// Compares gradient [n] of values [n] with central differences, at most 40 of them.
static inline void fixture_check_gradient(const struct layer_fixture *fixture, const char *what,
                                          const float *values, const float *gradient, size_t n, float step)
{
    float *moved = (float *)values; // the fixture's own
    for (size_t i = 0; i < n; i += 1 + n / 40) {
        float before = moved[i];
        moved[i] = before + step;
        double above = fixture_objective(fixture);
        moved[i] = before - step;
        double below = fixture_objective(fixture);
        moved[i] = before;
        double expected = (above - below) / (2 * (double)step);
        cr_assert_float_eq(gradient[i], expected, 2e-2, "%s %zu: %g, but differences give %g", what, i,
                           gradient[i], expected);
    }
}

static inline void fixture_check_floats(const char *what, const float *values, const double *expected,
                                        size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++)
        cr_assert_float_eq(values[i], expected[i], tolerance, "%s %zu: %g, not %g", what, i, values[i],
                           expected[i]);
}
