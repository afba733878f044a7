// Memory that processes of one machine and one user read from each other (cross-memory attach, as MPI does on
// a node): parameters go from where they lie to where they are wanted, once, and only the place is told on
// the connection.
//
// What a peer says on a connection does not make it a neighbour. The learner opens a door: a socket in the
// abstract namespace, under a token that nobody can guess and that it tells its coordinator. Whoever can
// connect to it is on this machine, and the kernel tells either side which process and which user the other
// is. That its memory may be read is tried: the token lies there, at the address that was told. Where any of
// this fails, and always between machines, bytes go over the connection.
#pragma once

#include "base/error.h"
#include "cohort/v1/exchange.pb.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CROSS_TOKEN_BYTES = 16,
    CROSS_PLACE_BYTES = 4 << 20, // that are told of at once: the reader's thread is busy for a millisecond
};

// What a process tells of itself: 16 random bytes, and where in its memory they lie.
struct cross_token {
    uint8_t bytes[CROSS_TOKEN_BYTES];
};
enum status cross_token_draw(struct cross_token *ret, struct error *error);
uint64_t cross_address(const void *place);
// As messages have them: a token that stays where it is, and bytes [n], the ones from `offset` on of a whole,
// or as many of them as may be told of at once.
void cross_token_tell(const struct cross_token *token, cohort_v1_CrossMemory *ret);
cohort_v1_Place cross_place(uint64_t offset, const void *bytes, uint64_t n);

// Where the kernel asks for leave (Yama's ptrace_scope 1): processes started by the one that started this one
// may read its memory.
void cross_memory_allow_siblings(void);

// Another process, whose memory may be read as long as it lives; counted references.
struct cross_memory;
struct cross_memory *cross_memory_ref(struct cross_memory *memory); // which may be NULL
struct cross_memory *cross_memory_unref(struct cross_memory *memory);
// Reads n bytes from `address` there. ABORTED when the process is gone, or has nothing there.
enum status cross_memory_read(const struct cross_memory *memory, uint64_t address, void *to, size_t n,
                              struct error *error);
// Reads n bytes from `address` there tile by tile, and hands them to `take` in order, from `offset` on.
// ABORTED also when `take` returns false.
enum status cross_memory_pass(struct cross_memory *memory, uint64_t address, uint64_t n, uint64_t offset,
                              bool (*take)(void *user, uint64_t offset, const uint8_t *bytes, size_t n),
                              void *user, struct error *error);

// ---- the side that is asked to look

// The process behind the door of `token`, in whose memory the token lies at `address`. NULL: it is not on
// this machine, is another user's, or may not be read. Does not wait.
struct cross_memory *cross_memory_knock(const struct cross_token *token, uint64_t address);

// Asks the process behind that door for a line (rpc/cross_line.h), which it finds by `line`, a token that it
// is told on the connection. The socket; -1: there is none. Does not wait.
int cross_memory_line(const struct cross_memory *memory, const struct cross_token *token,
                      const struct cross_token *line);

// ---- the side that opens a door

struct cross_door;
enum status cross_door_open(struct cross_door **ret, struct error *error);
struct cross_door *cross_door_close(struct cross_door *door);              // which may be NULL
const struct cross_token *cross_door_token(const struct cross_door *door); // stays where it is
void cross_door_show(const struct cross_door *door, pb_size_t *ret_n, uint8_t *ret_token); // to whom was met
// Of all who have knocked: the one in whose memory `token` lies at `address`, from now on known; NULL when
// there is none, or its memory may not be read. The caller's reference.
struct cross_memory *cross_door_meet(struct cross_door *door, const struct cross_token *token,
                                     uint64_t address);
// The line that a process has asked for under this token, which must be `met`: the socket; -1: there is none.
int cross_door_line(struct cross_door *door, const struct cross_memory *met, const struct cross_token *line);
