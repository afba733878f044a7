// A learner's process: one connection, a pool that trains, and the learners that it hosts.
//
// One lock guards all control state; data is loaded and models are trained in the pool, outside of it. Chunks
// are copied on the queue thread.
#pragma once

#include "base/pool.h"
#include "cohort/v1/exchange.pb.h"
#include "learner/options.h"
#include "learner/peers_round.h"
#include "learner/pretence.h"
#include "learner/samples.h"
#include "learner/study.h"
#include "rpc/cross_line.h"
#include "rpc/cross_memory.h"
#include "rpc/pace.h"
#include "rpc/rpc.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct host;

// Models and summaries of up to so many bytes go on the control stream. nanopb counts the bytes of a field in
// 16 bits.
enum { SMALL_BYTES_MAX = 60 << 10 };
_Static_assert(SMALL_BYTES_MAX <= PB_SIZE_MAX, "a small summary is one field");

// What a hosted learner is busy with; it does one thing at a time.
enum activity {
    ACTIVITY_NONE,
    ACTIVITY_LOADING,  // data and model of an experiment, in the pool
    ACTIVITY_FETCHING, // the round's model
    ACTIVITY_FETCHING_TO_EVALUATE,
    ACTIVITY_TRAINING, // in the pool
    ACTIVITY_PAUSING,  // a simulated delay, or before trying again: until due_ms
    ACTIVITY_OFFERING, // the summary, before it is sent once more
    ACTIVITY_SUBMITTING,
    ACTIVITY_EVALUATING, // in the pool
    ACTIVITY_EXCHANGING, // with other learners
    ACTIVITY_SERVING,    // a Predict or Evaluate, in the pool
};

struct learner {
    struct host *host;
    char name[64];
    uint64_t incarnation;

    // The control stream (attend.c).
    struct rpc_call *call;   // NULL between connections
    struct cross_line *line; // beside it, where the coordinator is on this machine; or NULL
    int64_t connect_at_ms;   // INT64_MAX: not wanted
    unsigned int n_attempts; // since the last success
    int64_t tell_at_ms;      // of a call: that it has not reached the coordinator; INT64_MAX: told
    int64_t heartbeat_ms, heartbeat_at_ms;
    bool joined, stopped; // stopped: turned away for good

    // The experiment that it is enrolled in (enrolment.c).
    char *enrol_yaml;                        // waiting to be loaded, with what follows
    char *enrol_defaults, enrol_version[32]; // of who resolved it: struct experiment_origin
    char enrol_id[64];
    uint32_t enrol_index, enrol_learners;
    uint32_t index, n_learners; // in the study
    struct study *study;        // NULL: none
    struct variant *variant;    // of the study, once loaded
    struct samples samples;
    struct part part;         // of the samples, to train on
    struct pretence pretence; // with others, under the experiment's simulation
    bool loaded;

    // The round (step.c).
    cohort_v1_Assignment assignment;
    unsigned long n_assignments; // that have come, repeated ones too
    bool assigned, dismissed;    // dismissed: the experiment is over; forgotten once idle
    atomic_ulong generation; // counts assignments and withdrawals: work begun under an older one is dropped
    // Of the study's plan. In place, the first three are one.
    float *shared;                  // [plan_shared_values] as fetched
    float *parameters;              // [n_parameters] of its model
    float *summary;                 // [plan_summary_values] of round `kept_round`
    float *own;                     // [plan.n_own]
    float *reference;               // [n_values] the round's model, where a step in place needs it; or NULL
    uint32_t held_round;            // of the model that `shared` holds as it was fetched, with
    char held_id[DIGEST_HEX_BYTES]; // its id; empty: none
    bool own_begun;                 // `own` holds something
    uint8_t *encoded;               // [n_encoded] the summary as its codec sends it; NULL: as it is
    size_t n_encoded;
    float *residual;                  // [plan_summary_values] what the codec has lost of all summaries
    uint32_t round;                   // that `parameters` belong to; 0: none
    uint32_t kept_round;              // 0: no summary is kept
    char model_id[DIGEST_HEX_BYTES];  // of the model that `parameters` were trained from
    unsigned long working_generation; // of the assignment that is fetched and trained for
    struct {
        uint64_t weight;
        double train_loss, train_accuracy, train_seconds, fetch_seconds;
        double parameter_distance; // from where training began, relative to that; NAN: not asked for
    } result;
    struct { // since the process started, for /metrics
        uint64_t n_trained, sent_bytes;
        double train_seconds, fetch_seconds;
    } tally;
    cohort_v1_Evaluate evaluation; // asked for last (evaluation.c)
    bool evaluation_wanted;        // and not answered
    cohort_v1_Evaluate evaluating; // what it was when evaluating began; the pool's meanwhile
    enum activity activity;
    int64_t due_ms;
    unsigned int n_retries;
    bool model_gone;     // the assigned round's: the coordinator is to be asked for another assignment
    unsigned int n_gone; // times in a row
    struct learner *next_waiting; // for the same fetch
    struct learner *next_to_submit;
    bool waits_to_submit; // idle meanwhile
    int64_t fetch_started_ns;
    struct pool_job job;
    struct submission *submission;
    // An upload that may go on where it broke off (offer.c).
    struct offer *offer;
    bool has_sha256; // of the summary of `kept_round`
    uint8_t sha256[SHA256_BYTES];
    uint32_t begun_round; // whose summary this process has begun to send; 0: none
    bool offered;         // the coordinator wants it, from `send_from` on
    uint64_t send_from;
    struct peer_round peer;
    struct serving *serving;
};

enum {
    SUBMISSIONS_MAX = 8, // a process sends at a time: more of them only fill the coordinator's memory
    CROWD = 32,          // of so many learners, those that are not at work keep no model
};

