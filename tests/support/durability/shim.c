/*
 * Records what a program does to the files below one directory, in order, with the bytes.
 *
 * Preloaded (LD_PRELOAD) into an unmodified program. Environment:
 *   SHIM_DIRECTORY   the directory, absolute, with symbolic links resolved
 *   SHIM_LOG         the file to append records to; lies outside the directory
 *   SHIM_DISK_BYTES  optional: after so many written bytes, this process meets ENOSPC
 *   SHIM_DISK_FREED  optional: a path; once there is a file, the disk has room again
 *
 * One lock is held around each operation and its record, within the process (a mutex) and between
 * processes (a POSIX lock on the log), so the log's order is the order in which things happened.
 * What it can't see (memory mappings, stdio, direct system calls, io_uring) shows afterwards: the
 * files that the log adds up to then differ from the real ones, and recording.py refuses the run.
 *
 * A record: struct record, then `name_length` bytes, then `data_length` bytes. recording.py reads it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum operation {
    CREATE = 1, /* name now is the new file `inode` */
    WRITE,      /* data at `offset`; `length` 1: on a descriptor opened with O_SYNC or O_DSYNC */
    TRUNCATE,   /* to `length` bytes */
    RENAME,     /* name to data */
    LINK,       /* data is one more name of what is at name */
    UNLINK,
    MAKE_DIRECTORY,
    REMOVE_DIRECTORY,
    SYNC_FILE,
    SYNC_ALL,
    OUTPUT,     /* data went to standard output */
};

struct record {
    uint32_t operation;
    uint32_t process;
    uint64_t inode;
    int64_t offset;
    int64_t length;
    uint32_t name_length;
    uint32_t data_length;
};

static char directory[PATH_MAX];
static size_t directory_length;
static int log_descriptor = -1;
static int64_t disk_bytes_left = INT64_MAX;
static const char *disk_freed;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* The next definition of the function we stand in for. */
#define REAL(name) \
    static __typeof__(&name) real; \
    if (real == NULL) \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void die(const char *what) {
    fprintf(stderr, "storage shim: %s: %s\n", what, strerror(errno));
    _exit(125);
}

/* A child must not inherit the mutex as some other thread happened to hold it. */
static void before_fork(void) {
    pthread_mutex_lock(&mutex);
}

static void after_fork(void) {
    pthread_mutex_unlock(&mutex);
}

__attribute__((constructor)) static void initialise(void) {
    const char *where = getenv("SHIM_DIRECTORY"), *log = getenv("SHIM_LOG");
    if (where == NULL || log == NULL)
        return;
    snprintf(directory, sizeof directory, "%s", where);
    directory_length = strlen(directory);
    const char *disk = getenv("SHIM_DISK_BYTES");
    if (disk != NULL)
        disk_bytes_left = atoll(disk);
    disk_freed = getenv("SHIM_DISK_FREED");
    __typeof__(&open64) real_open = (__typeof__(&open64))dlsym(RTLD_NEXT, "open64");
    int low = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (low < 0)
        die("opening the log");
    /* Out of the way of programs that count on low numbers, or close them all. */
    log_descriptor = fcntl(low, F_DUPFD_CLOEXEC, 900);
    if (log_descriptor < 0)
        die("moving the log");
    __typeof__(&close) real_close = (__typeof__(&close))dlsym(RTLD_NEXT, "close");
    real_close(low);
    pthread_atfork(before_fork, after_fork, after_fork);
}

static void lock(void) {
    pthread_mutex_lock(&mutex);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    while (log_descriptor >= 0 && fcntl(log_descriptor, F_SETLKW, &whole) < 0)
        if (errno != EINTR)
            die("locking the log");
}

/* Leaves errno as the operation left it. */
static void unlock(void) {
    int saved = errno;
    struct flock whole = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    if (log_descriptor >= 0)
        fcntl(log_descriptor, F_SETLK, &whole);
    pthread_mutex_unlock(&mutex);
    errno = saved;
}

static void append(enum operation operation, uint64_t inode, int64_t offset, int64_t length,
                   const char *name, const void *data, size_t data_length) {
    int saved = errno;
    struct record record = {
        .operation = operation,
        .process = (uint32_t)getpid(),
        .inode = inode,
        .offset = offset,
        .length = length,
        .name_length = name == NULL ? 0 : (uint32_t)strlen(name),
        .data_length = (uint32_t)data_length,
    };
    struct iovec parts[] = {
        {&record, sizeof record},
        {(void *)name, record.name_length},
        {(void *)data, data_length},
    };
    __typeof__(&writev) real_writev = (__typeof__(&writev))dlsym(RTLD_NEXT, "writev");
    ssize_t whole = (ssize_t)(sizeof record + record.name_length + data_length);
    if (real_writev(log_descriptor, parts, 3) != whole)
        die("writing the log");
    errno = saved;
}

