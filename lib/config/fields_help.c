// --help and environment variables, from the rows.
#include "base/memory.h"
#include "config/fields_impl.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 192, VARIABLE_BYTES = 256 };

static const char *join(const char *path, const char *name, char ret[PATH_BYTES])
{
    snprintf(ret, PATH_BYTES, "%s%s%s", path, *path ? "." : "", name);
    return ret;
}

// "COHORT" and "tls.key_file": "COHORT_TLS_KEY_FILE".
static const char *variable_name(const char *prefix, const char *path, char ret[VARIABLE_BYTES])
{
    snprintf(ret, VARIABLE_BYTES, "%.60s_%s", prefix, path);
    for (char *c = ret + strnlen(prefix, 60); *c; c++)
        *c = (char)(*c == '.' ? '_' : toupper((unsigned char)*c));
    return ret;
}

static enum status apply_section(const struct field *fields, const char *prefix, const char *path,
                                 struct document *document, struct error *error)
{
    for (const struct field *field = fields; field && field->name; field++) {
        char key[PATH_BYTES], name[VARIABLE_BYTES];
        join(path, field->name, key);
        if (field->type == FIELD_SECTION) {
            TRY(apply_section(field->fields, prefix, key, document, error));
            continue;
        }
        const char *value = getenv(variable_name(prefix, key, name));
        if (!value || !*value)
            continue;
        if (field->type == FIELD_TEXT)
            TRY(document_set_text(document, key, value, name, error));
        else
            TRY(document_set(document, key, value, name, error));
    }
    return STATUS_OK;
}

enum status fields_apply_environment(const struct field *fields, const char *prefix,
                                     struct document *document, struct error *error)
{
    return apply_section(fields, prefix, "", document, error);
}

static void help_line(const struct field *field, const char *path, const char *prefix, struct bytes *ret)
{
    char expects[NAMES_BYTES], bounds[NAMES_BYTES], name[VARIABLE_BYTES];
    field_expects(field, expects);
    field_bounds(field, bounds);
    bytes_format(ret, "  %-28s %s; %s%s%s", path, field->help ? field->help : "", expects, *bounds ? " " : "",
                 bounds);
    if (field->required)
        bytes_text(ret, "; required");
    else if (field->fallback)
        bytes_format(ret, "; default %s", field->fallback);
    if (prefix)
        bytes_format(ret, " [%s]", variable_name(prefix, path, name));
    bytes_text(ret, "\n");
}

static void help_section(const struct field *fields, const char *path, const char *prefix, struct bytes *ret)
{
    for (const struct field *field = fields; field && field->name; field++) {
        char key[PATH_BYTES];
        join(path, field->name, key);
        if (field->type == FIELD_SECTION)
            help_section(field->fields, key, prefix, ret);
        else
            help_line(field, key, prefix, ret);
    }
}

void fields_help(const struct field *fields, const char *prefix, struct bytes *ret)
{
    help_section(fields, "", prefix, ret);
}
