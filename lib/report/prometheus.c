#include "report/prometheus.h"
#include "base/memory.h"
#include "report/json.h"
#include <math.h>

void prometheus_family(struct bytes *ret, const char *name, const char *type, const char *help)
{
    bytes_format(ret, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void append_escaped(struct bytes *ret, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            bytes_text(ret, "\\n");
        else if (*text == '"' || *text == '\\')
            bytes_append(ret, (char[]){'\\', *text}, 2);
        else
            bytes_append(ret, text, 1);
    }
}

static void append_value(struct bytes *ret, double value)
{
    if (isnan(value))
        bytes_text(ret, "NaN");
    else if (isinf(value))
        bytes_text(ret, value > 0 ? "+Inf" : "-Inf");
    else
        bytes_json_real(ret, value);
}

void prometheus_sample(struct bytes *ret, const char *name, const char *const *labels, double value)
{
    bytes_text(ret, name);
    for (const char *const *at = labels; at && at[0]; at += 2) {
        bytes_format(ret, "%s%s=\"", at == labels ? "{" : ",", at[0]);
        append_escaped(ret, at[1]);
        bytes_text(ret, "\"");
    }
    bytes_text(ret, labels && labels[0] ? "} " : " ");
    append_value(ret, value);
    bytes_text(ret, "\n");
}

void prometheus_single(struct bytes *ret, const char *name, const char *type, const char *help, double value)
{
    prometheus_family(ret, name, type, help);
    prometheus_sample(ret, name, NULL, value);
}

void prometheus_process(struct bytes *ret, const char *program)
{
    prometheus_family(ret, "cohort_build_info", "gauge", "Which program and version this is; always 1.");
    prometheus_sample(ret, "cohort_build_info",
                      (const char *const[]){"program", program, "version", COHORT_VERSION, NULL}, 1);
    prometheus_single(ret, "process_resident_memory_bytes", "gauge", "Memory in use.", (double)memory_rss());
    prometheus_single(ret, "cohort_peak_memory_bytes", "gauge",
                      "Most memory that was in use since the start.", (double)memory_peak_rss());
}