/* The path below the directory ("" for itself), or NULL when `path` is elsewhere. */
static const char *below(const char *path) {
    if (log_descriptor < 0 || strncmp(path, directory, directory_length) != 0)
        return NULL;
    if (path[directory_length] == '\0')
        return path + directory_length;
    return path[directory_length] == '/' ? path + directory_length + 1 : NULL;
}

/* The same for a path as given to *at(): resolves its folder, not its last part. */
static const char *resolve(int at, const char *path, char *buffer) {
    if (log_descriptor < 0 || path == NULL)
        return NULL;
    char given[PATH_MAX], folder[PATH_MAX];
    if (path[0] == '/' || at == AT_FDCWD) {
        snprintf(given, sizeof given, "%s", path);
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t length = readlink(link, folder, sizeof folder - 1);
        if (length < 0)
            return NULL;
        folder[length] = '\0';
        if (snprintf(given, sizeof given, "%s/%s", folder, path) >= (int)sizeof given)
            return NULL;
    }
    size_t end = strlen(given);
    while (end > 1 && given[end - 1] == '/')
        given[--end] = '\0';
    char *slash = strrchr(given, '/');
    const char *last = slash == NULL ? given : slash + 1;
    int saved = errno;
    if (slash == NULL ? realpath(".", folder) == NULL
                      : (*slash = '\0', realpath(given[0] ? given : "/", folder) == NULL)) {
        errno = saved;
        return NULL;
    }
    errno = saved;
    if (snprintf(buffer, PATH_MAX, "%s/%s", strcmp(folder, "/") ? folder : "", last) >= PATH_MAX)
        return NULL;
    return below(buffer);
}

/* Whether a descriptor is of a file or folder below the directory; fills in its inode. */
static int is_ours(int descriptor, uint64_t *inode) {
    if (log_descriptor < 0)
        return 0;
    int saved = errno;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    struct stat status;
    int ours = 0;
    if (length > 0 && (path[length] = '\0', below(path) != NULL) &&
        fstat(descriptor, &status) == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) {
        *inode = status.st_ino;
        ours = 1;
    }
    errno = saved;
    return ours;
}

/* ---- opening ---- */

static int record_open(int at, const char *path, int flags, mode_t mode,
                       int (*real)(int, const char *, int, ...)) {
    char buffer[PATH_MAX];
    const char *name = (flags & (O_CREAT | O_TRUNC)) ? resolve(at, path, buffer) : NULL;
    if (name == NULL)
        return real(at, path, flags, mode);
    lock();
    struct stat status;
    int saved = errno;
    int existed = fstatat(at, path, &status, 0) == 0;
    errno = saved;
    int descriptor = real(at, path, flags, mode);
    if (descriptor >= 0 && fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)) {
        if (!existed)
            append(CREATE, status.st_ino, 0, 0, name, NULL, 0);
        else if (flags & O_TRUNC)
            append(TRUNCATE, status.st_ino, 0, 0, NULL, NULL, 0);
    }
    unlock();
    return descriptor;
}

static mode_t mode_of(int flags, va_list arguments) {
    return (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(arguments, mode_t) : 0;
}

#define OPENING(open_name, openat_name, creat_name) \
    int openat_name(int at, const char *path, int flags, ...) { \
        REAL(openat_name); \
        va_list arguments; \
        va_start(arguments, flags); \
        mode_t mode = mode_of(flags, arguments); \
        va_end(arguments); \
        return record_open(at, path, flags, mode, real); \
    } \
    int open_name(const char *path, int flags, ...) { \
        REAL(openat_name); \
        va_list arguments; \
        va_start(arguments, flags); \
        mode_t mode = mode_of(flags, arguments); \
        va_end(arguments); \
        return record_open(AT_FDCWD, path, flags, mode, real); \
    } \
    int creat_name(const char *path, mode_t mode) { \
        REAL(openat_name); \
        return record_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode, real); \
    }

OPENING(open, openat, creat)
OPENING(open64, openat64, creat64)

/* ---- bytes ---- */

static int is_synchronous(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    return flags >= 0 && (flags & O_DSYNC) != 0; /* O_SYNC includes the bit of O_DSYNC. */
}

/* ENOSPC once the disk is full; a write that begins in time is cut, as Linux cuts it. */
static int take_space(size_t *count) {
    if (disk_bytes_left <= 0 && disk_freed != NULL && access(disk_freed, F_OK) == 0)
        disk_bytes_left = INT64_MAX;
    if (disk_bytes_left <= 0 && *count > 0) {
        errno = ENOSPC;
        return -1;
    }
    if ((int64_t)*count > disk_bytes_left)
        *count = (size_t)disk_bytes_left;
    if (disk_bytes_left != INT64_MAX)
        disk_bytes_left -= (int64_t)*count;
    return 0;
}

