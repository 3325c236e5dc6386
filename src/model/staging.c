/* SPDX-License-Identifier: Apache-2.0
 * staging.c - a folder that appears whole or not at all.
 *
 * NAME is made as .NAME.simile-convert beside it and renamed when every file in it has reached the disk. While it is
 * worked on it is locked with flock(), so that two runs do not share it, and so that what lies there without a lock is
 * known to be left by a run that was killed: that is deleted. Deleting goes through descriptors and takes no memory of
 * ours. A file system without flock() has no such protection and works otherwise. */
#include "model/convert.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- deleting ---- */

static bool is_dots(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..");
}

/* Deletes the files in a folder, and the folders there with their files: there are no deeper ones. */
static void empty_folder(int folder, int depth)
{
    const int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own < 0 ? NULL : fdopendir(own);
    if (!dir) {
        if (own >= 0) close(own);
        return;
    }
    for (const struct dirent *d = readdir(dir); d; d = readdir(dir)) {
        if (is_dots(d->d_name) || !unlinkat(folder, d->d_name, 0) || depth == 0) continue;
        const int inner = openat(folder, d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (inner < 0) continue;
        empty_folder(inner, depth - 1);
        close(inner);
        unlinkat(folder, d->d_name, AT_REMOVEDIR);
    }
    closedir(dir);
}

/* ---- opening ---- */

static bool is_empty(const char *folder)
{
    DIR *dir = opendir(folder);
    bool empty = dir != NULL;
    for (const struct dirent *d = dir ? readdir(dir) : NULL; d && empty; d = readdir(dir)) empty = is_dots(d->d_name);
    if (dir) closedir(dir);
    return empty;
}

static simile_status check_free(const char *final, simile_error *err)
{
    struct stat st;
    if (lstat(final, &st)) return errno == ENOENT ? SIMILE_OK : err_errno(err, "cannot make '%s'", final);
    if (!S_ISDIR(st.st_mode)) return err_set(err, SIMILE_E_EXISTS, "cannot make '%s': it is there already", final);
    if (is_empty(final)) return SIMILE_OK;
    return err_set(err, SIMILE_E_EXISTS, "cannot make '%s': it is there already, and not empty", final);
}

static bool is_folder_of_name(int fd, const char *path)
{
    struct stat held, named;
    return !fstat(fd, &held) && !lstat(path, &named) && held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

/* Opens and locks the folder of that name. fd stays -1 when its holder finished with it meanwhile. */
static simile_status take_folder(staging *s, simile_error *err)
{
    if (mkdir(s->path, 0777) && errno != EEXIST) return err_errno(err, "cannot make '%s'", s->final);
    const int fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno == ENOENT ? SIMILE_OK : err_errno(err, "cannot make '%s'", s->path);
    const bool busy = flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
    if (!busy && is_folder_of_name(fd, s->path)) {
        s->fd = fd;
        empty_folder(fd, 1);
        return SIMILE_OK;
    }
    close(fd);
    return busy ? err_set(err, SIMILE_E_BUSY, "cannot make '%s': another program is making it", s->final) : SIMILE_OK;
}

simile_status staging_open(const char *final, staging *out, simile_error *err)
{
    enum { ATTEMPTS = 8 };
    *out = (staging){.fd = -1, .final = path_absolute(final)};
    out->parent = out->final ? path_folder(out->final) : NULL;
    char *name = out->final ? path_name(out->final) : NULL;
    if (name && out->parent) out->path = mem_printf("%s/.%s.simile-convert", out->parent, name);
    mem_free(name);
    simile_status status = out->path ? check_free(out->final, err) : err_nomem(err);
    for (int i = 0; i < ATTEMPTS && !status && out->fd < 0; i++) status = take_folder(out, err);
    if (!status && out->fd < 0)
        status = err_set(err, SIMILE_E_BUSY, "cannot make '%s': another program is making it", out->final);
    if (status) staging_close(out);
    return status;
}

void staging_close(staging *s)
{
    if (s->fd >= 0 && !s->finished) {
        empty_folder(s->fd, 1);
        rmdir(s->path);
    }
    if (s->fd >= 0) close(s->fd);
    mem_free(s->final);
    mem_free(s->path);
    mem_free(s->parent);
    *s = (staging){.fd = -1};
}

/* ---- files ---- */

static simile_status make_inner(const staging *s, const char *folder, char **out, simile_error *err)
{
    *out = *folder ? path_join(s->path, folder) : mem_strdup(s->path);
    if (!*out) return err_nomem(err);
    if (!*folder || !mkdir(*out, 0777) || errno == EEXIST) return SIMILE_OK;
    return err_errno(err, "cannot make '%s'", *out);
}

simile_status staged_open(staging *s, const char *folder, const char *name, staged_file *out, simile_error *err)
{
    char *inner;
    *out = (staged_file){.s = s, .fd = -1};
    simile_status status = make_inner(s, folder, &inner, err);
    if (!status && !(out->path = path_join(inner, name))) status = err_nomem(err);
    mem_free(inner);
    if (!status) out->fd = open(out->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (!status && out->fd < 0) status = err_errno(err, "cannot write '%s'", out->path);
    if (!status) return SIMILE_OK;
    mem_free(out->path);
    out->path = NULL;
    return status;
}

simile_status staged_write(staged_file *f, const void *bytes, size_t len, simile_error *err)
{
    const uint8_t *at = bytes;
    while (len) {
        const ssize_t n = write(f->fd, at, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_errno(err, "cannot write '%s'", f->path);
        at += n;
        len -= (size_t)n;
        f->s->bytes += n;
    }
    return SIMILE_OK;
}

simile_status staged_close(staged_file *f, simile_status status, simile_error *err)
{
    if (!status && fsync(f->fd)) status = err_errno(err, "cannot write '%s'", f->path);
    if (close(f->fd) && !status) status = err_errno(err, "cannot write '%s'", f->path);
    if (!status) f->s->files++;
    mem_free(f->path);
    *f = (staged_file){.fd = -1};
    return status;
}

simile_status staging_put(staging *s, const char *folder, const char *name, const void *bytes, size_t len,
                          simile_error *err)
{
    staged_file f;
    RETURN_IF_ERROR(staged_open(s, folder, name, &f, err));
    return staged_close(&f, staged_write(&f, bytes, len, err), err);
}

/* ---- the end ---- */

static simile_status sync_inner(const staging *s, simile_error *err)
{
    DIR *dir = opendir(s->path);
    if (!dir) return err_errno(err, "cannot open '%s'", s->path);
    simile_status status = SIMILE_OK;
    for (const struct dirent *d = readdir(dir); d && !status; d = readdir(dir)) {
        file_facts facts;
        char *path = is_dots(d->d_name) ? NULL : path_join(s->path, d->d_name);
        if (!path && !is_dots(d->d_name)) status = err_nomem(err);
        if (path && !file_stat(path, &facts, NULL) && facts.is_directory) status = file_sync_folder(path, err);
        mem_free(path);
    }
    closedir(dir);
    return status ? status : file_sync_folder(s->path, err);
}

simile_status staging_finish(staging *s, simile_error *err)
{
    RETURN_IF_ERROR(sync_inner(s, err));
    if (rename(s->path, s->final)) { /* takes the place of an empty folder, and of nothing else */
        if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
            return err_set(err, SIMILE_E_EXISTS, "cannot make '%s': it is there already", s->final);
        return err_errno(err, "cannot make '%s'", s->final);
    }
    s->finished = true;
    return file_sync_folder(s->parent, err);
}
