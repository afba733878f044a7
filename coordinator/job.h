// One experiment on its way: its rounds, its slots, its model. Everything under the coordinator's lock unless
// said otherwise.
#pragma once

#include "base/philox.h"
#include "cohort/v1/coordinator.pb.h"
#include "cohort/v1/exchange.pb.h"
#include "coordinator/coordinator.h"
#include "coordinator/downlink.h"
#include "coordinator/events.h"
#include "coordinator/ingest.h"
#include "coordinator/partial.h"
#include "coordinator/round.h"
#include "coordinator/version.h"
#include "experiment/experiment.h"
#include "store/record.h"
#include "store/spool.h"

// What a slot's learner told with its summary of the round under way.
struct slot_report {
    uint64_t weight;
    double train_loss, train_accuracy, parameter_distance; // NAN: not told
};

// What a slot's learner told of the model that it would use after a round.
struct slot_evaluation {
    bool asked;                                      // and has not answered
    uint32_t round;                                  // 0: nothing told
    double loss, accuracy, test_loss, test_accuracy; // on samples of its own, and on the test data; NAN: not
                                                     // told
};

struct job_upload;
struct job_partial;

// Where stale summaries weigh less, weights are counted in parts of a sample, for they must be whole numbers.
enum { JOB_SAMPLE_PARTS = 1 << 10 };

struct job_slot {
    char name[64];         // the member that holds the slot; empty: free
    struct member *member; // NULL: not here now
    int64_t assigned_ns;
    char model_id[DIGEST_HEX_BYTES]; // of the model that its assignment starts from
    // The incarnation that was first assigned the round and attempt: a relay may have its summary from then.
    uint64_t assigned_to;
    uint32_t assigned_round, assigned_attempt;
    struct job_upload *upload;   // the newest under way, or NULL
    struct job_partial *partial; // a sum under way that its summary is in, or NULL
    struct job_upload *parked;   // whole, for the next round; NULL: none
    struct job_upload *kept;     // what came of one that broke off (job_kept.c); NULL: none
    uint64_t spool_room;         // of its file in the state folder (job_spool.c); 0: there is none
    uint64_t spooled_bytes;      // that an upload can go on from
    struct slot_report report;
    struct slot_evaluation evaluation;
    // The round whose model its learner has, and which incarnation of the learner that was: between peers it
    // trained it, from a star it fetched it.
    uint32_t holds_round;
    uint64_t holds_incarnation;
};

// The held-out data that the coordinator evaluates on, if any.
struct test_data {
    bool present;
    struct dataset dataset;
    struct part part;
    struct workspace *workspace;
};

// Where a round's time is traced: of all, of the hash of its model, of the model on test data, of the
// summaries of slot 0 and on.
enum { JOB_TRACK_ROUNDS, JOB_TRACK_HASHES, JOB_TRACK_EVALUATION, JOB_TRACK_SLOTS };

enum { JOB_METRICS_MAX = 16, JOB_EVALUATION_BATCH = 128, JOB_ASSIGNMENT_BYTES = 1024 };

struct job {
    struct coordinator *coordinator;
    struct job *next;
    char id[64], request_id[128];
    char owner[80]; // who created it, as quotas count users; empty: nobody knows
    struct experiment experiment;
    struct round_rules rules;
    struct bytes yaml;     // resolved
    struct bytes defaults; // of its options, those that stand at their defaults
    int64_t created_unix_ms;
    struct round *round;
    struct job_slot *slots;   // [n_slots]
    uint32_t n_kept;          // slots with a `kept`
    uint32_t n_slots, n_free; // free: that nobody holds
    uint32_t free_from;       // no slot before it is free
    bool enrolled;            // the first full set of learners has been chosen
    struct events *events;
    char message[512]; // why it ended as it did
    char stalled[256]; // what the disk refuses just now; empty: nothing

    // What is in the journal (job_journal.c).
    bool recorded;        // there is a record
    struct record record; // the last one
    bool slots_changed;   // since they were written
    bool state_unwritten; // the disk refused it
    bool restored;        // read from it at the process's start
    bool unreadable;      // what it says cannot be gone on from: it is left as it is
    int64_t wake_at_ms;

