#include "base/memory.h"
#include "coordinator/partial.h"
#include "reduce/reducer.h"
#include <criterion/criterion.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <stdio.h>

static cohort_v1_SummaryMember member(unsigned int number, uint64_t weight)
{
    cohort_v1_SummaryMember member = {.incarnation = number + 7, .weight = weight, .metrics_count = 1};
    snprintf(member.learner, sizeof member.learner, "learner-%u", number);
    snprintf(member.metrics[0].name, sizeof member.metrics[0].name, "train_loss");
    member.metrics[0].value = number * 0.5;
    member.train_seconds = number;
    return member;
}

static struct partial make(unsigned int n)
{
    struct partial partial = PARTIAL_INIT;
    for (unsigned int i = 0; i < n; i++) {
        const cohort_v1_SummaryMember it = member(i, i + 1);
        cr_assert_eq(partial_add(&partial, &it, NULL), STATUS_OK);
    }
    return partial;
}

static uint8_t buffer[1 << 20];

static size_t encode(const struct partial *partial)
{
    cohort_v1_SubmitSummaryRequest request = cohort_v1_SubmitSummaryRequest_init_zero;
    pb_ostream_t stream = pb_ostream_from_buffer(buffer, sizeof buffer);
    partial_send(partial, &request);
    cr_assert(pb_encode(&stream, cohort_v1_SubmitSummaryRequest_fields, &request));
    return stream.bytes_written;
}

static bool decode(struct partial *ret, size_t n)
{
    cohort_v1_SubmitSummaryRequest request = cohort_v1_SubmitSummaryRequest_init_zero;
    pb_istream_t stream = pb_istream_from_buffer(buffer, n);
    partial_receive(ret, &request);
    return pb_decode(&stream, cohort_v1_SubmitSummaryRequest_fields, &request);
}

Test(partial, members_come_back_as_they_were_sent)
{
    struct partial sent = make(100), received = PARTIAL_INIT;
    cr_assert(decode(&received, encode(&sent)));
    cr_assert_eq(received.n, sent.n);
    for (size_t i = 0; i < sent.n; i++) {
        const cohort_v1_SummaryMember *a = &sent.members[i], *b = &received.members[i];
        cr_assert_str_eq(a->learner, b->learner);
        cr_assert(a->incarnation == b->incarnation && a->weight == b->weight);
        cr_assert(a->train_seconds == b->train_seconds && b->metrics_count == 1);
        cr_assert(a->metrics[0].value == b->metrics[0].value);
    }
    cr_assert_eq(partial_find(&received, "learner-42"), &received.members[42]);
    cr_assert_null(partial_find(&received, "learner-100"));
    partial_release(&sent);
    partial_release(&received);
}

Test(partial, more_members_than_a_ring_holds_are_refused_as_they_come)
{
    struct partial received = PARTIAL_INIT;
    size_t n = 0;
    for (size_t i = 0; i <= RING_TERMS_MAX; i++) { // field 3, of no bytes
        buffer[n++] = 3 << 3 | 2;
        buffer[n++] = 0;
    }
    cr_assert(decode(&received, n - 2));
    cr_assert_eq(received.n, RING_TERMS_MAX);
    partial_release(&received);
    cr_assert_not(decode(&received, n));
    cr_assert(received.failed);
    cr_assert_eq(received.n, RING_TERMS_MAX);
    partial_release(&received);
}

Test(partial, weighs_what_is_behind_it_and_refuses_what_cannot_be)
{
    struct partial partial = make(4);
    uint64_t weight = 0;
    cr_assert(partial_weigh(&partial, &weight));
    cr_assert_eq(weight, 1 + 2 + 3 + 4);
    partial.members[2].weight = 0;
    cr_assert_not(partial_weigh(&partial, &weight));
    partial.members[2].weight = REDUCTION_WEIGHT_MAX + 1;
    cr_assert_not(partial_weigh(&partial, &weight));
    partial.members[2] = member(0, 3);
    cr_assert_not(partial_weigh(&partial, &weight), "learner-0 comes twice");
    partial_release(&partial);
    cr_assert_not(partial_weigh(&partial, &weight), "nobody is in it");
}

Test(partial, adds_another_whole_or_not_at_all)
{
    struct partial a = make(RING_TERMS_MAX - 3), b = make(3), c = make(1), none = PARTIAL_INIT;
    struct error error = ERROR_INIT;
    cr_assert_eq(partial_add_all(&a, &none, NULL), STATUS_OK);
    cr_assert_eq(partial_add_all(&a, &b, NULL), STATUS_OK);
    cr_assert_eq(a.n, RING_TERMS_MAX);
    cr_assert_str_eq(a.members[RING_TERMS_MAX - 1].learner, "learner-2");
    cr_assert_eq(partial_add_all(&a, &c, &error), STATUS_RESOURCE_EXHAUSTED);
    cr_assert_eq(a.n, RING_TERMS_MAX);
    memory_fail_after(1);
    cr_assert_eq(partial_add_all(&none, &c, &error), STATUS_RESOURCE_EXHAUSTED);
    memory_fail_after(0);
    cr_assert_eq(none.n, 0);
    partial_release(&a);
    partial_release(&b);
    partial_release(&c);
}
