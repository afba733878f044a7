// cohort verify: whether a run's folder is what the run left, and comes out the same again.
#include "cli/verify.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/command.h"
#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MODEL_BYTES = 1 << 20 };

static enum status read_chain(const char *folder, struct chain *ret, struct error *error)
{
    cleanup_free char *path = file_join(folder, "records.jsonl");
    return path ? chain_read(ret, path, error) : error_no_memory(error, strlen(folder));
}

static enum status hash_stream(FILE *file, const char *path, uint8_t ret[SHA256_BYTES], struct error *error)
{
    struct sha256 *hash = sha256_new();
    cleanup_free char *block = memory_alloc(MODEL_BYTES);
    enum status status = hash && block ? STATUS_OK : error_no_memory(error, MODEL_BYTES);
    for (size_t n = MODEL_BYTES; status == STATUS_OK && n == MODEL_BYTES;) {
        n = fread(block, 1, MODEL_BYTES, file);
        sha256_add(hash, block, n);
        if (ferror(file))
            status = error_errno(error, errno, "cannot read", path);
    }
    if (status == STATUS_OK)
        sha256_finish(hash, ret);
    sha256_free(hash);
    return status;
}

static enum status hash_file(const char *path, uint8_t ret[SHA256_BYTES], struct error *error)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return error_errno(error, errno, "cannot read", path);
    enum status status = hash_stream(file, path, ret, error);
    fclose(file);
    return status;
}

enum status verify_file(const char *folder, const char *name, const uint8_t expected[SHA256_BYTES],
                        uint32_t round, struct error *error)
{
    uint8_t sha256[SHA256_BYTES];
    cleanup_free char *path = file_join(folder, name);
    if (!path)
        return error_no_memory(error, strlen(folder));
    TRY(hash_file(path, sha256, error));
    if (memcmp(sha256, expected, SHA256_BYTES) == 0)
        return STATUS_OK;
    return error_set(error, STATUS_DATA_LOSS, "round %u: '%s' is not what its record says; it was changed",
                     round, path);
}

static int is_model(const struct dirent *entry)
{
    const char *ending = strrchr(entry->d_name, '.');
    return ending && strcmp(ending, ".safetensors") == 0;
}

static enum status hash_models(const char *folder, struct dirent **entries, int n, uint8_t ret[SHA256_BYTES],
                               struct error *error)
{
    struct sha256 *hash = sha256_new();
    enum status status = hash ? STATUS_OK : error_no_memory(error, SHA256_BYTES);
    for (int i = 0; i < n && status == STATUS_OK; i++) {
        uint8_t one[SHA256_BYTES] = {0};
        char hex[SHA256_HEX_BYTES];
        cleanup_free char *path = file_join(folder, entries[i]->d_name);
        status = path ? hash_file(path, one, error) : error_no_memory(error, strlen(folder));
        sha256_hex(one, hex);
        sha256_add(hash, hex, SHA256_HEX_BYTES - 1);
    }
    if (status == STATUS_OK)
        sha256_finish(hash, ret);
    sha256_free(hash);
    return status;
}

// Under gossip each learner has a model of its own, and the record the hash over theirs, in the order of
// their numbers, which is that of their names. Those of learners that took no part in the last round are not
// in it: then there is nothing to compare with.
static enum status check_models(const char *folder, const struct record *last, struct error *error)
{
    cleanup_free char *models = file_join(folder, "models");
    struct dirent **entries = NULL;
    uint8_t sha256[SHA256_BYTES] = {0};
    int n = models ? scandir(models, &entries, is_model, versionsort) : -1;
    if (n < 0)
        return error_set(error, STATUS_NOT_FOUND, "cannot read the models in '%s'", folder);
    bool comparable = (uint32_t)n == last->summaries;
    enum status status = comparable ? hash_models(models, entries, n, sha256, error) : STATUS_OK;
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    if (status == STATUS_OK && comparable && memcmp(sha256, last->model, SHA256_BYTES) != 0)
        return error_set(error, STATUS_DATA_LOSS,
                         "round %u: the models in '%s' are not what its record says; one was changed",
                         last->round, models);
    return status;
}

static enum status check(const char *folder, struct chain *ret, struct error *error)
{
    static const uint8_t nothing[SHA256_BYTES];
    TRY(read_chain(folder, ret, error));
    TRY(verify_file(folder, "experiment.yaml", ret->first.inputs, 0, error));
    if (ret->last.round == 0 || memcmp(ret->last.model, nothing, SHA256_BYTES) == 0)
        return STATUS_OK;
    cleanup_free char *models = file_join(folder, "models");
    if (models && file_exists(models))
        return check_models(folder, &ret->last, error);
    return verify_file(folder, "model.safetensors", ret->last.model, ret->last.round, error);
}

