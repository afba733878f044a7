#include "data/words.h"
#include "base/memory.h"
#include <string.h>

// FNV-1a (Fowler, Noll, Vo) with a closing mix.
static size_t hash(const char *text)
{
    uint64_t value = 0xCBF29CE484222325;
    for (; *text; text++)
        value = (value ^ (unsigned char)*text) * 0x100000001B3;
    return (size_t)(value ^ value >> 29);
}

static uint32_t *find_slot(const struct words *words, const char *text)
{
    for (size_t at = hash(text) & (words->n_slots - 1);; at = (at + 1) & (words->n_slots - 1)) {
        uint32_t *slot = &words->slots[at];
        if (*slot == 0 || strcmp(words->items[*slot - 1], text) == 0)
            return slot;
    }
}

// Twice the slots, so that at most half of them are taken.
static enum status grow(struct words *words, struct error *error)
{
    size_t n = words->n_slots ? 2 * words->n_slots : 64;
    uint32_t *slots = memory_array(n, sizeof *slots);
    char **items = memory_resize(words->items, n / 2, sizeof *items);
    if (items)
        words->items = items;
    if (!slots || !items) {
        memory_free(slots);
        return error_no_memory(error, n * sizeof *items);
    }
    memory_free(words->slots);
    words->slots = slots;
    words->n_slots = n;
    for (size_t i = 0; i < words->n; i++)
        *find_slot(words, words->items[i]) = (uint32_t)i + 1;
    return STATUS_OK;
}

enum status words_add(struct words *words, const char *text, uint32_t *ret, struct error *error)
{
    if (words->n >= words->n_slots / 2)
        TRY(grow(words, error));
    uint32_t *slot = find_slot(words, text);
    if (*slot == 0) {
        char *copy = memory_copy_text(text);
        if (!copy)
            return error_no_memory(error, strlen(text));
        words->items[words->n++] = copy;
        *slot = (uint32_t)words->n;
    }
    *ret = *slot - 1;
    return STATUS_OK;
}

void words_release(struct words *words)
{
    for (size_t i = 0; i < words->n; i++)
        memory_free(words->items[i]);
    memory_free(words->items);
    memory_free(words->slots);
    *words = WORDS_INIT;
}
