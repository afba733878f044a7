// What is written down of a committed round. Records are lines of JSON in a fixed form, each with the SHA-256
// of itself and of the one before, so that nobody changes one without a trace. Nothing in them depends on
// when or how often something happened: the same experiment gives the same records, whatever was killed and
// restarted on the way.
#pragma once

#include "base/error.h"
#include "base/sha256.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RECORD_TEXT_BYTES = 640 };

struct record {
    uint32_t round; // 0: before the first one
    uint32_t summaries;
    uint64_t weight; // of the summaries together
    uint8_t
        inputs[SHA256_BYTES]; // round 0: of the experiment's text; else of who contributed with what weight
    uint8_t model[SHA256_BYTES];    // of the model's safetensors file
    uint8_t state[SHA256_BYTES];    // of what the algorithm keeps beside it; zeros: nothing
    uint8_t previous[SHA256_BYTES]; // `hash` of the record before; zeros in the first one
    uint8_t hash[SHA256_BYTES];     // of all above
};

// Fills in `hash`.
void record_seal(struct record *record);
// The line, without its end.
void record_format(const struct record *record, char ret[RECORD_TEXT_BYTES]);
// DATA_LOSS unless the line is exactly what record_format makes of a sealed record.
enum status record_parse(const char *line, size_t n, struct record *ret, struct error *error);
// DATA_LOSS unless `record` follows `before` (NULL: is the first one).
enum status record_follows(const struct record *record, const struct record *before, struct error *error);
