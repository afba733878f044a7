#include "base/stop.h"
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

TestSuite(stop, .timeout = 20);

Test(stop, either_signal_is_waited_for)
{
    stop_block();
    kill(getpid(), SIGINT);
    cr_assert_eq(stop_wait(), SIGINT);
}

static atomic_bool begun;

// Like a thread that a library started before main: it blocks nothing.
static void *idle_unblocked(void *argument)
{
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    atomic_store(&begun, true);
    for (;;)
        pause();
    return argument;
}

Test(stop, a_signal_that_comes_to_a_librarys_thread_is_waited_for_too)
{
    pthread_t thread;
    stop_block();
    cr_assert_eq(pthread_create(&thread, NULL, idle_unblocked, NULL), 0);
    while (!atomic_load(&begun))
        usleep(100);
    kill(getpid(), SIGTERM);
    usleep(20000);
    cr_assert_eq(stop_wait(), SIGTERM);
}

Test(stop, a_second_signal_ends_the_process, .signal = SIGTERM)
{
    stop_block();
    kill(getpid(), SIGINT);
    stop_wait();
    kill(getpid(), SIGTERM);
    pause();
}
