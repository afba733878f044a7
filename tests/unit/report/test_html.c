#include "base/memory.h"
#include "report/html.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static struct history history;
static struct bytes page;

static void release(void)
{
    history_release(&history);
    bytes_release(&page);
}

TestSuite(html, .fini = release);

static const char *render(struct run_summary summary, const char *yaml)
{
    summary.status = "completed";
    html_report(&page, &(struct html_report){&summary, &history, yaml, NULL});
    cr_assert_not(page.failed);
    return page.data;
}

static void add_learner(const char *name)
{
    struct learner_record record = {
        .round = 1, .learner = name, .weight = 5, .n_metrics = 1, .metrics = {{"train_loss", 0.5}}};
    cr_assert_eq(history_add_learner(&history, &record, NULL), 0);
}

static size_t count(const char *haystack, const char *needle)
{
    size_t n = 0;
    for (const char *at = haystack; (at = strstr(at, needle)); at += strlen(needle))
        n++;
    return n;
}

Test(html, text_is_escaped_for_tags_and_quotes)
{
    html_text(&page, "<a href=\"x\" id='y'>&\x01\x7F\n");
    cr_assert_str_eq(page.data, "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;\xEF\xBF\xBD\xEF\xBF\xBD\n");
}

Test(html, nothing_from_outside_becomes_markup)
{
    struct round_record record = {.round = 1, .seconds = 1, .n_metrics = 1};
    snprintf(record.metrics[0].name, sizeof record.metrics[0].name, "%s", "<img src=x onerror=1>\"'");
    record.metrics[0].value = 1;
    snprintf(record.model_sha256, sizeof record.model_sha256, "%s", "<img sha");
    cr_assert_eq(history_add_round(&history, &record, NULL), 0);
    add_learner("<img learner>");
    const char *html = render((struct run_summary){.experiment = "<img name>",
                                                   .message = "<img message>",
                                                   .blas = "<img blas>",
                                                   .version = "<img version>",
                                                   .model_sha256 = "<img digest>"},
                              "name: </pre><img yaml>");
    cr_assert_eq(count(html, "<img"), 0);
    cr_assert_geq(count(html, "&lt;img"), 10);
    cr_assert_eq(count(html, "</pre>"), 1);
    cr_assert_eq(count(html, "<script>"), 1);
}

Test(html, the_page_asks_nothing_of_any_network)
{
    add_learner("a");
    const char *html = render((struct run_summary){.experiment = "x"}, NULL);
    cr_assert_eq(count(html, "src="), 0);
    cr_assert_eq(count(html, "href="), 0);
    cr_assert_eq(count(html, "@import"), 0);
    cr_assert_eq(count(html, "url("), 0);
    cr_assert_eq(count(html, "http"), 1, "only the name of SVG's namespace");
}

Test(html, a_run_without_rounds_says_so)
{
    const char *html = render(
        (struct run_summary){.experiment = "x", .test_accuracy = NAN, .test_loss = NAN, .train_loss = NAN},
        NULL);
    cr_assert(strstr(html, "No round was committed"));
    cr_assert_not(strstr(html, "<svg"));
}

Test(html, the_twenty_fifth_learner_and_later_are_rows)
{
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "site-%d", i);
        add_learner(name);
    }
    const char *html = render((struct run_summary){.experiment = "x"}, NULL);
    cr_assert_eq(count(html, "<article"), 24);
    cr_assert(strstr(html, "76 more learners"));
    // Natural order: 2 before 10.
    cr_assert_lt(strstr(html, ">site-2<"), strstr(html, ">site-10<"));
}

Test(html, many_rounds_are_thinned_and_the_last_is_kept)
{
    for (uint32_t i = 1; i <= 5000; i++) {
        struct round_record record = {
            .round = i, .seconds = 0.1, .n_metrics = 1, .metrics = {{"train_loss", 1.0 / i}}};
        cr_assert_eq(history_add_round(&history, &record, NULL), 0);
    }
    const char *html = render((struct run_summary){.experiment = "x"}, NULL);
    cr_assert_leq(count(html, "<tr>"), 2001);
    cr_assert(strstr(html, "<tr><td>5000</td>"));
    cr_assert_lt(page.n, 2 << 20);
}

Test(html, learners_own_evaluations_are_a_line_each_and_their_mean)
{
    for (uint32_t round = 1; round <= 4; round++) {
        struct round_record record = {.round = round, .seconds = 1};
        cr_assert_eq(history_add_round(&history, &record, NULL), 0);
        for (int i = 0; i < 30 && round % 2 == 0; i++) {
            char name[16];
            snprintf(name, sizeof name, "site-%d", i);
            struct evaluation_record evaluation = {.round = round,
                                                   .learner = name,
                                                   .n_metrics = 1,
                                                   .metrics = {{"local_accuracy", i < 24 ? 0.25 : 1}}};
            cr_assert_eq(history_add_evaluation(&history, &evaluation, NULL), 0);
        }
    }
    const char *html = render((struct run_summary){.experiment = "x",
                                                   .local_accuracy = 0.4,
                                                   .local_accuracy_worst = 0.25,
                                                   .local_accuracy_std = 0.3},
                              NULL);
    const char *mean = strstr(html, "data-name=\"mean of the learners\"");
    cr_assert(strstr(html, "own held-out data"));
    cr_assert(strstr(html, "worst 25"));
    cr_assert_eq(count(html, "data-name=\"site-"), 24);
    cr_assert(mean && strstr(mean, "data-rounds=\"2 4 \" data-values=\"0.4000 0.4000 \""));
}

Test(html, running_out_of_memory_is_remembered_and_never_a_crash)
{
    struct round_record record = {.round = 1, .seconds = 1, .n_metrics = 1, .metrics = {{"train_loss", 1}}};
    cr_assert_eq(history_add_round(&history, &record, NULL), 0);
    add_learner("a");
    struct run_summary summary = {.experiment = "x", .status = "completed"};
    for (unsigned long nth = 1; nth < 40; nth++) {
        struct bytes bytes = BYTES_INIT;
        memory_fail_after(nth);
        html_report(&bytes, &(struct html_report){&summary, &history, NULL, NULL});
        memory_fail_after(0);
        bool whole = bytes.n > 8 && strcmp(bytes.data + bytes.n - 8, "</html>\n") == 0;
        cr_assert(bytes.failed || whole, "allocation %lu failed unseen", nth);
        bytes_release(&bytes);
    }
}
