/* SPDX-License-Identifier: Apache-2.0
 * lock.c - the right to write a catalogue for longer than one transaction.
 *
 * An advisory flock() on "<catalogue>-lock". Not on the catalogue itself: SQLite holds POSIX locks there, which the
 * kernel drops as soon as any other descriptor of that file is closed in the same process. The kernel releases the lock
 * with the process, so nothing stale can stay behind. The file is removed by its holder; whoever gets the lock of a
 * file that is no longer the one of that name tries again. */
#include "base/mem.h"
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ATTEMPTS = 100 };

static bool is_file_of_name(int fd, const char *path)
{
    struct stat held, named;
    return !fstat(fd, &held) && !lstat(path, &named) && held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

/* One attempt: *fd is -1 when the file was removed meanwhile. */
static simile_status try_lock(const catalog *c, const char *path, int *fd, simile_error *err)
{
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (*fd < 0) return err_errno(err, "cannot lock the catalogue '%s'", c->path);
    if (!flock(*fd, LOCK_EX | LOCK_NB)) {
        if (is_file_of_name(*fd, path)) return SIMILE_OK;
        close(*fd);
        *fd = -1;
        return SIMILE_OK;
    }
    const int cause = errno;
    close(*fd);
    *fd = -1;
    if (cause == EWOULDBLOCK)
        return err_set(err, SIMILE_E_BUSY, "cannot write the catalogue '%s': another program is writing to it",
                       c->path);
    errno = cause;
    return err_errno(err, "cannot lock the catalogue '%s'", c->path);
}

simile_status catalog_lock(catalog *c, simile_error *err)
{
    if (c->read_only)
        return err_set(err, SIMILE_E_ARG, "cannot write the catalogue '%s': it was opened for reading only", c->path);
    if (c->lock >= 0)
        return err_set(err, SIMILE_E_BUSY, "cannot write the catalogue '%s': another writer is at work", c->path);
    /* SQLite's name of the file has its links resolved: all names of one catalogue share one lock. */
    const char *name = sqlite3_db_filename(c->db, "main");
    char *path = mem_printf("%s-lock", name && *name ? name : c->path);
    if (!path) return err_nomem(err);
    simile_status status = SIMILE_OK;
    int fd = -1;
    for (int i = 0; i < ATTEMPTS && fd < 0 && !status; i++) status = try_lock(c, path, &fd, err);
    if (!status && fd < 0)
        status = err_set(err, SIMILE_E_BUSY, "cannot lock the catalogue '%s': too many writers", c->path);
    if (status) {
        mem_free(path);
        return status;
    }
    c->lock = fd;
    c->lock_path = path;
    return SIMILE_OK;
}

void catalog_unlock(catalog *c)
{
    if (c->lock < 0) return;
    unlink(c->lock_path);
    close(c->lock);
    mem_free(c->lock_path);
    c->lock = -1;
    c->lock_path = NULL;
}
