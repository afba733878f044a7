// The settings that every service has, whatever it serves.
#pragma once

#include "config/security.h"

// `log:`
struct log_options {
    int level;  // enum log_level
    int format; // enum log_format
};

struct service_options {
    bool window_probe;   // receive windows grow with the probed bandwidth
    bool cross_memory;   // processes of this machine and user read parameters from each other's memory
    const char *metrics; // address of /metrics; NULL: nowhere
    const char *trace;   // a file; NULL: none
    struct security_options security;
    struct log_options log;
};

extern const struct field log_fields[];

// The rows of a service's table for the member `common` of its struct, `options`.
#define SERVICE_ROWS(options)                                                                                \
    {.name = "window_probe",                                                                                 \
     .type = FIELD_BOOL,                                                                                     \
     .offset = offsetof(options, common.window_probe),                                                       \
     .fallback = "true",                                                                                     \
     .help = "receive windows grow with the probed bandwidth; false saves memory and time on one machine "   \
             "or a fast local network, and is ruinous from some ms of round trip on"},                       \
        {.name = "cross_memory",                                                                             \
         .type = FIELD_BOOL,                                                                                 \
         .offset = offsetof(options, common.cross_memory),                                                   \
         .fallback = "false",                                                                                \
         .help = "coordinator and learner read parameters out of each other's memory where both have this, " \
                 "run on one machine as one user, and may; else they send them"},                            \
        {.name = "metrics",                                                                                  \
         .type = FIELD_TEXT,                                                                                 \
         .offset = offsetof(options, common.metrics),                                                        \
         .help = "where GET /metrics tells Prometheus how it goes: host:port; port 0 takes a free one; "     \
                 "absent: nowhere"},                                                                         \
        {.name = "trace",                                                                                    \
         .type = FIELD_TEXT,                                                                                 \
         .offset = offsetof(options, common.trace),                                                          \
         .help = "file for what each ms of a round goes to, a JSON event a line in the Trace Event Format; " \
                 "absent: none"},                                                                            \
        SECURITY_ROWS(options, common.security),                                                             \
    {                                                                                                        \
        .name = "log", .type = FIELD_SECTION, .offset = offsetof(options, common.log), .fields = log_fields, \
        .help = "structured log on standard error"                                                           \
    }
