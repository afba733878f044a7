#include "base/memory.h"
#include "base/philox.h"
#include "reduce/ring.h"
#include "ring_clone.h"
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { N_RANDOM = 4096 };

// Term by term with the C library's rint: the oracle.
static bool naive_fold(int64_t *sum, const float *x, size_t n, double scale)
{
    for (size_t i = 0; i < n; i++) {
        double term = rint((double)x[i] * (scale * 0x1p36));
        if (!isfinite(term) || fabs(term) >= 0x1p51)
            return false;
        sum[i] += (int64_t)term;
    }
    return true;
}

struct fold {
    const char *name;
    bool (*fold)(int64_t *restrict sum, const void *restrict x, size_t n, double scale);
    void (*mean)(float *restrict mean, const int64_t *restrict sum, size_t n, double total);
};

// Every version that this machine can run.
static size_t folds_here(struct fold ret[4])
{
    size_t n = 0;
    ret[n++] = (struct fold){"dispatched", ring_fold, ring_mean};
#if defined(__x86_64__) && !defined(__clang__) // which does not know the names
    ret[n++] = (struct fold){"baseline", ring_fold_baseline, ring_mean_baseline};
    if (__builtin_cpu_supports("x86-64-v3"))
        ret[n++] = (struct fold){"v3", ring_fold_v3, ring_mean_v3};
    if (__builtin_cpu_supports("x86-64-v4"))
        ret[n++] = (struct fold){"v4", ring_fold_v4, ring_mean_v4};
#endif
    return n;
}

static const float hard[] = {
    // halves of a unit, which go to the even neighbour
    0x1p-37f,
    0x3p-37f,
    0x5p-37f,
    0x7p-37f,
    -0x1p-37f,
    -0x3p-37f,
    -0x5p-37f,
    0x1.000002p-37f,
    0x1.fffffep-38f,
    0x1.8p-36f,
    0x1.7ffffep-36f,
    0x1.800002p-36f,
    -0x1.8p-36f,
    // nothing, and nearly nothing
    0.0f,
    -0.0f,
    FLT_TRUE_MIN,
    -FLT_TRUE_MIN,
    FLT_MIN,
    0x1.fffffcp-127f,
    -FLT_MIN,
    // limits of the range
    0x1.fffffep14f,
    -0x1.fffffep14f,
    0x1.fffffcp14f,
    16384.5f,
    -16384.5f,
    32767.0f,
    -32767.0f,
    // ordinary
    1.0f,
    -1.0f,
    0.1f,
    -0.1f,
    3.14159274f,
    1e-5f,
    -1e-5f,
    0x1.555556p-2f,
};

static size_t make_values(float values[N_RANDOM + ARRAY_SIZE(hard)])
{
    memcpy(values, hard, sizeof hard);
    struct random random = random_open((struct random_key){.seed = 1, .purpose = RANDOM_TEST});
    for (size_t i = 0; i < N_RANDOM; i++) {
        float size = ldexpf(random_float(&random), (int)random_below(&random, 60) - 45);
        values[ARRAY_SIZE(hard) + i] = random_u32(&random) & 1 ? size : -size;
    }
    return ARRAY_SIZE(hard) + N_RANDOM;
}

Test(ring, every_version_folds_hard_cases_as_rint_does)
{
    static float values[N_RANDOM + ARRAY_SIZE(hard)];
    static int64_t expected[ARRAY_SIZE(values)], sum[ARRAY_SIZE(values)];
    size_t n = make_values(values);
    const double scales[] = {1, 0.5, 1.0 / 3, 0.999999999, 0x1p-40, -1, -1.0 / 3};
    struct fold folds[4];
    size_t n_folds = folds_here(folds);
    for (size_t s = 0; s < ARRAY_SIZE(scales); s++)
        for (size_t f = 0; f < n_folds; f++) {
            for (size_t i = 0; i < n; i++)
                expected[i] = sum[i] = (int64_t)i * 7919 - 12345;
            cr_assert(naive_fold(expected, values, n, scales[s]));
            cr_assert(folds[f].fold(sum, values, n, scales[s]));
            for (size_t i = 0; i < n; i++)
                cr_assert_eq(sum[i], expected[i], "%s: %a times %a gives %ld, not %ld", folds[f].name,
                             (double)values[i], scales[s], sum[i], expected[i]);
        }
}

Test(ring, floats_at_any_address_give_the_same_sums)
{
    static float values[N_RANDOM + ARRAY_SIZE(hard)];
    static char received[sizeof values + sizeof(float)];
    static int64_t sum[ARRAY_SIZE(values)], expected[ARRAY_SIZE(values)];
    struct fold folds[4];
    size_t n = make_values(values), n_folds = folds_here(folds);
    for (size_t f = 0; f < n_folds; f++)
        for (size_t shift = 0; shift < sizeof(float); shift++) {
            memcpy(received + shift, values, n * sizeof(float));
            memset(sum, 0, sizeof sum);
            memset(expected, 0, sizeof expected);
            cr_assert(folds[f].fold(sum, received + shift, n, 1.0 / 3));
            cr_assert(naive_fold(expected, values, n, 1.0 / 3));
            cr_assert_eq(memcmp(sum, expected, sizeof sum), 0, "%s, shifted by %zu", folds[f].name, shift);
        }
}

