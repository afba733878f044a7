// Models on their way down, with every codec that goes: a coordinator that moves on, and a learner that has
// what was sent.
#include "base/memory.h"
#include "base/philox.h"
#include "experiment/coding.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 30 * 40 + 40 + 40 * 10 + 10, ROUNDS = 40 };

#define TEXT                                                                                                 \
    "name: a\nseed: 4\nmodel: {layers: [dense: {units: 40}, dense: {units: 10}], loss: cross_entropy}\n"     \
    "collaboration: {algorithm: fedavg, rounds: 40, learners: 2}\n"

struct setting {
    struct experiment experiment;
    struct model *model;
    struct algorithm_plan plan;
};

static void set_up(struct setting *ret, const char *set)
{
    struct error error = ERROR_INIT;
    const struct experiment_override override = {.text = set, .source = "--set"};
    *ret = (struct setting){0};
    cr_assert_eq(experiment_parse(&ret->experiment, TEXT, strlen(TEXT), "x", &override, 1, &error), STATUS_OK,
                 "%s", error.message);
    cr_assert_eq(
        experiment_model(&ret->experiment, &(struct shape){1, {30}}, 10, TARGET_CLASS, &ret->model, &error),
        STATUS_OK, "%s", error.message);
    const struct collaboration_options *collaboration = &ret->experiment.options.collaboration;
    const struct algorithm_kind *kind =
        (const struct algorithm_kind *)(const void *)collaboration->algorithm.kind;
    const struct algorithm_setting setting = {.options = collaboration->algorithm.options,
                                              .training = &ret->experiment.options.training,
                                              .model = ret->model};
    cr_assert_eq(algorithm_plan(kind, &setting, &ret->plan, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(plan_shared_values(&ret->plan), N);
}

static void tear_down(struct setting *setting)
{
    model_free(setting->model);
    experiment_release(&setting->experiment);
}

// What two sides have, round after round: what the coordinator holds as the model, what was lost, and what
// the learner has.
struct sides {
    float model[N], before[N], residual[N], learner[N];
    double moved[N]; // the initial model and all steps
};

static void send(const struct setting *setting, struct sides *sides, uint32_t round)
{
    struct coder coder;
    if (!experiment_model_coder(&setting->experiment.options, &setting->plan, setting->model, round,
                                sides->before, &coder)) {
        memcpy(sides->learner, sides->model, sizeof sides->learner);
        return;
    }
    uint8_t *encoded = memory_alloc(coder_bytes(&coder));
    cr_assert_eq(coder_encode(&coder, sides->model, sides->residual, encoded, NULL), STATUS_OK);
    coder_decode(&coder, encoded, 0, N, sides->model);
    cr_assert_eq(coder_check(&coder, encoded, NULL), STATUS_OK);
    coder_apply(&coder, encoded, 0, N, sides->learner);
    memory_free(encoded);
}

static double norm(const float *values)
{
    double sum = 0;
    for (size_t i = 0; i < N; i++)
        sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

static void run(const char *set)
{
    static struct sides sides;
    struct setting setting;
    struct random random = random_open((struct random_key){.seed = 8, .purpose = RANDOM_TEST});
    memset(&sides, 0, sizeof sides);
    set_up(&setting, set);
    model_init(setting.model, 4, sides.model);
    for (size_t i = 0; i < N; i++)
        sides.moved[i] = (double)sides.model[i];
    send(&setting, &sides, 0);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        memcpy(sides.before, sides.model, sizeof sides.before);
        for (size_t i = 0; i < N; i++) {
            float step = 0.01f * (float)random_normal(&random);
            sides.model[i] += step;
            sides.moved[i] += (double)step;
        }
        send(&setting, &sides, round);
        cr_assert_eq(memcmp(sides.learner, sides.model, sizeof sides.model), 0, "%s: round %u", set, round);
    }
    for (size_t i = 0; i < N; i++)
        cr_assert_float_eq((double)sides.model[i] + (double)sides.residual[i], sides.moved[i], 1e-4, "%s",
                           set);
    // Of 40 random steps of norm 0.4 each, 2.6 in all; what is owed is less than all that was made.
    cr_assert_lt(norm(sides.residual), 2.6 * 0.9, "%s: %g is owed", set, norm(sides.residual));
    tear_down(&setting);
}

Test(coding, every_codec_keeps_both_sides_at_the_same_model_and_loses_nothing_for_good)
{
    for (size_t i = 0; i < codecs.n_kinds; i++) {
        const struct codec_kind *kind = (const struct codec_kind *)(const void *)codecs.kinds[i];
        char set[128];
        snprintf(set, sizeof set, "collaboration.downlink=%s", kind->kind.name);
        if (!kind->wants_difference)
            run(set);
        snprintf(set, sizeof set, "collaboration.downlink={kind: delta, codec: %s}", kind->kind.name);
        if (!kind->identity && !kind->of)
            run(set);
    }
}

Test(coding, without_feedback_nothing_is_kept)
{
    struct setting setting;
    set_up(&setting, "collaboration={algorithm: fedavg, rounds: 4, learners: 2, downlink: int8}");
    cr_assert(experiment_keeps_lost(&setting.experiment.options, &setting.plan));
    tear_down(&setting);
    set_up(&setting, "collaboration={algorithm: fedavg, rounds: 4, learners: 2, downlink: int8, "
                     "error_feedback: false}");
    cr_assert_not(experiment_keeps_lost(&setting.experiment.options, &setting.plan));
    cr_assert_not(experiment_sends_models(&setting.experiment.options));
    tear_down(&setting);
}

Test(coding, the_initial_model_is_whole)
{
    static const struct {
        const char *set;
        bool coded;
    } rows[] = {{"collaboration.downlink=f32", false},
                {"collaboration.downlink=int8", true},
                {"collaboration.downlink={kind: delta, codec: int8}", true},
                {"collaboration.downlink={kind: delta, codec: top_k}", false}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct setting setting;
        struct coder coder = {0};
        set_up(&setting, rows[i].set);
        cr_assert_eq(experiment_model_coder(&setting.experiment.options, &setting.plan, setting.model, 0,
                                            NULL, &coder),
                     rows[i].coded, "%s", rows[i].set);
        cr_assert_eq(coder.n_reference, 0);
        tear_down(&setting);
    }
}
