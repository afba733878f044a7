// Summaries and models that stay where they are: a learner's process, here this one, whose memory the
// coordinator reads.
#include "coordinator/coordinator.h"
#include "cross_memory_kit.h"
#include "deployment.h"
#include "rpc/cross_line.h"
#include "rpc/cross_memory.h"
#include <pb_decode.h>
#include <pb_encode.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

TestSuite(cross_peers, .timeout = 60);

static struct deployment deployment;
static struct peer a, upload;
static struct cross_door *door;
static float values[MODEL_VALUES];

static void start(bool cross_memory)
{
    struct error error = ERROR_INIT;
    deployment.options = deployment_options();
    deployment.options.common.cross_memory = cross_memory;
    deployment_start(&deployment);
    deployment_create(&deployment, 1, 2);
    cr_assert_eq(cross_door_open(&door, &error), STATUS_OK);
}

static void stop(void)
{
    peer_release(&a);
    deployment_stop(&deployment);
    cross_door_close(door);
}

static cohort_v1_CrossMemory own_memory(void)
{
    cohort_v1_CrossMemory memory;
    cross_token_tell(cross_door_token(door), &memory);
    return memory;
}

// Joins and takes the first round's assignment; tells whether the coordinator has met it.
static bool take_part(const cohort_v1_CrossMemory *memory)
{
    peer_join_with(&deployment, &a, "a", 1, memory);
    bool met = peer_expect(&a, cohort_v1_AttendResponse_welcome_tag)->event.welcome.has_memory;
    peer_expect(&a, cohort_v1_AttendResponse_enrol_tag);
    peer_ready(&a, "test", 10);
    peer_expect(&a, cohort_v1_AttendResponse_assignment_tag);
    return met;
}

// The learner takes part, and the coordinator has met it.
static void start_met(void)
{
    start(true);
    cohort_v1_CrossMemory memory = own_memory();
    cr_assert(take_part(&memory));
}

static void tell_place(const void *address, uint64_t offset, uint64_t bytes)
{
    cohort_v1_SubmitSummaryRequest request = cohort_v1_SubmitSummaryRequest_init_zero;
    request.has_place = true;
    request.place = (cohort_v1_Place){.offset = offset, .address = cross_address(address), .bytes = bytes};
    rpc_call_send(upload.call, cohort_v1_SubmitSummaryRequest_fields, &request,
                  NULL); // it may be refused already
}

static void open_upload(bool with_token)
{
    cohort_v1_CrossMemory memory = own_memory();
    peer_submit_with(&deployment, &upload, "a", 1, 1, 1, with_token ? &memory : NULL);
}

static void tell_whole(void)
{
    tell_place(values, 0, sizeof values / 2 + 1); // within a value
    tell_place((const char *)values + sizeof values / 2 + 1, sizeof values / 2 + 1,
               sizeof values - sizeof values / 2 - 1);
    rpc_call_end(upload.call);
}

Test(cross_peers, a_summary_is_read_where_it_lies)
{
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    start_met();
    for (size_t i = 0; i < MODEL_VALUES; i++)
        values[i] = (float)i / 8;
    open_upload(true);
    tell_whole();
    cr_expect(peer_answer(&upload));
    peer_release(&upload);
    peer_expect(&a, cohort_v1_AttendResponse_assignment_tag);
    pthread_mutex_lock(&deployment.coordinator->lock);
    const float *model = deployment.coordinator->jobs->current->values;
    for (size_t i = 0; i < MODEL_VALUES; i++)
        cr_expect_float_eq(model[i], values[i], 1e-6);
    pthread_mutex_unlock(&deployment.coordinator->lock);
    stop();
}

static void expect_refused(enum status status)
{
    cr_assert(peer_wait_closed(&upload, 20000));
    cr_expect_eq(upload.n_messages, 0);
    cr_expect_eq(upload.status, status, "%s", status_name(upload.status));
    peer_release(&upload);
}

// After each refusal the same summary comes as bytes, once the coordinator has seen the end of the call
// before.
static void send_bytes(void)
{
    bool accepted = false;
    for (int i = 0; i < 1000 && !accepted; i++) {
        peer_submit(&deployment, &upload, "a", 1, 1, 1);
        peer_send_values(&upload, values);
        accepted = peer_answer(&upload);
        peer_release(&upload);
        usleep(accepted ? 0 : 10000);
    }
    cr_expect(accepted);
}

