// Reading the journal: at a coordinator's start, and to verify a run.
#include "store/journal_impl.h"
#include <string.h>

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
    return record_parse(line, strlen(line), &ret->record, error);
}

enum status journal_each_experiment(struct journal *journal,
                                    enum status (*each)(void *user,
                                                        const struct journal_experiment *experiment,
                                                        struct error *error),
                                    void *user, struct error *error)
{
    static const char sql[] =
        "select e.id, request_id, yaml, created, outcome, paused, message, data, record, notes, "
        "o.name from experiments e left join owners o on o.id = e.id"
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
