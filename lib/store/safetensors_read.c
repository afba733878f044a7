#include "base/memory.h"
#include "store/safetensors.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LENGTH_BYTES = 8, BLOCK_VALUES = 16 << 10 };

// Types of number that can be turned into float32.
struct number_type {
    const char *name;
    size_t bytes;
    void (*convert)(const unsigned char *from, size_t n, float *ret);
};

static void convert_f32(const unsigned char *from, size_t n, float *ret)
{
    memcpy(ret, from, n * sizeof *ret);
}

static float half(uint16_t bits)
{
    int exponent = bits >> 10 & 31;
    int mantissa = bits & 1023;
    float magnitude = exponent == 31  ? (mantissa ? NAN : INFINITY)
                      : exponent == 0 ? ldexpf((float)mantissa, -24)
                                      : ldexpf((float)(mantissa + 1024), exponent - 25);
    return bits & 0x8000 ? -magnitude : magnitude;
}

static void convert_f16(const unsigned char *from, size_t n, float *ret)
{
    for (size_t i = 0; i < n; i++)
        ret[i] = half(bytes_le16(from + 2 * i));
}

// bfloat16 is float32's upper half.
static void convert_bf16(const unsigned char *from, size_t n, float *ret)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)bytes_le16(from + 2 * i) << 16;
        memcpy(&ret[i], &bits, sizeof bits);
    }
}

static void convert_f64(const unsigned char *from, size_t n, float *ret)
{
    for (size_t i = 0; i < n; i++) {
        double value;
        memcpy(&value, from + 8 * i, sizeof value);
        ret[i] = (float)value;
    }
}

static const struct number_type number_types[] = {
    {"F32", 4, convert_f32},
    {"F16", 2, convert_f16},
    {"BF16", 2, convert_bf16},
    {"F64", 8, convert_f64},
};

// A tensor as the header tells of it.
struct entry {
    const char *name; // owned by the header's JSON
    const struct number_type *type;
    struct shape shape;
    uint64_t begin, end; // bytes from the first value
};

struct source {
    const char *path;
    int fd;
    uint64_t file_bytes;
    uint64_t values_at; // the first value's position in the file
    json_t *json;
    size_t n_entries;
    struct entry *entries; // in the order of their offsets
};

#define SOURCE_INIT ((struct source){.fd = -1})

static void source_release(struct source *source)
{
    json_decref(source->json);
    memory_free(source->entries);
    if (source->fd >= 0)
        close(source->fd);
    *source = SOURCE_INIT;
}

static enum status damaged(const struct source *source, struct error *error, const char *why)
{
    return error_set(error, STATUS_DATA_LOSS,
                     "'%s' is not a whole safetensors file: %s; fetch or export it again", source->path, why);
}

static enum status damaged_tensor(const struct source *source, const char *name, struct error *error,
                                  const char *why)
{
    return error_set(error, STATUS_DATA_LOSS,
                     "'%s' is not a whole safetensors file: tensor '%s' %s; fetch or export it again",
                     source->path, name, why);
}

static enum status read_at(const struct source *source, void *ret, size_t n, uint64_t at, struct error *error)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = pread(source->fd, (char *)ret + done, n - done, (off_t)(at + done));
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return error_errno(error, errno, "cannot read", source->path);
        if (k == 0)
            return damaged(source, error, "it ends early");
        done += (size_t)k;
    }
    return STATUS_OK;
}

static enum status open_file(struct source *source, const char *path, struct error *error)
{
    source->path = path;
    // A FIFO would make open() wait for a writer.
    source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (source->fd < 0)
        return error_errno(error, errno, "cannot open", path);
    struct stat info;
    if (fstat(source->fd, &info))
        return error_errno(error, errno, "cannot read", path);
    if (!S_ISREG(info.st_mode))
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s' is not a file; name a file in safetensors format", path);
    source->file_bytes = (uint64_t)info.st_size;
    return STATUS_OK;
}

// A tensor's entry takes some 50 bytes and at most 3 brackets and 10 commas. Text that is denser would cost
// the JSON reader many times its own size in memory, and is no header.
static bool plausible(const char *text, size_t n)
{
    size_t brackets = 0, commas = 0;
    for (size_t i = 0; i < n; i++) {
        brackets += text[i] == '[' || text[i] == '{';
        commas += text[i] == ',';
    }
    return brackets <= n / 12 + 16 && commas <= n / 6 + 16;
}

static enum status parse_json(struct source *source, const char *text, size_t n, struct error *error)
{
    if (!plausible(text, n))
        return damaged(source, error, "its header is no list of tensors");
    json_error_t fault;
    source->json = json_loadb(text, n, JSON_REJECT_DUPLICATES, &fault);
    if (!source->json)
        return error_set(error, STATUS_DATA_LOSS,
                         "'%s' is not a whole safetensors file: its header is not JSON: %s; fetch or export "
                         "it again",
                         source->path, fault.text);
    if (!json_is_object(source->json))
        return damaged(source, error, "its header is not a JSON object");
    return STATUS_OK;
}

