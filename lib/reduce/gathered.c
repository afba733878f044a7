#include "reduce/gathered.h"
#include "base/kernel.h"
#include "base/memory.h"
#include "base/pool.h"
#include "reduce/distance.h"
#include <math.h>
#include <stdatomic.h>
#include <string.h>

void gathered_share_out(const struct gathered *gathered, size_t n,
                        void (*body)(void *user, size_t first, size_t n), void *user)
{
    if (gathered->settling.pool) {
        pool_for(gathered->settling.pool, n, 1, body, user);
        return;
    }
    for (size_t i = 0; i < n; i++)
        body(user, i, 1);
}

// ---- passes ---------------------------------------------------------------------------------------------

enum { PASS_FLOATS = 1 << 20, COLUMNS_MAX = 1 << 15, COLUMNS_MIN = 1 << 8 };

struct pass {
    const struct gathered *gathered;
    size_t columns, offset, n;
    float *scratch; // [n_rows, columns]
    float *zeros;   // [columns]
    float **rows;   // [n_rows], into scratch
    atomic_flag failed;
    struct error error; // of the first that failed
};

static void load_row(void *user, size_t first, size_t n)
{
    struct pass *pass = user;
    struct error error = ERROR_INIT;
    (void)n;
    enum status status = rows_read(pass->gathered->rows, pass->gathered->row[first], pass->offset, pass->n,
                                   pass->rows[first], &error);
    if (status != STATUS_OK && !atomic_flag_test_and_set(&pass->failed))
        pass->error = error;
}

static const float *reference_at(const struct pass *pass)
{
    const struct settling *settling = &pass->gathered->settling;
    return pass->offset < settling->n_reference ? settling->reference + pass->offset : pass->zeros;
}

// As many columns from the offset as a tile has; none straddles the end of the reference.
static size_t columns_at(const struct pass *pass)
{
    size_t end = pass->gathered->settling.n_reference;
    if (pass->offset >= end)
        end = pass->gathered->n_values;
    return end - pass->offset < pass->columns ? end - pass->offset : pass->columns;
}

static enum status run_pass(struct pass *pass, void (*visit)(void *user, const struct tile *tile), void *user,
                            struct error *error)
{
    const struct gathered *gathered = pass->gathered;
    for (; pass->offset < gathered->n_values; pass->offset += pass->n) {
        pass->n = columns_at(pass);
        gathered_share_out(gathered, gathered->n_rows, load_row, pass);
        if (pass->error.status != STATUS_OK) {
            if (error)
                *error = pass->error;
            return pass->error.status;
        }
        const struct tile tile = {
            .n_rows = gathered->n_rows,
            .n = pass->n,
            .rows = pass->rows,
            .shares = gathered->shares,
            .rest = gathered->rest,
            .reference = reference_at(pass),
        };
        visit(user, &tile);
    }
    return STATUS_OK;
}

size_t gathered_columns(const struct gathered *gathered)
{
    size_t columns = PASS_FLOATS / gathered->n_rows;
    columns = columns < COLUMNS_MIN ? COLUMNS_MIN : columns > COLUMNS_MAX ? COLUMNS_MAX : columns;
    return columns < gathered->n_values ? columns : gathered->n_values;
}

enum status gathered_pass(const struct gathered *gathered, void (*visit)(void *user, const struct tile *tile),
                          void *user, struct error *error)
{
    struct pass pass = {
        .gathered = gathered, .columns = gathered_columns(gathered), .failed = ATOMIC_FLAG_INIT};
    pass.scratch = memory_floats(pass.columns * gathered->n_rows);
    pass.zeros = memory_floats(pass.columns);
    pass.rows = memory_array(gathered->n_rows, sizeof *pass.rows);
    enum status status;
    if (pass.scratch && pass.zeros && pass.rows) {
        for (size_t i = 0; i < gathered->n_rows; i++)
            pass.rows[i] = pass.scratch + i * pass.columns;
        status = run_pass(&pass, visit, user, error);
    } else {
        status = error_no_memory(error, pass.columns * gathered->n_rows * sizeof(float));
    }
    memory_free(pass.scratch);
    memory_free(pass.zeros);
    memory_free(pass.rows);
    return status;
}

struct comparing {
    const struct gathered *gathered;
    const struct tile *tile;
    double *ret;
};

