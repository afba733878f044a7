// Structured log lines on standard error: text on a terminal, JSON otherwise. Only programs log; libraries
// return errors.
#pragma once

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON };

struct log_field {
    const char *key; // NULL closes the list
    enum { LOG_TEXT_VALUE, LOG_INT_VALUE, LOG_REAL_VALUE } type;
    const char *text;
    int64_t integer;
    double real;
};

#define LOG_S(k, v) ((struct log_field){.key = (k), .type = LOG_TEXT_VALUE, .text = (v)})
#define LOG_I(k, v) ((struct log_field){.key = (k), .type = LOG_INT_VALUE, .integer = (int64_t)(v)})
#define LOG_R(k, v) ((struct log_field){.key = (k), .type = LOG_REAL_VALUE, .real = (double)(v)})

// Called once at the start of main; `program` must outlive the process's logging.
void log_open(const char *program, enum log_level level, enum log_format format);
void log_write(enum log_level level, const char *message, const struct log_field *fields);

// log_info("round committed", LOG_I("round", 3), LOG_S("experiment", name));
#ifdef __CPPCHECK__ // which does not know __VA_OPT__
#define log_at(level, message, ...)                                                                          \
    log_write(level, message, (const struct log_field[]){{.key = 0}, __VA_ARGS__})
#else
#define log_at(level, message, ...)                                                                          \
    log_write(level, message, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = 0}})
#endif
#define log_debug(message, ...) log_at(LOG_DEBUG, message, __VA_ARGS__)
#define log_info(message, ...)  log_at(LOG_INFO, message, __VA_ARGS__)
#define log_warn(message, ...)  log_at(LOG_WARN, message, __VA_ARGS__)
#define log_error(message, ...) log_at(LOG_ERROR, message, __VA_ARGS__)
