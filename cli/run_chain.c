#include "cli/run_chain.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/memory.h"
#include "store/record.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
    char learner[64];
    uint64_t weight;
};

struct run_chain {
    struct record last;
    struct bytes lines;
    struct input *inputs; // [n_inputs] of the round under way
    size_t n_inputs;
};

static enum status append(struct run_chain *chain, struct record *record, struct error *error)
{
    char line[RECORD_TEXT_BYTES];
    record_seal(record);
    record_format(record, line);
    bytes_format(&chain->lines, "%s\n", line);
    chain->last = *record;
    return chain->lines.failed ? error_no_memory(error, chain->lines.n) : STATUS_OK;
}

enum status run_chain_new(struct run_chain **ret, const char *yaml, struct error *error)
{
    struct run_chain *chain = memory_zalloc(sizeof *chain);
    struct record first = {0};
    if (!chain)
        return error_no_memory(error, sizeof *chain);
    sha256_of(yaml, strlen(yaml), first.inputs);
    enum status status = append(chain, &first, error);
    if (status != STATUS_OK)
        run_chain_free(chain);
    else
        *ret = chain;
    return status;
}

struct run_chain *run_chain_free(struct run_chain *chain)
{
    if (!chain)
        return NULL;
    bytes_release(&chain->lines);
    memory_free(chain->inputs);
    return memory_free(chain);
}

// A summary of a collection that was started over is replaced by the one that counts.
static enum status accepted(struct run_chain *chain, const cohort_v1_SummaryAccepted *event,
                            struct error *error)
{
    size_t i = 0;
    while (i < chain->n_inputs && strcmp(chain->inputs[i].learner, event->learner) != 0)
        i++;
    if (i == chain->n_inputs) {
        struct input *inputs = memory_resize(chain->inputs, i + 1, sizeof *inputs);
        if (!inputs)
            return error_no_memory(error, (i + 1) * sizeof *inputs);
        chain->inputs = inputs;
        chain->n_inputs++;
    }
    snprintf(chain->inputs[i].learner, sizeof chain->inputs[i].learner, "%s", event->learner);
    chain->inputs[i].weight = event->weight;
    return STATUS_OK;
}

static int by_learner(const void *a, const void *b)
{
    return strcmp(((const struct input *)a)->learner, ((const struct input *)b)->learner);
}

static void hash_inputs(struct run_chain *chain, struct record *ret)
{
    struct sha256 *hash = sha256_new();
    char line[128];
    if (chain->n_inputs)
        qsort(chain->inputs, chain->n_inputs, sizeof *chain->inputs, by_learner);
    for (size_t i = 0; hash && i < chain->n_inputs; i++) {
        int n = snprintf(line, sizeof line, "%s %" PRIu64 "\n", chain->inputs[i].learner,
                         chain->inputs[i].weight);
        sha256_add(hash, line, (size_t)n);
        ret->weight += chain->inputs[i].weight;
    }
    if (hash)
        sha256_finish(hash, ret->inputs);
    sha256_free(hash);
    chain->n_inputs = 0;
}

static enum status committed(struct run_chain *chain, const cohort_v1_RoundCommitted *event,
                             struct error *error)
{
    struct record record = {.round = event->round, .summaries = event->summaries};
    memcpy(record.previous, chain->last.hash, SHA256_BYTES);
    for (size_t i = 0; i < SHA256_BYTES && strlen(event->model_sha256) == 2 * SHA256_BYTES; i++) {
        char hex[3] = {event->model_sha256[2 * i], event->model_sha256[2 * i + 1], '\0'};
        record.model[i] = (uint8_t)strtoul(hex, NULL, 16);
    }
    hash_inputs(chain, &record);
    return append(chain, &record, error);
}

enum status run_chain_event(struct run_chain *chain, const cohort_v1_WatchExperimentResponse *event,
                            struct error *error)
{
    switch (event->which_event) {
    case cohort_v1_WatchExperimentResponse_summary_accepted_tag:
        return accepted(chain, &event->event.summary_accepted, error);
    case cohort_v1_WatchExperimentResponse_round_committed_tag:
        return committed(chain, &event->event.round_committed, error);
    default:
        return STATUS_OK;
    }
}

enum status run_chain_write(const struct run_chain *chain, const char *folder, struct error *error)
{
    cleanup_free char *path = file_join(folder, "records.jsonl");
    return path ? file_write(path, chain->lines.data, chain->lines.n, true, error)
                : error_no_memory(error, strlen(folder));
}
