// A message with a chunk in it: what is handed over is in order, whole floats but for the end, the same
// however gRPC cut the message. The first byte is the cut.
#include "cohort/v1/exchange.pb.h"
#include "cohort/v1/learner.pb.h"
#include "fuzz.h"
#include <pb_decode.h>
#include <string.h>

struct taken {
    uint64_t next, n;
    uint64_t hash; // of the bytes in order (FNV-1a)
    bool begun, odd;
};

static bool take(void *user, uint64_t offset, const uint8_t *run, size_t bytes)
{
    struct taken *taken = user;
    fuzz_require(bytes > 0 && !taken->odd);
    fuzz_require(!taken->begun || offset == taken->next);
    taken->begun = true;
    taken->odd = bytes % 4 != 0;
    for (size_t i = 0; i < bytes; i++)
        taken->hash = (taken->hash ^ run[i]) * 1099511628211U;
    taken->next = offset + bytes;
    taken->n += bytes;
    return true;
}

static enum status decode(const uint8_t *data, size_t n, size_t cut, const pb_msgdesc_t *fields, void *into,
                          struct taken *ret)
{
    struct rpc_message message = fuzz_message(data, n, cut);
    struct rpc_chunk chunk = {0};
    struct error error = ERROR_INIT;
    enum status status = rpc_message_decode_chunk(&message, fields, into, &chunk, take, ret, &error);
    fuzz_message_release(&message);
    if (status == STATUS_OK) {
        fuzz_require(!chunk.present || chunk.bytes == ret->n);
        fuzz_require(chunk.bytes == 0 || ret->next == chunk.offset + chunk.bytes);
        if (fields)
            pb_release(fields, into);
    } else {
        fuzz_require(status == STATUS_INVALID_ARGUMENT && !ret->begun);
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    size_t cut = fuzz_byte(&data, &n);
    struct taken whole = {0}, cut_up = {0}, bare = {0}, other = {0};
    cohort_v1_FetchModelResponse response = cohort_v1_FetchModelResponse_init_zero;
    cohort_v1_ExchangeSummaryRequest request = cohort_v1_ExchangeSummaryRequest_init_zero;
    enum status one = decode(data, n, 0, cohort_v1_FetchModelResponse_fields, &response, &whole);
    response = (cohort_v1_FetchModelResponse)cohort_v1_FetchModelResponse_init_zero;
    enum status two = decode(data, n, cut, cohort_v1_FetchModelResponse_fields, &response, &cut_up);
    fuzz_require(one == two && whole.n == cut_up.n && whole.hash == cut_up.hash);
    decode(data, n, cut, NULL, NULL, &bare);
    decode(data, n, cut, cohort_v1_ExchangeSummaryRequest_fields, &request, &other);
    return 0;
}
