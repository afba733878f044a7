#include "nn/activation.h"

const struct choice *activation_chosen(const struct kind *kind, const void *options)
{
    for (const struct field *field = kind->fields; field && field->name; field++) {
        if (field->type != FIELD_CHOICE || field->registry != &activations)
            continue;
        const struct choice *choice = (const void *)((const char *)options + field->offset);
        return choice->kind ? choice : NULL;
    }
    return NULL;
}
