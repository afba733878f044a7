#include "learner/samples.h"
#include "base/memory.h"
#include "data/probe.h"

static enum status read_share(const struct samples_wanted *wanted, struct source *source, struct dataset *ret,
                              struct error *error)
{
    struct partition partition = {0};
    TRY(probe_partition(&wanted->experiment->data, source, wanted->n_learners,
                        (uint64_t)wanted->experiment->seed, &partition, error));
    size_t first = partition.offsets[wanted->index];
    enum status status =
        source_read(source, partition.rows + first, partition.offsets[wanted->index + 1] - first, ret, error);
    partition_release(&partition);
    return status;
}

static enum status read_probe(const struct samples_wanted *wanted, const struct data_options *data,
                              struct source *source, struct dataset *ret, struct error *error)
{
    if (!wanted->probe)
        return STATUS_OK;
    if (!data->has_probe)
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "the experiment compares predictions on shared samples, and this learner has none; "
                         "name their file as data.probe.features in its configuration");
    return probe_read(data, source, (uint64_t)wanted->experiment->seed, ret, error);
}

static enum status read_data(const struct samples_wanted *wanted, struct samples *ret, struct error *error)
{
    const struct learner_options *own = wanted->host;
    const struct data_options *data = own->has_data ? &own->data : &wanted->experiment->data;
    struct source *source = NULL;
    if (!own->has_data && !own->use_experiment_data)
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "this learner has no data; name its files under 'data' in its configuration");
    if (!own->has_data && !wanted->experiment->has_data)
        return error_set(error, STATUS_FAILED_PRECONDITION, "the experiment names no data; add 'data' to it");
    TRY(source_open(&source, &data->format, &data->train, NULL, error));
    enum status status = own->has_data ? source_read(source, NULL, 0, &ret->dataset, error)
                                       : read_share(wanted, source, &ret->dataset, error);
    if (status == STATUS_OK)
        status = read_probe(wanted, data, source, &ret->probe, error);
    source_close(source);
    return status;
}

// Nobody else decides what a learner of data of its own makes of them.
static enum status check_simulation(const struct samples_wanted *wanted, struct error *error)
{
    const struct simulation_options *simulation = &wanted->experiment->simulation;
    const char *pretended = simulation->attack.kind       ? "attack"
                            : simulation->label_noise > 0 ? "label_noise"
                                                          : NULL;
    if (!wanted->host->has_data || !pretended)
        return STATUS_OK;
    return error_set(error, STATUS_FAILED_PRECONDITION,
                     "simulation.%s is for learners that share the experiment's data, as under `cohort run`; "
                     "this one has its own: leave it out",
                     pretended);
}

static enum status split(const struct samples_wanted *wanted, struct samples *ret, struct error *error)
{
    const struct experiment_options *options = wanted->experiment;
    const struct simulated simulated = {.options = &options->simulation,
                                        .seed = (uint64_t)options->seed,
                                        .learner = wanted->index,
                                        .n_learners = wanted->n_learners};
    size_t n = ret->dataset.n_samples;
    ret->rows = memory_array(n, sizeof *ret->rows);
    if (!ret->rows)
        return error_no_memory(error, n * sizeof *ret->rows);
    size_t n_train =
        local_holdout(&options->evaluation, (uint64_t)options->seed, wanted->index, n, ret->rows);
    ret->training = (struct part){&ret->dataset, ret->rows, n_train};
    ret->held_out = (struct part){&ret->dataset, ret->rows + n_train, n - n_train};
    return simulated_spoil_labels(&simulated, &ret->dataset, ret->rows, n_train, error);
}

enum status samples_load(struct samples *ret, const struct samples_wanted *wanted, struct error *error)
{
    *ret = (struct samples){0};
    if (wanted->index >= wanted->n_learners)
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "the coordinator counts learners from 0 and calls this one number %u of %u; update the older of "
            "the two",
            wanted->index, wanted->n_learners);
    TRY(check_simulation(wanted, error));
    enum status status = read_data(wanted, ret, error);
    if (status == STATUS_OK)
        status = split(wanted, ret, error);
    if (status != STATUS_OK)
        samples_release(ret);
    return status;
}

void samples_release(struct samples *samples)
{
    dataset_release(&samples->dataset);
    dataset_release(&samples->probe);
    memory_free(samples->rows);
    *samples = (struct samples){0};
}

enum status samples_load_test(struct dataset *ret, const struct samples_wanted *wanted, struct error *error)
{
    const struct data_options *data = &wanted->experiment->data;
    struct source *train = NULL, *test = NULL;
    if (wanted->host->has_data || !wanted->host->use_experiment_data || !wanted->experiment->has_data ||
        !data->has_test)
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "this learner reads no test data; leave out data.test, or let learners share the "
                         "experiment's data");
    TRY(source_open(&train, &data->format, &data->train, NULL, error));
    enum status status = source_open_test(&test, train, &data->test, NULL, error);
    if (status == STATUS_OK)
        status = source_read(test, NULL, 0, ret, error);
    source_close(test);
    source_close(train);
    return status;
}
