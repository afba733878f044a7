// Stands in for libFuzzer where there is no clang: hands every file of the folders that are named to the
// target, and counts them. A target that finds fault ends the process.
#include "base/bytes.h"
#include "fuzz.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUT_BYTES_MAX = 1 << 24, PATH_BYTES = 4096 };

static const char *current = "";

// Says which input it was, whatever ended the process.
static void replay(const char *path)
{
    struct bytes bytes = BYTES_INIT;
    struct error error = ERROR_INIT;
    if (bytes_read_file(&bytes, path, INPUT_BYTES_MAX, &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    // A copy of exactly its size: a sanitizer then sees every byte that is read beyond it.
    uint8_t *input = malloc(bytes.n ? bytes.n : 1);
    fuzz_require(input != NULL);
    for (size_t i = 0; i < bytes.n; i++)
        input[i] = (uint8_t)bytes.data[i];
    fprintf(stderr, "%s\n", current);
    LLVMFuzzerTestOneInput(input, bytes.n);
    free(input);
    bytes_release(&bytes);
}

static size_t replay_folder(const char *folder)
{
    char path[PATH_BYTES];
    size_t n = 0;
    DIR *open = opendir(folder);
    if (!open)
        return 0;
    for (struct dirent *entry; (entry = readdir(open));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        current = path;
        replay(path);
        n++;
    }
    closedir(open);
    return n;
}

int main(int argc, char **argv)
{
    size_t n = 0;
    for (int i = 1; i < argc; i++)
        n += replay_folder(argv[i]);
    printf("%zu inputs\n", n);
    return n == 0; // a corpus that was lost is a fault as well
}
