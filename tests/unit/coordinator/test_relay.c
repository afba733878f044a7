#include "base/clock.h"
#include "coordinator/relay_impl.h"
#include "deployment.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(relay, .timeout = 60);

static struct deployment deployment; // the coordinator, which the relay is in front of
static struct deployment behind;     // calls to the relay
static struct coordinator_options relay_options;
static struct relay *relay;
static struct rpc_server *relay_server;
static struct peer a, b, upload, other;
static float ones[MODEL_VALUES], threes[MODEL_VALUES];

static void start_relay(void)
{
    struct error error = ERROR_INIT;
    int port = 0;
    char address[64];
    relay_options.relay_of = deployment.address;
    cr_assert_eq(relay_new(&relay, &relay_options, deployment.runtime, &error), STATUS_OK, "%s",
                 error.message);
    const struct rpc_service services[] = {relay_service(relay)};
    const struct rpc_server_options options = {.services = services, .n_services = 1};
    cr_assert_eq(rpc_server_new(&relay_server, deployment.runtime, &options, &error), STATUS_OK);
    cr_assert_eq(rpc_server_listen(relay_server, "127.0.0.1:0", &port, &error), STATUS_OK);
    cr_assert_eq(rpc_server_start(relay_server, &error), STATUS_OK);
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    cr_assert_eq(rpc_channel_new(&behind.channel, deployment.runtime, address, &error), STATUS_OK);
}

static void start_with(unsigned int learners, unsigned int rounds, const char *more)
{
    deployment.options = deployment_options();
    if (!relay_options.lease_ms)
        relay_options = deployment_options();
    deployment_start(&deployment);
    deployment_create_with(&deployment, learners, rounds, more);
    start_relay();
    for (size_t i = 0; i < MODEL_VALUES; i++) {
        ones[i] = 1;
        threes[i] = 3;
    }
}

static void start(unsigned int learners, unsigned int rounds)
{
    start_with(learners, rounds, "");
}

static void stop(void)
{
    rpc_channel_free(behind.channel);
    rpc_server_free(relay_server, 0);
    relay_free(relay);
    deployment_stop(&deployment);
}

static void be_ready(struct peer *peer)
{
    peer_expect(peer, cohort_v1_AttendResponse_enrol_tag);
    peer_ready(peer, "test", 10);
}

static void take_part(struct peer *peer, const char *name, uint64_t incarnation)
{
    peer_join(&behind, peer, name, incarnation);
    be_ready(peer);
}

static void take_part_both(void)
{
    peer_join(&behind, &a, "a", 1);
    peer_join(&behind, &b, "b", 1);
    be_ready(&a);
    be_ready(&b);
}

// Until so many summaries are whole in the relay's open sum.
static void wait_added(size_t n)
{
    int64_t until_ms = clock_monotonic_ms() + 20000;
    for (size_t added = 0; added < n; usleep(1000)) {
        cr_assert_lt(clock_monotonic_ms(), until_ms);
        pthread_mutex_lock(&relay->lock);
        added = relay->jobs && relay->jobs->open ? relay->jobs->open->members.n : 0;
        pthread_mutex_unlock(&relay->lock);
    }
}

static void expect_assignment(struct peer *peer, uint32_t round)
{
    const cohort_v1_AttendResponse *message = peer_expect(peer, cohort_v1_AttendResponse_assignment_tag);
    cr_assert_eq(message->event.assignment.round, round);
    cr_assert_eq(message->event.assignment.summary_values, MODEL_VALUES);
}

static void submit(struct peer *peer, const char *name, uint64_t incarnation, uint32_t round,
                   const float *values)
{
    peer_submit(&behind, peer, name, incarnation, round, 1);
    peer_send_values(peer, values);
}

static void release_nothing(void *user)
{
}

static void expect_model(float value, uint32_t round)
{
    coordinator_lock(deployment.coordinator);
    const struct job *job = deployment.coordinator->jobs;
    cr_assert_eq(job->current->round, round);
    for (size_t i = 0; i < MODEL_VALUES; i++)
        cr_assert_eq(job->current->values[i], value);
    coordinator_unlock(deployment.coordinator);
}

static uint64_t bytes_up(void)
{
    coordinator_lock(deployment.coordinator);
    uint64_t bytes = deployment.coordinator->jobs->bytes_up;
    coordinator_unlock(deployment.coordinator);
    return bytes;
}

Test(relay, two_summaries_go_on_as_one_sum)
{
    start(2, 2);
    take_part_both();
    for (uint32_t round = 1; round <= 2; round++) {
        expect_assignment(&a, round);
        expect_assignment(&b, round);
        submit(&upload, "a", 1, round, ones);
        cr_assert_not(peer_wait_closed(&upload, 100), "nothing is said before the coordinator has it");
        submit(&other, "b", 1, round, threes);
        cr_assert(peer_answer(&upload));
        cr_assert(peer_answer(&other));
        peer_release(&upload);
        peer_release(&other);
        cr_assert_eq(bytes_up(), round * 8 * MODEL_VALUES);
    }
    peer_expect(&a, cohort_v1_AttendResponse_dismiss_tag);
    peer_expect(&b, cohort_v1_AttendResponse_dismiss_tag);
    expect_model(2, 2);
    peer_release(&a);
    peer_release(&b);
    stop();
}

