// cohort data inspect: what is in a file, whatever experiment it is for.
#include "cli/data_inspect.h"
#include "base/memory.h"
#include "cli/data.h"
#include "data/idx_header.h"
#include "data/npy_header.h"
#include "data/zip.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_ELEMENTS = 4096, CLASSES_MAX = 256, SHOWN_MAX = 100 };

// What is gathered while an array streams by.
struct profile {
    size_t n, n_bad;
    double low, high, sum;
    bool is_class_list; // so far: whole numbers from 0 to CLASSES_MAX
    size_t counts[CLASSES_MAX];
};

static void look_at(struct profile *profile, float value)
{
    if (!isfinite(value)) {
        profile->n_bad++;
        return;
    }
    profile->low = profile->n++ && profile->low < (double)value ? profile->low : (double)value;
    profile->high = profile->n > 1 && profile->high > (double)value ? profile->high : (double)value;
    profile->sum += (double)value;
    profile->is_class_list =
        profile->is_class_list && value >= 0 && value < CLASSES_MAX && value == floorf(value);
    if (profile->is_class_list)
        profile->counts[(int)value]++;
}

static void print_profile(const struct array *array, const struct profile *profile)
{
    printf("%s: %s [", stream_name(array->stream), array_type_name(array->type));
    for (unsigned int i = 0; i < array->rank; i++)
        printf("%s%zu", i ? ", " : "", array->extents[i]);
    printf("]%s\n", array->fortran ? " in Fortran order" : "");
    printf("  %zu samples of %zu numbers\n", array->extents[0], array_sample_size(array));
    if (profile->n)
        printf("  least %g, greatest %g, mean %.6g\n", profile->low, profile->high,
               profile->sum / (double)profile->n);
    if (profile->n_bad)
        printf("  %zu are NaN or infinite: replace them before training\n", profile->n_bad);
    if (array->rank != 1 || !profile->is_class_list || profile->n_bad)
        return;
    printf("  as classes:");
    for (size_t i = 0; i < CLASSES_MAX; i++)
        if (profile->counts[i])
            printf(" %zu (%zu)", i, profile->counts[i]);
    printf("\n");
}

// An image of two extents as text, a character for two pixels above each other.
static void print_image(const float *pixels, size_t height, size_t width, double low, double high)
{
    static const char ramp[] = " .:-=+*#%@";
    double range = high > low ? high - low : 1;
    for (size_t y = 0; y < height; y += 2) {
        for (size_t x = 0; x < width; x++) {
            double value = (double)pixels[y * width + x];
            if (y + 1 < height)
                value = (value + (double)pixels[(y + 1) * width + x]) / 2;
            putchar(ramp[(int)((value - low) / range * (sizeof ramp - 2) + 0.5)]);
        }
        putchar('\n');
    }
}

static void print_samples(const struct array *array, const float *samples, size_t n,
                          const struct profile *profile)
{
    size_t size = array_sample_size(array), width = array->extents[array->rank - 1];
    bool is_image = array->rank > 2 && width > 4 && width <= 200 && !array->fortran && !profile->n_bad;
    for (size_t i = 0; i < n; i++) {
        printf("sample %zu:%s", i, is_image ? "\n" : "");
        if (is_image)
            print_image(samples + i * size, size / width, width, profile->low, profile->high);
        for (size_t k = 0; !is_image && k < size && k < 16; k++)
            printf(" %g", (double)samples[i * size + k]);
        if (!is_image)
            printf("%s\n", size > 16 ? " ..." : "");
    }
}

// Streams all elements by; keeps the first `n_kept` of them.
static enum status gather(struct array *array, struct profile *profile, float *kept, size_t n_kept,
                          struct error *error)
{
    unsigned char raw[BLOCK_ELEMENTS * 8];
    float values[BLOCK_ELEMENTS];
    size_t n = array->extents[0] * array_sample_size(array);
    for (size_t first = 0; first < n; first += BLOCK_ELEMENTS) {
        size_t k = n - first < BLOCK_ELEMENTS ? n - first : BLOCK_ELEMENTS;
        TRY(stream_read(array->stream, raw, k * array->type.bytes, error));
        array_convert(array->type, (struct array_scale){.factor = 1}, raw, k, values);
        for (size_t i = 0; i < k; i++) {
            look_at(profile, values[i]);
            if (first + i < n_kept)
                kept[first + i] = values[i];
        }
    }
    return stream_expect_end(array->stream, error);
}

