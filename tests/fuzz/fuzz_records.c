// A run's records, as `cohort verify` reads them and a coordinator its journal's: lines that anybody may have
// changed. The first byte says whether the rest is a line, the fields of a record that is made, formatted and
// read back, a file of records, or what is put after an honest one's.
#include "base/bytes.h"
#include "fuzz.h"
#include "store/chain.h"
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

static void parse(const uint8_t *data, size_t n)
{
    struct record record = {0};
    struct error error = ERROR_INIT;
    char line[RECORD_TEXT_BYTES];
    if (record_parse((const char *)data, n, &record, &error) == STATUS_OK) {
        record_format(&record, line);
        fuzz_require(strlen(line) == n && memcmp(line, data, n) == 0);
    } else {
        fuzz_require(error.status == STATUS_DATA_LOSS && error.message[0]);
    }
}

// Of an honest file with `n_honest` records, the bytes after it.
static void read_file(uint32_t n_honest, const uint8_t *data, size_t n)
{
    struct chain chain = CHAIN_INIT;
    struct record record = {0};
    struct error error = ERROR_INIT;
    struct bytes file = BYTES_INIT;
    char line[RECORD_TEXT_BYTES];
    for (uint32_t i = 0; i < n_honest; i++) {
        memcpy(record.previous, record.hash, sizeof record.previous);
        record.round = i;
        record_seal(&record);
        record_format(&record, line);
        bytes_format(&file, "%s\n", line);
    }
    bytes_append(&file, data, n);
    fuzz_require(!file.failed);
    if (chain_read(&chain, fuzz_file(0, file.data, file.n), &error) == STATUS_OK) {
        fuzz_require(chain.n > 0 && chain.n >= n_honest && chain.last.round == chain.n - 1);
        fuzz_require(chain.text.n == file.n && chain.first.round == 0);
    } else {
        fuzz_require(error.status == STATUS_DATA_LOSS && error.message[0] && chain.n >= n_honest);
    }
    chain_release(&chain);
    bytes_release(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t what = fuzz_byte(&data, &n);
    switch (what % 4) {
    case 0:
        parse(data, n);
        break;
    case 1:
        read_back(data, n);
        break;
    case 2:
        read_file(0, data, n);
        break;
    default:
        read_file(1 + what / 64, data, n);
    }
    return 0;
}
