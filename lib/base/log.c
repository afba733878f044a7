#include "base/log.h"
#include "base/bytes.h"
#include "base/clock.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    const char *program;
    enum log_level level;
    enum log_format format;
} logging = {.program = "cohort", .level = LOG_INFO, .format = LOG_JSON}; // set once, at the start of main

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_open(const char *program, enum log_level level, enum log_format format)
{
    logging.program = program;
    logging.level = level;
    logging.format = format != LOG_AUTO ? format : isatty(STDERR_FILENO) ? LOG_TEXT : LOG_JSON;
}

static void append_json(struct bytes *line, const struct log_field *field)
{
    bytes_text(line, ",");
    bytes_json(line, field->key);
    bytes_text(line, ":");
    if (field->type == LOG_INT_VALUE)
        bytes_format(line, "%lld", (long long)field->integer);
    else if (field->type == LOG_REAL_VALUE && field->real - field->real == 0)
        bytes_format(line, "%.9g", field->real);
    else
        bytes_json(line, field->type == LOG_TEXT_VALUE && field->text ? field->text : "");
}

static void append_text(struct bytes *line, const struct log_field *field)
{
    bytes_format(line, " %s=", field->key);
    if (field->type == LOG_INT_VALUE)
        bytes_format(line, "%lld", (long long)field->integer);
    else if (field->type == LOG_REAL_VALUE)
        bytes_format(line, "%.6g", field->real);
    else if (field->text && field->text[strcspn(field->text, " \"\n\t=")] == '\0' && field->text[0])
        bytes_text(line, field->text);
    else
        bytes_json(line, field->text ? field->text : "");
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    if (level < logging.level)
        return;
    char time[32];
    struct bytes line = BYTES_INIT;
    clock_format_utc(clock_unix_ms(), time);
    if (logging.format == LOG_TEXT) {
        bytes_format(&line, "%.12s %-5s %s:", time + 11, level_names[level], logging.program);
        bytes_format(&line, " %s", message);
    } else {
        bytes_format(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"program\":", time, level_names[level]);
        bytes_json(&line, logging.program);
        bytes_text(&line, ",\"message\":");
        bytes_json(&line, message);
    }
    for (const struct log_field *field = fields; field->key; field++) {
        if (logging.format == LOG_TEXT)
            append_text(&line, field);
        else
            append_json(&line, field);
    }
    bytes_text(&line, logging.format == LOG_TEXT ? "\n" : "}\n");
    if (!line.failed) { // one write a line, so that lines of many threads and processes do not mix
        ssize_t n = write(STDERR_FILENO, line.data, line.n);
        (void)n;
    }
    bytes_release(&line);
}