// ---- once more ------------------------------------------------------------------------------------------

static enum status run_again(const char *folder, const char *out, struct error *error)
{
    cleanup_free char *yaml = file_join(folder, "experiment.yaml");
    char *const arguments[] = {(char *)"cohort",       (char *)"run",     yaml, (char *)"--out",
                               (char *)(uintptr_t)out, (char *)"--quiet", NULL};
    pid_t pid;
    int result = 0;
    if (!yaml)
        return error_no_memory(error, strlen(folder));
    int failed = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, arguments, environ);
    if (failed)
        return error_errno(error, failed, "cannot start", "cohort run");
    while (waitpid(pid, &result, 0) < 0 && errno == EINTR)
        continue;
    if (!WIFEXITED(result) || WEXITSTATUS(result) != 0)
        return error_set(error, STATUS_ABORTED, "'%s' did not run again; what it said stands above", yaml);
    return STATUS_OK;
}

static enum status compare(const struct chain *before, const struct chain *again, struct error *error)
{
    size_t n = before->text.n < again->text.n ? before->text.n : again->text.n, at = 0;
    uint32_t round = 0;
    while (at < n && before->text.data[at] == again->text.data[at])
        round += before->text.data[at++] == '\n';
    if (at == before->text.n && at == again->text.n)
        return STATUS_OK;
    return error_set(
        error, STATUS_DATA_LOSS,
        "round %u came out another when the experiment was run again; see docs/reproducibility.md for "
        "what must be the same (data, BLAS kernels, version)",
        round);
}

static enum status replay(const char *folder, const struct chain *before, struct error *error)
{
    char folder_above[] = "/tmp/cohort-verify-XXXXXX";
    struct chain again = CHAIN_INIT;
    if (!mkdtemp(folder_above))
        return error_errno(error, errno, "cannot make the folder", folder_above);
    cleanup_free char *out = file_join(folder_above, "run");
    enum status status = out ? STATUS_OK : error_no_memory(error, sizeof folder_above);
    if (status == STATUS_OK)
        status = run_again(folder, out, error);
    if (status == STATUS_OK)
        status = read_chain(out, &again, error);
    if (status == STATUS_OK)
        status = compare(before, &again, error);
    chain_release(&again);
    file_remove_tree(folder_above);
    return status;
}

static bool is_state_folder(const char *folder)
{
    cleanup_free char *journal = file_join(folder, "journal.db");
    return journal && file_exists(journal);
}

static enum status verify(const char *folder, bool replayed, struct error *error)
{
    struct chain chain = CHAIN_INIT;
    if (is_state_folder(folder))
        return replayed ? error_set(error, STATUS_INVALID_ARGUMENT,
                                    "'%s' is a coordinator's state folder, which cannot be replayed; leave "
                                    "--replay out",
                                    folder)
                        : verify_state(folder, error);
    enum status status = check(folder, &chain, error);
    if (status == STATUS_OK && replayed)
        status = replay(folder, &chain, error);
    if (status == STATUS_OK)
        printf("%s: %u rounds, %s\n", folder, chain.last.round,
               replayed ? "which come out the same again" : "as they were recorded");
    chain_release(&chain);
    return status;
}

static enum status run(const struct command *command, int argc, char **argv, struct error *error)
{
    bool replayed = false;
    const struct argument table[] = {
        {"--replay", ARGUMENT_FLAG, &replayed, NULL, "run the experiment again and compare every round"},
        {0},
    };
    if (arguments_want_help(argc, argv)) {
        command_help(command, table);
        return STATUS_OK;
    }
    struct texts words = {0};
    enum status status = arguments_read(table, argc, argv, &words, 1, error);
    if (status == STATUS_OK && words.n == 0)
        status = error_set(error, STATUS_INVALID_ARGUMENT, "a folder is needed; usage: %s", command->usage);
    if (status == STATUS_OK)
        status = verify(words.items[0], replayed, error);
    memory_free(words.items);
    return status;
}

const struct command command_verify = {
    .name = "verify",
    .usage = "cohort verify FOLDER [--replay]",
    .help = "Checks that a run's records, model and experiment are as the run left them",
    .details =
        "Names the round of whatever was changed. FOLDER is what `cohort run` made, or the state folder\n"
        "of a coordinator that does not run: then all its experiments and every model that is kept.\n",
    .run = run,
};
