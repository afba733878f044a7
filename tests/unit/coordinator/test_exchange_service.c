#include "base/clock.h"
#include "deployment.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(exchange_service, .timeout = 60);

static struct deployment deployment;
static struct peer a, b, upload, other;
static float values[MODEL_VALUES];

static void start(unsigned int learners, unsigned int rounds)
{
    if (!deployment.options.lease_ms)
        deployment.options = deployment_options();
    deployment_start(&deployment);
    deployment_create(&deployment, learners, rounds);
}

// Joins and is ready; its assignment of the first round comes when all are.
static void take_part(struct peer *peer, const char *name, uint64_t incarnation)
{
    peer_join(&deployment, peer, name, incarnation);
    peer_expect(peer, cohort_v1_AttendResponse_enrol_tag);
    peer_ready(peer, "test", 10);
}

static void expect_assignment(struct peer *peer, uint32_t round, uint32_t attempt)
{
    const cohort_v1_AttendResponse *message = peer_expect(peer, cohort_v1_AttendResponse_assignment_tag);
    cr_assert_eq(message->event.assignment.round, round);
    cr_assert_eq(message->event.assignment.attempt, attempt);
}

static bool submit(const char *name, uint32_t round)
{
    peer_submit(&deployment, &upload, name, 1, round, 1);
    peer_send_values(&upload, values);
    bool accepted = peer_answer(&upload);
    peer_release(&upload);
    return accepted;
}

Test(exchange_service, two_learners_make_two_rounds)
{
    start(2, 2);
    peer_join(&deployment, &a, "a", 1);
    peer_join(&deployment, &b, "b", 1);
    peer_expect(&a, cohort_v1_AttendResponse_enrol_tag);
    peer_expect(&b, cohort_v1_AttendResponse_enrol_tag);
    peer_ready(&a, "test", 10);
    peer_ready(&b, "test", 10);
    for (uint32_t round = 1; round <= 2; round++) {
        expect_assignment(&a, round, 1);
        expect_assignment(&b, round, 1);
        cr_assert(submit("a", round));
        cr_assert(submit("a", round), "told again that it is safe");
        cr_assert(submit("b", round));
    }
    peer_expect(&a, cohort_v1_AttendResponse_dismiss_tag);
    cr_assert_eq(deployment_phase(&deployment), ROUND_DONE);
    peer_release(&a);
    peer_release(&b);
    deployment_stop(&deployment);
}

Test(exchange_service, a_stalled_upload_is_given_up_although_heartbeats_go_on)
{
    deployment.options = deployment_options();
    deployment.options.lease_ms = 1500; // heartbeats must come in time on a busy machine, and under memcheck
    start(1, 1);
    take_part(&a, "a", 1);
    expect_assignment(&a, 1, 1);
    peer_submit(&deployment, &upload, "a", 1, 1, 1);
    int64_t until_ms = clock_monotonic_ms() + 10000;
    while (!peer_wait_closed(&upload, 20) && clock_monotonic_ms() < until_ms)
        peer_heartbeat(&a);
    cr_assert(upload.closed);
    peer_release(&upload);
    expect_assignment(&a, 1, 1); // asked again
    cr_assert(submit("a", 1));
    peer_release(&a);
    deployment_stop(&deployment);
}

Test(exchange_service, an_unfit_name_is_refused)
{
    deployment.options = deployment_options();
    deployment.options.lease_ms = 100;
    start(1, 1);
    peer_join(&deployment, &a, "not a name\x1b", 1);
    cr_assert(peer_wait_closed(&a, 10000));
    cr_assert_eq(a.status, STATUS_INVALID_ARGUMENT);
    peer_release(&a);
    deployment_stop(&deployment);
}

Test(exchange_service, a_newer_upload_makes_an_older_one_of_the_same_learner_give_way)
{
    start(1, 1);
    take_part(&a, "a", 1);
    expect_assignment(&a, 1, 1);
    peer_submit(&deployment, &other, "a", 1, 1, 1);
    int64_t until_ms = clock_monotonic_ms() + 10000;
    usleep(50000);
    while (!submit("a", 1) && clock_monotonic_ms() < until_ms)
        usleep(5000);
    cr_assert(other.closed || peer_wait_closed(&other, 10000));
    peer_expect(&a, cohort_v1_AttendResponse_dismiss_tag);
    peer_release(&other);
    peer_release(&a);
    deployment_stop(&deployment);
}

Test(exchange_service, a_newer_incarnation_takes_over_and_an_older_one_is_refused)
{
    start(1, 1);
    take_part(&a, "a", 5);
    expect_assignment(&a, 1, 1);
    take_part(&b, "a", 6);
    expect_assignment(&b, 1, 1);
    cr_assert(peer_wait_closed(&a, 10000));
    peer_join(&deployment, &other, "a", 4);
    cr_assert(peer_wait_closed(&other, 10000));
    cr_assert_eq(other.status, STATUS_ABORTED);
    peer_submit(&deployment, &upload, "a", 5, 1, 1);
    cr_assert_not(peer_answer(&upload));
    cr_assert_eq(upload.submit.reason, cohort_v1_Reason_REASON_SUPERSEDED);
    peer_release(&upload);
    peer_release(&a);
    peer_release(&b);
    peer_release(&other);
    deployment_stop(&deployment);
}

