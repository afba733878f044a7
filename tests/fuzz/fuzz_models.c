// Models as a coordinator sends them to a learner, with assignments and in pieces. Bytes: which downlink
// codec the experiment has; then models, each with what is told of it and its bytes. What is taken is the
// same however it is cut, and whatever is told, a model that is sent as it is can be taken afterwards.
#include "base/log.h"
#include "base/memory.h"
#include "fuzz.h"
#include "learner/host.h"
#include <stdio.h>
#include <string.h>

enum { PIECE = 5, MODEL_BYTES_MAX = 1 << 16 };

static const char *const downlinks[] = {
    "f32",
    "int8",
    "{kind: delta, codec: {kind: top_k, fraction: 0.2}}",
    "{kind: delta, codec: int4}",
    "{kind: delta, codec: sign}",
    "{kind: delta, codec: low_rank}",
    "f16",
};

static struct learner_options options;
static struct host host = {.options = &options, .n_learners = 1, .lock = PTHREAD_MUTEX_INITIALIZER};

static struct study *study_of(size_t index)
{
    static const struct shape sample = {.rank = 1, .extents = {4}};
    char yaml[512];
    struct study *study = NULL;
    struct variant *variant = NULL;
    struct error error = ERROR_INIT;
    snprintf(yaml, sizeof yaml,
             "name: fuzz\nmodel: {layers: [dense: {units: 3}], loss: cross_entropy}\n"
             "training: {optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 4}\n"
             "collaboration: {algorithm: fedavg, downlink: %s, learners: 2, rounds: 9}\n",
             downlinks[index]);
    enum status status = study_open(&host, "fuzz", yaml, &(struct experiment_origin){0}, &study, &error);
    if (status == STATUS_OK)
        status = study_bind(study, &sample, 3, TARGET_CLASS, 0, &variant, &error);
    if (status != STATUS_OK)
        fprintf(stderr, "%s\n", error.message);
    fuzz_require(status == STATUS_OK);
    return study;
}

// The same from what the values were before, in pieces.
static void cut(struct study *study, const struct given_model *given, float *before)
{
    size_t n = plan_shared_values(&study->plan) * sizeof(float);
    float *whole = study->values;
    struct error error = ERROR_INIT;
    study->values = before;
    fuzz_require(incoming_begin(study, given->round, given->coded, given->differences, &error) == STATUS_OK);
    for (size_t at = 0; at < given->n; at += PIECE) {
        size_t bytes = given->n - at < PIECE ? given->n - at : PIECE;
        fuzz_require(incoming_take(study, at, given->bytes + at, bytes, &error) == STATUS_OK);
    }
    fuzz_require(memcmp(before, whole, n) == 0);
    study->values = whole;
}

static void give(struct study *study, const struct given_model *given)
{
    size_t n = plan_shared_values(&study->plan);
    float *before = memory_floats(n);
    bool had = study_has(study, given->round, given->id);
    fuzz_require(before != NULL);
    if (study->values)
        memcpy(before, study->values, n * sizeof *before);
    study_give(study, given);
    if (!had && study_has(study, given->round, given->id))
        cut(study, given, before);
    memory_free(before);
}

// As many bytes as such a model has, where it may be coded so.
static size_t announced(struct study *study, const struct given_model *given)
{
    uint64_t bytes = 0;
    struct study other = *study; // nothing of the real one is begun
    other.incoming = (struct incoming){0};
    if (incoming_begin(&other, given->round, given->coded, given->differences, NULL) == STATUS_OK)
        bytes = other.incoming.bytes;
    incoming_release(&other.incoming);
    return bytes < MODEL_BYTES_MAX ? (size_t)bytes : 0;
}

static void next_model(struct study *study, const uint8_t **data, size_t *n)
{
    static const char *const names[] = {"a", "b", "c", ""};
    uint8_t what = fuzz_byte(data, n), numbers = fuzz_byte(data, n);
    struct given_model given = {.round = numbers % 16,
                                .differences = numbers / 16 % 4,
                                .coded = what & 1,
                                .id = names[what / 4 % 4],
                                .base = names[what / 16 % 4]};
    size_t length = fuzz_byte(data, n);
    length = length < *n ? length : *n;
    given.n = what & 2 ? announced(study, &given) : length;
    uint8_t *bytes = memory_zalloc(given.n ? given.n : 1);
    fuzz_require(bytes != NULL);
    memcpy(bytes, *data, length < given.n ? length : given.n);
    *data += length;
    *n -= length;
    given.bytes = bytes;
    give(study, &given);
    memory_free(bytes);
}

static void give_plain(struct study *study)
{
    size_t n = plan_shared_values(&study->plan);
    float *values = memory_floats(n);
    const struct given_model given = {
        .round = 20, .id = "plain", .bytes = (const uint8_t *)values, .n = n * sizeof *values};
    fuzz_require(values != NULL);
    study_give(study, &given);
    fuzz_require(study_has(study, 20, "plain") && memcmp(study->values, values, given.n) == 0);
    memory_free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    log_open("fuzz", LOG_ERROR + 1, LOG_TEXT);
    struct study *study = study_of(fuzz_byte(&data, &n) % ARRAY_SIZE(downlinks));
    while (n > 2)
        next_model(study, &data, &n);
    give_plain(study);
    study_close(study);
    return 0;
}
