// Result codes: gRPC's own, so that a failure keeps its meaning from a library to the wire and back.
#pragma once

enum status {
    STATUS_OK = 0,
    STATUS_CANCELLED = 1,
    STATUS_UNKNOWN = 2,
    STATUS_INVALID_ARGUMENT = 3, // the caller's input is wrong; programs exit with 2
    STATUS_DEADLINE_EXCEEDED = 4,
    STATUS_NOT_FOUND = 5,
    STATUS_ALREADY_EXISTS = 6,
    STATUS_PERMISSION_DENIED = 7,
    STATUS_RESOURCE_EXHAUSTED = 8, // out of memory, disk or quota
    STATUS_FAILED_PRECONDITION = 9,
    STATUS_ABORTED = 10,
    STATUS_OUT_OF_RANGE = 11,
    STATUS_UNIMPLEMENTED = 12,
    STATUS_INTERNAL = 13,
    STATUS_UNAVAILABLE = 14,
    STATUS_DATA_LOSS = 15, // bytes that are damaged or cut short
    STATUS_UNAUTHENTICATED = 16,
};

// The code's name as gRPC spells it, "NOT_FOUND"; "UNKNOWN" for a value outside the table.
const char *status_name(enum status status);

// The exit code of a program that ends with `status`: 0 OK, 2 bad input (INVALID_ARGUMENT, NOT_FOUND,
// ALREADY_EXISTS, OUT_OF_RANGE, FAILED_PRECONDITION, PERMISSION_DENIED, DATA_LOSS), 3 UNAVAILABLE or
// DEADLINE_EXCEEDED, 130 CANCELLED, 1 anything else.
int status_exit_code(enum status status);
