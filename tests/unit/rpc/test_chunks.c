#include "base/memory.h"
#include "cohort/v1/exchange.pb.h"
#include "rpc/rpc_impl.h"
#include <criterion/criterion.h>
#include <pb_encode.h>
#include <stdlib.h>
#include <string.h>

TestSuite(chunks, .timeout = 60);

enum { BYTES_MAX = 4096 };

// What `take` was given.
struct taken {
    uint8_t bytes[BYTES_MAX];
    uint64_t first, next;
    size_t n, n_runs, n_odd, n_small;
    size_t stop_after;
    bool gap;
};

static bool take(void *user, uint64_t offset, const uint8_t *run, size_t bytes)
{
    struct taken *taken = user;
    if (taken->n_runs++ == 0)
        taken->first = taken->next = offset;
    taken->gap |= offset != taken->next;
    taken->n_odd += bytes % 4 != 0;
    taken->n_small += bytes == 4;
    memcpy(taken->bytes + taken->n, run, bytes);
    taken->n += bytes;
    taken->next += bytes;
    return taken->n_runs != taken->stop_after;
}

// A message of `bytes`, cut into slices after `cuts` bytes each (the last one goes on).
static grpc_byte_buffer *cut(const uint8_t *bytes, size_t n, const size_t *cuts, size_t n_cuts)
{
    grpc_slice slices[64];
    size_t n_slices = 0, at = 0;
    for (size_t i = 0; at < n; i++) {
        size_t length = cuts[i % n_cuts] < n - at ? cuts[i % n_cuts] : n - at;
        if (n_slices == 63)
            length = n - at;
        slices[n_slices] = grpc_slice_malloc_large(length);
        memcpy(GRPC_SLICE_START_PTR(slices[n_slices]), bytes + at, length);
        n_slices++;
        at += length;
    }
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(slices, n_slices);
    for (size_t i = 0; i < n_slices; i++)
        grpc_slice_unref(slices[i]);
    return buffer;
}

static size_t put_chunk(uint8_t *into, uint64_t offset, const uint8_t *data, size_t n)
{
    pb_ostream_t stream = pb_ostream_from_buffer(into, BYTES_MAX);
    pb_encode_tag(&stream, PB_WT_VARINT, 2);
    pb_encode_varint(&stream, offset);
    pb_encode_tag(&stream, PB_WT_STRING, 15);
    pb_encode_string(&stream, data, n);
    return stream.bytes_written;
}

static size_t put_header(uint8_t *into, const char *learner)
{
    pb_ostream_t stream = pb_ostream_from_buffer(into, BYTES_MAX);
    cohort_v1_SubmitSummaryRequest request = cohort_v1_SubmitSummaryRequest_init_zero;
    request.has_header = true;
    strcpy(request.header.learner, learner);
    pb_encode(&stream, cohort_v1_SubmitSummaryRequest_fields, &request);
    return stream.bytes_written;
}

static enum status decode(const uint8_t *bytes, size_t n, const size_t *cuts, size_t n_cuts, bool with_fields,
                          cohort_v1_SubmitSummaryRequest *ret, struct rpc_chunk *ret_chunk,
                          struct taken *taken, struct error *error)
{
    struct rpc_message message = {.buffer = cut(bytes, n, cuts, n_cuts)};
    cr_assert_eq(rpc_message_bytes(&message), n);
    enum status status =
        rpc_message_decode_chunk(&message, with_fields ? cohort_v1_SubmitSummaryRequest_fields : NULL, ret,
                                 ret_chunk, take, taken, error);
    grpc_byte_buffer_destroy(message.buffer);
    return status;
}

Test(chunks, every_cut_gives_the_same_bytes_in_whole_floats)
{
    enum { N = 100 };
    uint8_t data[N], bytes[BYTES_MAX];
    for (size_t i = 0; i < N; i++)
        data[i] = (uint8_t)(i + 1);
    grpc_init();
    for (size_t first = 1; first <= 40; first++) {
        for (size_t rest = 1; rest <= 24; rest++) {
            size_t n = put_header(bytes, "ada");
            n += put_chunk(bytes + n, 1000, data, N);
            n += put_header(bytes + n, "bob"); // after the data: merged, the last wins
            size_t cuts[] = {first, rest, first + 1, rest + 2};
            cohort_v1_SubmitSummaryRequest request;
            struct rpc_chunk chunk = {0};
            struct taken taken = {0};
            struct error error = ERROR_INIT;
            cr_assert_eq(decode(bytes, n, cuts, 4, true, &request, &chunk, &taken, &error), STATUS_OK, "%s",
                         error.message);
            cr_assert(chunk.present && chunk.offset == 1000 && chunk.bytes == N);
            cr_assert(taken.n == N && !taken.gap && taken.first == 1000 && taken.n_odd == 0);
            cr_assert_eq(memcmp(taken.bytes, data, N), 0);
            cr_assert_str_eq(request.header.learner, "bob");
        }
    }
    grpc_shutdown_blocking();
}

