#include "reduce/nearest.h"
#include <criterion/criterion.h>
#include <string.h>

// Points on a line: 0, 1, 3, 7, 100.
static const float points[] = {0, 1, 3, 7, 100};
enum { N = 5 };

static void open_line(struct nearest *nearest)
{
    struct rows *rows = NULL;
    struct row *row[N];
    uint64_t weights[N] = {1, 1, 1, 1, 1};
    double shares[N] = {1, 1, 1, 1, 1};
    cr_assert_eq(rows_new(&rows, 1, 1024, NULL, NULL), STATUS_OK);
    for (size_t i = 0; i < N; i++) {
        cr_assert_eq(rows_take(rows, true, &row[i], NULL), STATUS_OK);
        cr_assert_eq(rows_write(rows, row[i], 0, &points[i], 1, NULL), STATUS_OK);
    }
    const struct gathered gathered = {
        .n_rows = N, .n_values = 1, .weights = weights, .shares = shares, .rows = rows, .row = row};
    cr_assert_eq(nearest_init(nearest, &gathered, NULL), STATUS_OK);
    for (size_t i = 0; i < N; i++)
        rows_give(rows, row[i]);
    rows_free(rows);
}

Test(nearest, scores_are_sums_of_squares_to_the_nearest)
{
    struct nearest nearest;
    open_line(&nearest);
    cr_assert_eq(nearest_score(&nearest, 0, 1), 1 + 9); // 5 - 1 - 2 neighbours
    cr_assert_eq(nearest_score(&nearest, 1, 1), 1 + 4);
    cr_assert_eq(nearest_score(&nearest, 2, 1), 4 + 9);
    cr_assert_eq(nearest_score(&nearest, 3, 1), 16 + 36);
    cr_assert_eq(nearest_score(&nearest, 3, 0), 16 + 36 + 49);
    cr_assert_eq(nearest_best(&nearest, 1), 1);
    nearest_release(&nearest);
}

Test(nearest, those_removed_count_no_more)
{
    struct nearest nearest;
    open_line(&nearest);
    nearest_remove(&nearest, 1);
    cr_assert_eq(nearest.n_left, 4);
    cr_assert_eq(nearest_score(&nearest, 0, 1), 9); // 4 - 1 - 2 neighbours
    cr_assert_eq(nearest_best(&nearest, 1), 0, "of two equal ones the earlier");
    nearest_remove(&nearest, 0);
    nearest_remove(&nearest, 3);
    cr_assert_eq(nearest_score(&nearest, 2, 1), 97.0 * 97.0, "one neighbour counts at least");
    nearest_release(&nearest);
}

Test(nearest, numbers_of_summaries_are_checked)
{
    struct error error = ERROR_INIT;
    cr_assert_eq(nearest_check("krum", 2, 2, 7, 10, &error), STATUS_OK);
    cr_assert_eq(nearest_check("krum", 2, 2, 6, 10, &error), STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, "needs 7 summaries a round, not 6"), "%s", error.message);
    cr_assert_eq(nearest_check("krum", 0, 2, 3, NEAREST_ROWS_MAX + 1, &error), STATUS_INVALID_ARGUMENT);
    cr_assert(strstr(error.message, "at most 1024"), "%s", error.message);
}
