// The Exchange service without rounds in step.
#include "base/clock.h"
#include "deployment.h"
#include <string.h>
#include <unistd.h>

TestSuite(schedules, .timeout = 60);

static struct deployment deployment;
static struct peer a, b, c, upload;
static float values[MODEL_VALUES];

static void get_ready(struct peer *peer)
{
    peer_expect(peer, cohort_v1_AttendResponse_enrol_tag);
    peer_ready(peer, "test", 10);
}

static void expect_assignment(struct peer *peer, uint32_t round)
{
    const cohort_v1_AttendResponse *message = peer_expect(peer, cohort_v1_AttendResponse_assignment_tag);
    cr_assert_eq(message->event.assignment.round, round);
    cr_assert_eq(message->event.assignment.model_round, round - 1);
}

// Three learners with an assignment of the first round, two of whose summaries make a round.
static void start(const char *collaboration)
{
    if (!deployment.options.lease_ms)
        deployment.options = deployment_options();
    deployment_start(&deployment);
    deployment_create_with(&deployment, 3, 3, collaboration);
    peer_join(&deployment, &a, "a", 1);
    peer_join(&deployment, &b, "b", 1);
    peer_join(&deployment, &c, "c", 1);
    get_ready(&a);
    get_ready(&b);
    get_ready(&c);
    expect_assignment(&a, 1);
    expect_assignment(&b, 1);
    expect_assignment(&c, 1);
}

static void stop(void)
{
    peer_release(&a);
    peer_release(&b);
    peer_release(&c);
    deployment_stop(&deployment);
}

static cohort_v1_SubmitSummaryResponse submit(const char *name, uint32_t round, float value)
{
    for (size_t i = 0; i < MODEL_VALUES; i++)
        values[i] = value;
    peer_submit(&deployment, &upload, name, 1, round, 1);
    peer_send_values(&upload, values);
    peer_answer(&upload);
    cohort_v1_SubmitSummaryResponse response = upload.submit;
    peer_release(&upload);
    return response;
}

static float model_value(void)
{
    pthread_mutex_lock(&deployment.coordinator->lock);
    float value = deployment.coordinator->jobs->current->values[0];
    pthread_mutex_unlock(&deployment.coordinator->lock);
    return value;
}

static bool wait_for(enum round_phase phase)
{
    int64_t until_ms = clock_monotonic_ms() + 20000;
    while (deployment_phase(&deployment) != phase && clock_monotonic_ms() < until_ms)
        usleep(1000);
    return deployment_phase(&deployment) == phase;
}

Test(schedules, a_straggler_counts_late_and_for_less)
{
    start(", schedule: {kind: asynchronous, buffer: 2, discount: 1}");
    cr_assert(submit("a", 1, 0).accepted);
    cr_assert(submit("b", 1, 0).accepted);
    expect_assignment(&a, 2);
    expect_assignment(&b, 2);
    cr_assert(submit("c", 1, 3).accepted); // half of its weight, since one commit went by
    expect_assignment(&c, 2);
    cr_assert(submit("a", 2, 0).accepted);
    expect_assignment(&a, 3);
    cr_assert_float_eq(model_value(), 1, 1e-6);
    stop();
}

Test(schedules, what_is_too_old_is_refused_counted_and_its_learner_assigned_anew)
{
    start(", schedule: {kind: asynchronous, buffer: 2, max_staleness: 0}");
    submit("a", 1, 0);
    submit("b", 1, 0);
    expect_assignment(&a, 2);
    cohort_v1_SubmitSummaryResponse response = submit("c", 1, 0);
    cr_assert_not(response.accepted);
    cr_assert_eq(response.reason, cohort_v1_Reason_REASON_STALE);
    expect_assignment(&c, 2);
    cr_assert_eq(deployment_job(&deployment)->n_rejected, 1);
    cr_assert(submit("c", 2, 0).accepted);
    stop();
}

Test(schedules, a_learner_whose_model_is_gone_gets_the_present_one)
{
    start(", schedule: {kind: asynchronous, buffer: 2}");
    submit("a", 1, 0);
    submit("b", 1, 0);
    expect_assignment(&a, 2);
    peer_ready_anew(&c, "test", 10);
    expect_assignment(&c, 2);
    stop();
}

