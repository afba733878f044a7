// cohort.v1.Coordinator: what users call.
#include "base/clock.h"
#include "base/memory.h"
#include "coordinator/coordinator.h"
#include "coordinator/job.h"
#include "coordinator/lease.h"
#include "coordinator/sender.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static struct job *find(struct coordinator *coordinator, const char *id, struct error *error)
{
    struct job *job = job_find(coordinator, id);
    if (!job)
        error_set(error, STATUS_NOT_FOUND,
                  "there is no experiment '%s'; ListExperiments tells which there are", id);
    return job;
}

static void reply_or_fail(struct rpc_call *call, enum status status, const pb_msgdesc_t *fields,
                          const void *response, const struct error *error)
{
    if (status == STATUS_OK)
        rpc_call_reply(call, fields, response);
    else
        rpc_call_fail(call, error);
}

// ---- experiments ----------------------------------------------------------------------------------------

static void create_experiment(struct rpc_call *call, void *service, const void *message)
{
    struct coordinator *coordinator = service;
    const cohort_v1_CreateExperimentRequest *request = message;
    cohort_v1_CreateExperimentResponse response = cohort_v1_CreateExperimentResponse_init_zero;
    struct error error = ERROR_INIT;
    struct job *job = NULL;
    struct rpc_peer user;
    const struct experiment_origin origin = {request->resolved.version, request->resolved.defaults};
    enum status status = job_new(coordinator, request->yaml ? request->yaml : "", &origin, &job, &error);
    rpc_call_quota_peer(call, &user);
    coordinator_lock(coordinator);
    if (status == STATUS_OK)
        snprintf(job->owner, sizeof job->owner, "%s", user.name);
    if (status == STATUS_OK)
        status = job_admit(job, request->request_id, &job, &error);
    if (status == STATUS_OK) {
        coordinator_enrol(coordinator);
        response.has_experiment = true;
        job_describe(job, &response.experiment);
        response.resolved_yaml = job->yaml.data;
    }
    coordinator_unlock(coordinator);
    reply_or_fail(call, status, cohort_v1_CreateExperimentResponse_fields, &response, &error);
}

static void get_experiment(struct rpc_call *call, void *service, const void *message)
{
    struct coordinator *coordinator = service;
    const cohort_v1_GetExperimentRequest *request = message;
    cohort_v1_GetExperimentResponse response = cohort_v1_GetExperimentResponse_init_zero;
    struct error error = ERROR_INIT;
    coordinator_lock(coordinator);
    struct job *job = find(coordinator, request->experiment_id, &error);
    if (job) {
        response.has_experiment = true;
        job_describe(job, &response.experiment);
        response.resolved_yaml = job->yaml.data;
    }
    coordinator_unlock(coordinator);
    reply_or_fail(call, error.status, cohort_v1_GetExperimentResponse_fields, &response, &error);
}

static void list_experiments(struct rpc_call *call, void *service, const void *message)
{
    struct coordinator *coordinator = service;
    cohort_v1_ListExperimentsResponse response = cohort_v1_ListExperimentsResponse_init_zero;
    struct arena arena = ARENA_INIT;
    struct error error = ERROR_INIT;
    coordinator_lock(coordinator);
    response.experiments = arena_array(&arena, coordinator->n_jobs + 1, sizeof *response.experiments);
    for (struct job *job = coordinator->jobs; job && response.experiments; job = job->next)
        job_describe(job, &response.experiments[response.experiments_count++]);
    coordinator_unlock(coordinator);
    if (!response.experiments)
        error_no_memory(&error, sizeof *response.experiments);
    reply_or_fail(call, error.status, cohort_v1_ListExperimentsResponse_fields, &response, &error);
    arena_release(&arena);
}

static void explain_experiment(struct rpc_call *call, void *service, const void *message)
{
    struct coordinator *coordinator = service;
    const cohort_v1_ExplainExperimentRequest *request = message;
    cohort_v1_ExplainExperimentResponse response = cohort_v1_ExplainExperimentResponse_init_zero;
    struct arena arena = ARENA_INIT;
    struct error error = ERROR_INIT;
    coordinator_lock(coordinator);
    struct job *job = find(coordinator, request->experiment_id, &error);
    if (job)
        job_explain(job, &arena, &response);
    coordinator_unlock(coordinator);
    reply_or_fail(call, error.status, cohort_v1_ExplainExperimentResponse_fields, &response, &error);
    arena_release(&arena);
}

// ---- steering -------------------------------------------------------------------------------------------

