#include "meeting.h"
#include "base/clock.h"
#include "base/memory.h"
#include "fuzz.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WAITING_MAX = 256, LATE_MS = 3600000, INCARNATION = 100 };

struct meeting meeting;

static bool is_name(const char *name, const char *wanted)
{
    return strcmp(name, wanted) == 0;
}

// ---- what the exchange says -----------------------------------------------------------------------------

static void failed(void *user, const char *suspect, const char *message)
{
    fuzz_require(!meeting.has_failed && !meeting.has_ended && *message);
    fuzz_require(meeting.suspect && (*meeting.suspect ? is_name(suspect, meeting.suspect) : *suspect));
    meeting.has_failed = true;
}

static void ended(void *user, bool ok)
{
    fuzz_require(!meeting.has_ended);
    meeting.has_ended = true;
    meeting.ok = ok;
}

static void settled(void *user, size_t first, size_t n)
{
    sums_settled(&meeting.sums, first, n);
}

static void sent(struct rpc_call *call, uint64_t offset, const void *data, size_t bytes)
{
    for (size_t i = 0; i < meeting.peers->n_out; i++)
        if (meeting.peers->pushes[i].call == call)
            sums_sent(&meeting.sums, i, data, bytes / sizeof(float));
}

// ---- the exchange ---------------------------------------------------------------------------------------

float meeting_value(size_t i)
{
    return (float)(i * 2654435761u % 2001) / 1000 - 1;
}

static void make_neighbours(const struct setting *setting)
{
    bool ring = setting->pattern == PEERS_RING;
    memset(meeting.neighbours, 0, sizeof meeting.neighbours);
    size_t n = ring ? 2 : setting->n_learners - 1;
    for (size_t i = 0; i < n; i++) {
        size_t step = ring && i == 0 ? setting->n_learners - 1 : i + 1;
        size_t place = (setting->place + step) % setting->n_learners;
        struct peers_neighbour *neighbour = &meeting.neighbours[i];
        *neighbour = (struct peers_neighbour){.incarnation = INCARNATION + place,
                                              .share = (1 - setting->share) / (double)n};
        snprintf(neighbour->learner, sizeof neighbour->learner, "learner-%zu", place);
    }
}

static struct peers_options options_of(const struct setting *setting)
{
    struct peers_options options = {
        .pattern = setting->pattern,
        .steps = setting->steps,
        .experiment_id = "digits",
        .round = MEETING_ROUND,
        .attempt = meeting.attempt,
        .incarnation = INCARNATION,
        .place = setting->place,
        .n_learners = setting->n_learners,
        .share = setting->share,
        .neighbours = meeting.neighbours,
        .n_neighbours = setting->pattern == PEERS_RING ? 2 : setting->n_learners - 1,
        .n_values = setting->n_values,
        .values = meeting.values,
        .result = meeting.result,
        .spare = meeting.spare,
        .door = meeting.door,
        .settled = settled,
        .failed = failed,
        .ended = ended,
    };
    snprintf(options.learner, sizeof options.learner, "self");
    return options;
}

// Whether a neighbour's part of it is broken: the exchange fails for it, unless it has failed already.
static void blame(const char *suspect)
{
    if (meeting.running)
        meeting.suspect = suspect;
    meeting.running = false;
}

// ---- what a header deserves -----------------------------------------------------------------------------

static void refuse(struct stream *stream, enum status status)
{
    stream->state = STREAM_REFUSED;
    stream->refused = status;
}

static size_t n_waiting(void)
{
    size_t n = 0;
    for (size_t i = 0; i < meeting.n_streams; i++)
        n += meeting.streams[i].state == STREAM_WAITING;
    return n;
}

static bool is_known(const struct stream *stream, size_t *ret)
{
    const cohort_v1_SummaryHeader *header = &stream->request.header;
    for (size_t i = 0; i < meeting.peers->n_in; i++)
        if (is_name(meeting.neighbours[i].learner, header->learner) &&
            meeting.neighbours[i].incarnation == header->incarnation && !meeting.came[i]) {
            *ret = i;
            return true;
        }
    return false;
}

