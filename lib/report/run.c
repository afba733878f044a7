#include "report/run.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "report/history.h"
#include "report/html.h"
#include "report/json.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct run {
    char *folder;
    char *metrics_path;
    int metrics_fd;
    struct history history;
};

enum status run_open(struct run **ret, const char *folder, struct error *error)
{
    struct run *run = memory_zalloc(sizeof *run);
    if (!run)
        return error_no_memory(error, sizeof *run);
    run->folder = memory_copy_text(folder);
    run->metrics_path = file_join(folder, "metrics.jsonl");
    run->metrics_fd = -1;
    if (!run->folder || !run->metrics_path) {
        run_free(run);
        return error_no_memory(error, strlen(folder));
    }
    run->metrics_fd = open(run->metrics_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    if (run->metrics_fd < 0) {
        enum status status = error_errno(error, errno, "cannot write", run->metrics_path);
        run_free(run);
        return status;
    }
    *ret = run;
    return STATUS_OK;
}

struct run *run_free(struct run *run)
{
    if (!run)
        return NULL;
    if (run->metrics_fd >= 0)
        close(run->metrics_fd);
    history_release(&run->history);
    memory_free(run->metrics_path);
    memory_free(run->folder);
    return memory_free(run);
}

static void put_real(struct bytes *line, const char *key, double value)
{
    bytes_format(line, ",\"%s\":", key);
    bytes_json_real(line, value);
}

static void put_text(struct bytes *line, const char *key, const char *text)
{
    bytes_format(line, ",\"%s\":", key);
    if (text)
        bytes_json(line, text);
    else
        bytes_text(line, "null");
}

// Metrics are named by algorithms, and by learners that may not mean well: a name that is already a key of
// the line, or comes twice, gives way.
static void put_metrics(struct bytes *line, const struct metric *metrics, size_t n)
{
    static const char *const keys[] = {
        "type",   "round",         "time",    "seconds",       "summaries", "selected", "learner",
        "weight", "train_seconds", "samples", "fetch_seconds", "staleness", "rejected", "model_sha256",
    };
    for (size_t i = 0; i < n; i++) {
        bool taken = false;
        for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
            taken |= strcmp(metrics[i].name, keys[k]) == 0;
        for (size_t k = 0; k < i; k++)
            taken |= strcmp(metrics[i].name, metrics[k].name) == 0;
        if (taken)
            continue;
        bytes_text(line, ",");
        bytes_json(line, metrics[i].name);
        bytes_text(line, ":");
        bytes_json_real(line, metrics[i].value);
    }
}

// One write a line, so that a reader that follows the file never sees half of one.
static enum status append_line(struct run *run, struct bytes *line, struct error *error)
{
    bytes_text(line, "}\n");
    enum status status = line->failed
                             ? error_no_memory(error, line->n)
                             : file_write_all(run->metrics_fd, line->data, line->n, run->metrics_path, error);
    bytes_release(line);
    return status;
}

enum status run_add_round(struct run *run, const struct round_record *record, struct error *error)
{
    char time[32];
    clock_format_utc(record->unix_ms, time);
    struct bytes line = BYTES_INIT;
    bytes_format(&line, "{\"type\":\"round\",\"round\":%" PRIu32 ",\"time\":\"%s\"", record->round, time);
    put_real(&line, "seconds", record->seconds);
    bytes_format(&line, ",\"summaries\":%" PRIu32 ",\"selected\":%" PRIu32, record->n_summaries,
                 record->n_selected);
    put_metrics(&line, record->metrics, record->n_metrics);
    put_text(&line, "model_sha256", record->model_sha256);
    TRY(append_line(run, &line, error));
    return history_add_round(&run->history, record, error);
}

enum status run_add_learner(struct run *run, const struct learner_record *record, struct error *error)
{
    struct bytes line = BYTES_INIT;
    bytes_format(&line, "{\"type\":\"learner\",\"round\":%" PRIu32, record->round);
    put_text(&line, "learner", record->learner);
    bytes_format(&line, ",\"weight\":%" PRIu64, record->weight);
    put_real(&line, "seconds", record->seconds);
    put_real(&line, "train_seconds", record->train_seconds);
    put_real(&line, "fetch_seconds", record->fetch_seconds);
    if (!record->rejected)
        bytes_format(&line, ",\"staleness\":%" PRIu32, record->staleness);
    put_metrics(&line, record->metrics, record->n_metrics);
    if (record->rejected)
        put_text(&line, "rejected", record->rejected);
    TRY(append_line(run, &line, error));
    return history_add_learner(&run->history, record, error);
}

enum status run_add_evaluation(struct run *run, const struct evaluation_record *record, struct error *error)
{
    struct bytes line = BYTES_INIT;
    bytes_format(&line, "{\"type\":\"evaluation\",\"round\":%" PRIu32, record->round);
    put_text(&line, "learner", record->learner);
    bytes_format(&line, ",\"samples\":%" PRIu64, record->n_samples);
    put_metrics(&line, record->metrics, record->n_metrics);
    TRY(append_line(run, &line, error));
    return history_add_evaluation(&run->history, record, error);
}

// A key of summary.json's outer object, or of one within it, on its own line.
static void key(struct bytes *text, int depth, const char *name)
{
    bytes_format(text, "%s\n%*s\"%s\": ", text->data[text->n - 1] == '{' ? "" : ",", 2 * depth, "", name);
}

static void key_text(struct bytes *text, const char *name, const char *value)
{
    key(text, 1, name);
    if (value)
        bytes_json(text, value);
    else
        bytes_text(text, "null");
}

static void key_integer(struct bytes *text, int depth, const char *name, uint64_t value)
{
    key(text, depth, name);
    bytes_format(text, "%" PRIu64, value);
}

static void key_real(struct bytes *text, int depth, const char *name, double value)
{
    key(text, depth, name);
    bytes_json_real(text, value);
}

static void key_open(struct bytes *text, const char *name)
{
    key(text, 1, name);
    bytes_text(text, "{");
}

static void key_close(struct bytes *text)
{
    bytes_text(text, "\n  }");
}

static void outcome_json(struct bytes *text, const struct run_summary *summary)
{
    key_text(text, "experiment", summary->experiment);
    key_integer(text, 1, "seed", summary->seed);
    key_integer(text, 1, "rounds", summary->rounds);
    key_text(text, "status", summary->status);
    key_text(text, "message", summary->message);
    key_open(text, "final");
    key_real(text, 2, "test_accuracy", summary->test_accuracy);
    key_real(text, 2, "test_loss", summary->test_loss);
    key_real(text, 2, "train_loss", summary->train_loss);
    const struct {
        const char *name;
        double value;
    } local[] = {
        {"local_accuracy", summary->local_accuracy},
        {"local_accuracy_worst", summary->local_accuracy_worst},
        {"local_accuracy_std", summary->local_accuracy_std},
        {"local_loss", summary->local_loss},
    };
    for (size_t i = 0; i < ARRAY_SIZE(local); i++)
        if (isfinite(local[i].value))
            key_real(text, 2, local[i].name, local[i].value);
    key_close(text);
}

static void cost_json(struct bytes *text, const struct run_summary *summary, const struct history *history)
{
    key_real(text, 1, "wall_seconds", summary->wall_seconds);
    key_open(text, "round_seconds");
    key_real(text, 2, "median", history_round_seconds(history, 0.5));
    key_real(text, 2, "p95", history_round_seconds(history, 0.95));
    key_close(text);
    key_integer(text, 1, "bytes_up", summary->bytes_up);
    key_integer(text, 1, "bytes_down", summary->bytes_down);
    key_open(text, "peak_rss_bytes");
    key_integer(text, 2, "coordinator", summary->coordinator_peak_rss);
    key_integer(text, 2, "learner", summary->learner_peak_rss);
    key_close(text);
}

static void summary_json(struct bytes *text, const struct run_summary *summary, const struct history *history)
{
    bytes_text(text, "{");
    if (text->failed)
        return;
    outcome_json(text, summary);
    cost_json(text, summary, history);
    key_integer(text, 1, "model_parameters", summary->model_parameters);
    key_text(text, "model_sha256", summary->model_sha256);
    key_integer(text, 1, "learners", summary->learners);
    key_integer(text, 1, "processes", summary->processes);
    key_integer(text, 1, "summaries_rejected", summary->summaries_rejected);
    key_text(text, "blas", summary->blas);
    key_text(text, "version", summary->version);
    bytes_text(text, "\n}\n");
}

// Takes `text` over.
static enum status write_text(const struct run *run, const char *name, struct bytes *text,
                              struct error *error)
{
    cleanup_free char *path = file_join(run->folder, name);
    enum status status = path && !text->failed ? file_write(path, text->data, text->n, true, error)
                                               : error_no_memory(error, text->n);
    bytes_release(text);
    return status;
}

enum status run_finish(struct run *run, const struct run_summary *summary, const char *resolved_yaml,
                       const char *model_table, struct error *error)
{
    struct bytes json = BYTES_INIT, html = BYTES_INIT;
    if (fsync(run->metrics_fd))
        return error_errno(error, errno, "cannot sync", run->metrics_path);
    summary_json(&json, summary, &run->history);
    TRY(write_text(run, "summary.json", &json, error));
    html_report(&html, &(struct html_report){summary, &run->history, resolved_yaml, model_table});
    return write_text(run, "report.html", &html, error);
}
