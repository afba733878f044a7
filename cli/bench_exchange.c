// cohort bench exchange: how long rounds of exchange take, and what they cost, without training.
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/stop.h"
#include "cli/bench.h"
#include "cli/event_stream.h"
#include "cli/local.h"
#include "cli/steer.h"
#include "cli/traces.h"
#include "cohort/v1/coordinator.pb.h"
#include "experiment/experiment.h"
#include "report/history.h"
#include "report/human.h"
#include "report/json.h"
#include <inttypes.h>
#include <pb_decode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STOP_GRACE_MS = 5000, LOOK_MS = 50 };

struct bench {
    // As asked for.
    int64_t learners, parameters, rounds, processes, selected; // selected: in each round; 0: all
    const char *topology, *codec, *downlink, *coordinator;     // coordinator NULL: one of its own
    const char *trace;                                         // a file, or NULL
    bool json;

    FILE *traced; // NULL: none
    struct bytes yaml;
    struct experiment experiment;
    char logs[64]; // a folder, kept only when something failed
    char name[32]; // of the learners, before their number
    struct processes running;
    struct rpc_runtime *runtime;
    struct rpc_channel *channel;
    char experiment_id[64];
    struct history history;
    uint64_t learner_peak_rss;
};

// ---- the experiment -------------------------------------------------------------------------------------

// Inputs of the first layer of a large model: what its shape is made of is of no account, but data and
// outputs stay small beside it.
enum { INPUTS = 1023 };

// Layers with exactly `n` parameters: inputs x units, then units x 1, then 1 x the rest, or one layer of all.
static void describe_model(struct bytes *yaml, uint64_t n, uint64_t learners)
{
    uint64_t units = n > 4 * (INPUTS + 1) ? (n - 1) / (INPUTS + 1) : 0, rest = n - units * (INPUTS + 1);
    bytes_text(yaml, "model:\n  loss: cross_entropy\n  layers:\n");
    if (units)
        bytes_format(yaml,
                     "    - dense: {units: %" PRIu64 ", bias: false}\n    - dense: {units: 1, bias: false}\n",
                     units);
    bytes_format(yaml, "    - dense: {units: %" PRIu64 ", bias: false}\n", rest);
    bytes_format(
        yaml, "data:\n  format: {kind: generated, shape: %d, classes: %" PRIu64 ", samples: %" PRIu64 "}\n",
        units ? INPUTS : 1, rest, learners);
}

static enum status describe(struct bench *bench, struct error *error)
{
    struct bytes *yaml = &bench->yaml;
    bytes_text(yaml, "name: exchange\n");
    describe_model(yaml, (uint64_t)bench->parameters, (uint64_t)bench->learners);
    bytes_format(yaml,
                 "training: {optimizer: sgd, batch_size: 1}\n"
                 "collaboration:\n  algorithm: exchange\n  topology: %s\n  codec: %s\n  downlink: %s\n"
                 "  rounds: %" PRId64 "\n  learners: %" PRId64 "\n",
                 bench->topology, bench->codec, bench->downlink, bench->rounds, bench->learners);
    if (bench->selected && bench->selected < bench->learners) // rounded up to the number selected
        bytes_format(yaml, "  participation: {fraction: %.9f}\n",
                     ((double)bench->selected - 0.5) / (double)bench->learners);
    if (yaml->failed)
        return error_no_memory(error, yaml->n);
    TRY(experiment_parse(&bench->experiment, yaml->data, yaml->n, "the exchange's experiment", NULL, 0,
                         error));
    return STATUS_OK;
}

static enum status check_bounds(const char *name, int64_t value, int64_t most, struct error *error)
{
    if (value >= 1 && value <= most)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT, "%s '%" PRId64 "' must be from 1 to %" PRId64, name,
                     value, most);
}

