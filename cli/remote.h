// A coordinator that a command talks to: which, and until when to wait for it.
#pragma once

#include "base/arguments.h"
#include "rpc/rpc.h"

struct remote {
    const char *address; // --coordinator, else COHORT_COORDINATOR, else 127.0.0.1:7070
    int64_t wait_s;      // --wait: how long it may take until the coordinator serves
    struct rpc_runtime *runtime;
    struct rpc_channel *channel;
};

// The rows of the options that every such command has.
#define REMOTE_ARGUMENTS(remote)                                                                             \
    {"--coordinator", ARGUMENT_TEXT, &(remote)->address, "ADDRESS",                                          \
     "the coordinator's address (default $COHORT_COORDINATOR, or 127.0.0.1:7070)"},                          \
    {                                                                                                        \
        "--wait", ARGUMENT_COUNT, &(remote)->wait_s, "SECONDS",                                              \
            "how long to wait for a coordinator that does not serve yet (default 0)"                         \
    }

// Starts gRPC and connects; with wait_s, once the coordinator serves. UNAVAILABLE names the address.
enum status remote_open(struct remote *remote, struct error *error);
// Waits until it serves, at most wait_s.
enum status remote_await(const struct remote *remote, struct error *error);
void remote_close(struct remote *remote); // what was opened; also half

// `wanted`, or when it is NULL the id of the experiment that was created last. NOT_FOUND without any.
enum status remote_experiment(const struct remote *remote, const char *wanted, char ret_id[64],
                              struct error *error);
