// cohort run: an experiment from one file, on this machine, with a real coordinator and real learners.
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/stop.h"
#include "cli/command.h"
#include "cli/download.h"
#include "cli/event_stream.h"
#include "cli/experiment_file.h"
#include "cli/local.h"
#include "cli/peer_models.h"
#include "cli/run_folder.h"
#include "cli/run_records.h"
#include "cli/steer.h"
#include "cli/traces.h"
#include "nn/blas.h"
#include <math.h>
#include <pb_decode.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { STOP_GRACE_MS = 5000, LOOK_MS = 50, BREAK_WAIT_MS = 1000, GATHER_MS = 20 };

struct session {
    struct experiment experiment;
    struct bytes yaml, shapes; // resolved; what the model looks like
    struct run_folder place;
    const char *folder; // where it is until the end
    char *logs;
    bool begun, complete;
    uint32_t n_learners, n_processes;
    bool quiet;
    FILE *trace; // NULL: none
    int64_t started_ns;
    struct processes processes;
    struct rpc_runtime *runtime;
    struct rpc_channel *channel;
    struct run *run;
    struct run_chain *chain;
    struct progress *progress;
    char experiment_id[64];
    bool cancelled;
};

// ---- before anything starts -----------------------------------------------------------------------------

static enum status make_folder(struct session *session, const char *out, struct error *error)
{
    TRY(run_folder_open(&session->place, out, session->experiment.options.name, error));
    session->folder = session->place.aside;
    session->logs = file_join(session->folder, "logs");
    cleanup_free char *path = file_join(session->folder, "experiment.yaml");
    if (!session->logs || !path)
        return error_no_memory(error, 4096);
    TRY(file_write(path, session->yaml.data, session->yaml.n, true, error));
    TRY(file_make_folder(session->logs, error));
    return run_open(&session->run, session->folder, error);
}

static enum status read_experiment(struct session *session, const char *path, const struct texts *sets,
                                   int64_t seed, struct error *error)
{
    TRY(experiment_file_load(&session->experiment, path, sets, seed, error));
    if (!session->experiment.options.has_data)
        return error_set(error, STATUS_INVALID_ARGUMENT,
                         "%s: 'data' is missing, which `cohort run` shares out among the learners; add data: "
                         "{format: ..., "
                         "train: ...}",
                         path);
    TRY(experiment_file_check(&session->experiment, &session->shapes, error));
    experiment_dump(&session->experiment, &session->yaml);
    return session->yaml.failed || session->shapes.failed ? error_no_memory(error, session->yaml.n)
                                                          : STATUS_OK;
}

// ---- the experiment -------------------------------------------------------------------------------------

static enum status start_processes(struct session *session, struct error *error)
{
    char address[256];
    TRY(processes_open(&session->processes, session->logs, error));
    session->processes.traced = session->trace;
    TRY(local_start_coordinator(&session->processes, address, sizeof address, error));
    TRY(local_start_topology(&session->processes, address,
                             &session->experiment.options.collaboration.topology, "learner",
                             session->n_learners, session->n_processes, error));
    TRY(rpc_runtime_new(&session->runtime, 1, error));
    return rpc_channel_new(&session->channel, session->runtime, address, error);
}

// The stream of events broke: when that is because a process died, its end says more. A process that is
// killed closes its connections a moment before it can be waited for.
static enum status explain_break(struct session *session, struct error *error)
{
    struct error death = ERROR_INIT;
    enum status status = error->status;
    int64_t until_ms = clock_monotonic_ms() + BREAK_WAIT_MS;
    do {
        if (processes_check(&session->processes, &death) != STATUS_OK) {
            *error = death;
            return death.status;
        }
        usleep(1000);
    } while (clock_monotonic_ms() < until_ms);
    return status;
}

static enum status follow_records(struct session *session, struct run_records *records, struct error *error)
{
    const struct event_wish wish = {.experiment_id = session->experiment_id, .gather_ms = GATHER_MS};
    struct event_stream *stream = NULL;
    TRY(event_stream_new(&stream, session->channel, &wish, run_records_event, records, error));
    enum status status = STATUS_OK;
    while (status == STATUS_OK && !event_stream_wait(stream, LOOK_MS)) {
        if (stop_asked()) { // the first stop cancels the experiment, the second ends this program at once
            if (session->cancelled)
                status = error_set(error, STATUS_CANCELLED, "stopped");
            else
                steer_cancel(session->channel, session->experiment_id, "interrupted");
            session->cancelled = true;
        }
        if (status == STATUS_OK)
            status = processes_check(&session->processes, error);
    }
    if (status == STATUS_OK && event_stream_status(stream, error) != STATUS_OK)
        status = explain_break(session, error);
    event_stream_free(stream);
    return status;
}