static void admit(struct stream *stream)
{
    const cohort_v1_SummaryHeader *header = &stream->request.header;
    if (!meeting.running) {
        refuse(stream, STATUS_ABORTED);
    } else if (!is_known(stream, &stream->neighbour)) {
        refuse(stream, STATUS_PERMISSION_DENIED);
    } else if (header->n_values != meeting.setting->n_values || header->bytes != meeting.bytes_in ||
               !is_name(header->codec, "f32")) {
        refuse(stream, STATUS_INVALID_ARGUMENT);
        blame(meeting.neighbours[stream->neighbour].learner);
    } else {
        stream->state = STREAM_IN;
        meeting.came[stream->neighbour] = true;
    }
}

static void sort_out(struct stream *stream)
{
    const cohort_v1_SummaryHeader *header = &stream->request.header;
    bool meant = meeting.peers && !meeting.cancelled && !meeting.has_ended &&
                 is_name(stream->request.peer, "self") && is_name(header->experiment_id, "digits");
    bool later = header->round > MEETING_ROUND ||
                 (header->round == MEETING_ROUND && header->attempt > meeting.attempt);
    if (meant && !later && (header->round < MEETING_ROUND || header->attempt < meeting.attempt))
        refuse(stream, STATUS_FAILED_PRECONDITION);
    else if (meant && !later)
        admit(stream);
    else if (stream->state == STREAM_WAITING || n_waiting() < WAITING_MAX)
        stream->state = STREAM_WAITING;
    else
        refuse(stream, STATUS_RESOURCE_EXHAUSTED);
}

static void expect_header(struct stream *stream, const uint8_t *data, size_t n)
{
    struct rpc_message message = fuzz_message(data, n, meeting.cut);
    cohort_v1_ExchangeSummaryRequest *request = &stream->request;
    *request = (cohort_v1_ExchangeSummaryRequest)cohort_v1_ExchangeSummaryRequest_init_zero;
    enum status status = rpc_message_decode(&message, cohort_v1_ExchangeSummaryRequest_fields, request, NULL);
    fuzz_message_release(&message);
    if (status != STATUS_OK || !request->has_header)
        refuse(stream, STATUS_INVALID_ARGUMENT);
    else if (stream->call->certificate && !is_name(stream->call->certificate, request->header.learner))
        refuse(stream, STATUS_PERMISSION_DENIED);
    else
        sort_out(stream);
}

// ---- what a chunk deserves ------------------------------------------------------------------------------

static bool take(void *user, uint64_t offset, const uint8_t *run, size_t bytes)
{
    bytes_append(user, run, bytes);
    return true;
}

static void expect_chunk(struct stream *stream, const uint8_t *data, size_t n)
{
    struct rpc_message message = fuzz_message(data, n, meeting.cut);
    struct rpc_chunk chunk = {0};
    struct bytes bytes = BYTES_INIT;
    enum status status = rpc_message_decode_chunk(&message, NULL, NULL, &chunk, take, &bytes, NULL);
    fuzz_message_release(&message);
    size_t n_values = bytes.n / sizeof(float);
    float *values = memory_array(n_values + 1, sizeof *values);
    fuzz_require(values != NULL && !bytes.failed);
    if (bytes.n)
        memcpy(values, bytes.data, n_values * sizeof *values);
    bool fits = status == STATUS_OK && chunk.present && bytes.n % sizeof(float) == 0 &&
                (chunk.offset == stream->received || n_values == 0) &&
                sums_fit(&meeting.sums, stream->position, values, n_values);
    if (meeting.running && fits) {
        sums_take(&meeting.sums, stream->neighbour, stream->position++, values);
        stream->received += bytes.n;
    } else {
        blame(meeting.neighbours[stream->neighbour].learner);
    }
    memory_free(values);
    bytes_release(&bytes);
}

