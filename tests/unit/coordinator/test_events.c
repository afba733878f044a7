#include "base/clock.h"
#include "coordinator/events.h"
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(events, .timeout = 60);

// A server whose one method watches `events`, and a client that notes the cursors it is told.
static struct events *events;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // guards events and what follows
static struct rpc_runtime *runtime;
static struct rpc_server *server;
static struct rpc_channel *channel;
static char last_hash[65];
static uint64_t first_cursor, last_cursor, first_kept, n_told;
static uint32_t wanted_kinds, wanted_gather_ms;
static bool client_closed, in_order = true, slow;
static enum status client_status;

static void server_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    cohort_v1_WatchExperimentRequest request = cohort_v1_WatchExperimentRequest_init_zero;
    rpc_message_decode(message, cohort_v1_WatchExperimentRequest_fields, &request, NULL);
    pthread_mutex_lock(&lock);
    const struct events_wanted wanted = {
        .cursor = request.cursor, .kinds = wanted_kinds, .gather_ms = wanted_gather_ms};
    struct watcher *watcher = events_watch(events, call, &wanted);
    *(struct watcher **)user = watcher;
    watcher_pump(watcher);
    pthread_mutex_unlock(&lock);
}

static void server_writable(struct rpc_call *call, void *user)
{
    pthread_mutex_lock(&lock);
    if (*(struct watcher **)user)
        watcher_pump(*(struct watcher **)user);
    pthread_mutex_unlock(&lock);
}

static void server_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    pthread_mutex_lock(&lock);
    watcher_free(*(struct watcher **)user);
    pthread_mutex_unlock(&lock);
}

static const struct rpc_events server_events = {.message = server_message,
                                                .writable = server_writable,
                                                .closed = server_closed};

static struct watcher *watcher;

static void open_watch(struct rpc_call *call, void *service)
{
    rpc_call_set_events(call, &server_events, &watcher);
    rpc_call_receive(call);
}

static const struct rpc_method methods[] = {
    {.path = "/cohort.v1.Coordinator/WatchExperiment", .open = open_watch},
    {0}};

static void client_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    rpc_message_decode(message, cohort_v1_WatchExperimentResponse_fields, &event, NULL);
    pthread_mutex_lock(&lock);
    if (event.which_event == cohort_v1_WatchExperimentResponse_events_lost_tag) {
        first_kept = event.event.events_lost.first_kept;
        last_cursor = first_kept - 1;
    } else {
        in_order = in_order && (n_told == 0 || event.cursor == last_cursor + 1);
        if (n_told++ == 0)
            first_cursor = event.cursor;
        last_cursor = event.cursor;
        if (event.which_event == cohort_v1_WatchExperimentResponse_round_committed_tag)
            strcpy(last_hash, event.event.round_committed.model_sha256);
    }
    bool wait = slow;
    pthread_mutex_unlock(&lock);
    if (!wait)
        rpc_call_receive(call);
}

static void client_closed_event(struct rpc_call *call, enum status status, const char *message, void *user)
{
    pthread_mutex_lock(&lock);
    client_closed = true;
    client_status = status;
    pthread_mutex_unlock(&lock);
}

static const struct rpc_events client_events = {.message = client_message, .closed = client_closed_event};

static void start(void)
{
    struct error error = ERROR_INIT;
    const struct rpc_service service = {.name = "cohort.v1.Coordinator", .methods = methods};
    const struct rpc_server_options options = {.services = &service, .n_services = 1};
    char address[64];
    int port = 0;
    events = events_new();
    cr_assert_eq(rpc_runtime_new(&runtime, 2, &error), STATUS_OK);
    cr_assert_eq(rpc_server_new(&server, runtime, &options, &error), STATUS_OK);
    cr_assert_eq(rpc_server_listen(server, "127.0.0.1:0", &port, &error), STATUS_OK);
    cr_assert_eq(rpc_server_start(server, &error), STATUS_OK);
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    cr_assert_eq(rpc_channel_new(&channel, runtime, address, &error), STATUS_OK);
}

static void stop(struct rpc_call *call)
{
    rpc_call_cancel(call);
    rpc_call_unref(call);
    rpc_channel_free(channel);
    rpc_server_free(server, 0);
    rpc_runtime_free(runtime);
    events_free(events);
}

