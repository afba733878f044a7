// What an experiment does in the pool, outside of the lock: make the model, commit a round.
#include "algorithm/commit.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/trace.h"
#include "coordinator/job.h"
#include "data/format.h"
#include "experiment/coding.h"
#include "store/safetensors.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    RANGE_VALUES = 1 << 18,    // reduced and re-updated by a thread at a time
    IN_PLACE_VALUES = 4 << 20, // larger models are replaced in place when nobody reads them; others lie by
                               // turns in two places
};

// ---- preparing ------------------------------------------------------------------------------------------

static struct shape shape_of(const cohort_v1_DataSignature *data)
{
    struct shape shape = {.rank = data->sample_shape_count};
    for (unsigned int i = 0; i < shape.rank; i++)
        shape.extents[i] = data->sample_shape[i];
    return shape;
}

// What preparing makes, outside of the lock; the job takes it over whole or not at all.
struct prepared {
    struct model *model;
    struct algorithm_plan plan;
    struct layout layout;
    struct version *first;
    struct coded *coded;
    struct ingest *ingest;
    struct test_data test;
};

static void prepared_release(struct prepared *prepared)
{
    workspace_free(prepared->test.workspace);
    dataset_release(&prepared->test.dataset);
    ingest_unref(prepared->ingest);
    version_unref(prepared->first);
    coded_unref(prepared->coded);
    layout_release(&prepared->layout);
    model_free(prepared->model);
}

static enum status load_test(const struct job *job, struct prepared *ret, struct error *error)
{
    const struct experiment_options *options = &job->experiment.options;
    if (job_between_peers(job) || !options->has_data || !options->data.has_test ||
        !job->coordinator->options->read_data || ret->plan.shares != SHARES_MODEL)
        return STATUS_OK;
    struct source *train = NULL, *test = NULL;
    TRY(source_open(&train, &options->data.format, &options->data.train, NULL, error));
    enum status status = source_open_test(&test, train, &options->data.test, NULL, error);
    if (status == STATUS_OK && !shape_equal(&source_info(test)->sample, model_input(ret->model)))
        status = error_set(error, STATUS_INVALID_ARGUMENT,
                           "the test samples of '%s' are not shaped like the learners'; check data.test",
                           options->data.test.features);
    if (status == STATUS_OK)
        status = source_read(test, NULL, 0, &ret->test.dataset, error);
    source_close(test);
    source_close(train);
    if (status == STATUS_OK)
        status = workspace_new(&ret->test.workspace, ret->model, JOB_EVALUATION_BATCH, false, error);
    ret->test.present = status == STATUS_OK;
    return status;
}

static const struct algorithm_kind *algorithm_of(const struct job *job)
{
    return (const struct algorithm_kind *)(const void *)job->experiment.options.collaboration.algorithm.kind;
}

static struct algorithm_setting setting_of(const struct job *job, const struct model *model)
{
    const struct experiment_options *options = &job->experiment.options;
    return (struct algorithm_setting){
        .options = options->collaboration.algorithm.options,
        .training = &options->training,
        .model = model,
        .seed = (uint64_t)options->seed,
        .n_learners = (uint32_t)options->collaboration.learners,
        .rounds = (uint32_t)options->collaboration.rounds,
        .n_probe = (size_t)job->data.n_probe,
    };
}

// Into `values` [n_parameters of the model].
static enum status initial_weights(const struct job *job, const struct model *model, float *values,
                                   struct error *error)
{
    const struct experiment_options *options = &job->experiment.options;
    if (!options->model.weights) {
        model_init(model, (uint64_t)options->seed, values);
        return STATUS_OK;
    }
    if (!job->coordinator->options->read_data)
        return error_set(
            error, STATUS_PERMISSION_DENIED,
            "model.weights names a file, but this coordinator reads none; set read_data: true in its "
            "configuration");
    return safetensors_load(options->model.weights, model_layout(model), values, error);
}

static enum status first_prefix(const struct job *job, struct prepared *ret, struct error *error)
{
    size_t n_parameters = model_layout(ret->model)->n_parameters;
    cleanup_free float *all = memory_floats(n_parameters);
    if (!all)
        return error_no_memory(error, n_parameters * sizeof *all);
    TRY(initial_weights(job, ret->model, all, error));
    memcpy(ret->first->values, all, ret->plan.n_values * sizeof *all);
    return STATUS_OK;
}

