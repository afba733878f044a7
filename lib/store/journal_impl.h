// What the files of the journal share.
#pragma once

#include "store/journal.h"
#include <pthread.h>
#include <sqlite3.h>

struct journal {
    sqlite3 *db;
    pthread_mutex_t lock; // one call at a time
    char *path;
};

// A statement; values are bound by the functions below, from 1.
enum status journal_prepare(struct journal *journal, const char *sql, sqlite3_stmt **ret,
                            struct error *error);
// What SQLite complains of last.
enum status journal_fault(const struct journal *journal, struct error *error);
// One step of a statement that gives no row; finalizes it.
enum status journal_run(struct journal *journal, sqlite3_stmt *statement, struct error *error);
