#include "cli/traces.h"
#include "base/memory.h"
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum status traces_open(FILE **ret, const char *path, struct error *error)
{
    *ret = fopen(path, "we");
    return *ret ? STATUS_OK : error_errno(error, errno, "cannot write the trace", path);
}

static int is_trace(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');
    return end && strcmp(end, ".trace") == 0;
}

// A process that was killed may have ended within a line, which is left out.
static void copy_lines(FILE *from, FILE *to, bool *first)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    while ((n = getline(&line, &room, from)) > 0) {
        if (line[n - 1] != '\n')
            break;
        fprintf(to, "%s%.*s", *first ? "" : ",\n", (int)(n - 1), line);
        *first = false;
    }
    free(line);
}

static void move_file(const char *folder, const char *name, FILE *to, bool *first)
{
    cleanup_free char *path = memory_format("%s/%s", folder, name);
    FILE *from = path ? fopen(path, "re") : NULL;
    if (!from)
        return;
    copy_lines(from, to, first);
    fclose(from);
    unlink(path);
}

enum status traces_close(FILE *file, const char *folder, struct error *error)
{
    struct dirent **entries = NULL;
    bool first = true;
    int n = folder ? scandir(folder, &entries, is_trace, alphasort) : 0;
    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n", file);
    for (int i = 0; i < n; i++) {
        move_file(folder, entries[i]->d_name, file, &first);
        free(entries[i]);
    }
    free(entries);
    fputs("\n]}\n", file);
    bool failed = ferror(file);
    failed |= fclose(file) != 0;
    return failed ? error_errno(error, errno, "cannot write", "the trace") : STATUS_OK;
}