struct host {
    const struct learner_options *options;
    struct rpc_runtime *runtime;
    struct rpc_channel *channel;
    struct pool *pool;
    pthread_mutex_t lock; // guards all below and in the learners, but what their present activity owns
    pthread_cond_t changed;
    struct study *studies;
    struct peers_door *door; // of streams from other learners
    struct peer_channel *peer_channels;
    struct cross_door *cross_door; // for its coordinator, where memory may be read; or NULL
    struct cross_lines *lines;     // NULL until there is one
    bool is_read;                  // the coordinator reads this process's memory,
    struct cross_memory *reads;    // and this one the coordinator's; NULL: it does not
    char address[256];             // where other learners reach this process; empty: nowhere
    size_t n_learners, n_stopped;
    uint64_t peak_rss_bytes; // as read at peak_rss_ms
    int64_t peak_rss_ms;
    uint64_t received_bytes;  // of models
    struct learner *learners; // [n_learners]
    size_t n_submitting;      // at most SUBMISSIONS_MAX; the others wait, in their order
    struct learner *first_to_submit, **last_to_submit;
    struct pool_turn turn; // of the queue's thread that hears a message
    bool ending, told_to_stop;
    char message[512]; // why the last learner was turned away
    pthread_t timer;
    bool timing;
};

enum status host_new(struct host **ret, const struct learner_options *options, struct rpc_runtime *runtime,
                     struct error *error);
// Begins to attend.
enum status host_start(struct host *host, struct error *error);
// Says good-bye for all learners and lets work under way end. The server must have been freed.
struct host *host_free(struct host *host);
void host_wake_timer(struct host *host);
uint64_t host_peak_rss(
    struct host *host); // as of some ms ago at most: asking the system takes as long as a small round
struct rpc_service learner_service(struct host *host);

// ---- under the lock -------------------------------------------------------------------------------------

void learner_connect(struct learner *learner); // attend.c
void learner_heartbeat(struct learner *learner);
void learner_tell_unreached(struct learner *learner); // logs that its call has found no coordinator yet
void learner_send(struct learner *learner, const cohort_v1_AttendRequest *message);
void learner_farewell(struct learner *learner);

void learner_enrol(struct learner *learner, const cohort_v1_Enrol *enrol); // enrolment.c
void learner_tell_ready(struct learner *learner, bool anew);               // anew: its assignment is lost
void learner_load(struct learner *learner);                                // what it was enrolled in; idle
void learner_leave_study(struct learner *learner);                         // forgets the experiment; idle

void learner_assign(struct learner *learner, const cohort_v1_Assignment *assignment); // step.c
void learner_withdraw(struct learner *learner);
void learner_free_vectors(struct learner *learner);
void learner_lend_vectors(struct learner *learner); // its summary is safe: in a crowd, others take the room

// state.c, in the pool. What the next round needs, once it is on disk; given up when `is_void`.
void learner_keep_state(const struct learner *learner, bool (*is_void)(void *user), void *user);
// What was kept of the study that the learner has just loaded, if anything. DATA_LOSS when it is damaged.
enum status learner_restore_state(struct learner *learner, struct error *error);

// Whether one vector is fetched, trained and sent.
bool learner_is_in_place(const struct learner *learner); // coding.c
// Makes the bytes of the summary of `round`. Without the lock.
enum status learner_encode(struct learner *learner, uint32_t round, struct error *error);
size_t learner_encoded_bytes(const struct learner *learner, uint32_t round); // 0: it is sent as it is
const void *learner_summary_bytes(const struct learner *learner, size_t *ret_n);
void learner_free_coding(struct learner *learner);
// Goes on with whatever is due now that the learner is idle. Called whenever an activity ended.
void learner_go_on(struct learner *learner);
void learner_fetched(struct learner *learner);
void learner_train(struct learner *learner);                        // the round's model is at hand
void learner_decline(struct learner *learner, const char *message); // the assigned round
bool learner_allocate_vectors(struct learner *learner);
void learner_pause(struct learner *learner, int64_t ms);

// Whether `shared` holds that model as it was fetched.
bool learner_holds(const struct learner *learner, uint32_t round, const char *id);
// A step's inputs; the buffers to be written are left out. Any thread that owns the learner's activity.
struct learner_step learner_step_of(const struct learner *learner, uint32_t round);
void learner_begin_own(struct learner *learner, const struct learner_step *step); // once

void learner_evaluate(struct learner *learner, const cohort_v1_Evaluate *request); // evaluation.c
void learner_begin_evaluation(struct learner *learner);                            // idle

void learner_submit(struct learner *learner); // submit.c
void learner_cancel_submission(struct learner *learner);

// offer.c. Whether the coordinator may have some of the summary; then it is asked, and the learner goes on.
bool learner_must_offer(const struct learner *learner);
void learner_offer(struct learner *learner);
void learner_cancel_offer(struct learner *learner);
uint64_t learner_take_offset(struct learner *learner); // where the upload begins that begins now
void learner_send_all(struct learner *learner);        // the next one from its beginning
void learner_note_sha256(struct learner *learner, const uint8_t sha256[SHA256_BYTES]);

bool learner_submits_small(const struct learner *learner); // small.c: on the control stream
void learner_submit_small(struct learner *learner);
void learner_small_refused(struct learner *learner, const cohort_v1_SummaryRefused *refused);
void learner_fill_header(const struct learner *learner, cohort_v1_SummaryHeader *ret);
bool learner_may_try_again(cohort_v1_Reason reason);

// On the learner's own track.
void learner_trace(const struct learner *learner, const char *phase, int64_t begun_ns, uint32_t round);

// A pause before attempt `n`, doubling from 50 ms to `most_ms`, with jitter of one half.
int64_t learner_backoff_ms(const struct learner *learner, unsigned int n);
