// Models as an experiment's downlink codec sends them: made once a round, and shared by all who fetch them.
#pragma once

#include "base/digest.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One round's model, or its difference from the one before: counted references, never changed while shared.
struct coded {
    uint32_t round;
    bool differs;                // from the model of the round before
    char base[DIGEST_HEX_BYTES]; // that one's id
    size_t n_bytes;
    uint8_t bytes[];
};

struct coded *coded_new(size_t n_bytes); // NULL: no memory
struct coded *coded_ref(struct coded *coded);
struct coded *coded_unref(struct coded *coded); // returns NULL
void coded_release(void *coded);                // coded_unref as a callback

// The last ones of an experiment. A learner that missed rounds gets the differences that it lacks, as long as
// they are kept and shorter than the model. Guarded by whoever owns it.
enum { DOWNLINK_KEPT_MAX = 64 };

struct downlink {
    struct coded *kept[DOWNLINK_KEPT_MAX]; // of rounds one after the other, the newest last
    unsigned int n;
};

// Takes the newest round's; `model_bytes` is how long the model is as it is. NULL: it has none, and those
// before are of no use any more.
void downlink_add(struct downlink *downlink, struct coded *coded_take, uint64_t model_bytes);
void downlink_release(struct downlink *downlink);

// What a receiver is sent: `n` of them back to back; 0: the model as it is.
struct coded_parts {
    struct coded *const *parts; // the downlink's
    unsigned int n;
    uint64_t bytes;
};

// What makes the model of `round`, for who holds the model of `held_round` and that id (NULL: whatever it
// is; "": none).
struct coded_parts downlink_find(const struct downlink *downlink, uint32_t round, uint32_t held_round,
                                 const char *held);
