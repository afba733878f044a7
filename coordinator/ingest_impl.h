// What ingest.c and ingest_finish.c share.
#pragma once

#include "coordinator/ingest.h"
#include "reduce/rows.h"
#include <pthread.h>
#include <stdatomic.h>

enum { TILE_BYTES = 16384 };

struct ingest {
    atomic_uint references;
    struct reduction *reduction;
    size_t n_values;
    struct rows *waiting; // summaries that are not to be folded yet and did not fit the buffer
    double max_norm;      // 0: none
    bool gathers;         // the reducer keeps summaries by itself, and can give each of them up
    size_t buffer_bytes;
    pthread_mutex_t lock; // guards what follows
    pthread_cond_t idle;
    uint64_t generation; // counts resets
    unsigned int n_folding;
    size_t buffered_bytes;
};

struct upload {
    struct ingest *ingest;
    uint64_t generation;
    struct contribution from;
    uint64_t received;    // bytes
    uint32_t n_summaries; // of which it is the sum; 0: it is a summary itself
    size_t whole_bytes, value_bytes;
    struct coder coder;     // with `base` its summary's
    struct version *base;   // what the coder's reference lies in; NULL: it is not coded
    void *held;             // [whole_bytes]; NULL: folded as it arrives, or waiting
    struct row *waiting;    // of the ingest's rows, or NULL
    struct version *around; // what its norm is taken around, as far as value n_around; NULL: zero
    size_t n_around;
    bool folded; // something of it is in the reduction
    bool finished;
    uint8_t partial[8]; // the first bytes of a value that a run ended within
    struct error fault;
};

// True when folding may start, since the upload belongs to the reduction's present generation; then a reset
// waits until upload_leave.
bool upload_enter(struct upload *upload);
void upload_leave(struct upload *upload);
bool upload_is_bounded(const struct upload *upload); // by max_norm
// Into the reduction: values [n] from `first`, aligned.
enum status upload_fold(const struct upload *upload, size_t first, const void *values, size_t n,
                        struct error *error);
