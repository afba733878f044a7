// What one peer may have of a server: calls under way, answers that it has not read, calls a second.
#pragma once

#include "rpc/rpc_impl.h"

struct quota;

// With the bounds of `options`. NULL, and OK, when there are none.
enum status quota_new(struct quota **ret, const struct rpc_server_options *options, struct error *error);
struct quota *quota_free(struct quota *quota);

// Where what a host has under way is counted: one place for calls of one address, or of a few that share it.
struct share *quota_share(struct quota *quota, grpc_call *grpc); // NULL: nothing is bounded

// Whether a call that has just come, and is counted in `share`, is too much: RESOURCE_EXHAUSTED then says of
// what. Health checks never are. `who` has a role where callers have identities.
enum status quota_admit(struct quota *quota, struct share *share, grpc_call *grpc, const struct identity *who,
                        const char *path, struct error *error);

// How often it said no.
unsigned long quota_n_refused(const struct quota *quota, enum rpc_quota which);

// The peer that quotas count: its identity where it has one, else its host. `address` as gRPC says it.
void quota_peer(const struct identity *who, const char *address, struct rpc_peer *ret);
