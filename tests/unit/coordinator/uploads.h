// Summaries of learners on their way into an ingest, for tests of what becomes of them. Whatever is not as it
// should be fails the test.
#pragma once

#include "coordinator/ingest.h"

enum { N = 10007, HELD = 1 << 20, STREAMED = 0 }; // values; room for summaries that are held back

extern float expected[N], found[N], values[N]; // working space

// An ingest for N values in its first round, with the reducer "mean" or one that gathers.
struct ingest *open_ingest(size_t buffer_bytes);
struct ingest *open_gathering(size_t buffer_bytes);
// The learner's values.
void draw(float ret[N], uint32_t learner);
struct upload *begin(struct ingest *ingest, uint64_t weight);
struct upload *begin_of(struct ingest *ingest, uint32_t source);
// Hands over the bytes in runs of `step`, copied to an odd address. False once they are refused.
bool take_all(struct upload *upload, const float summary[N], size_t step);
// A learner's whole summary.
void submit(struct ingest *ingest, uint32_t learner, uint64_t weight, size_t step);
void finish(struct ingest *ingest, float ret[N]);
void finish_gathered(struct ingest *ingest, float ret[N]);
void assert_same(const float *a, const float *b);
// `expected`: the mean of learners 0 to 2, whose weights are 5 to 7.
void expect_of_three(void);
