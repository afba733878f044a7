#include "base/memory.h"
#include "deployment.h"
#include <stdio.h>
#include <string.h>

TestSuite(small_summary, .timeout = 60);

static struct deployment deployment;
static struct peer a, b;

static void start(unsigned int rounds)
{
    deployment.options = deployment_options();
    deployment_start(&deployment);
    deployment_create(&deployment, 2, rounds);
    peer_join(&deployment, &a, "a", 1);
    peer_join(&deployment, &b, "b", 1); // an experiment waits for all of its learners
    peer_expect(&a, cohort_v1_AttendResponse_enrol_tag);
    peer_expect(&b, cohort_v1_AttendResponse_enrol_tag);
    peer_ready(&a, "test", 10);
    peer_ready(&b, "test", 10);
}

static void stop(void)
{
    peer_release(&a);
    peer_release(&b);
    deployment_stop(&deployment);
}

// The model that came with the assignment of `round`.
static void expect_model(struct peer *peer, uint32_t round, float ret[MODEL_VALUES])
{
    const cohort_v1_AttendResponse *message = peer_expect(peer, cohort_v1_AttendResponse_assignment_tag);
    const cohort_v1_Assignment *assignment = &message->event.assignment;
    cr_assert_eq(assignment->round, round);
    cr_assert_geq(assignment->summary_bytes, MODEL_VALUES * sizeof(float));
    cr_assert(assignment->model && assignment->model->size == MODEL_VALUES * sizeof(float));
    memcpy(ret, assignment->model->bytes, assignment->model->size);
}

static void send_summary(struct peer *peer, const char *name, uint32_t round, const float *values, size_t n)
{
    cohort_v1_AttendRequest request = {.which_event = cohort_v1_AttendRequest_summary_tag};
    cohort_v1_SmallSummary *summary = &request.event.summary;
    cohort_v1_SummaryHeader *header = &summary->header;
    summary->has_header = true;
    snprintf(header->experiment_id, sizeof header->experiment_id, "test");
    snprintf(header->learner, sizeof header->learner, "%s", name);
    snprintf(header->codec, sizeof header->codec, "f32");
    header->incarnation = header->attempt = header->weight = 1;
    header->round = round;
    header->n_values = MODEL_VALUES;
    header->bytes = MODEL_VALUES * sizeof(float);
    summary->data = memory_alloc(PB_BYTES_ARRAY_T_ALLOCSIZE(n * sizeof(float)));
    cr_assert(summary->data);
    summary->data->size = (pb_size_t)(n * sizeof(float));
    memcpy(summary->data->bytes, values, n * sizeof(float));
    cr_assert_eq(rpc_call_send(peer->call, cohort_v1_AttendRequest_fields, &request, NULL), STATUS_OK);
    memory_free(summary->data);
}

static const cohort_v1_SummaryRefused *expect_refusal(struct peer *peer)
{
    return &peer_expect(peer, cohort_v1_AttendResponse_refused_tag)->event.refused;
}

Test(small_summary, rounds_need_nothing_but_the_control_streams)
{
    float model[MODEL_VALUES], of_a[MODEL_VALUES], of_b[MODEL_VALUES];
    start(2);
    expect_model(&a, 1, model);
    expect_model(&b, 1, model);
    for (size_t i = 0; i < MODEL_VALUES; i++) {
        of_a[i] = (float)i;
        of_b[i] = (float)i + 1;
    }
    send_summary(&a, "a", 1, of_a, MODEL_VALUES);
    send_summary(&b, "b", 1, of_b, MODEL_VALUES);
    expect_model(&a, 2, model);
    for (size_t i = 0; i < MODEL_VALUES; i++)
        cr_assert_float_eq(model[i], (float)i + 0.5f, 1e-6);
    stop();
}

Test(small_summary, one_that_is_cut_short_is_refused)
{
    float model[MODEL_VALUES];
    start(1);
    expect_model(&a, 1, model);
    send_summary(&a, "a", 1, model, MODEL_VALUES - 1);
    const cohort_v1_SummaryRefused *refused = expect_refusal(&a);
    cr_assert_eq(refused->round, 1);
    cr_assert_eq(refused->reason, cohort_v1_Reason_REASON_DAMAGED);
    stop();
}

Test(small_summary, a_learner_sends_only_its_own)
{
    float model[MODEL_VALUES];
    start(1);
    expect_model(&a, 1, model);
    expect_model(&b, 1, model);
    send_summary(&b, "a", 1, model, MODEL_VALUES);
    cr_assert_eq(expect_refusal(&b)->reason, cohort_v1_Reason_REASON_UNKNOWN_LEARNER);
    send_summary(&a, "a", 1, model, MODEL_VALUES); // its own still counts
    send_summary(&b, "b", 1, model, MODEL_VALUES);
    peer_expect(&a, cohort_v1_AttendResponse_dismiss_tag);
    cr_assert_eq(deployment_phase(&deployment), ROUND_DONE);
    stop();
}

Test(small_summary, one_of_another_round_is_refused)
{
    float model[MODEL_VALUES] = {0};
    start(1);
    send_summary(&a, "a", 7, model, MODEL_VALUES);
    cr_assert_eq(expect_refusal(&a)->reason, cohort_v1_Reason_REASON_WRONG_ROUND);
    stop();
}