Test(cross_peers, without_its_token_nothing_is_read)
{
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    start_met();
    open_upload(false);
    tell_whole();
    expect_refused(STATUS_FAILED_PRECONDITION);
    send_bytes();
    stop();
}

static void expect_broken(const void *address, uint64_t bytes, enum status status)
{
    start_met();
    open_upload(true);
    tell_place(address, 0, bytes);
    expect_refused(status);
    send_bytes();
    stop();
}

Test(cross_peers, what_cannot_be_read_breaks_the_upload_alone)
{
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    expect_broken((const void *)16, sizeof values, STATUS_ABORTED);
}

Test(cross_peers, a_place_has_its_bound)
{
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    expect_broken(values, CROSS_PLACE_BYTES + 1, STATUS_INVALID_ARGUMENT);
}

Test(cross_peers, a_place_is_no_larger_than_the_summary)
{
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    start_met();
    open_upload(true);
    tell_place(values, 0, sizeof values + 4);
    cr_expect_not(peer_answer(&upload));
    peer_release(&upload);
    stop();
}

Test(cross_peers, a_process_that_is_not_there_is_not_met)
{
    cohort_v1_CrossMemory memory;
    start(true);
    memory = own_memory();
    memory.address += 1;
    cr_expect_not(take_part(&memory));
    send_bytes();
    stop();
}

Test(cross_peers, nobody_is_met_unless_it_is_wanted)
{
    cohort_v1_CrossMemory memory;
    start(false);
    memory = own_memory();
    cr_expect_not(take_part(&memory));
    send_bytes();
    stop();
}

// ---- models ---------------------------------------------------------------------------------------------

static float fetched[MODEL_VALUES];
static struct cross_memory *coordinator_memory;

static void got_model(struct rpc_call *call, struct rpc_message *message, void *user)
{
    size_t *received = user;
    cohort_v1_FetchModelResponse response = cohort_v1_FetchModelResponse_init_zero;
    struct error error = ERROR_INIT;
    cr_assert_eq(rpc_message_decode(message, cohort_v1_FetchModelResponse_fields, &response, &error),
                 STATUS_OK);
    if (response.has_place) {
        cr_assert_eq(response.place.offset, *received);
        cr_assert_leq(response.place.offset + response.place.bytes, sizeof fetched);
        cr_assert_eq(cross_memory_read(coordinator_memory, response.place.address,
                                       (char *)fetched + response.place.offset, response.place.bytes, &error),
                     STATUS_OK);
        *received += response.place.bytes;
    }
    if (*received == sizeof fetched)
        rpc_call_end(call);
    rpc_call_receive(call);
}

static enum status fetch_status = STATUS_UNKNOWN;
static pthread_mutex_t fetch_lock = PTHREAD_MUTEX_INITIALIZER;

static void fetch_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    pthread_mutex_lock(&fetch_lock);
    fetch_status = status;
    pthread_mutex_unlock(&fetch_lock);
}

static enum status fetch_result(void)
{
    pthread_mutex_lock(&fetch_lock);
    enum status status = fetch_status;
    pthread_mutex_unlock(&fetch_lock);
    return status;
}

Test(cross_peers, a_model_stays_until_the_learner_has_read_it)
{
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    static const struct rpc_events events = {.message = got_model, .closed = fetch_closed};
    cohort_v1_FetchModelRequest request = cohort_v1_FetchModelRequest_init_zero;
    cohort_v1_CrossMemory memory;
    struct cross_token token;
    struct rpc_call *call = NULL;
    struct error error = ERROR_INIT;
    size_t received = 0;
    start(true);
    memory = own_memory();
    peer_join_with(&deployment, &a, "a", 1, &memory);
    const cohort_v1_Welcome *welcome = &peer_expect(&a, cohort_v1_AttendResponse_welcome_tag)->event.welcome;
    memcpy(&token, welcome->memory.token, sizeof token);
    coordinator_memory = cross_door_meet(door, &token, welcome->memory.address);
    cr_assert_not_null(coordinator_memory);
    peer_expect(&a, cohort_v1_AttendResponse_enrol_tag);
    peer_ready(&a, "test", 10);
    peer_expect(&a, cohort_v1_AttendResponse_assignment_tag);
    cr_assert_eq(rpc_call_start(&call, deployment.channel, "/cohort.v1.Exchange/FetchModel", 0, true, &events,
                                &received, &error),
                 STATUS_OK);
    snprintf(request.experiment_id, sizeof request.experiment_id, "test");
    snprintf(request.learner, sizeof request.learner, "a");
    request.memory_token.size = sizeof memory.token;
    memcpy(request.memory_token.bytes, memory.token, sizeof memory.token);
    cr_assert_eq(rpc_call_send(call, cohort_v1_FetchModelRequest_fields, &request, &error), STATUS_OK);
    rpc_call_receive(call);
    for (int i = 0; i < 2000 && fetch_result() == STATUS_UNKNOWN; i++)
        usleep(10000);
    cr_expect_eq(fetch_result(), STATUS_OK);
    cr_expect_eq(received, sizeof fetched);
    pthread_mutex_lock(&deployment.coordinator->lock);
    cr_expect_eq(memcmp(fetched, deployment.coordinator->jobs->current->values, sizeof fetched), 0);
    pthread_mutex_unlock(&deployment.coordinator->lock);
    rpc_call_unref(call);
    cross_memory_unref(coordinator_memory);
    stop();
}

