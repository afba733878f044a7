// What clang's analyzer, which looks at one source at a time, is to know of functions of another: that an
// error that is set is returned. ./dev lint includes it before every source.
#pragma once

#include "base/error.h"
#include "config/mark.h"

#define error_set(error, status, ...)      (error_set(error, status, __VA_ARGS__), (status))
#define error_at(error, mark, status, ...) (error_at(error, mark, status, __VA_ARGS__), (status))
#define error_no_memory(error, bytes)      (error_no_memory(error, bytes), STATUS_RESOURCE_EXHAUSTED)
#define error_errno(error, number, ...)    (error_errno(error, number, __VA_ARGS__), STATUS_INTERNAL)
