#include "base/file.h"
#include "report/run.h"
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char folder[] = "/tmp/cohort-test-run-XXXXXX";
static struct run *run;
static struct error error;

static void open_run(void)
{
    cr_assert(mkdtemp(folder));
    cr_assert_eq(run_open(&run, folder, &error), 0, "%s", error.message);
}

static void close_run(void)
{
    run = run_free(run);
    file_remove_tree(folder);
}

TestSuite(run, .init = open_run, .fini = close_run);

static char *read_text(const char *name)
{
    static struct bytes bytes;
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    bytes_release(&bytes);
    cr_assert_eq(bytes_read_file(&bytes, path, 1 << 24, &error), 0, "%s", error.message);
    return bytes.data;
}

static struct round_record a_round(uint32_t round)
{
    return (struct round_record){
        .round = round,
        .seconds = 0.25 * round,
        .n_summaries = 9,
        .n_selected = 10,
        .model_sha256 = "abc123",
        .n_metrics = 2,
        .metrics = {{"train_loss", 0.5}, {"test_accuracy", NAN}},
        .unix_ms = 1714564800123,
    };
}

static struct run_summary a_summary(void)
{
    return (struct run_summary){
        .experiment = "digits \"quoted\"",
        .seed = UINT64_MAX >> 1,
        .rounds = 2,
        .status = "completed",
        .test_accuracy = 0.93,
        .test_loss = NAN,
        .train_loss = 0.125,
        .wall_seconds = 1.5,
        .bytes_up = 100,
        .bytes_down = 200,
        .model_parameters = 235146,
        .model_sha256 = "abc123",
        .coordinator_peak_rss = 1 << 26,
        .learner_peak_rss = 1 << 25,
        .blas = "OpenBLAS 0.3.21 Haswell",
        .learners = 10,
        .processes = 4,
        .version = "0.1.0",
        .summaries_rejected = 3,
    };
}

Test(run, a_round_is_one_line_of_json_at_once)
{
    struct round_record record = a_round(1);
    cr_assert_eq(run_add_round(run, &record, &error), 0);
    cr_assert_str_eq(read_text("metrics.jsonl"),
                     "{\"type\":\"round\",\"round\":1,\"time\":\"2024-05-01T12:00:00.123Z\",\"seconds\":0.25,"
                     "\"summaries\":9,\"selected\":10,\"train_loss\":0.5,\"test_accuracy\":null,"
                     "\"model_sha256\":\"abc123\"}\n");
}

Test(run, a_learner_is_one_line_and_a_hostile_name_stays_a_string)
{
    struct learner_record record = {
        .round = 1,
        .learner = "a\"},\n{\"type\":\"round",
        .weight = 600,
        .seconds = 0.5,
        .train_seconds = 0.25,
        .fetch_seconds = NAN,
        .n_metrics = 1,
        .metrics = {{"train_loss", 2}},
        .rejected = "out of range",
    };
    cr_assert_eq(run_add_learner(run, &record, &error), 0);
    char *text = read_text("metrics.jsonl");
    cr_assert(strchr(text, '\n')[1] == '\0', "more than one line: %s", text);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    cr_assert(json);
    cr_assert_str_eq(json_string_value(json_object_get(json, "learner")), record.learner);
    cr_assert_str_eq(json_string_value(json_object_get(json, "rejected")), "out of range");
    cr_assert(json_is_null(json_object_get(json, "fetch_seconds")));
    cr_assert(json_integer_value(json_object_get(json, "weight")) == 600);
    json_decref(json);
}

Test(run, an_evaluation_is_one_line_too)
{
    const struct evaluation_record record = {.round = 3,
                                             .learner = "site-1",
                                             .n_samples = 120,
                                             .n_metrics = 1,
                                             .metrics = {{"local_accuracy", 0.5}}};
    cr_assert_eq(run_add_evaluation(run, &record, &error), 0);
    cr_assert_str_eq(read_text("metrics.jsonl"),
                     "{\"type\":\"evaluation\",\"round\":3,\"learner\":\"site-1\","
                     "\"samples\":120,\"local_accuracy\":0.5}\n");
}