    // Made once the first learner tells its data's shape.
    bool preparing;
    cohort_v1_DataSignature data;
    struct model *model;
    struct algorithm_plan plan;
    struct layout layout;     // of the current version's model
    struct version *current;  // last committed, or the initial one
    struct version *retired;  // the one before, whose memory the next one may take; or NULL
    struct downlink downlink; // it, as it is sent; empty where it is sent as it is
    struct ingest *ingest;    // NULL once the experiment is over
    struct test_data test;

    // The work under way in the pool; each at most once at a time.
    struct pool_job prepare_job, commit_job, evaluate_job;
    struct version *committing; // the next model; `current` itself when replaced in place
    struct coded *coded;        // as it is sent; NULL: as it is
    struct ingest *reducing;    // what it comes from, referenced
    bool in_place;              // `current` is being overwritten: nobody may take a reference
    bool committed_waits;       // a round was committed while the one before was still being evaluated

    // A round's hash under way beside the next round (job_hash.c); one at a time.
    struct pool_job hash_job;
    struct version *hashing;                     // what it is of; NULL: none
    struct event_place *early;                   // the round's event, which waits for it; NULL: none
    cohort_v1_WatchExperimentResponse committed; // that event
    uint32_t told_round;                         // the last one whose hash is known
    uint8_t told_sha256[SHA256_BYTES];

    // The evaluation under way (job_evaluation.c); one at a time.
    uint32_t evaluating_round;  // 0: none
    struct version *evaluating; // the model that it is of
    bool testing;               // on test data, in the pool
    uint32_t n_evaluating;      // learners that have not answered
    struct evaluation tested;   // on test data
    struct stop_progress stop;

    // The assignment that was sent last: most learners of a round are told the same.
    uint8_t assignment_words[JOB_ASSIGNMENT_BYTES];    // encoded, but for its model
    size_t n_assignment_words, assignment_model_bytes; // of its model; 0: it had none
    struct rpc_encoded *assignment;                    // NULL: there is none to be sent again

    struct job_peers *peers; // of rounds between peers (job_peers.c), else NULL

    int64_t round_started_ns;
    uint32_t n_committed_summaries;
    cohort_v1_Metric metrics[JOB_METRICS_MAX]; // of the last committed round
    pb_size_t n_metrics;
    uint64_t bytes_up, bytes_down, n_rejected;
};

// Makes an experiment from YAML. Without the lock: reading a large text takes a while.
enum status job_new(struct coordinator *coordinator, const char *yaml, const struct experiment_origin *origin,
                    struct job **ret, struct error *error);
// Whether there is room for it, in all and of its owner's. RESOURCE_EXHAUSTED.
enum status job_check_quota(const struct job *job, struct error *error);
// Admits it; the same request_id (when not empty) gives the job that was admitted before. Takes `job_take`
// over, also on failure.
enum status job_admit(struct job *job_take, const char *request_id, struct job **ret, struct error *error);
struct job *job_free(struct job *job); // no work under way
struct job *job_find(const struct coordinator *coordinator, const char *id);
// One that summaries are wanted for; else NULL, with the reason.
struct job *job_find_live(const struct coordinator *coordinator, const char *id, cohort_v1_Reason *ret_reason,
                          struct error *error);
bool job_is_over(const struct job *job);
cohort_v1_ExperimentState job_state(const struct job *job);
void job_describe(const struct job *job, cohort_v1_Experiment *ret);
// The round that the slot's learner works for: the one under way or, without rounds in step, that of its own
// assignment.
uint32_t job_round_of(const struct job *job, uint32_t slot);
void job_explain(const struct job *job, struct arena *arena, cohort_v1_ExplainExperimentResponse *ret);
// Frees what is held to evaluate with, once the experiment is over and nothing is being evaluated.
void job_release_test(struct job *job);
void job_end(struct job *job, enum round_outcome outcome, const char *message);

// ---- learners -------------------------------------------------------------------------------------------

void job_enrol(struct job *job, uint32_t slot, struct member *member);
// A member answered that its data is loaded; refused (with an error) when it does not fit the experiment.
enum status job_ready(struct job *job, struct member *member, const cohort_v1_DataSignature *data,
                      struct error *error);
void job_declined(struct job *job, struct member *member, uint32_t number, const char *message);
void job_member_lost(struct job *job, struct member *member, bool left);
// Whoever held the slot is gone for good.
void job_free_slot(struct job *job, uint32_t slot);