static enum status first_values(const struct job *job, struct prepared *ret, struct error *error)
{
    const struct algorithm_setting setting = setting_of(job, ret->model);
    TRY(plan_layout(&ret->plan, ret->model, &ret->layout, error));
    if (job_between_peers(job)) { // the learners have the values
        TRY(version_new(&ret->first, &ret->layout, 0, 0, error));
        version_identify(ret->first, NULL);
        return STATUS_OK;
    }
    TRY(version_new(&ret->first, &ret->layout, plan_shared_values(&ret->plan),
                    job_kept_values(job, &ret->plan), error));
    if (ret->plan.shares == SHARES_MODEL)
        TRY(initial_weights(job, ret->model, ret->first->values, error));
    else if (ret->plan.shares == SHARES_PREFIX)
        TRY(first_prefix(job, ret, error));
    if (algorithm_of(job)->begin)
        algorithm_of(job)->begin(&setting, &ret->plan, ret->first->values);
    TRY(job_code_model(job, &(struct coded_setting){&ret->plan, ret->model}, NULL, ret->first, 0, &ret->coded,
                       error));
    version_identify(ret->first, job->coordinator->pool);
    return version_hash(ret->first, ret->first->sha256, error);
}

// The first learner's data decide the model's size: not without bounds.
static enum status check_size(const struct job *job, const struct algorithm_plan *plan, struct error *error)
{
    uint64_t bytes = job_kept_values(job, plan) * sizeof(float),
             sent = plan_summary_values(plan) * sizeof(float);
    uint64_t most = (uint64_t)job->coordinator->options->max_model_bytes;
    if (bytes <= most && sent <= most)
        return STATUS_OK;
    return error_set(
        error, STATUS_RESOURCE_EXHAUSTED,
        "the model has %llu bytes of parameters, with what its algorithm keeps beside them, more than the "
        "%llu of limits.model; raise it in the coordinator's configuration, or make the model smaller",
        (unsigned long long)(bytes > sent ? bytes : sent), (unsigned long long)most);
}

static enum status restore_values(struct job *job, void *prepared, struct error *error)
{
    struct prepared *ret = prepared;
    return job_restore_values(job, &ret->layout, ret->first, error);
}

static enum status prepare(struct job *job, struct prepared *ret, struct error *error)
{
    struct shape shape = shape_of(&job->data);
    TRY(experiment_model(&job->experiment, &shape, (size_t)job->data.n_outputs,
                         job->data.target_values ? TARGET_VALUES : TARGET_CLASS, &ret->model, error));
    const struct algorithm_setting setting = setting_of(job, ret->model);
    TRY(algorithm_plan(algorithm_of(job), &setting, &ret->plan, error));
    TRY(experiment_check_plan(&job->experiment, &ret->plan, error));
    if (!job_between_peers(job))
        TRY(check_size(job, &ret->plan, error));
    TRY(first_values(job, ret, error));
    const struct reduction_room room = {.memory_bytes = (size_t)job->coordinator->options->buffer_bytes,
                                        .folder = job->coordinator->options->state_folder};
    TRY(ingest_new(&ret->ingest, &job->experiment.options.collaboration.reducer,
                   job_between_peers(job) ? 0 : plan_summary_values(&ret->plan), &room, error));
    ingest_set_max_norm(ret->ingest, job->experiment.options.collaboration.max_norm);
    TRY(load_test(job, ret, error));
    return job->recorded ? job_try_until_done(job, restore_values, ret, error)
                         : job_journal_begin(job, ret->first, error);
}

static void install_prepared(struct job *job, const struct prepared *prepared)
{
    job->model = prepared->model;
    job->plan = prepared->plan;
    job->layout = prepared->layout;
    job->current = prepared->first;
    job_hash_tell(job, prepared->first->sha256);
    job->ingest = prepared->ingest;
    job->test = prepared->test;
    job->test.part = (struct part){.dataset = &job->test.dataset, .n_samples = job->test.dataset.n_samples};
    if (job->current->round == 0) {
        downlink_add(&job->downlink, prepared->coded, job->current->n_shared * sizeof(float));
        round_prepared(job->round, clock_monotonic_ms());
        return;
    }
    coded_unref(prepared->coded); // of the initial model, not of the one that was restored
    job->round_started_ns = clock_monotonic_ns();
    round_restore_commit(job->round, job->current->round);
    job_announce_round(job);
}

static void run_prepare(struct pool_job *pool_job)
{
    struct job *job = container_of(pool_job, struct job, prepare_job);
    struct prepared prepared = {0};
    struct error error = ERROR_INIT;
    enum status status = prepare(job, &prepared, &error);
    pthread_mutex_lock(&job->coordinator->lock);
    if (status == STATUS_OK && !job_is_over(job)) {
        install_prepared(job, &prepared);
        prepared = (struct prepared){0};
    } else if (status != STATUS_OK && !job_is_over(job)) {
        snprintf(job->message, sizeof job->message, "%.500s", error.message);
        job->unreadable = job->restored;
        round_fail(job->round, clock_monotonic_ms());
    }
    pthread_mutex_unlock(&job->coordinator->lock);
    prepared_release(&prepared);
}

