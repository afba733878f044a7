#include "store/record.h"
#include <criterion/criterion.h>
#include <string.h>

static struct error error;

static struct record sealed(uint32_t round, const struct record *before)
{
    struct record record = {.round = round, .summaries = 3, .weight = UINT64_MAX};
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        record.inputs[i] = (uint8_t)(i * 7 + round);
        record.model[i] = (uint8_t)(255 - i);
    }
    if (before)
        memcpy(record.previous, before->hash, SHA256_BYTES);
    record_seal(&record);
    return record;
}

Test(record, what_is_formatted_parses_to_the_same)
{
    char text[RECORD_TEXT_BYTES];
    struct record record = sealed(4, NULL), again;
    record_format(&record, text);
    cr_assert_eq(record_parse(text, strlen(text), &again, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(memcmp(record.hash, again.hash, SHA256_BYTES), 0);
    cr_assert_eq(again.weight, UINT64_MAX);
}

Test(record, every_single_bit_that_changes_is_noticed)
{
    char text[RECORD_TEXT_BYTES];
    struct record record = sealed(4, NULL), again;
    record_format(&record, text);
    size_t n = strlen(text);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        text[bit / 8] ^= (char)(1 << bit % 8);
        cr_assert_eq(record_parse(text, n, &again, &error), STATUS_DATA_LOSS, "bit %zu", bit);
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t less = 1; less < n; less++)
        cr_assert_eq(record_parse(text, n - less, &again, &error), STATUS_DATA_LOSS);
}

Test(record, a_record_follows_the_one_before_and_no_other)
{
    struct record first = sealed(0, NULL), second = sealed(1, &first), third = sealed(2, &second);
    cr_assert_eq(record_follows(&first, NULL, &error), STATUS_OK);
    cr_assert_eq(record_follows(&second, &first, &error), STATUS_OK);
    cr_assert_eq(record_follows(&third, &first, &error), STATUS_DATA_LOSS);
    cr_assert_eq(record_follows(&second, NULL, &error), STATUS_DATA_LOSS);
    struct record other = sealed(1, &third);
    cr_assert_eq(record_follows(&other, &first, &error), STATUS_DATA_LOSS);
}
