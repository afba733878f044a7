// A run's records, as `cohort verify` reads them and a coordinator its journal's: lines that anybody may have
// changed. The first byte says whether the rest is a line, or the fields of a record that is made, formatted
// and read back.
#include "fuzz.h"
#include "store/record.h"
#include <string.h>

static void read_back(const uint8_t *data, size_t n)
{
    struct record record = {0}, again, next;
    struct error error = ERROR_INIT;
    char line[RECORD_TEXT_BYTES];
    memcpy(&record, data, n < sizeof record ? n : sizeof record);
    record_seal(&record);
    record_format(&record, line);
    fuzz_require(record_parse(line, strlen(line), &again, &error) == STATUS_OK);
    fuzz_require(again.round == record.round && again.weight == record.weight);
    fuzz_require(memcmp(again.hash, record.hash, sizeof again.hash) == 0);
    next = record;
    memcpy(next.previous, record.hash, sizeof next.previous);
    next.round = record.round + 1;
    fuzz_require(record_follows(&next, &record, &error) == STATUS_OK);
    next.previous[n % sizeof next.previous] ^= 1;
    fuzz_require(record_follows(&next, &record, &error) == STATUS_DATA_LOSS);
    line[n % strlen(line)] ^= 1; // no bit of a line may change
    fuzz_require(record_parse(line, strlen(line), &again, &error) == STATUS_DATA_LOSS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct record record = {0};
    struct error error = ERROR_INIT;
    char line[RECORD_TEXT_BYTES];
    if (fuzz_byte(&data, &n) % 2) {
        read_back(data, n);
    } else if (record_parse((const char *)data, n, &record, &error) == STATUS_OK) {
        record_format(&record, line);
        fuzz_require(strlen(line) == n && memcmp(line, data, n) == 0);
    } else {
        fuzz_require(error.status == STATUS_DATA_LOSS && error.message[0]);
    }
    return 0;
}
