#include "base/memory.h"
#include "texts.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(check, a_name_must_serve_as_folder_and_id)
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

Test(check, numbers_that_cannot_be_are_refused)
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

Test(check, a_round_of_more_learners_than_a_mean_holds_is_refused)
{
    refused(WHOLE, "collaboration.learners=4097",
            "--set: a round would select 4097 learners, but a mean holds at most 4096 summaries");
}

Test(check, a_minimum_that_no_round_can_reach_is_refused)
{
    refused(WHOLE, "collaboration.participation.minimum=11",
            "--set: minimum '11' must be at most 10, the number of learners; lower it, or raise learners");
    refused(
        WHOLE, "collaboration.learners=5",
        "x.yaml:19:43: minimum '8' must be at most 5, the number of learners; lower it, or raise learners");
}

Test(check, a_stop_must_be_measurable)
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

Test(check, what_is_pretended_must_be_possible)
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

Test(check, what_an_algorithm_cannot_honour_is_refused_where_it_is_chosen)
{
    struct experiment experiment = EXPERIMENT_INIT;
    struct error error = ERROR_INIT;
    struct experiment_override overrides[] = {{"collaboration.algorithm=gradient_descent", "--set a"},
                                              {"training.optimizer.momentum=0.9", "--set b"}};
    cr_assert_eq(experiment_parse(&experiment, WHOLE, strlen(WHOLE), "x.yaml", overrides, 2, &error),
                 STATUS_INVALID_ARGUMENT);
    cr_assert_eq(strncmp(error.message, "--set a: ", 9), 0, "%s", error.message);
}

Test(check, a_reducer_is_refused_for_fewer_summaries_than_it_needs)
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

Test(check, what_does_not_go_with_a_schedule_is_refused)
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

Test(check, architectures_that_differ_are_refused_where_parameters_are_exchanged)
{
    refused(
        WHOLE, "model.variants=[{layers: [dense: {units: 10}]}]",
        "--set: algorithm 'fedavg' exchanges parameters, so that all learners need the same layers; leave "
        "variants out");
}
