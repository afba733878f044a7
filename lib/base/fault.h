// Faults on purpose: every step that makes something durable passes here, so that tests can make the nth one
// fail, or kill the process there, and see that nothing is lost.
#pragma once

// Counts a step; 0, or the errno that it is to fail with. In a process started with COHORT_DIE_AT=n the nth
// step does not return: the process kills itself, as SIGKILL would at that moment. With COHORT_FAIL_AT=n:k:e
// the nth and the k - 1 steps after it fail with errno e, as on a disk that is full for a while.
int fault_step(void);

// For tests: the nth step from now (1 is the next) and the `times` - 1 after it fail with `number`; 0
// switches the fault off.
void fault_fail_after(unsigned long n, unsigned long times, int number);

// For tests: the nth step from now kills the process.
void fault_die_after(unsigned long n);

// Steps so far.
unsigned long fault_n_steps(void);
