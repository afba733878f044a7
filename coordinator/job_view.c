// What an experiment is doing, for those who ask.
#include "base/clock.h"
#include "base/memory.h"
#include "coordinator/job.h"
#include "coordinator/text.h"
#include <stdio.h>
#include <string.h>

cohort_v1_ExperimentState job_state(const struct job *job)
{
    switch (round_phase(job->round)) {
    case ROUND_WAITING:
        return round_pausing(job->round) ? cohort_v1_ExperimentState_EXPERIMENT_STATE_PAUSED
                                         : cohort_v1_ExperimentState_EXPERIMENT_STATE_WAITING;
    case ROUND_PAUSED:
        return cohort_v1_ExperimentState_EXPERIMENT_STATE_PAUSED;
    case ROUND_DONE:
        switch (round_outcome(job->round)) {
        case ROUND_FAILED:
            return cohort_v1_ExperimentState_EXPERIMENT_STATE_FAILED;
        case ROUND_CANCELLED:
            return cohort_v1_ExperimentState_EXPERIMENT_STATE_CANCELLED;
        default:
            return cohort_v1_ExperimentState_EXPERIMENT_STATE_COMPLETED;
        }
    default:
        return round_pausing(job->round) ? cohort_v1_ExperimentState_EXPERIMENT_STATE_PAUSED
                                         : cohort_v1_ExperimentState_EXPERIMENT_STATE_RUNNING;
    }
}

void job_describe(const struct job *job, cohort_v1_Experiment *ret)
{
    snprintf(ret->id, sizeof ret->id, "%s", job->id);
    snprintf(ret->name, sizeof ret->name, "%s", job->experiment.options.name);
    ret->state = job_state(job);
    ret->round = job->current ? job->told_round : job->record.round;
    if (job->hashing && ret->state == cohort_v1_ExperimentState_EXPERIMENT_STATE_COMPLETED)
        ret->state =
            cohort_v1_ExperimentState_EXPERIMENT_STATE_RUNNING; // until its last model's hash is known
    ret->rounds = (uint32_t)job->experiment.options.collaboration.rounds;
    ret->learners = job->n_slots;
    ret->learners_ready = round_n_ready(job->round);
    ret->model_parameters = job->current ? job->current->n_model : 0;
    if (job->current)
        sha256_hex(job->told_sha256, ret->model_sha256);
    else if (job->recorded)
        sha256_hex(job->record.model, ret->model_sha256);
    ret->bytes_up = job->bytes_up;
    ret->bytes_down = job->bytes_down;
    ret->summaries_rejected = job->n_rejected;
    ret->metrics_count = job->n_metrics;
    memcpy(ret->metrics, job->metrics, job->n_metrics * sizeof job->metrics[0]);
    snprintf(ret->message, sizeof ret->message, "%s", *job->message ? job->message : job->stalled);
    text_clean(ret->message);
    ret->created_unix_ms = job->created_unix_ms;
    ret->coordinator_peak_rss_bytes = memory_peak_rss();
}

uint32_t job_round_of(const struct job *job, uint32_t slot)
{
    uint32_t number = round_slot(job->round, slot)->number;
    return job->rules.continuous && number ? number : round_number(job->round);
}

// ---- explaining -----------------------------------------------------------------------------------------

static void why_awaited(const struct job *job, uint32_t slot, char *ret, size_t bytes)
{
    const struct job_slot *it = &job->slots[slot];
    const struct slot *work = round_slot(job->round, slot);
    uint32_t present = job->current ? job->current->round : 0;
    if (!*it->name)
        snprintf(ret, bytes, "no learner has taken this place yet");
    else if (!it->member)
        snprintf(ret, bytes, "its connection is lost; it goes on when it comes back");
    else if (round_phase(job->round) == ROUND_WAITING)
        snprintf(ret, bytes, "it loads its data");
    else if (round_phase(job->round) == ROUND_EVALUATING)
        snprintf(ret, bytes, "it evaluates the model on data of its own");
    else if (it->kept)
        snprintf(ret, bytes, "its upload broke off after %llu of %llu bytes; it goes on from there",
                 (unsigned long long)job_kept_bytes(job, slot), (unsigned long long)it->kept->bytes);
    else if (work->task == TASK_UPLOADING)
        snprintf(ret, bytes, "it sends its summary");
    else if (work->number <= present)
        snprintf(ret, bytes, "it trains, from the model of %u commit%s ago", present + 1 - work->number,
                 present == work->number ? "" : "s");
    else
        snprintf(ret, bytes, "it trains");
}

// Whether something is expected of the slot: before a round that its learner gets ready, in one that it
// brings its summary.
static bool is_awaited(const struct job *job, uint32_t slot)
{
    const struct member *member = job->slots[slot].member;
    if (round_phase(job->round) == ROUND_WAITING)
        return !member || member->state == cohort_v1_LearnerState_LEARNER_STATE_ENROLLED;
    if (round_phase(job->round) == ROUND_EVALUATING)
        return job->slots[slot].evaluation.asked;
    return round_awaits(job->round, slot, round_slot(job->round, slot)->number);
}

enum { AWAITED_MAX = 1000 }; // named in an answer: nobody reads more

static int64_t unix_of_monotonic(int64_t ms)
{
    return ms ? clock_unix_ms() - (clock_monotonic_ms() - ms) : 0;
}

