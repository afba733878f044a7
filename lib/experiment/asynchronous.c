// Rounds of a number of summaries, whoever sends them: FedBuff's buffer of K (Nguyen, Malik, Zhan,
// Yousefpour, Rabbat, Malek and Huba, "Federated learning with buffered asynchronous aggregation", AISTATS
// 2022, Algorithm 1); with a buffer of one FedAsync (Xie, Koyejo and Gupta, "Asynchronous federated
// optimization", 2019, Algorithm 1).
#include "experiment/round_schedule_impl.h"
#include "reduce/ring.h"

struct asynchronous_options {
    int64_t buffer, max_staleness;
    double discount;
};

static const struct field fields[] = {
    {.name = "buffer",
     .type = FIELD_INT,
     .offset = offsetof(struct asynchronous_options, buffer),
     .fallback = "1",
     .min = 1,
     .max = RING_TERMS_MAX,
     .help = "Summaries that make a round commit"},
    STALENESS_FIELDS(struct asynchronous_options),
    {0},
};

static void rules(const void *schedule_options, struct round_rules *ret)
{
    const struct asynchronous_options *options = schedule_options;
    *ret = (struct round_rules){.continuous = true,
                                .target = (uint32_t)options->buffer,
                                .refills = true,
                                .max_staleness = (uint32_t)options->max_staleness,
                                .discount = options->discount};
}

const struct round_schedule_kind round_schedule_asynchronous = {
    .kind = {.name = "asynchronous",
             .help =
                 "A round commits with every few summaries; nobody waits for anybody, stale ones count less",
             .fields = fields,
             .options_bytes = sizeof(struct asynchronous_options)},
    .rules = rules,
};
