// How commands show who they are: --tls-ca, --tls-cert, --tls-key, --tls-name and --token before or after a
// command's own options, else COHORT_TLS_CA, COHORT_TLS_CERTIFICATE, COHORT_TLS_KEY, COHORT_TLS_NAME and
// COHORT_TOKEN. Programs that a command starts do not inherit them.
#pragma once

#include "base/arguments.h"
#include "rpc/rpc.h"

extern const struct argument access_arguments[]; // those options, for --help

// Takes these options out of argv, and the variables out of the environment. Once, at the start.
enum status access_take(int *argc, char **argv, struct error *error);
// Makes the runtime's channels show them.
enum status access_apply(struct rpc_runtime *runtime, struct error *error);
