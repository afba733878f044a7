// Files that are complete or absent: written aside, synced, renamed.
#pragma once

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

// Writes `n` bytes to `path` by way of `path.partial`, fsync and rename; with `durable` false without the
// fsync.
enum status file_write(const char *path, const void *data, size_t n, bool durable, struct error *error);

// The same with bytes that `fill` writes to the file itself, for what is too large to hold twice.
enum status file_write_by(const char *path, enum status (*fill)(int fd, void *context, struct error *error),
                          void *context, bool durable, struct error *error);

// Writes all `n` bytes to `fd`, however many calls that takes; `path` is for the error.
enum status file_write_all(int fd, const void *data, size_t n, const char *path, struct error *error);

// Makes the folder and those above it; OK when it is there already and can be written, else a clear error.
enum status file_make_folder(const char *path, struct error *error);

// True when something is at `path`.
bool file_exists(const char *path);

// Joins a folder and a name into arena-free heap memory: "folder/name", or `name` alone when it is absolute
// or the folder is NULL or empty. NULL when out of memory.
char *file_join(const char *folder, const char *name);

// Removes the folder and all below it, never following links; for folders that this program made.
void file_remove_tree(const char *path);