// ---- summaries ------------------------------------------------------------------------------------------

struct job_upload {
    struct job *job;
    struct rpc_call *call;
    struct upload *upload;
    uint32_t slot, round, attempt;
    uint64_t bytes;
    int64_t assigned_ns;
    int64_t begun_ns; // traced
    int64_t begun_ms, kept_ms;
    uint32_t staleness; // once it is whole
    struct slot_report report;
    cohort_v1_SummaryHeader header;
    struct pool_job admit_job; // of a parked one
    struct spool *spool;       // that it is written to as well; NULL: to none
    struct sha256 *hash;       // of what has come, where parts of it come from a file; NULL: not needed
};

// Whether this summary may come now: OK, ALREADY_EXISTS when it is safe already, else why not.
enum status job_check_summary(struct job *job, const cohort_v1_SummaryHeader *header, uint32_t *ret_slot,
                              cohort_v1_Reason *ret_reason, struct error *error);
// An upload over `call`, which is cancelled when its learner is gone; NULL: it ends at once. `ret` stays in
// place until its end. Its bytes begin at `offset`: what came before is kept, or it is refused.
enum status job_upload_begin(struct job *job, const cohort_v1_SummaryHeader *header, uint64_t offset,
                             bool in_place, struct rpc_call *call, struct job_upload *ret,
                             cohort_v1_Reason *ret_reason, struct error *error);
// Takes what it holds from the upload, without a word to the round; true when parts of it spoil the
// reduction.
bool job_upload_release(struct job_upload *upload);
// All bytes have come. Only after FOLD is the upload to be finished and ended; else this was its end: VOID,
// it counts no more; PARK, it is kept, and counts in the next round; STALE, it was rejected, `error` says
// why.
enum round_whole job_upload_whole(struct job_upload *upload, struct error *error);
// The end of an upload; `finished` tells what upload_finish said (its error in `error`). Frees the upload.
// True when the summary counts.
bool job_upload_end(struct job_upload *upload, enum status finished, cohort_v1_Reason reason,
                    const struct error *error);
// Why a summary is rejected, by what upload_fault or upload_finish told; UNSPECIFIED: it is not, and may come
// again.
cohort_v1_Reason job_upload_reason(const struct error *fault);
// What a learner's summary, or the round's weight unit, counts for in the reduction.
struct contribution job_contribution(const struct job *job, uint32_t slot, uint64_t weight,
                                     uint32_t staleness);
// A summary that came on the control stream (small_summary.c): takes it, or tells the member why not.
void small_summary(struct coordinator *coordinator, struct member *member,
                   const cohort_v1_SmallSummary *summary);
// The same of one that lies in the memory of the member's process: what is read without the lock, then
// concluded.
struct summary_reading {
    struct member *member; // who is told; NULL: nobody any more
    struct cross_memory *memory;
    struct job_upload upload;
    struct error error; // in reading; what is wrong with the summary is the upload's fault
    bool begun;         // else the member has been told
};
void summary_in_place(struct coordinator *coordinator, struct member *member,
                      const cohort_v1_SmallSummary *summary, struct summary_reading *ret);
void summary_read(struct summary_reading *reading, const cohort_v1_SmallSummary *summary); // without the lock
void summary_conclude(struct summary_reading *reading);
// Folds the slot's parked summary in the pool.
void job_admit_parked(struct job *job, uint32_t slot, uint32_t staleness);
void job_drop_parked(struct job *job, uint32_t slot);
// Gives up what the slot's learner is sending, if anything: it ends as broken, soon.
void job_upload_cancel(struct job *job, uint32_t slot);

// ---- uploads that broke off (job_kept.c) ----------------------------------------------------------------

// The call is gone before all has come: true when what has is kept, `upload` then being empty; else it is to
// be ended.
bool job_keep(struct job_upload *upload);
bool job_kept_is_of(const struct job *job, uint32_t slot, const cohort_v1_SummaryHeader *header);
uint64_t job_kept_bytes(const struct job *job, uint32_t slot); // here from before, in memory or in a file
// What is kept for its slot goes on as `ret`.
void job_kept_resume(struct job *job, struct job_upload *ret);
void job_kept_give_up(struct job *job, uint32_t slot); // it ends as broken
void job_kept_forget(struct job *job);                 // all: the round moves on without them
void job_kept_expire(struct job *job, int64_t now_ms);

