#include "cli/processes.h"
#include "base/clock.h"
#include "base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 64 };

enum status processes_open(struct processes *processes, const char *logs, struct error *error)
{
    ssize_t n = readlink("/proc/self/exe", processes->folder, sizeof processes->folder - 1);
    if (n < 0)
        return error_errno(error, errno, "cannot find this program's folder from", "/proc/self/exe");
    processes->folder[n] = '\0';
    *strrchr(processes->folder, '/') = '\0';
    processes->logs = logs;
    const char *const siblings[] = {"cohort-coordinator", "cohort-learner"};
    for (size_t i = 0; i < ARRAY_SIZE(siblings); i++) {
        cleanup_free char *path = memory_format("%s/%s", processes->folder, siblings[i]);
        if (!path || access(path, X_OK))
            return error_set(error, STATUS_FAILED_PRECONDITION,
                             "there is no program '%s' in '%s'; keep the three programs of Cohort together",
                             siblings[i], processes->folder);
    }
    return STATUS_OK;
}

// ---- starting -------------------------------------------------------------------------------------------

// This process's environment but for COHORT_*: those are settings of services, and none of this run's.
static char **environment_of_children(void)
{
    static const char prefix[] = "COHORT_";
    size_t n = 0, n_kept = 0;
    while (environ[n])
        n++;
    char **kept = memory_array(n + 1, sizeof *kept);
    for (size_t i = 0; kept && i < n; i++)
        if (strncmp(environ[i], prefix, sizeof prefix - 1) != 0)
            kept[n_kept++] = environ[i];
    if (kept)
        kept[n_kept] = NULL;
    return kept;
}

static enum status spawn(const struct processes *processes, const char *program, char *const *arguments,
                         const char *log, int announce_fd, pid_t *ret, struct error *error)
{
    cleanup_free char *path = memory_format("%s/%s", processes->folder, program);
    cleanup_free char **environment = environment_of_children();
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    if (!path || !environment)
        return error_no_memory(error, strlen(program));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    if (announce_fd >= 0)
        posix_spawn_file_actions_adddup2(&actions, announce_fd, 3);
    posix_spawnattr_init(&attributes);
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0); // ^C on the terminal is this program's to pass on
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    int failed = posix_spawn(ret, path, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed ? error_errno(error, failed, "cannot start", path) : STATUS_OK;
}

// The line that a child announces itself with.
static enum status read_line(int fd, char *ret, size_t bytes, int timeout_ms)
{
    size_t n = 0;
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;
    while (n + 1 < bytes) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int64_t left_ms = until_ms - clock_monotonic_ms();
        if (left_ms <= 0 || poll(&wait, 1, (int)left_ms) <= 0)
            return STATUS_DEADLINE_EXCEEDED;
        ssize_t k = read(fd, ret + n, bytes - 1 - n);
        if (k <= 0)
            return STATUS_UNAVAILABLE; // it ended
        n += (size_t)k;
        ret[n] = '\0';
        char *end = strchr(ret, '\n');
        if (end) {
            *end = '\0';
            return STATUS_OK;
        }
    }
    return STATUS_DATA_LOSS;
}

static struct process *add(struct processes *processes, const char *name)
{
    struct process *items = memory_resize(processes->items, processes->n + 1, sizeof *items);
    if (!items)
        return NULL;
    processes->items = items;
    struct process *process = &items[processes->n++];
    *process = (struct process){0};
    snprintf(process->name, sizeof process->name, "%s", name);
    return process;
}

static enum status start_announced(struct processes *processes, struct process *process, char **arguments,
                                   const char *log, char *ret_announced, size_t bytes, int timeout_ms,
                                   struct error *error)
{
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC))
        return error_errno(error, errno, "cannot make a pipe for", process->name);
    enum status status = spawn(processes, arguments[0], arguments, log, pipes[1], &process->pid, error);
    close(pipes[1]);
    if (status == STATUS_OK && read_line(pipes[0], ret_announced, bytes, timeout_ms) != STATUS_OK)
        status = error_set(error, STATUS_UNAVAILABLE, "%s did not start; see '%s'", process->name, log);
    close(pipes[0]);
    return status;
}

enum status processes_start(struct processes *processes, const char *name, const char *const *arguments,
                            char *ret_announced, size_t bytes, int timeout_ms, struct error *error)
{
    char *list[ARGUMENTS_MAX];
    size_t n = 0;
    for (; n < ARGUMENTS_MAX - 6 && arguments[n]; n++)
        list[n] = (char *)(uintptr_t)arguments[n];
    list[n++] = (char *)"--end-with-parent";
    cleanup_free char *trace =
        processes->traced ? memory_format("trace=%s/%s.trace", processes->logs, name) : NULL;
    if (trace) {
        list[n++] = (char *)"--set";
        list[n++] = trace;
    }
    if (ret_announced)
        list[n++] = (char *)"--announce-fd=3";
    list[n] = NULL;
    cleanup_free char *log =
        processes->logs ? memory_format("%s/%s.log", processes->logs, name) : memory_copy_text("/dev/null");
    struct process *process = log ? add(processes, name) : NULL;
    if (!process)
        return error_no_memory(error, sizeof *process);
    if (ret_announced)
        return start_announced(processes, process, list, log, ret_announced, bytes, timeout_ms, error);
    return spawn(processes, list[0], list, log, -1, &process->pid, error);
}

// ---- watching and ending --------------------------------------------------------------------------------

static void reap(struct process *process)
{
    if (process->pid && waitpid(process->pid, &process->result, WNOHANG) == process->pid)
        process->pid = 0;
}

enum status processes_check(struct processes *processes, struct error *error)
{
    for (size_t i = 0; i < processes->n; i++) {
        struct process *process = &processes->items[i];
        reap(process);
        if (process->pid)
            continue;
        const char *what = WIFSIGNALED(process->result) ? "was killed by signal" : "ended with code";
        int number = WIFSIGNALED(process->result) ? WTERMSIG(process->result) : WEXITSTATUS(process->result);
        return error_set(error, STATUS_ABORTED, "%s %s %d; see '%s/%s.log'", process->name, what, number,
                         processes->logs ? processes->logs : "", process->name);
    }
    return STATUS_OK;
}

static bool any_left(struct processes *processes)
{
    bool left = false;
    for (size_t i = 0; i < processes->n; i++) {
        reap(&processes->items[i]);
        left |= processes->items[i].pid != 0;
    }
    return left;
}

static void signal_all(const struct processes *processes, int number)
{
    for (size_t i = processes->n; i-- > 0;) // learners before their coordinator
        if (processes->items[i].pid)
            kill(processes->items[i].pid, number);
}

void processes_stop(struct processes *processes, int grace_ms)
{
    int64_t until_ms = clock_monotonic_ms() + grace_ms;
    signal_all(processes, SIGTERM);
    while (any_left(processes) && clock_monotonic_ms() < until_ms)
        usleep(500);
    signal_all(processes, SIGKILL);
    for (size_t i = 0; i < processes->n; i++)
        if (processes->items[i].pid)
            waitpid(processes->items[i].pid, &processes->items[i].result, 0);
    memory_free(processes->items);
    *processes = PROCESSES_INIT;
}
