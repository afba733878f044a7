// All records of a run, as its folder has them in records.jsonl, or a journal.
#pragma once

#include "base/bytes.h"
#include "store/record.h"

struct chain {
    struct bytes text; // the file
    uint32_t n;        // records
    struct record first, last;
};

#define CHAIN_INIT                                                                                           \
    {                                                                                                        \
        .text = BYTES_INIT                                                                                   \
    }

// DATA_LOSS, with the round, unless every line is a record and follows the one before, and there is one. To
// be released in any case.
enum status chain_read(struct chain *ret, const char *path, struct error *error);
// One record more, its line without the end; DATA_LOSS, with the round, unless it follows.
enum status chain_add(struct chain *chain, const char *line, size_t n, struct error *error);
void chain_release(struct chain *chain);
