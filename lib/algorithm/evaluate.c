#include "algorithm/evaluate.h"
#include "algorithm/local.h"

enum status evaluate(const struct model *model, struct workspace *workspace, size_t max_batch,
                     const float *parameters, const struct part *part, struct evaluation *ret,
                     struct error *error)
{
    if (part->n_samples == 0)
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "there are no samples to evaluate on: give some data");
    struct batch batch = BATCH_INIT;
    struct tally tally = {0};
    TRY(batch_init(&batch, part, max_batch, error));
    for (size_t first = 0; first < part->n_samples; first += max_batch) {
        size_t n = part->n_samples - first < max_batch ? part->n_samples - first : max_batch;
        batch_load(&batch, part, NULL, first, n);
        const float *outputs = model_forward(model, workspace, parameters, batch.features, n);
        double loss = model_loss(model, outputs, &batch.targets, n);
        tally_add(&tally, model, &batch, n, loss, outputs);
    }
    *ret =
        (struct evaluation){part->n_samples, tally_loss(&tally), tally_accuracy(&tally, batch.targets.type)};
    batch_release(&batch);
    return STATUS_OK;
}
