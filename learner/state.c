// What a learner must not lose between rounds, where its algorithm or codec keeps anything: its own values,
// what its codec has lost, and the summary that went with them. They are on disk before the summary is sent,
// so a learner that is killed at any moment either makes the round's summary again from what it had before,
// or sends the very one that it had made.
//
// A file: a line of text with lengths, then vectors back to back, then the SHA-256 of all before.
#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "learner/host.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HEADER_BYTES = 512, RETRY_MS = 500 };

static bool is_plain(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/');
}

// NULL where nothing is kept.
static char *path_of(const struct learner *learner)
{
    const char *folder = learner->host->options->state_folder;
    const char *id = learner->study->id;
    if (!folder || !is_plain(id))
        return NULL;
    return memory_format("%s/%s.%s.state", folder, id, learner->name);
}

struct vectors {
    const void *data[3];
    size_t bytes[3];
};

static struct vectors vectors_of(const struct learner *learner)
{
    const struct algorithm_plan *plan = &learner->variant->plan;
    struct vectors vectors = {{learner->own, learner->residual, NULL}, {0, 0, 0}};
    vectors.bytes[0] = learner->own ? plan->n_own * sizeof(float) : 0;
    vectors.bytes[1] = learner->residual ? plan_summary_values(plan) * sizeof(float) : 0;
    vectors.data[2] = learner_summary_bytes(learner, &vectors.bytes[2]);
    return vectors;
}

// Which experiment the state is of: its text, and the learner's place in it.
static void identify(const struct learner *learner, char ret[SHA256_HEX_BYTES])
{
    uint8_t digest[SHA256_BYTES];
    struct sha256 *hash = sha256_new();
    memset(digest, 0, sizeof digest);
    if (hash) {
        sha256_add(hash, learner->study->yaml, strlen(learner->study->yaml));
        sha256_add(hash, &learner->index, sizeof learner->index);
        sha256_finish(hash, digest);
    }
    sha256_free(hash);
    sha256_hex(digest, ret);
}

// ---- keeping --------------------------------------------------------------------------------------------

struct writing {
    const struct learner *learner;
    const char *path;
    struct vectors vectors;
    char header[HEADER_BYTES];
    struct sha256 *hash;
};

static enum status put(int fd, const struct writing *writing, const void *data, size_t n, struct error *error)
{
    sha256_add(writing->hash, data, n);
    return file_write_all(fd, data, n, writing->path, error);
}

static enum status fill(int fd, void *context, struct error *error)
{
    struct writing *writing = context;
    uint8_t digest[SHA256_BYTES];
    TRY(put(fd, writing, writing->header, HEADER_BYTES, error));
    for (size_t i = 0; i < 3; i++)
        TRY(put(fd, writing, writing->vectors.data[i], writing->vectors.bytes[i], error));
    sha256_finish(writing->hash, digest);
    return file_write_all(fd, digest, sizeof digest, writing->path, error);
}

static void format_header(const struct learner *learner, const struct vectors *vectors,
                          char ret[HEADER_BYTES])
{
    char identity[SHA256_HEX_BYTES];
    identify(learner, identity);
    memset(ret, 0, HEADER_BYTES);
    snprintf(ret, HEADER_BYTES,
             "cohort-learner-state 2 %s %" PRIu32 " %s %zu %zu %zu %d %" PRIu64 " %a %a %a %a\n", identity,
             learner->round, learner->model_id, vectors->bytes[0], vectors->bytes[1], vectors->bytes[2],
             learner->encoded != NULL, learner->result.weight, learner->result.train_loss,
             learner->result.train_accuracy, learner->result.train_seconds,
             learner->result.parameter_distance);
}

static enum status write_once(const struct learner *learner, const char *path, struct error *error)
{
    struct writing writing = {
        .learner = learner, .path = path, .vectors = vectors_of(learner), .hash = sha256_new()};
    if (!writing.hash)
        return error_no_memory(error, HEADER_BYTES);
    format_header(learner, &writing.vectors, writing.header);
    TRY(file_make_folder(learner->host->options->state_folder, error));
    enum status status = file_write_by(path, fill, &writing, true, error);
    sha256_free(writing.hash);
    return status;
}

void learner_keep_state(const struct learner *learner, bool (*is_void)(void *user), void *user)
{
    struct error error = ERROR_INIT;
    cleanup_free char *path = path_of(learner);
    if (!path || (!learner->own && !learner->residual) || learner_between_peers(learner))
        return; // what is lost is made again, the same
    while (write_once(learner, path, &error) != STATUS_OK) {
        log_error("cannot keep what the next round needs; trying again", LOG_S("learner", learner->name),
                  LOG_S("error", error.message));
        if (is_void(user))
            return;
        usleep(RETRY_MS * 1000);
    }
}

