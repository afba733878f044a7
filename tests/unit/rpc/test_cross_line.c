// Messages between two ends of a line: whole, in order, and heard to the last.
#include "base/clock.h"
#include "base/memory.h"
#include "cohort/v1/exchange.pb.h"
#include "cross_memory_kit.h"
#include "rpc/cross_line.h"
#include <criterion/criterion.h>
#include <pb_decode.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(cross_line, .timeout = 60);

enum { MANY = 2000 };

// An end that notes what it hears.
struct end {
    struct cross_line *line;
    pthread_mutex_t lock;
    size_t n, bytes;
    bool in_order, slow;
};

static struct cross_lines *lines;
static struct end a, b;

static void hear(void *user, const uint8_t *bytes, size_t n)
{
    struct end *end = user;
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero;
    struct error error = ERROR_INIT;
    enum status status = rpc_bytes_decode(bytes, n, cohort_v1_AttendRequest_fields, &request, &error);
    if (end->slow)
        usleep(20000);
    pthread_mutex_lock(&end->lock);
    end->in_order = end->in_order && status == STATUS_OK && request.event.heartbeat.peak_rss_bytes == end->n;
    end->n++;
    end->bytes += n;
    pthread_mutex_unlock(&end->lock);
    pb_release(cohort_v1_AttendRequest_fields, &request);
}