Test(relay, a_broken_upload_leaves_no_trace)
{
    for (int64_t buffer_bytes = 0; buffer_bytes <= 1 << 20; buffer_bytes += 1 << 20) {
        relay_options = deployment_options();
        relay_options.buffer_bytes = buffer_bytes;
        start(2, 1);
        take_part_both();
        expect_assignment(&a, 1);
        expect_assignment(&b, 1);
        peer_submit(&behind, &upload, "a", 1, 1, 1);
        rpc_call_send_chunk(upload.call, 0, threes, 8 * sizeof(float), release_nothing, NULL, NULL);
        peer_close(&upload);
        peer_release(&upload);
        submit(&other, "b", 1, 1, threes);
        do {
            submit(&upload, "a", 1, 1, ones);
        } while (!peer_answer(&upload) && (peer_release(&upload), true));
        while (!peer_answer(&other)) { // what the broken one spoilt is asked for again
            peer_release(&other);
            submit(&other, "b", 1, 1, threes);
        }
        peer_release(&upload);
        peer_release(&other);
        peer_expect(&a, cohort_v1_AttendResponse_dismiss_tag);
        expect_model(2, 1);
        peer_release(&a);
        peer_release(&b);
        stop();
    }
}

Test(relay, a_learner_that_comes_back_counts_once)
{
    start(2, 1);
    take_part_both();
    expect_assignment(&a, 1);
    expect_assignment(&b, 1);
    submit(&upload, "a", 1, 1, ones);
    wait_added(1);
    peer_close(&upload);
    peer_release(&upload);
    peer_close(&a);
    peer_release(&a);
    take_part(&a, "a", 2);
    expect_assignment(&a, 1);
    submit(&upload, "a", 2, 1, ones);
    submit(&other, "b", 1, 1, threes);
    cr_assert(peer_answer(&upload));
    cr_assert(peer_answer(&other));
    cr_assert_eq(bytes_up(), 8 * MODEL_VALUES);
    peer_expect(&b, cohort_v1_AttendResponse_dismiss_tag);
    expect_model(2, 1);
    peer_release(&upload);
    peer_release(&other);
    peer_release(&a);
    peer_release(&b);
    stop();
}

Test(relay, a_stalled_upload_is_given_up)
{
    relay_options = deployment_options();
    relay_options.lease_ms = 100;
    start(1, 1);
    take_part(&a, "a", 1);
    expect_assignment(&a, 1);
    peer_submit(&behind, &upload, "a", 1, 1, 1);
    cr_assert(peer_wait_closed(&upload, 20000));
    peer_release(&upload);
    submit(&upload, "a", 1, 1, ones);
    cr_assert(peer_answer(&upload));
    peer_release(&upload);
    peer_release(&a);
    stop();
}

Test(relay, a_summary_that_nobody_assigned_is_judged_by_the_coordinator)
{
    start(1, 2);
    take_part(&a, "a", 1);
    expect_assignment(&a, 1);
    submit(&upload, "a", 1, 2, ones);
    cr_assert_not(peer_answer(&upload));
    cr_assert_eq(upload.submit.reason, cohort_v1_Reason_REASON_WRONG_ROUND);
    peer_release(&upload);
    submit(&upload, "b", 1, 1, ones);
    cr_assert_not(peer_answer(&upload));
    cr_assert_eq(upload.submit.reason, cohort_v1_Reason_REASON_UNKNOWN_LEARNER);
    peer_release(&upload);
    submit(&upload, "a", 1, 1, ones);
    cr_assert(peer_answer(&upload));
    peer_release(&upload);
    expect_assignment(&a, 2);
    expect_model(1, 1);
    peer_release(&a);
    stop();
}

Test(relay, the_end_of_a_relay_ends_what_goes_through_it)
{
    start(2, 1);
    take_part_both();
    expect_assignment(&a, 1);
    submit(&upload, "a", 1, 1, ones);
    wait_added(1);
    cr_assert(relay_busy(relay));
    stop();
    cr_assert(upload.closed || peer_wait_closed(&upload, 10000));
    cr_assert_neq(upload.status, STATUS_OK);
    cr_assert(a.closed || peer_wait_closed(&a, 10000));
    peer_release(&upload);
    peer_release(&a);
    peer_release(&b);
}

Test(relay, at_the_deadline_a_stalled_upload_holds_nobody_up)
{
    start_with(2, 1, ", participation: {minimum: 1, deadline: 1s}");
    take_part_both();
    expect_assignment(&a, 1);
    expect_assignment(&b, 1);
    submit(&upload, "a", 1, 1, ones);
    peer_submit(&behind, &other, "b", 1, 1, 1);
    cr_assert(peer_answer(&upload));
    cr_assert(peer_wait_closed(&other, 10000));
    peer_expect(&b, cohort_v1_AttendResponse_withdraw_tag);
    peer_expect(&a, cohort_v1_AttendResponse_dismiss_tag);
    expect_model(1, 1);
    peer_release(&upload);
    peer_release(&other);
    peer_release(&a);
    peer_release(&b);
    stop();
}
