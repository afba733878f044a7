#include "report/chart.h"
#include "base/memory.h"
#include "report/html.h"
#include "report/human.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    WIDTH = 560,
    HEIGHT = 250,
    LEFT = 54,
    RIGHT = 16,
    TOP = 14,
    BOTTOM = 34,
    TICKS_MAX = 12,
    BUCKETS_MAX = 200, // two points each
    BARS_MAX = 120,
    DOTS_MAX = 40, // series this short show their points
    SPARK_WIDTH = 120,
    SPARK_HEIGHT = 40,
    SPARK_BUCKETS = 40,
};

// Values to pixels; `step` between ticks.
struct scale {
    double low, high, step;
    double from, to; // pixels
};

static double scaled(const struct scale *scale, double value)
{
    double share = (value - scale->low) / (scale->high - scale->low);
    return scale->from + share * (scale->to - scale->from);
}

double chart_step(double span, int n)
{
    double raw = span / n, power = pow(10, floor(log10(raw)));
    double lead = raw / power;
    return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

static struct scale value_scale(double low, double high, const struct chart *chart)
{
    // Nearer than that, neighbouring ticks would be the same number.
    if (!(high - low > 1e-9 * fmax(fabs(low), fabs(high)))) {
        double pad = high != 0 ? fabs(high) * 0.1 : 1;
        low -= pad;
        high += pad;
    }
    double step = chart_step(high - low, 5);
    struct scale scale = {floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step, step,
                          HEIGHT - BOTTOM, TOP};
    if (scale.low < chart->low)
        scale.low = chart->low;
    if (scale.high > chart->high)
        scale.high = chart->high;
    return scale;
}

static struct scale round_scale(const struct chart *chart)
{
    double low = chart->n ? chart->rounds[0] : 0, high = chart->n ? chart->rounds[chart->n - 1] : 1;
    if (high <= low) {
        low -= 0.5;
        high += 0.5;
    }
    return (struct scale){low, high, fmax(1, chart_step(high - low, 8)), LEFT, WIDTH - RIGHT};
}

// As many decimals as the step has.
static void put_tick(struct bytes *ret, double value, double step)
{
    int decimals = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
    if (fabs(value) < step / 2)
        value = 0;
    if (decimals > 6 || fabs(value) >= 1e6)
        bytes_format(ret, "%.3g", value);
    else
        bytes_format(ret, "%.*f", decimals, value);
}

static void put_axes(struct bytes *ret, const struct scale *x, const struct scale *y)
{
    bytes_text(ret, "<g class=\"axis\">");
    for (int i = 0; i < TICKS_MAX; i++) {
        double v = (ceil(y->low / y->step - 1e-9) + i) * y->step;
        if (v > y->high + y->step * 1e-9)
            break;
        double at = scaled(y, v);
        bytes_format(ret, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"yt\" x=\"%d\" y=\"%.1f\">",
                     LEFT, at, WIDTH - RIGHT, LEFT - 8, at + 4);
        put_tick(ret, v, y->step);
        bytes_text(ret, "</text>");
    }
    for (int i = 0; i < TICKS_MAX; i++) {
        double v = (fmax(ceil(x->low / x->step), 1) + i) * x->step;
        if (v > x->high)
            break;
        bytes_format(ret, "<text class=\"xt\" x=\"%.1f\" y=\"%d\">", scaled(x, v), HEIGHT - BOTTOM + 18);
        put_tick(ret, v, x->step);
        bytes_text(ret, "</text>");
    }
    bytes_format(
        ret, "<path class=\"base\" d=\"M%d %dH%d\"/><text class=\"xl\" x=\"%d\" y=\"%d\">round</text></g>",
        LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, WIDTH - RIGHT, HEIGHT - 2);
}

// Calls `each` for the points that stand for the series: all, or the smallest and largest of each stretch.
static void each_point(const double *values, size_t n, size_t n_buckets,
                       void (*each)(void *context, size_t i, bool gap_before), void *context)
{
    size_t stride = n > 2 * n_buckets ? (n + n_buckets - 1) / n_buckets : 1;
    bool gap = true;
    for (size_t first = 0; first < n; first += stride) {
        size_t end = first + stride < n ? first + stride : n, low = n, high = n;
        for (size_t i = first; i < end; i++) {
            if (!isfinite(values[i]))
                continue;
            low = low == n || values[i] < values[low] ? i : low;
            high = high == n || values[i] > values[high] ? i : high;
        }
        if (low == n) {
            gap = true;
            continue;
        }
        each(context, low < high ? low : high, gap);
        if (low != high)
            each(context, low < high ? high : low, false);
        gap = false;
    }
}

struct path {
    struct bytes *ret;
    const double *rounds, *values;
    const struct scale *x, *y;
    enum { PATH_POINTS, PATH_ROUNDS, PATH_VALUES, PATH_DOTS } what;
};

static void put_point(void *context, size_t i, bool gap_before)
{
    struct path *path = context;
    double px = scaled(path->x, path->rounds ? path->rounds[i] : (double)i),
           py = scaled(path->y, path->values[i]);
    char text[HUMAN_BYTES];
    if (path->what == PATH_POINTS)
        // "h0": a point between gaps is a dot and not nothing.
        bytes_format(path->ret, gap_before ? "M%.1f %.1fh0" : "L%.1f %.1f", px, py);
    else if (path->what == PATH_DOTS)
        bytes_format(path->ret, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"/>", px, py);
    else if (path->what == PATH_ROUNDS)
        bytes_format(path->ret, "%.0f ", path->rounds[i]);
    else
        bytes_format(path->ret, "%s ", human_metric(path->values[i], text));
}

static void put_line(struct bytes *ret, const struct chart *chart, const struct chart_series *series,
                     const struct scale *x, const struct scale *y)
{
    struct path path = {ret, chart->rounds, series->values, x, y, PATH_POINTS};
    bytes_format(ret, "<g class=\"%s\"><path class=\"line\" data-name=\"", series->style);
    html_text(ret, series->name);
    bytes_text(ret, "\" d=\"");
    each_point(series->values, chart->n, BUCKETS_MAX, put_point, &path);
    path.what = PATH_ROUNDS;
    bytes_text(ret, "\" data-rounds=\"");
    each_point(series->values, chart->n, BUCKETS_MAX, put_point, &path);
    path.what = PATH_VALUES;
    bytes_text(ret, "\" data-values=\"");
    each_point(series->values, chart->n, BUCKETS_MAX, put_point, &path);
    bytes_text(ret, "\"/>");
    path.what = PATH_DOTS;
    if (chart->n <= DOTS_MAX)
        each_point(series->values, chart->n, BUCKETS_MAX, put_point, &path);
    bytes_text(ret, "</g>");
}

static double last_finite(const double *values, size_t n)
{
    while (n > 0)
        if (isfinite(values[--n]))
            return values[n];
    return NAN;
}

static void put_caption(struct bytes *ret, const struct chart *chart, bool with_last)
{
    bytes_text(ret, "<figcaption><span>");
    html_text(ret, chart->title);
    bytes_text(ret, "</span><span class=\"legend\">");
    for (size_t i = chart->n_quiet; i < chart->n_series; i++) {
        char text[HUMAN_BYTES];
        bytes_format(ret, "<span class=\"key %s\"><i></i>", chart->series[i].style);
        // A lone series is what the title says.
        html_text(ret, chart->n_series == 1 && with_last ? "last" : chart->series[i].name);
        if (with_last)
            bytes_format(ret, " <b>%s</b>",
                         human_metric(last_finite(chart->series[i].values, chart->n), text));
        bytes_text(ret, "</span>");
    }
    bytes_text(ret, "</span></figcaption>");
}

static void open_figure(struct bytes *ret, const struct chart *chart, const char *kind)
{
    bytes_format(ret, "<figure class=\"card chart %s\">", kind);
    put_caption(ret, chart, strcmp(kind, "lines") == 0);
    bytes_format(ret, "<svg viewBox=\"0 0 %d %d\" role=\"img\"><title>", WIDTH, HEIGHT);
    html_text(ret, chart->title);
    bytes_format(ret, " over %zu rounds</title><desc>", chart->n);
    for (size_t i = 0; i < chart->n_series; i++) {
        char text[HUMAN_BYTES];
        html_text(ret, chart->series[i].name);
        bytes_format(ret, ": %s in the last round. ",
                     human_metric(last_finite(chart->series[i].values, chart->n), text));
    }
    bytes_text(ret, "</desc>");
}

static void value_range(const double *values, size_t n, double *low, double *high)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            continue;
        // Beyond that, differences would overflow.
        *low = fmax(fmin(*low, values[i]), -1e300);
        *high = fmin(fmax(*high, values[i]), 1e300);
    }
}

