#include "base/bytes.h"
#include "base/memory.h"
#include "base/trace.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/test-trace-XXXXXX";

static struct bytes traced(void)
{
    struct bytes text = BYTES_INIT;
    trace_close();
    cr_assert_eq(bytes_read_file(&text, path, 1 << 20, NULL), STATUS_OK);
    unlink(path);
    return text;
}

Test(trace, off_it_begins_nothing)
{
    cr_assert_eq(trace_begin(), 0);
    trace_end("train", 1, 0, 1); // nowhere to go
    trace_name_track(0, "rounds");
}

Test(trace, spans_are_lines_with_times_in_microseconds)
{
    close(mkstemp(path));
    cr_assert_eq(trace_open(path, "a \"quoted\" name", NULL), STATUS_OK);
    int64_t begun_ns = trace_begin();
    usleep(2000);
    trace_end("train", begun_ns, 3, 7);
    trace_end("none", 0, 3, 7);
    struct bytes text = traced();
    cr_assert(strstr(text.data, "\"args\":{\"name\":\"a \\\"quoted\\\" name\"}"));
    const char *span = strstr(text.data, "{\"name\":\"train\",\"ph\":\"X\"");
    cr_assert(span);
    double ts = 0, dur = 0;
    unsigned int tid = 0, round = 0;
    cr_assert_eq(sscanf(strstr(span, "\"ts\":"), "\"ts\":%lf,\"dur\":%lf", &ts, &dur), 2);
    cr_assert_eq(sscanf(strstr(span, "\"tid\":"), "\"tid\":%u,\"args\":{\"round\":%u}}", &tid, &round), 2);
    cr_assert_float_eq(ts, (double)begun_ns * 1e-3, 1);
    cr_assert_geq(dur, 2000);
    cr_assert_eq(tid, 3);
    cr_assert_eq(round, 7);
    cr_assert_not(strstr(text.data, "none"));
    bytes_release(&text);
}

Test(trace, a_file_that_cannot_be_written_is_named)
{
    struct error error = ERROR_INIT;
    cr_assert_neq(trace_open("/nowhere/at/all", "x", &error), STATUS_OK);
    cr_assert(strstr(error.message, "/nowhere/at/all"));
    cr_assert_eq(trace_begin(), 0);
}
