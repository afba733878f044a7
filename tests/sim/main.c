// simulate-rounds [in-step|continuous [FIRST [N]]]: runs N seeds from FIRST on; one seed alone is told step
// by step.
#include "world.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run_seeds(const struct world_schedule *schedule, const char *what, uint64_t first, uint64_t n)
{
    struct world_result sum = {0};
    uint64_t rounds = 0, completed = 0;
    for (uint64_t seed = first; seed < first + n; seed++) {
        struct world_result result = world_run(schedule, seed, n == 1);
        rounds += result.rounds;
        completed += result.completed;
        sum.steps += result.steps;
        sum.n_stale += result.n_stale;
        if (result.fault) {
            printf("%s seed %" PRIu64 ", at %" PRId64 " ms: does not hold: %s\n", what, seed, result.fault_ms,
                   result.fault);
            return 1;
        }
    }
    printf("%s: %" PRIu64 " experiments, %" PRIu64 " of them completed, %" PRIu64 " rounds, %" PRIu64
           " stale summaries, %" PRIu64 " events\n",
           what, n, completed, rounds, sum.n_stale, sum.steps);
    return n > 1 && completed < n / 4; // a simulation in which little succeeds shows little
}

int main(int argc, char **argv)
{
    bool in_flow = argc > 1 && strcmp(argv[1], "continuous") == 0;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t n = argc > 3 ? strtoull(argv[3], NULL, 10) : argc > 2 ? 1 : 8000;
    return in_flow ? run_seeds(&continuous, "continuous", first, n)
                   : run_seeds(&in_step, "in step", first, n);
}
