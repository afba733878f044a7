#include "base/memory.h"
#include "base/philox.h"
#include "texts.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(experiment, the_whole_of_one_is_read)
{
    struct experiment experiment = taken(WHOLE, NULL);
    const struct experiment_options *options = &experiment.options;
    cr_assert_str_eq(options->name, "digits");
    cr_assert_eq(options->seed, 42);
    cr_assert_eq(options->model.layers.n, 2);
    cr_assert(options->has_data && options->data.has_test);
    cr_assert_str_eq(options->data.train.features, "a.gz");
    cr_assert_str_eq(options->data.partition.kind->name, "dirichlet");
    cr_assert_eq(options->training.batch_size, 32);
    cr_assert_str_eq(options->collaboration.algorithm.kind->name, "fedavg");
    cr_assert_str_eq(options->collaboration.reducer.kind->name, "mean");
    cr_assert_eq(options->collaboration.participation.deadline_ms, 60000);
    cr_assert_eq(options->collaboration.participation.minimum, 8);
    cr_assert(options->collaboration.has_stop);
    cr_assert_eq(options->collaboration.stop.metric, METRIC_TEST_ACCURACY);
    cr_assert(options->collaboration.stop.has_at_least && !options->collaboration.stop.has_at_most);
    cr_assert_eq(options->simulation.delay_ms, 0);
    experiment_release(&experiment);
}

Test(experiment, few_options_are_enough)
{
    struct experiment experiment = taken(
        "name: a\nmodel: {layers: [{dense: {units: 2}}], loss: cross_entropy}\ncollaboration: {rounds: 1, "
        "learners: 1}\n",
        NULL);
    cr_assert_not(experiment.options.has_data);
    cr_assert_not(experiment.options.collaboration.has_stop);
    cr_assert_eq(experiment.options.collaboration.participation.fraction, 1);
    cr_assert_str_eq(experiment.options.collaboration.codec.kind->name, "f32");
    experiment_release(&experiment);
}

Test(experiment, a_dump_reads_back_to_the_same)
{
    static const char *const texts[] = {
        WHOLE,
        HEAD MODEL "collaboration: {rounds: 1, learners: 1, stop: {metric: train_loss, at_most: 0.1}}\n"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct bytes first = BYTES_INIT, second = BYTES_INIT;
        struct experiment experiment = taken(texts[i], NULL);
        experiment_dump(&experiment, &first);
        struct experiment again = taken(first.data, NULL);
        experiment_dump(&again, &second);
        cr_assert_str_eq(first.data, second.data);
        cr_assert_not_null(strstr(first.data, "reducer: mean"), "a default is not spelled out");
        bytes_release(&first);
        bytes_release(&second);
        experiment_release(&experiment);
        experiment_release(&again);
    }
}

Test(experiment, overrides_replace_what_is_written)
{
    struct experiment experiment = taken(WHOLE, "training.optimizer.learning_rate=0.5");
    struct bytes dump = BYTES_INIT;
    experiment_dump(&experiment, &dump);
    cr_assert_not_null(strstr(dump.data, "learning_rate: 0.5"));
    bytes_release(&dump);
    experiment_release(&experiment);
    experiment = taken(WHOLE, "seed=7");
    cr_assert_eq(experiment.options.seed, 7);
    experiment_release(&experiment);
    experiment = taken(WHOLE, "model.layers.1.dense.units=12");
    experiment_release(&experiment);
}

Test(experiment, a_bad_override_is_named)
{
    refused(WHOLE, "training.batch_size",
            "--set: an override is written key.path=value, as in training.batch_size=64");
    refused(WHOLE, "=3", "--set: an override is written key.path=value, as in training.batch_size=64");
    refused(WHOLE, "training.batch_size=x", "--set: batch_size 'x' must be a whole number");
    refused(WHOLE, "training.batchsize=3",
            "--set: unknown key 'batchsize'; did you mean 'batch_size'? allowed: optimizer, schedule, "
            "batch_size, "
            "local_epochs, clip_norm");
}

Test(experiment, a_misspelt_key_is_refused)
{
    refused(HEAD MODEL "training: {optimizer: {kind: sgd, learnig_rate: 0.1}}\n" COLLABORATION, NULL,
            "x.yaml:8:35: unknown key 'learnig_rate'; did you mean 'learning_rate'? allowed: learning_rate, "
            "momentum, "
            "nesterov, weight_decay");
}