// The responses of all three have the same single field.
static void steer(struct rpc_call *call, struct coordinator *coordinator, const char *id,
                  void (*event)(struct round *round, int64_t now_ms), const char *message)
{
    cohort_v1_PauseExperimentResponse response = cohort_v1_PauseExperimentResponse_init_zero;
    struct error error = ERROR_INIT;
    coordinator_lock(coordinator);
    struct job *job = find(coordinator, id, &error);
    if (job && job_is_over(job) && event != round_cancel) {
        error_set(&error, STATUS_FAILED_PRECONDITION, "experiment '%s' is over; create a new one", id);
    } else if (job) {
        if (message && !job_is_over(job) && !*job->message)
            snprintf(job->message, sizeof job->message, "%s", message);
        cohort_v1_ExperimentState before = job_state(job);
        event(job->round, clock_monotonic_ms());
        if (!job_is_over(job))
            job_journal_state(job);
        if (job_state(job) != before && !job_is_over(job))
            job_event_state(job);
        response.has_experiment = true;
        job_describe(job, &response.experiment);
    }
    coordinator_unlock(coordinator);
    reply_or_fail(call, error.status, cohort_v1_PauseExperimentResponse_fields, &response, &error);
}

static void pause_experiment(struct rpc_call *call, void *service, const void *message)
{
    steer(call, service, ((const cohort_v1_PauseExperimentRequest *)message)->experiment_id, round_pause,
          NULL);
}

static void resume_experiment(struct rpc_call *call, void *service, const void *message)
{
    steer(call, service, ((const cohort_v1_ResumeExperimentRequest *)message)->experiment_id, round_resume,
          NULL);
}

static void cancel_experiment(struct rpc_call *call, void *service, const void *message)
{
    const cohort_v1_CancelExperimentRequest *request = message;
    steer(call, service, request->experiment_id, round_cancel,
          *request->message ? request->message : "cancelled by a user");
}

// ---- watching -------------------------------------------------------------------------------------------

enum { GATHER_MS_MAX = 10000 };

struct watch {
    struct coordinator *coordinator;
    struct watcher *watcher;
};

// The kinds of events that are wanted; 0: all.
static enum status read_kinds(const cohort_v1_WatchExperimentRequest *request, uint32_t *ret,
                              struct error *error)
{
    *ret = 0;
    for (pb_size_t i = 0; i < request->kinds_count; i++) {
        uint32_t kind = events_kind(request->kinds[i]);
        if (!kind)
            return error_set(error, STATUS_INVALID_ARGUMENT,
                             "'%s' is no kind of event; there are state_changed, round_started, "
                             "round_committed, round_evaluated, learner_changed, learner_evaluated, "
                             "summary_accepted and summary_rejected",
                             request->kinds[i]);
        *ret |= kind;
    }
    return STATUS_OK;
}

// Under the coordinator's lock.
static enum status open_watch(struct watch *watch, struct rpc_call *call,
                              const cohort_v1_WatchExperimentRequest *request, struct error *error)
{
    struct coordinator *coordinator = watch->coordinator;
    int64_t most = coordinator->options->max_watchers;
    struct events_wanted wanted = {.cursor = request->cursor,
                                   .gather_ms = request->gather_ms < GATHER_MS_MAX ? request->gather_ms
                                                                                   : GATHER_MS_MAX};
    TRY(read_kinds(request, &wanted.kinds, error));
    struct job *job = find(coordinator, request->experiment_id, error);
    if (!job)
        return error->status;
    if (most && coordinator->n_watchers >= (size_t)most) {
        coordinator->n_watches_refused++;
        return error_set(error, STATUS_RESOURCE_EXHAUSTED,
                         "'%lld' streams watch already; close some, or raise limits.watchers",
                         (long long)most);
    }
    watch->watcher = events_watch(job->events, call, &wanted);
    if (!watch->watcher)
        return error_no_memory(error, sizeof *watch);
    coordinator->n_watchers++;
    watcher_pump(watch->watcher);
    return STATUS_OK;
}

static void watch_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct watch *watch = user;
    cohort_v1_WatchExperimentRequest request = cohort_v1_WatchExperimentRequest_init_zero;
    struct error error = ERROR_INIT;
    if (watch->watcher)
        return; // one request a call
    if (rpc_message_decode(message, cohort_v1_WatchExperimentRequest_fields, &request, &error) == STATUS_OK) {
        coordinator_lock(watch->coordinator);
        open_watch(watch, call, &request, &error);
        coordinator_unlock(watch->coordinator);
    }
    if (error.status != STATUS_OK)
        rpc_call_finish(call, error.status, error.message);
}

static void watch_writable(struct rpc_call *call, void *user)
{
    struct watch *watch = user;
    coordinator_lock(watch->coordinator);
    if (watch->watcher)
        watcher_pump(watch->watcher);
    coordinator_unlock(watch->coordinator);
}

