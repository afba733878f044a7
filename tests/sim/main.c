// simulate-rounds [FIRST [N]]: runs N seeds from FIRST on; one seed alone is told step by step.
#include "world.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : 8000;
    uint64_t rounds = 0, steps = 0, completed = 0;
    for (uint64_t seed = first; seed < first + n; seed++) {
        struct world_result result = world_run(seed, n == 1);
        rounds += result.rounds;
        steps += result.steps;
        completed += result.completed;
        if (result.fault) {
            printf("seed %" PRIu64 ", at %" PRId64 " ms: does not hold: %s\n", seed, result.fault_ms,
                   result.fault);
            return 1;
        }
    }
    printf("%" PRIu64 " experiments, %" PRIu64 " of them completed, %" PRIu64 " rounds, %" PRIu64 " events\n",
           n, completed, rounds, steps);
    return n > 1 && completed < n / 4; // a simulation in which little succeeds shows little
}