static struct rpc_call *watch(uint64_t cursor)
{
    const cohort_v1_WatchExperimentRequest request = {.cursor = cursor};
    struct rpc_call *call = NULL;
    cr_assert_eq(rpc_call_start(&call, channel, methods[0].path, 0, true, &client_events, NULL, NULL),
                 STATUS_OK);
    rpc_call_receive(call);
    rpc_call_send(call, cohort_v1_WatchExperimentRequest_fields, &request, NULL);
    rpc_call_end(call);
    return call;
}

static void add(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
        event.which_event = cohort_v1_WatchExperimentResponse_learner_changed_tag;
        memset(event.event.learner_changed.message, 'x', sizeof event.event.learner_changed.message - 1);
        pthread_mutex_lock(&lock);
        events_add(events, &event);
        pthread_mutex_unlock(&lock);
    }
}

static void wait_for_cursor(uint64_t cursor)
{
    int64_t until_ms = clock_monotonic_ms() + 20000;
    for (bool there = false; !there; usleep(1000)) {
        pthread_mutex_lock(&lock);
        there = last_cursor >= cursor;
        pthread_mutex_unlock(&lock);
        cr_assert_lt(clock_monotonic_ms(), until_ms, "cursor %llu did not come", (unsigned long long)cursor);
    }
}

Test(events, are_told_from_the_cursor_on_and_as_they_come)
{
    start();
    add(10);
    struct rpc_call *call = watch(4);
    wait_for_cursor(10);
    add(5);
    wait_for_cursor(15);
    cr_assert_eq(first_cursor, 4);
    cr_assert_eq(n_told, 12);
    cr_assert(in_order);
    stop(call);
}

Test(events, a_watcher_is_ended_once_it_has_everything)
{
    start();
    add(3);
    pthread_mutex_lock(&lock);
    events_end(events);
    pthread_mutex_unlock(&lock);
    struct rpc_call *call = watch(0);
    int64_t until_ms = clock_monotonic_ms() + 20000;
    for (bool there = false; !there && clock_monotonic_ms() < until_ms; usleep(1000)) {
        pthread_mutex_lock(&lock);
        there = client_closed;
        pthread_mutex_unlock(&lock);
    }
    cr_assert_eq(client_status, STATUS_OK);
    cr_assert_eq(n_told, 3);
    stop(call);
}

Test(events, what_comes_after_an_early_one_waits_until_it_is_complete)
{
    start();
    struct rpc_call *call = watch(1);
    add(1);
    wait_for_cursor(1);
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    event.which_event = cohort_v1_WatchExperimentResponse_round_committed_tag;
    strcpy(event.event.round_committed.model_sha256, "0000");
    pthread_mutex_lock(&lock);
    struct event_place *place = events_add_early(events, &event);
    pthread_mutex_unlock(&lock);
    add(2);
    usleep(50000);
    pthread_mutex_lock(&lock);
    cr_expect_eq(last_cursor, 1, "nothing is told meanwhile");
    strcpy(event.event.round_committed.model_sha256, "beef");
    events_complete(events, place, &event);
    events_end(events);
    pthread_mutex_unlock(&lock);
    wait_for_cursor(4);
    cr_expect_str_eq(last_hash, "beef");
    cr_expect(in_order);
    stop(call);
}

Test(events, only_the_kinds_that_are_wanted_are_told)
{
    start();
    wanted_kinds = events_kind("round_committed");
    struct rpc_call *call = watch(1);
    add(3);
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    event.which_event = cohort_v1_WatchExperimentResponse_round_committed_tag;
    pthread_mutex_lock(&lock);
    events_add(events, &event);
    pthread_mutex_unlock(&lock);
    wait_for_cursor(4);
    cr_expect_eq(n_told, 1);
    cr_expect_eq(first_cursor, 4);
    add(2);
    pthread_mutex_lock(&lock);
    events_add(events, &event);
    pthread_mutex_unlock(&lock);
    wait_for_cursor(7);
    cr_expect_eq(n_told, 2);
    stop(call);
}

static int n_woken;

static void wake(void *user)
{
    (*(int *)user)++;
}

