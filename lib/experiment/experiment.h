// A whole experiment: every kind's options, put together, checked against each other and resolved.
#pragma once

#include "algorithm/algorithm.h"
#include "config/fields.h"
#include "data/format.h"
#include "experiment/local_evaluation.h"
#include "experiment/round_schedule.h"
#include "experiment/stop.h"
#include "experiment/weighting.h"
#include "nn/training.h"
#include "simulation/simulation.h"

enum { EXPERIMENT_NAME_MAX = 63, EXPERIMENT_LEARNERS_MAX = 100000, EXPERIMENT_ROUNDS_MAX = 1000000 };

struct participation_options {
    double fraction;       // of the ready learners, a round
    double over_selection; // times as many are selected, and the first ones count; 1: none more
    int64_t minimum;       // summaries without which a round cannot commit; 0: one
    int64_t deadline_ms;   // 0: none
    int64_t start_with;    // learners ready before the first round; 0: all
};

struct collaboration_options {
    struct choice algorithm;
    struct choice topology;
    struct choice reducer;
    struct choice codec;    // of summaries
    struct choice downlink; // of models
    bool error_feedback;
    int weighting;   // enum weighting
    double max_norm; // the farthest that a summary may lie from the round's model; 0: anywhere
    int64_t rounds;
    int64_t learners;
    struct participation_options participation;
    struct choice schedule; // struct round_schedule_kind
    bool has_stop;
    struct stop_options stop;
};

struct experiment_options {
    const char *name; // letters, digits, - _ . and no . or - in front: a folder's name and an id
    int64_t seed;     // 0 or more
    struct model_options model;
    bool has_data;
    struct data_options data;
    struct training_options training;
    struct collaboration_options collaboration;
    struct evaluation_options evaluation;
    struct simulation_options simulation;
};

extern const struct field experiment_fields[];

struct experiment {
    struct document document;
    struct arena arena;
    struct experiment_options options;
};

#define EXPERIMENT_INIT ((struct experiment){0})

// An override of the command line: "training.batch_size=64".
struct experiment_override {
    const char *text;   // key.path=value
    const char *source; // how errors name it: "--set training.batch_size=64"
};

// Parses and checks; nothing is opened but `path`. Errors carry file, line and column. Paths in the
// experiment are left as they are: relative ones start at the current folder of whoever opens them, not at
// the experiment's.
enum status experiment_load(struct experiment *ret, const char *path,
                            const struct experiment_override *overrides, size_t n_overrides,
                            struct error *error);
enum status experiment_parse(struct experiment *ret, const char *text, size_t n, const char *source,
                             const struct experiment_override *overrides, size_t n_overrides,
                             struct error *error);

// Who resolved a text that comes from another program, which may be of another release.
struct experiment_origin {
    const char *version;  // of Cohort; NULL or empty: not told
    const char *defaults; // its experiment_defaults; NULL: none
};
// As experiment_parse, of what another program has resolved. Options that this release does not know are
// passed over where they stand at their defaults, which always mean "as before"; others are refused, and the
// message says which releases do not understand each other.
enum status experiment_receive(struct experiment *ret, const char *text,
                               const struct experiment_origin *origin, struct error *error);
void experiment_release(struct experiment *experiment);
// A folder and an id may be called by it.
bool experiment_name_is_good(const char *name);

// Where the option at `path` ("data.train.features") was written, or would stand: for error_at and
// error_point.
struct mark experiment_mark(const struct experiment *experiment, const char *path);

// The experiment as YAML with every default spelled out; it reads back to the same.
void experiment_dump(const struct experiment *experiment, struct bytes *ret);
// The paths of the dump's options that stand at their defaults, a line each (config/fields.h).
void experiment_defaults(const struct experiment *experiment, struct bytes *ret);

// Whether what the algorithm exchanges, by its plan, can travel on the experiment's topology, in its codec.
enum status experiment_check_plan(const struct experiment *experiment, const struct algorithm_plan *plan,
                                  struct error *error);
// What the experiment's schedule asks of its rounds.
struct round_rules experiment_rules(const struct experiment_options *options);

// Builds the model for samples of `input`; errors point into the experiment's text. The experiment must
// outlive the model.
enum status experiment_model(const struct experiment *experiment, const struct shape *input, size_t n_outputs,
                             enum target_type targets, struct model **ret, struct error *error);
// The same for one of its architectures: learner i has number i mod experiment_n_variants, and
// experiment_model builds number 0.
size_t experiment_n_variants(const struct experiment *experiment);
enum status experiment_variant(const struct experiment *experiment, size_t variant, const struct shape *input,
                               size_t n_outputs, enum target_type targets, struct model **ret,
                               struct error *error);