void job_start_prepare(struct job *job)
{
    job->prepare_job.run = run_prepare;
    pool_post(job->coordinator->pool, &job->prepare_job);
}

// ---- committing -----------------------------------------------------------------------------------------

static enum status reduce(struct job *job, uint32_t number, struct error *error)
{
    const struct experiment_options *options = &job->experiment.options;
    struct commit commit = {
        .kind = algorithm_of(job),
        .step = {.options = options->collaboration.algorithm.options,
                 .training = &options->training,
                 .model = job->model,
                 .plan = &job->plan,
                 .round = number,
                 .rounds = (uint32_t)options->collaboration.rounds,
                 .n_summaries = job->n_committed_summaries,
                 .n_learners = job->n_slots},
        .reduction = ingest_reduction(job->reducing),
        .current = job->current->values,
        .next = job->committing->values,
    };
    TRY(commit_open(&commit, job->coordinator->pool, error));
    if (commit_is_whole(&commit))
        commit_whole(&commit);
    else
        pool_for(job->coordinator->pool, job->plan.n_values, RANGE_VALUES, commit_range, &commit);
    return commit_close(&commit, error);
}

// Whether the next model takes the present one's place in memory.
static enum status choose_place(struct job *job, struct error *error)
{
    struct coordinator *coordinator = job->coordinator;
    pthread_mutex_lock(&coordinator->lock);
    job->in_place = job->current->n_values > IN_PLACE_VALUES && !algorithm_of(job)->resolve &&
                    experiment_sends_models(&job->experiment.options) && version_unshared(job->current);
    if (job->in_place) {
        job->committing = job->current;
    } else if (job->retired && version_unshared(job->retired)) {
        job->committing = job->retired;
        job->retired = NULL;
    }
    pthread_mutex_unlock(&coordinator->lock);
    if (!job->committing)
        TRY(version_new(&job->committing, &job->layout, job->current->n_shared, job->current->n_values,
                        error));
    return STATUS_OK;
}

// Summaries that lie in a file may not be read just now; they are still there.
static enum status reduce_patiently(struct job *job, void *number, struct error *error)
{
    enum status status = reduce(job, *(uint32_t *)number, error);
    bool again = status == STATUS_INTERNAL && !job->in_place; // else the model that it starts from is gone
    return again || status == STATUS_OK ? status : (error->status = STATUS_ABORTED);
}

// `ret_sha256` may be NULL: the hash is made later.
static enum status make_next(struct job *job, uint32_t number, uint8_t *ret_sha256, struct error *error)
{
    int64_t begun_ns = trace_begin();
    TRY(choose_place(job, error));
    TRY(job_try_until_done(job, reduce_patiently, &number, error));
    trace_end("reduce", begun_ns, JOB_TRACK_ROUNDS, number);
    if (!experiment_sends_models(&job->experiment.options))
        TRY(job_code_model(job, &(struct coded_setting){&job->plan, job->model}, job->current,
                           job->committing, number, &job->coded, error));
    version_identify(job->committing, job->coordinator->pool);
    if (!ret_sha256)
        return STATUS_OK;
    begun_ns = trace_begin();
    TRY(version_hash(job->committing, ret_sha256, error));
    trace_end("hash", begun_ns, JOB_TRACK_HASHES, number);
    return STATUS_OK;
}

// Weighted by samples, summed in the order of slots so that the last bit does not depend on who came first.
struct round_means job_round_means(const struct job *job)
{
    double loss = 0, accuracy = 0, squares = 0, weight = 0;
    const uint32_t *selected = round_selected(job->round);
    uint32_t n = selected ? round_n_selected(job->round) : job->n_slots;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = selected ? selected[i] : i;
        if (!round_slot(job->round, slot)->counted)
            continue;
        const struct slot_report *report = &job->slots[slot].report;
        loss += (double)report->weight * report->train_loss;
        accuracy += (double)report->weight * report->train_accuracy;
        squares += (double)report->weight * report->parameter_distance * report->parameter_distance;
        weight += (double)report->weight;
    }
    return (struct round_means){.train_loss = loss / weight,
                                .train_accuracy = accuracy / weight,
                                .parameter_distance = sqrt(squares / weight)};
}

void job_set_means(struct job *job, const struct round_means *means)
{
    job->n_metrics = 0;
    job_set_metric(job, "train_loss", means->train_loss);
    job_set_metric(job, "train_accuracy", means->train_accuracy);
    job_set_metric(job, metric_words[METRIC_PARAMETER_DISTANCE], means->parameter_distance);
}