static enum status follow(struct session *session, struct error *error)
{
    struct run_records *records = NULL;
    const struct run_records_options options = {.n_learners = session->n_learners,
                                                .evaluated =
                                                    session->experiment.options.data.has_test ||
                                                    session->experiment.options.evaluation.holdout > 0,
                                                .run = session->run,
                                                .chain = session->chain,
                                                .progress = session->progress};
    TRY(run_records_new(&records, &options, error));
    enum status status = follow_records(session, records, error);
    if (status == STATUS_OK)
        status = run_records_flush(records, error);
    run_records_free(records);
    return status;
}

// ---- the result -----------------------------------------------------------------------------------------

static double metric_of(const cohort_v1_Experiment *experiment, const char *name)
{
    for (pb_size_t i = 0; i < experiment->metrics_count; i++)
        if (strcmp(experiment->metrics[i].name, name) == 0)
            return experiment->metrics[i].value;
    return NAN;
}

static const char *status_of(const cohort_v1_Experiment *experiment)
{
    switch (experiment->state) {
    case cohort_v1_ExperimentState_EXPERIMENT_STATE_COMPLETED:
        return experiment->round < experiment->rounds ? "stopped_early" : "completed";
    case cohort_v1_ExperimentState_EXPERIMENT_STATE_CANCELLED:
        return "cancelled";
    default:
        return "failed";
    }
}

// Of an experiment that did not complete, learners may have no model any more.
static enum status fetch_peers(struct session *session, const cohort_v1_Experiment *experiment,
                               enum peer_pattern pattern, char ret_sha256[SHA256_HEX_BYTES],
                               char ret_note[256], struct error *error)
{
    bool completed = experiment->state == cohort_v1_ExperimentState_EXPERIMENT_STATE_COMPLETED;
    enum status status = peer_models_fetch(session->runtime, session->channel, pattern, experiment->id,
                                           experiment->round, session->folder, ret_sha256, ret_note, error);
    return completed ? status : STATUS_OK;
}

static enum status fetch_model(struct session *session, const cohort_v1_Experiment *experiment,
                               char ret_sha256[SHA256_HEX_BYTES], char ret_note[256], struct error *error)
{
    const struct choice *choice = &session->experiment.options.collaboration.topology;
    const struct topology_kind *topology = (const struct topology_kind *)(const void *)choice->kind;
    if (topology->peers != PEERS_NONE)
        return fetch_peers(session, experiment, topology->peers, ret_sha256, ret_note, error);
    cleanup_free char *path = file_join(session->folder, "model.safetensors");
    if (!path)
        return error_no_memory(error, strlen(session->folder));
    return download_model(session->channel, session->experiment_id, UINT32_MAX, path, ret_sha256, error);
}

static enum status write_results(struct session *session, const cohort_v1_Experiment *experiment,
                                 struct error *error)
{
    char sha256[SHA256_HEX_BYTES] = "", note[256] = "", blas[128];
    blas_describe(blas, sizeof blas);
    if (experiment->round > 0)
        TRY(fetch_model(session, experiment, sha256, note, error));
    const struct run_summary summary = {
        .experiment = experiment->name,
        .seed = (uint64_t)session->experiment.options.seed,
        .rounds = experiment->round,
        .status = status_of(experiment),
        .message = *experiment->message ? experiment->message
                   : *note              ? note
                                        : NULL,
        .test_accuracy = metric_of(experiment, "test_accuracy"),
        .test_loss = metric_of(experiment, "test_loss"),
        .train_loss = metric_of(experiment, "train_loss"),
        .local_accuracy = metric_of(experiment, "local_accuracy"),
        .local_accuracy_worst = metric_of(experiment, "local_accuracy_worst"),
        .local_accuracy_std = metric_of(experiment, "local_accuracy_std"),
        .local_loss = metric_of(experiment, "local_loss"),
        .wall_seconds = (double)(clock_monotonic_ns() - session->started_ns) * 1e-9,
        .bytes_up = experiment->bytes_up,
        .bytes_down = experiment->bytes_down,
        .model_parameters = experiment->model_parameters,
        .model_sha256 = sha256,
        .coordinator_peak_rss = experiment->coordinator_peak_rss_bytes,
        .learner_peak_rss = steer_learner_peak(session->channel, ""),
        .blas = blas,
        .learners = session->n_learners,
        .processes = session->n_processes,
        .version = COHORT_VERSION,
        .summaries_rejected = experiment->summaries_rejected,
    };
    TRY(run_chain_write(session->chain, session->folder, error));
    TRY(run_finish(session->run, &summary, session->yaml.data, session->shapes.data, error));
    progress_finish(session->progress, &summary, session->place.path);
    session->complete = true;
    return STATUS_OK;
}

static enum status finish(struct session *session, struct error *error)
{
    cohort_v1_GetExperimentResponse response = cohort_v1_GetExperimentResponse_init_zero;
    TRY(steer_experiment(session->channel, session->experiment_id, &response, error));
    enum status status = write_results(session, &response.experiment, error);
    if (status == STATUS_OK)
        status = steer_outcome(&response.experiment, error);
    pb_release(cohort_v1_GetExperimentResponse_fields, &response);
    return status;
}

