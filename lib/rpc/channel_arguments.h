// gRPC's settings that both ends of a connection share (times in ms).
#pragma once

#include "rpc/rpc.h"
#include <grpc/grpc.h>
#include <limits.h>

enum {
    // A frozen or vanished peer is found within KEEPALIVE_TIME_MS + KEEPALIVE_TIMEOUT_MS.
    KEEPALIVE_TIME_MS = 10000,
    KEEPALIVE_TIMEOUT_MS = 10000,
    PING_INTERVAL_MIN_MS = 1000,
    BACKOFF_FIRST_MS = 50, // gRPC takes 100 at least
    BACKOFF_MAX_MS = 2000,
    RENEW_MS = 500, // channel.c
    RENEW_SELDOM_MS = 10000,
    CONNECT_TIMEOUT_MS = 5000,
    METADATA_BYTES_MAX = 16 << 10, // of a call: names, a token; more is RESOURCE_EXHAUSTED
    HANDSHAKE_TIMEOUT_MS = 10000, // whoever has connected and does not say hello is cut off; gRPC waits 120 s
};

#define INTEGER_ARGUMENT(name, number)                                                                       \
    {                                                                                                        \
        .type = GRPC_ARG_INTEGER, .key = (char[]){name}, .value.integer = (number)                           \
    }

// A frame is sent whole before what waits behind it: large ones cost the reader less, but only where they
// pass in a moment. The resource quota stays as gRPC has it (docs/benchmarks.md).
enum { FRAME_BYTES = 16384, FRAME_BYTES_FAST = 1 << 20 };

#define CHANNEL_ARGUMENTS_SHARED(runtime)                                                                    \
    INTEGER_ARGUMENT(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, RPC_MESSAGE_BYTES_MAX),                            \
        INTEGER_ARGUMENT(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, RPC_MESSAGE_BYTES_MAX),                           \
        INTEGER_ARGUMENT(GRPC_ARG_HTTP2_BDP_PROBE, runtime_window_probe(runtime)),                           \
        INTEGER_ARGUMENT(GRPC_ARG_HTTP2_MAX_FRAME_SIZE,                                                      \
                         runtime_window_probe(runtime) ? FRAME_BYTES : FRAME_BYTES_FAST),                    \
        INTEGER_ARGUMENT(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0),                                        \
        INTEGER_ARGUMENT(GRPC_ARG_ENABLE_CHANNELZ, 0),                                                       \
        INTEGER_ARGUMENT(GRPC_ARG_MAX_CHANNEL_TRACE_EVENT_MEMORY_PER_NODE, 0),                               \
        INTEGER_ARGUMENT(GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_TIME_MS),                                     \
        INTEGER_ARGUMENT(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_TIMEOUT_MS),                               \
        INTEGER_ARGUMENT(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),                                        \
        INTEGER_ARGUMENT(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),                                          \
        INTEGER_ARGUMENT(GRPC_ARG_HTTP2_MIN_SENT_PING_INTERVAL_WITHOUT_DATA_MS, PING_INTERVAL_MIN_MS)
