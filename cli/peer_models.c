#include "cli/peer_models.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/download.h"
#include "cli/local.h"
#include "cli/steer.h"
#include "cohort/v1/learner.pb.h"
#include <errno.h>
#include <pb_decode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct peer_models {
    struct rpc_runtime *runtime;
    const char *experiment_id, *folder;
    uint32_t round;
};

static enum status fetch_from(const struct peer_models *it, const cohort_v1_LearnerInfo *learner,
                              const char *path, char ret_sha256[SHA256_HEX_BYTES], struct error *error)
{
    cohort_v1_GetModelRequest request = cohort_v1_GetModelRequest_init_zero;
    struct rpc_channel *channel = NULL;
    snprintf(request.learner, sizeof request.learner, "%s", learner->name);
    snprintf(request.experiment_id, sizeof request.experiment_id, "%s", it->experiment_id);
    request.round = it->round;
    TRY(rpc_channel_new(&channel, it->runtime, learner->address, error));
    enum status status = download_stream(channel, "/cohort.v1.Learner/GetModel",
                                         cohort_v1_GetModelRequest_fields, &request, path, ret_sha256, error);
    rpc_channel_free(channel);
    return status;
}

static int natural_order(const void *a, const void *b)
{
    return strverscmp(((const cohort_v1_LearnerInfo *)a)->name, ((const cohort_v1_LearnerInfo *)b)->name);
}

// Anyone's.
static enum status fetch_one(const struct peer_models *it, const cohort_v1_ListLearnersResponse *learners,
                             char ret_sha256[SHA256_HEX_BYTES], struct error *error)
{
    cleanup_free char *path = file_join(it->folder, "model.safetensors");
    if (!path)
        return error_no_memory(error, strlen(it->folder));
    enum status status =
        error_set(error, STATUS_NOT_FOUND,
                  "no learner has the model any more: each keeps it until it ends or is in another "
                  "experiment; run this one again");
    for (pb_size_t i = 0; i < learners->learners_count && status != STATUS_OK; i++)
        if (*learners->learners[i].address)
            status = fetch_from(it, &learners->learners[i], path, ret_sha256, error);
    return status;
}

static enum status link_first(const struct peer_models *it, const char *first, struct error *error)
{
    cleanup_free char *path = file_join(it->folder, "model.safetensors");
    if (!path)
        return error_no_memory(error, strlen(it->folder));
    unlink(path);
    return link(first, path) == 0 ? STATUS_OK : error_errno(error, errno, "cannot write", path);
}

static enum status fetch_each(const struct peer_models *it, const cohort_v1_ListLearnersResponse *learners,
                              char ret_sha256[SHA256_HEX_BYTES], char ret_note[256], struct error *error)
{
    size_t n = 0;
    cleanup_free char *folder = file_join(it->folder, "models");
    if (!folder)
        return error_no_memory(error, strlen(it->folder));
    TRY(file_make_folder(folder, error));
    for (pb_size_t i = 0; i < learners->learners_count; i++) {
        const cohort_v1_LearnerInfo *learner = &learners->learners[i];
        char sha256[SHA256_HEX_BYTES];
        cleanup_free char *path = memory_format("%s/%s.safetensors", folder, learner->name);
        if (!path)
            return error_no_memory(error, strlen(folder));
        if (!*learner->address || fetch_from(it, learner, path, sha256, error) != STATUS_OK)
            continue; // lost, or in another experiment
        if (n++ > 0)
            continue;
        TRY(link_first(it, path, error));
        memcpy(ret_sha256, sha256, sizeof sha256);
        snprintf(ret_note, 256,
                 "each learner has a model of its own, in models/; model.safetensors is that of %s",
                 learner->name);
    }
    return n ? STATUS_OK
             : error_set(error, STATUS_NOT_FOUND,
                         "no learner has its model any more: each keeps it until it ends "
                         "or is in another experiment; run this one again");
}

enum status peer_models_fetch(struct rpc_runtime *runtime, struct rpc_channel *coordinator,
                              enum peer_pattern pattern, const char *experiment_id, uint32_t round,
                              const char *folder, char ret_sha256[SHA256_HEX_BYTES], char ret_note[256],
                              struct error *error)
{
    const struct peer_models it = {
        .runtime = runtime, .experiment_id = experiment_id, .folder = folder, .round = round};
    cohort_v1_ListLearnersResponse learners = cohort_v1_ListLearnersResponse_init_zero;
    *ret_note = '\0';
    TRY(steer_learners(coordinator, "", &learners, error));
    qsort(learners.learners, learners.learners_count, sizeof *learners.learners, natural_order);
    enum status status = pattern == PEERS_RING ? fetch_one(&it, &learners, ret_sha256, error)
                                               : fetch_each(&it, &learners, ret_sha256, ret_note, error);
    pb_release(cohort_v1_ListLearnersResponse_fields, &learners);
    return status;
}
