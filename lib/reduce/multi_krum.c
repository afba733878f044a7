// Multi-Krum (Blanchard, El Mhamdi, Guerraoui, Stainer 2017, "Machine learning with adversaries: Byzantine
// tolerant gradient descent", Section 4): the plain mean of the m summaries with Krum's lowest scores.
// m = n - f - 2 is the most for which El Mhamdi, Guerraoui and Rouault (2018) show that f bad ones among
// n >= 2f + 3 do no harm. Numbers of samples do not count.
#include "reduce/nearest.h"
#include <string.h>

struct multi_krum {
    int64_t byzantine, keep;
};

static const struct field multi_krum_fields[] = {
    {.name = "byzantine",
     .type = FIELD_INT,
     .offset = offsetof(struct multi_krum, byzantine),
     .fallback = "1",
     .max = NEAREST_ROWS_MAX,
     .help = "Bad summaries of a round to stand, f: it needs 2f + 3 summaries"},
    {.name = "keep",
     .type = FIELD_INT,
     .offset = offsetof(struct multi_krum, keep),
     .fallback = "0",
     .max = NEAREST_ROWS_MAX,
     .help = "Summaries whose mean is taken, at most n - f; 0: n - f - 2"},
    {0},
};

static enum status multi_krum_check_learners(const void *options, size_t least, size_t most,
                                             struct error *error)
{
    const struct multi_krum *multi = options;
    TRY(nearest_check("multi_krum", multi->byzantine, 2, least, most, error));
    if (multi->keep <= (int64_t)least - multi->byzantine)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "multi_krum cannot keep '%lld' of %zu summaries with byzantine %lld: a bad one would be "
                     "among them; lower keep, or raise collaboration.participation.minimum",
                     (long long)multi->keep, least, (long long)multi->byzantine);
}

static enum status multi_krum_settle(const void *options, struct gathered *gathered, struct error *error)
{
    const struct multi_krum *multi = options;
    size_t n = gathered->n_rows, n_bad = (size_t)multi->byzantine;
    size_t n_kept = multi->keep ? (size_t)multi->keep : n - n_bad - 2;
    struct nearest nearest = {0};
    enum status status = nearest_init(&nearest, gathered, error);
    if (status == STATUS_OK) {
        double *scores = gathered->shares; // until they are chosen by
        for (size_t i = 0; i < n; i++)
            scores[i] = nearest_score(&nearest, i, n_bad);
        for (size_t kept = 0; kept < n_kept; kept++) {
            size_t best = n;
            for (size_t i = 0; i < n; i++)
                if (!nearest.gone[i] && (best == n || scores[i] < scores[best]))
                    best = i;
            nearest_remove(&nearest, best);
        }
        for (size_t i = 0; i < n; i++)
            gathered->shares[i] = nearest.gone[i] ? 1 / (double)n_kept : 0;
    }
    nearest_release(&nearest);
    return status;
}

static void multi_krum_combine(const void *options, const struct tile *tile, float *ret)
{
    (void)options;
    tile_sum(tile, 0, tile->n, ret);
}

const struct reducer_kind reducer_multi_krum = {
    .kind = {.name = "multi_krum",
             .help = "The mean of the summaries that lie nearest to their neighbours",
             .fields = multi_krum_fields,
             .options_bytes = sizeof(struct multi_krum)},
    .check_learners = multi_krum_check_learners,
    .settle = multi_krum_settle,
    .combine = multi_krum_combine,
};
