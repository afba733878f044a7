#include "toy.h"
#include "base/memory.h"
#include "base/philox.h"
#include <math.h>

static void draw(struct dataset *dataset, enum toy_targets targets)
{
    struct random random = random_open((struct random_key){.seed = 7, .purpose = RANDOM_DATA});
    size_t n_features = dataset->sample.extents[0], n_outputs = dataset->n_outputs;
    for (size_t i = 0; i < dataset->n_samples; i++) {
        double sum = 0;
        for (size_t k = 0; k < n_features; k++)
            sum += dataset->features[i * n_features + k] = (float)random_normal(&random);
        for (size_t k = 0; k < n_outputs && targets != TOY_CLASSES; k++) {
            double value = sum * (double)(k + 1) / 2 + random_normal(&random);
            dataset->values[i * n_outputs + k] = (float)(targets == TOY_ZERO_OR_ONE ? value > 0 : value);
        }
        double class = floor(sum + random_normal(&random) + (double)n_outputs / 2);
        if (targets == TOY_CLASSES)
            dataset->classes[i] = (int32_t)fmin(fmax(class, 0), (double)n_outputs - 1);
    }
}

static void deal(struct toy *toy)
{
    size_t n = toy->dataset.n_samples, first = 0, shares = 0;
    size_t total = toy->n_learners * (toy->n_learners + 1) / 2;
    for (size_t i = 0; i < n; i++)
        toy->rows[i] = (uint32_t)i;
    struct random random = random_open((struct random_key){.seed = 7, .purpose = RANDOM_PARTITION});
    random_shuffle(&random, toy->rows, n);
    for (size_t i = 0; i < toy->n_learners; i++) {
        shares += i + 1;
        size_t end = n * shares / total;
        toy->parts[i] = (struct part){&toy->dataset, toy->rows + first, end - first};
        first = end;
    }
    toy->all = (struct part){&toy->dataset, toy->rows, n};
}

enum status toy_init(struct toy *ret, enum toy_targets targets, size_t n_samples, size_t n_features,
                     size_t n_outputs, size_t n_learners, struct error *error)
{
    bool classes = targets == TOY_CLASSES;
    *ret = (struct toy){
        .dataset = {.n_samples = n_samples,
                    .sample = {.rank = 1, .extents = {n_features}},
                    .features = memory_array(n_samples * n_features, sizeof(float)),
                    .target_type = classes ? TARGET_CLASS : TARGET_VALUES,
                    .n_outputs = n_outputs,
                    .classes = classes ? memory_array(n_samples, sizeof(int32_t)) : NULL,
                    .values = classes ? NULL : memory_array(n_samples * n_outputs, sizeof(float))},
        .rows = memory_array(n_samples, sizeof(uint32_t)),
        .n_learners = n_learners,
    };
    const struct dataset *dataset = &ret->dataset;
    if (!dataset->features || !(classes ? (void *)dataset->classes : (void *)dataset->values) || !ret->rows) {
        toy_release(ret);
        return error_no_memory(error, n_samples * n_features * sizeof(float));
    }
    draw(&ret->dataset, targets);
    deal(ret);
    return STATUS_OK;
}

void toy_release(struct toy *toy)
{
    dataset_release(&toy->dataset);
    toy->rows = memory_free(toy->rows);
}
