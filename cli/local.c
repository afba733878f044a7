#include "cli/local.h"
#include "base/pool.h"
#include <stdio.h>
#include <string.h>

enum { START_TIMEOUT_MS = 10000 };

enum status local_start_coordinator(struct processes *processes, char *ret_address, size_t bytes,
                                    struct error *error)
{
    const char *const arguments[] = {
        "cohort-coordinator", "--set", "listen=[\"127.0.0.1:0\"]", "--set", "read_data=true", "--set",
        "drain=0s",           "--set", "window_probe=false",       NULL};
    return processes_start(processes, "coordinator", arguments, ret_address, bytes, START_TIMEOUT_MS, error);
}

enum status local_start_learners(struct processes *processes, const char *address, const char *learner_name,
                                 uint32_t n_learners, uint32_t n_processes, struct error *error)
{
    char coordinator[300], called[80], from[48], learners[48], name[64];
    snprintf(called, sizeof called, "name=%s", learner_name);
    snprintf(coordinator, sizeof coordinator, "coordinator=%s", address);
    bool loopback = strncmp(address, "127.", 4) == 0;
    for (uint32_t i = 0; i < n_processes; i++) {
        uint32_t first = (uint32_t)((uint64_t)i * n_learners / n_processes);
        uint32_t end = (uint32_t)((uint64_t)(i + 1) * n_learners / n_processes);
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
                                         NULL};
        TRY(processes_start(processes, name, arguments, NULL, 0, 0, error));
    }
    return STATUS_OK;
}

uint32_t local_n_processes(uint32_t n_learners)
{
    size_t most = pool_n_cores() * 8;
    return n_learners < most ? n_learners : (uint32_t)most;
}