Test(ring, sums_of_rings_add_up_to_the_ring_of_all)
{
    static float values[N_RANDOM + ARRAY_SIZE(hard)];
    static int64_t all[ARRAY_SIZE(values)], left[ARRAY_SIZE(values)], right[ARRAY_SIZE(values)];
    size_t n = make_values(values);
    cr_assert(ring_fold(left, values, n, 0.25) && ring_fold(all, values, n, 0.25));
    cr_assert(ring_fold(left, values, n, -1) && ring_fold(all, values, n, -1));
    cr_assert(ring_fold(right, values, n, 1.0 / 3) && ring_fold(all, values, n, 1.0 / 3));
    cr_assert(ring_add(left, right, n, 1));
    cr_assert_eq(memcmp(left, all, sizeof all), 0);
    ring_take(left, right, n);
    cr_assert(ring_fold(left, values, n, 1) && ring_fold(left, values, n, -0.25));
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(left[i], 0);
}

Test(ring, a_sum_that_so_many_terms_cannot_make_leaves_no_trace)
{
    const int64_t most = (INT64_C(1) << 51) - 1;
    const int64_t too_large[] = {most + 1, -most - 1, INT64_MAX, INT64_MIN};
    int64_t sum[3] = {5, -6, 7}, as_it_was[3] = {5, -6, 7};
    for (size_t i = 0; i < ARRAY_SIZE(too_large); i++) {
        cr_assert_not(ring_add(sum, (int64_t[]){1, too_large[i], most}, 3, 1));
        cr_assert_eq(memcmp(sum, as_it_was, sizeof sum), 0);
    }
    cr_assert(ring_add(sum, (int64_t[]){2 * most, -2 * most, 0}, 3, 2));
    cr_assert_eq(sum[0], 2 * most + 5);
    cr_assert_eq(sum[1], -2 * most - 6);
    cr_assert(ring_add((int64_t[]){0}, (int64_t[]){RING_TERMS_MAX * most}, 1, RING_TERMS_MAX));
}

Test(ring, every_version_divides_alike)
{
    static int64_t sum[N_RANDOM];
    static float mean[N_RANDOM];
    struct random random = random_open((struct random_key){.seed = 2, .purpose = RANDOM_TEST});
    for (size_t i = 0; i < N_RANDOM; i++)
        sum[i] = (int64_t)random_u64(&random) >> random_below(&random, 63);
    sum[0] = INT64_MAX, sum[1] = INT64_MIN, sum[2] = 0, sum[3] = 1, sum[4] = -1;
    struct fold folds[4];
    size_t n_folds = folds_here(folds);
    for (size_t f = 0; f < n_folds; f++) {
        folds[f].mean(mean, sum, N_RANDOM, 10.0 / 3);
        for (size_t i = 0; i < N_RANDOM; i++) {
            float expected = (float)((double)sum[i] * 0x1p-36 / (10.0 / 3));
            cr_assert_eq(memcmp(&mean[i], &expected, sizeof expected), 0, "%s: %ld", folds[f].name, sum[i]);
        }
    }
}

Test(ring, a_bad_term_anywhere_refuses_the_fold_and_leaves_the_sum)
{
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 32768.0f, -32768.0f};
    struct fold folds[4];
    size_t n_folds = folds_here(folds);
    for (size_t f = 0; f < n_folds; f++)
        for (size_t b = 0; b < ARRAY_SIZE(bad); b++)
            for (size_t at = 0; at < 37; at++) {
                float x[37];
                int64_t sum[37];
                for (size_t i = 0; i < 37; i++) {
                    x[i] = (float)i - 18.3f;
                    sum[i] = (int64_t)i;
                }
                x[at] = bad[b];
                cr_assert_not(folds[f].fold(sum, x, 37, 1), "%s took %g", folds[f].name, (double)bad[b]);
                for (size_t i = 0; i < 37; i++)
                    cr_assert_eq(sum[i], (int64_t)i, "%s", folds[f].name);
            }
}

Test(ring, the_range_ends_where_the_rounded_term_would_reach_2_to_the_51)
{
    float x = 1;
    int64_t sum = 0;
    cr_assert_not(ring_fold(&sum, &x, 1, (0x1p51 - 0.5) * 0x1p-36));
    cr_assert_not(ring_fold(&sum, &x, 1, -(0x1p51 - 0.5) * 0x1p-36));
    cr_assert(ring_fold(&sum, &x, 1, (0x1p51 - 0.75) * 0x1p-36));
    cr_assert_eq(sum, (INT64_C(1) << 51) - 1);
    for (int i = 1; i < RING_TERMS_MAX; i++)
        cr_assert(ring_fold(&sum, &x, 1, (0x1p51 - 0.75) * 0x1p-36));
    cr_assert_eq(sum, ((INT64_C(1) << 51) - 1) * RING_TERMS_MAX);
}

Test(ring, check_tells_what_is_wrong_and_where)
{
    float x[] = {1, 2, 3, 4};
    size_t index = 99;
    cr_assert_eq(ring_check(x, 4, 1, &index), RING_FINE);
    cr_assert_eq(index, 99);
    cr_assert_eq(ring_check(x, 4, 10000, &index), RING_OUT_OF_RANGE);
    cr_assert_eq(index, 3);
    x[1] = NAN;
    cr_assert_eq(ring_check(x, 4, 10000, &index), RING_NOT_FINITE);
    cr_assert_eq(index, 1);
    x[0] = INFINITY;
    cr_assert_eq(ring_check(x, 4, 1, NULL), RING_NOT_FINITE);
}

Test(ring, a_fold_of_the_negative_scale_takes_back_exactly)
{
    static float values[N_RANDOM + ARRAY_SIZE(hard)];
    static int64_t sum[ARRAY_SIZE(values)];
    size_t n = make_values(values);
    cr_assert(ring_fold(sum, values, n, 1.0 / 3));
    cr_assert(ring_fold(sum, values, n, -1.0 / 3));
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(sum[i], 0);
}
