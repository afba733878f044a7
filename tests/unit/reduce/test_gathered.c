#include "base/memory.h"
#include "base/philox.h"
#include "base/pool.h"
#include "reduce/gathered.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { N_ROWS = 5, N = 70001, N_REFERENCE = 40000 };

struct fixture {
    struct gathered gathered;
    struct rows *rows;
    struct row *row[N_ROWS];
    float *values[N_ROWS], *reference;
    double shares[N_ROWS];
};

static void fixture_open(struct fixture *fixture)
{
    static const uint64_t weights[N_ROWS] = {1, 2, 3, 4, 5};
    *fixture = (struct fixture){.reference = memory_floats(N)};
    cr_assert_eq(rows_new(&fixture->rows, N, 2 * N * sizeof(float), NULL, NULL), STATUS_OK);
    for (uint32_t r = 0; r < N_ROWS; r++) {
        struct random random = random_open((struct random_key){.learner = r, .purpose = RANDOM_TEST});
        fixture->values[r] = memory_floats(N);
        fixture->shares[r] = 1;
        for (size_t i = 0; i < N; i++)
            fixture->values[r][i] = random_float(&random) - 0.5f;
        cr_assert_eq(rows_take(fixture->rows, true, &fixture->row[r], NULL), STATUS_OK);
        cr_assert_eq(rows_write(fixture->rows, fixture->row[r], 0, fixture->values[r], N, NULL), STATUS_OK);
    }
    for (size_t i = 0; i < N_REFERENCE; i++)
        fixture->reference[i] = 0.125f;
    fixture->gathered = (struct gathered){
        .n_rows = N_ROWS,
        .n_values = N,
        .weights = weights,
        .shares = fixture->shares,
        .settling = {.reference = fixture->reference, .n_reference = N_REFERENCE},
        .rows = fixture->rows,
        .row = fixture->row,
    };
}

static void fixture_close(struct fixture *fixture)
{
    for (size_t r = 0; r < N_ROWS; r++) {
        rows_give(fixture->rows, fixture->row[r]);
        memory_free(fixture->values[r]);
    }
    memory_free(fixture->reference);
    rows_free(fixture->rows);
}

static double distance_of(const float *a, const float *b)
{
    double sum = 0;
    for (size_t i = 0; i < N; i++)
        sum += pow((double)a[i] - (double)b[i], 2);
    return sum;
}

Test(gathered, distances_are_those_of_every_two_rows)
{
    struct fixture fixture;
    double distances[N_ROWS][N_ROWS];
    fixture_open(&fixture);
    cr_assert_eq(gathered_distances(&fixture.gathered, distances[0], NULL), STATUS_OK);
    for (size_t i = 0; i < N_ROWS; i++)
        for (size_t k = 0; k < N_ROWS; k++) {
            double expected = distance_of(fixture.values[i], fixture.values[k]);
            cr_assert_float_eq(distances[i][k], expected, 1e-9 * N, "%zu, %zu", i, k);
        }
    fixture_close(&fixture);
}

Test(gathered, norms_are_around_the_reference_and_beyond_it_around_zero)
{
    struct fixture fixture;
    double norms[N_ROWS];
    fixture_open(&fixture);
    cr_assert_eq(gathered_norms(&fixture.gathered, norms, NULL), STATUS_OK);
    for (size_t i = 0; i < N_ROWS; i++) // the reference's rest is zeros
        cr_assert_float_eq(norms[i], sqrt(distance_of(fixture.values[i], fixture.reference)), 1e-9);
    fixture_close(&fixture);
}

static void visit_none(void *user, const struct tile *tile)
{
    size_t *n = user;
    *n += tile->n;
    cr_assert_not_null(tile->reference);
}

Test(gathered, a_pass_visits_every_column_once_or_fails)
{
    struct fixture fixture;
    size_t n = 0;
    fixture_open(&fixture);
    cr_assert_eq(gathered_pass(&fixture.gathered, visit_none, &n, NULL), STATUS_OK);
    cr_assert_eq(n, N);
    // A row that was never written cannot be read.
    struct error error = ERROR_INIT;
    struct row *kept = fixture.row[4];
    cr_assert_eq(rows_take(fixture.rows, true, &fixture.row[4], NULL), STATUS_OK);
    cr_assert_neq(gathered_pass(&fixture.gathered, visit_none, &n, &error), STATUS_OK);
    cr_assert_neq(error.status, STATUS_OK);
    rows_give(fixture.rows, kept);
    fixture_close(&fixture);
}

static int compare(const void *left, const void *right)
{
    float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

Test(gathered, columns_of_any_height_are_sorted)
{
    enum { ROWS_MAX = 70, COLUMNS = 131 };
    static float values[ROWS_MAX][COLUMNS], expected[COLUMNS][ROWS_MAX];
    float *rows[ROWS_MAX];
    struct random random = random_open((struct random_key){.purpose = RANDOM_TEST});
    for (size_t n_rows = 1; n_rows <= ROWS_MAX; n_rows++) {
        for (size_t r = 0; r < n_rows; r++) {
            rows[r] = values[r];
            for (size_t c = 0; c < COLUMNS; c++) // with many equal ones
                expected[c][r] = values[r][c] = (float)random_below(&random, 40) - 20;
        }
        tile_sort(&(const struct tile){.n_rows = n_rows, .n = COLUMNS, .rows = rows});
        for (size_t c = 0; c < COLUMNS; c++) {
            qsort(expected[c], n_rows, sizeof(float), compare);
            for (size_t r = 0; r < n_rows; r++)
                cr_assert_eq(values[r][c], expected[c][r], "%zu rows, column %zu", n_rows, c);
        }
    }
}

Test(gathered, sums_are_by_shares_and_with_what_the_reference_counts_for)
{
    enum { COLUMNS = 1300 };
    float first[COLUMNS], second[COLUMNS], reference[COLUMNS], sum[COLUMNS];
    float *rows[] = {first, second};
    const double shares[] = {0.5, 0.25};
    for (size_t c = 0; c < COLUMNS; c++) {
        first[c] = (float)c;
        second[c] = -(float)(2 * c);
        reference[c] = 8;
    }
    struct tile tile = {
        .n_rows = 2, .n = COLUMNS, .rows = rows, .shares = shares, .rest = 0.25, .reference = reference};
    tile_sum(&tile, 0, COLUMNS, sum);
    for (size_t c = 0; c < COLUMNS; c++)
        cr_assert_eq(sum[c], 2.0f);
    tile.reference = NULL;
    tile_sum(&tile, 7, 1000, sum);
    cr_assert_eq(sum[999], 0.0f);
}
