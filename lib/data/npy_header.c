#include "data/npy_header.h"
#include "base/bytes.h"
#include "base/memory.h"
#include "data/shown.h"
#include <ctype.h>
#include <string.h>

enum { HEADER_BYTES_MAX = 1 << 16 };

static enum status damaged(const struct array *array, const char *what, const char *at, struct error *error)
{
    char shown[SHOWN_BYTES];
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "'%s': the NPY header's %s cannot be read at '%s'; save the array again with numpy.save",
                     stream_name(array->stream), what, shown_text(at, shown));
}

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t\r\n");
}

// The text after `'key':` in the header's dictionary, or NULL.
static const char *find_key(const char *header, const char *key)
{
    size_t n = strlen(key);
    for (const char *at = header; (at = strstr(at, key)); at += n) {
        if (at == header || (at[-1] != '\'' && at[-1] != '"') || at[n] != at[-1])
            continue;
        const char *colon = skip_blanks(at + n + 1);
        if (*colon == ':')
            return skip_blanks(colon + 1);
    }
    return NULL;
}

// '<f4': byte order, letter, size.
static enum status read_type(const char *text, struct array *array, struct error *error)
{
    static const char sizes[][4] = {['b'] = "1", ['f'] = "48", ['i'] = "1248", ['u'] = "1248"};
    char shown[SHOWN_BYTES];
    size_t n = *text ? strcspn(text + 1, "'\",}") : 0;
    unsigned char letter = n == 3 ? (unsigned char)text[2] : 0;
    if ((*text == '\'' || *text == '"') && letter && letter < ARRAY_SIZE(sizes) && strchr("<>|=", text[1]) &&
        text[3] >= '1' && memchr(sizes[letter], text[3], sizeof sizes[letter])) {
        array->type = (struct array_type){(char)letter, (unsigned int)(text[3] - '0'), text[1] == '>'};
        return STATUS_OK;
    }
    shown_text(text, shown);
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "'%s': elements of type %.*s are not read; save them as numbers, with "
                     "array.astype('float32') for instance",
                     stream_name(array->stream), (int)strcspn(shown, ",}"), shown);
}

static enum status read_order(const char *text, struct array *array, struct error *error)
{
    array->fortran = strncmp(text, "True", 4) == 0;
    return array->fortran || strncmp(text, "False", 5) == 0 ? STATUS_OK
                                                            : damaged(array, "fortran_order", text, error);
}

static enum status read_extent(const char **text, size_t *ret)
{
    size_t value = 0;
    if (!isdigit((unsigned char)**text))
        return STATUS_INVALID_ARGUMENT;
    for (; isdigit((unsigned char)**text); (*text)++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (size_t)(**text - '0'), &value))
            return STATUS_INVALID_ARGUMENT;
    *ret = value;
    return STATUS_OK;
}

// (60000, 28, 28), (5,) or ().
static enum status read_shape(const char *text, struct array *array, struct error *error)
{
    const char *start = text;
    if (*text != '(')
        return damaged(array, "shape", start, error);
    text = skip_blanks(text + 1);
    for (array->rank = 0; *text != ')'; array->rank++) {
        if (array->rank == ARRAY_RANK_MAX)
            return error_set(error, STATUS_INVALID_ARGUMENT,
                             "'%s': the array has more than %d extents; reshape it",
                             stream_name(array->stream), ARRAY_RANK_MAX);
        if (read_extent(&text, &array->extents[array->rank]) != STATUS_OK)
            return damaged(array, "shape", start, error);
        text = skip_blanks(text);
        if (*text == ',')
            text = skip_blanks(text + 1);
        else if (*text != ')')
            return damaged(array, "shape", start, error);
    }
    return STATUS_OK;
}

static enum status parse(const char *header, struct array *array, struct error *error)
{
    const char *type = find_key(header, "descr"), *order = find_key(header, "fortran_order");
    const char *shape = find_key(header, "shape");
    if (*skip_blanks(header) != '{' || !type || !order || !shape)
        return damaged(array, "dictionary of descr, fortran_order and shape", header, error);
    TRY(read_type(type, array, error));
    TRY(read_order(order, array, error));
    TRY(read_shape(shape, array, error));
    return array_check(array, error);
}

static enum status read_length(struct array *array, size_t *ret, struct error *error)
{
    unsigned char magic[8], length[4] = {0};
    TRY(stream_read(array->stream, magic, sizeof magic, error));
    if (memcmp(magic, "\x93NUMPY", 6))
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s' is not NPY: it does not start with \\x93NUMPY; name a file made by numpy.save, or "
            "another format",
            stream_name(array->stream));
    if (magic[6] < 1 || magic[6] > 3)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s' is of NPY version %u.%u, where 1 to 3 can be read; save it again with numpy.save",
            stream_name(array->stream), magic[6], magic[7]);
    TRY(stream_read(array->stream, length, magic[6] == 1 ? 2 : 4, error));
    *ret = bytes_le32(length);
    if (*ret <= HEADER_BYTES_MAX)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "'%s': the NPY header says that it is %zu bytes long, and at most %d are read; save the "
                     "array again with numpy.save",
                     stream_name(array->stream), *ret, HEADER_BYTES_MAX);
}

enum status npy_read_header(struct array *ret, struct error *error)
{
    size_t n = 0;
    TRY(read_length(ret, &n, error));
    cleanup_free char *header = memory_zalloc(n + 1);
    if (!header)
        return error_no_memory(error, n + 1);
    TRY(stream_read(ret->stream, header, n, error));
    return parse(header, ret, error);
}
