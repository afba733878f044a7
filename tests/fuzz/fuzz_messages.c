// Every message that a service decodes: the first byte chooses which, the second how gRPC cuts it into
// slices. What is decoded is encoded, decoded and encoded again to the same bytes.
#include "base/memory.h"
#include "cohort/v1/coordinator.pb.h"
#include "cohort/v1/exchange.pb.h"
#include "cohort/v1/learner.pb.h"
#include "fuzz.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include <pb_decode.h>
#include <string.h>

#define MESSAGE(name)                                                                                        \
    {                                                                                                        \
        name##_fields, sizeof(name)                                                                          \
    }

static const struct {
    const pb_msgdesc_t *fields;
    size_t bytes;
} messages[] = {
    // requests, from users and learners
    MESSAGE(cohort_v1_CreateExperimentRequest),
    MESSAGE(cohort_v1_GetExperimentRequest),
    MESSAGE(cohort_v1_ListExperimentsRequest),
    MESSAGE(cohort_v1_WatchExperimentRequest),
    MESSAGE(cohort_v1_ExplainExperimentRequest),
    MESSAGE(cohort_v1_PauseExperimentRequest),
    MESSAGE(cohort_v1_ResumeExperimentRequest),
    MESSAGE(cohort_v1_CancelExperimentRequest),
    MESSAGE(cohort_v1_DownloadModelRequest),
    MESSAGE(cohort_v1_ListLearnersRequest),
    MESSAGE(cohort_v1_RemoveLearnerRequest),
    MESSAGE(cohort_v1_AttendRequest),
    MESSAGE(cohort_v1_FetchModelRequest),
    MESSAGE(cohort_v1_OfferSummaryRequest),
    MESSAGE(cohort_v1_SubmitSummaryRequest),
    MESSAGE(cohort_v1_GetStatusRequest),
    MESSAGE(cohort_v1_PredictRequest),
    MESSAGE(cohort_v1_EvaluateRequest),
    MESSAGE(cohort_v1_ExchangeSummaryRequest),
    MESSAGE(cohort_v1_GetModelRequest),
    MESSAGE(grpc_health_v1_HealthCheckRequest),
    MESSAGE(grpc_reflection_v1_ServerReflectionRequest),
    // answers, that learners and relays take from a coordinator
    MESSAGE(cohort_v1_AttendResponse),
    MESSAGE(cohort_v1_FetchModelResponse),
    MESSAGE(cohort_v1_OfferSummaryResponse),
    MESSAGE(cohort_v1_SubmitSummaryResponse),
    MESSAGE(cohort_v1_WatchExperimentResponse),
    MESSAGE(cohort_v1_DownloadModelResponse),
    MESSAGE(cohort_v1_ExplainExperimentResponse),
    MESSAGE(cohort_v1_GetModelResponse),
};

// Decodes into zeroed memory and encodes again; NULL when the bytes are not such a message.
static grpc_byte_buffer *turn(size_t index, struct rpc_message *message)
{
    struct error error = ERROR_INIT;
    grpc_byte_buffer *encoded = NULL;
    void *decoded = memory_zalloc(messages[index].bytes);
    fuzz_require(decoded != NULL);
    if (rpc_message_decode(message, messages[index].fields, decoded, &error) == STATUS_OK) {
        fuzz_require(message_encode(&encoded, messages[index].fields, decoded, &error) == STATUS_OK);
        pb_release(messages[index].fields, decoded);
    } else {
        fuzz_require(error.status == STATUS_INVALID_ARGUMENT);
    }
    memory_free(decoded);
    return encoded;
}

static void same(grpc_byte_buffer *a, grpc_byte_buffer *b)
{
    grpc_slice_buffer *left = &a->data.raw.slice_buffer, *right = &b->data.raw.slice_buffer;
    fuzz_require(left->count == right->count);
    for (size_t i = 0; i < left->count; i++)
        fuzz_require(grpc_slice_eq(left->slices[i], right->slices[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    size_t index = fuzz_byte(&data, &n) % ARRAY_SIZE(messages);
    size_t cut = fuzz_byte(&data, &n);
    struct rpc_message message = fuzz_message(data, n, cut);
    grpc_byte_buffer *first = turn(index, &message);
    fuzz_message_release(&message);
    if (!first)
        return 0;
    message.buffer = first;
    grpc_byte_buffer *second = turn(index, &message);
    fuzz_require(second != NULL);
    same(first, second);
    grpc_byte_buffer_destroy(first);
    grpc_byte_buffer_destroy(second);
    return 0;
}
