// Data that need no file: samples scattered about a centre of their class's own, for trying things out and
// for measuring. Each sample is a pure function of seed, set and row, so a learner makes its own rows alone.
#include "base/memory.h"
#include "base/philox.h"
#include "data/format.h"

enum { SAMPLES_MAX = 1 << 24, SAMPLE_VALUES_MAX = 1 << 24 };

struct generated_options {
    struct int_list shape;
    int64_t classes, samples, seed;
};

static const struct field fields[] = {
    {.name = "shape",
     .type = FIELD_INTS,
     .offset = offsetof(struct generated_options, shape),
     .fallback = "16",
     .min = 1,
     .max = SAMPLE_VALUES_MAX,
     .help = "Shape of a sample, as in [1, 28, 28]"},
    {.name = "classes",
     .type = FIELD_INT,
     .offset = offsetof(struct generated_options, classes),
     .fallback = "4",
     .min = 1,
     .max = DATASET_OUTPUTS_MAX,
     .help = "Classes, each with a centre drawn from the standard normal distribution"},
    {.name = "samples",
     .type = FIELD_INT,
     .offset = offsetof(struct generated_options, samples),
     .fallback = "1000",
     .min = 1,
     .max = SAMPLES_MAX,
     .help = "Samples of the training data, and of the test data when `test: {}` asks for some"},
    {.name = "seed",
     .type = FIELD_INT,
     .offset = offsetof(struct generated_options, seed),
     .fallback = "0",
     .max = 1e15,
     .help = "Other seeds give other centres and samples"},
    {0},
};

static enum status check(const void *kind_options, struct error *error)
{
    const struct generated_options *options = kind_options;
    int64_t size = 1;
    if (options->shape.n > SHAPE_RANK_MAX)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "shape has %zu extents, where a sample has at most %d", options->shape.n,
                         SHAPE_RANK_MAX);
    for (size_t i = 0; i < options->shape.n; i++) {
        size *= options->shape.values[i]; // both below 2^25
        if (size > SAMPLE_VALUES_MAX)
            return error_set(error, STATUS_INVALID_ARGUMENT,
                             "shape has more than the %d values that a sample may have; make it smaller",
                             SAMPLE_VALUES_MAX);
    }
    return STATUS_OK;
}

// Which samples; centres are those of both sets. Part of the random key.
enum stream { STREAM_CENTRES, STREAM_TRAIN, STREAM_TEST };

struct generated {
    const struct generated_options *options;
    enum stream set;
};

static struct random open_random(const struct generated *generated, enum stream stream, uint32_t number)
{
    return random_open((struct random_key){.seed = (uint64_t)generated->options->seed,
                                           .purpose = RANDOM_DATA,
                                           .step = number,
                                           .index = (uint16_t)stream});
}

static uint32_t draw_class(const struct generated *generated, struct random *sample)
{
    return random_below(sample, (uint32_t)generated->options->classes);
}

static enum status generated_open(const void *options, const struct data_files *files, const void *like,
                                  void **ret, struct source_info *ret_info, struct error *error)
{
    (void)files;
    const struct generated_options *chosen = options;
    struct generated *generated = memory_zalloc(sizeof *generated);
    if (!generated)
        return error_no_memory(error, sizeof *generated);
    *generated = (struct generated){.options = chosen, .set = like ? STREAM_TEST : STREAM_TRAIN};
    *ret_info = (struct source_info){.n_samples = (size_t)chosen->samples,
                                     .sample.rank = (unsigned int)chosen->shape.n,
                                     .target_type = TARGET_CLASS,
                                     .n_outputs = (size_t)chosen->classes};
    for (size_t i = 0; i < chosen->shape.n; i++)
        ret_info->sample.extents[i] = (size_t)chosen->shape.values[i];
    *ret = generated;
    return STATUS_OK;
}

static enum status generated_groups(void *source, const char *column, uint32_t *ret, struct error *error)
{
    const struct generated *generated = source;
    if (column)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "generated data have no columns, so none called '%s'; use another partition",
                         column);
    for (uint32_t row = 0; row < (uint32_t)generated->options->samples; row++) {
        struct random sample = open_random(generated, generated->set, row);
        ret[row] = draw_class(generated, &sample);
    }
    return STATUS_OK;
}

static enum status generated_read(void *source, const uint32_t *rows, size_t n, struct dataset *ret,
                                  struct error *error)
{
    (void)error;
    const struct generated *generated = source;
    size_t size = shape_size(&ret->sample);
    for (size_t i = 0; i < n; i++) {
        struct random sample = open_random(generated, generated->set, rows ? rows[i] : (uint32_t)i);
        uint32_t class = draw_class(generated, &sample);
        struct random centre = open_random(generated, STREAM_CENTRES, class);
        ret->classes[i] = (int32_t) class;
        for (size_t k = 0; k < size; k++)
            ret->features[i * size + k] = (float)(random_normal(&centre) + random_normal(&sample));
    }
    return STATUS_OK;
}

static void generated_close(void *source)
{
    memory_free(source);
}

const struct format_kind format_generated = {
    .kind =
        {
            .name = "generated",
            .help = "No files: samples drawn at random about their class's centre, to try things out with",
            .fields = fields,
            .options_bytes = sizeof(struct generated_options),
            .check = check,
        },
    .no_files = true,
    .open = generated_open,
    .groups = generated_groups,
    .read = generated_read,
    .close = generated_close,
};
