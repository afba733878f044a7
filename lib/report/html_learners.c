#include "base/memory.h"
#include "report/chart.h"
#include "report/html_impl.h"
#include "report/human.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// A learner over all its rounds.
struct tally {
    const char *name;
    uint32_t index;
    size_t n_points, n_timed, n_rejected;
    uint64_t weight;       // its last
    double seconds;        // summed over n_timed
    double loss, accuracy; // its last
    double held_out;       // its last accuracy on samples that it keeps out of training; NAN: not told
};

// learner-2 before learner-10.
static int by_name(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;
    return strverscmp(x->name, y->name);
}

static struct tally *tallies_make(const struct history *history)
{
    struct tally *tallies = memory_array(history->n_learners, sizeof *tallies);
    if (!tallies)
        return NULL;
    for (size_t i = 0; i < history->n_learners; i++)
        tallies[i] =
            (struct tally){history->learners[i], (uint32_t)i, .loss = NAN, .accuracy = NAN, .held_out = NAN};
    for (size_t i = 0; i < history->n_points; i++) {
        const struct history_point *point = &history->points[i];
        struct tally *tally = &tallies[point->learner];
        tally->n_points++;
        tally->n_rejected += point->rejected;
        tally->weight = point->weight;
        tally->loss = isfinite(point->loss) ? (double)point->loss : tally->loss;
        tally->accuracy = isfinite(point->accuracy) ? (double)point->accuracy : tally->accuracy;
        if (isfinite(point->seconds)) {
            tally->seconds += point->seconds;
            tally->n_timed++;
        }
    }
    for (size_t i = 0; i < history->n_evaluations; i++)
        if (isfinite(history->evaluations[i].accuracy))
            tallies[history->evaluations[i].learner].held_out = (double)history->evaluations[i].accuracy;
    qsort(tallies, history->n_learners, sizeof *tallies, by_name);
    return tallies;
}

static double mean_seconds(const struct tally *tally)
{
    return tally->n_timed ? tally->seconds / (double)tally->n_timed : NAN;
}

// One scale for all panels, so that learners compare at a glance.
struct ranges {
    double loss_low, loss_high, accuracy_low, accuracy_high;
};

static struct ranges find_ranges(const struct history *history)
{
    struct ranges ranges = {INFINITY, -INFINITY, INFINITY, -INFINITY};
    for (size_t i = 0; i < history->n_points; i++) {
        const struct history_point *point = &history->points[i];
        if (isfinite(point->loss)) {
            ranges.loss_low = fmin(ranges.loss_low, point->loss);
            ranges.loss_high = fmax(ranges.loss_high, point->loss);
        }
        if (isfinite(point->accuracy)) {
            ranges.accuracy_low = fmin(ranges.accuracy_low, point->accuracy);
            ranges.accuracy_high = fmax(ranges.accuracy_high, point->accuracy);
        }
    }
    return ranges;
}

static void put_sparks(struct bytes *ret, const struct history *history, const struct tally *tally,
                       const struct ranges *ranges)
{
    cleanup_free double *values = memory_array(2 * tally->n_points, sizeof *values);
    if (!values) {
        ret->failed = true;
        return;
    }
    double *accuracy = values + tally->n_points;
    size_t n = 0;
    for (size_t i = 0; i < history->n_points; i++) {
        if (history->points[i].learner != tally->index)
            continue;
        values[n] = history->points[i].loss;
        accuracy[n++] = history->points[i].accuracy;
    }
    bytes_text(ret, "<div class=\"sparks\">");
    chart_spark(ret, "loss", "train", values, n, ranges->loss_low, ranges->loss_high);
    chart_spark(ret, "accuracy", "test", accuracy, n, ranges->accuracy_low, ranges->accuracy_high);
    bytes_text(ret, "</div>");
}

static void put_panel(struct bytes *ret, const struct history *history, const struct tally *tally,
                      const struct ranges *ranges)
{
    char weight[HUMAN_BYTES], seconds[HUMAN_BYTES];
    bytes_text(ret, "<article class=\"card learner\"><h3>");
    html_text(ret, tally->name);
    bytes_text(ret, "</h3>");
    if (tally->n_rejected)
        bytes_format(ret, "<span class=\"badge\">%zu rejected</span>", tally->n_rejected);
    put_sparks(ret, history, tally, ranges);
    bytes_format(
        ret, "<p><span>weight <b>%s</b></span><span>mean time <b>%s</b></span><span>rounds <b>%zu</b></span>",
        human_count(tally->weight, weight), human_seconds(mean_seconds(tally), seconds), tally->n_points);
    if (isfinite(tally->held_out))
        bytes_format(ret, "<span>held out <b>%s</b></span>", human_share(tally->held_out, weight));
    bytes_text(ret, "</p></article>\n");
}

static void put_row(struct bytes *ret, const struct tally *tally)
{
    char text[HUMAN_BYTES];
    bytes_text(ret, "<tr><td>");
    html_text(ret, tally->name);
    bytes_format(ret, "</td><td>%s</td>", human_metric(tally->loss, text));
    bytes_format(ret, "<td>%s</td>", human_metric(tally->accuracy, text));
    bytes_format(ret, "<td>%s</td>", human_metric(tally->held_out, text));
    bytes_format(ret, "<td>%s</td>", human_count(tally->weight, text));
    bytes_format(ret, "<td>%s</td><td>%zu</td><td>%zu</td></tr>\n", human_seconds(mean_seconds(tally), text),
                 tally->n_points, tally->n_rejected);
}

static void put_rest(struct bytes *ret, const struct tally *tallies, size_t n)
{
    size_t shown = n < HTML_ROWS_MAX ? n : HTML_ROWS_MAX;
    bytes_format(ret, "<details><summary>%zu more learners</summary>", n);
    if (shown < n)
        bytes_format(ret, "<p class=\"aside\">The first %zu; metrics.jsonl has them all.</p>", shown);
    bytes_text(
        ret,
        "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"More learners\"><table>"
        "<thead><tr><th scope=\"col\">learner</th><th scope=\"col\">loss</th><th scope=\"col\">accuracy</th>"
        "<th scope=\"col\">held out</th><th scope=\"col\">weight</th><th scope=\"col\">mean time</th><th "
        "scope=\"col\">rounds</th>"
        "<th scope=\"col\">rejected</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < shown; i++)
        put_row(ret, &tallies[i]);
    bytes_text(ret, "</tbody></table></div></details>\n");
}

void html_learners(struct bytes *ret, const struct history *history)
{
    size_t n = history->n_learners;
    if (n == 0)
        return;
    cleanup_free struct tally *tallies = tallies_make(history);
    if (!tallies) {
        ret->failed = true;
        return;
    }
    struct ranges ranges = find_ranges(history);
    size_t n_panels = n < HTML_PANELS_MAX ? n : HTML_PANELS_MAX;
    bytes_text(ret, "<section><h2>Learners</h2>\n<p class=\"aside\">Loss and accuracy of each learner on its "
                    "own training "
                    "data, by round; all panels share one scale.</p>\n<div class=\"learners\">\n");
    for (size_t i = 0; i < n_panels; i++)
        put_panel(ret, history, &tallies[i], &ranges);
    bytes_text(ret, "</div>\n");
    if (n > n_panels)
        put_rest(ret, tallies + n_panels, n - n_panels);
    bytes_text(ret, "</section>\n");
}
