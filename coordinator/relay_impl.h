// A relay's inside. One lock guards all of it; bytes are copied and folded outside of it, on queue threads.
#pragma once

#include "base/pool.h"
#include "cohort/v1/exchange.pb.h"
#include "coordinator/ingest.h"
#include "coordinator/lease.h"
#include "coordinator/partial.h"
#include "coordinator/relay.h"
#include "experiment/experiment.h"
#include "rpc/security.h"
#include <pthread.h>
#include <stdatomic.h>

enum {
    RELAY_GATHER_MS = 10,  // assignments of a round come one by one: so long after the last, all are here
    RELAY_QUIET_MS = 2000, // without a new summary for so long, those that are here go on
    RELAY_BEFORE_MOST_MS = 500, // before a round's deadline, at most; else a quarter of what was left of it
};

struct relay_submission;

// A learner behind the relay: its stream and the one that speaks for it upstream (relay_attend.c).
struct relayed {
    struct relay *relay;
    struct relayed *next;
    char name[64];
    uint64_t incarnation;
    struct rpc_call *down, *up; // NULL once closed
    struct lease lease;         // of `down`, until it has joined
    bool joined;
    struct relay_job *job; // that it is enrolled in, or NULL
    uint64_t n_samples;    // it announced
    // Its assignment; round 0: none.
    uint32_t round, attempt;
    struct batch *added_to; // that its summary, or an older incarnation's, is in; NULL: none
    uint32_t alone;         // the round in which its summary goes by itself; 0: none
};

// An experiment, as long as learners behind the relay take part in it or something of it is under way.
struct relay_job {
    struct relay *relay;
    struct relay_job *next;
    unsigned int n_users;
    char id[64];
    char *yaml;
    struct experiment experiment;
    bool adds_up; // summaries can be summed here
    // The newest assignment.
    uint32_t round, attempt, model_round;
    char model_id[DIGEST_HEX_BYTES];
    uint64_t weight_unit;
    size_t n_values;              // of a summary
    int64_t assigned_ms;          // when the last learner was given it
    int64_t due_ms;               // the sum is sent by then; INT64_MAX: there is no deadline
    struct relay_model *models;   // of the newest
    struct batch *open, *sending; // summaries being gathered; those on their way
    struct ingest *spare;         // of a batch that is done, for n_spare values
    size_t n_spare;
};

// Summaries of one round and attempt that have been, or are being, folded together (relay_batch.c).
struct batch {
    struct relay_job *job;
    uint32_t round, attempt;
    char model_id[DIGEST_HEX_BYTES]; // that the round starts from: a coordinator that starts over repeats the
                                     // others
    size_t n_values;
    struct ingest *ingest;
    struct partial members;               // whose summaries are whole in it
    struct relay_submission *submissions; // uploading into it, or waiting for its acceptance
    unsigned int n_uploading;
    int64_t changed_ms; // when it was opened or a summary was added
    // On its way (relay_send.c).
    struct rpc_call *call;
    uint64_t offset, bytes;
    struct pool_job done; // runs when nothing holds the sums any more
    atomic_uint n_holds;  // the call's, and one a chunk in the transport's hands
    bool ended, answered;
    cohort_v1_SubmitSummaryResponse response;
    enum status status;
    char message[256];
    unsigned int n_tries;
    int64_t retry_ms; // 0: not waiting to be tried again
};

// A learner's, or another relay's, SubmitSummary (relay_submit.c).
struct relay_submission {
    struct relay *relay;
    struct rpc_call *call;
    struct lease lease;
    bool begun;
    atomic_bool answered; // or over; by its own queue's thread, or under the lock by any
    uint32_t round;
    struct partial members; // whose summaries it brings
    bool is_sum;
    struct batch *batch; // it belongs to; NULL: none (any more)
    struct relay_submission *next;
    struct upload *upload; // NULL: not folding (any more)
    struct passage *passage;
};

struct relay {
    const struct coordinator_options *options;
    struct rpc_runtime *runtime;
    struct rpc_channel *channel;
    struct pool *pool; // where a batch goes on when the transport has let go of it
    char name[64];     // in the headers of sums
    pthread_mutex_t lock;
    pthread_cond_t changed; // the timer's wishes, `ending`, or a call upstream that is over
    struct lease *leases;
    struct relayed *learners;
    struct relay_job *jobs;
    unsigned int n_calls; // upstream, not over
    int64_t wake_ms;
    pthread_t timer;
    bool timing, ending;
};

// ---- under the lock -------------------------------------------------------------------------------------

void relay_wake(struct relay *relay, int64_t at_ms);
// A call upstream; counted until relay_call_over.
enum status relay_call(struct relay *relay, struct rpc_call **ret, const char *path,
                       const struct rpc_events *events, void *user, struct error *error);
void relay_call_over(struct relay *relay);

struct relayed *relay_find(const struct relay *relay, const char *name, uint64_t incarnation);
// The job of that text, made when new, with a user more.
enum status relay_job_open(struct relay *relay, const cohort_v1_Enrol *enrol, struct relay_job **ret,
                           struct error *error);
void relay_job_close(struct relay_job *job); // a user less; the last one frees it
struct relay_job *relay_job_find(const struct relay *relay, const char *id);

void relay_attend(struct rpc_call *call, void *service); // the methods
void relay_fetch_model(struct rpc_call *call, void *service);
void relay_offer_summary(struct rpc_call *call, void *service, const void *request);
void relay_submit_summary(struct rpc_call *call, void *service);

void relay_models_release(struct relay_model *first); // the job's references; NULL is none
void relay_models_cancel(const struct relay_model *first);

// The batch that summaries of the newest assignment go into, opened when there is none.
enum status batch_open(struct relay_job *job, struct batch **ret, struct error *error);
// Sends the open batch on when it is time, or asks to be called again.
void batch_consider(struct relay_job *job, int64_t now_ms);
// Gives it up: whoever waits for it, or uploads into it, is asked to send its summary again.
void batch_drop(struct batch *batch, const char *message);
// The one of the newest assignment that the learner's summary is in, or NULL.
struct batch *batch_of(const struct relay_job *job, const char *learner);
// Whether it is of the newest assignment.
bool batch_is_current(const struct batch *batch);
void batch_attach(struct batch *batch, struct relay_submission *submission);
void batch_detach(struct relay_submission *submission);
// The answer has come: tells those that wait, and frees it.
void batch_accepted(struct batch *batch);
void batch_refused(struct batch *batch, const char *message);
void batch_free(struct batch *batch);
void batch_send(struct batch *batch);

// Answers a submission, which then has no batch any more.
void relay_answer(struct relay_submission *submission, bool accepted, cohort_v1_Reason reason,
                  const char *message);
void relay_fail(struct relay_submission *submission, enum status status, const char *message);

// ---- passing a summary on as it is (relay_pass.c) -------------------------------------------------------

// Takes the submission's call over: from here on its messages go to passage_message and passage_ended.
enum status passage_begin(struct relay_submission *submission, const cohort_v1_SummaryHeader *header,
                          struct error *error);
void passage_message(struct passage *passage, struct rpc_message *message);
void passage_ended(struct passage *passage);
void passage_closed(struct passage *passage); // the call from downstream is over
