// What a person sees while an experiment runs: on a terminal one live line with a bar, above which finished
// rounds scroll (a line each; thinned when there are more than 40); elsewhere a plain line a round. Calls
// come from one thread at a time.
#pragma once

#include "report/run.h"
#include <stdio.h>

struct progress;

struct progress_options {
    FILE *out;
    bool live;  // a terminal that understands carriage returns and ANSI colours; NO_COLOR takes the colours
                // away
    bool quiet; // nothing at all
    uint32_t rounds;
    uint32_t learners;
    const char *experiment;
};

enum status progress_new(struct progress **ret, const struct progress_options *options, struct error *error);
// A sentence on what is going on before or between rounds ("waiting for 3 of 10 learners").
void progress_note(struct progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Summaries in so far in the round under way.
void progress_round_started(struct progress *progress, uint32_t round, uint32_t n_selected);
void progress_summary(struct progress *progress);
void progress_round(struct progress *progress, const struct round_record *record);
// The closing lines: result, where the files are (`folder` may be NULL).
void progress_finish(struct progress *progress, const struct run_summary *summary, const char *folder);
struct progress *progress_free(struct progress *progress);
