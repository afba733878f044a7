// What went wrong, said once: where the fault is known an error is set, and it is passed up unchanged until a
// program prints it or a service sends it.
#pragma once

#include "base/status.h"
#include <stdarg.h>

enum { ERROR_MESSAGE_BYTES = 1024 };

struct error {
    enum status status;
    char message[ERROR_MESSAGE_BYTES]; // one line: what failed, the thing in quotes, what to do
};

#define ERROR_INIT ((struct error){.status = STATUS_OK})

// Fills `error` (which may be NULL) with `status` and the formatted message, cut to fit. Returns `status`, so
// that a function can `return error_set(error, STATUS_NOT_FOUND, "...")`.
enum status error_set(struct error *error, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum status error_setv(struct error *error, enum status status, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

// Puts "prefix: " before the message; returns the error's status.
enum status error_prefix(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The error for an allocation of `bytes` that failed: RESOURCE_EXHAUSTED.
enum status error_no_memory(struct error *error, unsigned long bytes);

// The error for a system call that failed with `number` (an errno) on `path`: NOT_FOUND, PERMISSION_DENIED,
// RESOURCE_EXHAUSTED (ENOSPC, EDQUOT, ENOMEM, EMFILE) or INTERNAL.
enum status error_errno(struct error *error, int number, const char *what, const char *path);

// Runs `call`, an expression of enum status, and returns its status from this function unless it is OK.
#define TRY(call)                                                                                            \
    do {                                                                                                     \
        enum status try_status_ = (call);                                                                    \
        if (try_status_ != STATUS_OK)                                                                        \
            return try_status_;                                                                              \
    } while (0)