Test(run, a_metric_may_not_pose_as_one_of_the_lines_own_fields)
{
    struct round_record record = a_round(7);
    record.n_metrics = 3;
    strcpy(record.metrics[0].name, "round");
    strcpy(record.metrics[1].name, "drift");
    strcpy(record.metrics[2].name, "drift");
    cr_assert_eq(run_add_round(run, &record, &error), 0);
    json_t *json = json_loads(read_text("metrics.jsonl"), JSON_REJECT_DUPLICATES, NULL);
    cr_assert(json, "a key came twice: %s", read_text("metrics.jsonl"));
    cr_assert(json_integer_value(json_object_get(json, "round")) == 7);
    json_decref(json);
}

static json_t *finished_summary(const struct run_summary *summary)
{
    cr_assert_eq(run_finish(run, summary, "name: digits\n", "dense 10", &error), 0, "%s", error.message);
    json_t *json = json_loads(read_text("summary.json"), JSON_REJECT_DUPLICATES, NULL);
    cr_assert(json);
    return json;
}

Test(run, what_learners_evaluated_is_in_the_summary_where_they_did)
{
    struct run_summary summary = a_summary();
    summary.local_accuracy = 0.5;
    summary.local_accuracy_worst = summary.local_accuracy_std = summary.local_loss = NAN;
    json_t *json = finished_summary(&summary), *final = json_object_get(json, "final");
    cr_assert(json_real_value(json_object_get(final, "local_accuracy")) == 0.5);
    cr_assert_null(json_object_get(final, "local_loss"));
    json_decref(json);
}

Test(run, the_summary_has_every_field_of_its_contract)
{
    for (uint32_t i = 1; i <= 2; i++) {
        struct round_record record = a_round(i);
        cr_assert_eq(run_add_round(run, &record, &error), 0);
    }
    struct run_summary summary = a_summary();
    json_t *json = finished_summary(&summary);
    const char *experiment, *status, *sha256, *blas, *version;
    json_int_t seed, rounds, up, down, parameters, coordinator, learner, learners, processes, rejected;
    double accuracy, loss, wall, median, p95;
    json_t *test_loss, *message;
    int bad = json_unpack(
        json,
        "{s:s, s:I, s:I, s:s, s:o, s:{s:F, s:o, s:F}, s:F, s:{s:F, s:F}, s:I, s:I, s:I, s:s, s:{s:I, s:I}, "
        "s:s, s:s, s:I, s:I, s:I}",
        "experiment", &experiment, "seed", &seed, "rounds", &rounds, "status", &status, "message", &message,
        "final", "test_accuracy", &accuracy, "test_loss", &test_loss, "train_loss", &loss, "wall_seconds",
        &wall, "round_seconds", "median", &median, "p95", &p95, "bytes_up", &up, "bytes_down", &down,
        "model_parameters", &parameters, "model_sha256", &sha256, "peak_rss_bytes", "coordinator",
        &coordinator, "learner", &learner, "blas", &blas, "version", &version, "learners", &learners,
        "processes", &processes, "summaries_rejected", &rejected);
    cr_assert_eq(bad, 0);
    cr_assert_str_eq(experiment, summary.experiment);
    cr_assert(seed == INT64_MAX);
    cr_assert(rounds == 2 && up == 100 && down == 200 && parameters == 235146 && rejected == 3);
    cr_assert(accuracy == 0.93 && loss == 0.125 && wall == 1.5);
    cr_assert_float_eq(median, 0.375, 1e-12);
    cr_assert_float_eq(p95, 0.4875, 1e-12);
    cr_assert(json_is_null(test_loss) && json_is_null(message));
    json_decref(json);
}

Test(run, a_run_without_rounds_has_null_times)
{
    struct run_summary summary = a_summary();
    summary.rounds = 0;
    summary.status = "failed";
    summary.message = "no learner came";
    json_t *json = finished_summary(&summary);
    json_t *seconds = json_object_get(json, "round_seconds");
    cr_assert(json_is_null(json_object_get(seconds, "median")));
    cr_assert(json_is_null(json_object_get(seconds, "p95")));
    cr_assert_str_eq(json_string_value(json_object_get(json, "message")), "no learner came");
    json_decref(json);
}

Test(run, nothing_half_written_is_left_behind)
{
    struct run_summary summary = a_summary();
    json_decref(finished_summary(&summary));
    char path[256];
    snprintf(path, sizeof path, "%s/summary.json.partial", folder);
    cr_assert_not(file_exists(path));
}

Test(run, a_folder_that_is_not_there_is_named)
{
    struct run *other = NULL;
    cr_assert(run_open(&other, "/nowhere/at/all", &error) == STATUS_NOT_FOUND);
    cr_assert(strstr(error.message, "/nowhere/at/all"));
    cr_assert_not(other);
}
