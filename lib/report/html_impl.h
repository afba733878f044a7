// What the parts of the report's page share.
#pragma once

#include "report/html.h"

// Made from page.css and page.js by embed.py.
extern const char page_css[];
extern const char page_js[];

enum { HTML_PANELS_MAX = 24, HTML_ROWS_MAX = 2000 };

// A panel a learner: its loss and accuracy by round, its weight and time; the 25th and later in a table.
void html_learners(struct bytes *ret, const struct history *history);

// A chart of each learner's accuracy on its own held-out data, if any told it: a line a learner, for the
// first HTML_PANELS_MAX of them.
void html_local(struct bytes *ret, const struct history *history);

// A chart for each pair of train_X and test_X, and for each other metric that rounds have, six at most; then
// the rounds' durations.
void html_charts(struct bytes *ret, const struct history *history);
