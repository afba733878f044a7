#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/processes.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(processes, .timeout = 30);

static char logs[] = "/tmp/cohort-processes-XXXXXX";
static struct processes processes;
static char announced[64];
static struct error error;

static enum status start(const char *script, bool announces)
{
    const char *const arguments[] = {"sh", "-c", script, NULL};
    if (!processes.logs) {
        cr_assert_not_null(mkdtemp(logs));
        processes.logs = logs;
        snprintf(processes.folder, sizeof processes.folder, "/bin");
    }
    return processes_start(&processes, "child", arguments, announces ? announced : NULL, sizeof announced,
                           5000, &error);
}

static void stop(int grace_ms)
{
    processes_stop(&processes, grace_ms);
    file_remove_tree(logs);
}

Test(processes, a_program_announces_itself_and_its_output_goes_to_its_log)
{
    struct bytes log = BYTES_INIT;
    char path[128];
    cr_assert_eq(start("echo to the log; echo port 7 >&3; exec sleep 60", true), STATUS_OK, "%s",
                 error.message);
    cr_assert_str_eq(announced, "port 7");
    snprintf(path, sizeof path, "%s/child.log", logs);
    cr_assert_eq(bytes_read_file(&log, path, 1000, &error), STATUS_OK);
    cr_assert_str_eq(log.data, "to the log\n");
    cr_assert_eq(processes_check(&processes, &error), STATUS_OK);
    bytes_release(&log);
    stop(5000);
}

Test(processes, settings_in_the_environment_are_not_handed_on)
{
    setenv("COHORT_RELAY_OF", "127.0.0.1:1", 1);
    setenv("OF_OTHERS", "kept", 1);
    cr_assert_eq(start("echo ${COHORT_RELAY_OF-none} $OF_OTHERS >&3; exec sleep 60", true), STATUS_OK);
    cr_assert_str_eq(announced, "none kept");
    stop(5000);
}

Test(processes, one_that_ends_before_it_announced_itself_is_told_with_its_log)
{
    cr_assert_eq(start("exit 3", true), STATUS_UNAVAILABLE);
    cr_assert_not_null(strstr(error.message, "child.log"), "%s", error.message);
    stop(5000);
}

static void wait_for_fault(void)
{
    int64_t until_ms = clock_monotonic_ms() + 10000;
    while (processes_check(&processes, &error) == STATUS_OK && clock_monotonic_ms() < until_ms)
        usleep(1000);
}

Test(processes, one_that_ends_is_told_with_its_code)
{
    cr_assert_eq(start("exit 3", false), STATUS_OK);
    wait_for_fault();
    cr_assert_not_null(strstr(error.message, "child ended with code 3"), "%s", error.message);
    stop(5000);
}

Test(processes, one_that_is_killed_is_told_with_its_signal)
{
    cr_assert_eq(start("kill -9 $$", false), STATUS_OK);
    wait_for_fault();
    cr_assert_not_null(strstr(error.message, "child was killed by signal 9"), "%s", error.message);
    stop(5000);
}

Test(processes, stop_ends_those_that_heed_term_at_once_and_kills_the_others)
{
    cr_assert_eq(start("echo ready >&3; exec sleep 60", true), STATUS_OK);
    cr_assert_eq(start("trap '' TERM; echo ready >&3; while :; do sleep 0.05; done", true), STATUS_OK);
    int64_t started_ms = clock_monotonic_ms();
    stop(200);
    int64_t took_ms = clock_monotonic_ms() - started_ms;
    cr_assert(took_ms >= 200 && took_ms < 10000, "it took %lld ms", (long long)took_ms);
    cr_assert_eq(processes.n, 0);
}
