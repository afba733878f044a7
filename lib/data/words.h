// Numbers for distinct texts, by first appearance.
#pragma once

#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

struct words {
    size_t n;
    char **items;    // [n], owned
    uint32_t *slots; // open addressing: number + 1, 0 for free
    size_t n_slots;
};

#define WORDS_INIT ((struct words){0})

// The number of `text`, which is added when it is new.
enum status words_add(struct words *words, const char *text, uint32_t *ret, struct error *error);
void words_release(struct words *words);