static enum status inspect_array(struct array *array, int64_t n_shown, struct error *error)
{
    struct profile profile = {.is_class_list = true};
    size_t n = (size_t)n_shown < array->extents[0] ? (size_t)n_shown : array->extents[0];
    size_t n_kept = array->fortran && array->rank > 1 ? 0 : n * array_sample_size(array);
    cleanup_free float *kept = memory_floats(n_kept);
    if (!kept)
        return error_no_memory(error, n_kept * sizeof *kept);
    TRY(gather(array, &profile, kept, n_kept, error));
    print_profile(array, &profile);
    print_samples(array, kept, n_kept ? n : 0, &profile);
    return STATUS_OK;
}

enum file_type { FILE_IDX, FILE_NPY, FILE_NPZ, FILE_TABLE };

static enum status detect(const char *path, enum file_type *ret, struct error *error)
{
    unsigned char head[4] = {0};
    struct stream *stream;
    size_t n = 0;
    TRY(stream_open(&stream, path, error));
    enum status status = stream_read_some(stream, head, sizeof head, &n, error);
    stream_close(stream);
    *ret = n == 4 && memcmp(head, "\0\0", 2) == 0      ? FILE_IDX
           : n == 4 && memcmp(head, "\x93NUM", 4) == 0 ? FILE_NPY
           : n == 4 && memcmp(head, "PK\3\4", 4) == 0  ? FILE_NPZ
                                                       : FILE_TABLE;
    return status;
}

static enum status open_array(const char *path, const char *entry, enum file_type type, struct array *ret,
                              struct error *error)
{
    if (type == FILE_NPZ)
        TRY(zip_open_entry(&ret->stream, path, entry, ".npy", error));
    else
        TRY(stream_open(&ret->stream, path, error));
    return type == FILE_IDX ? idx_read_header(ret, error) : npy_read_header(ret, error);
}

static enum status inspect(const char *name, const char *separator, int64_t n_shown, struct error *error)
{
    enum file_type type = FILE_TABLE;
    struct array array = {0};
    cleanup_free char *path = memory_copy_text(name);
    if (!path)
        return error_no_memory(error, strlen(name));
    char *entry = strrchr(path, '#');
    if (entry)
        *entry++ = '\0';
    TRY(detect(entry ? path : name, &type, error));
    if (type == FILE_TABLE)
        return inspect_table(name, separator, error);
    enum status status = open_array(path, entry ? entry : "", type, &array, error);
    if (status == STATUS_OK)
        status = inspect_array(&array, n_shown, error);
    else if (type == FILE_NPZ && !entry && status == STATUS_NOT_FOUND)
        error_prefix(error, "name an array of the archive as %s#NAME", name);
    array_close(&array);
    return status;
}

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct texts words = {0};
    const char *separator = ",";
    int64_t n_shown = 0;
    const struct argument table[] = {
        {"--show", ARGUMENT_COUNT, &n_shown, "N", "print the first N samples of an array, images as text"},
        {"--separator", ARGUMENT_TEXT, &separator, "C",
         "what stands between a table's cells (default: a comma)"},
        {0},
    };
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    enum status status = arguments_read(table, argc, argv, &words, 1000, error);
    if (status == STATUS_OK && words.n == 0)
        status = error_set(error, STATUS_INVALID_ARGUMENT, "a file is needed; usage: %s", command->usage);
    if (status == STATUS_OK && n_shown > SHOWN_MAX)
        status = error_set(error, STATUS_INVALID_ARGUMENT, "--show '%" PRId64 "' must be at most %d", n_shown,
                           SHOWN_MAX);
    for (size_t i = 0; i < words.n && status == STATUS_OK; i++)
        status = inspect(words.items[i], separator, n_shown, error);
    memory_free(words.items);
    return status;
}

const struct command command_data_inspect = {
    .name = "inspect",
    .usage = "cohort data inspect FILE... [--show N] [--separator C]",
    .help = "Shows what is in data files: shapes, types, ranges, classes, missing values",
    .details =
        "IDX, NPY, NPZ and CSV are told apart by their content, plain or gzipped. Name an array of an NPZ\n"
        "archive as FILE.npz#NAME.\n",
    .run = run,
};
