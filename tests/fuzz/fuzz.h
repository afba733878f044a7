// What the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput: any bytes are fine to it,
// and what must hold for all of them stands in fuzz_require. Under clang libFuzzer makes the bytes (./dev
// fuzz); without it replay.c hands over the saved ones.
#pragma once

#include "config/fields.h"
#include "rpc/rpc_impl.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

// Ends the process, as a finding, when `holds` is false.
#define fuzz_require(holds) ((holds) ? (void)0 : fuzz_end(#holds, __FILE__, __LINE__))
_Noreturn void fuzz_end(const char *what, const char *file, int line);

// A regular file that holds the bytes, without a name in any folder; `index` (0 or 1) tells those of one
// input apart. The path is good until the next call with that index.
const char *fuzz_file(unsigned int index, const void *data, size_t n);

// An empty folder: what was in it before is gone. One for the whole process, removed at its end.
const char *fuzz_folder(void);

// The kind that `yaml` chooses, "{kind: ...}" or a word; kept for the whole process.
struct choice fuzz_choice(const struct registry *registry, const char *yaml);

// The bytes as gRPC hands a message over: in slices of `cut` bytes, the last ones in one (0: all in one).
struct rpc_message fuzz_message(const uint8_t *data, size_t n, size_t cut);
void fuzz_message_release(struct rpc_message *message);

// Takes the next byte off the front; 0 when there is none.
uint8_t fuzz_byte(const uint8_t **data, size_t *n);