// ---- the command ----------------------------------------------------------------------------------------

static enum status run_experiment(struct session *session, struct error *error)
{
    const struct progress_options progress = {
        .out = stdout,
        .live = isatty(STDOUT_FILENO),
        .quiet = session->quiet,
        .rounds = (uint32_t)session->experiment.options.collaboration.rounds,
        .learners = session->n_learners,
        .experiment = session->experiment.options.name,
    };
    TRY(progress_new(&session->progress, &progress, error));
    progress_note(session->progress, "starting %u learners in %u processes", session->n_learners,
                  session->n_processes);
    TRY(start_processes(session, error));
    TRY(steer_create(session->channel, &session->experiment, "", session->experiment_id, error));
    TRY(run_chain_new(&session->chain, session->yaml.data, error));
    TRY(follow(session, error));
    return finish(session, error);
}

// Programs write the rest of their traces as they end.
static enum status session_release(struct session *session, enum status status, struct error *error)
{
    if (session->channel)
        rpc_channel_free(session->channel);
    processes_stop(&session->processes, STOP_GRACE_MS);
    if (session->runtime)
        rpc_runtime_free(session->runtime);
    if (session->trace) {
        enum status traced = traces_close(session->trace, session->logs, status == STATUS_OK ? error : NULL);
        status = status == STATUS_OK ? traced : status;
    }
    if (session->complete) {
        enum status placed = run_folder_finish(&session->place, status == STATUS_OK ? error : NULL);
        status = status == STATUS_OK ? placed : status;
    }
    run_folder_release(&session->place, session->begun);
    progress_free(session->progress);
    run_free(session->run);
    run_chain_free(session->chain);
    bytes_release(&session->yaml);
    bytes_release(&session->shapes);
    experiment_release(&session->experiment);
    memory_free(session->logs);
    return status;
}

static enum status choose_processes(struct session *session, int64_t wanted, struct error *error)
{
    session->n_learners = (uint32_t)session->experiment.options.collaboration.learners;
    const struct choice *topology = &session->experiment.options.collaboration.topology;
    session->n_processes = wanted ? (uint32_t)wanted : local_n_processes(topology, session->n_learners);
    if (wanted > session->n_learners)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "--processes %lld is more than the experiment's %u learners; give at most one a learner",
            (long long)wanted, session->n_learners);
    return local_check_processes(topology, session->n_processes, error);
}

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct session session = {.started_ns = clock_monotonic_ns(), .place = RUN_FOLDER_INIT};
    struct texts words = {0}, sets = {0};
    const char *out = NULL, *trace = NULL;
    int64_t processes = 0, seed = -1;
    const struct argument table[] = {
        {"--out", ARGUMENT_TEXT, &out, "DIR", "folder for the results (default runs/NAME-TIME)"},
        {"--processes", ARGUMENT_COUNT, &processes, "N",
         "processes that host the learners (default one each, up to 8 a core)"},
        {"--seed", ARGUMENT_COUNT, &seed, "N", "override the experiment's seed"},
        {"--set", ARGUMENT_TEXTS, &sets, "KEY.PATH=VALUE", "override an option; may be given several times"},
        {"--trace", ARGUMENT_TEXT, &trace, "FILE",
         "write what each ms of a round goes to, for chrome://tracing and ui.perfetto.dev"},
        {"--wire", ARGUMENT_FLAG, &session.processes.wire, NULL,
         "send models and summaries as between machines; else processes of one machine read each other's "
         "memory"},
        {"--quiet", ARGUMENT_FLAG, &session.quiet, NULL, "print nothing but errors"},
        {0},
    };
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    enum status status = experiment_file_arguments(command, table, argc, argv, &words, error);
    if (status == STATUS_OK)
        status = read_experiment(&session, words.items[0], &sets, seed, error);
    if (status == STATUS_OK)
        status = choose_processes(&session, processes, error);
    if (status == STATUS_OK)
        status = make_folder(&session, out, error);
    if (status == STATUS_OK && trace)
        status = traces_open(&session.trace, trace, error);
    if (status == STATUS_OK) {
        stop_block();
        session.begun = true;
        status = run_experiment(&session, error);
    }
    status = session_release(&session, status, error);
    memory_free(words.items);
    memory_free(sets.items);
    return status;
}

const struct command command_run = {
    .name = "run",
    .usage =
        "cohort run FILE [--out DIR] [--processes N] [--seed N] [--set KEY.PATH=VALUE]... [--trace FILE] "
        "[--wire] [--quiet]",
    .help = "Trains an experiment's model with a coordinator and learners as processes on this machine",
    .details =
        "The folder holds experiment.yaml (resolved), metrics.jsonl, records.jsonl, summary.json,\n"
        "model.safetensors, report.html and logs/. Until the run is complete it is called DIR.unfinished.\n",
    .run = run,
};
