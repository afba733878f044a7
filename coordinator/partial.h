// The learners that a partial sum stands for, as they travel with it: in the first message of SubmitSummary.
#pragma once

#include "base/error.h"
#include "cohort/v1/exchange.pb.h"
#include "reduce/ring.h"
#include "rpc/security.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a partial sum's bytes are called in a header's `codec`: little-endian int64 of the fixed-point ring.
#define PARTIAL_CODEC "ring64"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ring64 sends the memory itself");

struct partial {
    cohort_v1_SummaryMember *members; // [n], at most RING_TERMS_MAX
    size_t n, capacity;
    bool failed; // a list that was received did not fit: too many, or out of memory
};

#define PARTIAL_INIT ((struct partial){0})

// RESOURCE_EXHAUSTED when out of memory or RING_TERMS_MAX are in it.
enum status partial_add(struct partial *partial, const cohort_v1_SummaryMember *member, struct error *error);
// Adds all of `other`, or nothing.
enum status partial_add_all(struct partial *partial, const struct partial *other, struct error *error);
const cohort_v1_SummaryMember *partial_find(const struct partial *partial, const char *learner);
// The samples behind all members together. False when one has none or too many, or a name comes twice.
bool partial_weigh(const struct partial *partial, uint64_t *ret);
void partial_release(struct partial *partial);

// The member that a summary's own header describes.
cohort_v1_SummaryMember partial_member(const cohort_v1_SummaryHeader *header);

// Readies a request for decoding into `ret`, or for encoding what is in `partial`; both must stay in place
// until then.
void partial_receive(struct partial *ret, cohort_v1_SubmitSummaryRequest *request);
void partial_send(const struct partial *partial, cohort_v1_SubmitSummaryRequest *request);

// Whether the caller may act for all whose summaries these are: the header's learner, or a sum's members.
enum status partial_check_speaker(const struct partial *partial, const cohort_v1_SummaryHeader *header,
                                  struct rpc_call *call, struct error *error);
