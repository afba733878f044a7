#include "cli/download.h"
#include "base/memory.h"
#include "cohort/v1/coordinator.pb.h"
#include <errno.h>
#include <fcntl.h>
#include <pb_decode.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct download {
    const char *method;
    const pb_msgdesc_t *fields; // of the request
    const void *request;
    int fd;
    const char *path;
    struct sha256 *hash;
    bool has_header, has_sha256;
    uint64_t bytes, received;
    uint8_t sha256[SHA256_BYTES];
    struct error error;   // the first
    pthread_mutex_t lock; // guards `ended`
    pthread_cond_t changed;
    bool ended;
};

static bool take(void *user, uint64_t offset, const uint8_t *run, size_t n)
{
    struct download *download = user;
    if (offset != download->received || n > download->bytes - download->received) {
        error_set(&download->error, STATUS_DATA_LOSS, "the coordinator sent bytes out of order; try again");
        return false;
    }
    sha256_add(download->hash, run, n);
    download->received += n;
    while (n) {
        ssize_t k = write(download->fd, run, n);
        if (k < 0 && errno != EINTR) {
            error_errno(&download->error, errno, "cannot write", download->path);
            return false;
        }
        run += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
    }
    return true;
}

static void take_header(struct download *download, const cohort_v1_ModelHeader *header)
{
    download->has_header = true;
    download->bytes = header->bytes;
    download->has_sha256 = header->sha256.size == SHA256_BYTES;
    memcpy(download->sha256, header->sha256.bytes, SHA256_BYTES);
}

static void download_message(struct rpc_call *call, struct rpc_message *message, void *user)
{
    struct download *download = user;
    cohort_v1_DownloadModelResponse response = cohort_v1_DownloadModelResponse_init_zero;
    struct rpc_chunk chunk;
    enum status status = download->has_header
                             ? rpc_message_decode_chunk(message, cohort_v1_DownloadModelResponse_fields,
                                                        &response, &chunk, take, download, &download->error)
                             : rpc_message_decode(message, cohort_v1_DownloadModelResponse_fields, &response,
                                                  &download->error);
    if (status == STATUS_OK && response.has_header)
        take_header(download, &response.header);
    pb_release(cohort_v1_DownloadModelResponse_fields, &response);
    if (status != STATUS_OK || download->error.status != STATUS_OK)
        rpc_call_cancel(call);
    else
        rpc_call_receive(call);
}

static void download_closed(struct rpc_call *call, enum status status, const char *message, void *user)
{
    struct download *download = user;
    if (status != STATUS_OK && download->error.status == STATUS_OK)
        error_set(&download->error, status, "cannot download the model: %s", message);
    pthread_mutex_lock(&download->lock);
    download->ended = true;
    pthread_cond_signal(&download->changed);
    pthread_mutex_unlock(&download->lock);
}

static const struct rpc_events download_events = {.message = download_message, .closed = download_closed};

static enum status receive(struct download *download, struct rpc_channel *channel, struct error *error)
{
    struct rpc_call *call = NULL;
    TRY(rpc_call_start(&call, channel, download->method, 0, false, &download_events, download, error));
    rpc_call_receive(call);
    if (rpc_call_send(call, download->fields, download->request, NULL) == STATUS_OK)
        rpc_call_end(call);
    pthread_mutex_lock(&download->lock);
    while (!download->ended)
        pthread_cond_wait(&download->changed, &download->lock);
    pthread_mutex_unlock(&download->lock);
    rpc_call_unref(call);
    if (download->error.status != STATUS_OK)
        *error = download->error;
    return download->error.status;
}

static enum status check(struct download *download, char ret_sha256[SHA256_HEX_BYTES], struct error *error)
{
    uint8_t sha256[SHA256_BYTES];
    sha256_finish(download->hash, sha256);
    if (download->received != download->bytes ||
        (download->has_sha256 && memcmp(sha256, download->sha256, SHA256_BYTES) != 0))
        return error_set(error, STATUS_DATA_LOSS, "the model arrived damaged (%llu of %llu bytes); try again",
                         (unsigned long long)download->received, (unsigned long long)download->bytes);
    sha256_hex(sha256, ret_sha256);
    return STATUS_OK;
}

static enum status into_file(struct download *download, struct rpc_channel *channel, const char *path,
                             char ret_sha256[SHA256_HEX_BYTES], struct error *error)
{
    cleanup_free char *aside = memory_format("%s.partial", path);
    download->hash = sha256_new();
    if (!aside || !download->hash)
        return error_no_memory(error, strlen(path));
    download->fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (download->fd < 0)
        return error_errno(error, errno, "cannot write", path);
    enum status status = receive(download, channel, error);
    if (status == STATUS_OK)
        status = check(download, ret_sha256, error);
    if (status == STATUS_OK && fsync(download->fd))
        status = error_errno(error, errno, "cannot sync", path);
    if (close(download->fd) && status == STATUS_OK)
        status = error_errno(error, errno, "cannot write", path);
    if (status == STATUS_OK && rename(aside, path))
        status = error_errno(error, errno, "cannot write", path);
    if (status != STATUS_OK)
        unlink(aside);
    return status;
}

enum status download_stream(struct rpc_channel *channel, const char *method, const pb_msgdesc_t *fields,
                            const void *request, const char *path, char ret_sha256[SHA256_HEX_BYTES],
                            struct error *error)
{
    struct download download = {
        .method = method, .fields = fields, .request = request, .path = path, .fd = -1};
    pthread_mutex_init(&download.lock, NULL);
    pthread_cond_init(&download.changed, NULL);
    enum status status = into_file(&download, channel, path, ret_sha256, error);
    sha256_free(download.hash);
    pthread_cond_destroy(&download.changed);
    pthread_mutex_destroy(&download.lock);
    return status;
}

enum status download_model(struct rpc_channel *channel, const char *experiment_id, uint32_t round,
                           const char *path, char ret_sha256[SHA256_HEX_BYTES], struct error *error)
{
    cohort_v1_DownloadModelRequest request = cohort_v1_DownloadModelRequest_init_zero;
    snprintf(request.experiment_id, sizeof request.experiment_id, "%s", experiment_id);
    request.has_round = round != UINT32_MAX;
    request.round = round;
    return download_stream(channel, "/cohort.v1.Coordinator/DownloadModel",
                           cohort_v1_DownloadModelRequest_fields, &request, path, ret_sha256, error);
}
