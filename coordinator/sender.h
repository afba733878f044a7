// A model on its way out over a server stream: a header, then chunks that point into the shared version, or
// its shared coded form (or are read from a file).
#pragma once

#include "coordinator/downlink.h"
#include "coordinator/version.h"
#include "rpc/rpc.h"

struct sender;

// A version and a file are taken over, also on failure. From a version: its float32 values, or with `as_file`
// the safetensors file that it makes. `offset` is the first byte wanted. OUT_OF_RANGE when it is past the
// end.
enum status sender_of_version(struct sender **ret, struct version *version_take, bool as_file,
                              uint64_t offset, struct error *error);
// A coded model; takes references of its own to the parts.
enum status sender_of_parts(struct sender **ret, const struct coded_parts *parts, uint64_t offset,
                            struct error *error);
enum status sender_of_file(struct sender **ret, int fd_take, uint64_t offset, struct error *error);
struct sender *sender_free(struct sender *sender);
// Tells where the bytes lie instead, as the message FetchModelResponse; a file's are sent. The receiver reads
// them until it ends its side, and only then does the owner finish the call.
void sender_in_place(struct sender *sender);
bool sender_is_told(const struct sender *sender); // in place, and all has been told

uint64_t sender_total(const struct sender *sender); // bytes from offset 0 to the end
uint64_t sender_sent(const struct sender *sender);  // bytes handed over so far

// Queues the next chunk, or ends the call with OK when there is none left. Called once after the header was
// sent, then whenever the call is writable.
void sender_pump(struct sender *sender, struct rpc_call *call);
