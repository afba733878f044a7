// Exchanges between learners that all live in this process but speak over real connections.
#include "base/clock.h"
#include "base/digest.h"
#include "base/memory.h"
#include "base/philox.h"
#include "base/pool.h"
#include "cohort/v1/learner.pb.h"
#include "cross_memory_kit.h"
#include "learner/peers.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 9 };

static struct rpc_runtime *runtime;
static struct rpc_server *server;
static struct rpc_channel *channel;
static struct peers_door *door;
static struct cross_door *cross_door; // NULL: everything is sent
static struct pool *pool;

static void open_call(struct rpc_call *call, void *service)
{
    peers_door_open_call(service, call);
}

static const struct rpc_method methods[] = {{.path = "/cohort.v1.Learner/ExchangeSummary", .open = open_call},
                                            {0}};

static void start(void)
{
    int port = 0;
    char address[64];
    cr_assert_eq(rpc_runtime_new(&runtime, 2, NULL), STATUS_OK);
    cr_assert_eq(peers_door_new(&door, true, NULL), STATUS_OK);
    cr_assert_eq(pool_new(&pool, 2, "test", NULL), STATUS_OK);
    const struct rpc_service services[] = {{.name = "cohort.v1.Learner", .methods = methods, .self = door}};
    const struct rpc_server_options options = {.services = services, .n_services = 1};
    cr_assert_eq(rpc_server_new(&server, runtime, &options, NULL), STATUS_OK);
    cr_assert_eq(rpc_server_listen(server, "127.0.0.1:0", &port, NULL), STATUS_OK);
    cr_assert_eq(rpc_server_start(server, NULL), STATUS_OK);
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    cr_assert_eq(rpc_channel_new(&channel, runtime, address, NULL), STATUS_OK);
}

static void stop(void)
{
    rpc_channel_free(channel);
    rpc_server_free(server, 0);
    pool_free(pool);
    peers_door_free(door);
    cross_door_close(cross_door);
    rpc_runtime_free(runtime);
}

TestSuite(peers, .init = start, .fini = stop, .timeout = 60);

// ---- learners -------------------------------------------------------------------------------------------

struct learner {
    struct peers *peers;
    float *values, *result, *spare;
    struct peers_neighbour neighbours[MOST];
    size_t n_neighbours;
    double share;
    atomic_bool has_failed, has_ended;
    bool ok;
    size_t n_settled, next_settled; // values; of which the next begin here
    bool settled_in_turn;
    uint64_t digest; // of what settled, as it was then
    char suspect[64], message[512];
};

static struct learner learners[MOST];

static void failed(void *user, const char *suspect, const char *message)
{
    struct learner *learner = user;
    snprintf(learner->suspect, sizeof learner->suspect, "%s", suspect);
    snprintf(learner->message, sizeof learner->message, "%s", message);
    atomic_store(&learner->has_failed, true);
}

static void settled(void *user, size_t first, size_t n)
{
    struct learner *learner = user;
    if (learner->n_settled == 0)
        learner->settled_in_turn = true;
    else if (first != learner->next_settled)
        learner->settled_in_turn = learner->settled_in_turn && first == 0;
    learner->n_settled += n;
    learner->next_settled = first + n;
    for (size_t i = first; i < first + n; i++) { // word by word, as chunks of short vectors begin anywhere
        float word[2] = {learner->result[i], 0};
        learner->digest += digest_part(i * sizeof word, word, sizeof word);
    }
}

static void ended(void *user, bool ok)
{
    struct learner *learner = user;
    learner->ok = ok;
    atomic_store(&learner->has_ended, true);
}

static bool await(atomic_bool *flag)
{
    for (int64_t until_ms = clock_monotonic_ms() + 20000; clock_monotonic_ms() < until_ms; usleep(500))
        if (atomic_load(flag))
            return true;
    return false;
}

static void make(size_t i, enum peer_pattern pattern, size_t n, size_t n_values, unsigned int steps)
{
    struct learner *learner = &learners[i];
    struct error error = ERROR_INIT;
    struct peers_options options = {
        .pattern = pattern,
        .steps = steps,
        .round = 3,
        .attempt = 1,
        .incarnation = 100 + i,
        .place = (uint32_t)i,
        .n_learners = (uint32_t)n,
        .share = learner->share,
        .neighbours = learner->neighbours,
        .n_neighbours = learner->n_neighbours,
        .n_values = n_values,
        .values = learner->values,
        .result = learner->result,
        .spare = learner->spare,
        .pool = pool,
        .door = door,
        .cross_door = cross_door,
        .settled = settled,
        .failed = failed,
        .ended = ended,
        .user = learner,
    };
    snprintf(options.experiment_id, sizeof options.experiment_id, "test");
    snprintf(options.learner, sizeof options.learner, "learner-%zu", i);
    cr_assert_eq(peers_new(&learner->peers, &options, &error), STATUS_OK, "%s", error.message);
}

