#include "base/fault.h"
#include "base/file.h"
#include "store/journal.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/cohort-test-journal-XXXXXX";
static struct error error;
static struct journal *journal;
static uint64_t epoch;
static const struct journal_experiment tiny = {.id = "tiny",
                                               .request_id = "r",
                                               .owner = "user alice",
                                               .yaml = "name: tiny\n",
                                               .created_unix_ms = 5,
                                               .outcome = JOURNAL_RUNNING};

static enum status reopen(void)
{
    journal = journal_close(journal);
    return journal_open(&journal, folder, true, &epoch, &error);
}

static void make_folder(void)
{
    cr_assert(mkdtemp(folder));
    cr_assert_eq(reopen(), STATUS_OK, "%s", error.message);
}

static void drop_folder(void)
{
    journal_close(journal);
    file_remove_tree(folder);
}

TestSuite(journal, .init = make_folder, .fini = drop_folder);

static struct record record_of(uint32_t round)
{
    struct record record = {.round = round, .summaries = round};
    record_seal(&record);
    return record;
}

static enum status commit(uint32_t round)
{
    const struct record record = record_of(round);
    return journal_commit(journal, "tiny", &record, 1, "notes", &error);
}

// What was read: a copy of numbers, and how often.
static struct journal_experiment seen;
static char seen_text[64];
static unsigned int n_seen;

static enum status see(void *user, const struct journal_experiment *experiment, struct error *problem)
{
    (void)user, (void)problem;
    seen = *experiment;
    snprintf(seen_text, sizeof seen_text, "%s|%s|%s|%s|%.*s|%s|%s", experiment->id, experiment->request_id,
             experiment->yaml, experiment->message, (int)experiment->n_data, (const char *)experiment->data,
             experiment->notes, experiment->owner);
    n_seen++;
    return STATUS_OK;
}

static void look(void)
{
    n_seen = 0;
    cr_assert_eq(journal_each_experiment(journal, see, NULL, &error), STATUS_OK, "%s", error.message);
}

Test(journal, what_was_written_is_there_after_reopening)
{
    struct journal_experiment begun = tiny, ended = tiny;
    begun.data = "shape";
    begun.n_data = 5;
    const struct record first = record_of(0);
    cr_assert_eq(journal_add(journal, &tiny, &error), STATUS_OK);
    cr_assert_eq(journal_begin(journal, &begun, &first, &error), STATUS_OK);
    cr_assert_eq(commit(1), STATUS_OK);
    cr_assert_eq(commit(2), STATUS_OK);
    ended.outcome = 3;
    ended.message = "why";
    ended.paused = true;
    cr_assert_eq(journal_set_state(journal, &ended, &error), STATUS_OK);
    cr_assert_eq(reopen(), STATUS_OK);
    look();
    cr_assert_eq(n_seen, 1);
    cr_assert_str_eq(seen_text, "tiny|r|name: tiny\n|why|shape|notes|user alice");
    cr_assert_eq(seen.outcome, 3);
    cr_assert(seen.paused);
    cr_assert(seen.has_record);
    cr_assert_eq(seen.record.round, 2);
}

static uint64_t weights;

static enum status add_weight(void *user, const struct journal_slot *slot, struct error *problem)
{
    (void)user;
    (void)problem;
    weights = weights * 100 + slot->slot * 10 + slot->weight + (slot->member && strcmp(slot->name, "b") == 0);
    return STATUS_OK;
}

Test(journal, places_are_replaced_all_at_once)
{
    const struct journal_slot before[] = {{0, "a", 1, false}, {1, "b", 2, true}},
                              after[] = {{4, "b", 2, true}};
    cr_assert_eq(journal_set_slots(journal, "tiny", before, 2, &error), STATUS_OK);
    cr_assert_eq(journal_each_slot(journal, "tiny", add_weight, NULL, &error), STATUS_OK);
    cr_assert_eq(weights, 113);
    weights = 0;
    cr_assert_eq(journal_set_slots(journal, "tiny", after, 1, &error), STATUS_OK);
    cr_assert_eq(journal_each_slot(journal, "tiny", add_weight, NULL, &error), STATUS_OK);
    cr_assert_eq(weights, 43);
}

