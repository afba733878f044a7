// Charts as inline SVG. Colours and fonts come from the page's style sheet: series k has the class "sk".
#pragma once

#include "base/bytes.h"
#include <stddef.h>
#include <stdint.h>

struct chart_series {
    const char *name;
    const double *values; // [n]; what is not finite is a gap
    const char *style;    // "test", "train" or "other": a class of the style sheet
};

struct chart {
    const char *title;
    size_t n;
    const double *rounds; // [n], ascending
    size_t n_series;
    const struct chart_series *series;
    double low, high; // bounds that the axis never passes, as 0 and 1 for a share; NAN for none
    size_t n_quiet;   // of the series, the first: drawn, but not named above the chart
};

// A figure with a caption, a legend, and lines over rounds, thinned to some 400 points a line by keeping each
// stretch's smallest and largest.
void chart_lines(struct bytes *ret, const struct chart *chart);

// A figure with a stacked bar a round (or a stretch of rounds, when there are over 120: their mean). What is
// not finite counts as nothing.
void chart_bars(struct bytes *ret, const struct chart *chart);

// A line without axes, between the values `low` and `high`; nothing when no value is finite.
void chart_spark(struct bytes *ret, const char *label, const char *style, const double *values, size_t n,
                 double low, double high);

// The step (1, 2 or 5 times a power of ten) that cuts `span` into at most `n` parts; span > 0.
double chart_step(double span, int n);
