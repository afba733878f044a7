#include "base/memory.h"
#include "loop.h"
#include "toy.h"
#include <criterion/criterion.h>
#include <string.h>

#define YAML                                                                                                 \
    "{algorithm: {kind: fedper, personal: %d}, training: {batch_size: 8}, model: {layers: ["                 \
    "dense: {units: 6, activation: relu}, dense: {units: 5, activation: relu}, dense: {units: 3}], "         \
    "loss: cross_entropy}}"

enum { N_LEARNERS = 3, N_SAMPLES = 60, N_FEATURES = 4 };
enum { FIRST = 6 * (N_FEATURES + 1), SECOND = 5 * 7, LAST = 3 * 6 };

static struct toy toy;

static void make_toy(void)
{
    cr_assert_eq(toy_init(&toy, TOY_CLASSES, N_SAMPLES, N_FEATURES, 3, N_LEARNERS, NULL), STATUS_OK);
}

static void free_toy(void)
{
    toy_release(&toy);
}

TestSuite(fedper, .init = make_toy, .fini = free_toy);

static enum status open_loop(struct loop **ret, int personal, struct error *error)
{
    cleanup_free char *yaml = memory_format(YAML, personal);
    return loop_new(ret, yaml, toy.parts, N_LEARNERS, 1, 8, error);
}

Test(fedper, splits_the_model_before_a_layer)
{
    static const size_t shared[] = {FIRST + SECOND, FIRST};
    for (int personal = 1; personal <= 2; personal++) {
        struct loop *loop = NULL;
        cr_assert_eq(open_loop(&loop, personal, NULL), STATUS_OK);
        const struct algorithm_plan *plan = loop_plan(loop);
        cr_assert_eq(plan->n_values, shared[personal - 1]);
        cr_assert_eq(plan->n_own, FIRST + SECOND + LAST - shared[personal - 1]);
        struct layout layout = LAYOUT_INIT;
        cr_assert_eq(plan_layout(plan, loop_model(loop), &layout, NULL), STATUS_OK);
        cr_assert_eq(layout.n_tensors, (size_t)(6 - 2 * personal));
        layout_release(&layout);
        loop_free(loop);
    }
}

Test(fedper, refuses_to_share_nothing)
{
    struct loop *loop = NULL;
    struct error error = ERROR_INIT;
    for (int personal = 3; personal <= 4; personal++) {
        cr_assert_eq(open_loop(&loop, personal, &error), STATUS_INVALID_ARGUMENT);
        cr_assert(strstr(error.message, "the model has 3 with parameters"), "%s", error.message);
    }
}

Test(fedper, keeps_different_last_layers_and_one_base)
{
    struct loop *loop = NULL;
    struct evaluation before, after;
    cr_assert_eq(open_loop(&loop, 1, NULL), STATUS_OK);
    cr_assert_eq(loop_evaluate(loop, &toy.all, &before, NULL), STATUS_OK);
    cr_assert_eq(memcmp(loop_own(loop, 0), loop_own(loop, 1), LAST * sizeof(float)), 0); // the seed's
    for (int round = 0; round < 8; round++)
        cr_assert_eq(loop_round(loop, false, NULL, NULL), STATUS_OK);
    cr_assert_eq(loop_evaluate(loop, &toy.all, &after, NULL), STATUS_OK);
    cr_assert_neq(memcmp(loop_own(loop, 0), loop_own(loop, 1), LAST * sizeof(float)), 0);
    cr_assert_lt(after.loss, before.loss);
    loop_free(loop);
}

Test(fedper, sends_only_the_base)
{
    struct loop *loop = NULL;
    struct learner_result result;
    cr_assert_eq(open_loop(&loop, 2, NULL), STATUS_OK);
    cr_assert_eq(plan_summary_values(loop_plan(loop)), FIRST);
    cr_assert_eq(plan_shared_values(loop_plan(loop)), FIRST);
    cr_assert_eq(loop_learn(loop, 0, &result, NULL), STATUS_OK);
    cr_assert_neq(memcmp(loop_summary(loop), loop_parameters(loop), FIRST * sizeof(float)), 0);
    loop_free(loop);
}
