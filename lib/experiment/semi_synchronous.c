// Rounds of a fixed length: each commits with what came, stragglers go on and are admitted late (as the
// bounded staleness of Ho et al. 2013, "More effective distributed ML via a stale synchronous parallel
// parameter server", with commits by the clock).
#include "experiment/round_schedule_impl.h"

struct semi_synchronous_options {
    int64_t period_ms, max_staleness;
    double discount;
};

static const struct field fields[] = {
    {.name = "period",
     .type = FIELD_DURATION,
     .offset = offsetof(struct semi_synchronous_options, period_ms),
     .required = true,
     .min = 1,
     .help = "A round's length: then it commits with what came, once that is the minimum"},
    STALENESS_FIELDS(struct semi_synchronous_options),
    {0},
};

static void rules(const void *schedule_options, struct round_rules *ret)
{
    const struct semi_synchronous_options *options = schedule_options;
    *ret = (struct round_rules){.continuous = true,
                                .period_ms = options->period_ms,
                                .max_staleness = (uint32_t)options->max_staleness,
                                .discount = options->discount};
}

const struct round_schedule_kind round_schedule_semi_synchronous = {
    .kind = {.name = "semi_synchronous",
             .help =
                 "A round commits after a period with what came; stragglers go on and count late, for less",
             .fields = fields,
             .options_bytes = sizeof(struct semi_synchronous_options)},
    .rules = rules,
};