void chart_lines(struct bytes *ret, const struct chart *chart)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < chart->n_series; i++)
        value_range(chart->series[i].values, chart->n, &low, &high);
    if (low > high)
        return;
    struct scale x = round_scale(chart), y = value_scale(low, high, chart);
    open_figure(ret, chart, "lines");
    put_axes(ret, &x, &y);
    for (size_t i = 0; i < chart->n_series; i++)
        put_line(ret, chart, &chart->series[i], &x, &y);
    bytes_text(ret, "<g class=\"cursor\"></g></svg></figure>");
}

// The mean of `values` over [first, end), leaving out what is not finite.
static double mean(const double *values, size_t first, size_t end)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = first; i < end; i++) {
        if (!isfinite(values[i]))
            continue;
        sum += values[i];
        n++;
    }
    return n ? sum / (double)n : 0;
}

static double bar_height(const struct chart *chart, size_t first, size_t end)
{
    double sum = 0;
    for (size_t k = 0; k < chart->n_series; k++)
        sum += mean(chart->series[k].values, first, end);
    return sum;
}

static void put_bar(struct bytes *ret, const struct chart *chart, size_t first, size_t end, double at,
                    double width, const struct scale *y)
{
    char text[HUMAN_BYTES];
    bytes_text(ret, "<g class=\"bar\"><title>");
    if (end - first > 1)
        bytes_format(ret, "rounds %.0f to %.0f", chart->rounds[first], chart->rounds[end - 1]);
    else
        bytes_format(ret, "round %.0f", chart->rounds[first]);
    double base = 0;
    for (size_t k = 0; k < chart->n_series; k++) {
        bytes_text(ret, "\n");
        html_text(ret, chart->series[k].name);
        bytes_format(ret, "  %s", human_seconds(mean(chart->series[k].values, first, end), text));
    }
    bytes_text(ret, "</title>");
    for (size_t k = 0; k < chart->n_series; k++) {
        double value = mean(chart->series[k].values, first, end);
        double top = scaled(y, base + value);
        bytes_format(ret, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                     chart->series[k].style, at, top, width, fmax(0, scaled(y, base) - top));
        base += value;
    }
    bytes_text(ret, "</g>");
}