// ---- what holds after every step ------------------------------------------------------------------------

static void check_stream(const struct stream *stream)
{
    const struct rpc_call *call = stream->call;
    switch (stream->state) {
    case STREAM_NEW:
        fuzz_require(call->wants && !call->ended);
        break;
    case STREAM_WAITING: // nothing more of it is taken into memory
        fuzz_require(!call->wants && !call->ended);
        break;
    case STREAM_IN:
        fuzz_require(!call->ended);
        break;
    case STREAM_REFUSED:
        fuzz_require(!call->wants && call->ended && call->status == stream->refused);
        break;
    case STREAM_DONE:
        fuzz_require(call->ended && call->status == STATUS_OK);
        break;
    case STREAM_GONE:
        break;
    }
}

static void end_exchange(void)
{
    bool whole = meeting.running && sums_complete(&meeting.sums);
    fuzz_require(meeting.ok ? whole : meeting.cancelled);
    bool finite = true;
    for (size_t i = 0; i < meeting.setting->n_values; i++)
        finite &= isfinite(meeting.result[i]) != 0;
    fuzz_require(finite || !meeting.ok);
    sums_release(&meeting.sums);
    meeting.peers = peers_free(meeting.peers);
}

void meeting_check(void)
{
    calls_run_jobs();
    fuzz_require(meeting.has_failed == (meeting.suspect != NULL));
    fuzz_require(memcmp(meeting.values, meeting.trained, meeting.setting->n_values * sizeof(float)) == 0);
    if (meeting.peers)
        sums_check(&meeting.sums);
    for (size_t i = 0; i < meeting.n_streams; i++)
        check_stream(&meeting.streams[i]);
    if (meeting.peers && meeting.has_ended)
        end_exchange();
}

// ---- what can be done -----------------------------------------------------------------------------------

void meeting_start(void)
{
    struct error error = ERROR_INIT;
    if (meeting.peers)
        return;
    meeting.attempt++;
    meeting.running = true;
    meeting.cancelled = meeting.has_failed = meeting.has_ended = meeting.ok = false;
    meeting.suspect = NULL;
    memset(meeting.came, 0, sizeof meeting.came);
    const struct peers_options options = options_of(meeting.setting);
    fuzz_require(peers_new(&meeting.peers, &options, &error) == STATUS_OK);
    sums_init(&meeting.sums, meeting.peers);
    for (size_t i = meeting.n_streams; i-- > 0;) // the newest first
        if (meeting.streams[i].state == STREAM_WAITING)
            sort_out(&meeting.streams[i]);
    peers_start(meeting.peers);
}

void meeting_cancel(void)
{
    if (!meeting.peers)
        return;
    meeting.cancelled = true;
    meeting.running = false;
    peers_cancel(meeting.peers);
}

void meeting_tell_time(void)
{
    if (!meeting.peers)
        return;
    blame("");
    peers_check(meeting.peers, clock_monotonic_ms() + LATE_MS, LATE_MS / 2);
}

void meeting_clear_door(void)
{
    for (size_t i = 0; i < meeting.n_streams; i++)
        if (meeting.streams[i].state == STREAM_WAITING)
            refuse(&meeting.streams[i], STATUS_UNAVAILABLE);
    peers_door_check(meeting.door, clock_monotonic_ms() + LATE_MS, LATE_MS / 2);
}

struct stream *meeting_arrive(const char *certificate)
{
    if (meeting.n_streams == MEETING_STREAMS_MAX)
        return NULL;
    struct stream *stream = &meeting.streams[meeting.n_streams++];
    *stream = (struct stream){.call = calls_arrive(certificate)};
    peers_door_open_call(meeting.door, stream->call);
    return stream;
}

