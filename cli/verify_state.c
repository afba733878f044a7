// A coordinator's state folder: every experiment's records and text in the journal, and the files that they
// name.
#include "base/file.h"
#include "base/memory.h"
#include "cli/verify.h"
#include "experiment/experiment.h"
#include "store/journal.h"
#include "topology/topology.h"
#include <stdio.h>
#include <string.h>

struct look {
    const char *folder; // of one experiment
    struct chain chain;
    uint32_t n_models; // that are there
};

// The round's file, if it is kept.
static enum status check_kept(struct look *look, const char *ending, const uint8_t expected[SHA256_BYTES],
                              uint32_t round, bool *ret_there, struct error *error)
{
    char name[64];
    snprintf(name, sizeof name, "round-%06u.%s", round, ending);
    cleanup_free char *path = file_join(look->folder, name);
    if (!path)
        return error_no_memory(error, sizeof name);
    *ret_there = file_exists(path);
    return *ret_there ? verify_file(look->folder, name, expected, round, error) : STATUS_OK;
}

static enum status see_record(void *user, const char *line, struct error *error)
{
    struct look *look = user;
    bool model, state;
    TRY(chain_add(&look->chain, line, strlen(line), error));
    const struct record *last = &look->chain.last;
    if (last->round == 0)
        return STATUS_OK;
    TRY(check_kept(look, "safetensors", last->model, last->round, &model, error));
    look->n_models += model;
    return check_kept(look, "state", last->state, last->round, &state, error);
}

// Whether the coordinator holds the models; else learners do.
static bool holds_models(const char *yaml)
{
    struct experiment experiment = {0};
    bool parsed = experiment_parse(&experiment, yaml, strlen(yaml), "experiment", NULL, 0, NULL) == STATUS_OK;
    const struct topology_kind *kind =
        parsed ? (const void *)experiment.options.collaboration.topology.kind : NULL;
    bool holds = !kind || kind->peers == PEERS_NONE;
    experiment_release(&experiment);
    return holds;
}

// What it goes on from must be there.
static enum status check_last(const struct look *look, const char *id, const char *yaml, struct error *error)
{
    char name[64];
    if (look->chain.last.round == 0 || !holds_models(yaml))
        return STATUS_OK;
    snprintf(name, sizeof name, "round-%06u.safetensors", look->chain.last.round);
    cleanup_free char *path = file_join(look->folder, name);
    if (path && file_exists(path))
        return STATUS_OK;
    return error_set(error, STATUS_DATA_LOSS,
                     "experiment '%s': round %u: its model '%s' is missing; restore it from a copy", id,
                     look->chain.last.round, path ? path : name);
}

static enum status check_text(const struct look *look, const struct journal_experiment *experiment,
                              struct error *error)
{
    uint8_t sha256[SHA256_BYTES];
    sha256_of(experiment->yaml, strlen(experiment->yaml), sha256);
    if (memcmp(sha256, look->chain.first.inputs, SHA256_BYTES) == 0)
        return STATUS_OK;
    return error_set(
        error, STATUS_DATA_LOSS,
        "round 0: the experiment's text in the journal is not what its record says; it was changed");
}

struct all {
    struct journal *journal;
    const char *folder;
};

static enum status check_experiment(const struct all *all, const struct journal_experiment *experiment,
                                    struct look *look, struct error *error)
{
    if (journal_each_record(all->journal, experiment->id, see_record, look, error) != STATUS_OK ||
        (look->chain.n && check_text(look, experiment, error) != STATUS_OK))
        return error_prefix(error, "experiment '%s'", experiment->id);
    return look->chain.n ? check_last(look, experiment->id, experiment->yaml, error) : STATUS_OK;
}

static enum status see_experiment(void *user, const struct journal_experiment *experiment,
                                  struct error *error)
{
    const struct all *all = user;
    cleanup_free char *folder = file_join(all->folder, experiment->id);
    if (!folder)
        return error_no_memory(error, strlen(experiment->id));
    struct look look = {.folder = folder};
    TRY(check_experiment(all, experiment, &look, error));
    printf("%s: %u rounds, as they were recorded; %u models kept\n", experiment->id, look.chain.last.round,
           look.n_models);
    return STATUS_OK;
}

enum status verify_state(const char *folder, struct error *error)
{
    struct all all = {.folder = folder};
    TRY(journal_open_read(&all.journal, folder, error));
    enum status status = journal_each_experiment(all.journal, see_experiment, &all, error);
    journal_close(all.journal);
    return status;
}
