// A small summary, sent on the control stream. It is copied into the message, or left where it is, as the
// next assignment comes when it has been read: so the learner is free at once, and only a refusal is
// answered. When the stream is lost on the way, the assignment comes again.
#include "base/log.h"
#include "base/memory.h"
#include "base/trace.h"
#include "learner/host.h"
#include <string.h>

static size_t summary_bytes(const struct learner *learner, const void **ret)
{
    size_t bytes = 0;
    if (!learner_between_peers(learner)) // there, the values do not go to the coordinator
        *ret = learner_summary_bytes(learner, &bytes);
    return bytes;
}

// What is left where it is, for the coordinator to read: the smallest are sent as fast. What has failed once
// is sent, and so is what a crowd has, where others wait for its room.
static bool stays_in_place(const struct learner *learner, size_t n)
{
    const struct host *host = learner->host;
    return host->is_read && host->n_learners < CROWD && learner->n_retries == 0 && n > SMALL_BYTES_MAX &&
           n <= learner->assignment.place_bytes && n <= CROSS_PLACE_BYTES;
}

bool learner_submits_small(const struct learner *learner)
{
    const void *bytes;
    uint64_t most = learner->assignment.summary_bytes;
    size_t n = summary_bytes(learner, &bytes);
    return most && ((n <= most && n <= SMALL_BYTES_MAX) || stays_in_place(learner, n));
}

static bool fill_values(const struct learner *learner, const void *bytes, size_t n,
                        cohort_v1_SmallSummary *ret)
{
    ret->has_place = stays_in_place(learner, n);
    if (ret->has_place) {
        ret->place = cross_place(0, bytes, n);
        return true;
    }
    ret->data = memory_alloc(PB_BYTES_ARRAY_T_ALLOCSIZE(n));
    if (!ret->data)
        return false;
    ret->data->size = (pb_size_t)n;
    if (n)
        memcpy(ret->data->bytes, bytes, n);
    return true;
}

void learner_submit_small(struct learner *learner)
{
    const void *bytes = NULL;
    size_t n = summary_bytes(learner, &bytes);
    cohort_v1_AttendRequest request = cohort_v1_AttendRequest_init_zero;
    request.which_event = cohort_v1_AttendRequest_summary_tag;
    cohort_v1_SmallSummary *summary = &request.event.summary;
    int64_t begun_ns = trace_begin();
    if (!learner->joined)
        return; // still assigned, and told so again once it has joined
    if (!fill_values(learner, bytes, n, summary)) {
        learner_pause(learner, learner_backoff_ms(learner, learner->n_retries++));
        return;
    }
    summary->has_header = true;
    learner_fill_header(learner, &summary->header);
    learner->assigned = false;
    learner->tally.sent_bytes += n;
    learner_send(learner, &request);
    learner_trace(learner, "submit", begun_ns, summary->header.round);
    memory_free(summary->data);
}

void learner_small_refused(struct learner *learner, const cohort_v1_SummaryRefused *refused)
{
    const cohort_v1_Assignment *last = &learner->assignment;
    if (learner->assigned || learner->kept_round != refused->round || last->round != refused->round ||
        last->attempt != refused->attempt || strcmp(last->experiment_id, refused->experiment_id) != 0)
        return; // it is at another assignment
    if (!learner_may_try_again(refused->reason)) {
        log_warn("summary refused", LOG_S("learner", learner->name), LOG_I("round", refused->round),
                 LOG_S("reason", refused->message));
        return;
    }
    learner->assigned = true;
    if (learner->activity == ACTIVITY_NONE)
        learner_pause(learner, learner_backoff_ms(learner, learner->n_retries++));
}
