// Whether processes may read each other's memory here.
#pragma once

#include <stdbool.h>
#include <sys/pidfd.h>
#include <sys/uio.h>
#include <unistd.h>

// Where the system has none of it, and under Valgrind, which lacks pidfd_open, nobody is met: there is
// nothing to test.
static inline bool cross_memory_is_possible(void)
{
    char from = 1, to = 0;
    struct iovec there = {&from, 1}, here = {&to, 1};
    int fd = pidfd_open(getpid(), 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0 && process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
}
