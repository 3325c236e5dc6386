/* SPDX-License-Identifier: Apache-2.0
 * file.c - see file.h. Walking and paths are in path.c. */
#include "base/file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static void facts_of(const struct stat *st, file_facts *out)
{
    out->size = (int64_t)st->st_size;
    out->mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    out->ctime_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
    out->inode = (int64_t)st->st_ino;
    out->is_directory = S_ISDIR(st->st_mode);
    out->is_regular = S_ISREG(st->st_mode);
}

simile_status file_stat(const char *path, file_facts *out, simile_error *err)
{
    struct stat st;
    *out = (file_facts){0};
    if (stat(path, &st)) return err_errno(err, "cannot read '%s'", path);
    facts_of(&st, out);
    return SIMILE_OK;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool file_is_folder(const char *path)
{
    file_facts facts;
    return !file_stat(path, &facts, NULL) && facts.is_directory;
}

int file_open_regular(const char *path, size_t *len, simile_error *err)
{
    struct stat st;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st)) {
        err_errno(err, "cannot read '%s'", path);
        if (fd >= 0) close(fd);
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(err, SIMILE_E_IO, "cannot read '%s': %s", path,
                S_ISDIR(st.st_mode) ? "it is a folder" : "not a regular file");
        close(fd);
        return -1;
    }
    *len = (size_t)st.st_size;
    return fd;
}

/* The status that file_open_regular left, also when the caller has no err to look into. */
static simile_status open_status(const char *path)
{
    simile_error err;
    file_facts facts;
    const simile_status status = file_stat(path, &facts, &err);
    return status ? status : SIMILE_E_IO;
}

simile_status file_map_open(const char *path, file_map *out, simile_error *err)
{
    *out = (file_map){.data = (const uint8_t *)""};
    size_t len = 0;
    const int fd = file_open_regular(path, &len, err);
    if (fd < 0) return open_status(path);
    simile_status status = SIMILE_OK;
    if (len) {
        void *p = MAP_FAILED;
        if (mem_fault_now())
            errno = ENOMEM;
        else
            p = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            status = err_errno(err, "cannot map '%s'", path);
        else
            *out = (file_map){.data = p, .len = len, .mapped = true};
    }
    close(fd);
    return status;
}

void file_map_close(file_map *map)
{
    if (map->mapped) munmap((void *)(uintptr_t)map->data, map->len);
    *map = (file_map){.data = (const uint8_t *)""};
}

void file_map_scattered(const void *at, size_t len)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = ((uintptr_t)at + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)at + len) / page * page;
    if (begin < end) (void)madvise((char *)(uintptr_t)at + (begin - (uintptr_t)at), end - begin, MADV_RANDOM);
}

void file_map_forget(const file_map *map)
{
    /* Pages of a private mapping that nobody writes to: nothing can be lost. */
    if (map->mapped) madvise((void *)(uintptr_t)map->data, map->len, MADV_DONTNEED);
}

simile_status file_read(const char *path, size_t max, char **out, size_t *len, simile_error *err)
{
    *out = NULL;
    *len = 0;
    size_t size = 0;
    const int fd = file_open_regular(path, &size, err);
    if (fd < 0) return open_status(path);
    simile_status status = SIMILE_OK;
    char *data = NULL;
    size_t got = 0;
    if (size > max) {
        status =
            err_set(err, SIMILE_E_LIMIT, "cannot read '%s': %zu bytes, more than the limit of %zu", path, size, max);
        goto done;
    }
    data = mem_alloc(size + 1);
    if (!data) {
        status = err_nomem(err);
        goto done;
    }
    while (got < size) {
        const ssize_t n = read(fd, data + got, size - got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            status = err_errno(err, "cannot read '%s'", path);
            goto done;
        }
        if (n == 0) break;
        got += (size_t)n;
    }
    data[got] = 0;
    *out = data;
    *len = got;
    data = NULL;
done:
    mem_free(data);
    close(fd);
    return status;
}

static simile_status write_all(int fd, const char *path, const char *data, size_t len, simile_error *err)
{
    while (len) {
        const ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_errno(err, "cannot write '%s'", path);
        data += n;
        len -= (size_t)n;
    }
    if (fsync(fd)) return err_errno(err, "cannot write '%s'", path);
    return SIMILE_OK;
}

simile_status file_replace(const char *path, const void *data, size_t len, simile_error *err)
{
    struct stat st;
    if (!lstat(path, &st) && !S_ISREG(st.st_mode)) /* renaming over a device or a link would take its place */
        return err_set(err, SIMILE_E_IO, "cannot write '%s': it is there and not a regular file", path);
    char *temporary = mem_printf("%s.XXXXXX", path);
    if (!temporary) return err_nomem(err);
    simile_status status = SIMILE_OK;
    const int fd = mkstemp(temporary);
    if (fd < 0) {
        status = err_errno(err, "cannot write '%s'", path);
        mem_free(temporary);
        return status;
    }
    const mode_t mask = umask(0);
    umask(mask);
    status = fchmod(fd, 0666 & ~mask) ? err_errno(err, "cannot write '%s'", path) : write_all(fd, path, data, len, err);
    if (close(fd) && !status) status = err_errno(err, "cannot write '%s'", path);
    if (!status && rename(temporary, path)) status = err_errno(err, "cannot write '%s'", path);
    if (status) unlink(temporary);
    mem_free(temporary);
    return status;
}

simile_status file_sync_folder(const char *folder, simile_error *err)
{
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return err_errno(err, "cannot open '%s'", folder);
    const simile_status status = fsync(fd) && errno != EINVAL ? err_errno(err, "cannot write '%s'", folder) : SIMILE_OK;
    close(fd);
    return status;
}

simile_status file_room(const char *folder, uint64_t *out, simile_error *err)
{
    struct statvfs room;
    *out = 0;
    if (statvfs(folder, &room)) return err_errno(err, "cannot look at the disk of '%s'", folder);
    *out = (uint64_t)room.f_bavail * room.f_frsize;
    return SIMILE_OK;
}
