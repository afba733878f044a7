#include "experiment/round_schedule.h"
#include "base/memory.h"
#include <math.h>

#define X(name) extern const struct round_schedule_kind round_schedule_##name;
#include "experiment/round_schedules.def"
#undef X

static const struct kind *const kinds[] = {
#define X(name) &round_schedule_##name.kind,
#include "experiment/round_schedules.def"
#undef X
};

const struct registry round_schedules = {.what = "round_schedule",
                                         .kinds = kinds,
                                         .n_kinds = ARRAY_SIZE(kinds)};

double round_discount(const struct round_rules *rules, uint32_t staleness)
{
    return staleness ? pow(1 + (double)staleness, -rules->discount) : 1;
}
