// A learner's state file, as it finds it when it starts anew. The first byte chooses the experiment; the
// second says whether the rest is the file, or (odd) a line of a header and the vectors of a file that is
// whole and of this experiment. What is taken up serves for the next round, and is kept and taken up again as
// the same.
#include "base/bytes.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "fuzz.h"
#include "learner/host.h"
#include <stdio.h>
#include <string.h>

enum { HEADER_BYTES = 512, FILE_BYTES_MAX = 1 << 20 };

// What learners keep: values of their own, what a codec has lost, both, and a summary alone.
static const char *const experiments[] = {
    "algorithm: ditto",
    "algorithm: ditto, codec: {kind: top_k, fraction: 0.2}",
    "algorithm: fedavg, codec: int8",
    "algorithm: scaffold",
};

static struct learner_options options;
static struct host host = {.options = &options, .n_learners = 1, .lock = PTHREAD_MUTEX_INITIALIZER};
static struct {
    struct study *study;
    struct variant *variant;
    char path[512];
} trials[ARRAY_SIZE(experiments)];

static void begin(const char *folder)
{
    static const struct shape sample = {.rank = 1, .extents = {4}};
    log_open("fuzz", LOG_ERROR, LOG_TEXT);
    options.state_folder = folder;
    for (size_t i = 0; i < ARRAY_SIZE(experiments); i++) {
        char yaml[512], id[16];
        struct error error = ERROR_INIT;
        snprintf(id, sizeof id, "fuzz-%zu", i);
        snprintf(yaml, sizeof yaml,
                 "name: fuzz\nmodel: {layers: [dense: {units: 3}], loss: cross_entropy}\n"
                 "training: {optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 4}\n"
                 "collaboration: {%s, learners: 2, rounds: 9}\n",
                 experiments[i]);
        enum status status =
            study_open(&host, id, yaml, &(struct experiment_origin){0}, &trials[i].study, &error);
        if (status == STATUS_OK)
            status = study_bind(trials[i].study, &sample, 3, TARGET_CLASS, 0, &trials[i].variant, &error);
        if (status != STATUS_OK)
            fprintf(stderr, "%s\n", error.message);
        fuzz_require(status == STATUS_OK);
        snprintf(trials[i].path, sizeof trials[i].path, "%s/%s.site-a.state", folder, id);
    }
}

static struct learner learner_of(size_t trial)
{
    return (struct learner){
        .host = &host, .name = "site-a", .study = trials[trial].study, .variant = trials[trial].variant};
}

static bool never(void *user)
{
    return true;
}

// ---- the file -------------------------------------------------------------------------------------------

static void write_file(const char *path, const void *data, size_t n)
{
    FILE *file = fopen(path, "wbe");
    fuzz_require(file && fwrite(data, 1, n, file) == n && fclose(file) == 0);
}

// How its header begins, up to what stands for the experiment: from a file that an honest learner keeps.
static const char *beginning_of(size_t trial)
{
    static char beginnings[ARRAY_SIZE(experiments)][HEADER_BYTES / 4];
    char *ret = beginnings[trial];
    if (*ret)
        return ret;
    struct learner learner = learner_of(trial);
    struct bytes file = BYTES_INIT;
    fuzz_require(learner_allocate_vectors(&learner));
    if (!learner.own)
        learner.residual = memory_floats(plan_summary_values(&learner.variant->plan));
    learner_keep_state(&learner, never, NULL);
    fuzz_require(bytes_read_file(&file, trials[trial].path, FILE_BYTES_MAX, NULL) == STATUS_OK);
    fuzz_require(sscanf(file.data, "%127[a-z0-9 -]", ret) == 1 && strlen(ret) > SHA256_HEX_BYTES);
    size_t words = strcspn(ret, " ") + 1;
    words += strcspn(ret + words, " ") + SHA256_HEX_BYTES;
    fuzz_require(words < HEADER_BYTES / 4);
    ret[words] = '\0';
    bytes_release(&file);
    learner_free_vectors(&learner);
    return ret;
}