Test(events, those_that_may_wait_go_together)
{
    start();
    events_set_wake(events, wake, &n_woken);
    wanted_gather_ms = 5000;
    struct rpc_call *call = watch(1);
    for (bool there = false; !there; usleep(1000)) {
        pthread_mutex_lock(&lock);
        there = watcher != NULL;
        pthread_mutex_unlock(&lock);
    }
    add(3);
    usleep(50000);
    pthread_mutex_lock(&lock);
    int64_t now_ms = clock_monotonic_ms(), due_ms = events_tick(events, now_ms);
    cr_expect_eq(n_told, 0);
    cr_expect_eq(n_woken, 1, "the timer is woken once");
    cr_expect(due_ms > now_ms && due_ms <= now_ms + 5000);
    cr_expect_eq(events_tick(events, due_ms), INT64_MAX);
    pthread_mutex_unlock(&lock);
    wait_for_cursor(3);
    add(1);
    pthread_mutex_lock(&lock);
    cr_expect_eq(n_woken, 2);
    events_end(events); // nothing waits then
    pthread_mutex_unlock(&lock);
    wait_for_cursor(4);
    cr_expect(in_order);
    stop(call);
}

Test(events, a_kind_has_the_name_that_json_has)
{
    cr_expect_neq(events_kind("state_changed"), 0);
    cr_expect_neq(events_kind("summary_rejected"), events_kind("summary_accepted"));
    cr_expect_eq(events_kind("round"), 0);
    cr_expect_eq(events_kind(""), 0);
}

Test(events, the_oldest_are_dropped_and_that_is_told)
{
    enum { MANY = 2 * EVENTS_BYTES_MAX / 512 };
    start();
    add(MANY);
    struct rpc_call *call = watch(1);
    wait_for_cursor(MANY);
    cr_assert_gt(first_kept, 1);
    cr_assert_eq(first_cursor, first_kept);
    cr_assert_lt((MANY - first_kept) * 512, EVENTS_BYTES_MAX, "what is kept is bounded");
    cr_assert(in_order);
    stop(call);
}

Test(events, a_watcher_that_does_not_read_misses_the_oldest_and_then_goes_on)
{
    enum { MANY = 4 * EVENTS_BYTES_MAX / 512 };
    start();
    slow = true;
    struct rpc_call *call = watch(1);
    add(1);
    wait_for_cursor(1);
    add(MANY); // more than queues and the log hold together
    pthread_mutex_lock(&lock);
    slow = false;
    pthread_mutex_unlock(&lock);
    rpc_call_receive(call);
    wait_for_cursor(MANY + 1);
    cr_assert_gt(first_kept, 1);
    cr_assert(in_order);
    stop(call);
}

Test(events, a_cursor_from_a_longer_life_starts_with_what_comes_next)
{
    start();
    add(3);
    struct rpc_call *call = watch(1000);
    for (bool there = false; !there; usleep(1000)) {
        pthread_mutex_lock(&lock);
        there = watcher != NULL;
        pthread_mutex_unlock(&lock);
    }
    add(2);
    wait_for_cursor(5);
    cr_assert_eq(first_cursor, 4);
    stop(call);
}

Test(events, all_are_counted_whether_kept_or_not)
{
    struct events *counted = events_new();
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    event.which_event = cohort_v1_WatchExperimentResponse_round_committed_tag;
    event.event.round_committed.seconds = 0.5;
    events_add(counted, &event);
    events_add(counted, &event);
    event = (cohort_v1_WatchExperimentResponse)cohort_v1_WatchExperimentResponse_init_zero;
    event.which_event = cohort_v1_WatchExperimentResponse_summary_accepted_tag;
    event.event.summary_accepted.train_seconds = 2;
    events_add(counted, &event);
    event.event.summary_accepted.train_seconds = -1e300; // a learner that lies
    events_add(counted, &event);
    event = (cohort_v1_WatchExperimentResponse)cohort_v1_WatchExperimentResponse_init_zero;
    event.which_event = cohort_v1_WatchExperimentResponse_summary_rejected_tag;
    event.event.summary_rejected.reason = cohort_v1_Reason_REASON_STALE;
    events_add(counted, &event);
    event.event.summary_rejected.reason = (cohort_v1_Reason)1000;
    events_add(counted, &event);
    const struct event_counts *counts = events_counts(counted);
    cr_expect_eq(counts->committed, 2);
    cr_expect_eq(counts->round_seconds, 1.0);
    cr_expect_eq(counts->accepted, 2);
    cr_expect_eq(counts->train_seconds, 2.0);
    cr_expect_eq(counts->rejected[cohort_v1_Reason_REASON_STALE], 1);
    cr_expect_eq(counts->rejected[0], 1);
    events_free(counted);
}
