// Starting and stopping an experiment on a coordinator.
#pragma once

#include "rpc/rpc.h"

enum { CALL_TIMEOUT_MS = 30000 };

// Creates an experiment from resolved YAML; `ret_id` holds its id.
enum status steer_create(struct rpc_channel *channel, const char *yaml, char ret_id[64], struct error *error);
// Cancels it; that it is over already is no matter.
void steer_cancel(struct rpc_channel *channel, const char *id, const char *message);
