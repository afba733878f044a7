// Models from learners that exchange with each other, of which the coordinator has none.
#pragma once

#include "base/sha256.h"
#include "rpc/rpc.h"
#include "topology/topology.h"

// After round `round`. In a ring, anyone's (they are the same) into FOLDER/model.safetensors. In a mix, each
// one's into FOLDER/models/LEARNER.safetensors, and the first learner's also into FOLDER/model.safetensors.
// `ret_note` [256]: what to tell of them; empty for a ring. NOT_FOUND when no learner has one any more.
enum status peer_models_fetch(struct rpc_runtime *runtime, struct rpc_channel *coordinator,
                              enum peer_pattern pattern, const char *experiment_id, uint32_t round,
                              const char *folder, char ret_sha256[SHA256_HEX_BYTES], char ret_note[256],
                              struct error *error);