// ---- on the control stream ------------------------------------------------------------------------------

static void say_place(uint64_t weight, const void *address, uint64_t bytes)
{
    cohort_v1_AttendRequest request = {.which_event = cohort_v1_AttendRequest_summary_tag};
    cohort_v1_SmallSummary *summary = &request.event.summary;
    summary->has_header = true;
    peer_fill_header(&summary->header, "a", 1, 1, 1);
    summary->header.weight = weight;
    summary->has_place = true;
    summary->place = (cohort_v1_Place){.address = cross_address(address), .bytes = bytes};
    cr_assert_eq(rpc_call_send(a.call, cohort_v1_AttendRequest_fields, &request, NULL), STATUS_OK);
}

Test(cross_peers, a_summary_on_the_control_stream_is_read_where_it_lies)
{
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    cohort_v1_CrossMemory memory;
    float model[MODEL_VALUES], next[MODEL_VALUES];
    start(true);
    memory = own_memory();
    peer_join_with(&deployment, &a, "a", 1, &memory);
    peer_expect(&a, cohort_v1_AttendResponse_enrol_tag);
    peer_ready(&a, "test", 10);
    const cohort_v1_Assignment *assignment =
        &peer_expect(&a, cohort_v1_AttendResponse_assignment_tag)->event.assignment;
    cr_assert_eq(assignment->place_bytes, CROSS_PLACE_BYTES);
    cr_assert_not(assignment->has_model_place, "a small model comes as fast itself");
    memcpy(model, assignment->model->bytes, sizeof model);
    for (size_t i = 0; i < MODEL_VALUES; i++)
        model[i] += 1;
    say_place(1, (const void *)16, sizeof model); // nothing is there: it may come again
    cr_assert_eq(peer_expect(&a, cohort_v1_AttendResponse_refused_tag)->event.refused.reason,
                 cohort_v1_Reason_REASON_UNSPECIFIED);
    say_place(1, model, sizeof model - 4); // cut short, likewise
    cr_assert_eq(peer_expect(&a, cohort_v1_AttendResponse_refused_tag)->event.refused.round, 1);
    say_place(1, model, sizeof model);
    assignment = &peer_expect(&a, cohort_v1_AttendResponse_assignment_tag)->event.assignment;
    cr_expect_eq(assignment->round, 2);
    memcpy(next, assignment->model->bytes, sizeof next);
    for (size_t i = 0; i < MODEL_VALUES; i++)
        cr_expect_float_eq(next[i], model[i], 1e-6);
    stop();
}

// ---- on a line ------------------------------------------------------------------------------------------

static int line;

static void say_on_line(const cohort_v1_AttendRequest *request)
{
    uint8_t bytes[4096];
    pb_ostream_t stream = pb_ostream_from_buffer(bytes, sizeof bytes);
    cr_assert(pb_encode(&stream, cohort_v1_AttendRequest_fields, request));
    cr_assert_eq(send(line, bytes, stream.bytes_written, 0), (ssize_t)stream.bytes_written);
}

static void beat_on_line(void)
{
    const cohort_v1_AttendRequest request = {.which_event = cohort_v1_AttendRequest_heartbeat_tag};
    say_on_line(&request);
}

static void be_ready_on_line(void)
{
    cohort_v1_AttendRequest request = {.which_event = cohort_v1_AttendRequest_ready_tag};
    peer_fill_ready(&request.event.ready, "test", 10);
    say_on_line(&request);
}

