// Reductions of a few vectors by any reducer, for tests.
#pragma once

#include "nn_kit.h"
#include "reduce/reducer.h"

// What to reduce, and with what.
struct reduce_case {
    const char *name, *options; // of the reducer: "{trim: 0.2}", or "" for the defaults
    size_t n_rows, n_values;
    const float *values;     // [n_rows, n_values]
    const uint64_t *weights; // [n_rows]; NULL: 1 each
    const float *reference;  // [n_values], or NULL
    const struct reduction_room *room;
};

static inline struct contribution reduce_case_from(const struct reduce_case *test, size_t row)
{
    return (struct contribution){
        .source = (uint32_t)row, .weight = test->weights ? test->weights[row] : 1, .discount = 1};
}

// Folds all and settles; the reduction is the caller's whatever comes of it.
static inline enum status reduce_settled(const struct reduce_case *test, struct reduction **ret,
                                         struct error *error)
{
    struct kit kit = {0};
    struct choice choice = kit_choice(&kit, &reducers, test->name, test->options);
    cr_assert_eq(reduction_new(ret, &choice, test->n_values, test->room, error), STATUS_OK, "%s",
                 error->message);
    kit_release(&kit); // a reduction has options of its own
    reduction_reset(*ret, 1);
    for (size_t i = test->n_rows; i-- > 0;) {
        const struct contribution from = reduce_case_from(test, i);
        cr_assert_eq(reduction_fold(*ret, 0, test->values + i * test->n_values, test->n_values, &from, error),
                     STATUS_OK, "%s", error->message);
        reduction_count(*ret, &from);
    }
    const struct settling settling = {.reference = test->reference,
                                      .n_reference = test->reference ? test->n_values : 0};
    return reduction_settle(*ret, &settling, error);
}

static inline void reduce_all(const struct reduce_case *test, float *ret)
{
    struct reduction *reduction = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(reduce_settled(test, &reduction, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(reduction_finish(reduction, 0, test->n_values, ret, &error), STATUS_OK, "%s", error.message);
    reduction_free(reduction);
}

// The error that settling so many summaries comes to; its message is the caller's to look at.
static inline struct error reduce_refused(const char *name, const char *options, size_t n_rows)
{
    float values[64] = {0};
    const struct reduce_case test = {
        .name = name, .options = options, .n_rows = n_rows, .n_values = 1, .values = values};
    struct reduction *reduction = NULL;
    struct error error = ERROR_INIT;
    enum status status = reduce_settled(&test, &reduction, &error);
    cr_assert_eq(status, error.status);
    reduction_free(reduction);
    return error;
}

static inline enum status reducer_check_learners(const char *name, const char *options, size_t least,
                                                 size_t most, struct error *error)
{
    struct kit kit = {0};
    struct choice choice = kit_choice(&kit, &reducers, name, options);
    const struct reducer_kind *kind = (const struct reducer_kind *)choice.kind;
    enum status status =
        kind->check_learners ? kind->check_learners(choice.options, least, most, error) : STATUS_OK;
    kit_release(&kit);
    return status;
}

static inline void assert_near(const float *values, const double *expected, size_t n, double within)
{
    for (size_t i = 0; i < n; i++)
        cr_assert_float_eq((double)values[i], expected[i], within, "value %zu is %.9g, not %.9g", i,
                           (double)values[i], expected[i]);
}
