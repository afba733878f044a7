// What `cohort verify` looks at in runs' folders (verify.c) and coordinators' state folders (verify_state.c).
#pragma once

#include "base/error.h"
#include "store/chain.h"

// Whether the file in the folder is that of `round`, by its hash; DATA_LOSS when not.
enum status verify_file(const char *folder, const char *name, const uint8_t expected[SHA256_BYTES],
                        uint32_t round, struct error *error);
// All experiments of a coordinator's state folder, a line each on standard output.
enum status verify_state(const char *folder, struct error *error);
