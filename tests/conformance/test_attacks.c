// Every attack: it spoils something, the same again for the same seed, and stays within what can be sent.
#include "base/memory.h"
#include "base/philox.h"
#include "simulation/attack.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 1000, N_LEARNERS = 10 };

static float reference[N], honest[N];

static void make_summary(void)
{
    struct random random = random_open((struct random_key){.seed = 9, .purpose = RANDOM_TEST});
    for (size_t i = 0; i < N; i++) {
        reference[i] = random_float(&random) - 0.5f;
        honest[i] = reference[i] + 0.1f * (random_float(&random) - 0.5f);
    }
}

TestSuite(attacks, .init = make_summary);

struct fixture {
    struct document document;
    struct arena arena;
    struct benign benign;
    void *options;
};

static void open_fixture(struct fixture *fixture, const struct kind *kind)
{
    struct error error = ERROR_INIT;
    *fixture = (struct fixture){.arena = ARENA_INIT};
    fixture->options = arena_alloc(&fixture->arena, kind->options_bytes);
    cr_assert_eq(fields_read(kind->fields, NULL, fixture->options, &fixture->arena, &error), STATUS_OK, "%s",
                 error.message);
    ((struct attack_options *)fixture->options)->chosen.learners = 3;
    cr_assert_eq(benign_open(&fixture->benign, N, NULL), STATUS_OK);
    benign_add(&fixture->benign, honest);
    benign_add(&fixture->benign, reference);
}

static void close_fixture(struct fixture *fixture)
{
    benign_close(&fixture->benign);
    arena_release(&fixture->arena);
}

static void attack(const struct attack_kind *kind, const struct fixture *fixture, uint32_t round, float *ret)
{
    const struct attack_step step = {.options = fixture->options,
                                     .seed = 3,
                                     .learner = 8,
                                     .n_learners = N_LEARNERS,
                                     .round = round,
                                     .reference = reference,
                                     .benign = kind->colludes ? &fixture->benign : NULL};
    memcpy(ret, honest, sizeof honest);
    kind->summary(&step, ret, N);
}

Test(attacks, spoil_summaries_the_same_again_with_values_that_can_be_sent)
{
    for (size_t k = 0; k < attacks.n_kinds; k++) {
        const struct attack_kind *kind = (const struct attack_kind *)(const void *)attacks.kinds[k];
        struct fixture fixture;
        float first[N], second[N];
        if (!kind->summary)
            continue;
        open_fixture(&fixture, &kind->kind);
        attack(kind, &fixture, 1, first);
        attack(kind, &fixture, 1, second);
        cr_assert_eq(memcmp(first, second, sizeof first), 0, "%s differs", kind->kind.name);
        cr_assert_neq(memcmp(first, honest, sizeof first), 0, "%s does nothing", kind->kind.name);
        for (size_t i = 0; i < N; i++)
            cr_assert(isfinite(first[i]) && fabsf(first[i]) < 100, "%s sends %g", kind->kind.name,
                      (double)first[i]);
        close_fixture(&fixture);
    }
}

Test(attacks, spoil_labels_within_the_classes)
{
    for (size_t k = 0; k < attacks.n_kinds; k++) {
        const struct attack_kind *kind = (const struct attack_kind *)(const void *)attacks.kinds[k];
        size_t n_changed = 0;
        cr_assert(kind->label || kind->summary, "%s spoils nothing", kind->kind.name);
        if (!kind->label)
            continue;
        for (int32_t label = 0; label < 7; label++) {
            int32_t spoilt = kind->label(label, 7);
            cr_assert(spoilt >= 0 && spoilt < 7, "%s makes %d of %d", kind->kind.name, spoilt, label);
            n_changed += spoilt != label;
        }
        cr_assert_gt(n_changed, 3, "%s", kind->kind.name);
    }
}

Test(attacks, have_options_that_begin_with_whom)
{
    for (size_t k = 0; k < attacks.n_kinds; k++) {
        const struct kind *kind = attacks.kinds[k];
        cr_assert_geq(kind->options_bytes, sizeof(struct attack_options));
        cr_assert_str_eq(kind->fields[0].name, "learners");
        cr_assert_eq(kind->fields[0].offset, offsetof(struct attack_options, chosen.learners));
        cr_assert_eq(kind->fields[1].offset, offsetof(struct attack_options, chosen.numbers));
    }
}