static enum status check(struct bench *bench, struct error *error)
{
    TRY(check_bounds("--learners", bench->learners, EXPERIMENT_LEARNERS_MAX, error));
    TRY(check_bounds("--parameters", bench->parameters, (int64_t)TENSOR_FLOATS_MAX, error));
    TRY(check_bounds("--rounds", bench->rounds, EXPERIMENT_ROUNDS_MAX, error));
    TRY(check_bounds("--selected", bench->selected ? bench->selected : 1, bench->learners, error));
    TRY(describe(bench, error));
    const struct choice *topology = &bench->experiment.options.collaboration.topology;
    if (!bench->processes)
        bench->processes = local_n_processes(topology, (uint32_t)bench->learners);
    TRY(check_bounds("--processes", bench->processes, bench->learners, error));
    return local_check_processes(topology, (uint32_t)bench->processes, error);
}

// ---- the coordinator's answers --------------------------------------------------------------------------

// Learners that wait there would be taken for the exchange, for which they have no data.
static enum status check_nobody_waits(const struct bench *bench, struct error *error)
{
    cohort_v1_ListLearnersResponse response = cohort_v1_ListLearnersResponse_init_zero;
    TRY(steer_learners(bench->channel, "", &response, error));
    enum status status = STATUS_OK;
    for (pb_size_t i = 0; i < response.learners_count && status == STATUS_OK; i++)
        if (response.learners[i].state == cohort_v1_LearnerState_LEARNER_STATE_JOINED)
            status = error_set(error, STATUS_FAILED_PRECONDITION,
                               "learner '%s' waits for an experiment at '%s' and would be drawn into the "
                               "measurement; stop it, or measure at a coordinator without waiting learners",
                               response.learners[i].name, bench->coordinator);
    pb_release(cohort_v1_ListLearnersResponse_fields, &response);
    return status;
}

// ---- the run --------------------------------------------------------------------------------------------

static enum status start(struct bench *bench, struct error *error)
{
    char address[256];
    const char *folder = getenv("TMPDIR");
    snprintf(bench->logs, sizeof bench->logs, "%.40s/cohort-bench-XXXXXX",
             folder && *folder ? folder : "/tmp");
    if (!mkdtemp(bench->logs))
        return error_set(
            error, STATUS_FAILED_PRECONDITION,
            "cannot make a folder for logs as '%s'; let TMPDIR name a folder that you may write to",
            bench->logs);
    snprintf(bench->name, sizeof bench->name, "bench-%d", (int)getpid());
    TRY(processes_open(&bench->running, bench->logs, error));
    bench->running.traced = bench->traced;
    if (bench->coordinator)
        snprintf(address, sizeof address, "%s", bench->coordinator);
    else
        TRY(local_start_coordinator(&bench->running, address, sizeof address, error));
    TRY(rpc_runtime_new(&bench->runtime, 1, error));
    TRY(rpc_channel_new(&bench->channel, bench->runtime, address, error));
    if (bench->coordinator)
        TRY(check_nobody_waits(bench, error));
    TRY(steer_create(bench->channel, &bench->experiment, "", bench->experiment_id, error));
    return local_start_topology(&bench->running, address, &bench->experiment.options.collaboration.topology,
                                bench->name, (uint32_t)bench->learners, (uint32_t)bench->processes, error);
}

// Keeps how long each round took.
static enum status record_round(void *user, const cohort_v1_WatchExperimentResponse *event,
                                struct error *error)
{
    if (event->which_event == cohort_v1_WatchExperimentResponse_events_lost_tag)
        return error_set(error, STATUS_DATA_LOSS,
                         "rounds were forgotten before they could be read; measure fewer of them");
    if (event->which_event != cohort_v1_WatchExperimentResponse_round_committed_tag)
        return STATUS_OK;
    const cohort_v1_RoundCommitted *committed = &event->event.round_committed;
    const struct round_record record = {
        .round = committed->round, .seconds = committed->seconds, .n_summaries = committed->summaries};
    return history_add_round(user, &record, error);
}

