#include "base/memory.h"
#include "base/philox.h"
#include "experiment/experiment.h"
#include "summary/codec.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define HEAD "name: digits\nseed: 42\n"
#define MODEL                                                                                                \
    "model:\n  layers:\n    - dense: {units: 256, activation: relu}\n    - dense: {units: 10}\n"             \
    "  loss: cross_entropy\n"
#define DATA                                                                                                 \
    "data:\n  format: idx\n  train: {features: a.gz, labels: b.gz}\n  test: {features: c.gz, labels: "       \
    "d.gz}\n  partition: {kind: dirichlet, alpha: 0.1}\n"
#define TRAINING "training: {optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 32, local_epochs: 1}\n"
#define COLLABORATION                                                                                        \
    "collaboration:\n  algorithm: fedavg\n  topology: star\n  rounds: 20\n  learners: 10\n"                  \
    "  participation: {fraction: 1.0, minimum: 8, deadline: 60s}\n  codec: f32\n"                            \
    "  stop: {metric: test_accuracy, at_least: 0.97}\n"
#define WHOLE HEAD MODEL DATA TRAINING COLLABORATION

static enum status parse(struct experiment *ret, const char *text, const char *set, struct error *error)
{
    struct experiment_override override = {.text = set, .source = "--set"};
    return experiment_parse(ret, text, strlen(text), "x.yaml", &override, set != NULL, error);
}

static struct experiment taken(const char *text, const char *set)
{
    struct experiment experiment = EXPERIMENT_INIT;
    struct error error = ERROR_INIT;
    cr_assert_eq(parse(&experiment, text, set, &error), STATUS_OK, "%s", error.message);
    return experiment;
}

// `expected` is the message's start, since a registry's rows at its end may grow.
static void refused(const char *text, const char *set, const char *expected)
{
    struct experiment experiment = EXPERIMENT_INIT;
    struct error error = ERROR_INIT;
    cr_assert_eq(parse(&experiment, text, set, &error), STATUS_INVALID_ARGUMENT, "taken: %s", expected);
    cr_assert_eq(strncmp(error.message, expected, strlen(expected)), 0, "%s", error.message);
    cr_assert_null(experiment.document.root);
}

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

Test(experiment, architectures_that_differ_are_refused_where_parameters_are_exchanged)
{
    refused(
        WHOLE, "model.variants=[{layers: [dense: {units: 10}]}]",
        "--set: algorithm 'fedavg' exchanges parameters, so that all learners need the same layers; leave "
        "variants out");
}

Test(experiment, codecs_go_where_they_can)
{
    refused(WHOLE, "collaboration.downlink=top_k",
            "--set: downlink 'top_k' would leave little of a model's weights; choose {kind: delta, codec: "
            "top_k}");
    refused(WHOLE, "collaboration.downlink={kind: delta, codec: f32}",
            "--set: delta of 'f32' would be as long as the values themselves");
    refused(WHOLE, "collaboration.downlink={kind: delta, codec: delta}",
            "--set: delta of 'delta' is a difference of differences");
    refused(WHOLE, "collaboration.codec=int9", "--set: unknown codec 'int9'");
    static const char *const peers[] = {"ring", "{kind: gossip, graph: ring}"};
    for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
        char set[160];
        snprintf(set, sizeof set, "collaboration={rounds: 1, learners: 4, downlink: int8, topology: %s}",
                 peers[i]);
        refused(WHOLE, set, "--set: downlink 'int8' does not go with topology");
        snprintf(set, sizeof set, "collaboration={rounds: 1, learners: 4, codec: int8, topology: %s}",
                 peers[i]);
        refused(WHOLE, set, "--set: codec 'int8' does not go with topology");
    }
    refused(WHOLE, "collaboration={rounds: 1, learners: 4, codec: int8, topology: tree}",
            "--set: codec 'int8' does not go with topology tree, where summaries are summed on their way");
    struct experiment experiment =
        taken(WHOLE, "collaboration={rounds: 1, learners: 4, downlink: {delta: {codec: {top_k: {fraction: "
                     "0.1}}}}, topology: tree}");
    experiment_release(&experiment);
}

Test(experiment, a_name_must_serve_as_folder_and_id)
{
    static const char *const names[] = {
        "a/b", "..",   ".hidden",  "-x",
        "a b", "\"\"", "\xC3\xA4", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct experiment experiment = EXPERIMENT_INIT;
        struct error error = ERROR_INIT;
        char set[128];
        snprintf(set, sizeof set, "name=%s", names[i]);
        cr_assert_eq(parse(&experiment, WHOLE, set, &error), STATUS_INVALID_ARGUMENT, "%s", set);
        cr_assert_not_null(strstr(error.message, "must be 1 to 63 letters"), "%s", error.message);
    }
}

Test(experiment, numbers_that_cannot_be_are_refused)
{
    refused(WHOLE, "seed=-1", "--set: seed '-1' must be at least 0");
    refused(WHOLE, "collaboration.learners=0", "--set: learners '0' must be between 1 and 100000");
    refused(WHOLE, "collaboration.learners=100001", "--set: learners '100001' must be between 1 and 100000");
    refused(WHOLE, "collaboration.rounds=0", "--set: rounds '0' must be between 1 and 1000000");
    refused(WHOLE, "collaboration.participation.fraction=0",
            "--set: fraction '0' must be greater than 0 and at most 1");
    refused(WHOLE, "collaboration.topology=rings", "--set: unknown topology 'rings'; ");
    refused(WHOLE, "model.layers=[]", "--set: layers has 0 layers; give 1 to 1024");
}

Test(experiment, a_round_of_more_learners_than_a_mean_holds_is_refused)
{
    refused(WHOLE, "collaboration.learners=4097",
            "--set: a round would select 4097 learners, but a mean holds at most 4096 summaries");
}