// ---- uploads in the state folder (job_spool.c) ----------------------------------------------------------

// Without the lock: whether what begins to come is to be written down as well. `chunk_bytes` have come first.
bool job_spool_pays(const struct job_upload *upload, size_t chunk_bytes);
void job_spool_begin(struct job_upload *upload);
// upload_take for an upload with a spool or a hash. Without the lock, like the two below.
bool job_upload_take(void *user, uint64_t offset, const uint8_t *run, size_t bytes);
void job_upload_note_hash(struct job_upload *upload, const cohort_v1_SummaryHeader *header);
// All has come: ABORTED when it is not what its hash says.
enum status job_upload_check_hash(struct job_upload *upload, struct error *error);
void job_spool_drop(struct job *job, uint32_t slot);
void job_spool_forget(struct job *job); // all, after a commit; without the lock
void job_spool_look(struct job *job);   // after a restart
// What there is of that very summary; NULL: nothing.
struct spool *job_spool_open(const struct job *job, uint32_t slot, const cohort_v1_SummaryHeader *header);

// ---- partial sums of relays (job_partial.c) -------------------------------------------------------------

// A sum of the summaries of several learners: counts for all of them, or for none.
struct job_partial {
    struct job *job;
    struct rpc_call *call;
    struct upload *upload;
    struct partial members;
    uint32_t *slots; // [members.n]
    uint32_t round, attempt;
};

// Takes `members` over, also on failure; else as job_upload_begin.
enum status job_partial_begin(struct job *job, const cohort_v1_SummaryHeader *header, struct partial *members,
                              struct rpc_call *call, struct job_partial *ret, cohort_v1_Reason *ret_reason,
                              struct error *error);
bool job_partial_end(struct job_partial *partial, enum status finished, cohort_v1_Reason reason,
                     const struct error *error);

// The round machine of what the options ask for (job_rounds.c), which then asks for what is to be done. NULL
// when out of memory.
struct round *job_make_round(struct job *job);

// ---- work in the pool (job_work.c) ----------------------------------------------------------------------

void job_start_prepare(struct job *job);
void job_start_commit(struct job *job);

// ---- hashes of models (job_hash.c) ----------------------------------------------------------------------

// A model's SHA-256 is for records and users; learners know it by its id. So where nothing is written down
// that would need the hash first, a model of some size is hashed while the next round is under way already.
// The round's event, and all after it, wait for the hash.
bool job_hash_can_wait(const struct job *job, uint32_t number);
// Begins to hash `current`, then completes `early`. Under the lock, with no hash under way.
void job_hash_start(struct job *job);
// Until no hash is under way. Without the lock.
void job_hash_await(struct job *job);
// The hash of the round's model is known.
void job_hash_tell(struct job *job, const uint8_t sha256[SHA256_BYTES]);

// ---- models on their way down (job_downlink.c); without the lock -----------------------------------------

// What a version holds: the algorithm's values, and what the downlink's codec lost.
size_t job_kept_values(const struct job *job, const struct algorithm_plan *plan);
struct coded_setting {
    const struct algorithm_plan *plan;
    const struct model *model;
};
// Makes of the shared values of `version`, which `round` ended with (0: the initial ones, `before` is NULL),
// what learners will decode, and the bytes to be sent; none (`ret` is left) where they are sent as they are.
enum status job_code_model(const struct job *job, const struct coded_setting *setting,
                           const struct version *before, struct version *version, uint32_t round,
                           struct coded **ret, struct error *error);

// ---- what outlives the process (job_journal.c); without a state folder, nothing --------------------------

// A new experiment. Under the lock, like the three below.
enum status job_journal_admit(struct job *job, struct error *error);
void job_journal_state(
    struct job *job); // that it ended, or is paused; a failure is logged, and tried again later
void job_journal_slots(struct job *job); // if they changed; a failure is logged, and the commit tries again
// The initial model, before the first round. Without the lock.
enum status job_journal_begin(struct job *job, struct version *first, struct error *error);
// The model that is `committing`, of that hash, then its round's record. Without the lock. When the disk
// refuses, it is tried again until it takes it, or the experiment or the process ends.
enum status job_journal_commit(struct job *job, uint32_t number, const uint8_t sha256[SHA256_BYTES],
                               struct error *error);
