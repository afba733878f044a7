// The folder of a run: made aside, as DIR.unfinished, and put in its place when it is complete. So DIR is a
// finished run's, whole, or not there; whatever is killed at whatever moment.
#pragma once

#include "base/error.h"
#include <stdbool.h>

struct run_folder {
    char *path;  // in the end
    char *aside; // until then
    int lock;    // of `aside`, against another run with the same name
};

#define RUN_FOLDER_INIT                                                                                      \
    {                                                                                                        \
        .lock = -1                                                                                           \
    }

// Takes DIR, or runs/NAME-TIME when `out` is NULL. A folder that holds something else than a run is refused,
// as is one that another run is being made for. What a run left that was killed is removed.
enum status run_folder_open(struct run_folder *ret, const char *out, const char *name, struct error *error);
// All is written: puts it in place. An earlier run there gives way.
enum status run_folder_finish(struct run_folder *folder, struct error *error);
// Ends it; `keep`: what was written so far stays aside, for whoever looks for the reason.
void run_folder_release(struct run_folder *folder, bool keep);