ssize_t write(int descriptor, const void *data, size_t count) {
    REAL(write);
    uint64_t inode;
    if (is_ours(descriptor, &inode)) {
        lock();
        ssize_t written = take_space(&count) < 0 ? -1 : real(descriptor, data, count);
        if (written > 0) {
            /* The position stands behind what was written, with O_APPEND as well. */
            off_t end = lseek(descriptor, 0, SEEK_CUR);
            append(WRITE, inode, end - written, is_synchronous(descriptor), NULL, data,
                   (size_t)written);
        }
        unlock();
        return written;
    }
    if (descriptor == STDOUT_FILENO && log_descriptor >= 0) {
        lock();
        ssize_t written = real(descriptor, data, count);
        if (written > 0)
            append(OUTPUT, 0, 0, 0, NULL, data, (size_t)written);
        unlock();
        return written;
    }
    return real(descriptor, data, count);
}

/* Gathered writes are made one after the other: a program can't tell, as each may fall short. */
ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    REAL(writev);
    uint64_t inode;
    if (!is_ours(descriptor, &inode) && !(descriptor == STDOUT_FILENO && log_descriptor >= 0))
        return real(descriptor, parts, count);
    ssize_t total = 0;
    for (int index = 0; index < count; index++) {
        ssize_t written = write(descriptor, parts[index].iov_base, parts[index].iov_len);
        if (written < 0)
            return total > 0 ? total : -1;
        total += written;
        if ((size_t)written < parts[index].iov_len)
            break;
    }
    return total;
}

static ssize_t record_pwrite(int descriptor, const void *data, size_t count, off64_t offset,
                             ssize_t (*real)(int, const void *, size_t, off64_t)) {
    uint64_t inode;
    if (!is_ours(descriptor, &inode))
        return real(descriptor, data, count, offset);
    lock();
    ssize_t written = take_space(&count) < 0 ? -1 : real(descriptor, data, count, offset);
    if (written > 0)
        append(WRITE, inode, offset, is_synchronous(descriptor), NULL, data, (size_t)written);
    unlock();
    return written;
}

ssize_t pwrite(int descriptor, const void *data, size_t count, off_t offset) {
    REAL(pwrite);
    return record_pwrite(descriptor, data, count, offset, real);
}

ssize_t pwrite64(int descriptor, const void *data, size_t count, off64_t offset) {
    REAL(pwrite64);
    return record_pwrite(descriptor, data, count, offset, real);
}

/* Copies inside the kernel are refused; every program falls back to read and write. */
ssize_t copy_file_range(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t count,
                        unsigned int flags) {
    REAL(copy_file_range);
    uint64_t inode;
    if (!is_ours(out, &inode))
        return real(in, in_offset, out, out_offset, count, flags);
    errno = ENOSYS;
    return -1;
}

