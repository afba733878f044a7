// A relay: a learner upstream and a coordinator downstream, so that many learners share one connection and
// one copy of the model, and their summaries go upstream as one exact sum.
//
// Control is passed on: for each learner's Attend stream there is one upstream, in the learner's own name.
// So the coordinator selects, numbers and awaits learners as if each stood there itself, and the model comes
// out the same, byte for byte. Data is brought together: the model is fetched once, and summaries of an
// experiment whose reducer is a plain mean are folded here into the fixed-point ring. What cannot be added up
// (another reducer, a summary that the ring refuses, a learner whose assignment is not known here) is passed
// on as it is, and the coordinator judges it. A learner is answered when the coordinator has accepted: a
// relay holds nothing that its end would lose.
#pragma once

#include "coordinator/options.h"
#include "rpc/rpc.h"

struct relay;

// Serves the relay of `options->relay_of`.
enum status relay_new(struct relay **ret, const struct coordinator_options *options,
                      struct rpc_runtime *runtime, struct error *error);
struct rpc_service relay_service(struct relay *relay);
// True while summaries are being brought together that nobody upstream has yet.
bool relay_busy(struct relay *relay);
// Ends what is under way upstream and frees. The server must have been freed. Not from a queue thread.
struct relay *relay_free(struct relay *relay);
