#include "store/record.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static size_t format_body(const struct record *record, char ret[RECORD_TEXT_BYTES])
{
    char inputs[SHA256_HEX_BYTES], model[SHA256_HEX_BYTES], state[SHA256_HEX_BYTES],
        previous[SHA256_HEX_BYTES];
    sha256_hex(record->inputs, inputs);
    sha256_hex(record->model, model);
    sha256_hex(record->state, state);
    sha256_hex(record->previous, previous);
    return (size_t)snprintf(ret, RECORD_TEXT_BYTES,
                            "{\"round\":%" PRIu32 ",\"summaries\":%" PRIu32 ",\"weight\":%" PRIu64
                            ",\"inputs\":\"%s\",\"model\":\"%s\",\"state\":\"%s\",\"previous\":\"%s\"",
                            record->round, record->summaries, record->weight, inputs, model, state, previous);
}

void record_seal(struct record *record)
{
    char text[RECORD_TEXT_BYTES];
    size_t n = format_body(record, text);
    sha256_of(text, n, record->hash);
}

void record_format(const struct record *record, char ret[RECORD_TEXT_BYTES])
{
    char hash[SHA256_HEX_BYTES];
    size_t n = format_body(record, ret);
    sha256_hex(record->hash, hash);
    snprintf(ret + n, RECORD_TEXT_BYTES - n, ",\"hash\":\"%s\"}", hash);
}

static bool read_hex(const char *text, uint8_t ret[SHA256_BYTES])
{
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        unsigned int byte = 0;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            return false;
        ret[i] = (uint8_t)byte;
    }
    return true;
}

static bool scan(const char *text, struct record *ret)
{
    char hex[5][SHA256_HEX_BYTES] = {"", "", "", "", ""};
    int n = sscanf(text,
                   "{\"round\":%10" SCNu32 ",\"summaries\":%10" SCNu32 ",\"weight\":%20" SCNu64
                   ",\"inputs\":\"%64[0-9a-f]\",\"model\":\"%64[0-9a-f]\",\"state\":\"%64[0-9a-f]\","
                   "\"previous\":\"%64[0-9a-f]"
                   "\",\"hash\":\"%64[0-9a-f]\"}",
                   &ret->round, &ret->summaries, &ret->weight, hex[0], hex[1], hex[2], hex[3], hex[4]);
    uint8_t *const to[5] = {ret->inputs, ret->model, ret->state, ret->previous, ret->hash};
    for (size_t i = 0; i < 5; i++)
        if (n != 8 || strlen(hex[i]) != 2 * SHA256_BYTES || !read_hex(hex[i], to[i]))
            return false;
    return true;
}

enum status record_parse(const char *line, size_t n, struct record *ret, struct error *error)
{
    char text[RECORD_TEXT_BYTES], again[RECORD_TEXT_BYTES];
    struct record record = {0};
    if (n >= sizeof text)
        return error_set(error, STATUS_DATA_LOSS, "a record of %zu bytes is longer than any", n);
    memcpy(text, line, n);
    text[n] = '\0';
    if (!scan(text, &record))
        return error_set(error, STATUS_DATA_LOSS, "what stands there is not a record");
    struct record sealed = record;
    record_seal(&sealed);
    record_format(&sealed, again);
    if (strlen(again) != n || memcmp(again, line, n) != 0)
        return error_set(error, STATUS_DATA_LOSS,
                         "the record of round %" PRIu32 " was changed: its hash is another", record.round);
    *ret = record;
    return STATUS_OK;
}

enum status record_follows(const struct record *record, const struct record *before, struct error *error)
{
    static const uint8_t none[SHA256_BYTES];
    if (record->round != (before ? before->round + 1 : 0))
        return error_set(error, STATUS_DATA_LOSS,
                         "the record of round %" PRIu32 " stands where round %" PRIu32 "'s is due",
                         record->round, before ? before->round + 1 : 0);
    if (memcmp(record->previous, before ? before->hash : none, SHA256_BYTES) != 0)
        return error_set(error, STATUS_DATA_LOSS,
                         "the record of round %" PRIu32 " does not follow the one before it", record->round);
    return STATUS_OK;
}