#define SENDFILE(name, offset_type) \
    ssize_t name(int out, int in, offset_type *offset, size_t count) { \
        static ssize_t (*real)(int, int, offset_type *, size_t); \
        if (real == NULL) \
            real = (ssize_t(*)(int, int, offset_type *, size_t))dlsym(RTLD_NEXT, #name); \
        uint64_t inode; \
        if (!is_ours(out, &inode)) \
            return real(out, in, offset, count); \
        errno = ENOTSOCK; /* Python's shutil falls back on this one. */ \
        return -1; \
    }

SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

/* ---- sizes ---- */

static void record_size(int descriptor, uint64_t inode) {
    struct stat status;
    if (fstat(descriptor, &status) == 0)
        append(TRUNCATE, inode, 0, status.st_size, NULL, NULL, 0);
}

#define SIZING(name, offset_type) \
    int name(int descriptor, offset_type length) { \
        REAL(name); \
        uint64_t inode; \
        if (!is_ours(descriptor, &inode)) \
            return real(descriptor, length); \
        lock(); \
        int result = real(descriptor, length); \
        if (result == 0) \
            record_size(descriptor, inode); \
        unlock(); \
        return result; \
    }

SIZING(ftruncate, off_t)
SIZING(ftruncate64, off64_t)

#define SIZING_BY_PATH(name, offset_type) \
    int name(const char *path, offset_type length) { \
        REAL(name); \
        char buffer[PATH_MAX]; \
        struct stat status; \
        if (resolve(AT_FDCWD, path, buffer) == NULL) \
            return real(path, length); \
        lock(); \
        int result = real(path, length); \
        if (result == 0 && stat(path, &status) == 0) \
            append(TRUNCATE, status.st_ino, 0, status.st_size, NULL, NULL, 0); \
        unlock(); \
        return result; \
    }

SIZING_BY_PATH(truncate, off_t)
SIZING_BY_PATH(truncate64, off64_t)

#define ALLOCATING(name, offset_type) \
    int name(int descriptor, offset_type offset, offset_type length) { \
        REAL(name); \
        uint64_t inode; \
        if (!is_ours(descriptor, &inode)) \
            return real(descriptor, offset, length); \
        lock(); \
        int result = real(descriptor, offset, length); \
        if (result == 0) \
            record_size(descriptor, inode); \
        unlock(); \
        return result; \
    }

ALLOCATING(posix_fallocate, off_t)
ALLOCATING(posix_fallocate64, off64_t)

/* ---- names ---- */

static int record_rename(int from_at, const char *from, int to_at, const char *to,
                         unsigned int flags) {
    REAL(renameat2);
    char from_buffer[PATH_MAX], to_buffer[PATH_MAX];
    const char *from_name = resolve(from_at, from, from_buffer);
    const char *to_name = resolve(to_at, to, to_buffer);
    if (from_name == NULL && to_name == NULL)
        return real(from_at, from, to_at, to, flags);
    if (from_name == NULL || to_name == NULL || (flags & ~RENAME_NOREPLACE)) {
        errno = EXDEV; /* In and out of the directory: programs copy instead. */
        return -1;
    }
    lock();
    int result = real(from_at, from, to_at, to, flags);
    if (result == 0)
        append(RENAME, 0, 0, 0, from_name, to_name, strlen(to_name));
    unlock();
    return result;
}

int rename(const char *from, const char *to) {
    return record_rename(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_at, const char *from, int to_at, const char *to) {
    return record_rename(from_at, from, to_at, to, 0);
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned int flags) {
    return record_rename(from_at, from, to_at, to, flags);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    REAL(linkat);
    char from_buffer[PATH_MAX], to_buffer[PATH_MAX];
    const char *from_name = resolve(from_at, from, from_buffer);
    const char *to_name = resolve(to_at, to, to_buffer);
    if (from_name == NULL || to_name == NULL) /* A name from elsewhere shows as a difference. */
        return real(from_at, from, to_at, to, flags);
    lock();
    int result = real(from_at, from, to_at, to, flags);
    if (result == 0)
        append(LINK, 0, 0, 0, from_name, to_name, strlen(to_name));
    unlock();
    return result;
}

int link(const char *from, const char *to) {
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int at, const char *path, int flags) {
    REAL(unlinkat);
    char buffer[PATH_MAX];
    const char *name = resolve(at, path, buffer);
    if (name == NULL)
        return real(at, path, flags);
    lock();
    int result = real(at, path, flags);
    if (result == 0)
        append((flags & AT_REMOVEDIR) ? REMOVE_DIRECTORY : UNLINK, 0, 0, 0, name, NULL, 0);
    unlock();
    return result;
}

int unlink(const char *path) {
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path) {
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int remove(const char *path) {
    struct stat status;
    if (lstat(path, &status) < 0)
        return -1;
    return S_ISDIR(status.st_mode) ? rmdir(path) : unlink(path);
}

int mkdirat(int at, const char *path, mode_t mode) {
    REAL(mkdirat);
    char buffer[PATH_MAX];
    const char *name = resolve(at, path, buffer);
    if (name == NULL)
        return real(at, path, mode);
    lock();
    int result = real(at, path, mode);
    struct stat status;
    if (result == 0 && fstatat(at, path, &status, 0) == 0)
        append(MAKE_DIRECTORY, status.st_ino, 0, 0, name, NULL, 0);
    unlock();
    return result;
}

int mkdir(const char *path, mode_t mode) {
    return mkdirat(AT_FDCWD, path, mode);
}

/* ---- syncing ---- */

/* sync_file_range() is no promise (no metadata, no flush of the disk's cache; its man page warns
 * of it), so it is let through and not recorded. */

#define SYNCING(name) \
    int name(int descriptor) { \
        REAL(name); \
        uint64_t inode; \
        if (!is_ours(descriptor, &inode)) \
            return real(descriptor); \
        lock(); \
        int result = real(descriptor); \
        if (result == 0) \
            append(SYNC_FILE, inode, 0, 0, NULL, NULL, 0); \
        unlock(); \
        return result; \
    }

SYNCING(fsync)
SYNCING(fdatasync)

int syncfs(int descriptor) {
    REAL(syncfs);
    uint64_t inode;
    if (!is_ours(descriptor, &inode))
        return real(descriptor);
    lock();
    int result = real(descriptor);
    if (result == 0)
        append(SYNC_ALL, 0, 0, 0, NULL, NULL, 0);
    unlock();
    return result;
}

void sync(void) {
    REAL(sync);
    lock();
    real();
    if (log_descriptor >= 0)
        append(SYNC_ALL, 0, 0, 0, NULL, NULL, 0);
    unlock();
}