static enum status follow(struct bench *bench, struct error *error)
{
    const struct texts kinds = {.items = (const char *[]){"round_committed"}, .n = 1};
    const struct event_wish wish = {
        .experiment_id = bench->experiment_id, .kinds = &kinds, .gather_ms = LOOK_MS};
    struct event_stream *stream = NULL;
    TRY(event_stream_new(&stream, bench->channel, &wish, record_round, &bench->history, error));
    enum status status = STATUS_OK;
    while (status == STATUS_OK && !event_stream_wait(stream, LOOK_MS)) {
        status = processes_check(&bench->running, error);
        if (status == STATUS_OK && stop_asked())
            status = error_set(error, STATUS_CANCELLED, "stopped");
    }
    if (status != STATUS_OK)
        steer_cancel(bench->channel, bench->experiment_id, "the measurement was stopped");
    else
        status = event_stream_status(stream, error);
    event_stream_free(stream);
    return status;
}

// ---- what it came to ------------------------------------------------------------------------------------

static void print_json(const struct bench *bench, const cohort_v1_Experiment *experiment)
{
    struct bytes text = BYTES_INIT;
    bytes_format(&text,
                 "{\"learners\": %" PRId64 ", \"processes\": %" PRId64 ", \"parameters\": %" PRId64
                 ", \"model_parameters\": %" PRIu64 ", \"rounds\": %u, \"topology\": ",
                 bench->learners, bench->processes, bench->parameters, experiment->model_parameters,
                 experiment->round);
    bytes_json(&text, bench->topology);
    bytes_text(&text, ", \"codec\": ");
    bytes_json(&text, bench->codec);
    bytes_text(&text, ", \"downlink\": ");
    bytes_json(&text, bench->downlink);
    bytes_text(&text, ", \"round_seconds\": {\"median\": ");
    bytes_json_real(&text, history_round_seconds(&bench->history, 0.5));
    bytes_text(&text, ", \"p95\": ");
    bytes_json_real(&text, history_round_seconds(&bench->history, 0.95));
    bytes_format(&text,
                 "}, \"bytes_up\": %" PRIu64 ", \"bytes_down\": %" PRIu64
                 ", \"peak_rss_bytes\": {\"coordinator\": %" PRIu64 ", \"learner\": %" PRIu64 "}}\n",
                 experiment->bytes_up, experiment->bytes_down, experiment->coordinator_peak_rss_bytes,
                 bench->learner_peak_rss);
    if (!text.failed)
        fputs(text.data, stdout);
    bytes_release(&text);
}

static void print_table(const struct bench *bench, const cohort_v1_Experiment *experiment)
{
    char a[HUMAN_BYTES], b[HUMAN_BYTES], c[HUMAN_BYTES];
    printf("%s learners in %" PRId64 " processes, %s parameters, %s, %s up, %s down, %u rounds\n",
           human_count((uint64_t)bench->learners, a), bench->processes,
           human_count(experiment->model_parameters, b), bench->topology, bench->codec, bench->downlink,
           experiment->round);
    printf("  a round        median %.3f ms, p95 %.3f ms\n",
           history_round_seconds(&bench->history, 0.5) * 1e3,
           history_round_seconds(&bench->history, 0.95) * 1e3);
    printf("  bytes          %s up, %s down in all\n", human_bytes(experiment->bytes_up, a),
           human_bytes(experiment->bytes_down, b));
    printf("  peak memory    coordinator %s, learner's process %s; the model is %s\n",
           human_bytes(experiment->coordinator_peak_rss_bytes, a), human_bytes(bench->learner_peak_rss, b),
           human_bytes(experiment->model_parameters * sizeof(float), c));
}

static enum status finish(struct bench *bench, struct error *error)
{
    cohort_v1_GetExperimentResponse response = cohort_v1_GetExperimentResponse_init_zero;
    bench->learner_peak_rss = steer_learner_peak(bench->channel, bench->name);
    TRY(steer_experiment(bench->channel, bench->experiment_id, &response, error));
    const cohort_v1_Experiment *experiment = &response.experiment;
    enum status status = STATUS_OK;
    if (experiment->state != cohort_v1_ExperimentState_EXPERIMENT_STATE_COMPLETED)
        status = error_set(error, STATUS_ABORTED, "the exchange failed in round %u: %s",
                           experiment->round + 1, experiment->message);
    else if (bench->json)
        print_json(bench, experiment);
    else
        print_table(bench, experiment);
    pb_release(cohort_v1_GetExperimentResponse_fields, &response);
    return status;
}

