// Summaries on their way from received chunks into the round's reduction. Small ones are held back until they
// are whole, so that a broken upload leaves no trace; what does not fit into the buffer is folded as it
// arrives, and a break then spoils the reduction. A reducer that gathers summaries has them as they arrive,
// and a break leaves no trace there either. Summaries of bounded norm are looked at before anything is
// folded: what does not fit into the buffer waits in a file without a name.
//
// Thread-safe; no lock of the owner's is needed for ingest_take.
#pragma once

#include "base/error.h"
#include "coordinator/version.h"
#include "reduce/reducer.h"
#include "summary/coder.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ingest;
struct upload;

// `room` also bounds the summaries that are held back.
enum status ingest_new(struct ingest **ret, const struct choice *reducer, size_t n_values,
                       const struct reduction_room *room, struct error *error);
struct ingest *ingest_ref(struct ingest *ingest);
struct ingest *ingest_unref(struct ingest *ingest);

// From now on, summaries must lie within `max_norm` of what upload_around names; 0: anywhere.
void ingest_set_max_norm(struct ingest *ingest, double max_norm);
// Starts the reduction over; uploads begun before are void: what they still bring is dropped.
void ingest_reset(struct ingest *ingest, uint64_t weight_unit);
struct reduction *ingest_reduction(struct ingest *ingest);

// Begins the summary that `from` tells of. Keeps a reference to the ingest. RESOURCE_EXHAUSTED when out of
// memory.
enum status upload_new(struct upload **ret, struct ingest *ingest, const struct contribution *from,
                       struct error *error);
// The same for one that is read from a learner's memory, and so is there in a moment: it is not held back
// although there is room, unless something is still to be found out about it.
enum status upload_new_passing(struct upload **ret, struct ingest *ingest, const struct contribution *from,
                               struct error *error);
// The same for a relay's partial sum of `n_summaries`, `from` telling of them together: its bytes are
// little-endian int64, the ring's own sums. The reducer must have sums.
enum status upload_new_sums(struct upload **ret, struct ingest *ingest, const struct contribution *from,
                            uint32_t n_summaries, struct error *error);
// The same for a summary that a codec made, whose bytes are held until they are whole. Takes over the
// reference to `base_take`, the version that the coder's reference lies in. RESOURCE_EXHAUSTED also while the
// bytes do not fit into the buffer: to be tried again.
enum status upload_new_coded(struct upload **ret, struct ingest *ingest, const struct contribution *from,
                             const struct coder *coder, struct version *base_take, struct error *error);
// What the ingest's max_norm is taken around: the first `n` values of `version` (kept by a reference), beyond
// them zero, and zero without it. Before the first byte.
void upload_around(struct upload *upload, struct version *version, size_t n);
// Gives the upload up; true when parts of it are in the reduction, which is spoilt by that (unless reset
// since).
bool upload_free(struct upload *upload);

// Whether giving it up before it is whole spoils nothing.
bool upload_is_held(const struct upload *upload);
// Makes sure that nothing of it goes into the reduction before upload_finish: before its first byte, and for
// a summary, not a sum. What does not fit into the buffer waits in the file.
enum status upload_hold(struct upload *upload, struct error *error);
// Whether the buffer has room for another one of its size.
bool upload_leaves_room(const struct upload *upload);
// Binds an upload that is held to the reduction as it is now, whatever was reset since it began.
void upload_bind(struct upload *upload, const struct contribution *from);

// Takes the next `bytes` bytes of little-endian values at byte `offset`, as a callback of
// rpc_message_decode_chunk. False after a fault, which upload_fault tells: bytes out of order, too many, or
// values that the reduction refuses.
bool upload_take(void *upload, uint64_t offset, const uint8_t *run, size_t bytes);
uint64_t upload_received(const struct upload *upload);
const struct error *upload_fault(const struct upload *upload); // status OK: none

// All bytes are there: folds what was held back and counts the weight. On failure nothing of it is in the
// reduction, except as upload_free tells. ABORTED when the reduction was reset in the meantime,
// FAILED_PRECONDITION when the summary lies beyond max_norm.
enum status upload_finish(struct upload *upload, struct error *error);
