// Writes the folder of a made-up run, to look at report.html while working on it:
//     sample-report FOLDER [ROUNDS] [LEARNERS]
#include "base/file.h"
#include "base/philox.h"
#include "report/run.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double noise(struct random *random, double size)
{
    return size * random_normal(random);
}

static enum status add_learners(struct run *run, uint32_t round, uint32_t n, struct random *random,
                                struct error *error)
{
    for (uint32_t i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, i == 3 ? "<script>alert('%u')</script>" : "learner-%u", i);
        double slow = 0.03 + 0.002 * (i % 7), skew = 1 + 0.05 * (i % 5);
        struct learner_record record = {
            .round = round,
            .learner = name,
            .weight = 600 + 37 * (i % 9),
            .train_seconds = slow + fabs(noise(random, 0.003)),
            .fetch_seconds = 0.004 + fabs(noise(random, 0.001)),
            .n_metrics = 2,
            .metrics = {{"train_loss", skew * 1.9 * exp(-0.16 * round) + 0.12 + fabs(noise(random, 0.03))},
                        {"train_accuracy",
                         fmin(1, 0.96 - 0.5 * exp(-0.25 * round) + noise(random, 0.01) - 0.01 * (i % 5))}},
            .rejected = i == 5 && round % 7 == 0 ? "a value is out of range" : NULL,
        };
        record.seconds = record.train_seconds + record.fetch_seconds + 0.003;
        TRY(run_add_learner(run, &record, error));
        const struct evaluation_record evaluation = {
            .round = round,
            .learner = name,
            .n_samples = 150,
            .n_metrics = 2,
            .metrics = {{"local_loss", skew * 1.9 * exp(-0.15 * round) + 0.3},
                        {"local_accuracy",
                         fmin(1, 0.95 - 0.06 * (i % 5) - 0.6 * exp(-0.2 * round) + noise(random, 0.01))}},
        };
        if (round % 2 == 0)
            TRY(run_add_evaluation(run, &evaluation, error));
    }
    return STATUS_OK;
}

static enum status add_round(struct run *run, uint32_t round, uint32_t n, struct random *random,
                             struct error *error)
{
    struct round_record record = {
        .round = round,
        .seconds = 0.065 + fabs(noise(random, 0.008)) + (round % 11 == 0 ? 0.05 : 0),
        .n_summaries = n - (round % 7 == 0),
        .n_selected = n,
        .n_metrics = 8,
        .metrics = {{"train_loss", 1.9 * exp(-0.16 * round) + 0.14 + noise(random, 0.01)},
                    {"test_loss", 1.8 * exp(-0.15 * round) + 0.26 + noise(random, 0.015)},
                    {"train_accuracy", 0.96 - 0.5 * exp(-0.25 * round) + noise(random, 0.005)},
                    {"test_accuracy",
                     round == 5 ? NAN : 0.93 - 0.5 * exp(-0.22 * round) + noise(random, 0.006)},
                    {"disagreement", 0.4 * exp(-0.1 * round) + fabs(noise(random, 0.01))},
                    {"local_accuracy", round % 2 ? NAN : 0.83 - 0.6 * exp(-0.2 * round)},
                    {"local_accuracy_worst", round % 2 ? NAN : 0.71 - 0.6 * exp(-0.2 * round)},
                    {"local_accuracy_std", round % 2 ? NAN : 0.085}},
        .unix_ms = 1714564800123 + 70 * (int64_t)round,
    };
    for (int i = 0; i < 64; i++)
        record.model_sha256[i] = "0123456789abcdef"[random_below(random, 16)];
    return run_add_round(run, &record, error);
}

static enum status make(const char *folder, uint32_t rounds, uint32_t learners, struct error *error)
{
    struct run *run = NULL;
    struct random random = random_open((struct random_key){.seed = 1, .purpose = RANDOM_TEST});
    TRY(file_make_folder(folder, error));
    TRY(run_open(&run, folder, error));
    enum status status = STATUS_OK;
    for (uint32_t round = 1; round <= rounds && status == STATUS_OK; round++) {
        status = add_learners(run, round, learners, &random, error);
        if (status == STATUS_OK)
            status = add_round(run, round, learners, &random, error);
    }
    struct run_summary summary = {
        .experiment = "digits-fedavg",
        .seed = 42,
        .rounds = rounds,
        .status = rounds ? "completed" : "failed",
        .message = rounds ? NULL : "no learner attended within 60 s; start one with cohort-learner",
        .test_accuracy = rounds ? 0.9312 : NAN,
        .test_loss = rounds ? 0.2714 : NAN,
        .train_loss = rounds ? 0.1433 : NAN,
        .local_accuracy = rounds ? 0.8293 : NAN,
        .local_accuracy_worst = rounds ? 0.7081 : NAN,
        .local_accuracy_std = rounds ? 0.085 : NAN,
        .local_loss = NAN,
        .wall_seconds = 0.07 * rounds + 0.8,
        .bytes_up = (uint64_t)rounds * learners * 940584,
        .bytes_down = (uint64_t)rounds * learners * 940712,
        .model_parameters = 235146,
        .model_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        .coordinator_peak_rss = 41 << 20,
        .learner_peak_rss = 63 << 20,
        .blas = "OpenBLAS 0.3.21 SkylakeX",
        .learners = learners,
        .processes = 8,
        .version = "0.1.0",
        .summaries_rejected = rounds / 7,
    };
    const char *table = "layer  kind             activation output                 parameters\n"
                        "       input                       [1, 28, 28]                      \n"
                        "    1  dense            relu       [256]                      200960\n"
                        "    2  dense            relu       [128]                       32896\n"
                        "    3  dense                       [10]                         1290\n"
                        "       total                                              235146\n";
    const char *yaml =
        "name: digits-fedavg\nseed: 42\nmodel:\n  layers:\n    - dense: {units: 256, activation: relu}\n"
        "  loss: cross_entropy # </pre> & \"quotes\"\n";
    if (status == STATUS_OK)
        status = run_finish(run, &summary, yaml, table, error);
    run_free(run);
    return status;
}

int main(int argc, char **argv)
{
    struct error error = ERROR_INIT;
    if (argc < 2) {
        fprintf(stderr, "usage: sample-report FOLDER [ROUNDS] [LEARNERS]\n");
        return 2;
    }
    uint32_t rounds = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 20;
    uint32_t learners = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 10;
    if (make(argv[1], rounds, learners, &error) != STATUS_OK)
        fprintf(stderr, "%s\n", error.message);
    return status_exit_code(error.status);
}
