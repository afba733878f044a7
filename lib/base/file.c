#include "base/file.h"
#include "base/fault.h"
#include "base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum status file_write_all(int fd, const void *data, size_t n, const char *path, struct error *error)
{
    while (n) {
        ssize_t k = write(fd, data, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return error_errno(error, errno, "cannot write", path);
        data = (const char *)data + k;
        n -= (size_t)k;
    }
    return STATUS_OK;
}

// A rename is durable once the folder that holds the name is.
static enum status sync_folder_of(const char *path, struct error *error)
{
    cleanup_free char *folder = memory_copy_text(path);
    if (!folder)
        return error_no_memory(error, strlen(path));
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(error, errno, "cannot sync the folder of", path);
    int failed = fsync(fd) ? errno : 0;
    close(fd);
    return failed && failed != EINVAL ? error_errno(error, failed, "cannot sync the folder of", path)
                                      : STATUS_OK;
}

// A step that makes the file durable, which a test may have fail.
static enum status step(bool durable, const char *path, struct error *error)
{
    int number = durable ? fault_step() : 0;
    return number ? error_errno(error, number, "cannot write", path) : STATUS_OK;
}

enum status file_write_by(const char *path, enum status (*fill)(int fd, void *context, struct error *error),
                          void *context, bool durable, struct error *error)
{
    cleanup_free char *aside = memory_format("%s.partial", path);
    if (!aside)
        return error_no_memory(error, strlen(path));
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_errno(error, errno, "cannot write", path);
    enum status status = step(durable, path, error);
    if (status == STATUS_OK)
        status = fill(fd, context, error);
    if (status == STATUS_OK)
        status = step(durable, path, error);
    if (status == STATUS_OK && durable && fsync(fd))
        status = error_errno(error, errno, "cannot sync", path);
    if (close(fd) && status == STATUS_OK)
        status = error_errno(error, errno, "cannot write", path);
    if (status == STATUS_OK)
        status = step(durable, path, error);
    if (status == STATUS_OK && rename(aside, path))
        status = error_errno(error, errno, "cannot write", path);
    if (status != STATUS_OK)
        unlink(aside);
    else if (durable)
        status = sync_folder_of(path, error);
    return status;
}

struct whole {
    const void *data;
    size_t n;
    const char *path;
};

static enum status fill_whole(int fd, void *context, struct error *error)
{
    const struct whole *whole = context;
    return file_write_all(fd, whole->data, whole->n, whole->path, error);
}

enum status file_write(const char *path, const void *data, size_t n, bool durable, struct error *error)
{
    return file_write_by(path, fill_whole, &(struct whole){data, n, path}, durable, error);
}

enum status file_make_folder(const char *path, struct error *error)
{
    cleanup_free char *part = memory_copy_text(path);
    if (!part)
        return error_no_memory(error, strlen(path));
    for (char *c = part + (*part == '/');; c++) {
        if (*c && *c != '/')
            continue;
        char kept = *c;
        *c = '\0';
        if (*part && mkdir(part, 0777) && errno != EEXIST)
            return error_errno(error, errno, "cannot make the folder", path);
        if (!kept)
            break;
        *c = kept;
    }
    struct stat info;
    if (stat(path, &info))
        return error_errno(error, errno, "cannot make the folder", path);
    if (!S_ISDIR(info.st_mode))
        return error_set(error, STATUS_INVALID_ARGUMENT, "'%s' is a file; name a folder", path);
    if (access(path, W_OK | X_OK))
        return error_errno(error, errno, "cannot write to the folder", path);
    return STATUS_OK;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

char *file_join(const char *folder, const char *name)
{
    if (!folder || !*folder || *name == '/')
        return memory_copy_text(name);
    return memory_format("%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    remove(path);
    return 0;
}

void file_remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
