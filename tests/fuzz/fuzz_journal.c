// The coordinator's state folder, as it finds it at its start: a journal that anyone may have written into.
// The first byte says what follows: the bytes of the database, and after them (their number is told first) of
// its write-ahead log; or, odd, SQL that is run on a good journal. There sealed(round, summaries, weight)
// gives an honest record. Whatever is there, the coordinator starts or says why not; what it took over can be
// asked for, and it starts again.
#include "base/arena.h"
#include "base/bytes.h"
#include "base/log.h"
#include "coordinator/coordinator.h"
#include "coordinator/job.h"
#include "coordinator/metrics.h"
#include "fuzz.h"
#include "store/journal.h"
#include "store/record.h"
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

enum { STEPS_MAX = 100000, SQL_BYTES_MAX = 1 << 16, VALUE_BYTES_MAX = 1 << 20 };

static char path[512], log_path[520];

// ---- the folder -----------------------------------------------------------------------------------------

static void write_file(const char *name, const uint8_t *data, size_t n)
{
    FILE *file = fopen(name, "wbe");
    fuzz_require(file && fwrite(data, 1, n, file) == n && fclose(file) == 0);
}

static void write_bytes(const uint8_t *data, size_t n)
{
    size_t bytes = 0;
    for (int i = 0; i < 3; i++)
        bytes = bytes << 8 | fuzz_byte(&data, &n);
    bytes = bytes < n ? bytes : n;
    write_file(path, data, bytes);
    if (bytes < n)
        write_file(log_path, data + bytes, n - bytes);
}

static void sealed(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct record record = {.round = (uint32_t)sqlite3_value_int64(values[0]),
                            .summaries = (uint32_t)sqlite3_value_int64(values[1]),
                            .weight = (uint64_t)sqlite3_value_int64(values[2])};
    char text[RECORD_TEXT_BYTES];
    record_seal(&record);
    record_format(&record, text);
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

static int stop(void *user)
{
    return 1;
}

// One statement after the other, whatever becomes of them; none of them for long, or elsewhere.
static void run_sql(sqlite3 *db, const char *sql)
{
    while (*sql) {
        sqlite3_stmt *statement = NULL;
        const char *rest = sql + 1;
        if (sqlite3_prepare_v2(db, sql, -1, &statement, &rest) == SQLITE_OK && statement)
            sqlite3_step(statement);
        sqlite3_finalize(statement);
        if (rest <= sql || (!statement && (rest = strchr(sql, ';')) == NULL))
            return;
        sql = rest + (*rest == ';');
    }
}

static void write_rows(const char *folder, const uint8_t *data, size_t n)
{
    static char text[SQL_BYTES_MAX];
    struct journal *journal = NULL;
    uint64_t epoch;
    sqlite3 *db = NULL;
    fuzz_require(journal_open(&journal, folder, false, &epoch, NULL) == STATUS_OK);
    journal_close(journal);
    fuzz_require(sqlite3_open(path, &db) == SQLITE_OK);
    sqlite3_create_function(db, "sealed", 3, SQLITE_UTF8, NULL, sealed, NULL, NULL);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
    sqlite3_progress_handler(db, STEPS_MAX, stop, NULL);
    sqlite3_exec(db, "pragma synchronous = off; pragma max_page_count = 256", NULL, NULL, NULL);
    snprintf(text, sizeof text, "%.*s", (int)(n < sizeof text ? n : sizeof text - 1), (const char *)data);
    run_sql(db, text);
    sqlite3_close(db);
}

// ---- the coordinator ------------------------------------------------------------------------------------

static void ask_job(const struct coordinator *coordinator, struct job *job)
{
    struct arena arena = ARENA_INIT;
    cohort_v1_Experiment described = cohort_v1_Experiment_init_zero;
    cohort_v1_ExplainExperimentResponse explained = cohort_v1_ExplainExperimentResponse_init_zero;
    fuzz_require(experiment_name_is_good(job->id) && job_find(coordinator, job->id) == job);
    fuzz_require(job->n_free <= job->n_slots);
    job_describe(job, &described);
    job_explain(job, &arena, &explained);
    fuzz_require(described.state != cohort_v1_ExperimentState_EXPERIMENT_STATE_UNSPECIFIED);
    fuzz_require(described.round <= described.rounds);
    arena_release(&arena);
}

static bool start(const char *folder)
{
    const struct coordinator_options options = {.state_folder = folder,
                                                .lease_ms = 60000,
                                                .max_learners = 20,
                                                .max_experiments = 3,
                                                .max_model_bytes = 1 << 16,
                                                .buffer_bytes = 1 << 16,
                                                .upload_bytes = 1 << 16};
    struct coordinator *coordinator = NULL;
    struct error error = ERROR_INIT;
    struct bytes text = BYTES_INIT;
    if (coordinator_new(&coordinator, &options, &error) != STATUS_OK) {
        fuzz_require(error.status != STATUS_OK && error.message[0] && !coordinator);
        return false;
    }
    coordinator_lock(coordinator);
    for (struct job *job = coordinator->jobs; job; job = job->next)
        ask_job(coordinator, job);
    coordinator_unlock(coordinator);
    coordinator_metrics(coordinator, &text);
    bytes_release(&text);
    coordinator_free(coordinator);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *folder = fuzz_folder();
    if (!*path) {
        log_open("fuzz", LOG_ERROR + 1, LOG_TEXT);
        snprintf(path, sizeof path, "%s/journal.db", folder);
        snprintf(log_path, sizeof log_path, "%s-wal", path);
    }
    if (fuzz_byte(&data, &n) % 2)
        write_rows(folder, data, n);
    else
        write_bytes(data, n);
    if (start(folder))
        fuzz_require(start(folder));
    return 0;
}
