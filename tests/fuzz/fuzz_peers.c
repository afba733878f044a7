// What other learners, hostile ones among them, send to one that exchanges with them in a ring or a mix:
// headers at its door, then chunks. Bytes: which exchange, how messages are cut into slices, then what
// happens, a step each: see steps[]. No connection is made (calls.h). Whatever happened meanwhile, an honest
// exchange succeeds afterwards at the same door; what else must hold, meeting.h and sums.h say.
#include "base/bytes.h"
#include "base/memory.h"
#include "fuzz.h"
#include "meeting.h"
#include <math.h>
#include <pb_encode.h>
#include <stdio.h>
#include <string.h>

// The last ones, which take long, are chosen by few bytes alone.
enum { LARGE = 2, LARGE_FROM = 254 };

static const struct setting settings[] = {
    {PEERS_RING, 2, 0, 0, 7, 0.5},
    {PEERS_RING, 3, 1, 0, 40, 0.2},
    {PEERS_RING, 4, 3, 0, 3, 0.25}, // one segment is empty
    {PEERS_MIX, 2, 0, 1, 40, 0.5},
    {PEERS_MIX, 3, 1, 7, 33, 1.0 / 3}, // more chunks than are summed up at a time
    {PEERS_MIX, 2, 0, 5, 20, 0.9},
    {PEERS_MIX, 4, 0, 2, 24, 0.25},
    {PEERS_RING, 2, 1, 0, 34000, 0.25}, // two chunks a segment
    {PEERS_MIX, 3, 0, 3, 17000, 0.5},   // two chunks a step
};

static const struct setting *choose(uint8_t number)
{
    size_t n = ARRAY_SIZE(settings);
    return &settings[number < LARGE_FROM ? number % (n - LARGE) : n - LARGE + number % LARGE];
}

// ---- headers --------------------------------------------------------------------------------------------

enum header_lie {
    LIE_NONE,
    LIE_ROUND,
    LIE_ATTEMPT,
    LIE_INCARNATION,
    LIE_N_VALUES,
    LIE_BYTES,
    LIE_CODEC,
    LIE_LEARNER,
    LIE_PEER,
    LIE_EXPERIMENT,
    LIE_CERTIFICATE,
    LIE_NO_HEADER,
    HEADER_LIES
};

static void lie(cohort_v1_ExchangeSummaryRequest *request, enum header_lie what, int8_t by)
{
    cohort_v1_SummaryHeader *header = &request->header;
    header->round += what == LIE_ROUND ? (uint32_t)by : 0;
    header->attempt += what == LIE_ATTEMPT ? (uint32_t)by : 0;
    header->incarnation += what == LIE_INCARNATION ? (uint64_t)by : 0;
    header->n_values += what == LIE_N_VALUES ? (uint64_t)by : 0;
    header->bytes += what == LIE_BYTES ? (uint64_t)by : 0;
    request->has_header = what != LIE_NO_HEADER;
    char *words[HEADER_LIES] = {[LIE_CODEC] = header->codec,
                                [LIE_LEARNER] = header->learner,
                                [LIE_PEER] = request->peer,
                                [LIE_EXPERIMENT] = header->experiment_id};
    if (words[what])
        words[what][0] ^= by;
}

static struct stream *call(size_t neighbour, enum header_lie what, int8_t by)
{
    const char *name = meeting.neighbours[neighbour].learner;
    cohort_v1_ExchangeSummaryRequest request = {
        .has_header = true,
        .header = {.codec = "f32",
                   .experiment_id = "digits",
                   .incarnation = meeting.neighbours[neighbour].incarnation,
                   .round = MEETING_ROUND,
                   .attempt = meeting.attempt + !meeting.peers, // the next one's
                   .n_values = meeting.setting->n_values,
                   .bytes = meeting.bytes_in},
        .peer = "self",
    };
    uint8_t bytes[1024];
    pb_ostream_t out = pb_ostream_from_buffer(bytes, sizeof bytes);
    snprintf(request.header.learner, sizeof request.header.learner, "%s", name);
    lie(&request, what, by);
    struct stream *stream = meeting_arrive(what == LIE_CERTIFICATE ? "another" : by & 1 ? name : NULL);
    if (stream && pb_encode(&out, cohort_v1_ExchangeSummaryRequest_fields, &request)) // else it is no text
        stream_say(stream, bytes, out.bytes_written);
    return stream;
}