static void add_neighbour(size_t i, size_t j, double share)
{
    struct peers_neighbour *neighbour = &learners[i].neighbours[learners[i].n_neighbours++];
    snprintf(neighbour->learner, sizeof neighbour->learner, "learner-%zu", j);
    neighbour->incarnation = 100 + j;
    neighbour->channel = channel;
    neighbour->share = share;
}

static void draw_values(size_t n, size_t n_values)
{
    for (size_t i = 0; i < n; i++) {
        struct random random =
            random_open((struct random_key){.seed = 7, .learner = (uint32_t)i, .purpose = RANDOM_TEST});
        learners[i] = (struct learner){.values = memory_floats(n_values),
                                       .result = memory_floats(n_values),
                                       .spare = memory_floats(n_values)};
        for (size_t k = 0; k < n_values; k++)
            learners[i].values[k] = (float)random_normal(&random);
    }
}

static double weight_of(size_t i)
{
    return 1.0 + (double)(i * i);
}

static void make_ring(size_t n, size_t n_values)
{
    double total = 0;
    draw_values(n, n_values);
    for (size_t i = 0; i < n; i++)
        total += weight_of(i);
    for (size_t i = 0; i < n; i++) {
        learners[i].share = weight_of(i) / total;
        if (n > 1) {
            add_neighbour(i, (i + n - 1) % n, 0);
            add_neighbour(i, (i + 1) % n, 0);
        }
        make(i, PEERS_RING, n, n_values, 0);
    }
}

static void make_mix(size_t n, size_t n_values, unsigned int steps)
{
    draw_values(n, n_values);
    for (size_t i = 0; i < n; i++) {
        learners[i].share = n == 1 ? 1 : n == 2 ? 0.5 : 1.0 / 3;
        for (size_t step = n < 3 ? 1 : n - 1; n > 1 && step >= 1; step = step == 1 ? 0 : 1)
            add_neighbour(i, (i + step) % n, learners[i].share);
        make(i, PEERS_MIX, n, n_values, steps);
    }
}

static void release(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cr_assert(await(&learners[i].has_ended), "learner %zu did not end", i);
        peers_free(learners[i].peers);
        memory_free(learners[i].values);
        memory_free(learners[i].result);
        memory_free(learners[i].spare);
    }
}

static void run_all(size_t n)
{
    for (size_t i = 0; i < n; i++)
        peers_start(learners[n - 1 - i].peers);
    for (size_t i = 0; i < n; i++) {
        cr_assert(await(&learners[i].has_ended), "learner %zu did not end: %s", i, learners[i].message);
        cr_assert(learners[i].ok, "learner %zu: %s", i, learners[i].message);
    }
}

// ---- sums -----------------------------------------------------------------------------------------------

static void check_ring(size_t n, size_t n_values)
{
    double total = 0, distance = 0, square = 0;
    make_ring(n, n_values);
    run_all(n);
    for (size_t i = 0; i < n; i++)
        total += weight_of(i);
    for (size_t k = 0; k < n_values; k++) {
        double mean = 0;
        for (size_t i = 0; i < n; i++)
            mean += weight_of(i) / total * (double)learners[i].values[k];
        cr_assert_float_eq((double)learners[0].result[k], mean, 2e-6, "%zu learners, value %zu of %zu", n, k,
                           n_values);
        distance += ((double)learners[0].values[k] - mean) * ((double)learners[0].values[k] - mean);
        square += (double)learners[0].values[k] * (double)learners[0].values[k];
    }
    for (size_t i = 1; i < n; i++)
        cr_assert_arr_eq(learners[i].result, learners[0].result, n_values * sizeof(float),
                         "%zu learners, %zu values: learner %zu has another sum", n, n_values, i);
    for (size_t i = 0; i < n && n > 1; i++) {
        uint64_t expected = 0;
        for (size_t k = 0; k < n_values; k++)
            expected += digest_part(k * 8, (float[]){learners[i].result[k], 0}, 8);
        cr_assert_eq(learners[i].n_settled, n_values);
        cr_assert(learners[i].settled_in_turn, "learner %zu of %zu", i, n);
        cr_assert_eq(learners[i].digest, expected, "what settles changes no more");
    }
    cr_assert(n < 2 || learners[n - 1].next_settled == n_values, "the last one's from the first on");
    cr_assert_float_eq(peers_distance(learners[0].peers), sqrt(distance / square), 1e-5);
    if (n > 1)
        cr_assert_leq(peers_bytes(learners[0].peers), 2 * (n - 1) * (n_values / n + 16) * sizeof(float));
    release(n);
}

