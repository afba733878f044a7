#include "store/chain.h"
#include <inttypes.h>
#include <string.h>

enum { CHAIN_BYTES_MAX = 1 << 30 };

enum status chain_add(struct chain *chain, const char *line, size_t n, struct error *error)
{
    struct record record;
    enum status status = record_parse(line, n, &record, error);
    if (status == STATUS_OK)
        status = record_follows(&record, chain->n ? &chain->last : NULL, error);
    if (status != STATUS_OK)
        return error_prefix(error, "round %" PRIu32, chain->n);
    if (chain->n++ == 0)
        chain->first = record;
    chain->last = record;
    return STATUS_OK;
}

enum status chain_read(struct chain *ret, const char *path, struct error *error)
{
    TRY(bytes_read_file(&ret->text, path, CHAIN_BYTES_MAX, error));
    size_t at = 0;
    while (at < ret->text.n) {
        const char *line = ret->text.data + at, *end = memchr(line, '\n', ret->text.n - at);
        if (!end)
            return error_set(error, STATUS_DATA_LOSS, "the record of round %" PRIu32 " is cut short", ret->n);
        TRY(chain_add(ret, line, (size_t)(end - line), error));
        at += (size_t)(end - line) + 1;
    }
    return ret->n ? STATUS_OK : error_set(error, STATUS_DATA_LOSS, "'%s' is empty", path);
}

void chain_release(struct chain *chain)
{
    bytes_release(&chain->text);
}