Test(exchange_service, a_lost_learner_that_is_removed_frees_its_slot)
{
    struct error error = ERROR_INIT;
    start(2, 1);
    peer_join(&deployment, &a, "a", 1);
    peer_join(&deployment, &b, "b", 1);
    peer_expect(&a, cohort_v1_AttendResponse_enrol_tag);
    peer_expect(&b, cohort_v1_AttendResponse_enrol_tag);
    peer_ready(&a, "test", 10);
    peer_ready(&b, "test", 10);
    expect_assignment(&a, 1, 1);
    cr_assert(submit("a", 1));
    peer_close(&b);
    cohort_v1_RemoveLearnerRequest request = {.learner = "b"};
    cohort_v1_RemoveLearnerResponse response = cohort_v1_RemoveLearnerResponse_init_zero;
    cr_assert_eq(rpc_unary(deployment.channel, "/cohort.v1.Coordinator/RemoveLearner", 20000,
                           cohort_v1_RemoveLearnerRequest_fields, &request,
                           cohort_v1_RemoveLearnerResponse_fields, &response, &error),
                 STATUS_OK);
    peer_expect(&a, cohort_v1_AttendResponse_dismiss_tag); // the round committed without b, and was the last
    peer_release(&a);
    peer_release(&b);
    deployment_stop(&deployment);
}

Test(exchange_service, a_full_table_forgets_who_is_gone)
{
    deployment.options = deployment_options();
    deployment.options.max_learners = 2;
    start(1, 1);
    for (unsigned int i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof name, "l-%u", i);
        peer_join(&deployment, &b, name, 1);
        peer_expect(&b, cohort_v1_AttendResponse_welcome_tag);
        if (i == 0) // keeps its slot although it goes
            peer_expect(&b, cohort_v1_AttendResponse_enrol_tag);
        peer_release(&b);
        int64_t until_ms = clock_monotonic_ms() + 10000;
        bool gone = false;
        while (!gone && clock_monotonic_ms() < until_ms) {
            pthread_mutex_lock(&deployment.coordinator->lock);
            gone = !member_find(deployment.coordinator, name)->call;
            pthread_mutex_unlock(&deployment.coordinator->lock);
        }
        cr_assert(gone);
    }
    pthread_mutex_lock(&deployment.coordinator->lock);
    cr_assert_eq(deployment.coordinator->n_members, 2);
    cr_assert_not_null(member_find(deployment.coordinator, "l-0"));
    pthread_mutex_unlock(&deployment.coordinator->lock);
    deployment_stop(&deployment);
}

Test(exchange_service, data_that_make_a_model_beyond_the_limit_end_the_experiment_with_a_reason)
{
    deployment.options = deployment_options();
    deployment.options.max_model_bytes = 40;
    start(1, 1);
    take_part(&a, "a", 1);
    peer_expect(&a, cohort_v1_AttendResponse_dismiss_tag);
    pthread_mutex_lock(&deployment.coordinator->lock);
    cr_assert(strstr(deployment.coordinator->jobs->message, "limits.model") != NULL);
    pthread_mutex_unlock(&deployment.coordinator->lock);
    peer_release(&a);
    deployment_stop(&deployment);
}

// Waits until the slot's name is that.
static bool becomes(uint32_t slot, const char *name)
{
    struct job *job = deployment_job(&deployment);
    int64_t until_ms = clock_monotonic_ms() + 10000;
    bool so = false;
    while (!so && clock_monotonic_ms() < until_ms) {
        pthread_mutex_lock(&deployment.coordinator->lock);
        so = strcmp(job->slots[slot].name, name) == 0;
        pthread_mutex_unlock(&deployment.coordinator->lock);
    }
    return so;
}

Test(exchange_service, who_joins_an_experiment_under_way_takes_the_first_slot_that_is_free)
{
    deployment.options = deployment_options();
    deployment_start(&deployment);
    deployment_create_with(&deployment, 3, 5, ", participation: {start_with: 1}");
    take_part(&a, "a", 1);
    take_part(&b, "b", 1);
    take_part(&upload, "c", 1);
    cr_assert(becomes(0, "a") && becomes(1, "b") && becomes(2, "c"));
    cohort_v1_AttendRequest leave = cohort_v1_AttendRequest_init_zero;
    leave.which_event = cohort_v1_AttendRequest_leave_tag;
    cr_assert_eq(rpc_call_send(b.call, cohort_v1_AttendRequest_fields, &leave, NULL), STATUS_OK);
    rpc_call_end(b.call);
    cr_assert(becomes(1, ""));
    take_part(&other, "d", 1);
    cr_assert(becomes(1, "d"));
    pthread_mutex_lock(&deployment.coordinator->lock);
    cr_assert_eq(deployment.coordinator->jobs->n_free, 0);
    pthread_mutex_unlock(&deployment.coordinator->lock);
    peer_release(&a);
    peer_release(&b);
    peer_release(&upload);
    peer_release(&other);
    deployment_stop(&deployment);
}
