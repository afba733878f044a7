#include "base/error.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum status error_setv(struct error *error, enum status status, const char *format, va_list arguments)
{
    if (error) {
        error->status = status;
        vsnprintf(error->message, sizeof error->message, format, arguments);
    }
    return status;
}

enum status error_set(struct error *error, enum status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error_setv(error, status, format, arguments);
    va_end(arguments);
    return status;
}

enum status error_prefix(struct error *error, const char *format, ...)
{
    if (!error)
        return STATUS_INTERNAL;
    char message[ERROR_MESSAGE_BYTES];
    memcpy(message, error->message, sizeof message);
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    if (n >= 0 && (size_t)n < sizeof error->message)
        snprintf(error->message + n, sizeof error->message - (size_t)n, ": %s", message);
    return error->status;
}

enum status error_no_memory(struct error *error, unsigned long bytes)
{
    return error_set(error, STATUS_RESOURCE_EXHAUSTED,
                     "out of memory: %lu bytes could not be had; free some or use a smaller model", bytes);
}

static enum status status_of_errno(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return STATUS_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return STATUS_PERMISSION_DENIED;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return STATUS_RESOURCE_EXHAUSTED;
    case EISDIR:
        return STATUS_INVALID_ARGUMENT;
    default:
        return STATUS_INTERNAL;
    }
}

static const char *remedy_of_errno(int number)
{
    switch (number) {
    case ENOENT:
        return "; check the path";
    case EACCES:
    case EPERM:
        return "; give this user the permission, or choose another path";
    case EROFS:
        return "; choose a path on a file system that can be written";
    case ENOSPC:
    case EDQUOT:
        return "; free space on that disk";
    case EMFILE:
    case ENFILE:
        return "; raise the limit of open files (ulimit -n)";
    case EISDIR:
        return "; name a file, not a folder";
    default:
        return "";
    }
}

enum status error_errno(struct error *error, int number, const char *what, const char *path)
{
    return error_set(error, status_of_errno(number), "%s '%s': %s%s", what, path, strerror(number),
                     remedy_of_errno(number));
}
