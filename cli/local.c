#include "cli/local.h"
#include "base/memory.h"
#include "base/pool.h"
#include "topology/topology.h"
#include <stdio.h>
#include <string.h>

enum { START_TIMEOUT_MS = 10000 };

struct local_address {
    char text[256];
};

static const char *cross_memory(const struct processes *processes)
{
    return processes->wire ? "cross_memory=false" : "cross_memory=true";
}

enum status local_start_coordinator(struct processes *processes, char *ret_address, size_t bytes,
                                    struct error *error)
{
    const char *const arguments[] = {
        "cohort-coordinator", "--set", "listen=[\"127.0.0.1:0\"]", "--set", "read_data=true",        "--set",
        "drain=0s",           "--set", "window_probe=false",       "--set", cross_memory(processes), NULL};
    return processes_start(processes, "coordinator", arguments, ret_address, bytes, START_TIMEOUT_MS, error);
}

static enum status start_relays(struct processes *processes, const char *address, uint32_t n,
                                struct local_address *ret_addresses, struct error *error)
{
    char name[32];
    const char *const arguments[] = {"cohort-coordinator",       "--relay-of", address,    "--set",
                                     "listen=[\"127.0.0.1:0\"]", "--set",      "drain=0s", "--set",
                                     "window_probe=false",       NULL};
    for (uint32_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "relay-%u", i);
        TRY(processes_start(processes, name, arguments, ret_addresses[i].text, sizeof ret_addresses[i].text,
                            START_TIMEOUT_MS, error));
    }
    return STATUS_OK;
}

static enum status start_learners(struct processes *processes, const struct local_address *addresses,
                                  uint32_t n_addresses, const char *learner_name, uint32_t n_learners,
                                  uint32_t n_processes, bool listen, struct error *error)
{
    char coordinator[300], called[80], from[48], learners[48], name[64];
    snprintf(called, sizeof called, "name=%s", learner_name);
    for (uint32_t i = 0; i < n_processes; i++) {
        uint32_t first = (uint32_t)((uint64_t)i * n_learners / n_processes);
        uint32_t end = (uint32_t)((uint64_t)(i + 1) * n_learners / n_processes);
        const char *address = addresses[(uint64_t)i * n_addresses / n_processes].text;
        bool loopback = strncmp(address, "127.", 4) == 0;
        snprintf(coordinator, sizeof coordinator, "coordinator=%s", address);
        snprintf(from, sizeof from, "number_from=%u", first);
        snprintf(learners, sizeof learners, "learners=%u", end - first);
        if (end - first == 1)
            snprintf(name, sizeof name, "learner-%u", first);
        else
            snprintf(name, sizeof name, "learners-%u-to-%u", first, end - 1);
        const char *const arguments[] = {"cohort-learner",
                                         "--set",
                                         called,
                                         "--set",
                                         from,
                                         "--set",
                                         learners,
                                         "--set",
                                         coordinator,
                                         "--set",
                                         "use_experiment_data=true",
                                         "--set",
                                         loopback ? "window_probe=false" : "window_probe=true",
                                         "--set",
                                         cross_memory(processes),
                                         listen ? "--set" : NULL,
                                         "listen=127.0.0.1:0",
                                         NULL};
        TRY(processes_start(processes, name, arguments, NULL, 0, 0, error));
    }
    return STATUS_OK;
}

static uint32_t n_relays(const struct choice *topology)
{
    const struct topology_kind *kind = (const struct topology_kind *)(const void *)topology->kind;
    return kind->n_relays ? kind->n_relays(topology->options) : 0;
}

enum status local_start_topology(struct processes *processes, const char *address,
                                 const struct choice *topology, const char *learner_name, uint32_t n_learners,
                                 uint32_t n_processes, struct error *error)
{
    uint32_t n = n_relays(topology);
    cleanup_free struct local_address *addresses = memory_array(n ? n : 1, sizeof *addresses);
    if (!addresses)
        return error_no_memory(error, n * sizeof *addresses);
    snprintf(addresses[0].text, sizeof addresses[0].text, "%s", address);
    if (n)
        TRY(start_relays(processes, address, n, addresses, error));
    const struct topology_kind *kind = (const struct topology_kind *)(const void *)topology->kind;
    return start_learners(processes, addresses, n ? n : 1, learner_name, n_learners, n_processes,
                          kind->peers != PEERS_NONE, error);
}

enum status local_check_processes(const struct choice *topology, uint32_t n_processes, struct error *error)
{
    uint32_t n = n_relays(topology);
    if (n_processes >= n)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "--processes %u is fewer than the topology's %u relays; give at least one a relay",
                     n_processes, n);
}

uint32_t local_n_processes(const struct choice *topology, uint32_t n_learners)
{
    uint32_t most = (uint32_t)pool_n_cores() * 8, relays = n_relays(topology);
    if (most < relays)
        most = relays;
    return n_learners < most ? n_learners : most;
}
