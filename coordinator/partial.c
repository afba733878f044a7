#include "coordinator/partial.h"
#include "base/memory.h"
#include "reduce/reducer.h"
#include <pb_decode.h>
#include <pb_encode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_LEAST = 8 };

static enum status make_room(struct partial *partial, size_t n, struct error *error)
{
    if (n > RING_TERMS_MAX)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED,
                         "a partial sum of more than '%d' summaries; send it in parts", RING_TERMS_MAX);
    if (n <= partial->capacity)
        return STATUS_OK;
    size_t capacity = partial->capacity ? partial->capacity * 2 : CAPACITY_LEAST;
    if (capacity < n)
        capacity = n;
    cohort_v1_SummaryMember *members = memory_resize(partial->members, capacity, sizeof *members);
    if (!members)
        return error_no_memory(error, capacity * sizeof *members);
    partial->members = members;
    partial->capacity = capacity;
    return STATUS_OK;
}

enum status partial_add(struct partial *partial, const cohort_v1_SummaryMember *member, struct error *error)
{
    TRY(make_room(partial, partial->n + 1, error));
    partial->members[partial->n++] = *member;
    return STATUS_OK;
}

enum status partial_add_all(struct partial *partial, const struct partial *other, struct error *error)
{
    if (other->n == 0)
        return STATUS_OK;
    TRY(make_room(partial, partial->n + other->n, error));
    memcpy(partial->members + partial->n, other->members, other->n * sizeof *other->members);
    partial->n += other->n;
    return STATUS_OK;
}

const cohort_v1_SummaryMember *partial_find(const struct partial *partial, const char *learner)
{
    for (size_t i = 0; i < partial->n; i++)
        if (strcmp(partial->members[i].learner, learner) == 0)
            return &partial->members[i];
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    const cohort_v1_SummaryMember *const *left = a, *const *right = b;
    return strcmp((*left)->learner, (*right)->learner);
}

static bool names_differ(const struct partial *partial)
{
    const cohort_v1_SummaryMember **sorted = memory_array(partial->n, sizeof *sorted);
    if (!sorted)
        return false;
    for (size_t i = 0; i < partial->n; i++)
        sorted[i] = &partial->members[i];
    qsort(sorted, partial->n, sizeof *sorted, by_name);
    bool differ = true;
    for (size_t i = 1; i < partial->n; i++)
        differ &= strcmp(sorted[i - 1]->learner, sorted[i]->learner) != 0;
    memory_free(sorted);
    return differ;
}

bool partial_weigh(const struct partial *partial, uint64_t *ret)
{
    uint64_t sum = 0; // RING_TERMS_MAX times REDUCTION_WEIGHT_MAX fit
    for (size_t i = 0; i < partial->n; i++) {
        uint64_t weight = partial->members[i].weight;
        if (weight == 0 || weight > REDUCTION_WEIGHT_MAX)
            return false;
        sum += weight;
    }
    if (partial->n == 0 || !names_differ(partial))
        return false;
    *ret = sum;
    return true;
}

void partial_release(struct partial *partial)
{
    memory_free(partial->members);
    *partial = PARTIAL_INIT;
}

cohort_v1_SummaryMember partial_member(const cohort_v1_SummaryHeader *header)
{
    cohort_v1_SummaryMember member = {
        .incarnation = header->incarnation,
        .weight = header->weight,
        .metrics_count = header->metrics_count,
        .train_seconds = header->train_seconds,
        .fetch_seconds = header->fetch_seconds,
        .peak_rss_bytes = header->peak_rss_bytes,
    };
    snprintf(member.learner, sizeof member.learner, "%s", header->learner);
    memcpy(member.metrics, header->metrics, sizeof member.metrics);
    return member;
}

// ---- on the wire ----------------------------------------------------------------------------------------

static bool decode_member(pb_istream_t *stream, const pb_field_t *field, void **argument)
{
    struct partial *partial = *argument;
    cohort_v1_SummaryMember member = cohort_v1_SummaryMember_init_zero;
    if (!pb_decode(stream, cohort_v1_SummaryMember_fields, &member))
        return false;
    if (partial_add(partial, &member, NULL) != STATUS_OK)
        partial->failed = true;
    return !partial->failed;
}

static bool encode_members(pb_ostream_t *stream, const pb_field_t *field, void *const *argument)
{
    const struct partial *partial = *argument;
    for (size_t i = 0; i < partial->n; i++)
        if (!pb_encode_tag_for_field(stream, field) ||
            !pb_encode_submessage(stream, cohort_v1_SummaryMember_fields, &partial->members[i]))
            return false;
    return true;
}

void partial_receive(struct partial *ret, cohort_v1_SubmitSummaryRequest *request)
{
    request->members = (pb_callback_t){.funcs.decode = decode_member, .arg = ret};
}

void partial_send(const struct partial *partial, cohort_v1_SubmitSummaryRequest *request)
{
    request->members = (pb_callback_t){.funcs.encode = encode_members, .arg = (void *)(uintptr_t)partial};
}

enum status partial_check_speaker(const struct partial *partial, const cohort_v1_SummaryHeader *header,
                                  struct rpc_call *call, struct error *error)
{
    if (partial->n == 0 || strcmp(header->codec, PARTIAL_CODEC) != 0)
        return rpc_call_speaks_for(call, header->learner, error);
    for (size_t i = 0; i < partial->n; i++)
        TRY(rpc_call_speaks_for(call, partial->members[i].learner, error));
    return STATUS_OK;
}
