// Summaries that come on the control stream, whole: taken under the lock, as they are small.
#include "coordinator/job.h"
#include <stdio.h>
#include <string.h>

static void refuse(struct member *member, const cohort_v1_SummaryHeader *header, cohort_v1_Reason reason,
                   const char *message)
{
    cohort_v1_AttendResponse response = cohort_v1_AttendResponse_init_zero;
    response.which_event = cohort_v1_AttendResponse_refused_tag;
    cohort_v1_SummaryRefused *refused = &response.event.refused;
    memcpy(refused->experiment_id, header->experiment_id, sizeof refused->experiment_id);
    refused->round = header->round;
    refused->attempt = header->attempt;
    refused->reason = reason;
    snprintf(refused->message, sizeof refused->message, "%.500s", message);
    member_send(member, &response);
}

static const char moved_on[] = "the round was collected anew or is over; wait for the next assignment";

// What came is in the upload: does it count?
static void conclude(struct member *member, struct job_upload *upload)
{
    const cohort_v1_SummaryHeader *header = &upload->header;
    struct error error = *upload_fault(upload->upload);
    enum status status = error.status;
    if (status == STATUS_OK) {
        enum round_whole whole = job_upload_whole(upload, &error);
        if (whole == WHOLE_STALE)
            refuse(member, header, cohort_v1_Reason_REASON_STALE, error.message);
        else if (whole == WHOLE_VOID)
            refuse(member, header, cohort_v1_Reason_REASON_SUPERSEDED, moved_on);
        if (whole != WHOLE_FOLD)
            return;
        status = upload_finish(upload->upload, &error);
    }
    cohort_v1_Reason reason =
        status == STATUS_OK ? cohort_v1_Reason_REASON_UNSPECIFIED : job_upload_reason(&error);
    bool counts = job_upload_end(upload, status, reason, &error);
    if (status != STATUS_OK)
        refuse(member, header, reason, error.message);
    else if (!counts)
        refuse(member, header, cohort_v1_Reason_REASON_SUPERSEDED, moved_on);
}

static enum status begin(struct coordinator *coordinator, const struct member *member,
                         const cohort_v1_SummaryHeader *header, struct job_upload *ret,
                         cohort_v1_Reason *ret_reason, struct error *error)
{
    struct job *job = job_find(coordinator, header->experiment_id);
    *ret_reason = cohort_v1_Reason_REASON_UNKNOWN_EXPERIMENT;
    if (!job || job_is_over(job))
        return error_set(error, STATUS_NOT_FOUND, "there is no experiment '%s' under way",
                         header->experiment_id);
    *ret_reason = cohort_v1_Reason_REASON_UNKNOWN_LEARNER;
    if (strcmp(header->learner, member->name) != 0 || header->incarnation != member->incarnation)
        return error_set(error, STATUS_PERMISSION_DENIED,
                         "learner '%s' sent a summary of '%s'; each sends its own on its control stream",
                         member->name, header->learner);
    *ret_reason = cohort_v1_Reason_REASON_UNSPECIFIED;
    return job_upload_begin(job, header, 0, false, NULL, ret, ret_reason, error);
}

void small_summary(struct coordinator *coordinator, struct member *member,
                   const cohort_v1_SmallSummary *summary)
{
    struct job_upload upload;
    struct error error = ERROR_INIT;
    cohort_v1_Reason reason;
    enum status status = begin(coordinator, member, &summary->header, &upload, &reason, &error);
    if (status != STATUS_OK) {
        if (status != STATUS_ALREADY_EXISTS) // that one is safe
            refuse(member, &summary->header, reason, error.message);
        return;
    }
    if (summary->data && summary->data->size)
        upload_take(upload.upload, 0, summary->data->bytes, summary->data->size);
    conclude(member, &upload);
}
