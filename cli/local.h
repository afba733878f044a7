// A coordinator and learners as real processes on this machine, for `cohort run` and `cohort bench`.
#pragma once

#include "cli/processes.h"
#include "config/fields.h"
#include <stdint.h>

// Starts a coordinator on a free port of the loopback; its address goes into `ret_address`.
enum status local_start_coordinator(struct processes *processes, char *ret_address, size_t bytes,
                                    struct error *error);

// Starts whatever stands between the coordinator at `address` and the learners of this topology, and then the
// learners.
enum status local_start_topology(struct processes *processes, const char *address,
                                 const struct choice *topology, const char *learner_name, uint32_t n_learners,
                                 uint32_t n_processes, struct error *error);
// Refuses fewer processes of learners than the topology has relays.
enum status local_check_processes(const struct choice *topology, uint32_t n_processes, struct error *error);

// How many processes to use when nobody says: one a learner, up to the number of cores times 8, and at least
// one a relay.
uint32_t local_n_processes(const struct choice *topology, uint32_t n_learners);