// Each pair belongs to one call, and tiles come one after the other: every sum has one order.
static void compare_with_earlier(void *user, size_t i, size_t n)
{
    const struct comparing *comparing = user;
    const struct tile *tile = comparing->tile;
    (void)n;
    for (size_t k = 0; k < i; k++)
        comparing->ret[i * comparing->gathered->n_rows + k] +=
            squared_distance(tile->rows[i], tile->rows[k], tile->n);
}

static void compare_with_reference(void *user, size_t i, size_t n)
{
    const struct comparing *comparing = user;
    const struct tile *tile = comparing->tile;
    (void)n;
    comparing->ret[i] += squared_distance(tile->rows[i], tile->reference, tile->n);
}

static void visit_pairs(void *user, const struct tile *tile)
{
    struct comparing *comparing = user;
    comparing->tile = tile;
    gathered_share_out(comparing->gathered, comparing->gathered->n_rows, compare_with_earlier, comparing);
    comparing->tile = NULL;
}

static void visit_norms(void *user, const struct tile *tile)
{
    struct comparing *comparing = user;
    comparing->tile = tile;
    gathered_share_out(comparing->gathered, comparing->gathered->n_rows, compare_with_reference, comparing);
    comparing->tile = NULL;
}

enum status gathered_distances(const struct gathered *gathered, double *ret, struct error *error)
{
    size_t n = gathered->n_rows;
    struct comparing comparing = {.gathered = gathered, .ret = ret};
    memset(ret, 0, n * n * sizeof *ret);
    TRY(gathered_pass(gathered, visit_pairs, &comparing, error));
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            ret[k * n + i] = ret[i * n + k];
    return STATUS_OK;
}

enum status gathered_norms(const struct gathered *gathered, double *ret, struct error *error)
{
    struct comparing comparing = {.gathered = gathered, .ret = ret};
    memset(ret, 0, gathered->n_rows * sizeof *ret);
    TRY(gathered_pass(gathered, visit_norms, &comparing, error));
    for (size_t i = 0; i < gathered->n_rows; i++)
        ret[i] = sqrt(ret[i]);
    return STATUS_OK;
}

// ---- tiles ----------------------------------------------------------------------------------------------

enum { SUM_COLUMNS = 512, SORT_COLUMNS = 64 };

KERNEL
static void add_row(double *restrict sums, const float *restrict row, double share, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sums[i] += share * (double)row[i];
}

void tile_sum(const struct tile *tile, size_t first, size_t n, float *ret)
{
    double sums[SUM_COLUMNS];
    for (size_t at = 0, some; at < n; at += some) {
        some = n - at < SUM_COLUMNS ? n - at : SUM_COLUMNS;
        memset(sums, 0, sizeof sums);
        if (tile->reference && tile->rest != 0)
            add_row(sums, tile->reference + first + at, tile->rest, some);
        for (size_t r = 0; r < tile->n_rows; r++)
            if (tile->shares[r] != 0)
                add_row(sums, tile->rows[r] + first + at, tile->shares[r], some);
        for (size_t i = 0; i < some; i++)
            ret[at + i] = (float)sums[i];
    }
}

// Batcher's merge exchange (Knuth, The Art of Computer Programming 3, 5.2.2, Algorithm M) on whole rows:
// which rows are compared does not depend on the values, so that a vector's lanes sort as many columns at
// once.
KERNEL
static void sort_columns(float *const *rows, size_t n_rows, size_t first, size_t n)
{
    size_t top = 1;
    while (top * 2 < n_rows)
        top *= 2;
    for (size_t p = top; p > 0; p /= 2) {
        size_t q = top, r = 0, d = p;
        for (;;) {
            for (size_t i = 0; i + d < n_rows; i++) {
                if ((i & p) != r)
                    continue;
                float *restrict low = rows[i] + first, *restrict high = rows[i + d] + first;
                for (size_t k = 0; k < n; k++) {
                    float a = low[k], b = high[k];
                    low[k] = b < a ? b : a;
                    high[k] = b < a ? a : b;
                }
            }
            if (q == p)
                break;
            d = q - p;
            q /= 2;
            r = p;
        }
    }
}

void tile_sort(const struct tile *tile)
{
    for (size_t at = 0; at < tile->n && tile->n_rows > 1; at += SORT_COLUMNS)
        sort_columns(tile->rows, tile->n_rows, at, tile->n - at < SORT_COLUMNS ? tile->n - at : SORT_COLUMNS);
}
