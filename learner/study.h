// An experiment as the learners of this process share it: its model, the round's parameters fetched once for
// all, trainers one a thread. Under the host's lock unless said otherwise.
#pragma once

#include "base/digest.h"
#include "base/sha256.h"
#include "cohort/v1/exchange.pb.h"
#include "experiment/experiment.h"
#include "learner/incoming.h"
#include "rpc/rpc.h"
#include <stdbool.h>
#include <stdint.h>

struct host;
struct learner;
struct fetch;

// One of the experiment's architectures, with what the algorithm makes of it.
struct variant {
    struct model *model;
    struct algorithm_plan plan;
    struct trainer *trainers[64]; // idle
    size_t n_trainers;
};

struct study {
    struct study *next;
    struct host *host;
    unsigned int n_users; // learners that are enrolled
    char id[64];
    char *yaml; // as enrolled; another text of the same id is another study
    struct experiment experiment;

    // Made by the first learner whose data is loaded.
    size_t n_variants;
    struct variant *variants;   // [n_variants]; NULL before
    struct algorithm_plan plan; // of the first variant: all exchange the same, and differ in what they own
    bool has_probe;
    struct dataset probe_data;
    struct part probe;
    uint8_t probe_sha256[SHA256_BYTES]; // of its features

    // The newest fetched model, with what the algorithm sends along.
    uint32_t round;                  // of `values`, when complete
    char model_id[DIGEST_HEX_BYTES]; // as told with the assignment
    bool complete;
    float *values;                  // [plan_shared_values], or NULL
    uint64_t received;              // bytes of an unfinished fetch
    uint32_t fetching;              // the round of the unfinished fetch
    uint32_t held_round;            // of the model that `values` held when that began, with
    char held_id[DIGEST_HEX_BYTES]; // its id; empty: none
    struct incoming incoming;       // how it comes
    struct fetch *fetch;            // under way
    struct spare *spare;            // vectors that no learner uses now
    struct learner *waiting;

    struct dataset test; // the experiment's, where learners evaluate on it
    bool has_test;
};

// The study of experiment `id`, made from `yaml` when new, with a user more.
enum status study_open(struct host *host, const char *id, const char *yaml,
                       const struct experiment_origin *origin, struct study **ret, struct error *error);
void study_close(struct study *study); // a user less; the last one frees it

const struct algorithm_kind *study_algorithm(const struct study *study);

// Binds models and plans to the samples' shape; the first learner decides, others must have the same. The
// learner's variant is number `index` mod n_variants.
enum status study_bind(struct study *study, const struct shape *sample, size_t n_outputs,
                       enum target_type targets, uint32_t index, struct variant **ret, struct error *error);
// Takes the probe samples, unless there are some. Before study_bind.
void study_set_probe(struct study *study, struct dataset *probe_take);

// fetch.c, as far as the vectors. Makes round `round`'s model, of that id, available and then calls
// learner_fetched(learner): at once if it is here already.
void study_fetch(struct study *study, uint32_t round, const char *id, struct learner *learner);
// A model as it came with an assignment.
struct given_model {
    uint32_t round;
    const char *id;
    bool coded;           // see ModelHeader
    uint32_t differences; // from the model of the id `base`
    const char *base;
    const cohort_v1_Place *place; // where it lies in the coordinator's memory as it is; NULL: it came, as
    const uint8_t *bytes;         // [n]
    size_t n;
};
// The same model, given. Left alone when it does not fit, or another is being fetched.
void study_give(struct study *study, const struct given_model *given);
// The values are no model any more.
void study_forget(struct study *study);
bool study_has(const struct study *study, uint32_t round, const char *id);
// A vector of as many values as are shared, of any content; NULL when out of memory. Given back, it serves
// the study's other learners until the study goes.
float *study_take_vector(struct study *study);
void study_give_vector(struct study *study, float *vector_take);
void study_cancel_fetch(struct study *study, struct learner *learner);

// The experiment's test data, read when first asked for; they stay as long as the study. Takes the lock
// itself.
enum status study_test_data(struct study *study, const struct dataset **ret, struct error *error);

// A trainer for this thread, made when none is idle. Takes the lock itself.
enum status study_take_trainer(struct study *study, struct variant *variant, struct trainer **ret,
                               struct error *error);
void study_give_trainer(struct study *study, struct variant *variant, struct trainer *trainer);