static enum status read_header(struct source *source, struct error *error)
{
    unsigned char length[LENGTH_BYTES];
    if (source->file_bytes < LENGTH_BYTES)
        return damaged(source, error, "it is shorter than 8 bytes");
    TRY(read_at(source, length, sizeof length, 0, error));
    uint64_t n = bytes_le64(length);
    if (n > source->file_bytes - LENGTH_BYTES)
        return damaged(source, error, "its header is longer than the file");
    if (n > SAFETENSORS_HEADER_MAX)
        return damaged(source, error, "its header is over 4 MiB");
    cleanup_free char *text = memory_alloc((size_t)n + 1);
    if (!text)
        return error_no_memory(error, n);
    TRY(read_at(source, text, (size_t)n, LENGTH_BYTES, error));
    source->values_at = LENGTH_BYTES + n;
    return parse_json(source, text, (size_t)n, error);
}

static enum status entry_type(const struct source *source, const json_t *json, struct entry *entry,
                              struct error *error)
{
    const char *name = json_string_value(json_object_get(json, "dtype"));
    if (!name)
        return damaged_tensor(source, entry->name, error, "has no dtype");
    for (size_t i = 0; i < ARRAY_SIZE(number_types); i++)
        if (strcmp(number_types[i].name, name) == 0)
            entry->type = &number_types[i];
    if (!entry->type)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s': tensor '%s' is of type '%s'; save it as F32, F16, BF16 or F64, or leave it out",
            source->path, entry->name, name);
    return STATUS_OK;
}

static enum status entry_shape(const struct source *source, const json_t *json, struct entry *entry,
                               struct error *error)
{
    const json_t *extents = json_object_get(json, "shape");
    if (!json_is_array(extents))
        return damaged_tensor(source, entry->name, error, "has no shape");
    if (json_array_size(extents) > SHAPE_RANK_MAX)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "'%s': tensor '%s' has %zu dimensions; at most %d fit", source->path, entry->name,
                         json_array_size(extents), SHAPE_RANK_MAX);
    uint64_t n = 1;
    entry->shape.rank = (unsigned int)json_array_size(extents);
    for (unsigned int i = 0; i < entry->shape.rank; i++) {
        const json_t *extent = json_array_get(extents, i);
        if (!json_is_integer(extent) || json_integer_value(extent) < 1)
            return damaged_tensor(source, entry->name, error, "has an extent that is not 1 or more");
        entry->shape.extents[i] = (size_t)json_integer_value(extent);
        if (__builtin_mul_overflow(n, (uint64_t)entry->shape.extents[i], &n) || n > source->file_bytes)
            return damaged_tensor(source, entry->name, error, "is larger than the file");
    }
    return STATUS_OK;
}

static enum status entry_offsets(const struct source *source, const json_t *json, struct entry *entry,
                                 struct error *error)
{
    const json_t *offsets = json_object_get(json, "data_offsets");
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return damaged_tensor(source, entry->name, error, "has no pair of data_offsets");
    if (json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return damaged_tensor(source, entry->name, error, "ends before it begins");
    entry->begin = (uint64_t)json_integer_value(begin);
    entry->end = (uint64_t)json_integer_value(end);
    if (entry->end > source->file_bytes - source->values_at)
        return damaged_tensor(source, entry->name, error, "ends past the end of the file");
    if (entry->end - entry->begin != shape_size(&entry->shape) * entry->type->bytes)
        return damaged_tensor(source, entry->name, error, "has more or fewer bytes than its shape asks for");
    return STATUS_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

// The format allows neither overlap nor gap nor anything after the last tensor.
static enum status check_tiling(const struct source *source, struct error *error)
{
    uint64_t end = 0;
    for (size_t i = 0; i < source->n_entries; i++) {
        const struct entry *entry = &source->entries[i];
        if (entry->begin != end)
            return damaged_tensor(source, entry->name, error,
                                  entry->begin < end ? "overlaps another" : "leaves a gap before it");
        end = entry->end;
    }
    if (end != source->file_bytes - source->values_at)
        return damaged(source, error, "bytes follow its last tensor");
    return STATUS_OK;
}

// Names go into error messages and so onto terminals.
static bool printable(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7F)
            return false;
    return n > 0 && n < TENSOR_NAME_BYTES;
}

static enum status read_entries(struct source *source, struct error *error)
{
    size_t n = json_object_size(source->json);
    if (n > SAFETENSORS_TENSORS_MAX)
        return damaged(source, error, "its header lists more than 16,384 tensors");
    source->entries = memory_array(n + 1, sizeof *source->entries);
    if (!source->entries)
        return error_no_memory(error, n * sizeof *source->entries);
    const char *name;
    json_t *json;
    json_object_foreach(source->json, name, json)
    {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        if (!printable(name))
            return damaged(source, error, "a tensor's name is empty, over 63 bytes long or unprintable");
        struct entry *entry = &source->entries[source->n_entries++];
        entry->name = name;
        TRY(entry_type(source, json, entry, error));
        TRY(entry_shape(source, json, entry, error));
        TRY(entry_offsets(source, json, entry, error));
    }
    qsort(source->entries, source->n_entries, sizeof *source->entries, by_offset);
    return check_tiling(source, error);
}

static enum status source_open(struct source *source, const char *path, struct error *error)
{
    TRY(open_file(source, path, error));
    TRY(read_header(source, error));
    return read_entries(source, error);
}

static enum status check_finite(const struct source *source, const struct entry *entry, const float *values,
                                size_t n, size_t first, struct error *error)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return error_set(error, STATUS_DATA_LOSS,
                             "'%s': value %zu of tensor '%s' is %s; training had diverged when it was saved: "
                             "use an earlier file",
                             source->path, first + i, entry->name,
                             isnan(values[i]) ? "not a number" : "infinite in float32");
    return STATUS_OK;
}