Test(journal, each_opening_has_an_epoch_of_its_own)
{
    uint64_t before = epoch;
    cr_assert_eq(reopen(), STATUS_OK);
    cr_assert_eq(epoch, before + 1);
}

Test(journal, one_process_at_a_time_has_it)
{
    struct journal *second = NULL;
    uint64_t none;
    cr_assert_eq(journal_open(&second, folder, true, &none, &error), STATUS_FAILED_PRECONDITION, "%s",
                 error.message);
    cr_assert(strstr(error.message, "another process"), "%s", error.message);
    cr_assert_null(second);
}

// Every step of every call fails once: the call says so and leaves nothing, and does all when tried again.
Test(journal, a_call_that_fails_leaves_nothing_and_can_be_tried_again)
{
    cr_assert_eq(journal_add(journal, &tiny, &error), STATUS_OK);
    for (uint32_t round = 1; round <= 2; round++) {
        fault_fail_after(round, 1, round == 1 ? ENOSPC : EIO);
        cr_assert_eq(commit(round), round == 1 ? STATUS_RESOURCE_EXHAUSTED : STATUS_INTERNAL);
        fault_fail_after(0, 0, 0);
        look();
        cr_assert_eq(seen.has_record, round > 1);
        cr_assert(round == 1 || seen.record.round == round - 1);
        cr_assert_eq(commit(round), STATUS_OK, "%s", error.message);
        look();
        cr_assert_eq(seen.record.round, round);
    }
}

Test(journal, a_full_disk_is_told_and_what_was_there_stays)
{
    cr_assert_eq(journal_add(journal, &tiny, &error), STATUS_OK);
    journal_limit_pages(journal, 1); // as many as there are
    uint32_t round = 1;
    while (round < 10000 && commit(round) == STATUS_OK)
        round++;
    cr_assert_lt(round, 10000);
    cr_assert_eq(error.status, STATUS_RESOURCE_EXHAUSTED, "%s", error.message);
    look();
    cr_assert(round == 1 || seen.record.round == round - 1);
    journal_limit_pages(journal, 0);
    cr_assert_eq(commit(round), STATUS_OK, "%s", error.message);
    cr_assert_eq(reopen(), STATUS_OK);
    look();
    cr_assert_eq(seen.record.round, round);
}

// A process that dies at every step in turn leaves what was committed, and nothing else.
Test(journal, whoever_dies_leaves_whole_transactions)
{
    cr_assert_eq(journal_add(journal, &tiny, &error), STATUS_OK);
    journal = journal_close(journal);
    for (unsigned int die_at = 1; die_at <= 12; die_at++) {
        pid_t child = fork();
        if (child == 0) {
            fault_die_after(die_at);
            if (reopen() == STATUS_OK)
                for (uint32_t round = 1; round <= 3; round++)
                    commit(round);
            _exit(0);
        }
        waitpid(child, NULL, 0);
        cr_assert_eq(reopen(), STATUS_OK, "%s", error.message);
        look();
        // Opening and each commit take three steps; the third comes after the commit.
        unsigned int n_committed = die_at < 6 ? 0 : die_at / 3 - 1;
        cr_assert_eq(seen.has_record ? seen.record.round : 0, n_committed, "step %u", die_at);
        journal = journal_close(journal);
        char command[128];
        snprintf(command, sizeof command, "%s/journal.db", folder);
        cr_assert_eq(unlink(command), 0);
        cr_assert_eq(reopen(), STATUS_OK);
        cr_assert_eq(journal_add(journal, &tiny, &error), STATUS_OK);
        journal = journal_close(journal);
    }
}

Test(journal, a_torn_file_is_damage_and_not_a_crash)
{
    cr_assert_eq(journal_add(journal, &tiny, &error), STATUS_OK);
    journal = journal_close(journal);
    char path[128];
    snprintf(path, sizeof path, "%s/journal.db", folder);
    FILE *file = fopen(path, "r+");
    cr_assert(file);
    for (int i = 0; i < 100; i++)
        fputc('x', file);
    fclose(file);
    cr_assert_eq(journal_open(&journal, folder, true, &epoch, &error), STATUS_DATA_LOSS, "%s", error.message);
}