Test(experiment, a_minimum_that_no_round_can_reach_is_refused)
{
    refused(WHOLE, "collaboration.participation.minimum=11",
            "--set: minimum '11' must be at most 10, the number of learners; lower it, or raise learners");
    refused(
        WHOLE, "collaboration.learners=5",
        "x.yaml:19:43: minimum '8' must be at most 5, the number of learners; lower it, or raise learners");
}

Test(experiment, a_stop_must_be_measurable)
{
    refused(HEAD MODEL TRAINING COLLABORATION, NULL,
            "x.yaml:16:18: metric 'test_accuracy' needs test data; add data.test, or stop by train_loss");
    refused(WHOLE, "collaboration.stop.at_least=97",
            "--set: at_least '97' can never be reached; test_accuracy lies between 0 and 1");
    refused(WHOLE, "collaboration.stop={metric: test_loss}",
            "--set: stop names 'test_loss' but no value; add at_least, at_most or plateau");
    refused(WHOLE, "collaboration.stop.metric=test_acuracy",
            "--set: metric 'test_acuracy' must be one of test_accuracy, test_loss, train_loss, "
            "train_accuracy, local_accuracy, local_accuracy_worst, local_loss, parameter_distance; did you "
            "mean 'test_accuracy'?");
    refused(WHOLE, "collaboration.stop={metric: local_loss, at_most: 1}",
            "--set: metric 'local_loss' needs data that learners hold out; set evaluation.holdout");
}

Test(experiment, what_is_pretended_must_be_possible)
{
    refused(WHOLE, "simulation.slow={numbers: [2, 10]}",
            "--set: simulation.slow names learner '10', but the experiment's 10 are numbered from 0 to 9");
    refused(WHOLE, "simulation.attack={kind: little_is_enough}",
            "--set: 'little_is_enough' needs at least 2 attackers");
    refused(WHOLE, "simulation.dropout=1.5", "--set: dropout '1.5' must be");
    refused(WHOLE, "evaluation.holdout=1", "--set: holdout '1' must be");
    struct experiment experiment = taken(WHOLE, "simulation.attack={sign_flip: {learners: 3, scale: 4}}");
    cr_assert_str_eq(experiment.options.simulation.attack.kind->name, "sign_flip");
    experiment_release(&experiment);
}

Test(experiment, what_an_algorithm_cannot_honour_is_refused_where_it_is_chosen)
{
    struct experiment experiment = EXPERIMENT_INIT;
    struct error error = ERROR_INIT;
    struct experiment_override overrides[] = {{"collaboration.algorithm=gradient_descent", "--set a"},
                                              {"training.optimizer.momentum=0.9", "--set b"}};
    cr_assert_eq(experiment_parse(&experiment, WHOLE, strlen(WHOLE), "x.yaml", overrides, 2, &error),
                 STATUS_INVALID_ARGUMENT);
    cr_assert_eq(strncmp(error.message, "--set a: ", 9), 0, "%s", error.message);
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

Test(experiment, a_reducer_is_refused_for_fewer_summaries_than_it_needs)
{
    struct experiment experiment = taken(WHOLE, "collaboration.reducer={krum: {byzantine: 2}}");
    experiment_release(&experiment);
    refused(WHOLE, "collaboration.reducer={krum: {byzantine: 3}}",
            "--set: krum with byzantine '3' needs 9 summaries a round, not 8; set "
            "collaboration.participation.minimum to that or more");
    refused(WHOLE, "collaboration.reducer={trimmed_mean: {trim: 0.1}}",
            "--set: trim '0.1' of 8 summaries leaves none out");
    refused(WHOLE, "collaboration.reducer={trimmed_mean: {trim: 0.5}}",
            "--set: trim '0.5' must be below 0.5");
}

Test(experiment, a_bound_on_norms_is_refused_where_sums_are_made_on_the_way)
{
    struct experiment experiment = taken(WHOLE, "collaboration.max_norm=10");
    cr_assert_eq(experiment.options.collaboration.max_norm, 10);
    experiment_release(&experiment);
    cleanup_free char *tree = memory_format("%s  max_norm: 10\n", WHOLE);
    refused(tree, "collaboration.topology=tree",
            "--set: topology 'tree' adds summaries up where nobody holds");
    refused(WHOLE, "collaboration.max_norm=-1", "--set: max_norm '-1' must be");
}

// ---- schedules ------------------------------------------------------------------------------------------

#define SCHEDULED(schedule)                                                                                  \
    HEAD MODEL TRAINING "collaboration:\n  rounds: 20\n  learners: 10\n  schedule: " schedule "\n"

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

Test(experiment, what_does_not_go_with_a_schedule_is_refused)
{
    refused(SCHEDULED("{kind: semi_synchronous}"), NULL, "x.yaml:");
    refused(SCHEDULED("{kind: asynchronous, buffer: 11}"), NULL,
            "x.yaml:12:13: buffer '11' must be at most 10");
    refused(SCHEDULED("{kind: asynchronous, buffer: 2}"), "collaboration.participation.minimum=3",
            "x.yaml:12:13: buffer '2' must be at least 3");
    refused(SCHEDULED("{kind: semi_synchronous, period: 1s}"), "collaboration.participation.deadline=2s",
            "--set: deadline does not go with schedule semi_synchronous");
    refused(SCHEDULED("{kind: asynchronous}"), "collaboration.participation.over_selection=1.5",
            "--set: over_selection does not go with schedule asynchronous");
    refused(SCHEDULED("{kind: asynchronous}"), "collaboration.topology=ring", "x.yaml:12:13: schedule");
    refused(SCHEDULED("synchronous"), "collaboration.participation.start_with=11",
            "--set: start_with '11' must be at most 10");
}
