#include "config/service.h"
#include <stddef.h>

static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const formats[] = {"auto", "text", "json", NULL};

const struct field log_fields[] = {
    {.name = "level",
     .type = FIELD_WORD,
     .offset = offsetof(struct log_options, level),
     .fallback = "info",
     .words = levels,
     .help = "least level that is written"},
    {.name = "format",
     .type = FIELD_WORD,
     .offset = offsetof(struct log_options, format),
     .fallback = "auto",
     .words = formats,
     .help = "auto: text on a terminal, JSON otherwise"},
    {0},
};
