// report.html: one page about a run that needs nothing from anywhere else: styles, script and charts are in
// it. Its looks are page.css and page.js, which the build turns into arrays.
#pragma once

#include "base/bytes.h"
#include "report/history.h"

struct html_report {
    const struct run_summary *summary;
    const struct history *history;
    const char *resolved_yaml; // NULL: left out
    const char *model_table;   // NULL: left out
};

// Appends the page. Everything that comes from outside (names, YAML, messages) is escaped. Rounds beyond what
// a page can show are thinned: it stays under some 2 MB whatever the run.
void html_report(struct bytes *ret, const struct html_report *report);

// Appends `text` so that it is text between tags and within quotes.
void html_text(struct bytes *ret, const char *text);