static enum status read_tensor(const struct source *source, const struct entry *entry, float *ret,
                               struct error *error)
{
    size_t n = shape_size(&entry->shape), width = entry->type->bytes;
    cleanup_free unsigned char *block = memory_alloc(BLOCK_VALUES * width);
    if (!block)
        return error_no_memory(error, BLOCK_VALUES * width);
    for (size_t at = 0; at < n; at += BLOCK_VALUES) {
        size_t k = n - at < BLOCK_VALUES ? n - at : BLOCK_VALUES;
        TRY(read_at(source, block, k * width, source->values_at + entry->begin + at * width, error));
        entry->type->convert(block, k, ret + at);
        TRY(check_finite(source, entry, ret + at, k, at, error));
    }
    return STATUS_OK;
}

static enum status source_layout(const struct source *source, struct layout *ret, struct error *error)
{
    for (size_t i = 0; i < source->n_entries; i++)
        if (layout_add(ret, source->entries[i].name, &source->entries[i].shape, error) != STATUS_OK)
            return error_prefix(error, "'%s'", source->path);
    return STATUS_OK;
}

static enum status read_all(const struct source *source, struct layout *layout, float **ret,
                            struct error *error)
{
    TRY(source_layout(source, layout, error));
    float *values = memory_floats(layout->n_parameters);
    if (!values)
        return error_no_memory(error, layout->n_parameters * sizeof *values);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < source->n_entries && status == STATUS_OK; i++)
        status = read_tensor(source, &source->entries[i], values + layout->tensors[i].offset, error);
    *ret = status == STATUS_OK ? values : memory_free(values);
    return status;
}

enum status safetensors_read(const char *path, struct layout *ret_layout, float **ret_values,
                             struct error *error)
{
    struct source source = SOURCE_INIT;
    struct layout layout = LAYOUT_INIT;
    float *values = NULL;
    enum status status = source_open(&source, path, error);
    if (status == STATUS_OK)
        status = read_all(&source, &layout, &values, error);
    source_release(&source);
    if (status != STATUS_OK) {
        layout_release(&layout);
        return status;
    }
    *ret_layout = layout;
    *ret_values = values;
    return STATUS_OK;
}

static const struct entry *find_entry(const struct source *source, const char *name)
{
    for (size_t i = 0; i < source->n_entries; i++)
        if (strcmp(source->entries[i].name, name) == 0)
            return &source->entries[i];
    return NULL;
}

static enum status check_match(const struct source *source, const struct layout *layout, struct error *error)
{
    for (size_t i = 0; i < layout->n_tensors; i++) {
        const struct tensor *tensor = &layout->tensors[i];
        const struct entry *entry = find_entry(source, tensor->name);
        char has[64], wants[64];
        shape_format(&tensor->shape, wants, sizeof wants);
        if (!entry)
            return error_set(error, STATUS_INVALID_ARGUMENT,
                             "'%s' has no tensor '%s' %s; it belongs to another model", source->path,
                             tensor->name, wants);
        shape_format(&entry->shape, has, sizeof has);
        if (!shape_equal(&entry->shape, &tensor->shape))
            return error_set(
                error, STATUS_INVALID_ARGUMENT,
                "'%s': tensor '%s' is %s where the model asks for %s; it belongs to another model",
                source->path, tensor->name, has, wants);
    }
    for (size_t i = 0; i < source->n_entries; i++) {
        size_t k = 0;
        while (k < layout->n_tensors && strcmp(layout->tensors[k].name, source->entries[i].name) != 0)
            k++;
        if (k == layout->n_tensors)
            return error_set(error, STATUS_INVALID_ARGUMENT,
                             "'%s' has a tensor '%s' that the model lacks; it belongs to another model",
                             source->path, source->entries[i].name);
    }
    return STATUS_OK;
}

static enum status load_all(const struct source *source, const struct layout *layout, float *values,
                            struct error *error)
{
    TRY(check_match(source, layout, error));
    for (size_t i = 0; i < layout->n_tensors; i++)
        TRY(read_tensor(source, find_entry(source, layout->tensors[i].name),
                        values + layout->tensors[i].offset, error));
    return STATUS_OK;
}

enum status safetensors_load(const char *path, const struct layout *layout, float *values,
                             struct error *error)
{
    struct source source = SOURCE_INIT;
    enum status status = source_open(&source, path, error);
    if (status == STATUS_OK)
        status = load_all(&source, layout, values, error);
    source_release(&source);
    return status;
}
