// Rounds in step: each selects learners, who all start from the same model, and waits for them.
#include "experiment/round_schedule_impl.h"

static void rules(const void *options, struct round_rules *ret)
{
    *ret = (struct round_rules){.continuous = false};
}

const struct round_schedule_kind round_schedule_synchronous = {
    .kind = {.name = "synchronous",
             .help = "A round waits for its learners, who all start from the same model"},
    .rules = rules,
};