// A header with that line after the identity, and as many bytes as it announces.
static void write_whole(size_t trial, const uint8_t *data, size_t n)
{
    char header[HEADER_BYTES] = "", line[HEADER_BYTES] = "";
    const uint8_t *end = n ? memchr(data, '\n', n) : NULL;
    size_t length = end ? (size_t)(end - data) : n, announced[3] = {0}, sum = 0;
    snprintf(line, sizeof line, "%.*s", (int)(length < HEADER_BYTES ? length : HEADER_BYTES - 1),
             (const char *)data);
    snprintf(header, sizeof header, "%s %.380s\n", beginning_of(trial), line);
    sscanf(line, "%*s %*s %zu %zu %zu", &announced[0], &announced[1], &announced[2]);
    for (size_t i = 0; i < 3; i++)
        sum += announced[i] < FILE_BYTES_MAX / 8 ? announced[i] : 0;
    uint8_t *file = memory_zalloc(HEADER_BYTES + sum + SHA256_BYTES);
    fuzz_require(file != NULL);
    size_t rest = n - length - (end != NULL);
    memcpy(file, header, HEADER_BYTES);
    memcpy(file + HEADER_BYTES, data + n - rest, rest < sum ? rest : sum);
    sha256_of(file, HEADER_BYTES + sum, file + HEADER_BYTES + sum);
    write_file(trials[trial].path, file, HEADER_BYTES + sum + SHA256_BYTES);
    memory_free(file);
}

// ---- what is taken up -----------------------------------------------------------------------------------

static void keep(struct learner *learner, const char *path, struct bytes *ret)
{
    learner->round = learner->kept_round;
    learner_keep_state(learner, never, NULL);
    fuzz_require(bytes_read_file(ret, path, FILE_BYTES_MAX, NULL) == STATUS_OK);
}

static void use(struct learner *learner)
{
    struct error error = ERROR_INIT;
    size_t n = 0;
    const uint8_t *summary = learner_summary_bytes(learner, &n);
    unsigned int sum = 0;
    for (size_t i = 0; i < n; i++) // as it would be sent: a sanitizer sees what is read beyond it
        sum += summary[i];
    memset(learner->shared, 0, plan_shared_values(&learner->study->plan) * sizeof(float));
    fuzz_require(learner_encode(learner, 1 + sum % 8, &error) == STATUS_OK);
    learner_summary_bytes(learner, &n);
    fuzz_require(n <= FILE_BYTES_MAX);
}

static void check(size_t trial, struct learner *learner)
{
    const char *path = trials[trial].path;
    struct bytes first = BYTES_INIT, second = BYTES_INIT;
    struct learner again = learner_of(trial);
    fuzz_require(strlen(learner->model_id) < sizeof learner->model_id);
    keep(learner, path, &first);
    fuzz_require(learner_restore_state(&again, NULL) == STATUS_OK && again.own_begun);
    keep(&again, path, &second);
    fuzz_require(first.n == second.n && memcmp(first.data, second.data, first.n) == 0);
    use(&again);
    learner_free_vectors(&again);
    bytes_release(&first);
    bytes_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *folder = fuzz_folder();
    struct error error = ERROR_INIT;
    if (!trials[0].study)
        begin(folder);
    size_t trial = fuzz_byte(&data, &n) % ARRAY_SIZE(experiments);
    struct learner learner = learner_of(trial);
    if (fuzz_byte(&data, &n) % 2)
        write_whole(trial, data, n);
    else
        write_file(trials[trial].path, data, n);
    if (learner_restore_state(&learner, &error) != STATUS_OK)
        fuzz_require(error.status == STATUS_DATA_LOSS && error.message[0] && !learner.own_begun);
    else if (learner.own_begun)
        check(trial, &learner);
    learner_free_vectors(&learner);
    return 0;
}
