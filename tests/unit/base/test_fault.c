#include "base/fault.h"
#include "base/file.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct error error;

Test(fault, the_nth_step_fails_and_no_other)
{
    fault_fail_after(2, 2, EIO);
    cr_assert_eq(fault_step(), 0);
    cr_assert_eq(fault_step(), EIO);
    cr_assert_eq(fault_step(), EIO);
    cr_assert_eq(fault_step(), 0);
}

Test(fault, a_durable_file_that_fails_at_any_step_leaves_the_old_one)
{
    char folder[] = "/tmp/cohort-test-fault-XXXXXX", path[64];
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    cr_assert_eq(file_write(path, "old", 3, true, &error), STATUS_OK);
    unsigned long n = fault_n_steps();
    cr_assert_eq(file_write(path, "old", 3, true, &error), STATUS_OK);
    n = fault_n_steps() - n;
    cr_assert_geq(n, 3);
    for (unsigned long step = 1; step <= n; step++) {
        char content[4] = "";
        fault_fail_after(step, 1, ENOSPC);
        cr_assert_eq(file_write(path, "new", 3, true, &error), STATUS_RESOURCE_EXHAUSTED);
        FILE *file = fopen(path, "r");
        cr_assert(file && fread(content, 1, 3, file) == 3);
        fclose(file);
        cr_assert_str_eq(content, "old");
    }
    fault_fail_after(0, 0, 0);
    file_remove_tree(folder);
}
