#include "report/html.h"
#include "report/html_impl.h"
#include "report/human.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void html_text(struct bytes *ret, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '&')
            bytes_text(ret, "&amp;");
        else if (c == '<')
            bytes_text(ret, "&lt;");
        else if (c == '>')
            bytes_text(ret, "&gt;");
        else if (c == '"')
            bytes_text(ret, "&quot;");
        else if (c == '\'')
            bytes_text(ret, "&#39;");
        else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F)
            bytes_text(ret, "\xEF\xBF\xBD"); // U+FFFD: controls are not allowed in HTML
        else
            bytes_append(ret, text, 1);
    }
}

static const char *status_words(const char *status)
{
    return strcmp(status, "stopped_early") == 0 ? "stopped early" : status;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static void put_head(struct bytes *ret, const struct run_summary *summary)
{
    bytes_text(ret, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                    "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    html_text(ret, or_empty(summary->experiment));
    bytes_text(ret, " · Cohort</title>\n<style>\n");
    bytes_text(ret, page_css);
    bytes_text(ret, "</style>\n</head>\n");
}

static void put_count(struct bytes *ret, uint64_t n, const char *what)
{
    char text[HUMAN_BYTES];
    const char *plural = n == 1 ? "" : what[strlen(what) - 1] == 's' ? "es" : "s";
    bytes_format(ret, "<span>%s %s%s</span>", human_count(n, text), what, plural);
}

static void put_header(struct bytes *ret, const struct run_summary *summary)
{
    char text[HUMAN_BYTES];
    const char *status = or_empty(summary->status);
    bytes_text(ret, "<header>\n<p class=\"brand\">Cohort <span>federated learning report</span></p>\n<h1>");
    html_text(ret, or_empty(summary->experiment));
    bytes_text(ret, " <span class=\"status ");
    html_text(ret, status);
    bytes_text(ret, "\">");
    html_text(ret, status_words(status));
    bytes_text(ret, "</span></h1>\n<p class=\"facts\">");
    put_count(ret, summary->rounds, "round");
    put_count(ret, summary->learners, "learner");
    put_count(ret, summary->processes, "learner process");
    bytes_format(ret, "<span>seed %" PRIu64 "</span><span>", summary->seed);
    bytes_format(ret, "%s</span><span>", human_seconds(summary->wall_seconds, text));
    html_text(ret, or_empty(summary->blas));
    bytes_text(ret, "</span><span>Cohort ");
    html_text(ret, or_empty(summary->version));
    bytes_text(ret, "</span></p>\n");
    if (summary->message && *summary->message) {
        bytes_text(ret, "<p class=\"message\">");
        html_text(ret, summary->message);
        bytes_text(ret, "</p>\n");
    }
    bytes_text(ret, "</header>\n");
}

static void put_tile(struct bytes *ret, const char *label, const char *value, const char *note)
{
    bytes_format(ret, "<div class=\"tile\"><dt>%s</dt><dd>", label);
    html_text(ret, value);
    bytes_text(ret, "<small>");
    html_text(ret, note);
    bytes_text(ret, "</small></dd></div>\n");
}

// The round in which a metric was best, as a note: "best 0.9312 in round 17".
static void best_note(const struct history *history, const char *name, bool largest, char *ret, size_t bytes)
{
    size_t metric = history_metric(history, name), best = history->n_rounds;
    ret[0] = '\0';
    if (metric == history->n_metrics)
        return;
    for (size_t i = 0; i < history->n_rounds; i++) {
        double value = history->rounds[i].metrics[metric];
        if (!isfinite(value))
            continue;
        double so_far = best < history->n_rounds ? history->rounds[best].metrics[metric] : NAN;
        if (best == history->n_rounds || (largest ? value > so_far : value < so_far))
            best = i;
    }
    char text[HUMAN_BYTES];
    if (best < history->n_rounds)
        snprintf(ret, bytes, "best %s, round %" PRIu32,
                 human_metric(history->rounds[best].metrics[metric], text), history->rounds[best].round);
}

static void put_result_tiles(struct bytes *ret, const struct html_report *report)
{
    const struct run_summary *summary = report->summary;
    char value[HUMAN_BYTES], note[96];
    best_note(report->history, "test_accuracy", true, note, sizeof note);
    if (!isnan(summary->test_accuracy))
        put_tile(ret, "Test accuracy", human_share(summary->test_accuracy, value), note);
    best_note(report->history, "test_loss", false, note, sizeof note);
    if (!isnan(summary->test_loss))
        put_tile(ret, "Test loss", human_metric(summary->test_loss, value), note);
    best_note(report->history, "train_loss", false, note, sizeof note);
    if (!isnan(summary->train_loss))
        put_tile(ret, "Train loss", human_metric(summary->train_loss, value), note);
}

// Learners on data of their own: beside the test data's result, or instead of it.
static void put_local_tile(struct bytes *ret, const struct run_summary *summary)
{
    char value[HUMAN_BYTES], worst[HUMAN_BYTES], deviation[HUMAN_BYTES], note[96];
    if (!isfinite(summary->local_accuracy))
        return;
    snprintf(note, sizeof note, "worst %s, deviation %s", human_share(summary->local_accuracy_worst, worst),
             human_metric(summary->local_accuracy_std, deviation));
    put_tile(ret, "Learners' accuracy", human_share(summary->local_accuracy, value), note);
}

static void put_cost_tiles(struct bytes *ret, const struct html_report *report)
{
    const struct run_summary *summary = report->summary;
    char value[HUMAN_BYTES], part[HUMAN_BYTES], note[96] = "";
    if (report->history->n_rounds > 0)
        snprintf(note, sizeof note, "95 %% within %s",
                 human_seconds(history_round_seconds(report->history, 0.95), part));
    put_tile(ret, "Median round", human_seconds(history_round_seconds(report->history, 0.5), value), note);
    snprintf(note, sizeof note, "%s down", human_bytes(summary->bytes_down, part));
    put_tile(ret, "Sent up", human_bytes(summary->bytes_up, value), note);
    snprintf(note, sizeof note, "a learner process %s", human_bytes(summary->learner_peak_rss, part));
    put_tile(ret, "Peak memory", human_bytes(summary->coordinator_peak_rss, value), note);
    snprintf(note, sizeof note, "sha256 %.12s", or_empty(summary->model_sha256));
    put_tile(ret, "Parameters", human_count(summary->model_parameters, value), note);
    put_tile(ret, "Rejected summaries", human_count(summary->summaries_rejected, value),
             summary->summaries_rejected ? "metrics.jsonl says why" : "every one was sound");
}

static void put_round_head(struct bytes *ret, const struct history *history)
{
    bytes_text(ret, "<thead><tr><th scope=\"col\">round</th>");
    for (size_t k = 0; k < history->n_metrics; k++) {
        bytes_text(ret, "<th scope=\"col\">");
        for (const char *c = history->metric_names[k]; *c; c++)
            html_text(ret, (char[2]){*c == '_' ? ' ' : *c, 0});
        bytes_text(ret, "</th>");
    }
    bytes_text(ret, "<th scope=\"col\">summaries</th><th scope=\"col\">time</th><th scope=\"col\">model</th>"
                    "</tr></thead>\n<tbody>\n");
}

static void put_round_row(struct bytes *ret, const struct history *history, const struct history_round *round)
{
    char text[HUMAN_BYTES];
    bytes_format(ret, "<tr><td>%" PRIu32 "</td>", round->round);
    for (size_t k = 0; k < history->n_metrics; k++)
        bytes_format(ret, "<td>%s</td>", human_metric(round->metrics[k], text));
    bytes_format(ret, "<td%s>%" PRIu32 "/%" PRIu32 "</td><td>%s</td><td><code>",
                 round->n_summaries < round->n_selected ? " class=\"short\"" : "", round->n_summaries,
                 round->n_selected, human_seconds(round->seconds, text));
    html_text(ret, round->model_sha256);
    bytes_text(ret, "</code></td></tr>\n");
}

static void put_rounds(struct bytes *ret, const struct history *history)
{
    size_t n = history->n_rounds, stride = (n + HTML_ROWS_MAX - 1) / HTML_ROWS_MAX;
    if (n == 0)
        return;
    bytes_format(ret, "<section><h2>Rounds</h2>\n");
    if (stride > 1)
        bytes_format(ret, "<p class=\"aside\">One in %zu of %zu rounds; metrics.jsonl has them all.</p>\n",
                     stride, n);
    bytes_text(ret,
               "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Rounds\"><table>");
    put_round_head(ret, history);
    for (size_t i = (n - 1) % (stride ? stride : 1); i < n; i += stride)
        put_round_row(ret, history, &history->rounds[i]);
    bytes_text(ret, "</tbody></table></div></section>\n");
}

static void put_details(struct bytes *ret, const char *heading, const char *text, bool open)
{
    if (!text || !*text)
        return;
    bytes_format(ret,
                 "<section><details%s><summary><h2>%s</h2></summary>\n<pre class=\"card\" tabindex=\"0\">",
                 open ? " open" : "", heading);
    html_text(ret, text);
    bytes_text(ret, "</pre></details></section>\n");
}

void html_report(struct bytes *ret, const struct html_report *report)
{
    put_head(ret, report->summary);
    bytes_text(ret, "<body>\n<main>\n");
    put_header(ret, report->summary);
    bytes_text(ret, "<dl class=\"tiles\">\n");
    put_result_tiles(ret, report);
    put_local_tile(ret, report->summary);
    put_cost_tiles(ret, report);
    bytes_text(ret, "</dl>\n");
    if (report->history->n_rounds == 0)
        bytes_text(ret, "<p class=\"card empty\">No round was committed, so there is nothing to draw.</p>\n");
    html_charts(ret, report->history);
    html_learners(ret, report->history);
    put_rounds(ret, report->history);
    put_details(ret, "Model", report->model_table, true);
    put_details(ret, "Experiment, as resolved", report->resolved_yaml, false);
    bytes_text(ret, "</main>\n<div id=\"tip\" hidden></div>\n<script>\n");
    bytes_text(ret, page_js);
    bytes_text(ret, "</script>\n</body>\n</html>\n");
}
