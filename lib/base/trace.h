// Where the milliseconds go: spans of time, a line of JSON each, in the Trace Event Format that
// chrome://tracing and Perfetto read (complete events, "ph": "X"). Off unless a program opens it; then a span
// that ends costs a test of a pointer.
//
// A process has tracks: what lies on one must nest or follow, so each learner and each slot has one of its
// own.
#pragma once

#include "base/error.h"
#include <stdint.h>

// Spans go into the file `path` from now on, as those of `process`. Before other threads start.
enum status trace_open(const char *path, const char *process, struct error *error);
// Writes what is left. After other threads have ended.
void trace_close(void);
void trace_name_track(unsigned int track, const char *name);

int64_t trace_begin(void); // now, monotonic ns; 0 when off
// The span from `begun_ns` to now; nothing when off, or when begun_ns is 0. From any thread. `phase` needs no
// escapes.
void trace_end(const char *phase, int64_t begun_ns, unsigned int track, uint32_t round);
