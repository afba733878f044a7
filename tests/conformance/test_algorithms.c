// Every algorithm: a pure function of experiment and seed, whatever the order of arrival and whatever was
// restarted on the way; alike learners make no difference; the re-update goes over ranges in any order.
#include "base/memory.h"
#include "base/philox.h"
#include "loop.h"
#include "toy.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N_SAMPLES = 90, N_LEARNERS = 4, ROUNDS = 4, SEED = 11 };

static struct toy toy;

static void make_toy(void)
{
    cr_assert_eq(toy_init(&toy, TOY_CLASSES, N_SAMPLES, 5, 3, N_LEARNERS, NULL), STATUS_OK);
}

static void free_toy(void)
{
    toy_release(&toy);
}

TestSuite(algorithms, .init = make_toy, .fini = free_toy);

static struct loop *loop_of(const struct kind *kind, const struct part *parts, size_t n, size_t batch_size)
{
    struct loop *loop = NULL;
    struct error error = ERROR_INIT;
    cleanup_free char *yaml = memory_format(
        "{algorithm: %s, training: {optimizer: {kind: sgd, learning_rate: 0.2}, batch_size: %zu},"
        " model: {layers: [dense: {units: 8, activation: relu}, dense: {units: 3}], loss: cross_entropy}}",
        kind->name, batch_size);
    cr_assert_eq(loop_new(&loop, yaml, parts, n, SEED, ROUNDS, &error), STATUS_OK, "%s", error.message);
    return loop;
}

static void run(struct loop *loop, int n_rounds, bool backwards)
{
    struct error error = ERROR_INIT;
    for (int i = 0; i < n_rounds; i++)
        cr_assert_eq(loop_round(loop, backwards, NULL, &error), STATUS_OK, "%s", error.message);
}

static void assert_same(struct loop *a, struct loop *b, const struct kind *kind, const char *what)
{
    size_t bytes = loop_n_parameters(a) * sizeof(float);
    cr_assert_eq(memcmp(loop_parameters(a), loop_parameters(b), bytes), 0, "%s depends on %s", kind->name,
                 what);
}

Test(algorithms, give_the_same_bytes_again_and_in_any_order)
{
    for (size_t k = 0; k < algorithms.n_kinds; k++) {
        struct loop *a = loop_of(algorithms.kinds[k], toy.parts, N_LEARNERS, 8);
        struct loop *b = loop_of(algorithms.kinds[k], toy.parts, N_LEARNERS, 8);
        run(a, ROUNDS, false);
        run(b, ROUNDS, true);
        assert_same(a, b, algorithms.kinds[k], "the order of arrival");
        loop_free(a);
        loop_free(b);
    }
}

Test(algorithms, go_on_from_a_rounds_model_as_if_never_stopped)
{
    for (size_t k = 0; k < algorithms.n_kinds; k++) {
        struct loop *a = loop_of(algorithms.kinds[k], toy.parts, N_LEARNERS, 8);
        struct loop *b = loop_of(algorithms.kinds[k], toy.parts, N_LEARNERS, 8);
        run(a, 2, false);
        memcpy(loop_parameters(b), loop_parameters(a), loop_n_parameters(a) * sizeof(float));
        loop_resume(b, 3);
        run(a, ROUNDS - 2, false);
        run(b, ROUNDS - 2, false);
        assert_same(a, b, algorithms.kinds[k], "what is forgotten in a restart");
        loop_free(a);
        loop_free(b);
    }
}

Test(algorithms, change_the_model_and_with_it_the_loss_unless_they_train_nothing)
{
    for (size_t k = 0; k < algorithms.n_kinds; k++) {
        struct loop *loop = loop_of(algorithms.kinds[k], toy.parts, N_LEARNERS, 8);
        struct evaluation before, after;
        cr_assert_eq(loop_evaluate(loop, &toy.all, &before, NULL), STATUS_OK);
        run(loop, ROUNDS, false);
        cr_assert_eq(loop_evaluate(loop, &toy.all, &after, NULL), STATUS_OK);
        if (((const struct algorithm_kind *)algorithms.kinds[k])->trains_nothing)
            cr_assert_float_eq(after.loss, before.loss, 1e-9, "%s", algorithms.kinds[k]->name);
        else
            cr_assert_lt(after.loss, before.loss, "%s", algorithms.kinds[k]->name);
        loop_free(loop);
    }
}

// With one batch a round the shuffle does not matter, so that equal learners take equal steps.
Test(algorithms, do_with_two_equal_learners_what_they_do_with_one)
{
    const struct part twice[2] = {toy.parts[1], toy.parts[1]};
    for (size_t k = 0; k < algorithms.n_kinds; k++) {
        struct loop *one = loop_of(algorithms.kinds[k], twice, 1, N_SAMPLES);
        struct loop *two = loop_of(algorithms.kinds[k], twice, 2, N_SAMPLES);
        run(one, ROUNDS, false);
        run(two, ROUNDS, false);
        for (size_t i = 0; i < loop_n_parameters(one); i++)
            cr_assert_float_eq((double)loop_parameters(one)[i], (double)loop_parameters(two)[i], 1e-6, "%s",
                               algorithms.kinds[k]->name);
        loop_free(one);
        loop_free(two);
    }
}

static bool always(void *user)
{
    return true;
}

Test(algorithms, stop_when_told)
{
    for (size_t k = 0; k < algorithms.n_kinds; k++) {
        struct loop *loop = loop_of(algorithms.kinds[k], toy.parts, N_LEARNERS, 8);
        struct learner_result result;
        loop_set_stop(loop, always, NULL);
        cr_assert_eq(loop_learn(loop, 0, &result, NULL), STATUS_CANCELLED, "%s", algorithms.kinds[k]->name);
        loop_free(loop);
    }
}

// training.optimizer and schedule as the loop resolves them are its own; these are plain.
static const struct training_options *plain_training(struct arena *arena, struct document *document)
{
    static struct training_options training;
    const char *yaml = "{optimizer: {kind: sgd, learning_rate: 0.2}}";
    memset(&training, 0, sizeof training);
    cr_assert_eq(document_parse(document, yaml, strlen(yaml), "test", NULL), STATUS_OK);
    cr_assert_eq(fields_read(training_fields, document->root, &training, arena, NULL), STATUS_OK);
    return &training;
}

Test(algorithms, reupdate_ranges_in_any_order_as_the_whole)
{
    enum { N = 5000, PIECE = 700 };
    static float current[N], whole[N], pieces[N];
    struct arena arena = ARENA_INIT;
    struct document document = DOCUMENT_INIT;
    struct reupdate_step step = {.training = plain_training(&arena, &document), .round = 2, .rounds = 5};
    struct random random = random_open((struct random_key){.seed = 1, .purpose = RANDOM_TEST});
    for (size_t i = 0; i < N; i++) {
        current[i] = random_float(&random);
        whole[i] = pieces[i] = random_float(&random);
    }
    for (size_t k = 0; k < algorithms.n_kinds; k++) {
        const struct algorithm_kind *algorithm = (const struct algorithm_kind *)algorithms.kinds[k];
        algorithm->reupdate(&step, 0, N, current, whole);
        for (size_t at = N / PIECE * PIECE + PIECE; at > 0;) {
            at -= PIECE;
            size_t n = PIECE < N - at ? PIECE : N - at;
            algorithm->reupdate(&step, at, n, current + at, pieces + at);
        }
        cr_assert_eq(memcmp(whole, pieces, sizeof whole), 0, "%s", algorithm->kind.name);
    }
    arena_release(&arena);
    document_release(&document);
}