static void watch_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct watch *watch = user;
    coordinator_lock(watch->coordinator);
    watch->coordinator->n_watchers -= watch->watcher != NULL;
    watcher_free(watch->watcher);
    coordinator_unlock(watch->coordinator);
    memory_free(watch);
}

static const struct rpc_events watch_events = {
    .message = watch_message,
    .writable = watch_writable,
    .closed = watch_closed,
};

static void watch_experiment(struct rpc_call *call, void *service)
{
    struct watch *watch = memory_zalloc(sizeof *watch);
    if (!watch) {
        rpc_call_finish(call, STATUS_RESOURCE_EXHAUSTED, "out of memory; try again later");
        return;
    }
    watch->coordinator = service;
    rpc_call_set_events(call, &watch_events, watch);
    rpc_call_receive(call);
}

// ---- models ---------------------------------------------------------------------------------------------

struct download {
    struct coordinator *coordinator;
    struct lease lease;
    struct sender *sender;
    cohort_v1_ModelHeader header;
    struct arena arena; // of the header's tensors
};

static enum status describe_tensors(const struct job *job, struct download *download, struct error *error)
{
    const struct layout *layout = &job->layout;
    cohort_v1_Tensor *tensors = arena_array(&download->arena, layout->n_tensors, sizeof *tensors);
    if (!tensors)
        return error_no_memory(error, layout->n_tensors * sizeof *tensors);
    for (size_t i = 0; i < layout->n_tensors; i++) {
        snprintf(tensors[i].name, sizeof tensors[i].name, "%s", layout->tensors[i].name);
        tensors[i].shape_count = (pb_size_t)layout->tensors[i].shape.rank;
        for (pb_size_t k = 0; k < tensors[i].shape_count; k++)
            tensors[i].shape[k] = layout->tensors[i].shape.extents[k];
    }
    download->header.tensors = tensors;
    download->header.tensors_count = (pb_size_t)layout->n_tensors;
    return STATUS_OK;
}

static enum status open_stored(const struct job *job, uint32_t round, uint64_t offset,
                               struct download *download, struct error *error)
{
    if (round == UINT32_MAX)
        round = job->record.round;
    cleanup_free char *path = job_model_path(job, round);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return STATUS_NOT_FOUND; // `error` tells already that it is not in memory
    download->header.round = round;
    return sender_of_file(&download->sender, fd, offset, error);
}

static enum status open_download(struct download *download, const cohort_v1_DownloadModelRequest *request,
                                 struct error *error)
{
    struct job *job = find(download->coordinator, request->experiment_id, error);
    uint32_t round = request->has_round ? request->round : UINT32_MAX;
    struct version *version = NULL;
    if (!job)
        return STATUS_NOT_FOUND;
    enum status status = job_version(job, round, &version, error);
    if (status == STATUS_OK) {
        download->header.round = version->round;
        download->header.sha256.size = version->hashed ? SHA256_BYTES : 0;
        memcpy(download->header.sha256.bytes, version->sha256, SHA256_BYTES);
        status = sender_of_version(&download->sender, version, true, request->offset, error);
    } else if (status == STATUS_NOT_FOUND && (job->current || job->recorded)) {
        status = open_stored(job, round, request->offset, download, error);
    }
    if (status != STATUS_OK)
        return status;
    snprintf(download->header.experiment_id, sizeof download->header.experiment_id, "%s", job->id);
    download->header.bytes = sender_total(download->sender);
    return describe_tensors(job, download, error);
}

static void download_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct download *download = user;
    cohort_v1_DownloadModelRequest request = cohort_v1_DownloadModelRequest_init_zero;
    struct error error = ERROR_INIT;
    if (download->sender)
        return; // one request a call
    enum status status = rpc_message_decode(message, cohort_v1_DownloadModelRequest_fields, &request, &error);
    if (status == STATUS_OK) {
        coordinator_lock(download->coordinator);
        status = open_download(download, &request, &error);
        lease_transfers(&download->lease, NULL);
        coordinator_unlock(download->coordinator);
    }
    if (status == STATUS_OK) {
        const cohort_v1_DownloadModelResponse response = {.has_header = true, .header = download->header};
        status = rpc_call_send(call, cohort_v1_DownloadModelResponse_fields, &response, &error);
    }
    if (status != STATUS_OK)
        rpc_call_finish(call, status, error.message);
}

static void download_writable(struct rpc_call *call, void *user)
{
    struct download *download = user;
    lease_renew(&download->lease);
    if (download->sender)
        sender_pump(download->sender, call);
}

