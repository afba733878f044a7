// Windows that the pools' tests go through: sides that divide and that leave rows over, gaps and overlaps.
#pragma once

#include "layer_fixture.h"

struct pool_geometry {
    size_t channels, height, width, batch;
    int64_t size[2], stride[2];
};

static const struct pool_geometry pool_geometries[] = {
    {1, 4, 4, 1, {2, 2}, {2, 2}},   {32, 28, 28, 2, {2, 2}, {2, 2}}, {3, 7, 9, 3, {2, 2}, {2, 2}},
    {2, 9, 8, 2, {3, 2}, {3, 2}},   {5, 11, 10, 1, {3, 3}, {2, 2}},  {4, 6, 7, 2, {2, 3}, {1, 1}},
    {2, 12, 13, 2, {2, 1}, {4, 3}}, {1, 5, 5, 3, {5, 5}, {5, 5}},    {3, 8, 40, 1, {1, 2}, {2, 2}},
};

static inline void open_pool(struct layer_fixture *fixture, const struct layer_kind *kind,
                             const struct pool_geometry *g)
{
    const struct option options[] = {
        {"size", 2, {g->size[0], g->size[1]}}, {"stride", 2, {g->stride[0], g->stride[1]}}, {0}};
    fixture_open(fixture, kind, options, (struct shape){3, {g->channels, g->height, g->width}}, g->batch);
    size_t rows = (g->height - (size_t)g->size[0]) / (size_t)g->stride[0] + 1;
    size_t columns = (g->width - (size_t)g->size[1]) / (size_t)g->stride[1] + 1;
    cr_assert(shape_equal(&fixture->plan.output, &(struct shape){3, {g->channels, rows, columns}}));
}

// The index in the whole batch's input of tap (i, j) of output `out`.
static inline size_t pool_input(const struct layer_fixture *fixture, const struct pool_geometry *g,
                                size_t out, size_t i, size_t j)
{
    size_t rows = fixture->plan.output.extents[1], columns = fixture->plan.output.extents[2];
    size_t plane = out / columns / rows, y = out / columns % rows, x = out % columns;
    return (plane * g->height + y * (size_t)g->stride[0] + i) * g->width + x * (size_t)g->stride[1] + j;
}
