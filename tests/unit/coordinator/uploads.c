#include "uploads.h"
#include "base/memory.h"
#include "base/philox.h"
#include <criterion/criterion.h>
#include <string.h>

float expected[N], found[N], values[N];

static struct ingest *open_with(const char *reducer, size_t buffer_bytes)
{
    struct ingest *ingest = NULL;
    const struct choice choice = {.kind = registry_find(&reducers, reducer)};
    const struct reduction_room room = {.memory_bytes = buffer_bytes};
    struct error error = ERROR_INIT;
    cr_assert_eq(ingest_new(&ingest, &choice, N, &room, &error), STATUS_OK, "%s", error.message);
    ingest_reset(ingest, 10);
    return ingest;
}

struct ingest *open_ingest(size_t buffer_bytes)
{
    return open_with("mean", buffer_bytes);
}

struct ingest *open_gathering(size_t buffer_bytes)
{
    return open_with("median", buffer_bytes);
}

void draw(float ret[N], uint32_t learner)
{
    struct random random = random_open((struct random_key){.learner = learner, .purpose = RANDOM_TEST});
    for (size_t i = 0; i < N; i++)
        ret[i] = random_float(&random) - 0.5f;
}

struct upload *begin(struct ingest *ingest, uint64_t weight)
{
    struct upload *upload = NULL;
    const struct contribution from = {.weight = weight, .discount = 1};
    cr_assert_eq(upload_new(&upload, ingest, &from, NULL), STATUS_OK);
    return upload;
}

bool take_all(struct upload *upload, const float summary[N], size_t step)
{
    const uint8_t *bytes = (const uint8_t *)summary;
    cleanup_free uint8_t *run = memory_alloc(step + 1);
    for (size_t at = 0; at < N * sizeof(float); at += step) {
        size_t n = N * sizeof(float) - at < step ? N * sizeof(float) - at : step;
        memcpy(run + 1, bytes + at, n);
        if (!upload_take(upload, at, run + 1, n))
            return false;
    }
    return true;
}

void submit(struct ingest *ingest, uint32_t learner, uint64_t weight, size_t step)
{
    static float summary[N];
    struct error error = ERROR_INIT;
    draw(summary, learner);
    struct upload *upload = begin(ingest, weight);
    cr_assert(take_all(upload, summary, step));
    cr_assert_eq(upload_finish(upload, &error), STATUS_OK, "%s", error.message);
    cr_assert_not(upload_free(upload));
}

void finish(struct ingest *ingest, float ret[N])
{
    cr_assert_eq(reduction_finish(ingest_reduction(ingest), 0, N, ret, NULL), STATUS_OK);
}

void assert_same(const float *a, const float *b)
{
    cr_assert_eq(memcmp(a, b, N * sizeof *a), 0);
}

void expect_of_three(void)
{
    struct ingest *ingest = open_ingest(HELD);
    for (uint32_t learner = 0; learner < 3; learner++)
        submit(ingest, learner, 5 + learner, N * sizeof(float));
    finish(ingest, expected);
    ingest_unref(ingest);
}

struct upload *begin_of(struct ingest *ingest, uint32_t source)
{
    struct upload *upload = NULL;
    const struct contribution from = {.source = source, .weight = 5, .discount = 1};
    cr_assert_eq(upload_new(&upload, ingest, &from, NULL), STATUS_OK);
    return upload;
}

void finish_gathered(struct ingest *ingest, float ret[N])
{
    const struct settling settling = {0};
    cr_assert_eq(reduction_settle(ingest_reduction(ingest), &settling, NULL), STATUS_OK);
    finish(ingest, ret);
}
