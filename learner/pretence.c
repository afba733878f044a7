#include "learner/pretence.h"
#include "base/memory.h"
#include "learner/host.h"
#include <string.h>

static struct simulated simulated_of(const struct learner *learner, uint32_t round)
{
    const struct experiment_options *options = &learner->study->experiment.options;
    return (struct simulated){.options = &options->simulation,
                              .seed = (uint64_t)options->seed,
                              .learner = learner->index,
                              .n_learners = learner->n_learners,
                              .round = round};
}

// ---- colluders ------------------------------------------------------------------------------------------

enum status pretence_load(struct pretence *ret, const struct samples_wanted *wanted, struct error *error)
{
    const struct simulation_options *options = &wanted->experiment->simulation;
    struct simulated simulated = {
        .options = options, .learner = wanted->index, .n_learners = wanted->n_learners};
    const struct attack_kind *attack = simulated_attack(&simulated);
    enum status status = STATUS_OK;
    *ret = (struct pretence){0};
    if (!attack || !attack->colludes)
        return STATUS_OK;
    const struct chosen *attackers = &((const struct attack_options *)options->attack.options)->chosen;
    uint32_t n = chosen_count(attackers, wanted->n_learners);
    ret->colluders = memory_array(n, sizeof *ret->colluders);
    if (!ret->colluders)
        return error_no_memory(error, n * sizeof *ret->colluders);
    for (uint32_t i = 0; status == STATUS_OK && i < wanted->n_learners; i++) {
        struct samples_wanted theirs = *wanted;
        theirs.index = i;
        theirs.probe = false;
        if (!chosen_has(attackers, i, wanted->n_learners))
            continue;
        struct colluder *colluder = &ret->colluders[ret->n_colluders++];
        colluder->index = i;
        status = samples_load(&colluder->samples, &theirs, error);
    }
    if (status != STATUS_OK)
        pretence_release(ret);
    return status;
}

void pretence_release(struct pretence *pretence)
{
    for (size_t i = 0; i < pretence->n_colluders; i++) {
        samples_release(&pretence->colluders[i].samples);
        memory_free(pretence->colluders[i].own);
    }
    memory_free(pretence->colluders);
    *pretence = (struct pretence){0};
}

static enum status begin_own(struct colluder *colluder, const struct learner_step *step,
                             const struct algorithm_kind *algorithm, struct error *error)
{
    size_t n = step->plan->n_own;
    if (!colluder->own && n)
        colluder->own = memory_floats(n);
    if (!colluder->own && n)
        return error_no_memory(error, n * sizeof(float));
    if (!colluder->own_begun && algorithm->begin_own)
        algorithm->begin_own(step, colluder->own);
    colluder->own_begun = true;
    return STATUS_OK;
}

// Trains as the colluder would, into the same buffers.
static enum status learn_as(struct colluder *colluder, const struct learner *learner,
                            const struct learner_step *step, const float *reference,
                            struct learner_result *ret, struct error *error)
{
    const struct algorithm_kind *algorithm = study_algorithm(learner->study);
    struct learner_step theirs = *step;
    theirs.learner = colluder->index;
    theirs.part = &colluder->samples.training;
    TRY(begin_own(colluder, &theirs, algorithm, error));
    theirs.own = colluder->own;
    if (step->plan->in_place)
        memcpy(step->parameters, reference, step->plan->n_values * sizeof(float));
    return algorithm_learn(algorithm, &theirs, ret, error);
}

static enum status learn_together(struct learner *learner, const struct learner_step *step,
                                  const float *reference, struct benign *benign, struct learner_result *ret,
                                  struct error *error)
{
    struct pretence *pretence = &learner->pretence;
    for (size_t i = 0; i < pretence->n_colluders; i++) {
        struct colluder *colluder = &pretence->colluders[i];
        struct learner_result result = {0};
        TRY(learn_as(colluder, learner, step, reference, &result, error));
        benign_add(benign, step->summary);
        if (colluder->index == learner->index)
            *ret = result;
    }
    return STATUS_OK;
}

// ---- a step ---------------------------------------------------------------------------------------------

bool pretends_dropout(const struct learner *learner, uint32_t round)
{
    const struct simulated simulated = simulated_of(learner, round);
    return simulated_dropout(&simulated);
}

int64_t pretended_wait_ms(const struct learner *learner, uint32_t round)
{
    const struct simulated simulated = simulated_of(learner, round);
    const struct training_options *training = &learner->study->experiment.options.training;
    uint64_t batch = (uint64_t)training->batch_size;
    uint64_t n_steps = (uint64_t)training->local_epochs * ((learner->part.n_samples + batch - 1) / batch);
    return simulated_wait_ms(&simulated, learner->result.train_seconds, n_steps);
}

bool pretence_needs_reference(const struct learner *learner)
{
    const struct simulated simulated = simulated_of(learner, 0);
    const struct attack_kind *attack = simulated_attack(&simulated);
    return attack && attack->summary;
}

// The first vector lies about the reference, others about zero.
static void spoil(const struct attack_kind *attack, struct attack_step *step,
                  const struct algorithm_plan *plan, float *summary)
{
    for (unsigned int i = 0; i < plan->n_vectors; i++) {
        struct benign theirs = step->benign ? *step->benign : (struct benign){0};
        struct attack_step one = *step;
        size_t offset = i * plan->n_sent;
        if (step->benign) {
            theirs.mean += offset;
            theirs.squares += offset;
            one.benign = &theirs;
        }
        one.reference = i == 0 ? step->reference : NULL;
        attack->summary(&one, summary + offset, plan->n_sent);
    }
}

enum status pretended_learn(struct learner *learner, const struct learner_step *step, const float *reference,
                            struct learner_result *ret, struct error *error)
{
    const struct simulated simulated = simulated_of(learner, step->round);
    const struct attack_kind *attack = simulated_attack(&simulated);
    if (!attack || !attack->summary)
        return algorithm_learn(study_algorithm(learner->study), step, ret, error);
    struct benign benign = {0};
    if (attack->colludes)
        TRY(benign_open(&benign, plan_summary_values(step->plan), error));
    enum status status = attack->colludes
                             ? learn_together(learner, step, reference, &benign, ret, error)
                             : algorithm_learn(study_algorithm(learner->study), step, ret, error);
    struct attack_step attacking = {.options = simulated.options->attack.options,
                                    .seed = simulated.seed,
                                    .learner = simulated.learner,
                                    .n_learners = simulated.n_learners,
                                    .round = simulated.round,
                                    .reference = reference,
                                    .benign = attack->colludes ? &benign : NULL};
    if (status == STATUS_OK)
        spoil(attack, &attacking, step->plan, step->summary);
    benign_close(&benign);
    return status;
}
