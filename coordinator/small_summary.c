// Summaries that come on the control stream, whole: taken under the lock, as they are small, or read without
// it from where they lie.
#include "coordinator/job.h"
#include <stdio.h>
#include <string.h>

static void refuse(struct member *member, const cohort_v1_SummaryHeader *header, cohort_v1_Reason reason,
                   const char *message)
{
    cohort_v1_AttendResponse response = cohort_v1_AttendResponse_init_zero;
    if (!member)
        return; // its stream was lost meanwhile
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
                         const cohort_v1_SummaryHeader *header, bool in_place, struct job_upload *ret,
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
    return job_upload_begin(job, header, 0, in_place, NULL, ret, ret_reason, error);
}

static bool begin_or_refuse(struct coordinator *coordinator, struct member *member,
                            const cohort_v1_SummaryHeader *header, bool in_place, struct job_upload *ret)
{
    struct error error = ERROR_INIT;
    cohort_v1_Reason reason;
    enum status status = begin(coordinator, member, header, in_place, ret, &reason, &error);
    if (status != STATUS_OK && status != STATUS_ALREADY_EXISTS) // that one is safe
        refuse(member, header, reason, error.message);
    return status == STATUS_OK;
}

void small_summary(struct coordinator *coordinator, struct member *member,
                   const cohort_v1_SmallSummary *summary)
{
    struct job_upload upload;
    if (!begin_or_refuse(coordinator, member, &summary->header, false, &upload))
        return;
    if (summary->data && summary->data->size)
        upload_take(upload.upload, 0, summary->data->bytes, summary->data->size);
    conclude(member, &upload);
}

// ---- in place -------------------------------------------------------------------------------------------

void summary_in_place(struct coordinator *coordinator, struct member *member,
                      const cohort_v1_SmallSummary *summary, struct summary_reading *ret)
{
    *ret = (struct summary_reading){.member = member};
    if (!begin_or_refuse(coordinator, member, &summary->header, true, &ret->upload))
        return;
    ret->memory = cross_peer_memory(member->cross);
    ret->begun = true;
}

void summary_read(struct summary_reading *reading, const cohort_v1_SmallSummary *summary)
{
    struct upload *upload = reading->upload.upload;
    if (!reading->begun)
        return;
    if (summary->place.offset || summary->place.bytes != reading->upload.bytes) {
        error_set(&reading->error, STATUS_INVALID_ARGUMENT,
                  "a place of %llu bytes from %llu on, where the summary has %llu; tell of all of it",
                  (unsigned long long)summary->place.bytes, (unsigned long long)summary->place.offset,
                  (unsigned long long)reading->upload.bytes);
        return;
    }
    enum status status =
        cross_place_take(reading->memory, &summary->place, upload_take, upload, &reading->error);
    if (status != STATUS_OK && upload_fault(upload)->status != STATUS_OK)
        reading->error = (struct error)ERROR_INIT; // that fault is told of
}

void summary_conclude(struct summary_reading *reading)
{
    struct error *error = &reading->error;
    if (!reading->begun)
        return;
    reading->memory = cross_memory_unref(reading->memory);
    if (error->status == STATUS_OK) {
        conclude(reading->member, &reading->upload);
        return;
    }
    const cohort_v1_SummaryHeader header = reading->upload.header;
    job_upload_end(&reading->upload, STATUS_CANCELLED, cohort_v1_Reason_REASON_UNSPECIFIED, error);
    refuse(reading->member, &header, cohort_v1_Reason_REASON_UNSPECIFIED, error->message); // it is sent then
}
