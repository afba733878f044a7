// The samples of one learner: its own files, or its part of the experiment's data; some to train on, and some
// held out.
#pragma once

#include "experiment/experiment.h"
#include "learner/options.h"

struct samples {
    struct dataset dataset;
    uint32_t *rows;                 // [dataset.n_samples]: those to train on, then those held out
    struct part training, held_out; // of `dataset` and `rows`, which stay in place
    struct dataset probe;           // when wanted, for whoever takes it
};

// Whose samples, and where they come from.
struct samples_wanted {
    const struct learner_options *host;
    const struct experiment_options *experiment;
    uint32_t index, n_learners;
    bool probe; // the samples that all learners share, too
};

// Reads them, holds some out and spoils labels as the experiment's simulation has it. `ret` is released on
// failure.
enum status samples_load(struct samples *ret, const struct samples_wanted *wanted, struct error *error);
void samples_release(struct samples *samples);

// The experiment's test data; only for learners that read the experiment's data at all.
enum status samples_load_test(struct dataset *ret, const struct samples_wanted *wanted, struct error *error);
