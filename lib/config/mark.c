#include "config/mark.h"

enum status error_at(struct error *error, struct mark mark, enum status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error_setv(error, status, format, arguments);
    va_end(arguments);
    return error_point(error, mark, status);
}

enum status error_point(struct error *error, struct mark mark, enum status status)
{
    if (!error || !mark.source)
        return status;
    if (mark.line)
        error_prefix(error, "%s:%u:%u", mark.source, mark.line, mark.column);
    else
        error_prefix(error, "%s", mark.source);
    return status;
}
