// Structs to YAML, every default spelled out.
#include "base/memory.h"
#include "config/fields_impl.h"
#include <inttypes.h>
#include <string.h>

static void indent_dump(int indent, struct bytes *ret)
{
    while (indent-- > 0)
        bytes_text(ret, "  ");
}

// True when no reader, of YAML 1.1 or 1.2, takes the plain word for anything but text.
static bool is_plain_text(const char *text)
{
    static const char *const taken[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
    const char *const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (!*text || (!strchr(letters, *text) && *text != '/'))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
        if (strcasecmp(text, taken[i]) == 0)
            return false;
    for (; *text; text++)
        if (!strchr(letters, *text) && !strchr("0123456789_./-", *text))
            return false;
    return true;
}

// The code point at `text` and its length; U+FFFD and 1 where the UTF-8 is broken.
static uint32_t utf8_decode(const unsigned char *text, size_t *ret_n)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = text[0] < 0x80 ? 1 : text[0] >= 0xF0 ? 4 : text[0] >= 0xE0 ? 3 : 2;
    uint32_t code = n == 1 ? text[0] : text[0] & (0x7Fu >> n);
    *ret_n = 1;
    if (text[0] >= 0x80 && (text[0] < 0xC2 || text[0] > 0xF4))
        return 0xFFFD;
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0xFFFD;
        code = code << 6 | (text[i] & 0x3F);
    }
    if (code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return 0xFFFD;
    *ret_n = n;
    return code;
}

// What YAML does not let stand in a double-quoted scalar, or folds.
static bool must_escape(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029 ||
           code == 0xFEFF || code == 0xFFFD || code == 0xFFFE || code == 0xFFFF;
}

void text_dump(const char *text, struct bytes *ret)
{
    if (is_plain_text(text)) {
        bytes_text(ret, text);
        return;
    }
    size_t n;
    bytes_text(ret, "\"");
    for (; *text; text += n) {
        uint32_t code = utf8_decode((const unsigned char *)text, &n);
        if (code == '"' || code == '\\')
            bytes_format(ret, "\\%c", (char)code);
        else if (must_escape(code))
            bytes_format(ret, "\\u%04" PRIX32, code);
        else
            bytes_append(ret, text, n);
    }
    bytes_text(ret, "\"");
}

static void ints_dump(const struct int_list *list, struct bytes *ret)
{
    bytes_text(ret, "[");
    for (size_t i = 0; i < list->n; i++)
        bytes_format(ret, "%s%" PRId64, i ? ", " : "", list->values[i]);
    bytes_text(ret, "]");
}

static void texts_dump(const struct text_list *list, struct bytes *ret)
{
    bytes_text(ret, "[");
    for (size_t i = 0; i < list->n; i++) {
        bytes_text(ret, i ? ", " : "");
        text_dump(list->values[i], ret);
    }
    bytes_text(ret, "]");
}

// " word\n", or the kind and its options on lines of their own.
static void choice_dump(const struct choice *choice, int indent, struct bytes *ret)
{
    if (!choice->kind) {
        bytes_text(ret, " null\n");
    } else if (!choice->kind->fields || !choice->kind->fields->name) {
        bytes_format(ret, " %s\n", choice->kind->name);
    } else {
        bytes_text(ret, "\n");
        indent_dump(indent + 1, ret);
        bytes_format(ret, "kind: %s\n", choice->kind->name);
        fields_dump(choice->kind->fields, choice->options, indent + 1, ret);
    }
}

static void choices_dump(const struct choice_list *list, int indent, struct bytes *ret)
{
    bytes_text(ret, list->n ? "\n" : " []\n");
    for (size_t i = 0; i < list->n; i++) {
        const struct choice *choice = &list->choices[i];
        indent_dump(indent + 1, ret);
        if (!choice->kind->fields || !choice->kind->fields->name) {
            bytes_format(ret, "- %s\n", choice->kind->name);
            continue;
        }
        bytes_format(ret, "- kind: %s\n", choice->kind->name);
        fields_dump(choice->kind->fields, choice->options, indent + 2, ret);
    }
}

static void sections_dump(const struct field *field, const struct section_list *list, int indent,
                          struct bytes *ret)
{
    bytes_text(ret, list->n ? "\n" : " []\n");
    for (size_t i = 0; i < list->n; i++) {
        indent_dump(indent + 1, ret);
        bytes_text(ret, "-\n");
        fields_dump(field->fields, (const char *)list->items + i * field->item_bytes, indent + 2, ret);
    }
}

bool field_is_absent(const struct field *field, const void *target)
{
    const void *member = field_member(field, target);
    if (field->optional)
        return !*(const bool *)((const char *)target + field->given_offset);
    return !field->required && !field->fallback && !value_in_bounds(field, member);
}

static void value_line(const struct field *field, const void *member, struct bytes *ret)
{
    bytes_text(ret, " ");
    if (field->type == FIELD_INTS)
        ints_dump(member, ret);
    else if (field->type == FIELD_TEXTS)
        texts_dump(member, ret);
    else if (field->type == FIELD_TEXT && !*(const char *const *)member)
        bytes_text(ret, "null");
    else
        value_dump(field, member, ret);
    bytes_text(ret, "\n");
}

void field_dump(const struct field *field, const void *member, int indent, struct bytes *ret)
{
    switch (field->type) {
    case FIELD_SECTION:
        bytes_text(ret, "\n");
        fields_dump(field->fields, member, indent + 1, ret);
        break;
    case FIELD_CHOICE:
        choice_dump(member, indent, ret);
        break;
    case FIELD_CHOICES:
        choices_dump(member, indent, ret);
        break;
    case FIELD_SECTIONS:
        sections_dump(field, member, indent, ret);
        break;
    default:
        value_line(field, member, ret);
    }
}

void fields_dump(const struct field *fields, const void *target, int indent, struct bytes *ret)
{
    for (const struct field *field = fields; field && field->name; field++) {
        if (field_is_absent(field, target))
            continue;
        indent_dump(indent, ret);
        bytes_format(ret, "%s:", field->name);
        field_dump(field, field_member(field, target), indent, ret);
    }
}