static void add_awaited(const struct job *job, struct arena *arena, cohort_v1_ExplainExperimentResponse *ret)
{
    enum round_phase phase = round_phase(job->round);
    if (phase != ROUND_WAITING && phase != ROUND_COLLECTING && phase != ROUND_EVALUATING)
        return;
    ret->awaited = arena_array(arena, AWAITED_MAX, sizeof *ret->awaited);
    for (uint32_t slot = 0; ret->awaited && slot < job->n_slots && ret->awaited_count < AWAITED_MAX; slot++) {
        if (!is_awaited(job, slot))
            continue;
        cohort_v1_Awaited *awaited = &ret->awaited[ret->awaited_count++];
        snprintf(awaited->learner, sizeof awaited->learner, "%s", job->slots[slot].name);
        why_awaited(job, slot, awaited->why, sizeof awaited->why);
        awaited->since_unix_ms = unix_of_monotonic(round_slot(job->round, slot)->since_ms);
    }
}

static void explain_waiting(const struct job *job, char *ret, size_t bytes)
{
    uint32_t number = round_number(job->round) + 1, start_with = round_options(job->round)->start_with;
    if (number > 1)
        snprintf(ret, bytes, "round %u starts when at least %u learners are there again (%u are ready)",
                 number, round_minimum(job->round), round_n_ready(job->round));
    else if (start_with)
        snprintf(ret, bytes, "round 1 starts when %u of %u learners are ready (%u are)", start_with,
                 job->n_slots, round_n_ready(job->round));
    else
        snprintf(ret, bytes, "round 1 starts when all %u learners are ready (%u are)", job->n_slots,
                 round_n_ready(job->round));
}

// What makes the round commit: a number of summaries, all of them, or the time.
static void explain_collecting(const struct job *job, char *ret, size_t bytes)
{
    const struct round_options *options = round_options(job->round);
    uint32_t number = round_number(job->round), wanted = round_n_wanted(job->round);
    char all[96] = "all awaited summaries are in";
    if (options->continuous ? options->target : wanted < round_n_selected(job->round))
        snprintf(all, sizeof all, "%u summaries are in (%u are)", wanted, round_n_submitted(job->round));
    if (options->deadline_ms)
        snprintf(ret, bytes, "round %u commits when %s, or after its %s with at least %u of them", number,
                 all, job->rules.period_ms ? "period" : "deadline",
                 options->continuous ? round_minimum(job->round)
                                     : round_needed(job->round, round_n_submitted(job->round)));
    else
        snprintf(ret, bytes, "round %u commits when %s; there is no deadline", number, all);
}

static void explain_next(const struct job *job, cohort_v1_ExplainExperimentResponse *ret)
{
    uint32_t number = round_number(job->round),
             rounds = (uint32_t)job->experiment.options.collaboration.rounds;
    char *next = ret->next;
    size_t n = sizeof ret->next;
    switch (round_phase(job->round)) {
    case ROUND_WAITING:
        explain_waiting(job, next, n);
        break;
    case ROUND_COLLECTING:
        explain_collecting(job, next, n);
        break;
    case ROUND_COMMITTING:
        if (*job->stalled)
            snprintf(next, n, "round %u is stored as soon as the disk takes it: %s", number, job->stalled);
        else
            snprintf(next, n, "round %u is reduced and stored", number);
        break;
    case ROUND_EVALUATING:
        snprintf(next, n, "round %u's model is evaluated, then %s", number,
                 number == rounds ? "the experiment ends" : "the next round starts unless that stops it");
        break;
    case ROUND_PAUSED:
        snprintf(next, n, "nothing until ResumeExperiment; then round %u starts", number + 1);
        break;
    case ROUND_DONE:
        snprintf(next, n, "nothing: the experiment is over%s%.460s", *job->message ? ": " : "", job->message);
        break;
    }
}

// A pause that was asked for comes after the round under way.
static void explain_pause(const struct job *job, cohort_v1_ExplainExperimentResponse *ret)
{
    enum round_phase phase = round_phase(job->round);
    size_t n = strlen(ret->next);
    if (round_pausing(job->round) && phase != ROUND_PAUSED && phase != ROUND_DONE)
        snprintf(ret->next + n, sizeof ret->next - n, "; then the experiment pauses, until ResumeExperiment");
}

void job_explain(const struct job *job, struct arena *arena, cohort_v1_ExplainExperimentResponse *ret)
{
    ret->state = job_state(job);
    ret->round = round_number(job->round);
    add_awaited(job, arena, ret);
    if (round_phase(job->round) == ROUND_COLLECTING && round_deadline(job->round) != INT64_MAX)
        ret->until_unix_ms = unix_of_monotonic(round_deadline(job->round));
    explain_next(job, ret);
    explain_pause(job, ret);
    text_clean(ret->next);
    if (ret->awaited_count == 0)
        snprintf(ret->summary, sizeof ret->summary, "nobody is awaited; %s", ret->next);
    else
        snprintf(ret->summary, sizeof ret->summary, "awaiting %u%s learner%s (first: '%s', %s); %s",
                 ret->awaited_count, ret->awaited_count == AWAITED_MAX ? " or more" : "",
                 ret->awaited_count == 1 ? "" : "s", ret->awaited[0].learner, ret->awaited[0].why, ret->next);
}
