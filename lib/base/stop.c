#include "base/stop.h"
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

static sigset_t both(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

void stop_block(void)
{
    sigset_t set = both();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int stop_wait(void)
{
    sigset_t set = both();
    int number = 0;
    while (sigwait(&set, &number) != 0)
        ;
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return number;
}

void stop_with_parent(void)
{
    pid_t parent = getppid();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || parent == 1)
        raise(SIGTERM);
}
