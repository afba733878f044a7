// Scalars: text to values and back.
#include "base/memory.h"
#include "config/fields_impl.h"
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t size;
};

// Ascending, so that a dump takes the largest that divides.
static const struct unit durations[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
static const struct unit sizes[] = {{"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

static size_t skip_digits(const char *text)
{
    return strspn(text, "0123456789");
}

// -?[0-9]+ in the range of int64_t, without the leading zero that YAML 1.1 takes for octal.
static bool int_parse(const char *text, int64_t *ret)
{
    const char *digits = text + (*text == '-');
    size_t n = skip_digits(digits);
    if (n == 0 || n > 19 || digits[n] || (n > 1 && *digits == '0'))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value * 10 + (uint64_t)(digits[i] - '0');
    if (value > (uint64_t)INT64_MAX) // the least int64_t is given up
        return false;
    *ret = *text == '-' ? -(int64_t)value : (int64_t)value;
    return true;
}

// The syntax of YAML 1.2's core schema, without .inf and .nan.
static bool is_real(const char *text)
{
    text += *text == '-' || *text == '+';
    size_t whole = skip_digits(text), fraction = 0;
    text += whole;
    if (*text == '.') {
        fraction = skip_digits(text + 1);
        text += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '-' || *text == '+';
        size_t exponent = skip_digits(text);
        if (exponent == 0)
            return false;
        text += exponent;
    }
    return *text == '\0';
}

static bool real_parse(const char *text, double *ret)
{
    if (!is_real(text))
        return false;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value = strtod_l(text, NULL, plain);
    freelocale(plain);
    bool vanished = value == 0 && strcspn(text, "123456789") < strcspn(text, "eE");
    if (!isfinite(value) || vanished)
        return false;
    *ret = value;
    return true;
}

const char *real_format(double value, char ret[REAL_BYTES])
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t before = uselocale(plain);
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(ret, REAL_BYTES, "%.*g", digits, value);
        if (strtod(ret, NULL) == value)
            break;
    }
    uselocale(before);
    freelocale(plain);
    return ret;
}

static bool unit_parse(const char *text, const struct unit *units, size_t n_units, int64_t *ret)
{
    char digits[20] = "";
    int64_t count;
    size_t n = skip_digits(text);
    if (n == 0 || n >= sizeof digits)
        return false;
    memcpy(digits, text, n);
    if (!int_parse(digits, &count))
        return false;
    if (count == 0 && text[n] == '\0') { // nothing is nothing in any unit
        *ret = 0;
        return true;
    }
    for (size_t i = 0; i < n_units; i++)
        if (strcmp(text + n, units[i].name) == 0)
            return !__builtin_mul_overflow(count, units[i].size, ret);
    return false;
}

static void unit_format(int64_t value, const struct unit *units, size_t n_units, char ret[REAL_BYTES])
{
    const struct unit *unit = &units[0];
    if (value == 0) { // in any unit
        memcpy(ret, "0", sizeof "0");
        return;
    }
    for (size_t i = 1; i < n_units; i++)
        if (value % units[i].size == 0)
            unit = &units[i];
    snprintf(ret, REAL_BYTES, "%" PRId64 "%s", value / unit->size, unit->name);
}

// A number of the field's type, in its notation.
static void number_format(enum field_type type, double value, char ret[REAL_BYTES])
{
    if (type == FIELD_REAL || fabs(value) >= 0x1p62)
        real_format(value, ret);
    else if (type == FIELD_DURATION)
        unit_format((int64_t)value, durations, ARRAY_SIZE(durations), ret);
    else if (type == FIELD_BYTES)
        unit_format((int64_t)value, sizes, ARRAY_SIZE(sizes), ret);
    else
        snprintf(ret, REAL_BYTES, "%" PRId64, (int64_t)value);
}

static bool has_bounds(const struct field *field)
{
    return field->min != 0 || field->max != 0 || field->above;
}

static bool has_upper_bound(const struct field *field)
{
    return has_bounds(field) && isfinite(field->max) &&
           !(field->max == 0 && (field->min != 0 || field->above));
}

static bool in_bounds(const struct field *field, double value)
{
    if (!has_bounds(field))
        return true;
    if (field->above ? value <= field->min : value < field->min)
        return false;
    return !has_upper_bound(field) || value <= field->max;
}

const char *field_bounds(const struct field *field, char *ret)
{
    char min[REAL_BYTES], max[REAL_BYTES];
    ret[0] = '\0';
    if (!has_bounds(field))
        return ret;
    number_format(field->type, field->min, min);
    number_format(field->type, field->max, max);
    if (field->above && has_upper_bound(field))
        snprintf(ret, NAMES_BYTES, "greater than %s and at most %s", min, max);
    else if (field->above)
        snprintf(ret, NAMES_BYTES, "greater than %s", min);
    else if (!has_upper_bound(field))
        snprintf(ret, NAMES_BYTES, "at least %s", min);
    else if (!isfinite(field->min))
        snprintf(ret, NAMES_BYTES, "at most %s", max);
    else
        snprintf(ret, NAMES_BYTES, "between %s and %s", min, max);
    return ret;
}

bool value_in_bounds(const struct field *field, const void *member)
{
    switch (field->type) {
    case FIELD_INT:
    case FIELD_DURATION:
    case FIELD_BYTES:
        return in_bounds(field, (double)*(const int64_t *)member);
    case FIELD_REAL:
        return in_bounds(field, *(const double *)member);
    default:
        return true;
    }
}

static enum status check_bounds(const struct reader *reader, const struct field *field,
                                const struct node *node, const void *member)
{
    char bounds[NAMES_BYTES], shown[SHOWN_BYTES];
    if (value_in_bounds(field, member))
        return STATUS_OK;
    return error_at(reader->error, node->mark, STATUS_INVALID_ARGUMENT, "%s '%s' must be %s", field->name,
                    yaml_shown(node->text, shown, sizeof shown), field_bounds(field, bounds));
}

static bool number_parse(const struct field *field, const struct node *node, void *member)
{
    if (node->quoted)
        return false;
    switch (field->type) {
    case FIELD_BOOL:
        *(bool *)member = strcmp(node->text, "true") == 0;
        return *(bool *)member || strcmp(node->text, "false") == 0;
    case FIELD_INT:
        return int_parse(node->text, member);
    case FIELD_REAL:
        return real_parse(node->text, member);
    case FIELD_DURATION:
        return unit_parse(node->text, durations, ARRAY_SIZE(durations), member);
    default:
        return unit_parse(node->text, sizes, ARRAY_SIZE(sizes), member);
    }
}

static size_t n_words(const struct field *field)
{
    size_t n = 0;
    while (field->words[n])
        n++;
    return n;
}

static enum status word_read(const struct reader *reader, const struct field *field, const struct node *node,
                             int *ret)
{
    char shown[SHOWN_BYTES], names[NAMES_BYTES];
    size_t n = n_words(field);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(field->words[i], node->text) == 0) {
            *ret = (int)i;
            return STATUS_OK;
        }
    }
    const char *near = nearest_word(node->text, field->words, n);
    return error_at(reader->error, node->mark, STATUS_INVALID_ARGUMENT, "%s '%s' must be %s%s%s%s",
                    field->name, yaml_shown(node->text, shown, sizeof shown), field_expects(field, names),
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

enum status value_read(const struct reader *reader, const struct field *field, const struct node *node,
                       void *member)
{
    if (node->type != NODE_SCALAR)
        return field_wrong(reader, field, node);
    if (field->type == FIELD_WORD)
        return word_read(reader, field, node, member);
    if (field->type == FIELD_TEXT) {
        const char *copy = arena_copy_text(reader->arena, node->text);
        *(const char **)member = copy;
        return copy ? STATUS_OK : error_no_memory(reader->error, strlen(node->text));
    }
    if (!number_parse(field, node, member))
        return field_wrong(reader, field, node);
    return check_bounds(reader, field, node, member);
}

void value_dump(const struct field *field, const void *member, struct bytes *ret)
{
    char text[REAL_BYTES];
    switch (field->type) {
    case FIELD_BOOL:
        bytes_text(ret, *(const bool *)member ? "true" : "false");
        break;
    case FIELD_INT:
        bytes_format(ret, "%" PRId64, *(const int64_t *)member);
        break;
    case FIELD_REAL:
        bytes_text(ret, real_format(*(const double *)member, text));
        break;
    case FIELD_DURATION:
        unit_format(*(const int64_t *)member, durations, ARRAY_SIZE(durations), text);
        bytes_text(ret, text);
        break;
    case FIELD_BYTES:
        unit_format(*(const int64_t *)member, sizes, ARRAY_SIZE(sizes), text);
        bytes_text(ret, text);
        break;
    case FIELD_WORD:
        text_dump(field->words[*(const int *)member], ret);
        break;
    default: // FIELD_TEXT
        text_dump(*(const char *const *)member, ret);
    }
}
