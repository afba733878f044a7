#include "base/bytes.h"
#include "base/file.h"
#include "base/memory.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/cohort-test-file-XXXXXX";
static char path[128], aside[160];
static struct error error;

static void make_folder(void)
{
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x", folder);
    snprintf(aside, sizeof aside, "%s.partial", path);
}

static void drop_folder(void)
{
    file_remove_tree(folder);
    cr_assert_not(file_exists(folder));
}

TestSuite(file, .init = make_folder, .fini = drop_folder);

static void expect_content(const char *text)
{
    struct bytes bytes = BYTES_INIT;
    cr_assert_eq(bytes_read_file(&bytes, path, 100, &error), 0, "%s", error.message);
    cr_assert_str_eq(bytes.data, text);
    bytes_release(&bytes);
}

Test(file, a_file_is_replaced_whole)
{
    cr_assert_eq(file_write(path, "one", 3, true, &error), 0);
    cr_assert_eq(file_write(path, "another", 7, false, &error), 0);
    expect_content("another");
    cr_assert_not(file_exists(aside));
}

static enum status fill_half(int fd, void *context, struct error *ret_error)
{
    TRY(file_write_all(fd, "half", 4, context, ret_error));
    return error_set(ret_error, STATUS_ABORTED, "enough");
}

Test(file, a_writer_that_fails_leaves_the_old_file_and_nothing_beside_it)
{
    cr_assert_eq(file_write(path, "old", 3, false, &error), 0);
    cr_assert_eq(file_write_by(path, fill_half, path, true, &error), STATUS_ABORTED);
    expect_content("old");
    cr_assert_not(file_exists(aside));
}

Test(file, a_full_disk_is_an_error_with_a_remedy)
{
    FILE *full = fopen("/dev/full", "w");
    cr_assert(full);
    cr_assert_eq(file_write_all(fileno(full), "x", 1, "/dev/full", &error), STATUS_RESOURCE_EXHAUSTED);
    cr_assert(strstr(error.message, "free space"));
    fclose(full);
}

Test(file, folders_are_made_with_those_above_them)
{
    char deep[160];
    snprintf(deep, sizeof deep, "%s/a/b/c", folder);
    cr_assert_eq(file_make_folder(deep, &error), 0, "%s", error.message);
    cr_assert_eq(file_make_folder(deep, &error), 0);
    cr_assert_eq(file_write(path, "", 0, false, &error), 0);
    cr_assert_neq(file_make_folder(path, &error), 0);
    cr_assert(strstr(error.message, path));
}

Test(file, removing_a_tree_never_follows_a_link_out_of_it)
{
    char inside[160], link[176], kept[160];
    snprintf(inside, sizeof inside, "%s/inside", folder);
    snprintf(link, sizeof link, "%s/link", inside);
    snprintf(kept, sizeof kept, "%s/kept", folder);
    cr_assert_eq(file_make_folder(inside, &error), 0);
    cr_assert_eq(file_make_folder(kept, &error), 0);
    cr_assert_eq(symlink(kept, link), 0);
    file_remove_tree(inside);
    cr_assert_not(file_exists(inside));
    cr_assert(file_exists(kept));
}

Test(file, joining_respects_slashes_and_absolute_names)
{
    const char *const cases[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"a", "/b", "/b"}, {"", "b", "b"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        cleanup_free char *joined = file_join(cases[i][0], cases[i][1]);
        cr_assert_str_eq(joined, cases[i][2]);
    }
}