static void event_committed(struct job *job)
{
    cohort_v1_WatchExperimentResponse *event = &job->committed;
    *event = (cohort_v1_WatchExperimentResponse)cohort_v1_WatchExperimentResponse_init_zero;
    event->which_event = cohort_v1_WatchExperimentResponse_round_committed_tag;
    cohort_v1_RoundCommitted *committed = &event->event.round_committed;
    committed->round = job->current->round;
    sha256_hex(job->current->sha256, committed->model_sha256);
    committed->seconds = (double)(clock_monotonic_ns() - job->round_started_ns) * 1e-9;
    committed->summaries = job->n_committed_summaries;
    committed->metrics_count = job->n_metrics;
    memcpy(committed->metrics, job->metrics, job->n_metrics * sizeof job->metrics[0]);
    if (job->hashing)
        job->early = events_add_early(job->events, event);
    else
        events_add(job->events, event);
}

void job_announce_round(struct job *job)
{
    event_committed(job);
    trace_end("round", job->round_started_ns, JOB_TRACK_ROUNDS, round_number(job->round));
    if (job->evaluating_round)
        job->committed_waits = true; // one evaluation at a time: the curve has every round, memory is bounded
    else
        round_committed(job->round, true, clock_monotonic_ms());
}

void job_conclude_round(struct job *job, double parameter_distance)
{
    const struct round_means means = job_round_means(job);
    job_set_means(job, &means);
    job_set_metric(job, "parameter_distance", parameter_distance);
    job_announce_round(job);
}

// `sha256` NULL: not known yet.
static void take_next(struct job *job, const uint8_t *sha256)
{
    if (!job->in_place) {
        version_unref(job->retired);
        job->retired = job->current->n_values <= IN_PLACE_VALUES ? job->current : version_unref(job->current);
        job->current = job->committing;
    }
    job->current->round = round_number(job->round);
    if (sha256) {
        job_hash_tell(job, sha256);
    } else {
        job->current->hashed = false;
        job_hash_start(job);
    }
    downlink_add(&job->downlink, job->coded, job->current->n_shared * sizeof(float));
    job->coded = NULL;
}

// The experiment is over, or the next model could not be stored or made. One that was made in place is what
// there is now; half of one is nothing.
static void abandon_next(struct job *job, bool made, const uint8_t *sha256, const struct error *error)
{
    if (!job->in_place)
        version_unref(job->committing);
    else if (made)
        take_next(job, sha256);
    else
        job->current = version_unref(job->current);
    job->coded = coded_unref(job->coded);
    if (!job_is_over(job))
        snprintf(job->message, sizeof job->message, "round %u could not be committed: %.400s",
                 round_number(job->round), error->message);
}

// Under the lock.
static void end_commit(struct job *job, bool made, bool stored, const uint8_t *sha256,
                       const struct error *error)
{
    stored = stored && !job_is_over(job);
    if (stored)
        take_next(job, sha256);
    else
        abandon_next(job, made, sha256, error);
    job->committing = NULL;
    job->in_place = false;
    job->reducing = ingest_unref(job->reducing);
    if (stored)
        job_conclude_round(job, (double)NAN);
    else
        round_committed(job->round, false, clock_monotonic_ms());
}

static void run_commit(struct pool_job *pool_job)
{
    struct job *job = container_of(pool_job, struct job, commit_job);
    struct error error = ERROR_INIT;
    uint8_t sha256[SHA256_BYTES];
    uint32_t number = round_number(job->round); // stands while it is committing
    job_hash_await(job);
    uint8_t *wanted = job_hash_can_wait(job, number) ? NULL : sha256;
    bool made = make_next(job, number, wanted, &error) == STATUS_OK;
    bool stored = made && job_journal_commit(job, number, sha256, &error) == STATUS_OK;
    pthread_mutex_lock(&job->coordinator->lock);
    end_commit(job, made, stored, wanted, &error);
    pthread_mutex_unlock(&job->coordinator->lock);
}

// Whether waking another thread would take longer than the commit: a sum of a few values, kept in memory.
static bool is_done_in_no_time(const struct job *job)
{
    const struct reducer_kind *reducer =
        (const struct reducer_kind *)(const void *)job->experiment.options.collaboration.reducer.kind;
    return !job->coordinator->journal && reducer->sums && !algorithm_of(job)->resolve &&
           job->plan.n_values <= SMALL_BYTES_MAX / sizeof(float);
}

void job_start_commit(struct job *job)
{
    trace_end("collect", job->round_started_ns, JOB_TRACK_ROUNDS, round_number(job->round));
    job->reducing = ingest_ref(job->ingest);
    job->commit_job.run = run_commit;
    pool_turn_post(&job->coordinator->turn, is_done_in_no_time(job), job->coordinator->pool,
                   &job->commit_job);
}