static void bench_release(struct bench *bench, bool failed)
{
    if (bench->channel)
        rpc_channel_free(bench->channel);
    processes_stop(&bench->running, STOP_GRACE_MS);
    if (bench->runtime)
        rpc_runtime_free(bench->runtime);
    if (bench->traced)
        traces_close(bench->traced, bench->logs, NULL);
    if (*bench->logs && !failed)
        file_remove_tree(bench->logs);
    history_release(&bench->history);
    bytes_release(&bench->yaml);
    experiment_release(&bench->experiment);
}

// ---- the command ----------------------------------------------------------------------------------------

static enum status measure(struct bench *bench, struct error *error)
{
    TRY(check(bench, error));
    if (bench->trace)
        TRY(traces_open(&bench->traced, bench->trace, error));
    stop_block();
    TRY(start(bench, error));
    TRY(follow(bench, error));
    return finish(bench, error);
}

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct bench bench = {.learners = 8,
                          .parameters = 1000000,
                          .rounds = 20,
                          .topology = "star",
                          .codec = "f32",
                          .downlink = "f32"};
    const struct argument table[] = {
        {"--learners", ARGUMENT_COUNT, &bench.learners, "N", "learners that exchange (default 8)"},
        {"--parameters", ARGUMENT_COUNT, &bench.parameters, "P",
         "float32 values in the model (default 1000000)"},
        {"--rounds", ARGUMENT_COUNT, &bench.rounds, "R", "rounds to measure (default 20)"},
        {"--topology", ARGUMENT_TEXT, &bench.topology, "T",
         "who exchanges with whom, as in YAML: star (default), \"{kind: tree, relays: 2}\""},
        {"--codec", ARGUMENT_TEXT, &bench.codec, "C", "how summaries become bytes (default f32)"},
        {"--downlink", ARGUMENT_TEXT, &bench.downlink, "C", "how models become bytes (default f32)"},
        {"--coordinator", ARGUMENT_TEXT, &bench.coordinator, "ADDRESS",
         "measure against this coordinator instead of one started for it"},
        {"--processes", ARGUMENT_COUNT, &bench.processes, "N",
         "processes that host the learners (default one each, up to 8 a core)"},
        {"--trace", ARGUMENT_TEXT, &bench.trace, "FILE",
         "write what each ms of a round goes to, for chrome://tracing and ui.perfetto.dev"},
        {"--selected", ARGUMENT_COUNT, &bench.selected, "S",
         "learners selected in each round, the rest only attend (default all)"},
        {"--wire", ARGUMENT_FLAG, &bench.running.wire, NULL,
         "send models and summaries as between machines; else processes of one machine read each other's "
         "memory"},
        {"--json", ARGUMENT_FLAG, &bench.json, NULL, "print one JSON object"},
        {0},
    };
    struct texts words = {0};
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    TRY(arguments_read(table, argc, argv, &words, 0, error));
    enum status status = measure(&bench, error);
    bench_release(&bench, status != STATUS_OK);
    return status;
}

const struct command command_bench_exchange = {
    .name = "exchange",
    .usage = "cohort bench exchange [--learners N] [--parameters P] [--rounds R] [--topology T] [--codec C] "
             "[--downlink C] [--coordinator ADDRESS] [--processes N] [--trace FILE] [--wire] [--json]",
    .help = "Measures rounds of exchange without training",
    .details =
        "A round is from its start to its commit: every learner fetches the model and sends it back, and\n"
        "the coordinator folds, re-updates and hashes. Bytes are those of models and summaries in all\n"
        "rounds; peak memory is what the system counts for a whole process.\n",
    .run = run,
};
