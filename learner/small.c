// A small summary, sent on the control stream. It is copied into the message, so the learner is free at once;
// only a refusal is answered. When the stream is lost on the way, the assignment comes again.
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

bool learner_submits_small(const struct learner *learner)
{
    const void *bytes;
    uint64_t most = learner->assignment.summary_bytes;
    size_t n = summary_bytes(learner, &bytes);
    return most && n <= most && n <= SMALL_BYTES_MAX;
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
    summary->data = memory_alloc(PB_BYTES_ARRAY_T_ALLOCSIZE(n));
    if (!summary->data) {
        learner_pause(learner, learner_backoff_ms(learner, learner->n_retries++));
        return;
    }
    summary->has_header = true;
    learner_fill_header(learner, &summary->header);
    summary->data->size = (pb_size_t)n;
    if (n)
        memcpy(summary->data->bytes, bytes, n);
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
