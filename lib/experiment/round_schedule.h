// Schedules of rounds: whether learners go in step, and when a round commits.
#pragma once

#include "base/registry.h"
#include <stdbool.h>
#include <stdint.h>

// What a schedule asks of the rounds.
struct round_rules {
    bool continuous;   // learners train on while rounds are committed; else what follows is not used
    uint32_t target;   // summaries that make a round commit; 0: no number does
    bool refills;      // a learner may begin as soon as another one is done, else only with a round
    int64_t period_ms; // after which a round commits with what came; 0: participation.deadline says
    uint32_t
        max_staleness; // commits since the model that a summary started from, beyond which it is rejected
    double discount;   // exponent a of a stale summary's weight (1 + staleness)^-a
};

struct round_schedule_kind {
    struct kind kind;
    void (*rules)(const void *options, struct round_rules *ret);
};

extern const struct registry round_schedules;

// The weight of a summary `staleness` commits old: (1 + staleness)^-a, the polynomial of Xie, Koyejo and
// Gupta 2019, section 5.2; with a = 1/2 that of Nguyen et al. 2022, section 5.
double round_discount(const struct round_rules *rules, uint32_t staleness);
