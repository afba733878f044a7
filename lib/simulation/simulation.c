#include "simulation/simulation.h"
#include "base/memory.h"
#include "base/philox.h"
#include <math.h>

static const struct field slow_fields[] = {
    CHOSEN_FIELDS(struct slow_options, "are slow"),
    {.name = "factor",
     .type = FIELD_REAL,
     .offset = offsetof(struct slow_options, factor),
     .fallback = "10",
     .min = 1,
     .max = 100000,
     .help = "How many times as long their training takes"},
    {0},
};

const struct field simulation_fields[] = {
    {.name = "delay",
     .type = FIELD_DURATION,
     .offset = offsetof(struct simulation_options, delay_ms),
     .fallback = "0s",
     .help = "Each learner waits a random time up to this before it submits"},
    {.name = "step_time",
     .type = FIELD_DURATION,
     .offset = offsetof(struct simulation_options, step_time_ms),
     .fallback = "0s",
     .help = "How long a training step on one batch is taken to last: whoever is faster waits; 0s: as it is"},
    {.name = "slow",
     .type = FIELD_SECTION,
     .offset = offsetof(struct simulation_options, slow),
     .fields = slow_fields,
     .optional = true,
     .given_offset = offsetof(struct simulation_options, has_slow),
     .help = "Learners that take longer to train than the others"},
    {.name = "dropout",
     .type = FIELD_REAL,
     .offset = offsetof(struct simulation_options, dropout),
     .fallback = "0",
     .max = 1,
     .help = "The chance that a learner drops out of a round that it was selected for"},
    {.name = "label_noise",
     .type = FIELD_REAL,
     .offset = offsetof(struct simulation_options, label_noise),
     .fallback = "0",
     .max = 1,
     .help = "The chance that a training label is replaced by one drawn from all classes"},
    {.name = "attack",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct simulation_options, attack),
     .registry = &attacks,
     .help = "What some learners do to spoil the others' model; without it nobody attacks"},
    {0},
};

static const struct attack_kind *attack_of(const struct simulation_options *options)
{
    return (const struct attack_kind *)(const void *)options->attack.kind;
}

static const struct chosen *attackers_of(const struct simulation_options *options)
{
    return &((const struct attack_options *)options->attack.options)->chosen;
}

enum status simulation_check(const struct simulation_options *options, uint32_t n_learners,
                             struct error *error)
{
    const struct attack_kind *attack = attack_of(options);
    if (options->has_slow)
        TRY(chosen_check(&options->slow.chosen, "simulation.slow", n_learners, error));
    if (!attack)
        return STATUS_OK;
    TRY(chosen_check(attackers_of(options), "simulation.attack", n_learners, error));
    if (attack->colludes && chosen_count(attackers_of(options), n_learners) < 2)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s' needs at least 2 attackers, who learn from each other how honest summaries "
                         "spread; raise attack.learners",
                         attack->kind.name);
    return STATUS_OK;
}

static struct random draw(const struct simulated *simulated, uint16_t index)
{
    return random_open((struct random_key){.seed = simulated->seed,
                                           .learner = simulated->learner,
                                           .round = simulated->round,
                                           .purpose = RANDOM_SIMULATION,
                                           .index = index});
}

bool simulated_dropout(const struct simulated *simulated)
{
    struct random random = draw(simulated, SIMULATION_DROPOUT);
    return random_double(&random) < simulated->options->dropout;
}

static int64_t delay_ms(const struct simulated *simulated)
{
    struct random random = random_open((struct random_key){.seed = simulated->seed,
                                                           .learner = simulated->learner,
                                                           .round = simulated->round,
                                                           .purpose = RANDOM_DELAY});
    return simulated->options->delay_ms
               ? (int64_t)(random_double(&random) * (double)simulated->options->delay_ms)
               : 0;
}

int64_t simulated_wait_ms(const struct simulated *simulated, double train_seconds, uint64_t n_steps)
{
    const struct simulation_options *options = simulated->options;
    double took_ms = train_seconds * 1e3, target_ms = took_ms;
    if (options->step_time_ms)
        target_ms = (double)options->step_time_ms * (double)n_steps;
    if (options->has_slow && chosen_has(&options->slow.chosen, simulated->learner, simulated->n_learners))
        target_ms *= options->slow.factor;
    return (int64_t)fmax(target_ms - took_ms, 0) + delay_ms(simulated);
}

const struct attack_kind *simulated_attack(const struct simulated *simulated)
{
    const struct attack_kind *attack = attack_of(simulated->options);
    return attack && chosen_has(attackers_of(simulated->options), simulated->learner, simulated->n_learners)
               ? attack
               : NULL;
}

static void add_noise(const struct simulated *simulated, struct dataset *dataset, const uint32_t *rows,
                      size_t n_rows)
{
    struct simulated always = *simulated;
    always.round = 0;
    struct random random = draw(&always, SIMULATION_LABELS);
    for (size_t i = 0; i < n_rows; i++) {
        bool noisy = random_double(&random) < simulated->options->label_noise;
        uint32_t drawn = random_below(&random, (uint32_t)dataset->n_outputs);
        if (noisy)
            dataset->classes[rows[i]] = (int32_t)drawn;
    }
}

enum status simulated_spoil_labels(const struct simulated *simulated, struct dataset *dataset,
                                   const uint32_t *rows, size_t n_rows, struct error *error)
{
    const struct attack_kind *attack = simulated_attack(simulated);
    bool flips = attack && attack->label;
    if (simulated->options->label_noise <= 0 && !flips)
        return STATUS_OK;
    if (dataset->target_type != TARGET_CLASS)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "simulation.%s replaces classes, but this data has target values; leave it out",
                         flips ? "attack" : "label_noise");
    if (simulated->options->label_noise > 0)
        add_noise(simulated, dataset, rows, n_rows);
    for (size_t i = 0; flips && i < n_rows; i++)
        dataset->classes[rows[i]] = attack->label(dataset->classes[rows[i]], dataset->n_outputs);
    return STATUS_OK;
}