Test(experiment, a_wrong_type_is_refused)
{
    refused(HEAD MODEL DATA "training: {batch_size: many}\n" COLLABORATION, NULL,
            "x.yaml:13:24: batch_size 'many' must be a whole number");
}

Test(experiment, a_negative_learning_rate_is_refused)
{
    refused(HEAD MODEL DATA "training:\n  optimizer: {kind: sgd, learning_rate: -0.1}\n" COLLABORATION, NULL,
            "x.yaml:14:41: learning_rate '-0.1' must be greater than 0");
}

Test(experiment, an_unknown_algorithm_is_refused)
{
    struct experiment experiment = EXPERIMENT_INIT;
    struct error error = ERROR_INIT;
    cr_assert_eq(parse(&experiment,
                       HEAD MODEL "collaboration: {algorithm: fedavgg, rounds: 1, learners: 1}\n", NULL,
                       &error),
                 STATUS_INVALID_ARGUMENT);
    cr_assert_not_null(
        strstr(error.message, "x.yaml:8:28: unknown algorithm 'fedavgg'; did you mean 'fedavg'? known: "),
        "%s", error.message);
}

Test(experiment, layers_that_do_not_fit_are_refused_where_they_stand)
{
    struct experiment experiment = taken(WHOLE, "model.layers.1={conv2d: {filters: 4, kernel: 3}}");
    struct error error = ERROR_INIT;
    struct model *model = NULL;
    const struct shape input = {1, {784}};
    cr_assert_neq(experiment_model(&experiment, &input, 10, TARGET_CLASS, &model, &error), STATUS_OK);
    cr_assert_eq(strncmp(error.message, "--set: layer 2 (conv2d): ", 25), 0, "%s", error.message);
    cr_assert_null(model);
    experiment_release(&experiment);

    experiment = taken(WHOLE, NULL);
    cr_assert_neq(experiment_model(&experiment, &input, 26, TARGET_CLASS, &model, &error), STATUS_OK);
    cr_assert_eq(strncmp(error.message, "x.yaml:6:7: layer 2 (dense): ", 29), 0, "%s", error.message);
    experiment_release(&experiment);
}

Test(experiment, a_model_that_the_algorithm_cannot_train_is_refused_where_that_stands)
{
    struct experiment experiment = taken(WHOLE, "collaboration.algorithm=linear_regression");
    struct error error = ERROR_INIT;
    struct model *model = NULL;
    const struct shape input = {1, {784}};
    cr_assert_eq(experiment_model(&experiment, &input, 10, TARGET_CLASS, &model, &error),
                 STATUS_INVALID_ARGUMENT);
    cr_assert_eq(strncmp(error.message, "--set: linear_regression needs a model of one dense", 51), 0, "%s",
                 error.message);
    cr_assert_null(model);
    experiment_release(&experiment);
}

Test(experiment, a_model_that_fits_is_built)
{
    struct experiment experiment = taken(WHOLE, NULL);
    struct error error = ERROR_INIT;
    struct model *model = NULL;
    const struct shape input = {1, {784}};
    cr_assert_eq(experiment_model(&experiment, &input, 10, TARGET_CLASS, &model, &error), STATUS_OK, "%s",
                 error.message);
    cr_assert_eq(model_layout(model)->n_parameters, 784 * 256 + 256 + 256 * 10 + 10);
    model_free(model);
    experiment_release(&experiment);
}

