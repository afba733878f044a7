// What a field expects, in words: for errors and for --help.
#include "config/fields_impl.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *words_list(const char *const *words, char *ret)
{
    size_t n = (size_t)snprintf(ret, NAMES_BYTES, "one of ");
    for (; *words && n < NAMES_BYTES; words++)
        n += (size_t)snprintf(ret + n, NAMES_BYTES - n, "%s%s", *words, words[1] ? ", " : "");
    return ret;
}

const char *field_expects(const struct field *field, char *ret)
{
    static const char *const texts[] = {
        [FIELD_BOOL] = "true or false",
        [FIELD_INT] = "a whole number",
        [FIELD_REAL] = "a number",
        [FIELD_TEXT] = "text",
        [FIELD_DURATION] = "a duration such as 250ms, 60s, 5m or 2h",
        [FIELD_BYTES] = "a size in bytes such as 512, 64KiB, 1MiB or 2GiB",
        [FIELD_INTS] = "a list of whole numbers such as [5, 5]",
        [FIELD_TEXTS] = "a list of texts such as [a, b]",
        [FIELD_SECTION] = "a map of options",
        [FIELD_CHOICE] = "",
        [FIELD_CHOICES] = "",
        [FIELD_SECTIONS] = "a list of maps of options",
    };
    char names[NAMES_BYTES];
    if (field->type == FIELD_WORD)
        return words_list(field->words, ret);
    if (field->type != FIELD_CHOICE && field->type != FIELD_CHOICES) {
        snprintf(ret, NAMES_BYTES, "%s", texts[field->type]);
        return ret;
    }
    registry_names(field->registry, names, NAMES_BYTES - 128);
    snprintf(ret, NAMES_BYTES,
             field->type == FIELD_CHOICE ? "one %s, as a word or {kind: ...}, of %s"
                                         : "a list, each item one %s of %s",
             field->registry->what, names);
    return ret;
}

enum status field_wrong(const struct reader *reader, const struct field *field, const struct node *node)
{
    char expects[NAMES_BYTES], shown[SHOWN_BYTES];
    field_expects(field, expects);
    switch (node->type) {
    case NODE_SCALAR:
        yaml_shown(node->text, shown, sizeof shown);
        if (node->quoted)
            return error_at(reader->error, node->mark, STATUS_INVALID_ARGUMENT,
                            "%s must be %s, not the quoted text '%s'", field->name, expects, shown);
        return error_at(reader->error, node->mark, STATUS_INVALID_ARGUMENT, "%s '%s' must be %s", field->name,
                        shown, expects);
    case NODE_NULL:
        return error_at(reader->error, node->mark, STATUS_INVALID_ARGUMENT,
                        "%s has no value; give %s, or leave the key out", field->name, expects);
    default:
        return error_at(reader->error, node->mark, STATUS_INVALID_ARGUMENT, "%s must be %s, not a %s",
                        field->name, expects, node->type == NODE_LIST ? "list" : "map");
    }
}
