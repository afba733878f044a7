// The coordinator's journal: which experiments there are, who holds which place in them, and a record of
// every committed round. One SQLite database, `journal.db`, in the state folder, in write-ahead mode and
// synced at every commit. What is in a file that was found there is not trusted more than its bytes: rows are
// read, and nothing in its schema runs. A round is committed once its record is: by then its model, written
// beside, is durable too.
//
// One process at a time has it open. Calls may come from any thread; each is one transaction, done or not
// done as a whole. A failure is RESOURCE_EXHAUSTED (a full disk) or INTERNAL, and may be tried again; or
// DATA_LOSS, when the file is damaged.
#pragma once

#include "base/error.h"
#include "store/record.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal;

enum { JOURNAL_RUNNING = -1 };

// An experiment as it is written down. Pointers are the caller's, or valid during a callback.
struct journal_experiment {
    const char *id, *request_id, *yaml;
    const char *owner; // who created it, in the owner's words; NULL: nobody
    int64_t created_unix_ms;
    int outcome; // JOURNAL_RUNNING, or the owner's word for how it ended
    bool paused;
    const char *message;
    const void *data; // [n_data] what the owner has to know of the learners' data; NULL: nothing yet
    size_t n_data;
    // Of the last record; only when read.
    bool has_record;
    struct record record;
    const char *notes; // of the owner's
};

struct journal_slot {
    uint32_t slot;
    const char *name;
    uint64_t weight;
    bool member; // has been ready
};

// Opens or makes it. `durable` false: nothing is synced, for runs that nobody restarts. `ret_epoch` is one
// more than at the last opening. FAILED_PRECONDITION when another process has it open.
enum status journal_open(struct journal **ret, const char *folder, bool durable, uint64_t *ret_epoch,
                         struct error *error);
// Opens one that is there, to read alone: nothing of it changes. NOT_FOUND when there is none,
// FAILED_PRECONDITION while a coordinator has it open.
enum status journal_open_read(struct journal **ret, const char *folder, struct error *error);
struct journal *journal_close(struct journal *journal);

enum status journal_add(struct journal *journal, const struct journal_experiment *experiment,
                        struct error *error);
// How it stands: `outcome`, `paused`, `message`.
enum status journal_set_state(struct journal *journal, const struct journal_experiment *experiment,
                              struct error *error);
// All places at once, in place of those before.
enum status journal_set_slots(struct journal *journal, const char *id, const struct journal_slot *slots,
                              size_t n, struct error *error);
// The first record, with the data's description (`data`, `n_data` of `experiment`).
enum status journal_begin(struct journal *journal, const struct journal_experiment *experiment,
                          const struct record *record, struct error *error);
// A committed round. `attempt` and `notes` are kept beside the record.
enum status journal_commit(struct journal *journal, const char *id, const struct record *record,
                           uint32_t attempt, const char *notes, struct error *error);

// Every experiment in the order of creation, with its last record.
enum status journal_each_experiment(struct journal *journal,
                                    enum status (*each)(void *user,
                                                        const struct journal_experiment *experiment,
                                                        struct error *error),
                                    void *user, struct error *error);
enum status journal_each_slot(struct journal *journal, const char *id,
                              enum status (*each)(void *user, const struct journal_slot *slot,
                                                  struct error *error),
                              void *user, struct error *error);
// Every record of an experiment in order, as it stands: lines of record_format.
enum status journal_each_record(struct journal *journal, const char *id,
                                enum status (*each)(void *user, const char *line, struct error *error),
                                void *user, struct error *error);

// For tests: at most so many pages of the database, as on a full disk; 0: no bound.
void journal_limit_pages(struct journal *journal, unsigned int n);
