// The settings of `struct security_options`, the same for every service.
#pragma once

#include "base/security.h"
#include "config/fields.h"

extern const struct field tls_fields[];

// The rows of a service's table for `member` of its struct, `options`.
// NOLINTBEGIN(bugprone-macro-parentheses): members of a struct stand in none
#define SECURITY_ROWS(options, member)                                                                       \
    {.name = "tls",                                                                                          \
     .type = FIELD_SECTION,                                                                                  \
     .offset = offsetof(options, member),                                                                    \
     .fields = tls_fields,                                                                                   \
     .help = "TLS on every port and connection; see docs/security.md"},                                      \
        {.name = "insecure",                                                                                 \
         .type = FIELD_BOOL,                                                                                 \
         .offset = offsetof(options, member.insecure),                                                       \
         .fallback = "false",                                                                                \
         .help = "serve without TLS on addresses that other machines reach: anyone may call anything"},      \
        {.name = "tokens",                                                                                   \
         .type = FIELD_TEXT,                                                                                 \
         .offset = offsetof(options, member.tokens),                                                         \
         .help = "file of the join tokens that are accepted, made by `cohort token`; absent: none is"},      \
        {.name = "token",                                                                                    \
         .type = FIELD_TEXT,                                                                                 \
         .offset = offsetof(options, member.token),                                                          \
         .help = "join token that this process shows to those that it calls, or file:PATH"},                 \
    {                                                                                                        \
        .name = "audit", .type = FIELD_TEXT, .offset = offsetof(options, member.audit),                      \
        .help = "file that gets a JSON line for every call: who, what, when, from where, allowed or refused" \
    }
// NOLINTEND(bugprone-macro-parentheses)
