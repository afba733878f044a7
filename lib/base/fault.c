#include "base/fault.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_ulong n_steps, die_at, fail_from, fail_until;
static atomic_int fail_number;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void read_environment(void)
{
    const char *text = getenv("COHORT_DIE_AT");
    if (text)
        atomic_store(&die_at, strtoul(text, NULL, 10));
    unsigned long n, times;
    int number;
    text = getenv("COHORT_FAIL_AT");
    if (text && sscanf(text, "%lu:%lu:%d", &n, &times, &number) == 3)
        fault_fail_after(n, times, number);
}

int fault_step(void)
{
    pthread_once(&once, read_environment);
    unsigned long step = atomic_fetch_add(&n_steps, 1) + 1;
    if (step == atomic_load(&die_at))
        kill(getpid(), SIGKILL);
    return step >= atomic_load(&fail_from) && step < atomic_load(&fail_until) ? atomic_load(&fail_number) : 0;
}

void fault_fail_after(unsigned long n, unsigned long times, int number)
{
    unsigned long now = atomic_load(&n_steps);
    atomic_store(&fail_number, number);
    atomic_store(&fail_from, n ? now + n : 0);
    atomic_store(&fail_until, n ? now + n + times : 0);
}

void fault_die_after(unsigned long n)
{
    atomic_store(&die_at, atomic_load(&n_steps) + n);
}

unsigned long fault_n_steps(void)
{
    return atomic_load(&n_steps);
}
