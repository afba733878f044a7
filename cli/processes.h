// The coordinator and learners that a command starts on this machine, and ends again.
#pragma once

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process {
    pid_t pid; // 0: not running (any more)
    char name[64];
    int result; // as waitpid tells, once it has ended
};

struct processes {
    size_t n;
    struct process *items;
    char folder[4096]; // of this program, where its siblings are
    const char *logs;  // folder for NAME.log, or NULL: /dev/null
    bool traced;       // each writes NAME.trace beside its log
    bool wire;         // parameters go over connections although all are on this machine
};

#define PROCESSES_INIT ((struct processes){0})

// Finds the folder of this program; `cohort-coordinator` and `cohort-learner` must be beside it.
enum status processes_open(struct processes *processes, const char *logs, struct error *error);

// Starts `arguments` (NULL-closed; [0] the sibling program's name) with its standard error in logs/NAME.log.
// With `ret_announced` it waits for the line that the program announces itself with, at most `timeout_ms`.
enum status processes_start(struct processes *processes, const char *name, const char *const *arguments,
                            char *ret_announced, size_t bytes, int timeout_ms, struct error *error);

// OK while all run; else which one ended and where its log is.
enum status processes_check(struct processes *processes, struct error *error);

// TERM to all, then KILL to those that are not gone after `grace_ms`; frees the list.
void processes_stop(struct processes *processes, int grace_ms);