Test(experiment, architectures_are_built_by_number)
{
    struct experiment experiment = EXPERIMENT_INIT;
    struct error error = ERROR_INIT;
    struct document document = DOCUMENT_INIT;
    static const char text[] =
        "{layers: [dense: {units: 10}], loss: cross_entropy, variants: [{layers: [dense: {units: 4}, dense: "
        "{units: 10}]}, {layers: [dense: {units: 5}, dense: {units: 10}]}]}";
    cr_assert_eq(document_parse(&document, text, strlen(text), "x", &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(
        fields_read(model_fields, document.root, &experiment.options.model, &experiment.arena, &error),
        STATUS_OK, "%s", error.message);
    cr_assert_eq(experiment_n_variants(&experiment), 3);
    const size_t n_parameters[] = {30, 4 * 2 + 4 + 10 * 4 + 10, 5 * 2 + 5 + 10 * 5 + 10};
    for (size_t i = 0; i < 3; i++) {
        struct model *model = NULL;
        cr_assert_eq(
            experiment_variant(&experiment, i, &(struct shape){1, {2}}, 10, TARGET_CLASS, &model, NULL),
            STATUS_OK);
        cr_assert_eq(model_layout(model)->n_parameters, n_parameters[i]);
        model_free(model);
    }
    document_release(&document);
    arena_release(&experiment.arena);
}

Test(experiment, every_failing_allocation_is_an_error)
{
    bool failed = true;
    for (unsigned long n = 1; failed; n++) {
        struct experiment experiment = EXPERIMENT_INIT;
        struct error error = ERROR_INIT;
        memory_fail_after(n);
        failed = parse(&experiment, WHOLE, "training.batch_size=64", &error) != STATUS_OK;
        memory_fail_after(0);
        if (failed)
            cr_assert_eq(error.status, STATUS_RESOURCE_EXHAUSTED, "%s", error.message);
        experiment_release(&experiment);
        cr_assert_lt(n, 1000);
    }
}

// Puts bytes that YAML gives a meaning into random places, and cuts or doubles runs.
static void mutate(struct random *random, char *text, size_t *n, size_t capacity)
{
    static const char bytes[] = "{}[]:,-#&*!|>'\"%@` \n\t\0~0e.\\\xC3\xA4\xFF";
    for (uint32_t k = random_below(random, 2) + 1; k > 0; k--) {
        size_t at = random_below(random, (uint32_t)*n), run = random_below(random, 6);
        if (at + run > *n)
            run = *n - at;
        switch (random_below(random, 3)) {
        case 0:
            text[at] = bytes[random_below(random, sizeof bytes - 1)];
            break;
        case 1:
            memmove(text + at, text + at + run, *n - at - run);
            *n -= run;
            break;
        default:
            if (*n + run > capacity)
                break;
            memmove(text + at + run, text + at, *n - at);
            *n += run;
        }
    }
}

static void check_dump(const struct experiment *experiment)
{
    struct bytes first = BYTES_INIT, second = BYTES_INIT;
    experiment_dump(experiment, &first);
    struct experiment again = taken(first.data, NULL);
    experiment_dump(&again, &second);
    cr_assert_str_eq(first.data, second.data);
    bytes_release(&first);
    bytes_release(&second);
    experiment_release(&again);
}

Test(experiment, a_damaged_file_is_read_back_the_same_or_refused_in_one_line)
{
    struct random random = random_open((struct random_key){.seed = 1, .purpose = RANDOM_TEST});
    size_t n_taken = 0, n_refused = 0;
    for (int i = 0; i < 3000; i++) {
        char text[4096] = WHOLE;
        size_t n = strlen(text);
        struct experiment experiment = EXPERIMENT_INIT;
        struct error error = ERROR_INIT;
        mutate(&random, text, &n, sizeof text);
        if (experiment_parse(&experiment, text, n, "x.yaml", NULL, 0, &error) == STATUS_OK) {
            n_taken++;
            check_dump(&experiment);
        } else {
            n_refused++;
            cr_assert_null(strchr(error.message, '\n'), "%s", error.message);
            cr_assert_eq(strncmp(error.message, "x.yaml:", 7), 0, "%s", error.message);
        }
        experiment_release(&experiment);
    }
    cr_assert_gt(n_taken, 100, "%zu", n_taken);
    cr_assert_gt(n_refused, 1000);
}

// ---- schedules ------------------------------------------------------------------------------------------

Test(experiment, goes_in_step_unless_told_otherwise)
{
    struct experiment experiment = taken(WHOLE, NULL);
    struct round_rules rules = experiment_rules(&experiment.options);
    cr_assert_not(rules.continuous);
    cr_assert_eq(experiment.options.collaboration.participation.over_selection, 1);
    experiment_release(&experiment);
}

Test(experiment, a_schedule_becomes_rules)
{
    struct experiment experiment =
        taken(SCHEDULED("{kind: asynchronous, buffer: 3, max_staleness: 4, discount: 1}"), NULL);
    struct round_rules rules = experiment_rules(&experiment.options);
    cr_assert(rules.continuous && rules.refills && rules.period_ms == 0);
    cr_assert_eq(rules.target, 3);
    cr_assert_eq(rules.max_staleness, 4);
    cr_assert_eq(round_discount(&rules, 0), 1);
    cr_assert_float_eq(round_discount(&rules, 3), 0.25, 1e-12);
    experiment_release(&experiment);
    experiment = taken(SCHEDULED("{kind: semi_synchronous, period: 5s}"), NULL);
    rules = experiment_rules(&experiment.options);
    cr_assert(rules.continuous && !rules.refills && rules.target == 0);
    cr_assert_eq(rules.period_ms, 5000);
    experiment_release(&experiment);
}