static void start(size_t n_threads)
{
    struct error error = ERROR_INIT;
    int ends[2];
    cr_assert_eq(cross_lines_new(&lines, n_threads, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    a = b = (struct end){.lock = PTHREAD_MUTEX_INITIALIZER, .in_order = true};
    cr_assert_eq(cross_line_new(&a.line, lines, ends[0], hear, &a, &error), STATUS_OK);
    cr_assert_eq(cross_line_new(&b.line, lines, ends[1], hear, &b, &error), STATUS_OK);
}

static void stop(void)
{
    cross_line_free(a.line);
    cross_line_free(b.line);
    cross_lines_free(lines);
}

static enum status say(struct end *end, uint64_t number)
{
    cohort_v1_AttendRequest request = {.which_event = cohort_v1_AttendRequest_heartbeat_tag};
    request.event.heartbeat.peak_rss_bytes = number;
    return cross_line_send(end->line, cohort_v1_AttendRequest_fields, &request, NULL);
}

static size_t heard(struct end *end)
{
    pthread_mutex_lock(&end->lock);
    size_t n = end->n;
    pthread_mutex_unlock(&end->lock);
    return n;
}

static void wait_for(struct end *end, size_t n)
{
    int64_t until_ms = clock_monotonic_ms() + 20000;
    while (heard(end) < n && clock_monotonic_ms() < until_ms)
        usleep(1000);
    cr_assert_eq(heard(end), n);
}

// Both ways at once, waiting where the other end has not read yet.
static void exchange(size_t n_threads)
{
    start(n_threads);
    for (uint64_t i = 0; i < MANY; i++) {
        cr_assert_eq(say(&a, i), STATUS_OK);
        cr_assert_eq(say(&b, i), STATUS_OK);
        if (i % 50 == 49) {
            wait_for(&a, i + 1);
            wait_for(&b, i + 1);
        }
    }
    cr_expect(a.in_order && b.in_order);
    stop();
}

Test(cross_line, messages_arrive_whole_and_in_order)
{
    exchange(1);
    exchange(3);
}

static enum status say_much(struct end *end, size_t n)
{
    cohort_v1_AttendRequest request = {.which_event = cohort_v1_AttendRequest_summary_tag};
    pb_bytes_array_t *data = memory_zalloc(PB_BYTES_ARRAY_T_ALLOCSIZE(n));
    data->size = (pb_size_t)n;
    request.event.summary.data = data;
    enum status status = cross_line_send(end->line, cohort_v1_AttendRequest_fields, &request, NULL);
    struct rpc_encoded *encoded = NULL;
    cr_assert_eq(rpc_encoded_new(&encoded, cohort_v1_AttendRequest_fields, &request, NULL), STATUS_OK);
    cr_expect_eq(cross_line_send_shared(end->line, encoded, NULL), status);
    rpc_encoded_free(encoded);
    memory_free(data);
    return status;
}

Test(cross_line, what_is_too_large_is_left_to_the_connection)
{
    start(1);
    cr_expect_eq(say_much(&a, CROSS_LINE_BYTES_MAX - 1), STATUS_RESOURCE_EXHAUSTED);
    cr_expect_eq(say_much(&a, CROSS_LINE_BYTES_MAX - 100), STATUS_OK);
    wait_for(&b, 2);
    cr_expect_gt(b.bytes, 2 * (CROSS_LINE_BYTES_MAX - 100));
    stop();
}

Test(cross_line, who_does_not_read_is_told_of_and_what_it_has_not_read_is_kept)
{
    start(1);
    b.slow = true;
    uint64_t n = 0;
    while (n < 1000000 && say(&a, n) == STATUS_OK)
        n++;
    cr_assert_lt(n, 1000000, "what waits is bounded");
    b.slow = false;
    wait_for(&b, n);
    cr_expect(b.in_order);
    cr_expect_eq(say(&a, n), STATUS_OK);
    stop();
}

Test(cross_line, what_came_before_the_end_is_heard)
{
    start(1);
    b.slow = true;
    for (uint64_t i = 0; i < 10; i++)
        cr_assert_eq(say(&a, i), STATUS_OK);
    a.line = cross_line_free(a.line);
    b.line = cross_line_free(b.line);
    cr_expect_eq(b.n, 10);
    cr_expect(b.in_order);
    stop();
}

Test(cross_line, nothing_is_said_to_who_is_gone)
{
    start(2);
    b.line = cross_line_free(b.line);
    cr_expect_eq(say(&a, 0), STATUS_UNAVAILABLE);
    usleep(10000); // the thread sees the end, once
    stop();
}

Test(cross_line, what_is_no_message_ends_the_line)
{
    static uint8_t bytes[CROSS_LINE_BYTES_MAX + 1];
    struct error error = ERROR_INIT;
    int ends[2];
    start(1);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    cross_line_free(b.line);
    b.n = 0;
    cr_assert_eq(cross_line_new(&b.line, lines, ends[1], hear, &b, &error), STATUS_OK);
    cr_assert_eq(send(ends[0], bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    send(ends[0], bytes, 1, 0);
    usleep(50000);
    cr_expect_eq(heard(&b), 0);
    close(ends[0]);
    stop();
}

// This process, by its own door.
Test(cross_line, a_line_is_found_by_its_token_and_by_who_asked_for_it)
{
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    struct cross_door *door = NULL;
    struct cross_token first, second, third;
    cr_assert_eq(cross_door_open(&door, NULL), STATUS_OK);
    cr_assert_eq(cross_token_draw(&first, NULL), STATUS_OK);
    cr_assert_eq(cross_token_draw(&second, NULL), STATUS_OK);
    cr_assert_eq(cross_token_draw(&third, NULL), STATUS_OK);
    const struct cross_token *at_door = cross_door_token(door);
    struct cross_memory *memory = cross_memory_knock(at_door, cross_address(at_door));
    cr_assert_not_null(memory);
    int asked[2] = {cross_memory_line(memory, at_door, &first), cross_memory_line(memory, at_door, &second)};
    cr_assert(asked[0] >= 0 && asked[1] >= 0);
    cr_expect_eq(cross_door_line(door, memory, &first), -1, "nobody was let in yet");
    struct cross_memory *met = cross_door_meet(door, at_door, cross_address(at_door));
    cr_assert_not_null(met);
    cr_expect_eq(cross_door_line(door, met, &third), -1);
    int taken = cross_door_line(door, met, &second);
    cr_assert_geq(taken, 0);
    cr_expect_eq(cross_door_line(door, met, &second), -1, "it was taken");
    char word[8] = "";
    cr_expect_eq(send(asked[1], "word", 4, 0), 4);
    cr_expect_eq(recv(taken, word, sizeof word, 0), 4);
    cr_expect_str_eq(word, "word");
    cr_expect_eq(cross_memory_line(memory, &third, &first), -1, "there is no such door");
    close(taken);
    close(asked[0]);
    close(asked[1]);
    cross_memory_unref(met);
    cross_memory_unref(memory);
    cross_door_close(door);
}

Test(cross_line, those_that_nobody_takes_are_bounded)
{
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    enum { ASKED = 300 };
    struct cross_door *door = NULL;
    struct cross_token token = {{0}};
    char word;
    int first = -1, last = -1;
    cr_assert_eq(cross_door_open(&door, NULL), STATUS_OK);
    const struct cross_token *at_door = cross_door_token(door);
    struct cross_memory *memory = cross_memory_knock(at_door, cross_address(at_door)), *met = NULL;
    for (int i = 0; i < ASKED; i++) {
        memcpy(&token, &i, sizeof i);
        last = cross_memory_line(memory, at_door, &token);
        cr_assert_geq(last, 0);
        if (i == 0)
            first = last;
        cross_memory_unref(met);
        met = cross_door_meet(door, at_door, cross_address(at_door));
        if (i > 0 && i < ASKED - 1)
            close(last);
    }
    cr_expect_eq(recv(first, &word, 1, MSG_DONTWAIT), 0, "the oldest was closed");
    int taken = cross_door_line(door, met, &token);
    cr_expect_geq(taken, 0);
    close(taken);
    close(first);
    close(last);
    cross_memory_unref(met);
    cross_memory_unref(memory);
    cross_door_close(door);
}
