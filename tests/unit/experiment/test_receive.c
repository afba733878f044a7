// Experiments that another release has resolved.
#include "base/memory.h"
#include "experiment/experiment.h"
#include <criterion/criterion.h>
#include <string.h>

static const char newer_text[] = "name: x\nmodel:\n  layers: [{dense: {units: 3}}]\n  loss: cross_entropy\n"
                                 "training:\n  optimizer: {kind: sgd, learning_rate: 0.1, newer_rate: 2}\n"
                                 "collaboration: {algorithm: fedavg, rounds: 3, learners: 2}\n"
                                 "newer: {a: [1, 2]}\n";

static enum status receive(const char *text, const char *version, const char *defaults, struct error *error)
{
    struct experiment experiment = EXPERIMENT_INIT;
    const struct experiment_origin origin = {version, defaults};
    enum status status = experiment_receive(&experiment, text, &origin, error);
    if (status == STATUS_OK)
        cr_assert_eq(experiment.options.collaboration.rounds, 3);
    experiment_release(&experiment);
    return status;
}

Test(receive, unknown_options_at_their_defaults_are_passed_over)
{
    struct error error = ERROR_INIT;
    cr_assert_eq(receive(newer_text, "9.0.0", "newer\ntraining.optimizer.newer_rate\n", &error), STATUS_OK,
                 "%s", error.message);
}

Test(receive, others_are_refused_and_both_releases_named)
{
    struct error error = ERROR_INIT;
    cr_assert_eq(receive(newer_text, "9.0.0", "newer\n", &error), STATUS_INVALID_ARGUMENT);
    cr_assert_str_eq(error.message,
                     "experiment:6:46: unknown key 'newer_rate'; allowed: learning_rate, momentum, nesterov, "
                     "weight_decay; Cohort 9.0.0 resolved the experiment and this "
                     "is Cohort " COHORT_VERSION
                     ": update the older one, or leave out what it does not know");
}

Test(receive, the_release_is_not_blamed_when_it_is_the_same_or_unknown)
{
    static const char *const versions[] = {COHORT_VERSION, "", NULL};
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        struct error error = ERROR_INIT;
        cr_assert_eq(receive(newer_text, versions[i], NULL, &error), STATUS_INVALID_ARGUMENT);
        cr_assert(strstr(error.message, "unknown key 'newer") != NULL, "%s", error.message);
        cr_assert_null(strstr(error.message, "update the older one"), "%s", error.message);
    }
}

Test(receive, a_hostile_version_is_shown_cut_and_without_control_characters)
{
    struct error error = ERROR_INIT;
    char version[600];
    memset(version, 'v', sizeof version - 1);
    version[sizeof version - 1] = '\0';
    version[3] = '\n';
    cr_assert_eq(receive(newer_text, version, "", &error), STATUS_INVALID_ARGUMENT);
    cr_assert_null(strchr(error.message, '\n'));
    cr_assert(strstr(error.message, "Cohort vvv?vvv") != NULL, "%s", error.message);
    cr_assert(strlen(error.message) < ERROR_MESSAGE_BYTES - 1);
}

// What a release lists of itself is true of itself: with these keys renamed it is still taken.
Test(receive, a_dump_goes_without_any_option_that_it_lists)
{
    struct experiment experiment = EXPERIMENT_INIT;
    struct error error = ERROR_INIT;
    struct bytes text = BYTES_INIT, paths = BYTES_INIT;
    const struct experiment_origin origin = {COHORT_VERSION, "newer\ntraining.optimizer.newer_rate\n"};
    cr_assert_eq(experiment_receive(&experiment, newer_text, &origin, &error), STATUS_OK, "%s",
                 error.message);
    experiment_dump(&experiment, &text);
    experiment_defaults(&experiment, &paths);
    cr_assert(strstr(paths.data, "training.optimizer.momentum\n") != NULL, "%s", paths.data);
    cr_assert(strstr(paths.data, "model.layers.0.bias\n") != NULL, "%s", paths.data);
    cr_assert(strstr(paths.data, "evaluation\n") != NULL, "%s", paths.data);
    cr_assert_null(strstr(paths.data, "learning_rate"), "%s", paths.data);
    char *momentum = strstr(text.data, "momentum:"), *bias = strstr(text.data, "bias:"),
         *evaluation = strstr(text.data, "\nevaluation:");
    cr_assert(momentum && bias && evaluation);
    momentum[0] = bias[0] = evaluation[1] = 'x';
    cr_assert_eq(receive(text.data, "9.0.0", paths.data, &error), STATUS_INVALID_ARGUMENT, "not as it is");
    cleanup_free char *renamed = memory_alloc(paths.n + 1);
    memcpy(renamed, paths.data, paths.n + 1);
    *strstr(renamed, "momentum") = *strstr(renamed, "bias") = *strstr(renamed, "evaluation") = 'x';
    cr_assert_eq(receive(text.data, "9.0.0", renamed, &error), STATUS_OK, "%s", error.message);
    bytes_release(&text);
    bytes_release(&paths);
    experiment_release(&experiment);
}