Test(peers, in_a_ring_all_get_the_same_weighted_mean)
{
    for (size_t n = 1; n <= 5; n++)
        check_ring(n, 1003);
    check_ring(8, 30);
    check_ring(3, 700001);
    check_ring(2, 2);
}

// They are one process, whose memory is read by its own door.
Test(peers, in_a_ring_on_one_machine_sums_are_read_where_they_lie)
{
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    cr_assert_eq(cross_door_open(&cross_door, NULL), STATUS_OK);
    check_ring(2, 2);
    check_ring(4, 1003);
    check_ring(7, 3);
    check_ring(3, 7000001);
    for (int i = 0; i < 100; i++) // met once, though nobody opens
        check_ring(2, 50);
}

Test(peers, in_a_ring_of_more_learners_than_values_some_segments_are_empty)
{
    check_ring(7, 3);
    check_ring(9, 1);
}

// X <- W X in double, on a ring.
static void mix_naively(double *x, size_t n, size_t n_values)
{
    double share = n == 1 ? 1 : n == 2 ? 0.5 : 1.0 / 3;
    for (size_t k = 0; k < n_values; k++) {
        double old[MOST];
        for (size_t i = 0; i < n; i++)
            old[i] = x[i * n_values + k];
        for (size_t i = 0; i < n; i++) {
            double sum = share * old[i];
            if (n > 1)
                sum += share * old[(i + 1) % n];
            if (n > 2)
                sum += share * old[(i + n - 1) % n];
            x[i * n_values + k] = sum;
        }
    }
}

static void check_mix(size_t n, size_t n_values, unsigned int steps)
{
    make_mix(n, n_values, steps);
    double *x = memory_array(n * n_values, sizeof *x);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n_values; k++)
            x[i * n_values + k] = (double)learners[i].values[k];
    run_all(n);
    for (unsigned int step = 0; step < steps; step++)
        mix_naively(x, n, n_values);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n_values; k++)
            cr_assert_float_eq((double)learners[i].result[k], x[i * n_values + k], 1e-6,
                               "%zu learners, %u steps, learner %zu, value %zu", n, steps, i, k);
    if (n > 2) // neighbours' values are drawn with variance 1 each
        cr_assert_float_eq(peers_distance(learners[0].peers), sqrt(2), n_values > 1000 ? 0.1 : 1);
    memory_free(x);
    release(n);
}

Test(peers, in_a_mix_each_gets_its_row_of_the_matrix)
{
    for (size_t n = 1; n <= 5; n++)
        check_mix(n, 1003, 1);
    check_mix(4, 600001, 1);
}

Test(peers, in_a_mix_of_several_steps_the_matrix_acts_as_often)
{
    check_mix(4, 1003, 2);
    check_mix(5, 400003, 3);
    check_mix(1, 50, 4);
    check_mix(2, 300000, 5);
}

// ---- peers that fail, stall or lie ----------------------------------------------------------------------

static void cancel_all(size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!atomic_load(&learners[i].has_ended))
            peers_cancel(learners[i].peers);
}

Test(peers, one_that_never_comes_is_told_and_nothing_hangs)
{
    make_ring(3, 500000);
    peers_start(learners[0].peers);
    peers_start(learners[1].peers); // its right neighbour, learner 2, does not begin
    usleep(50000);
    peers_check(learners[0].peers, clock_monotonic_ms(), 3600000);
    cr_assert(!atomic_load(&learners[0].has_failed), "it is patient");
    peers_check(learners[0].peers, clock_monotonic_ms() + 10000, 5000);
    cr_assert(await(&learners[0].has_failed));
    cr_assert_str_eq(learners[0].suspect, "learner-2");
    cr_assert(strstr(learners[0].message, "nothing has moved"), "%s", learners[0].message);
    cr_assert(!atomic_load(&learners[0].has_ended));
    peers_start(learners[2].peers); // too late
    cancel_all(3);
    release(3);
}

// By its broken stream, or, when that had not come yet, by its silence.
static bool await_told(struct learner *learner)
{
    for (int64_t until_ms = clock_monotonic_ms() + 20000, now_ms; (now_ms = clock_monotonic_ms()) < until_ms;
         usleep(5000)) {
        if (atomic_load(&learner->has_failed))
            return true;
        peers_check(learner->peers, now_ms, 3000);
    }
    return false;
}