void stream_say(struct stream *stream, const uint8_t *data, size_t n)
{
    if (stream->state == STREAM_GONE || !stream->call->wants)
        return; // it waits in the transport
    bool is_chunk = stream->state == STREAM_IN, was_running = meeting.running;
    if (!is_chunk)
        expect_header(stream, data, n);
    else if (meeting.running)
        expect_chunk(stream, data, n);
    calls_deliver(stream->call, data, n, meeting.cut);
    if (is_chunk && was_running && !meeting.running)
        sums_spoil(&meeting.sums, stream->position);
}

static bool is_whole(const struct stream *stream)
{
    return stream->position == meeting.peers->n_positions;
}

void stream_half_close(struct stream *stream)
{
    if (stream->state == STREAM_GONE || !stream->call->wants)
        return;
    if (stream->state == STREAM_NEW)
        refuse(stream, STATUS_INVALID_ARGUMENT);
    else if (is_whole(stream))
        stream->state = STREAM_DONE;
    else
        blame(meeting.neighbours[stream->neighbour].learner);
    calls_half_close(stream->call);
}

void stream_go(struct stream *stream)
{
    if (stream->state == STREAM_GONE)
        return;
    if (stream->state == STREAM_IN && !is_whole(stream))
        blame(meeting.neighbours[stream->neighbour].learner);
    bool answered = stream->state == STREAM_DONE || stream->state == STREAM_REFUSED;
    stream->state = STREAM_GONE;
    calls_close(stream->call, answered ? STATUS_OK : STATUS_CANCELLED, "");
}

void push_hand_over(size_t out)
{
    if (meeting.peers && out < meeting.peers->n_out && !meeting.peers->pushes[out].over)
        calls_hand_over(meeting.peers->pushes[out].call);
}

void push_close(size_t out, enum status status)
{
    if (!meeting.peers || out >= meeting.peers->n_out || meeting.peers->pushes[out].over)
        return;
    const struct peers_push *push = &meeting.peers->pushes[out];
    if (status != STATUS_OK || push->position < meeting.peers->n_positions)
        blame(meeting.neighbours[push->neighbour].learner);
    calls_close(push->call, status, status == STATUS_OK ? "" : "refused");
}

// ---- life -----------------------------------------------------------------------------------------------

static float *new_values(size_t n, float value)
{
    float *values = memory_floats(n);
    fuzz_require(values != NULL);
    for (size_t i = 0; i < n; i++)
        values[i] = value;
    return values;
}

static uint64_t bytes_in(void)
{
    struct peers *peers = NULL;
    struct sums sums = SUMS_INIT;
    const struct peers_options options = options_of(meeting.setting);
    uint64_t n_values = 0;
    fuzz_require(peers_new(&peers, &options, NULL) == STATUS_OK);
    sums_init(&sums, peers);
    for (size_t i = 0; i < peers->n_positions; i++)
        n_values += sums_due(&sums, i);
    sums_release(&sums);
    peers_free(peers);
    return n_values * sizeof(float);
}

void meeting_open(const struct setting *setting, size_t cut)
{
    meeting.setting = setting;
    meeting.cut = cut;
    meeting.n_streams = 0;
    meeting.attempt = 0;
    meeting.has_failed = false;
    meeting.suspect = NULL;
    meeting.values = new_values(setting->n_values, 0);
    meeting.trained = new_values(setting->n_values, 0);
    for (size_t i = 0; i < setting->n_values; i++)
        meeting.values[i] = meeting.trained[i] = meeting_value(i);
    meeting.result = new_values(setting->n_values, 7);
    meeting.spare = new_values(setting->n_values, 8);
    fuzz_require(peers_door_new(&meeting.door, false, NULL) == STATUS_OK);
    make_neighbours(setting);
    meeting.bytes_in = bytes_in();
    calls_sent = sent;
}

void meeting_close(void)
{
    fuzz_require(!meeting.peers);
    peers_door_free(meeting.door);
    memory_free(meeting.values);
    memory_free(meeting.trained);
    memory_free(meeting.result);
    memory_free(meeting.spare);
}
