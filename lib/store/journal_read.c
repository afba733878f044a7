// Reading the journal: at a coordinator's start, and to verify a run.
#include "base/file.h"
#include "base/memory.h"
#include "store/journal_impl.h"
#include <string.h>

// What is in the write-ahead log stays there: closing writes nothing either.
static enum status open_to_read(struct journal *journal, struct error *error)
{
    if (sqlite3_open_v2(journal->path, &journal->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, NULL) !=
        SQLITE_OK)
        return journal_fault(journal, error);
    sqlite3_db_config(journal->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_stmt *statement = NULL;
    sqlite3_exec(journal->db, "pragma locking_mode = exclusive; pragma query_only = on", NULL, NULL, NULL);
    TRY(journal_prepare(journal, "select version from meta", &statement, error));
    return journal_run(journal, statement, error);
}

enum status journal_open_read(struct journal **ret, const char *folder, struct error *error)
{
    struct journal *journal = memory_zalloc(sizeof *journal);
    if (!journal)
        return error_no_memory(error, sizeof *journal);
    pthread_mutex_init(&journal->lock, NULL);
    journal->path = memory_format("%s/journal.db", folder);
    enum status status = journal->path ? STATUS_OK : error_no_memory(error, strlen(folder));
    if (status == STATUS_OK && !file_exists(journal->path))
        status = error_set(error, STATUS_NOT_FOUND, "there is no '%s'; give a coordinator's state folder",
                           journal->path);
    if (status == STATUS_OK)
        status = open_to_read(journal, error);
    if (status == STATUS_FAILED_PRECONDITION)
        error_set(error, status, "'%s' is open in a coordinator; stop it first, or give a copy of its folder",
                  journal->path);
    if (status != STATUS_OK)
        journal_close(journal);
    else
        *ret = journal;
    return status;
}

static const char *text_at(sqlite3_stmt *statement, int i)
{
    const unsigned char *text = sqlite3_column_text(statement, i);
    return text ? (const char *)text : "";
}

static enum status read_experiment(sqlite3_stmt *statement, struct journal_experiment *ret,
                                   struct error *error)
{
    *ret = (struct journal_experiment){
        .id = text_at(statement, 0),
        .request_id = text_at(statement, 1),
        .yaml = text_at(statement, 2),
        .created_unix_ms = sqlite3_column_int64(statement, 3),
        .outcome = sqlite3_column_int(statement, 4),
        .paused = sqlite3_column_int(statement, 5) != 0,
        .message = text_at(statement, 6),
        .data = sqlite3_column_blob(statement, 7),
        .n_data = (size_t)sqlite3_column_bytes(statement, 7),
        .has_record = sqlite3_column_type(statement, 8) != SQLITE_NULL,
        .notes = text_at(statement, 9),
        .owner = text_at(statement, 10),
    };
    if (!ret->has_record)
        return STATUS_OK;
    const char *line = text_at(statement, 8);
    if (record_parse(line, strlen(line), &ret->record, error) == STATUS_OK)
        return STATUS_OK;
    return error_prefix(error, "experiment '%s': round %d", ret->id, sqlite3_column_int(statement, 11));
}

enum status journal_each_experiment(struct journal *journal,
                                    enum status (*each)(void *user,
                                                        const struct journal_experiment *experiment,
                                                        struct error *error),
                                    void *user, struct error *error)
{
    static const char sql[] =
        "select e.id, request_id, yaml, created, outcome, paused, message, data, record, notes, "
        "o.name, r.round from experiments e left join owners o on o.id = e.id"
        " left join rounds r on r.id = e.id and r.round = (select max(round) from rounds where id = e.id)"
        " order by number";
    sqlite3_stmt *statement = NULL;
    TRY(journal_prepare(journal, sql, &statement, error));
    enum status status = STATUS_OK;
    int code = sqlite3_step(statement);
    for (; code == SQLITE_ROW && status == STATUS_OK; code = sqlite3_step(statement)) {
        struct journal_experiment experiment;
        status = read_experiment(statement, &experiment, error);
        if (status == STATUS_OK)
            status = each(user, &experiment, error);
    }
    if (status == STATUS_OK && code != SQLITE_DONE)
        status = journal_fault(journal, error);
    sqlite3_finalize(statement);
    return status;
}

enum status journal_each_slot(struct journal *journal, const char *id,
                              enum status (*each)(void *user, const struct journal_slot *slot,
                                                  struct error *error),
                              void *user, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    TRY(journal_prepare(journal, "select slot, name, weight, member from slots where id = ? order by slot",
                        &statement, error));
    sqlite3_bind_text(statement, 1, id, -1, SQLITE_STATIC);
    enum status status = STATUS_OK;
    int code = sqlite3_step(statement);
    for (; code == SQLITE_ROW && status == STATUS_OK; code = sqlite3_step(statement)) {
        int64_t number = sqlite3_column_int64(statement, 0);
        const struct journal_slot slot = {.slot = number >= 0 && number < UINT32_MAX ? (uint32_t)number
                                                                                     : UINT32_MAX,
                                          .name = text_at(statement, 1),
                                          .weight = (uint64_t)sqlite3_column_int64(statement, 2),
                                          .member = sqlite3_column_int(statement, 3) != 0};
        status = each(user, &slot, error);
    }
    if (status == STATUS_OK && code != SQLITE_DONE)
        status = journal_fault(journal, error);
    sqlite3_finalize(statement);
    return status;
}

enum status journal_each_record(struct journal *journal, const char *id,
                                enum status (*each)(void *user, const char *line, struct error *error),
                                void *user, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    TRY(journal_prepare(journal, "select record from rounds where id = ? order by round", &statement, error));
    sqlite3_bind_text(statement, 1, id, -1, SQLITE_STATIC);
    enum status status = STATUS_OK;
    int code = sqlite3_step(statement);
    for (; code == SQLITE_ROW && status == STATUS_OK; code = sqlite3_step(statement))
        status = each(user, text_at(statement, 0), error);
    if (status == STATUS_OK && code != SQLITE_DONE)
        status = journal_fault(journal, error);
    sqlite3_finalize(statement);
    return status;
}
