#include "cli/event_format.h"
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

TestSuite(event_format, .timeout = 30);

static cohort_v1_WatchExperimentResponse committed(void)
{
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    event.cursor = 7;
    event.unix_ms = 1234;
    event.which_event = cohort_v1_WatchExperimentResponse_round_committed_tag;
    event.event.round_committed = (cohort_v1_RoundCommitted){
        .round = 3,
        .model_sha256 = "0123456789abcdef",
        .seconds = 0.041,
        .summaries = 2,
        .metrics_count = 2,
        .metrics = {{"train_loss", 0.5}, {"odd \"name\"", NAN}},
    };
    return event;
}

static json_t *parsed(const cohort_v1_WatchExperimentResponse *event)
{
    struct bytes line = BYTES_INIT;
    json_error_t error;
    event_json(event, &line);
    cr_assert_not(line.failed);
    cr_assert_eq(strchr(line.data, '\n'), line.data + line.n - 1, "one line: %s", line.data);
    json_t *json = json_loads(line.data, 0, &error);
    cr_assert_not_null(json, "%s: %s", error.text, line.data);
    bytes_release(&line);
    return json;
}

Test(event_format, a_commit_is_a_line_of_json)
{
    cohort_v1_WatchExperimentResponse event = committed();
    json_t *json = parsed(&event);
    json_t *metrics = json_object_get(json, "metrics");
    cr_expect_eq(json_integer_value(json_object_get(json, "cursor")), 7);
    cr_expect_str_eq(json_string_value(json_object_get(json, "event")), "round_committed");
    cr_expect_eq(json_integer_value(json_object_get(json, "round")), 3);
    cr_expect_eq(json_real_value(json_object_get(json, "seconds")), 0.041);
    cr_expect_eq(json_real_value(json_object_get(metrics, "train_loss")), 0.5);
    cr_expect(json_is_null(json_object_get(metrics, "odd \"name\"")));
    json_decref(json);
}

Test(event_format, a_commit_is_a_line_for_people)
{
    cohort_v1_WatchExperimentResponse event = committed();
    struct bytes line = BYTES_INIT;
    event.event.round_committed.metrics_count = 1;
    event_text(&event, &line);
    cr_expect_str_eq(line.data,
                     "round 3 committed in 41 ms: 2 summaries, train_loss 0.5000, model 0123456789ab\n");
    bytes_release(&line);
}

Test(event_format, every_event_is_named_and_none_is_silent)
{
    static const char *const names[] = {"state_changed",   "round_started",    "round_committed",
                                        "learner_changed", "summary_accepted", "summary_rejected",
                                        "events_lost",     "round_evaluated",  "learner_evaluated"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
        struct bytes line = BYTES_INIT;
        event.which_event = (pb_size_t)(cohort_v1_WatchExperimentResponse_state_changed_tag + i);
        json_t *json = parsed(&event);
        cr_expect_str_eq(json_string_value(json_object_get(json, "event")), names[i]);
        event_text(&event, &line);
        cr_expect(line.n > 1 && line.data[line.n - 1] == '\n', "%s", names[i]);
        json_decref(json);
        bytes_release(&line);
    }
}

Test(event_format, what_a_newer_coordinator_sends_is_unknown_and_harmless)
{
    cohort_v1_WatchExperimentResponse event = cohort_v1_WatchExperimentResponse_init_zero;
    struct bytes line = BYTES_INIT;
    json_t *json = parsed(&event);
    cr_expect_str_eq(json_string_value(json_object_get(json, "event")), "unknown");
    event_text(&event, &line);
    cr_expect_eq(line.n, 0);
    cr_expect_str_eq(event_learner_state((cohort_v1_LearnerState)99), "unknown");
    cr_expect_str_eq(event_learner_state(cohort_v1_LearnerState_LEARNER_STATE_REMOVED), "removed");
    cr_expect_str_eq(event_reason(cohort_v1_Reason_REASON_STALE), "stale");
    cr_expect_str_eq(event_reason((cohort_v1_Reason)-1), "unknown");
    cr_expect_str_eq(event_experiment_state(cohort_v1_ExperimentState_EXPERIMENT_STATE_CANCELLED),
                     "cancelled");
    json_decref(json);
}
