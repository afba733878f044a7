#include "base/log.h"
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// What `say` writes on standard error.
static char *written_by(void (*say)(void))
{
    static char text[4096];
    int saved = dup(STDERR_FILENO), ends[2];
    cr_assert_eq(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    say();
    dup2(saved, STDERR_FILENO);
    close(ends[1]);
    close(saved);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void say_as_json(void)
{
    log_open("cohort-learner", LOG_INFO, LOG_JSON);
    log_debug("unheard");
    log_info("say \"hi\"", LOG_S("path", "a\nb"), LOG_I("round", -3), LOG_R("loss", 0.5), LOG_R("bad", NAN));
}

Test(log, a_line_is_one_json_object_whatever_it_says)
{
    char *text = written_by(say_as_json);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    cr_assert(json, "not JSON: %s", text);
    cr_assert_str_eq(json_string_value(json_object_get(json, "message")), "say \"hi\"");
    cr_assert_str_eq(json_string_value(json_object_get(json, "level")), "info");
    cr_assert_str_eq(json_string_value(json_object_get(json, "program")), "cohort-learner");
    cr_assert_str_eq(json_string_value(json_object_get(json, "path")), "a\nb");
    cr_assert_eq(json_integer_value(json_object_get(json, "round")), -3);
    cr_assert_float_eq(json_real_value(json_object_get(json, "loss")), 0.5, 0);
    json_decref(json);
}

static void say_as_text(void)
{
    log_open("cohort", LOG_WARN, LOG_TEXT);
    log_info("unheard");
    log_warn("slow", LOG_S("who", "learner-1"), LOG_S("why", "two words"), LOG_I("ms", 40));
}

Test(log, text_quotes_only_what_needs_it)
{
    char *text = written_by(say_as_text);
    cr_assert(strstr(text, "warn  cohort: slow who=learner-1 why=\"two words\" ms=40\n"), "%s", text);
    cr_assert_not(strstr(text, "unheard"));
}
