#include "fuzz.h"
#include "base/file.h"
#include "base/memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 2, SLICES_MAX = 64 };

_Noreturn void fuzz_end(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

const char *fuzz_file(unsigned int index, const void *data, size_t n)
{
    static int fds[FILES] = {-1, -1};
    static char paths[FILES][32];
    if (fds[index] < 0)
        fds[index] = memfd_create("fuzz", MFD_CLOEXEC);
    fuzz_require(fds[index] >= 0 && ftruncate(fds[index], 0) == 0);
    fuzz_require(pwrite(fds[index], data, n, 0) == (ssize_t)n);
    snprintf(paths[index], sizeof paths[index], "/proc/self/fd/%d", fds[index]);
    return paths[index];
}

static char folder[256];

static void remove_folder(void)
{
    file_remove_tree(folder);
}

const char *fuzz_folder(void)
{
    const char *above = getenv("TMPDIR");
    if (*folder) {
        file_remove_tree(folder);
        fuzz_require(mkdir(folder, 0700) == 0);
        return folder;
    }
    snprintf(folder, sizeof folder, "%s/cohort-fuzz-XXXXXX", above && *above ? above : "/tmp");
    fuzz_require(mkdtemp(folder) != NULL);
    atexit(remove_folder);
    return folder;
}

struct choice fuzz_choice(const struct registry *registry, const char *yaml)
{
    static struct arena arena; // these two stay reachable, for the options live in them
    static struct document document;
    struct choice choice = {0};
    struct error error = ERROR_INIT;
    char text[256];
    const struct field row[] = {{.name = "it", .type = FIELD_CHOICE, .registry = registry, .required = true},
                                {0}};
    document_release(&document);
    int n = snprintf(text, sizeof text, "it: %s", yaml);
    bool read = document_parse(&document, text, (size_t)n, "fuzz", &error) == STATUS_OK &&
                fields_read(row, document.root, &choice, &arena, &error) == STATUS_OK;
    if (!read)
        fprintf(stderr, "%s\n", error.message);
    fuzz_require(read);
    return choice;
}

struct rpc_message fuzz_message(const uint8_t *data, size_t n, size_t cut)
{
    grpc_slice slices[SLICES_MAX];
    size_t n_slices = 0;
    for (size_t at = 0; at < n || n_slices == 0;) {
        size_t bytes = cut && n_slices < SLICES_MAX - 1 && cut < n - at ? cut : n - at;
        slices[n_slices] = grpc_slice_malloc_large(bytes);
        if (bytes)
            memcpy(GRPC_SLICE_START_PTR(slices[n_slices]), data + at, bytes);
        n_slices++;
        at += bytes;
    }
    struct rpc_message message = {.buffer = grpc_raw_byte_buffer_create(slices, n_slices)};
    for (size_t i = 0; i < n_slices; i++)
        grpc_slice_unref(slices[i]);
    return message;
}

void fuzz_message_release(struct rpc_message *message)
{
    grpc_byte_buffer_destroy(message->buffer);
}

uint8_t fuzz_byte(const uint8_t **data, size_t *n)
{
    if (*n == 0)
        return 0;
    --*n;
    return *(*data)++;
}
