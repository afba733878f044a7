#include "base/memory.h"
#include "simulation/simulation.h"
#include <criterion/criterion.h>
#include <string.h>

enum { N_SAMPLES = 5000, N_CLASSES = 10 };

// Laid out as label_flip.c and sign_flip.c declare their options.
struct flip_options {
    struct chosen chosen;
    double scale;
};

static struct simulated of(const struct simulation_options *options, uint32_t learner, uint32_t round)
{
    return (struct simulated){
        .options = options, .seed = 5, .learner = learner, .n_learners = 10, .round = round};
}

Test(simulation, dropouts_come_as_often_as_told_and_the_same_again)
{
    const struct simulation_options options = {.dropout = 0.3}, never = {0}, always = {.dropout = 1};
    size_t n = 0, first = 0;
    for (uint32_t round = 1; round <= 500; round++)
        for (uint32_t learner = 0; learner < 10; learner++) {
            struct simulated one = of(&options, learner, round), none = of(&never, learner, round),
                             all = of(&always, learner, round);
            n += simulated_dropout(&one);
            first += learner == 0 && simulated_dropout(&one);
            cr_assert_eq(simulated_dropout(&one), simulated_dropout(&one));
            cr_assert_not(simulated_dropout(&none));
            cr_assert(simulated_dropout(&all));
        }
    cr_assert(n > 1350 && n < 1650, "%zu of 5000", n);
    cr_assert(first > 100 && first < 200, "%zu of 500", first);
}

Test(simulation, slow_learners_wait_for_what_they_did_not_need)
{
    const struct simulation_options options = {.has_slow = true,
                                               .slow = {.chosen = {.learners = 1}, .factor = 10}};
    struct simulated slow = of(&options, 9, 1), fast = of(&options, 8, 1);
    cr_assert_eq(simulated_wait_ms(&fast, 0.5, 7), 0);
    cr_assert_eq(simulated_wait_ms(&slow, 0.5, 7), 4500);
}

Test(simulation, a_step_time_makes_training_as_long_for_everyone)
{
    const struct simulation_options options = {
        .step_time_ms = 20, .has_slow = true, .slow = {.chosen = {.learners = 1}, .factor = 10}};
    struct simulated slow = of(&options, 9, 1), fast = of(&options, 8, 1);
    cr_assert_eq(simulated_wait_ms(&fast, 0.25, 50), 750);
    cr_assert_eq(simulated_wait_ms(&slow, 0.25, 50), 9750);
    cr_assert_eq(simulated_wait_ms(&fast, 3, 50), 0);
}

Test(simulation, delays_are_within_their_bound_and_differ)
{
    const struct simulation_options options = {.delay_ms = 1000};
    bool differ = false;
    for (uint32_t learner = 0; learner < 10; learner++) {
        struct simulated one = of(&options, learner, 1), next = of(&options, learner, 2);
        int64_t ms = simulated_wait_ms(&one, 1, 1);
        cr_assert(ms >= 0 && ms < 1000);
        cr_assert_eq(ms, simulated_wait_ms(&one, 1, 1));
        differ |= ms != simulated_wait_ms(&next, 1, 1);
    }
    cr_assert(differ);
}

static struct dataset labelled(void)
{
    struct dataset dataset = {
        .sample = {.rank = 1, .extents = {1}}, .target_type = TARGET_CLASS, .n_outputs = N_CLASSES};
    cr_assert_eq(dataset_reserve(&dataset, N_SAMPLES, NULL), STATUS_OK);
    for (size_t i = 0; i < N_SAMPLES; i++)
        dataset.classes[i] = (int32_t)(i % N_CLASSES);
    return dataset;
}

static uint32_t *every_other_row(void)
{
    uint32_t *rows = memory_array(N_SAMPLES / 2, sizeof *rows);
    for (uint32_t i = 0; i < N_SAMPLES / 2; i++)
        rows[i] = 2 * i;
    return rows;
}

static void spoil(const struct simulation_options *options, uint32_t learner, struct dataset *dataset)
{
    struct simulated simulated = of(options, learner, 0);
    cleanup_free uint32_t *rows = every_other_row();
    struct error error = ERROR_INIT;
    cr_assert_eq(simulated_spoil_labels(&simulated, dataset, rows, N_SAMPLES / 2, &error), STATUS_OK, "%s",
                 error.message);
}

Test(simulation, label_noise_replaces_its_share_of_the_rows_given)
{
    const struct simulation_options options = {.label_noise = 0.5};
    struct dataset dataset = labelled(), again = labelled();
    size_t changed = 0;
    spoil(&options, 2, &dataset);
    spoil(&options, 2, &again);
    for (size_t i = 0; i < N_SAMPLES; i++) {
        bool differs = dataset.classes[i] != (int32_t)(i % N_CLASSES);
        cr_assert_not(differs && i % 2, "row %zu was not given", i);
        cr_assert(dataset.classes[i] >= 0 && dataset.classes[i] < N_CLASSES);
        changed += differs;
    }
    // Half of 2500 are replaced, a tenth of those by themselves: 1125.
    cr_assert(changed > 1025 && changed < 1225, "%zu", changed);
    cr_assert_eq(memcmp(dataset.classes, again.classes, N_SAMPLES * sizeof *again.classes), 0);
    dataset_release(&dataset);
    dataset_release(&again);
}

Test(simulation, only_attackers_attack)
{
    struct flip_options flip = {.chosen = {.learners = 2}};
    struct simulation_options options = {
        .attack = {.kind = registry_find(&attacks, "label_flip"), .options = &flip}};
    for (uint32_t learner = 0; learner < 10; learner++) {
        struct simulated simulated = of(&options, learner, 1);
        struct dataset dataset = labelled();
        cr_assert_eq(simulated_attack(&simulated) != NULL, learner >= 8);
        spoil(&options, learner, &dataset);
        cr_assert_eq(dataset.classes[2], learner >= 8 ? 7 : 2);
        cr_assert_eq(dataset.classes[3], 3);
        dataset_release(&dataset);
    }
}

Test(simulation, target_values_have_no_labels_to_spoil)
{
    const struct simulation_options options = {.label_noise = 0.5};
    struct simulated simulated = of(&options, 0, 0);
    struct dataset dataset = {.target_type = TARGET_VALUES};
    struct error error = ERROR_INIT;
    cr_assert_eq(simulated_spoil_labels(&simulated, &dataset, NULL, 0, &error), STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, "simulation.label_noise"), "%s", error.message);
}

Test(simulation, colluders_need_each_other)
{
    struct flip_options little = {.chosen = {.learners = 1}};
    struct simulation_options options = {
        .attack = {.kind = registry_find(&attacks, "little_is_enough"), .options = &little}};
    struct error error = ERROR_INIT;
    cr_assert_eq(simulation_check(&options, 10, &error), STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, "at least 2 attackers"), "%s", error.message);
    little.chosen.learners = 2;
    cr_assert_eq(simulation_check(&options, 10, &error), STATUS_OK);
    little.chosen.learners = 11;
    cr_assert_eq(simulation_check(&options, 10, &error), STATUS_INVALID_ARGUMENT);
}
