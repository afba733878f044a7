#include "base/trace.h"
#include "base/bytes.h"
#include "base/clock.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static FILE *trace_file; // set once, at the start of main

static void write_name(const char *kind, unsigned int track, const char *name)
{
    struct bytes text = BYTES_INIT;
    bytes_json(&text, name);
    if (!text.failed)
        fprintf(trace_file, "{\"name\":\"%s\",\"ph\":\"M\",\"pid\":%d,\"tid\":%u,\"args\":{\"name\":%s}}\n",
                kind, (int)getpid(), track, text.data);
    bytes_release(&text);
}

enum status trace_open(const char *path, const char *process, struct error *error)
{
    trace_file = fopen(path, "we");
    if (!trace_file)
        return error_errno(error, errno, "cannot write the trace", path);
    setvbuf(trace_file, NULL, _IOFBF, 1 << 16);
    write_name("process_name", 0, process);
    return STATUS_OK;
}

void trace_close(void)
{
    if (trace_file)
        fclose(trace_file);
    trace_file = NULL;
}

void trace_name_track(unsigned int track, const char *name)
{
    if (trace_file)
        write_name("thread_name", track, name);
}

int64_t trace_begin(void)
{
    return trace_file ? clock_monotonic_ns() : 0;
}

void trace_end(const char *phase, int64_t begun_ns, unsigned int track, uint32_t round)
{
    if (!trace_file || begun_ns == 0)
        return;
    fprintf(
        trace_file,
        "{\"name\":\"%s\",\"ph\":\"X\",\"ts\":%.3f,\"dur\":%.3f,\"pid\":%d,\"tid\":%u,\"args\":{\"round\":%"
        "u}}\n",
        phase, (double)begun_ns * 1e-3, (double)(clock_monotonic_ns() - begun_ns) * 1e-3, (int)getpid(),
        track, round);
}
