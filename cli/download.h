// A committed model from a coordinator into a safetensors file, checked against the hash that the coordinator
// announced.
#pragma once

#include "base/sha256.h"
#include "rpc/rpc.h"
#include <pb.h>

// `round` UINT32_MAX: the last committed. Written aside and renamed. `ret_sha256` is the file's, in hex.
enum status download_model(struct rpc_channel *channel, const char *experiment_id, uint32_t round,
                           const char *path, char ret_sha256[SHA256_HEX_BYTES], struct error *error);

// The same of any method that answers with a header (field 1) and chunks (2 and 15); without a hash in the
// header, nothing is compared.
enum status download_stream(struct rpc_channel *channel, const char *method, const pb_msgdesc_t *fields,
                            const void *request, const char *path, char ret_sha256[SHA256_HEX_BYTES],
                            struct error *error);