static void download_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct download *download = user;
    coordinator_lock(download->coordinator);
    lease_end(&download->lease);
    coordinator_unlock(download->coordinator);
    sender_free(download->sender);
    arena_release(&download->arena);
    memory_free(download);
}

static const struct rpc_events download_events = {
    .message = download_message,
    .writable = download_writable,
    .closed = download_closed,
};

static void download_model(struct rpc_call *call, void *service)
{
    struct download *download = memory_zalloc(sizeof *download);
    if (!download) {
        rpc_call_finish(call, STATUS_RESOURCE_EXHAUSTED, "out of memory; try again later");
        return;
    }
    download->coordinator = service;
    coordinator_lock(download->coordinator);
    lease_begin(&download->coordinator->leases, &download->lease, call);
    coordinator_unlock(download->coordinator);
    rpc_call_set_events(call, &download_events, download);
    rpc_call_receive(call);
}

// ---- learners -------------------------------------------------------------------------------------------

static void describe_learner(const struct member *member, cohort_v1_LearnerInfo *ret)
{
    snprintf(ret->name, sizeof ret->name, "%s", member->name);
    snprintf(ret->version, sizeof ret->version, "%s", member->version);
    snprintf(ret->address, sizeof ret->address, "%s", member->address);
    ret->state = member->state;
    ret->last_seen_unix_ms = member->last_seen_unix_ms;
    ret->peak_rss_bytes = member->peak_rss_bytes;
    ret->has_data = member->has_data;
    ret->data = member->data;
    if (member->job) {
        snprintf(ret->experiment_id, sizeof ret->experiment_id, "%s", member->job->id);
        ret->index = member->slot;
        ret->round = job_round_of(member->job, member->slot);
    }
}

static void list_learners(struct rpc_call *call, void *service, const void *message)
{
    struct coordinator *coordinator = service;
    const cohort_v1_ListLearnersRequest *request = message;
    cohort_v1_ListLearnersResponse response = cohort_v1_ListLearnersResponse_init_zero;
    struct arena arena = ARENA_INIT;
    struct error error = ERROR_INIT;
    coordinator_lock(coordinator);
    struct job *job = *request->experiment_id ? find(coordinator, request->experiment_id, &error) : NULL;
    response.learners = arena_array(&arena, coordinator->n_members + 1, sizeof *response.learners);
    for (struct member *member = coordinator->members; member && response.learners; member = member->next)
        if (!*request->experiment_id || (job && member->claim == job))
            describe_learner(member, &response.learners[response.learners_count++]);
    coordinator_unlock(coordinator);
    if (!response.learners)
        error_no_memory(&error, sizeof *response.learners);
    reply_or_fail(call, error.status, cohort_v1_ListLearnersResponse_fields, &response, &error);
    arena_release(&arena);
}

static void remove_learner(struct rpc_call *call, void *service, const void *message)
{
    struct coordinator *coordinator = service;
    const cohort_v1_RemoveLearnerRequest *request = message;
    cohort_v1_RemoveLearnerResponse response = cohort_v1_RemoveLearnerResponse_init_zero;
    struct error error = ERROR_INIT;
    coordinator_lock(coordinator);
    enum status status = member_remove(coordinator, request->learner, request->message, &error);
    coordinator_enrol(coordinator);
    coordinator_unlock(coordinator);
    reply_or_fail(call, status, cohort_v1_RemoveLearnerResponse_fields, &response, &error);
}

// ---- the service ----------------------------------------------------------------------------------------

#define UNARY(name, handler)                                                                                 \
    {                                                                                                        \
        .path = "/cohort.v1.Coordinator/" #name, .request_fields = cohort_v1_##name##Request_fields,         \
        .request_bytes = sizeof(cohort_v1_##name##Request), .unary = (handler)                               \
    }

static const struct rpc_method methods[] = {
    UNARY(CreateExperiment, create_experiment),
    UNARY(GetExperiment, get_experiment),
    UNARY(ListExperiments, list_experiments),
    {.path = "/cohort.v1.Coordinator/WatchExperiment", .open = watch_experiment},
    UNARY(ExplainExperiment, explain_experiment),
    UNARY(PauseExperiment, pause_experiment),
    UNARY(ResumeExperiment, resume_experiment),
    UNARY(CancelExperiment, cancel_experiment),
    {.path = "/cohort.v1.Coordinator/DownloadModel", .open = download_model},
    UNARY(ListLearners, list_learners),
    UNARY(RemoveLearner, remove_learner),
    {0},
};

struct rpc_service coordinator_service(struct coordinator *coordinator)
{
    return (struct rpc_service){.name = "cohort.v1.Coordinator", .methods = methods, .self = coordinator};
}
