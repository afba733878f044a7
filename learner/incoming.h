// A model on its way to a study as its downlink codec sends it: parts of equal length, each decoded into the
// study's values while its bytes come.
#pragma once

#include "experiment/coding.h"
#include <stdbool.h>
#include <stdint.h>

struct study;

struct incoming {
    bool coded;           // else the values come as they are
    uint32_t differences; // parts that are added to what the values held; 0: one that takes their place
    uint64_t bytes;       // of all parts
    uint8_t *part;        // [part_bytes] the one that comes now
    size_t part_bytes;
    size_t n_decoded; // values of it
};

// What comes next makes the model of `round`, of `differences` rounds since the one that `values` hold (0:
// whatever they hold).
enum status incoming_begin(struct study *study, uint32_t round, bool coded, uint32_t differences,
                           struct error *error);
// Takes bytes [n] from `offset` on, which are in order and within `bytes`. DATA_LOSS when they cannot be
// decoded: then nothing is held.
enum status incoming_take(struct study *study, uint64_t offset, const uint8_t *bytes, size_t n,
                          struct error *error);
void incoming_release(struct incoming *incoming);