// ---- chunks ---------------------------------------------------------------------------------------------

enum chunk_lie {
    CHUNK_FINE,
    CHUNK_LATER,
    CHUNK_AGAIN,
    CHUNK_SHORT,
    CHUNK_LONG,
    CHUNK_TORN,
    CHUNK_ODD,
    CHUNK_ALL_ODD,
    CHUNK_LIES
};

static const float odd[] = {NAN,        INFINITY, -INFINITY, 3e38f,  -3.4028234e38f, 32768, -32768,
                            32767.998f, 65535,    98303.66f, 327679, 1e-45f,         -0.0f};

static float next_value(const struct stream *stream, size_t i, enum chunk_lie what, uint8_t by)
{
    bool is_odd = what == CHUNK_ALL_ODD || (what == CHUNK_ODD && i == by / ARRAY_SIZE(odd));
    return is_odd ? odd[by % ARRAY_SIZE(odd)]
                  : meeting_value(i + 7 * stream->position + 13 * stream->neighbour);
}

static bool write_bytes(pb_ostream_t *out, const uint8_t *data, size_t n)
{
    bytes_append(out->state, data, n);
    return true;
}

// What is due next on the stream, or a lie.
static void send_chunk(struct stream *stream, enum chunk_lie what, uint8_t by)
{
    if (stream->state != STREAM_IN || !stream->call->wants)
        return;
    struct bytes message = BYTES_INIT;
    size_t n = sums_due(&meeting.sums, stream->position);
    n = what == CHUNK_SHORT ? n - (n < by ? n : by) : what == CHUNK_LONG ? n + by : n;
    size_t bytes = n * sizeof(float) + (what == CHUNK_TORN ? by % sizeof(float) : 0);
    uint64_t offset = stream->received;
    offset += what == CHUNK_LATER ? by : 0;
    offset -= what == CHUNK_AGAIN ? by * sizeof(float) : 0;
    float *values = memory_array(n + 1, sizeof *values);
    fuzz_require(values != NULL);
    for (size_t i = 0; i < n; i++)
        values[i] = next_value(stream, i, what, by);
    pb_ostream_t out = {.callback = write_bytes, .state = &message, .max_size = SIZE_MAX};
    fuzz_require(pb_encode_tag(&out, PB_WT_VARINT, 2) && pb_encode_varint(&out, offset) &&
                 pb_encode_tag(&out, PB_WT_STRING, 15) &&
                 pb_encode_string(&out, (const pb_byte_t *)values, bytes) && !message.failed);
    stream_say(stream, (const uint8_t *)message.data, message.n);
    bytes_release(&message);
    memory_free(values);
}

// ---- honest neighbours ----------------------------------------------------------------------------------

// Every stream goes on by one chunk at most, both ways.
static void go_on(void)
{
    for (size_t i = 0; i < MEETING_NEIGHBOURS_MAX; i++)
        push_hand_over(i);
    for (size_t i = 0; i < meeting.n_streams; i++)
        if (meeting.peers && meeting.streams[i].state == STREAM_IN &&
            meeting.streams[i].position == meeting.peers->n_positions)
            stream_half_close(&meeting.streams[i]);
        else
            send_chunk(&meeting.streams[i], CHUNK_FINE, 0);
}

static void all_go(void)
{
    meeting_cancel();
    for (size_t i = 0; i < meeting.n_streams; i++)
        stream_go(&meeting.streams[i]);
    for (size_t i = 0; i < MEETING_NEIGHBOURS_MAX; i++)
        push_close(i, STATUS_CANCELLED);
    meeting_check();
    fuzz_require(!meeting.peers);
    meeting.n_streams = 0;
}