// ---- taking up again ------------------------------------------------------------------------------------

struct header {
    char identity[SHA256_HEX_BYTES], model_id[DIGEST_HEX_BYTES];
    uint32_t round;
    size_t bytes[3];
    int encoded;
    uint64_t weight;
    double train_loss, train_accuracy, train_seconds, parameter_distance;
};

static bool read_header(const struct bytes *file, struct header *ret)
{
    char text[HEADER_BYTES + 1] = "";
    if (file->n < HEADER_BYTES + SHA256_BYTES)
        return false;
    memcpy(text, file->data, HEADER_BYTES);
    int n = sscanf(text,
                   "cohort-learner-state 2 %64s %" SCNu32 " %16s %zu %zu %zu %d %" SCNu64 " %la %la %la %la",
                   ret->identity, &ret->round, ret->model_id, &ret->bytes[0], &ret->bytes[1], &ret->bytes[2],
                   &ret->encoded, &ret->weight, &ret->train_loss, &ret->train_accuracy, &ret->train_seconds,
                   &ret->parameter_distance);
    return n == 12;
}

static bool is_whole(const struct bytes *file)
{
    uint8_t digest[SHA256_BYTES];
    sha256_of(file->data, file->n - SHA256_BYTES, digest);
    return memcmp(digest, file->data + file->n - SHA256_BYTES, SHA256_BYTES) == 0;
}

// Whether its lengths are those of this experiment.
static bool fits(const struct learner *learner, const struct header *header, size_t file_bytes)
{
    const struct algorithm_plan *plan = &learner->variant->plan;
    size_t n = plan_summary_values(plan) * sizeof(float);
    if (header->bytes[0] != plan->n_own * sizeof(float) || (header->bytes[1] && header->bytes[1] != n))
        return false;
    size_t encoded = learner_encoded_bytes(learner, header->round); // the next summary is put there too
    if (!header->encoded != (encoded == 0) || header->bytes[2] != (encoded ? encoded : n))
        return false;
    return file_bytes == HEADER_BYTES + header->bytes[0] + header->bytes[1] + header->bytes[2] + SHA256_BYTES;
}

static bool make_room(struct learner *learner, const struct header *header)
{
    bool room = learner_allocate_vectors(learner);
    if (header->bytes[1] && !learner->residual)
        learner->residual = memory_floats(header->bytes[1] / sizeof(float));
    if (header->encoded && !learner->encoded)
        learner->encoded = memory_alloc(header->bytes[2] ? header->bytes[2] : 1);
    return room && (!header->bytes[1] || learner->residual) && (!header->encoded || learner->encoded);
}

static void take_up(struct learner *learner, const struct header *header, const char *data)
{
    if (header->bytes[0])
        memcpy(learner->own, data, header->bytes[0]);
    if (header->bytes[1])
        memcpy(learner->residual, data + header->bytes[0], header->bytes[1]);
    memcpy(header->encoded ? (void *)learner->encoded : learner->summary,
           data + header->bytes[0] + header->bytes[1], header->bytes[2]);
    learner->n_encoded = header->encoded ? header->bytes[2] : 0;
    learner->own_begun = true;
    learner->has_sha256 = learner->offered = false;
    learner->kept_round = header->round;
    memcpy(learner->model_id, header->model_id, sizeof learner->model_id);
    learner->result.weight = header->weight;
    learner->result.train_loss = header->train_loss;
    learner->result.train_accuracy = header->train_accuracy;
    learner->result.train_seconds = header->train_seconds;
    learner->result.parameter_distance = header->parameter_distance;
}

enum status learner_restore_state(struct learner *learner, struct error *error)
{
    cleanup_free char *path = path_of(learner);
    struct bytes file = BYTES_INIT;
    struct header header = {0};
    char identity[SHA256_HEX_BYTES];
    if (!path || !file_exists(path) || learner_between_peers(learner))
        return STATUS_OK;
    TRY(bytes_read_file(&file, path, SIZE_MAX / 2, error));
    identify(learner, identity);
    enum status status = STATUS_OK;
    if (!read_header(&file, &header) || !is_whole(&file))
        status = error_set(error, STATUS_DATA_LOSS,
                           "'%s' is damaged; restore it from a copy, or remove it to begin anew", path);
    else if (strcmp(identity, header.identity) != 0)
        log_info("what an earlier experiment kept is not taken up", LOG_S("file", path));
    else if (!fits(learner, &header, file.n))
        status = error_set(error, STATUS_DATA_LOSS,
                           "'%s' is of another version of Cohort; remove it to begin anew", path);
    else if (!make_room(learner, &header))
        status = error_no_memory(error, file.n);
    else
        take_up(learner, &header, file.data + HEADER_BYTES);
    bytes_release(&file);
    return status;
}
