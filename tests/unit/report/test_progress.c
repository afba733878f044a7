#include "base/memory.h"
#include "report/progress.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *text;
static size_t text_bytes;
static FILE *out;
static struct progress *progress;

static void start(bool live, bool quiet, uint32_t rounds)
{
    unsetenv("NO_COLOR");
    setenv("LC_ALL", "C.UTF-8", 1);
    out = open_memstream(&text, &text_bytes);
    struct progress_options options = {
        .out = out, .live = live, .quiet = quiet, .rounds = rounds, .learners = 10, .experiment = "digits"};
    cr_assert_eq(progress_new(&progress, &options, NULL), 0);
}

static char *stop(void)
{
    progress = progress_free(progress);
    fclose(out);
    return text;
}

static struct round_record a_round(uint32_t round)
{
    return (struct round_record){
        .round = round,
        .seconds = 0.0414,
        .n_summaries = 10,
        .n_selected = 10,
        .n_metrics = 2,
        .metrics = {{"test_loss", 0.4312}, {"test_accuracy", 0.8712}},
    };
}

static void run_rounds(uint32_t n)
{
    for (uint32_t i = 1; i <= n; i++) {
        struct round_record record = a_round(i);
        progress_round_started(progress, i, 10);
        for (int k = 0; k < 10; k++)
            progress_summary(progress);
        progress_round(progress, &record);
    }
}

static size_t count(const char *haystack, const char *needle)
{
    size_t n = 0;
    for (const char *at = haystack; (at = strstr(at, needle)); at += strlen(needle))
        n++;
    return n;
}

Test(progress, a_pipe_gets_one_plain_line_a_round)
{
    start(false, false, 20);
    struct round_record record = a_round(3);
    progress_round_started(progress, 3, 10);
    progress_summary(progress);
    progress_round(progress, &record);
    cr_assert_str_eq(stop(),
                     "round  3/20  loss 0.4312  accuracy 0.8712  10/10 learners  41 ms  704 ms left\n");
}

Test(progress, a_pipe_gets_every_round_of_a_long_experiment)
{
    start(false, false, 1000);
    run_rounds(1000);
    cr_assert_eq(count(stop(), "\n"), 1000);
}

Test(progress, a_terminal_gets_about_twenty_lines_of_a_long_experiment)
{
    start(true, false, 1000);
    run_rounds(1000);
    size_t lines = count(stop(), "\n");
    cr_assert_geq(lines, 20);
    cr_assert_leq(lines, 40);
}

Test(progress, missing_metrics_are_left_out)
{
    start(false, false, 1);
    struct round_record record = {.round = 1, .seconds = 2, .n_summaries = 1, .n_selected = 2};
    progress_round(progress, &record);
    cr_assert_str_eq(stop(), "round 1/1  1/2 learners  2.0 s\n");
}

Test(progress, quiet_says_nothing)
{
    start(true, true, 2);
    progress_note(progress, "waiting for %d learners", 3);
    run_rounds(2);
    struct run_summary summary = {.status = "completed", .test_accuracy = 0.9, .local_accuracy = NAN};
    progress_finish(progress, &summary, "runs/x");
    cr_assert_str_eq(stop(), "");
}

Test(progress, no_color_means_no_colour)
{
    start(true, false, 2);
    progress = progress_free(progress);
    setenv("NO_COLOR", "1", 1);
    struct progress_options options = {.out = out, .live = true, .rounds = 2, .experiment = "digits"};
    cr_assert_eq(progress_new(&progress, &options, NULL), 0);
    run_rounds(2);
    char *seen = stop();
    cr_assert_eq(count(seen, "\033[1m") + count(seen, "\033[3"), 0);
    cr_assert(strstr(seen, "accuracy 0.8712"));
}

Test(progress, a_live_line_fits_eighty_columns)
{
    start(true, false, 100000);
    progress_note(progress, "%s",
                  "waiting for three hundred of four hundred learners, which may take quite "
                  "some time, so go and have a cup of tea meanwhile");
    run_rounds(3);
    for (char *line = strtok(stop(), "\r\n"); line; line = strtok(NULL, "\r\n")) {
        size_t columns = 0;
        for (char *c = line; *c; c++) {
            if (*c == '\033')
                c += strcspn(c, "mK");
            else
                columns += ((unsigned char)*c & 0xC0) != 0x80;
        }
        cr_assert_leq(columns, 79, "%s", line);
    }
}

Test(progress, a_note_is_said_once)
{
    start(false, false, 1);
    for (int i = 0; i < 3; i++)
        progress_note(progress, "waiting for %d of 10 learners", 3);
    cr_assert_str_eq(stop(), "waiting for 3 of 10 learners\n");
}

Test(progress, the_end_tells_the_result_and_where_it_lies)
{
    start(false, false, 20);
    struct run_summary summary = {
        .local_accuracy = NAN,
        .experiment = "digits",
        .rounds = 20,
        .status = "stopped_early",
        .message = "test_accuracy reached 0.97",
        .test_accuracy = 0.9712,
        .test_loss = NAN,
        .train_loss = NAN,
        .wall_seconds = 12.3,
        .bytes_up = 18800000,
        .bytes_down = 1000,
        .model_parameters = 235146,
        .model_sha256 = "0123456789abcdef0123456789abcdef",
    };
    progress_finish(progress, &summary, "runs/x");
    cr_assert_str_eq(stop(), "\ndigits stopped early, 20 rounds in 12.3 s\n"
                             "note      test_accuracy reached 0.97\n"
                             "accuracy  0.9712  on test data\n"
                             "model     0123456789abcdef  235,146 parameters\n"
                             "traffic   19 MB up, 1.0 kB down\n"
                             "files     runs/x/\n"
                             "report    runs/x/report.html  (open it in a browser)\n");
}