// The next message of that kind on the line.
static void expect_on_line(pb_size_t which, cohort_v1_AttendResponse *ret)
{
    static uint8_t bytes[CROSS_LINE_BYTES_MAX];
    do {
        ssize_t n = recv(line, bytes, sizeof bytes, 0);
        cr_assert_gt(n, 0, "no message of kind %u came", which);
        *ret = (cohort_v1_AttendResponse)cohort_v1_AttendResponse_init_zero;
        cr_assert_eq(rpc_bytes_decode(bytes, (size_t)n, cohort_v1_AttendResponse_fields, ret, NULL),
                     STATUS_OK);
        if (ret->which_event != which)
            pb_release(cohort_v1_AttendResponse_fields, ret);
    } while (ret->which_event != which);
}

// Joined, and the line that the coordinator has asked for is taken.
static void start_on_line(void)
{
    struct timeval most = {.tv_sec = 20};
    struct cross_token coordinators, token;
    start(true);
    cohort_v1_CrossMemory memory = own_memory();
    peer_join_with(&deployment, &a, "a", 1, &memory);
    const cohort_v1_Welcome *welcome = &peer_expect(&a, cohort_v1_AttendResponse_welcome_tag)->event.welcome;
    cr_assert_eq(welcome->line.size, sizeof token);
    memcpy(&token, welcome->line.bytes, sizeof token);
    memcpy(&coordinators, welcome->memory.token, sizeof coordinators);
    struct cross_memory *met = cross_door_meet(door, &coordinators, welcome->memory.address);
    cr_assert_not_null(met);
    line = cross_door_line(door, met, &token);
    cr_assert_geq(line, 0);
    cross_memory_unref(met);
    setsockopt(line, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
}

Test(cross_peers, a_learner_that_speaks_on_its_line_is_spoken_to_there)
{
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    cohort_v1_AttendResponse assignment;
    cohort_v1_AttendRequest request = {.which_event = cohort_v1_AttendRequest_summary_tag};
    float model[MODEL_VALUES];
    start_on_line();
    peer_expect(&a, cohort_v1_AttendResponse_enrol_tag); // nothing was said on the line yet
    be_ready_on_line();
    expect_on_line(cohort_v1_AttendResponse_assignment_tag, &assignment);
    cr_expect_eq(assignment.event.assignment.round, 1);
    memcpy(model, assignment.event.assignment.model->bytes, sizeof model);
    pb_release(cohort_v1_AttendResponse_fields, &assignment);
    for (size_t i = 0; i < MODEL_VALUES; i++)
        model[i] += 1;
    request.event.summary.has_header = true;
    peer_fill_header(&request.event.summary.header, "a", 1, 1, 1);
    request.event.summary.header.weight = 1;
    request.event.summary.has_place = true;
    request.event.summary.place = (cohort_v1_Place){.address = cross_address(model), .bytes = sizeof model};
    say_on_line(&request);
    expect_on_line(cohort_v1_AttendResponse_assignment_tag, &assignment);
    cr_expect_eq(assignment.event.assignment.round, 2);
    cr_expect_float_eq(((const float *)(const void *)assignment.event.assignment.model->bytes)[0], model[0],
                       1e-6);
    pb_release(cohort_v1_AttendResponse_fields, &assignment);
    close(line);
    stop();
}

Test(cross_peers, what_was_said_on_a_line_before_the_stream_ended_is_heard)
{
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    cohort_v1_AttendRequest leave = {.which_event = cohort_v1_AttendRequest_leave_tag};
    start_on_line();
    for (int i = 0; i < 50; i++)
        beat_on_line();
    strcpy(leave.event.leave.message, "stopped");
    say_on_line(&leave);
    rpc_call_end(a.call);
    cr_assert(peer_wait_closed(&a, 20000));
    coordinator_lock(deployment.coordinator);
    for (int i = 0; i < 2000 && member_find(deployment.coordinator, "a")->call; i++) {
        coordinator_unlock(deployment.coordinator);
        usleep(1000);
        coordinator_lock(deployment.coordinator);
    }
    cr_expect_eq(member_find(deployment.coordinator, "a")->state, cohort_v1_LearnerState_LEARNER_STATE_LEFT);
    cr_expect_eq(deployment.coordinator->cross_peers.n_lines, 0);
    coordinator_unlock(deployment.coordinator);
    close(line);
    stop();
}

Test(cross_peers, a_line_that_says_what_is_none_ends_the_stream)
{
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    start_on_line();
    cr_assert_eq(send(line, "\xff\xff\xff\xff", 4, 0), 4);
    cr_assert(peer_wait_closed(&a, 20000));
    cr_expect_eq(a.status, STATUS_INVALID_ARGUMENT);
    close(line);
    stop();
}
