// What a learner pretends, as the experiment's `simulation` has it.
#pragma once

#include "algorithm/algorithm.h"
#include "learner/samples.h"

struct learner;

// An attacker of a group that knows each other's data, this learner among them.
struct colluder {
    uint32_t index;
    struct samples samples;
    float *own; // [plan.n_own]
    bool own_begun;
};

struct pretence {
    size_t n_colluders;
    struct colluder *colluders; // by ascending index
};

// What the learner's attack needs to know of the others; nothing for those that mean well. Released on
// failure.
enum status pretence_load(struct pretence *ret, const struct samples_wanted *wanted, struct error *error);
void pretence_release(struct pretence *pretence);

bool pretends_dropout(const struct learner *learner, uint32_t round);
// How long the learner waits before it submits what it has just trained.
int64_t pretended_wait_ms(const struct learner *learner, uint32_t round);
// Whether a step in place needs a copy of the model that it starts from.
bool pretence_needs_reference(const struct learner *learner);

// algorithm_learn, and then what an attacker makes of the summary. `reference` [plan.n_values] is what the
// summary's first vector starts from; NULL: zero.
enum status pretended_learn(struct learner *learner, const struct learner_step *step, const float *reference,
                            struct learner_result *ret, struct error *error);