Test(peers, one_that_goes_in_the_middle_is_told)
{
    make_mix(3, 2000000, 1);
    peers_start(learners[0].peers);
    peers_start(learners[1].peers);
    peers_start(learners[2].peers);
    usleep(3000);
    peers_cancel(learners[2].peers);
    size_t n_certain = 0;
    for (size_t i = 0; i < 2; i++) {
        cr_assert(await_told(&learners[i]));
        bool certain = strcmp(learners[i].suspect, "learner-2") == 0;
        // Who had not reached the other one yet may find that it has given up already.
        cr_assert(certain || strstr(learners[i].message, "given up"), "%s", learners[i].message);
        n_certain += certain;
    }
    cr_assert_gt(n_certain, 0);
    cancel_all(3);
    release(3);
}

Test(peers, values_that_are_not_finite_are_told_where_they_are_trained)
{
    make_ring(2, 1000);
    learners[1].values[3] = NAN;
    peers_start(learners[0].peers);
    peers_start(learners[1].peers);
    cr_assert(await(&learners[1].has_failed));
    cr_assert_str_eq(learners[1].suspect, learners[1].suspect[0] ? "learner-0" : "");
    cancel_all(2);
    release(2);
}

Test(peers, values_too_large_to_mix_are_told_where_they_are_trained)
{
    make_mix(2, 1000, 1);
    learners[1].values[3] = 40000;
    peers_start(learners[0].peers);
    peers_start(learners[1].peers);
    cr_assert(await(&learners[1].has_failed));
    cr_assert_str_eq(learners[1].suspect, "");
    cr_assert(strstr(learners[1].message, "too large"), "%s", learners[1].message);
    cancel_all(2);
    release(2);
}

// A stream by hand, as if of learner 1: what the answer was.
struct liar {
    struct rpc_call *call;
    atomic_bool over;
    enum status status;
    char message[512];
};

static void liar_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct liar *liar = user;
    liar->status = status;
    snprintf(liar->message, sizeof liar->message, "%s", message);
    atomic_store(&liar->over, true);
}

static void release_nothing(void *user)
{
}

static void lie_with(struct liar *liar, const cohort_v1_SummaryHeader *header, bool with_memory)
{
    static const struct rpc_events events = {.closed = liar_closed};
    cohort_v1_ExchangeSummaryRequest request = cohort_v1_ExchangeSummaryRequest_init_zero;
    *liar = (struct liar){0};
    request.has_memory = with_memory;
    if (with_memory)
        cross_token_tell(cross_door_token(cross_door), &request.memory);
    request.has_header = true;
    request.header = *header;
    snprintf(request.peer, sizeof request.peer, "learner-0");
    cr_assert_eq(rpc_call_start(&liar->call, channel, "/cohort.v1.Learner/ExchangeSummary", 0, true, &events,
                                liar, NULL),
                 STATUS_OK);
    rpc_call_receive(liar->call);
    rpc_call_send(liar->call, cohort_v1_ExchangeSummaryRequest_fields, &request, NULL);
}

static void lie(struct liar *liar, const cohort_v1_SummaryHeader *header, const float *values, size_t n,
                uint64_t offset)
{
    lie_with(liar, header, false);
    if (values)
        rpc_call_send_chunk(liar->call, offset, values, n * sizeof(float), release_nothing, NULL, NULL);
}

static void end_lie(struct liar *liar)
{
    rpc_call_cancel(liar->call);
    cr_assert(await(&liar->over));
    rpc_call_unref(liar->call);
}

static cohort_v1_SummaryHeader honest_header(size_t n_values)
{
    cohort_v1_SummaryHeader header = cohort_v1_SummaryHeader_init_zero;
    snprintf(header.experiment_id, sizeof header.experiment_id, "test");
    snprintf(header.learner, sizeof header.learner, "learner-1");
    snprintf(header.codec, sizeof header.codec, "f32");
    header.incarnation = 101;
    header.round = 3;
    header.attempt = 1;
    header.n_values = n_values;
    header.bytes = n_values * sizeof(float);
    return header;
}

// Learner 0 tells of learner 1, in whose name the lie came, and why.
static void expect_told(struct liar *liar, const char *why)
{
    cr_assert(await(&learners[0].has_failed));
    cr_assert_str_eq(learners[0].suspect, "learner-1");
    cr_assert(strstr(learners[0].message, why), "%s: %s", why, learners[0].message);
    end_lie(liar);
    peers_cancel(learners[1].peers);
    peers_cancel(learners[0].peers);
    release(2);
}