static bool all_is_over(void)
{
    bool over = true;
    for (size_t i = 0; i < meeting.n_streams; i++)
        over = over && meeting.streams[i].state == STREAM_DONE;
    for (size_t i = 0; i < meeting.peers->n_out; i++)
        over = over && meeting.peers->pushes[i].ended && !meeting.peers->pushes[i].call->queued;
    return over;
}

static void exchange_honestly(void)
{
    all_go();
    meeting_start();
    for (size_t i = 0; i < meeting.peers->n_in; i++)
        call(i, LIE_NONE, 0);
    for (size_t i = 0; !all_is_over(); i++) {
        fuzz_require(i <= 2 * meeting.peers->n_positions + 2); // or it has come to a halt
        go_on();
        meeting_check();
    }
    for (size_t i = 0; i < meeting.n_streams; i++)
        stream_go(&meeting.streams[i]);
    for (size_t i = 0; i < MEETING_NEIGHBOURS_MAX; i++)
        push_close(i, STATUS_OK);
    meeting_check();
    fuzz_require(!meeting.peers && meeting.ok);
}

// ---- steps ----------------------------------------------------------------------------------------------

struct input {
    const uint8_t *data;
    size_t n;
};

static uint8_t next(struct input *input)
{
    return fuzz_byte(&input->data, &input->n);
}

// 0: the newest.
static struct stream *next_stream(struct input *input)
{
    size_t back = next(input);
    return meeting.n_streams ? &meeting.streams[meeting.n_streams - 1 - back % meeting.n_streams] : NULL;
}

static void step_call(struct input *input)
{
    size_t neighbour = next(input) % MEETING_NEIGHBOURS_MAX;
    enum header_lie what = next(input) % HEADER_LIES;
    call(neighbour, what, (int8_t)next(input));
}

static void step_arrive(struct input *input)
{
    meeting_arrive(NULL);
}

static void step_chunk(struct input *input)
{
    struct stream *stream = next_stream(input);
    enum chunk_lie what = next(input) % CHUNK_LIES;
    uint8_t by = next(input);
    if (stream)
        send_chunk(stream, what, by);
}

static void step_raw(struct input *input)
{
    struct stream *stream = next_stream(input);
    size_t n = next(input);
    n = n < input->n ? n : input->n;
    if (stream)
        stream_say(stream, input->data, n);
    input->data += n;
    input->n -= n;
}

static void step_half_close(struct input *input)
{
    struct stream *stream = next_stream(input);
    if (stream)
        stream_half_close(stream);
}

static void step_go(struct input *input)
{
    struct stream *stream = next_stream(input);
    if (stream)
        stream_go(stream);
}

static void step_hand_over(struct input *input)
{
    push_hand_over(next(input) % MEETING_NEIGHBOURS_MAX);
}

static void step_close_push(struct input *input)
{
    size_t out = next(input) % MEETING_NEIGHBOURS_MAX;
    push_close(out, (enum status)(next(input) % 17));
}

static void step_start(struct input *input)
{
    meeting_start();
}

static void step_cancel(struct input *input)
{
    meeting_cancel();
}

static void step_time(struct input *input)
{
    meeting_tell_time();
}

static void step_door(struct input *input)
{
    meeting_clear_door();
}

static void step_go_on(struct input *input)
{
    go_on();
}

static void (*const steps[])(struct input *input) = {
    step_call,   step_arrive,    step_chunk,      step_raw,  step_half_close, step_go,    step_start,
    step_cancel, step_hand_over, step_close_push, step_time, step_door,       step_go_on,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct input input = {data, n};
    const struct setting *setting = choose(next(&input));
    meeting_open(setting, next(&input));
    while (input.n) {
        steps[next(&input) % ARRAY_SIZE(steps)](&input);
        meeting_check();
    }
    exchange_honestly();
    all_go();
    meeting_close();
    return 0;
}
