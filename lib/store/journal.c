#include "store/journal.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/memory.h"
#include "store/journal_impl.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { VALUE_BYTES_MAX = 64 << 20 };

static const char schema[] =
    "create table if not exists meta(version integer not null, epoch integer not null);"
    "insert into meta select 1, 0 where not exists (select * from meta);"
    "create table if not exists experiments("
    " number integer primary key, id text not null unique, request_id text not null, yaml text not null,"
    " created integer not null, outcome integer not null, paused integer not null, message text not null, "
    "data blob);"
    "create table if not exists slots("
    " id text not null, slot integer not null, name text not null, weight integer not null, member integer "
    "not null,"
    " primary key (id, slot)) without rowid;"
    "create table if not exists rounds("
    " id text not null, round integer not null, attempt integer not null, record text not null, notes text "
    "not null,"
    " primary key (id, round)) without rowid;"
    "create table if not exists owners(id text primary key, name text not null) without rowid;";

// ---- SQLite ---------------------------------------------------------------------------------------------

enum status journal_fault(const struct journal *journal, struct error *error)
{
    switch (sqlite3_errcode(journal->db) & 0xff) {
    case SQLITE_FULL:
        return error_set(error, STATUS_RESOURCE_EXHAUSTED,
                         "cannot write '%s': the disk is full; make room on it", journal->path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(error, STATUS_FAILED_PRECONDITION,
                         "'%s' is open in another process; give each coordinator a state folder of its own",
                         journal->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: // a table or column is not there, or is something else
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return error_set(error, STATUS_DATA_LOSS, "'%s' is damaged (%s); restore it from a copy",
                         journal->path, sqlite3_errmsg(journal->db));
    default:
        return error_set(error, STATUS_INTERNAL, "cannot write '%s': %s; check the disk", journal->path,
                         sqlite3_errmsg(journal->db));
    }
}

enum status journal_prepare(struct journal *journal, const char *sql, sqlite3_stmt **ret, struct error *error)
{
    return sqlite3_prepare_v2(journal->db, sql, -1, ret, NULL) == SQLITE_OK ? STATUS_OK
                                                                            : journal_fault(journal, error);
}

enum status journal_run(struct journal *journal, sqlite3_stmt *statement, struct error *error)
{
    int code = sqlite3_step(statement);
    enum status status =
        code == SQLITE_DONE || code == SQLITE_ROW ? STATUS_OK : journal_fault(journal, error);
    sqlite3_finalize(statement);
    return status;
}

static enum status execute(struct journal *journal, const char *sql, struct error *error)
{
    return sqlite3_exec(journal->db, sql, NULL, NULL, NULL) == SQLITE_OK ? STATUS_OK
                                                                         : journal_fault(journal, error);
}

static enum status step(const struct journal *journal, struct error *error)
{
    int number = fault_step();
    return number ? error_errno(error, number, "cannot write", journal->path) : STATUS_OK;
}

static enum status begin(struct journal *journal, struct error *error)
{
    pthread_mutex_lock(&journal->lock);
    enum status status = step(journal, error);
    return status == STATUS_OK ? execute(journal, "begin immediate", error) : status;
}

// Commits when all went well so far, else undoes it.
static enum status end(struct journal *journal, enum status status, struct error *error)
{
    if (status == STATUS_OK)
        status = step(journal, error);
    if (status == STATUS_OK)
        status = execute(journal, "commit", error);
    if (status != STATUS_OK && !sqlite3_get_autocommit(journal->db))
        sqlite3_exec(journal->db, "rollback", NULL, NULL, NULL);
    if (status == STATUS_OK)
        fault_step(); // what comes after a commit; it cannot fail any more
    pthread_mutex_unlock(&journal->lock);
    return status;
}

// ---- opening --------------------------------------------------------------------------------------------

static enum status read_epoch(struct journal *journal, uint64_t *ret, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    TRY(execute(journal, "update meta set epoch = epoch + 1", error));
    TRY(journal_prepare(journal, "select epoch, version from meta", &statement, error));
    enum status status = sqlite3_step(statement) == SQLITE_ROW ? STATUS_OK : journal_fault(journal, error);
    if (status == STATUS_OK && sqlite3_column_int(statement, 1) != 1)
        status = error_set(error, STATUS_FAILED_PRECONDITION,
                           "'%s' was written by another version of Cohort; use that, or another state folder",
                           journal->path);
    if (status == STATUS_OK)
        *ret = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return status;
}

// The file is as it was found: nothing in its schema runs (triggers, views, functions), nothing of it is
// taken for right unseen, and no value of it is larger than one that was written.
static void distrust(sqlite3 *db)
{
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_exec(db, "pragma cell_size_check = on", NULL, NULL, NULL);
}

static enum status open_database(struct journal *journal, bool durable, uint64_t *ret_epoch,
                                 struct error *error)
{
    if (sqlite3_open_v2(journal->path, &journal->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
                        NULL) != SQLITE_OK)
        return journal_fault(journal, error);
    distrust(journal->db);
    TRY(execute(journal, "pragma locking_mode = exclusive; pragma journal_mode = wal;", error));
    TRY(execute(journal, durable ? "pragma synchronous = full" : "pragma synchronous = off", error));
    enum status status = begin(journal, error);
    if (status == STATUS_OK)
        status = execute(journal, schema, error);
    if (status == STATUS_OK)
        status = read_epoch(journal, ret_epoch, error);
    return end(journal, status, error);
}

enum status journal_open(struct journal **ret, const char *folder, bool durable, uint64_t *ret_epoch,
                         struct error *error)
{
    TRY(file_make_folder(folder, error));
    struct journal *journal = memory_zalloc(sizeof *journal);
    if (!journal)
        return error_no_memory(error, sizeof *journal);
    pthread_mutex_init(&journal->lock, NULL);
    journal->path = memory_format("%s/journal.db", folder);
    enum status status = journal->path ? open_database(journal, durable, ret_epoch, error)
                                       : error_no_memory(error, strlen(folder));
    if (status != STATUS_OK)
        journal_close(journal);
    else
        *ret = journal;
    return status;
}

struct journal *journal_close(struct journal *journal)
{
    if (!journal)
        return NULL;
    sqlite3_close(journal->db);
    pthread_mutex_destroy(&journal->lock);
    memory_free(journal->path);
    return memory_free(journal);
}

void journal_limit_pages(struct journal *journal, unsigned int n)
{
    char sql[64];
    snprintf(sql, sizeof sql, "pragma max_page_count = %u", n ? n : 1073741823U);
    sqlite3_exec(journal->db, sql, NULL, NULL, NULL);
}

// ---- writing --------------------------------------------------------------------------------------------

static void bind_text(sqlite3_stmt *statement, int i, const char *text)
{
    sqlite3_bind_text(statement, i, text ? text : "", -1, SQLITE_STATIC);
}

static enum status add(struct journal *journal, const struct journal_experiment *experiment,
                       struct error *error)
{
    sqlite3_stmt *statement = NULL;
    TRY(journal_prepare(journal, "insert into experiments values(null, ?, ?, ?, ?, ?, ?, ?, null)",
                        &statement, error));
    bind_text(statement, 1, experiment->id);
    bind_text(statement, 2, experiment->request_id);
    bind_text(statement, 3, experiment->yaml);
    sqlite3_bind_int64(statement, 4, experiment->created_unix_ms);
    sqlite3_bind_int(statement, 5, experiment->outcome);
    sqlite3_bind_int(statement, 6, experiment->paused);
    bind_text(statement, 7, experiment->message);
    return journal_run(journal, statement, error);
}

static enum status add_owner(struct journal *journal, const struct journal_experiment *experiment,
                             struct error *error)
{
    sqlite3_stmt *statement = NULL;
    if (!experiment->owner)
        return STATUS_OK;
    TRY(journal_prepare(journal, "insert into owners values(?, ?)", &statement, error));
    bind_text(statement, 1, experiment->id);
    bind_text(statement, 2, experiment->owner);
    return journal_run(journal, statement, error);
}

static enum status set_state(struct journal *journal, const struct journal_experiment *experiment,
                             struct error *error)
{
    sqlite3_stmt *statement = NULL;
    TRY(journal_prepare(journal, "update experiments set outcome = ?, paused = ?, message = ? where id = ?",
                        &statement, error));
    sqlite3_bind_int(statement, 1, experiment->outcome);
    sqlite3_bind_int(statement, 2, experiment->paused);
    bind_text(statement, 3, experiment->message);
    bind_text(statement, 4, experiment->id);
    return journal_run(journal, statement, error);
}

static enum status set_data(struct journal *journal, const struct journal_experiment *experiment,
                            struct error *error)
{
    sqlite3_stmt *statement = NULL;
    TRY(journal_prepare(journal, "update experiments set data = ? where id = ?", &statement, error));
    sqlite3_bind_blob(statement, 1, experiment->data, (int)experiment->n_data, SQLITE_STATIC);
    bind_text(statement, 2, experiment->id);
    return journal_run(journal, statement, error);
}

static enum status add_record(struct journal *journal, const char *id, const struct record *record,
                              uint32_t attempt, const char *notes, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    char text[RECORD_TEXT_BYTES];
    record_format(record, text);
    TRY(journal_prepare(journal, "insert or replace into rounds values(?, ?, ?, ?, ?)", &statement, error));
    bind_text(statement, 1, id);
    sqlite3_bind_int64(statement, 2, record->round);
    sqlite3_bind_int64(statement, 3, attempt);
    bind_text(statement, 4, text);
    bind_text(statement, 5, notes);
    return journal_run(journal, statement, error);
}

static enum status add_slot(struct journal *journal, const char *id, const struct journal_slot *slot,
                            struct error *error)
{
    sqlite3_stmt *statement = NULL;
    TRY(journal_prepare(journal, "insert into slots values(?, ?, ?, ?, ?)", &statement, error));
    bind_text(statement, 1, id);
    sqlite3_bind_int64(statement, 2, slot->slot);
    bind_text(statement, 3, slot->name);
    sqlite3_bind_int64(statement, 4, (int64_t)slot->weight);
    sqlite3_bind_int(statement, 5, slot->member);
    return journal_run(journal, statement, error);
}

static enum status set_slots(struct journal *journal, const char *id, const struct journal_slot *slots,
                             size_t n, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    TRY(journal_prepare(journal, "delete from slots where id = ?", &statement, error));
    bind_text(statement, 1, id);
    TRY(journal_run(journal, statement, error));
    for (size_t i = 0; i < n; i++)
        TRY(add_slot(journal, id, &slots[i], error));
    return STATUS_OK;
}

enum status journal_add(struct journal *journal, const struct journal_experiment *experiment,
                        struct error *error)
{
    enum status status = begin(journal, error);
    if (status == STATUS_OK)
        status = add(journal, experiment, error);
    if (status == STATUS_OK)
        status = add_owner(journal, experiment, error);
    return end(journal, status, error);
}

enum status journal_set_state(struct journal *journal, const struct journal_experiment *experiment,
                              struct error *error)
{
    enum status status = begin(journal, error);
    if (status == STATUS_OK)
        status = set_state(journal, experiment, error);
    return end(journal, status, error);
}

enum status journal_set_slots(struct journal *journal, const char *id, const struct journal_slot *slots,
                              size_t n, struct error *error)
{
    enum status status = begin(journal, error);
    if (status == STATUS_OK)
        status = set_slots(journal, id, slots, n, error);
    return end(journal, status, error);
}

enum status journal_begin(struct journal *journal, const struct journal_experiment *experiment,
                          const struct record *record, struct error *error)
{
    enum status status = begin(journal, error);
    if (status == STATUS_OK)
        status = set_data(journal, experiment, error);
    if (status == STATUS_OK)
        status = add_record(journal, experiment->id, record, 0, "", error);
    return end(journal, status, error);
}

enum status journal_commit(struct journal *journal, const char *id, const struct record *record,
                           uint32_t attempt, const char *notes, struct error *error)
{
    enum status status = begin(journal, error);
    if (status == STATUS_OK)
        status = add_record(journal, id, record, attempt, notes, error);
    return end(journal, status, error);
}
