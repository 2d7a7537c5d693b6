/* A disk that fails as told, for files of the database alone. Loaded before the C library; the first byte of the file
   named by INTERLOCK_TEST_DISK says how: '-' not at all, 'F' full, 'S' syncing fails, 'R' read-only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const volatile char *told(void) {
    static const volatile char *page;
    if (page == NULL) {
        const char *name = getenv("INTERLOCK_TEST_DISK");
        int file = name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC);
        void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, 1, PROT_READ, MAP_SHARED, file, 0);
        page = mapped == MAP_FAILED ? "-" : mapped;
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
    return strstr(path, "interlock.db") != NULL;
}

/* How it fails for this file now. */
static char fault(int file) {
    char how = *told();
    return how != '-' && is_database(file) ? how : '-';
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* A full disk takes the beginning of what is large, and then nothing. */
#define WRITING(name, parameters, whole, half)                                              \
    ssize_t name parameters {                                                               \
        char how = fault(file);                                                             \
        if (how == 'R') { errno = EROFS; return -1; }                                       \
        if (how == 'F' && size < 1024) { errno = ENOSPC; return -1; }                       \
        return how == 'F' ? NEXT(name) half : NEXT(name) whole;                             \
    }

WRITING(write, (int file, const void *bytes, size_t size), (file, bytes, size), (file, bytes, size / 2))
WRITING(pwrite, (int file, const void *bytes, size_t size, off_t at), (file, bytes, size, at), (file, bytes, size / 2, at))
WRITING(pwrite64, (int file, const void *bytes, size_t size, off64_t at), (file, bytes, size, at), (file, bytes, size / 2, at))

#define FAILING(name, parameters, arguments, wanted, error)                                 \
    int name parameters {                                                                   \
        if (strchr(wanted, fault(file)) != NULL) { errno = error; return -1; }              \
        return NEXT(name) arguments;                                                        \
    }

FAILING(fsync, (int file), (file), "S", EIO)
FAILING(fdatasync, (int file), (file), "S", EIO)
FAILING(ftruncate, (int file, off_t size), (file, size), "R", EROFS)
FAILING(ftruncate64, (int file, off64_t size), (file, size), "R", EROFS)