Test(chunks, a_length_that_is_not_of_floats_ends_odd)
{
    uint8_t bytes[BYTES_MAX];
    grpc_init();
    for (size_t length = 0; length < 12; length++) {
        for (size_t at = 1; at < 20; at++) {
            struct taken taken = {0};
            struct rpc_chunk chunk = {0};
            size_t n = put_chunk(bytes, 0, (const uint8_t *)"abcdefghijkl", length);
            cr_assert_eq(decode(bytes, n, &at, 1, false, NULL, &chunk, &taken, NULL), STATUS_OK);
            cr_assert(chunk.present && chunk.bytes == length && taken.n == length && taken.n_odd <= 1);
            cr_assert_eq(memcmp(taken.bytes, "abcdefghijkl", length), 0);
        }
    }
    grpc_shutdown_blocking();
}

static void count(void *user)
{
    ++*(size_t *)user;
}

Test(chunks, a_chunk_that_was_encoded_is_decoded_and_released_once)
{
    uint8_t data[256];
    size_t n_released = 0;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)i;
    grpc_init();
    struct rpc_message message = {.buffer = chunk_encode(1ull << 40, data, sizeof data, count, &n_released)};
    struct rpc_chunk chunk = {0};
    struct taken taken = {0};
    cr_assert_eq(rpc_message_decode_chunk(&message, NULL, NULL, &chunk, take, &taken, NULL), STATUS_OK);
    cr_assert(chunk.present && chunk.offset == 1ull << 40 && chunk.bytes == sizeof data);
    cr_assert(taken.n_runs == 1 && memcmp(taken.bytes, data, sizeof data) == 0);
    cr_assert_eq(n_released, 0);
    grpc_byte_buffer_destroy(message.buffer);
    cr_assert_eq(n_released, 1);
    grpc_shutdown_blocking();
}

static void refused(const uint8_t *bytes, size_t n, bool with_fields, const char *why)
{
    size_t whole = BYTES_MAX;
    cohort_v1_SubmitSummaryRequest request;
    struct rpc_chunk chunk = {.bytes = 77};
    struct taken taken = {0};
    struct error error = ERROR_INIT;
    cr_expect_eq(decode(bytes, n, &whole, 1, with_fields, &request, &chunk, &taken, &error),
                 STATUS_INVALID_ARGUMENT);
    cr_expect(strstr(error.message, why), "'%s', not '%s'", error.message, why);
    cr_expect_eq(taken.n, 0, "bytes were handed over");
    cr_expect_eq(chunk.bytes, 77);
}

Test(chunks, malformed_chunks_are_refused_before_a_byte_is_taken)
{
    uint8_t bytes[BYTES_MAX], data[8] = {0};
    grpc_init();
    size_t n = put_chunk(bytes, 8, data, 8);
    size_t twice = n + put_chunk(bytes + n, 16, data, 8);
    refused(bytes, twice, true, "after the data");
    size_t header = put_header(bytes, "ada");
    refused(bytes, header + put_chunk(bytes + header, 0, data, 8), false, "beside");
    refused((const uint8_t *)"\x7a\x08"
                             "12345678"
                             "\x7a\x01"
                             "1",
            13, true, "twice");
    refused((const uint8_t *)"\x7a\x09"
                             "12345678",
            10, true, "cut short");
    refused((const uint8_t *)"\x7a\xff\xff\xff\xff\x0f", 6, true, "cut short");
    refused((const uint8_t *)"\x12\x01x", 3, true, "not a number");
    refused((const uint8_t *)"\x78\x01", 2, true, "not bytes");
    refused((const uint8_t *)"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x7a\x01x", 14, true, "too large");
    refused((const uint8_t *)"\x0a\x05x", 3, true, "malformed");
    grpc_shutdown_blocking();
}

Test(chunks, every_truncation_and_flipped_byte_is_survived)
{
    uint8_t bytes[BYTES_MAX], data[32] = {0};
    size_t cuts[] = {5, 7};
    grpc_init();
    size_t n = put_header(bytes, "ada");
    n += put_chunk(bytes + n, 4, data, sizeof data);
    for (size_t i = 0; i < n * 8; i++) {
        uint8_t changed[BYTES_MAX];
        memcpy(changed, bytes, n);
        changed[i / 8] ^= (uint8_t)(1u << i % 8);
        cohort_v1_SubmitSummaryRequest request =
            cohort_v1_SubmitSummaryRequest_init_zero; // callbacks are the caller's
        struct rpc_chunk chunk;
        struct taken taken = {0};
        if (decode(changed, n, cuts, 2, true, &request, &chunk, &taken, NULL) == STATUS_OK && chunk.present)
            cr_assert_eq(taken.n, chunk.bytes);
        struct taken short_taken = {0};
        if (i / 8 > 0 &&
            decode(bytes, i / 8, cuts, 2, true, &request, &chunk, &short_taken, NULL) == STATUS_OK)
            cr_assert_not(chunk.present && chunk.bytes != short_taken.n);
    }
    grpc_shutdown_blocking();
}

Test(chunks, who_takes_may_stop)
{
    uint8_t bytes[BYTES_MAX], data[64] = {0};
    size_t cuts[] = {16};
    struct taken taken = {.stop_after = 2};
    struct rpc_chunk chunk;
    struct error error = ERROR_INIT;
    grpc_init();
    size_t n = put_chunk(bytes, 4, data, sizeof data);
    cr_assert_eq(decode(bytes, n, cuts, 1, false, NULL, &chunk, &taken, &error), STATUS_ABORTED);
    cr_assert_eq(taken.n_runs, 2);
    grpc_shutdown_blocking();
}
