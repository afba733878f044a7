// A coordinator in this process and learners that are only calls: they say and send what a test tells them.
#pragma once

#include "coordinator/coordinator.h"
#include "coordinator/job.h"
#include <criterion/criterion.h>

enum { PEER_MESSAGES_MAX = 64, MODEL_VALUES = 4 * 3 + 3 };

struct deployment {
    struct coordinator_options options;
    struct coordinator *coordinator;
    struct rpc_runtime *runtime;
    struct rpc_server *server;
    struct rpc_channel *channel;
    char address[64];
};

// What a call has brought so far.
struct peer {
    struct rpc_call *call;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const pb_msgdesc_t *fields;
    cohort_v1_AttendResponse attend[PEER_MESSAGES_MAX];
    cohort_v1_SubmitSummaryResponse submit;
    size_t n_messages, n_taken;
    bool closed;
    enum status status;
};

void deployment_start(struct deployment *deployment); // change `options` before, from deployment_options()
struct coordinator_options deployment_options(void);
void deployment_stop(struct deployment *deployment);
// Creates an experiment of `learners` learners whose model has MODEL_VALUES values.
void deployment_create(struct deployment *deployment, unsigned int learners, unsigned int rounds);
// `more`: further keys of the collaboration, as ", reducer: mean".
void deployment_create_with(struct deployment *deployment, unsigned int learners, unsigned int rounds,
                            const char *more);
struct job *deployment_job(struct deployment *deployment); // the only one
enum round_phase deployment_phase(struct deployment *deployment);

void peer_join(struct deployment *deployment, struct peer *peer, const char *name, uint64_t incarnation);
// `memory` of its process; NULL: it keeps that to itself.
void peer_join_with(struct deployment *deployment, struct peer *peer, const char *name, uint64_t incarnation,
                    const cohort_v1_CrossMemory *memory);
void peer_ready(struct peer *peer, const char *experiment, uint64_t n_samples);
void peer_fill_ready(cohort_v1_Ready *ready, const char *experiment, uint64_t n_samples);
// Its assignment's model is gone.
void peer_ready_anew(struct peer *peer, const char *experiment, uint64_t n_samples);
void peer_heartbeat(struct peer *peer);
// The next message of that kind, those before it forgotten; fails the test when none comes.
const cohort_v1_AttendResponse *peer_expect(struct peer *peer, pb_size_t which);
void peer_close(struct peer *peer); // as if its process was gone
void peer_release(struct peer *peer);
bool peer_wait_closed(struct peer *peer, int ms);

// Opens an upload with its header; the values follow with peer_send_values.
void peer_submit(struct deployment *deployment, struct peer *upload, const char *name, uint64_t incarnation,
                 uint32_t round, uint32_t attempt);
// Of MODEL_VALUES float32 values.
void peer_fill_header(cohort_v1_SummaryHeader *header, const char *name, uint64_t incarnation, uint32_t round,
                      uint32_t attempt);
// With the token of the memory that its places are in, or NULL.
void peer_submit_with(struct deployment *deployment, struct peer *upload, const char *name,
                      uint64_t incarnation, uint32_t round, uint32_t attempt,
                      const cohort_v1_CrossMemory *memory);
void peer_send_values(struct peer *upload, const float *values);
// The answer: accepted or not.
bool peer_answer(struct peer *upload);
