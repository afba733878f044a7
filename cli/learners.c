// cohort learners: who attends a coordinator, and an end to it (learners_remove.c).
#include "cli/learners.h"
#include "base/clock.h"
#include "base/memory.h"
#include "cli/event_format.h"
#include "cli/remote.h"
#include "cli/steer.h"
#include "report/human.h"
#include <inttypes.h>
#include <pb_decode.h>
#include <stdio.h>
#include <string.h>

static void print_row(const cohort_v1_LearnerInfo *it, int64_t now_ms)
{
    char samples[HUMAN_BYTES], memory[HUMAN_BYTES], seen[HUMAN_BYTES];
    double age = (double)(now_ms - it->last_seen_unix_ms) * 1e-3;
    printf("%-24s %-10s %-28s %6" PRIu32 " %12s %10s %10s %s\n", it->name, event_learner_state(it->state),
           *it->experiment_id ? it->experiment_id : "-", it->round,
           it->has_data ? human_count(it->data.n_samples, samples) : "-",
           it->peak_rss_bytes ? human_bytes(it->peak_rss_bytes, memory) : "-",
           human_seconds(age > 0 ? age : 0, seen), *it->version ? it->version : "-");
}

static void print_table(const cohort_v1_ListLearnersResponse *response)
{
    int64_t now_ms = clock_unix_ms();
    printf("%-24s %-10s %-28s %6s %12s %10s %10s %s\n", "LEARNER", "STATE", "EXPERIMENT", "ROUND", "SAMPLES",
           "MEMORY", "SEEN AGO", "VERSION");
    for (pb_size_t i = 0; i < response->learners_count; i++)
        print_row(&response->learners[i], now_ms);
}

static void json_row(const cohort_v1_LearnerInfo *it, struct bytes *ret)
{
    bytes_text(ret, "{\"name\": ");
    bytes_json(ret, it->name);
    bytes_format(ret, ", \"state\": \"%s\", \"experiment\": ", event_learner_state(it->state));
    bytes_json(ret, it->experiment_id);
    bytes_format(ret,
                 ", \"index\": %" PRIu32 ", \"round\": %" PRIu32 ", \"samples\": %" PRIu64
                 ", \"peak_rss_bytes\": %" PRIu64 ", \"last_seen_unix_ms\": %" PRId64 ", \"address\": ",
                 it->index, it->round, it->has_data ? it->data.n_samples : 0, it->peak_rss_bytes,
                 it->last_seen_unix_ms);
    bytes_json(ret, it->address);
    bytes_text(ret, ", \"version\": ");
    bytes_json(ret, it->version);
    bytes_text(ret, "}\n");
}

static enum status print_json(const cohort_v1_ListLearnersResponse *response, struct error *error)
{
    struct bytes text = BYTES_INIT;
    for (pb_size_t i = 0; i < response->learners_count; i++)
        json_row(&response->learners[i], &text);
    enum status status = text.failed ? error_no_memory(error, text.n) : STATUS_OK;
    if (status == STATUS_OK && text.n)
        fwrite(text.data, 1, text.n, stdout);
    bytes_release(&text);
    return status;
}

static enum status list(struct remote *remote, const char *experiment, bool json, struct error *error)
{
    char id[64] = "";
    cohort_v1_ListLearnersResponse response = cohort_v1_ListLearnersResponse_init_zero;
    TRY(remote_open(remote, error));
    if (experiment)
        TRY(remote_experiment(remote, experiment, id, error));
    TRY(steer_learners(remote->channel, id, &response, error));
    enum status status = STATUS_OK;
    if (json)
        status = print_json(&response, error);
    else
        print_table(&response);
    pb_release(cohort_v1_ListLearnersResponse_fields, &response);
    return status;
}

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    struct remote remote = {0};
    struct texts words = {0};
    bool json = false;
    const struct argument table[] = {
        REMOTE_ARGUMENTS(&remote),
        {"--json", ARGUMENT_FLAG, &json, NULL, "print a line of JSON a learner"},
        {0},
    };
    if (argc > 1 && strcmp(argv[1], command_learners_remove.name) == 0)
        return command_learners_remove.run(&command_learners_remove, argc - 1, argv + 1, error);
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    enum status status = arguments_read(table, argc, argv, &words, 1, error);
    if (status == STATUS_OK)
        status = list(&remote, words.n ? words.items[0] : NULL, json, error);
    remote_close(&remote);
    memory_free(words.items);
    return status;
}

const struct command command_learners = {
    .name = "learners",
    .usage = "cohort learners [EXPERIMENT] [--coordinator ADDRESS] [--wait SECONDS] [--json]\n"
             "       cohort learners remove NAME...",
    .help = "Lists the learners that attend a coordinator, or those of one experiment; or removes some",
    .details = "`cohort learners remove --help` tells of removing.\n",
    .dials = true,
    .run = run,
};