Test(schedules, a_summary_between_two_rounds_counts_in_the_next)
{
    start(", schedule: {kind: asynchronous, buffer: 2, discount: 0}");
    pthread_mutex_lock(&deployment.coordinator->lock);
    struct round *round = deployment.coordinator->jobs->round;
    round_pause(round, clock_monotonic_ms());
    pthread_mutex_unlock(&deployment.coordinator->lock);
    submit("a", 1, 0);
    submit("b", 1, 0);
    cr_assert(wait_for(ROUND_PAUSED));
    cr_assert(submit("c", 1, 3).accepted);
    cr_assert(submit("c", 1, 3).accepted, "told again that it is safe");
    pthread_mutex_lock(&deployment.coordinator->lock);
    round_resume(round, clock_monotonic_ms());
    pthread_mutex_unlock(&deployment.coordinator->lock);
    expect_assignment(&a, 2);
    expect_assignment(&c, 2);
    submit("a", 2, 1);
    expect_assignment(&a, 3);
    cr_assert_float_eq(model_value(), 2, 1e-6);
    stop();
}

Test(schedules, a_second_summary_does_not_take_the_last_room)
{
    deployment.options = deployment_options();
    deployment.options.buffer_bytes = MODEL_VALUES * sizeof(float);
    start(", schedule: {kind: asynchronous, buffer: 2}");
    submit("a", 1, 0);
    submit("b", 1, 0);
    expect_assignment(&a, 2);
    cr_assert(submit("c", 1, 0).accepted);
    expect_assignment(&c, 2);
    cohort_v1_SubmitSummaryResponse response = submit("c", 2, 0);
    cr_assert_not(response.accepted);
    cr_assert_eq(response.reason, cohort_v1_Reason_REASON_UNSPECIFIED); // it tries again
    cr_assert(submit("a", 2, 0).accepted);
    expect_assignment(&a, 3);
    cr_assert(submit("c", 2, 0).accepted);
    stop();
}

Test(schedules, a_parked_summary_goes_with_its_learner)
{
    start(", schedule: {kind: asynchronous, buffer: 2}");
    pthread_mutex_lock(&deployment.coordinator->lock);
    round_pause(deployment.coordinator->jobs->round, clock_monotonic_ms());
    pthread_mutex_unlock(&deployment.coordinator->lock);
    submit("a", 1, 0);
    submit("b", 1, 0);
    cr_assert(wait_for(ROUND_PAUSED));
    cr_assert(submit("c", 1, 0).accepted);
    pthread_mutex_lock(&deployment.coordinator->lock);
    cr_assert_eq(member_remove(deployment.coordinator, "c", "", NULL), STATUS_OK);
    cr_assert_null(deployment.coordinator->jobs->slots[2].parked);
    round_resume(deployment.coordinator->jobs->round, clock_monotonic_ms());
    pthread_mutex_unlock(&deployment.coordinator->lock);
    expect_assignment(&a, 2);
    cr_assert_eq(round_n_submitted(deployment_job(&deployment)->round), 0);
    stop();
}

Test(schedules, a_period_ends_a_round_with_what_came)
{
    start(", schedule: {kind: semi_synchronous, period: 300ms}");
    cr_assert(submit("a", 1, 2).accepted);
    expect_assignment(&a, 2);
    cr_assert_float_eq(model_value(), 2, 1e-6);
    cr_assert(submit("c", 1, 2).accepted);
    stop();
}

Test(schedules, over_selection_commits_with_the_first)
{
    start(", participation: {fraction: 0.5, over_selection: 1.5}");
    submit("b", 1, 1);
    submit("c", 1, 1);
    peer_expect(&a, cohort_v1_AttendResponse_withdraw_tag);
    expect_assignment(&b, 2);
    expect_assignment(&a, 2);
    stop();
}

Test(schedules, an_experiment_starts_with_fewer_and_takes_who_joins_later)
{
    deployment.options = deployment_options();
    deployment_start(&deployment);
    deployment_create_with(&deployment, 3, 3, ", participation: {start_with: 1}");
    peer_join(&deployment, &b, "b", 1);
    get_ready(&b);
    expect_assignment(&b, 1);
    peer_join(&deployment, &a, "a", 1);
    get_ready(&a);
    submit("b", 1, 1);
    expect_assignment(&a, 2);
    expect_assignment(&b, 2);
    peer_release(&a);
    peer_release(&b);
    deployment_stop(&deployment);
}
