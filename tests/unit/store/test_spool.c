#include "base/bytes.h"
#include "base/memory.h"
#include "store/spool.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/cohort-spool-XXXXXX";
static char path[64];

static void make_folder(void)
{
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/upload", folder);
}

static void remove_folder(void)
{
    unlink(path);
    rmdir(folder);
}

TestSuite(spool, .init = make_folder, .fini = remove_folder);

static const struct spool_identity identity = {.round = 3,
                                               .learner = "learner-1",
                                               .codec = "f32",
                                               .weight = 17,
                                               .bytes = 20,
                                               .has_sha256 = true,
                                               .sha256 = {1, 2}};

static bool gather(void *user, uint64_t offset, const uint8_t *run, size_t bytes)
{
    cr_assert(offset == ((struct bytes *)user)->n);
    bytes_append(user, run, bytes);
    return true;
}

static void write_some(void)
{
    struct spool *spool = NULL;
    struct spool_identity unknown = identity;
    unknown.has_sha256 = false;
    cr_assert(spool_create(&spool, path, &unknown, NULL) == STATUS_OK);
    cr_assert(spool_append(spool, "0123456789", 10, NULL) == STATUS_OK);
    cr_assert(spool_set_sha256(spool, identity.sha256, NULL) == STATUS_OK);
    cr_assert(spool_append(spool, "abc", 3, NULL) == STATUS_OK);
    cr_assert(spool_received(spool) == 13);
    spool_close(spool);
}

Test(spool, another_process_finds_the_bytes_and_whose_they_are)
{
    struct spool *spool = NULL;
    struct bytes bytes = BYTES_INIT;
    write_some();
    cr_assert(spool_open(&spool, path, NULL) == STATUS_OK);
    cr_assert(spool_is_same(spool_identity(spool), &identity));
    cr_assert(spool_append(spool, "de", 2, NULL) == STATUS_OK, "it goes on where it was");
    cr_assert(spool_replay(spool, gather, &bytes, NULL) == STATUS_OK);
    cr_assert(bytes.n == 15 && memcmp(bytes.data, "0123456789abcde", 15) == 0);
    bytes_release(&bytes);
    spool_close(spool);
}

Test(spool, what_differs_in_anything_is_not_the_same)
{
    struct spool_identity others[6];
    for (int i = 0; i < 6; i++)
        others[i] = identity;
    others[0].round++;
    others[1].learner[0]++;
    others[2].codec[0]++;
    others[3].weight++;
    others[4].sha256[31]++;
    others[5].has_sha256 = false;
    for (int i = 0; i < 6; i++)
        cr_assert(!spool_is_same(&identity, &others[i]), "%d", i);
    cr_assert(spool_is_same(&identity, &identity));
}

Test(spool, other_files_are_refused)
{
    struct spool *spool = NULL;
    struct error error = ERROR_INIT;
    cr_assert(spool_open(&spool, path, &error) == STATUS_NOT_FOUND);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputc(i, file);
    fclose(file);
    cr_assert(spool_open(&spool, path, &error) == STATUS_DATA_LOSS);
    write_some();
    cr_assert(truncate(path, SPOOL_HEADER_BYTES + 21) == 0, "more than the whole summary");
    cr_assert(spool_open(&spool, path, &error) == STATUS_DATA_LOSS);
    cr_assert(truncate(path, 100) == 0);
    cr_assert(spool_open(&spool, path, &error) == STATUS_DATA_LOSS);
}