// Removes what of rounds before this one is kept no longer.
void job_forget_old(const struct job *job, uint32_t number);

// Attempts it again, after a pause that grows, while a disk refuses: RESOURCE_EXHAUSTED or INTERNAL is
// returned only once the experiment or the process ends. Without the lock; GetExperiment tells meanwhile.
typedef enum status job_attempt(struct job *job, void *context, struct error *error);
enum status job_try_until_done(struct job *job, job_attempt *attempt, void *context, struct error *error);

// ---- after a restart (job_restore.c) --------------------------------------------------------------------

// All experiments of the journal, those that are not over to be gone on with.
enum status job_restore_all(struct coordinator *coordinator, struct error *error);
// The values of the last record's round into `ret`, of that layout, checked against it. Without the lock.
enum status job_restore_values(const struct job *job, const struct layout *layout, struct version *ret,
                               struct error *error);
// The slot that is kept for the member since before the restart, if any, becomes its claim.
void job_restore_claim(struct coordinator *coordinator, struct member *member);
// Lines of what the next process has to know beside the record, as job_restore.c reads them.
void job_write_notes(const struct job *job, struct bytes *ret);
// The file of what an algorithm keeps beside the model; as job_model_path.
char *job_state_path(const struct job *job, uint32_t round);

// ---- evaluation (job_evaluation.c) ----------------------------------------------------------------------

void job_start_evaluate(struct job *job);
bool job_evaluates(const struct job *job); // whether a round has anything to evaluate
void job_evaluated(struct job *job, struct member *member, const cohort_v1_Evaluated *told);
// The slot's learner is gone, or another: its answer is not waited for.
void job_evaluation_without(struct job *job, uint32_t slot);

// The last committed round's event, and on.
void job_announce_round(struct job *job);
// Of the summaries that the round was committed with; NAN: not told.
struct round_means {
    double train_loss, train_accuracy, parameter_distance;
};
struct round_means job_round_means(const struct job *job);
void job_set_means(struct job *job, const struct round_means *means); // the job's metrics are these
// After a round's commit, with the new version in place: metrics, the event, and on.
void job_conclude_round(struct job *job, double parameter_distance);

// ---- rounds between peers (job_peers.c) -----------------------------------------------------------------

enum {
    JOB_SOURCES_MAX = 3,
    PEER_COPIES =
        2, // learners that end a round with its model, as long as so many are there: one may then die
};

bool job_between_peers(const struct job *job);
bool job_peers_agree(const struct job *job);                     // everyone ends a round with the same model
enum status job_peers_new(struct job *job, struct error *error); // nothing for other topologies
void job_peers_free(struct job *job);
// Instead of a commit: those who have trained are told to exchange; job_conclude_round or a failed round
// follows.
void job_peers_start(struct job *job);
void job_peers_exchanged(struct job *job, struct member *member, const cohort_v1_Exchanged *exchanged);
// In the exchange that has just been made.
bool job_peers_took_part(const struct job *job, uint32_t slot);
void job_peers_write_notes(const struct job *job, struct bytes *ret);
void job_peers_read_notes(struct job *job, const char *notes);
// The slot's learner is not there any more.
void job_peers_lost(struct job *job, uint32_t slot);
// Tells the slot's learner, in its assignment, who has the model that the round starts from.
void job_peers_sources(const struct job *job, uint32_t slot, cohort_v1_Peer ret[JOB_SOURCES_MAX],
                       cohort_v1_Assignment *assignment);

// ---- events ---------------------------------------------------------------------------------------------

void job_event_state(struct job *job);
void job_event_learner(struct job *job, const struct member *member, const char *message);
void job_set_metric(struct job *job, const char *name, double value); // NAN: left out

// The committed model of `round` (the last one for UINT32_MAX) if it is in memory, with a reference for the
// caller. UNAVAILABLE while it is being replaced, NOT_FOUND when it is not there (any more).
enum status job_version(const struct job *job, uint32_t round, struct version **ret, struct error *error);
// The file of a committed model, in memory to be freed; NULL without a state folder.
char *job_model_path(const struct job *job, uint32_t round);
