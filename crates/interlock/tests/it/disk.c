/* A disk that fails as told, for files of the database alone: those with INTERLOCK_TEST_DISK_FILES in their path. Loaded
   before the C library; the first byte of the file named by INTERLOCK_TEST_DISK says how: '-' not at all, 'F' full, 'S'
   syncing fails, 's' only `fsync` does, 'l' a sync that loses something does, 'C' the database's own file is not written,
   'R' read-only, 'E' nothing grows any more, 'N' one call fails: the one whose number, from 1, stands in the four bytes
   from the fifth on, which count down. */
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

/* What was written into the database's own file since it was last synced, and what was there before. With
   INTERLOCK_TEST_DISK_LOSES a sync that fails loses it, as kernels do: the next one says that all is well. */
struct change { struct change *earlier; off64_t at; ssize_t size; char before[]; };
static struct change *changes;
static volatile int changes_lock;

/* The database's own file, and not its log. */
static int is_own(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    return length > 3 && strncmp(path + length - 3, ".db", 3) == 0;
}

static int loses(int file) { return getenv("INTERLOCK_TEST_DISK_LOSES") != NULL && is_own(file); }

static void remember(int file, off64_t at, size_t size) {
    if (!loses(file)) return;
    struct change *now = malloc(sizeof *now + size);
    now->at = at;
    now->size = pread64(file, now->before, size, at);
    while (__sync_lock_test_and_set(&changes_lock, 1)) {}
    now->earlier = changes;
    changes = now;
    __sync_lock_release(&changes_lock);
}

/* 'l': a sync fails that would lose something. */
static int would_lose(int file) { return fault(file) == 'l' && loses(file) && changes != NULL; }

static void forget(int file, int is_lost) {
    if (!loses(file)) return;
    ssize_t (*put)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    int writable = -1;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    /* Never closed: that would take the process's locks on the file along. */
    if (is_lost) writable = open(link, O_WRONLY | O_CLOEXEC);
    while (__sync_lock_test_and_set(&changes_lock, 1)) {}
    while (changes != NULL) {
        struct change *last = changes;
        if (is_lost && last->size > 0) put(writable, last->before, last->size, last->at);
        changes = last->earlier;
        free(last);
    }
    __sync_lock_release(&changes_lock);
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
        if (how == 'C' && is_own(file)) { errno = EIO; return -1; }                         \
        remember(file, (end) - (off64_t)size, size);                                        \
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

#define SYNCING(name, wanted)                                                               \
    int name(int file) {                                                                    \
        int fails = strchr(wanted, fault(file)) != NULL || is_chosen(file) || would_lose(file); \
        forget(file, fails);                                                                \
        if (fails) { errno = EIO; return -1; }                                              \
        return NEXT(name)(file);                                                            \
    }

/* 's': only the sync that waits for the times in the inode fails. */
SYNCING(fsync, "Ss")
SYNCING(fdatasync, "S")
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
