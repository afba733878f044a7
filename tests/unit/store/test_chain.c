#include "base/file.h"
#include "store/chain.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct chain chain = CHAIN_INIT;
static struct bytes file = BYTES_INIT;
static struct error error = ERROR_INIT;
static struct record last;

static void drop(void)
{
    chain_release(&chain);
    bytes_release(&file);
}

TestSuite(chain, .fini = drop);

static void add(uint32_t round)
{
    char line[RECORD_TEXT_BYTES];
    struct record record = {.round = round};
    memcpy(record.previous, last.hash, sizeof record.previous);
    record_seal(&record);
    record_format(&record, line);
    bytes_format(&file, "%s\n", line);
    last = record;
}

static enum status read_it(void)
{
    char path[32];
    int fd = memfd_create("chain", MFD_CLOEXEC);
    cr_assert(fd >= 0 && write(fd, file.data, file.n) == (ssize_t)file.n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum status status = chain_read(&chain, path, &error);
    close(fd);
    return status;
}

Test(chain, records_that_follow_each_other_are_one)
{
    for (uint32_t round = 0; round < 3; round++)
        add(round);
    cr_assert_eq(read_it(), STATUS_OK, "%s", error.message);
    cr_assert_eq(chain.n, 3);
    cr_assert_eq(chain.first.round, 0);
    cr_assert_eq(memcmp(chain.last.hash, last.hash, sizeof last.hash), 0);
}

Test(chain, a_record_that_is_left_out_is_missed)
{
    add(0);
    add(2);
    cr_assert_eq(read_it(), STATUS_DATA_LOSS);
    cr_assert(strstr(error.message, "round 1: "), "%s", error.message);
}

Test(chain, a_file_cut_within_a_line_is_told)
{
    add(0);
    add(1);
    file.n -= 5;
    cr_assert_eq(read_it(), STATUS_DATA_LOSS);
    cr_assert(strstr(error.message, "round 1 is cut short"), "%s", error.message);
}

Test(chain, an_empty_file_is_none)
{
    cr_assert_eq(read_it(), STATUS_DATA_LOSS);
    cr_assert(strstr(error.message, "is empty"), "%s", error.message);
}
