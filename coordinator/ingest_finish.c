// The end of an upload: whatever was held back is looked at and folded.
#include "coordinator/ingest_impl.h"
#include "reduce/distance.h"
#include <math.h>
#include <string.h>

enum { TILE = TILE_BYTES / sizeof(float) };

static size_t tile_at(const struct upload *upload, size_t at)
{
    return upload->ingest->n_values - at < TILE ? upload->ingest->n_values - at : TILE;
}

// A tile of a summary that is coded, or waits, or is held as it came.
static enum status read_tile(const struct upload *upload, size_t at, size_t n, float *ret,
                             struct error *error)
{
    if (upload->waiting)
        return rows_read(upload->ingest->waiting, upload->waiting, at, n, ret, error);
    if (upload->base)
        coder_decode(&upload->coder, upload->held, at, n, ret);
    else
        memcpy(ret, (const float *)upload->held + at, n * sizeof(float));
    return STATUS_OK;
}

// ---- the norm -------------------------------------------------------------------------------------------

static enum status measure(const struct upload *upload, double *ret, struct error *error)
{
    const struct ingest *ingest = upload->ingest;
    const float *around = upload->around ? upload->around->values : NULL;
    float tile[TILE];
    double sum = 0;
    if (!upload->held && !upload->waiting)
        return reduction_distance(ingest->reduction, &upload->from, around, upload->n_around, ret, error);
    for (size_t at = 0; at < ingest->n_values; at += TILE) {
        size_t n = tile_at(upload, at);
        TRY(read_tile(upload, at, n, tile, error));
        sum += squared_distance_at(tile, at, n, around, upload->n_around);
    }
    *ret = sqrt(sum);
    return STATUS_OK;
}

_Static_assert((int)TILE == (int)DISTANCE_TILE, "a distance is the same bytes whatever reads the values");

// What is not finite is for the reduction to tell.
static enum status check_norm(const struct upload *upload, struct error *error)
{
    double norm = 0, max_norm = upload->ingest->max_norm;
    if (!upload_is_bounded(upload))
        return STATUS_OK;
    TRY(measure(upload, &norm, error));
    if (!isfinite(norm) || norm <= max_norm)
        return STATUS_OK;
    return error_set(
        error, STATUS_FAILED_PRECONDITION,
        "the summary lies '%g' from %s, more than collaboration.max_norm, %g; train with a smaller "
        "learning rate or clip_norm, or raise max_norm",
        norm, upload->around ? "the round's model" : "zero", max_norm);
}

// ---- folding --------------------------------------------------------------------------------------------

// Takes the tiles before value `end` out again. False when that is not possible.
static bool unfold_tiles(const struct upload *upload, size_t end)
{
    float tile[TILE];
    if (upload->ingest->gathers)
        return reduction_forget(upload->ingest->reduction, &upload->from);
    for (size_t at = 0; at < end; at += TILE) {
        size_t n = tile_at(upload, at);
        if (read_tile(upload, at, n, tile, NULL) != STATUS_OK)
            return false;
        reduction_unfold(upload->ingest->reduction, at, tile, n, &upload->from);
    }
    return true;
}

static enum status fold_tiles(struct upload *upload, struct error *error)
{
    float tile[TILE];
    for (size_t at = 0; at < upload->ingest->n_values; at += TILE) {
        size_t n = tile_at(upload, at);
        enum status status = read_tile(upload, at, n, tile, error);
        if (status == STATUS_OK)
            status = upload_fold(upload, at, tile, n, error);
        if (status != STATUS_OK) {
            upload->folded = !unfold_tiles(upload, at);
            return status;
        }
    }
    return STATUS_OK;
}

static enum status fold_held_back(struct upload *upload, struct error *error)
{
    if (upload->base)
        TRY(coder_check(&upload->coder, upload->held, error));
    TRY(check_norm(upload, error));
    if (upload->base || upload->waiting)
        return fold_tiles(upload, error);
    return upload->held ? upload_fold(upload, 0, upload->held, upload->ingest->n_values, error) : STATUS_OK;
}

enum status upload_finish(struct upload *upload, struct error *error)
{
    struct ingest *ingest = upload->ingest;
    if (upload->received != upload->whole_bytes)
        return error_set(error, STATUS_DATA_LOSS, "only %llu of %zu bytes came; send the summary again",
                         (unsigned long long)upload->received, upload->whole_bytes);
    if (!upload_enter(upload))
        return error_set(error, STATUS_ABORTED,
                         "the round's collection was started over; send the summary again");
    enum status status = fold_held_back(upload, error);
    if (status == STATUS_OK) {
        if (upload->n_summaries)
            reduction_count_sums(ingest->reduction, upload->n_summaries, upload->from.weight);
        else
            reduction_count(ingest->reduction, &upload->from);
        upload->finished = true;
    }
    upload_leave(upload);
    return status;
}
