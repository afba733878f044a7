// One learner's exchange as its neighbours meet it, and what each of their doings deserves: every stream is
// let in, waits, or is refused with a status; the exchange fails just when a neighbour breaks its part of it,
// and that neighbour is the suspect; values are as sums.h has them. All of it is checked in meeting_check.
#pragma once

#include "calls.h"
#include "sums.h"

enum { MEETING_NEIGHBOURS_MAX = 3, MEETING_STREAMS_MAX = 400, MEETING_ROUND = 3 };

struct setting {
    enum peer_pattern pattern;
    uint32_t n_learners, place; // of a mix: all are neighbours
    unsigned int steps;
    size_t n_values;
    double share;
};

enum stream_state { STREAM_NEW, STREAM_WAITING, STREAM_IN, STREAM_REFUSED, STREAM_DONE, STREAM_GONE };

// What came in.
struct stream {
    struct rpc_call *call;
    enum stream_state state;
    cohort_v1_ExchangeSummaryRequest request; // the first message
    enum status refused;
    size_t neighbour, position;
    uint64_t received;
};

extern struct meeting {
    const struct setting *setting;
    size_t cut; // of messages into slices
    struct peers_door *door;
    struct peers_neighbour neighbours[MEETING_NEIGHBOURS_MAX]; // the first ones send to this learner
    float *values, *trained, *result, *spare;                  // values are as they were trained, always
    uint64_t bytes_in;                                         // of an honest stream

    uint32_t attempt; // the present exchange's, or the last one's
    struct peers *peers;
    struct sums sums;
    bool running, cancelled, came[MEETING_NEIGHBOURS_MAX];
    const char *suspect; // of a failure that is due; "": any neighbour
    bool has_failed, has_ended, ok;

    struct stream streams[MEETING_STREAMS_MAX];
    size_t n_streams;
} meeting;

void meeting_open(const struct setting *setting, size_t cut);
void meeting_close(void);      // all streams are gone, and no exchange is under way
float meeting_value(size_t i); // an ordinary one
void meeting_check(void);

// Any of them may be asked for at any time: what cannot happen, does not.
void meeting_start(void); // an exchange, unless there is one
void meeting_cancel(void);
void meeting_tell_time(void); // nothing has moved for long
void meeting_clear_door(void);
struct stream *meeting_arrive(const char *certificate); // NULL: no more come
void stream_say(struct stream *stream, const uint8_t *data, size_t n);
void stream_half_close(struct stream *stream);
void stream_go(struct stream *stream);
void push_hand_over(size_t out);
void push_close(size_t out, enum status status);
