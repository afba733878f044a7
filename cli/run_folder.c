#include "cli/run_folder.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/memory.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// ---- looking --------------------------------------------------------------------------------------------

static bool holds(const char *folder, const char *name)
{
    cleanup_free char *path = file_join(folder, name);
    return path && file_exists(path);
}

// No entry but those that every folder has. Also when it cannot be read: making it tells why.
static bool is_empty(const char *path)
{
    DIR *folder = opendir(path);
    size_t n = 0;
    while (folder && readdir(folder))
        n++;
    if (folder)
        closedir(folder);
    return n <= 2;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

// Another folder cannot take its place then.
static bool is_mount_point(const char *path)
{
    struct stat here, above;
    cleanup_free char *parent = memory_format("%s/..", path);
    return parent && stat(path, &here) == 0 && stat(parent, &above) == 0 &&
           (here.st_dev != above.st_dev || here.st_ino == above.st_ino);
}

// A run's folder has the experiment from its first moment on.
static enum status check_is_run(const char *path, struct error *error)
{
    if (!file_exists(path))
        return STATUS_OK;
    if (!is_folder(path))
        return error_set(error, STATUS_INVALID_ARGUMENT, "'%s' is a file; name a folder", path);
    if (is_mount_point(path))
        return error_set(
            error, STATUS_INVALID_ARGUMENT,
            "'%s' is the root of a file system, where no finished run can take its place; name a "
            "folder in it, as '%s/run'",
            path, path);
    if (is_empty(path) || holds(path, "experiment.yaml") || holds(path, "experiment.yaml.partial"))
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT,
                     "'%s' holds other files than a run's; name a folder that is new, or empty", path);
}

// ---- opening --------------------------------------------------------------------------------------------

static enum status take_lock(struct run_folder *folder, struct error *error)
{
    folder->lock = open(folder->aside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->lock < 0)
        return error_errno(error, errno, "cannot open", folder->aside);
    struct stat locked, there;
    if (flock(folder->lock, LOCK_EX | LOCK_NB) == 0 && fstat(folder->lock, &locked) == 0 &&
        stat(folder->aside, &there) == 0 && locked.st_ino == there.st_ino)
        return STATUS_OK; // else it has just been put in place by that other run
    close(folder->lock);
    folder->lock = -1; // it is not this run's to remove
    return error_set(error, STATUS_ALREADY_EXISTS,
                     "another run is writing '%s'; wait for its end, or name another folder", folder->path);
}

static char *path_of_replaced(const struct run_folder *folder)
{
    return memory_format("%s.replaced", folder->path);
}

// A run was killed while it put its folder in place: it was complete, and takes its place now, or the one
// that it took the place of is removed.
static enum status finish_earlier(struct run_folder *folder, struct error *error)
{
    cleanup_free char *replaced = path_of_replaced(folder);
    if (!replaced)
        return error_no_memory(error, strlen(folder->path));
    if (!file_exists(replaced))
        return STATUS_OK;
    TRY(check_is_run(replaced, error));
    if (!file_exists(folder->path) && holds(folder->aside, "summary.json") &&
        rename(folder->aside, folder->path))
        return error_errno(error, errno, "cannot put the run in place as", folder->path);
    file_remove_tree(replaced);
    return STATUS_OK;
}

static enum status clear(const char *path, struct error *error)
{
    DIR *folder = opendir(path);
    if (!folder)
        return error_errno(error, errno, "cannot read", path);
    for (struct dirent *entry; (entry = readdir(folder));) {
        cleanup_free char *one = file_join(path, entry->d_name);
        if (one && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            file_remove_tree(one);
    }
    closedir(folder);
    return STATUS_OK;
}

static enum status open_named(struct run_folder *folder, struct error *error)
{
    TRY(check_is_run(folder->path, error));
    TRY(check_is_run(folder->aside, error));
    TRY(file_make_folder(folder->aside, error));
    TRY(take_lock(folder, error));
    TRY(finish_earlier(folder, error));
    if (!file_exists(folder->aside)) { // it has just been put in place
        close(folder->lock);
        TRY(file_make_folder(folder->aside, error));
        TRY(take_lock(folder, error));
    }
    return clear(folder->aside, error);
}

static enum status name_it(struct run_folder *ret, char *path_take, struct error *error)
{
    ret->path = path_take;
    for (size_t n = path_take ? strlen(path_take) : 0; n > 1 && path_take[n - 1] == '/'; n--)
        path_take[n - 1] = '\0';
    ret->aside = path_take ? memory_format("%s.unfinished", path_take) : NULL;
    return ret->aside ? STATUS_OK : error_no_memory(error, 4096);
}

static void forget_names(struct run_folder *folder)
{
    folder->path = memory_free(folder->path);
    folder->aside = memory_free(folder->aside);
}

// runs/NAME-TIME, or with -2 and so on behind it: a folder of this run's own, also when another run of the
// experiment starts in the same second.
static enum status open_default(struct run_folder *ret, const char *name, struct error *error)
{
    char time_text[32], suffix[16] = "";
    time_t now = time(NULL);
    struct tm parts;
    strftime(time_text, sizeof time_text, "%Y%m%d-%H%M%S", localtime_r(&now, &parts));
    TRY(file_make_folder("runs", error));
    for (unsigned int n = 2;; n++) {
        TRY(name_it(ret, memory_format("runs/%s-%s%s", name, time_text, suffix), error));
        bool made = mkdir(ret->aside, 0777) == 0;
        if (!made && errno != EEXIST)
            return error_errno(error, errno, "cannot make the folder", ret->aside);
        if (made && !file_exists(ret->path))
            return take_lock(ret, error);
        if (made)
            rmdir(ret->aside); // that run is finished already
        forget_names(ret);
        snprintf(suffix, sizeof suffix, "-%u", n);
    }
}

enum status run_folder_open(struct run_folder *ret, const char *out, const char *name, struct error *error)
{
    if (!out)
        return open_default(ret, name, error);
    TRY(name_it(ret, memory_copy_text(out), error));
    return open_named(ret, error);
}

// ---- the end --------------------------------------------------------------------------------------------

static enum status move(const char *from, const char *to, struct error *error)
{
    fault_step();
    return rename(from, to) ? error_errno(error, errno, "cannot put the run in place as", to) : STATUS_OK;
}

static void sync_above(const struct run_folder *folder)
{
    cleanup_free char *copy = memory_copy_text(folder->path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

enum status run_folder_finish(struct run_folder *folder, struct error *error)
{
    cleanup_free char *replaced = path_of_replaced(folder);
    if (!replaced)
        return error_no_memory(error, strlen(folder->path));
    fsync(folder->lock); // the names in it; the files have been
    bool gives_way = file_exists(folder->path) && !is_empty(folder->path);
    if (gives_way)
        TRY(move(folder->path, replaced, error));
    TRY(move(folder->aside, folder->path, error));
    sync_above(folder);
    fault_step();
    if (gives_way)
        file_remove_tree(replaced);
    return STATUS_OK;
}

void run_folder_release(struct run_folder *folder, bool keep)
{
    if (!keep && folder->lock >= 0)
        file_remove_tree(folder->aside);
    if (folder->lock >= 0)
        close(folder->lock);
    forget_names(folder);
    folder->lock = -1;
}
