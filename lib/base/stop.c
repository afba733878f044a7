#include "base/stop.h"
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static sigset_t both(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

// Libraries start threads before main (OpenBLAS does), where nothing is blocked: what such a thread gets it
// hands to the first thread, whose number is the process's.
static void hand_over(int number)
{
    syscall(SYS_tgkill, getpid(), getpid(), number);
}

static void act_on_both(void (*action)(int number))
{
    struct sigaction handler = {.sa_handler = action, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &handler, NULL);
    sigaction(SIGINT, &handler, NULL);
}

void stop_block(void)
{
    sigset_t set = both();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    act_on_both(hand_over);
    signal(SIGPIPE, SIG_IGN);
}

int stop_wait(void)
{
    sigset_t set = both();
    int number = 0;
    while (sigwait(&set, &number) != 0)
        ;
    act_on_both(SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return number;
}

bool stop_asked(void)
{
    sigset_t set = both();
    return sigtimedwait(&set, NULL, &(struct timespec){0}) > 0;
}

void stop_with_parent(void)
{
    pid_t parent = getppid();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || parent == 1)
        raise(SIGTERM);
}
