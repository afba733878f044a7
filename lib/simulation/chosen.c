#include "simulation/chosen.h"
#include <inttypes.h>

bool chosen_has(const struct chosen *chosen, uint32_t learner, uint32_t n_learners)
{
    if (chosen->numbers.n == 0)
        return learner < n_learners && n_learners - learner <= (uint64_t)chosen->learners;
    for (size_t i = 0; i < chosen->numbers.n; i++)
        if (chosen->numbers.values[i] == learner)
            return learner < n_learners;
    return false;
}

uint32_t chosen_count(const struct chosen *chosen, uint32_t n_learners)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_learners; i++)
        n += chosen_has(chosen, i, n_learners);
    return n;
}

enum status chosen_check(const struct chosen *chosen, const char *what, uint32_t n_learners,
                         struct error *error)
{
    for (size_t i = 0; i < chosen->numbers.n; i++) {
        if (chosen->numbers.values[i] >= n_learners)
            return error_set(error, STATUS_INVALID_ARGUMENT,
                             "%s names learner '%" PRId64 "', but the experiment's %u are numbered from 0 to "
                             "%u",
                             what, chosen->numbers.values[i], n_learners, n_learners - 1);
        for (size_t k = 0; k < i; k++)
            if (chosen->numbers.values[k] == chosen->numbers.values[i])
                return error_set(error, STATUS_INVALID_ARGUMENT,
                                 "%s names learner '%" PRId64 "' twice; name each once", what,
                                 chosen->numbers.values[i]);
    }
    if (chosen->numbers.n == 0 && chosen->learners > n_learners)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "%s takes '%" PRId64 "' learners, but the experiment has %u; take fewer", what,
                         chosen->learners, n_learners);
    return STATUS_OK;
}
