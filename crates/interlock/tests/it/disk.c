/* A disk that fails as told, for files of the database alone: those with INTERLOCK_TEST_DISK_FILES in their path. Loaded
   before the C library; the first byte of the file named by INTERLOCK_TEST_DISK says how: '-' not at all, 'F' full, 'S'
   syncing fails, 'R' read-only, 'E' nothing grows any more, 'N' one call fails: the one whose number, from 1, stands in
   the four bytes from the fifth on, which count down. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile char *told(void) {
    static volatile char *page;
    static char nothing[8] = "-";
    if (page == NULL) {
        const char *name = getenv("INTERLOCK_TEST_DISK");
        int file = name == NULL ? -1 : open(name, O_RDWR | O_CLOEXEC);
        void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        page = mapped == MAP_FAILED ? nothing : mapped;
        if (file >= 0) close(file);
    }
    return page;
}

static int is_database(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    const char *files = getenv("INTERLOCK_TEST_DISK_FILES");
    return strstr(path, files == NULL ? "interlock.db" : files) != NULL;
}

/* How it fails for this file now. */
static char fault(int file) {
    char how = *told();
    return how != '-' && is_database(file) ? how : '-';
}

/* Whether this is the call that fails. */
static int is_chosen(int file) {
    return fault(file) == 'N' && __sync_fetch_and_sub((volatile int *)(told() + 4), 1) == 1;
}

/* Whether the file would have to grow for this. */
static int grows(int file, off64_t end) {
    struct stat64 now;
    return fault(file) == 'E' && (fstat64(file, &now) != 0 || end > now.st_size);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* A full disk takes the beginning of what is large, and then nothing. */
#define WRITING(name, parameters, whole, half, end)                                         \
    ssize_t name parameters {                                                               \
        char how = fault(file);                                                             \
        if (is_chosen(file)) { errno = EIO; return -1; }                                    \
        if (grows(file, end)) { errno = ENOSPC; return -1; }                                \
        if (how == 'R') { errno = EROFS; return -1; }                                       \
        if (how == 'F' && size < 1024) { errno = ENOSPC; return -1; }                       \
        return how == 'F' ? NEXT(name) half : NEXT(name) whole;                             \
    }

WRITING(write, (int file, const void *bytes, size_t size), (file, bytes, size), (file, bytes, size / 2), 0)
WRITING(pwrite, (int file, const void *bytes, size_t size, off_t at), (file, bytes, size, at), (file, bytes, size / 2, at), at + (off64_t)size)
WRITING(pwrite64, (int file, const void *bytes, size_t size, off64_t at), (file, bytes, size, at), (file, bytes, size / 2, at), at + (off64_t)size)

#define FAILING(name, parameters, arguments, wanted, error)                                 \
    int name parameters {                                                                   \
        if (strchr(wanted, fault(file)) != NULL || is_chosen(file)) { errno = error; return -1; } \
        return NEXT(name) arguments;                                                        \
    }

FAILING(fsync, (int file), (file), "S", EIO)
FAILING(fdatasync, (int file), (file), "S", EIO)
FAILING(ftruncate, (int file, off_t size), (file, size), "R", EROFS)
FAILING(ftruncate64, (int file, off64_t size), (file, size), "R", EROFS)

/* PostgreSQL's ways of growing a file. */
static off64_t length(const struct iovec *parts, int count) {
    off64_t all = 0;
    for (int n = 0; n < count; n++) all += (off64_t)parts[n].iov_len;
    return all;
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) {
    if (grows(file, at + length(parts, count))) { errno = ENOSPC; return -1; }
    return NEXT(pwritev)(file, parts, count, at);
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t at) {
    if (grows(file, at + length(parts, count))) { errno = ENOSPC; return -1; }
    return NEXT(pwritev64)(file, parts, count, at);
}

int posix_fallocate(int file, off_t at, off_t size) {
    return grows(file, at + size) ? ENOSPC : NEXT(posix_fallocate)(file, at, size);
}

int posix_fallocate64(int file, off64_t at, off64_t size) {
    return grows(file, at + size) ? ENOSPC : NEXT(posix_fallocate64)(file, at, size);
}