void chart_bars(struct bytes *ret, const struct chart *chart)
{
    if (chart->n == 0)
        return;
    size_t stride = (chart->n + BARS_MAX - 1) / BARS_MAX;
    size_t n_bars = (chart->n + stride - 1) / stride;
    double high = 0;
    for (size_t i = 0; i < chart->n; i += stride)
        high = fmax(high, bar_height(chart, i, i + stride < chart->n ? i + stride : chart->n));
    double slot = (double)(WIDTH - LEFT - RIGHT) / (double)n_bars, width = fmin(slot * 0.78, 36);
    // Bars stand in slots, so that the first and the last lie within the axis.
    double half = (double)stride / 2;
    struct scale x = {chart->rounds[0] - half, chart->rounds[chart->n - 1] + half, 1, LEFT, WIDTH - RIGHT};
    x.step = fmax(1, chart_step(x.high - x.low, 8));
    struct scale y = value_scale(0, high > 0 ? high : 1, chart);
    open_figure(ret, chart, "bars");
    put_axes(ret, &x, &y);
    for (size_t i = 0; i < n_bars; i++) {
        size_t first = i * stride, end = first + stride < chart->n ? first + stride : chart->n;
        put_bar(ret, chart, first, end, LEFT + slot * ((double)i + 0.5) - width / 2, width, &y);
    }
    bytes_text(ret, "</svg></figure>");
}

void chart_spark(struct bytes *ret, const char *label, const char *style, const double *values, size_t n,
                 double low, double high)
{
    char text[HUMAN_BYTES];
    double last = last_finite(values, n);
    if (!isfinite(last))
        return;
    if (!(high > low)) {
        low -= 0.5;
        high += 0.5;
    }
    struct scale x = {0, n > 1 ? (double)(n - 1) : 1, 1, 3, SPARK_WIDTH - 3};
    struct scale y = {low, high, 1, SPARK_HEIGHT - 3, 3};
    bytes_format(ret, "<div class=\"spark %s\"><div><span>", style);
    html_text(ret, label);
    bytes_format(
        ret,
        "</span><b>%s</b></div><svg viewBox=\"0 0 %d %d\" aria-hidden=\"true\"><path class=\"line\" d=\"",
        human_metric(last, text), SPARK_WIDTH, SPARK_HEIGHT);
    struct path path = {ret, NULL, values, &x, &y, PATH_POINTS};
    each_point(values, n, SPARK_BUCKETS, put_point, &path);
    bytes_text(ret, "\"/>");
    size_t i = n;
    while (i > 0 && !isfinite(values[i - 1]))
        i--;
    bytes_format(ret, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.4\"/></svg></div>", scaled(&x, (double)(i - 1)),
                 scaled(&y, last));
}