// Learner 0 alone of two begins; what comes in learner 1's name is the lie.
static void expect_lie_refused(const cohort_v1_SummaryHeader *header, const float *values, size_t n,
                               uint64_t offset, const char *why)
{
    struct liar liar;
    make_mix(2, 1000, 1);
    peers_start(learners[0].peers);
    lie(&liar, header, values, n, offset);
    expect_told(&liar, why);
}

Test(peers, a_wrong_size_is_refused_and_told)
{
    cohort_v1_SummaryHeader header = honest_header(1000);
    header.n_values = 999;
    expect_lie_refused(&header, NULL, 0, 0, "999 values");
    header = honest_header(1000);
    header.bytes = UINT64_MAX;
    expect_lie_refused(&header, NULL, 0, 0, "1000 values in 4000 bytes were due");
}

Test(peers, values_that_lie_are_refused_and_told)
{
    static float values[2000];
    cohort_v1_SummaryHeader header = honest_header(1000);
    values[7] = NAN;
    expect_lie_refused(&header, values, 1000, 0, "not finite");
    values[7] = 1e30f;
    expect_lie_refused(&header, values, 1000, 0, "32768");
    values[7] = 40000; // too large although its half is not
    expect_lie_refused(&header, values, 1000, 0, "32768");
    values[7] = 0;
    expect_lie_refused(&header, values, 2000, 0, "out of order");
    expect_lie_refused(&header, values, 1000, 4, "out of order");
    expect_lie_refused(&header, values, 10, 0, "no whole chunk");
}

// What is told of in learner 1's name, whose memory was met or not.
static void expect_place_refused(bool met, const void *address, uint64_t bytes, const char *why)
{
    struct liar liar;
    cohort_v1_SummaryHeader header = honest_header(1000);
    cohort_v1_ExchangeSummaryRequest request = cohort_v1_ExchangeSummaryRequest_init_zero;
    make_mix(2, 1000, 1);
    peers_start(learners[0].peers);
    lie_with(&liar, &header, met);
    request.has_place = true;
    request.place = (cohort_v1_Place){.address = cross_address(address), .bytes = bytes};
    rpc_call_send(liar.call, cohort_v1_ExchangeSummaryRequest_fields, &request, NULL);
    expect_told(&liar, why);
}

Test(peers, places_that_lie_are_refused_and_told)
{
    static float values[2000];
    if (!cross_memory_is_possible())
        cr_skip("the system does not let processes read each other");
    cr_assert_eq(cross_door_open(&cross_door, NULL), STATUS_OK);
    expect_place_refused(false, values, 4000, "by who was met");
    expect_place_refused(true, values, (uint64_t)CROSS_PLACE_BYTES + 4, "a place of 4194308 bytes");
    expect_place_refused(true, (const void *)16, 4000, "cannot read");
    expect_place_refused(true, values, 4004, "out of order");
    expect_place_refused(true, values, 4, "no whole chunk");
    values[7] = NAN;
    expect_place_refused(true, values, 4000, "not finite");
}

Test(peers, a_stranger_or_another_round_harms_nobody)
{
    struct liar stranger, old, newer;
    cohort_v1_SummaryHeader header = honest_header(1000);
    make_mix(2, 1000, 1);
    peers_start(learners[0].peers);
    header.incarnation = 5;
    lie(&stranger, &header, NULL, 0, 0);
    header = honest_header(1000);
    header.round = 2;
    lie(&old, &header, NULL, 0, 0);
    header.round = 4;
    lie(&newer, &header, NULL, 0, 0);
    cr_assert(await(&stranger.over));
    cr_assert_eq(stranger.status, STATUS_PERMISSION_DENIED, "%s; %s", stranger.message, learners[0].message);
    cr_assert(await(&old.over));
    cr_assert_eq(old.status, STATUS_FAILED_PRECONDITION, "%s", old.message);
    cr_assert(strstr(old.message, "has gone on to round 3"), "%s", old.message);
    peers_start(learners[1].peers);
    for (size_t i = 0; i < 2; i++)
        cr_assert(await(&learners[i].has_ended) && learners[i].ok, "%s", learners[i].message);
    cr_assert(!atomic_load(&newer.over), "what comes early waits");
    peers_door_check(door, clock_monotonic_ms() + 10000, 5000);
    cr_assert(await(&newer.over));
    cr_assert_eq(newer.status, STATUS_UNAVAILABLE, "%s", newer.message);
    end_lie(&stranger);
    end_lie(&old);
    end_lie(&newer);
    release(2);
}
