#include "base/memory.h"
#include "reduce/rows.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 5000 };

static struct rows *rows_of(size_t n_in_memory, const char *folder)
{
    struct rows *rows = NULL;
    struct error error = ERROR_INIT;
    cr_assert_eq(rows_new(&rows, N, n_in_memory * N * sizeof(float), folder, &error), STATUS_OK, "%s",
                 error.message);
    return rows;
}

static void fill(float values[N], int seed)
{
    for (int i = 0; i < N; i++)
        values[i] = (float)((i * 7 + seed * 13) % 101);
}

static void write_row(struct rows *rows, struct row *row, int seed)
{
    float values[N];
    fill(values, seed);
    cr_assert_eq(rows_write(rows, row, 0, values, 1000, NULL), STATUS_OK);
    cr_assert_eq(rows_write(rows, row, 1000, values + 1000, N - 1000, NULL), STATUS_OK);
}

static void assert_row(const struct rows *rows, const struct row *row, int seed)
{
    float expected[N], values[N];
    fill(expected, seed);
    cr_assert_eq(rows_read(rows, row, 0, N, values, NULL), STATUS_OK);
    cr_assert_arr_eq(values, expected, sizeof values);
    cr_assert_eq(rows_read(rows, row, 4321, 17, values, NULL), STATUS_OK);
    cr_assert_arr_eq(values, expected + 4321, 17 * sizeof values[0]);
}

Test(rows, hold_their_values_in_memory_and_in_the_file)
{
    struct rows *rows = rows_of(2, NULL);
    struct row *row[5];
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(rows_take(rows, true, &row[i], NULL), STATUS_OK);
        write_row(rows, row[i], i);
    }
    for (int i = 0; i < 5; i++)
        assert_row(rows, row[i], i);
    for (int i = 0; i < 5; i++)
        rows_give(rows, row[i]);
    rows_free(rows);
}

Test(rows, given_back_are_used_again)
{
    struct rows *rows = rows_of(1, NULL);
    struct row *first, *second, *third;
    cr_assert_eq(rows_take(rows, true, &first, NULL), STATUS_OK);
    cr_assert_eq(rows_take(rows, true, &second, NULL), STATUS_OK);
    write_row(rows, second, 2);
    rows_give(rows, first);
    cr_assert_eq(rows_take(rows, true, &third, NULL), STATUS_OK);
    cr_assert_eq(third, first);
    write_row(rows, third, 3);
    assert_row(rows, second, 2);
    rows_give(rows, second); // the file is empty now
    cr_assert_eq(rows_take(rows, true, &first, NULL), STATUS_OK);
    cr_assert_eq(first, second);
    write_row(rows, first, 4);
    assert_row(rows, first, 4);
    assert_row(rows, third, 3);
    rows_give(rows, first);
    rows_give(rows, third);
    rows_give(rows, NULL);
    rows_free(rows);
}

Test(rows, stay_out_of_the_file_on_demand)
{
    struct rows *rows = rows_of(1, NULL);
    struct row *first, *second;
    cr_assert_eq(rows_take(rows, false, &first, NULL), STATUS_OK);
    cr_assert_not_null(first);
    cr_assert_eq(rows_take(rows, false, &second, NULL), STATUS_OK);
    cr_assert_null(second);
    rows_give(rows, first);
    rows_free(rows);
}

static unsigned int n_files(const char *folder)
{
    DIR *directory = opendir(folder);
    unsigned int n = 0;
    cr_assert_not_null(directory);
    while (readdir(directory))
        n++;
    closedir(directory);
    return n;
}

Test(rows, leave_no_file_behind)
{
    char folder[] = "/tmp/test-rows-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    struct rows *rows = rows_of(0, folder);
    struct row *row;
    cr_assert_eq(rows_take(rows, true, &row, NULL), STATUS_OK);
    write_row(rows, row, 1);
    cr_assert_eq(n_files(folder), 2, "the file has a name"); // . and ..
    rows_give(rows, row);
    rows_free(rows);
    rmdir(folder);
}

Test(rows, a_folder_that_is_not_there_is_named)
{
    struct rows *rows = rows_of(0, "/nowhere/at/all");
    struct row *row;
    struct error error = ERROR_INIT;
    cr_assert_eq(rows_take(rows, true, &row, &error), STATUS_NOT_FOUND);
    cr_assert(strstr(error.message, "/nowhere/at/all"), "%s", error.message);
    rows_free(rows);
}

Test(rows, what_was_never_written_cannot_be_read)
{
    struct rows *rows = rows_of(0, NULL);
    struct row *row;
    struct error error = ERROR_INIT;
    float values[10];
    cr_assert_eq(rows_take(rows, true, &row, NULL), STATUS_OK);
    cr_assert_neq(rows_read(rows, row, N - 10, 10, values, &error), STATUS_OK);
    cr_assert(strstr(error.message, "read a summary back"), "%s", error.message);
    rows_give(rows, row);
    rows_free(rows);
}

Test(rows, distances_are_the_same_bytes_wherever_a_row_lies)
{
    struct rows *rows = rows_of(1, NULL);
    struct row *in_memory, *in_file;
    float reference[N], values[N];
    cr_assert_eq(rows_take(rows, true, &in_memory, NULL), STATUS_OK);
    cr_assert_eq(rows_take(rows, true, &in_file, NULL), STATUS_OK);
    write_row(rows, in_memory, 5);
    write_row(rows, in_file, 5);
    fill(values, 5);
    fill(reference, 8);
    const size_t n_references[] = {0, 1, 4096, 4321, N};
    for (size_t k = 0; k < ARRAY_SIZE(n_references); k++) {
        double sum = 0, one, other;
        for (size_t i = 0; i < N; i++)
            sum += pow((double)values[i] - (i < n_references[k] ? (double)reference[i] : 0), 2);
        cr_assert_eq(rows_distance(rows, in_memory, reference, n_references[k], &one, NULL), STATUS_OK);
        cr_assert_eq(rows_distance(rows, in_file, reference, n_references[k], &other, NULL), STATUS_OK);
        cr_assert_eq(one, other);
        cr_assert_float_eq(one, sqrt(sum), 1e-9 * sqrt(sum));
    }
    rows_give(rows, in_memory);
    rows_give(rows, in_file);
    rows_free(rows);
}
