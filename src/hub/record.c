/* SPDX-License-Identifier: Apache-2.0
 * record.c - what was put into a folder, written down in it; deleting just that; the lock. See parts.h.
 *
 * A record lies among files that anybody may have changed: its names are checked like those of a server. */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/space.h"
#include "hub/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_RECORD = 4 << 20, LOCK_ATTEMPTS = 100 };

/* ---- reading and writing ---- */

static simile_status read_files(const json_t *list, const char *path, hub_files *out, simile_error *err)
{
    size_t i;
    const json_t *item;
    if (!json_is_array(list)) return err_set(err, SIMILE_E_CORRUPT, "'%s' has no list of files", path);
    json_array_foreach(list, i, item)
    {
        const json_from from = {json_is_object(item) ? item : NULL, path};
        const char *name = "", *oid = "";
        int64_t size = -1;
        RETURN_IF_ERROR(json_get_string(from, "path", &name, err));
        RETURN_IF_ERROR(json_get_string(from, "oid", &oid, err));
        RETURN_IF_ERROR(json_get_int(from, "size", -1, HUB_MAX_FILE_SIZE, &size, err));
        if (!hub_path_is_safe(name)) return err_set(err, SIMILE_E_CORRUPT, "'%s' names a file '%.80s'", path, name);
        RETURN_IF_ERROR(hub_files_add(out, name, size, oid, err));
    }
    return SIMILE_OK;
}

static simile_status copy_string(json_from from, const char *key, char **out, simile_error *err)
{
    const char *text = NULL;
    RETURN_IF_ERROR(json_get_string(from, key, &text, err));
    if (!text) return SIMILE_OK;
    *out = mem_strdup(text);
    return *out ? SIMILE_OK : err_nomem(err);
}

simile_status hub_record_read(const char *path, hub_record *out, simile_error *err)
{
    json_t *root;
    *out = (hub_record){0};
    RETURN_IF_ERROR(json_read_object(path, MAX_RECORD, &root, err));
    const json_from from = {root, path};
    simile_status status = copy_string(from, "source", &out->source, err);
    if (!status) status = copy_string(from, "partial", &out->partial, err);
    if (!status) status = copy_string(from, "etag", &out->etag, err);
    if (!status && !out->source) status = err_set(err, SIMILE_E_CORRUPT, "'%s' names no source", path);
    if (!status) status = read_files(json_object_get(root, "files"), path, &out->files, err);
    json_decref(root);
    if (status) hub_record_release(out);
    return status;
}

simile_status hub_record_write(const char *path, const hub_record *record, simile_error *err)
{
    buf out;
    json_writer w;
    buf_init(&out, MAX_RECORD);
    jw_init(&w, &out);
    jw_object(&w);
    jw_key(&w, "source"), jw_string(&w, record->source);
    if (record->partial) jw_key(&w, "partial"), jw_string(&w, record->partial);
    if (record->etag) jw_key(&w, "etag"), jw_string(&w, record->etag);
    jw_key(&w, "files"), jw_array(&w);
    for (size_t i = 0; i < record->files.n; i++) {
        const hub_file *f = &record->files.items[i];
        jw_object(&w);
        jw_key(&w, "path"), jw_string(&w, f->path);
        jw_key(&w, "size"), jw_int(&w, f->size);
        jw_key(&w, "oid"), jw_string(&w, f->oid);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_object_end(&w);
    buf_byte(&out, '\n');
    const simile_status status = buf_ok(&out) ? file_replace(path, out.data, out.len, err) : err_nomem(err);
    buf_release(&out);
    return status;
}

void hub_record_release(hub_record *record)
{
    mem_free(record->source);
    mem_free(record->partial);
    mem_free(record->etag);
    hub_files_release(&record->files);
    *record = (hub_record){0};
}

/* ---- deleting ---- */

/* The record of a folder, and its path. */
static simile_status find_record(const char *folder, char **path, hub_record *out, simile_error *err)
{
    static const char *const names[] = {HUB_RECORD, HUB_STATE};
    struct stat st;
    *out = (hub_record){0};
    *path = NULL;
    if (lstat(folder, &st)) return err_errno(err, "cannot delete '%s'", folder);
    for (size_t i = 0; S_ISDIR(st.st_mode) && i < 2; i++) {
        *path = path_join(folder, names[i]);
        if (!*path) return err_nomem(err);
        if (file_exists(*path)) return hub_record_read(*path, out, err);
        mem_free(*path);
        *path = NULL;
    }
    return err_set(err, SIMILE_E_ARG, "cannot delete '%s': it was not made by pull", folder);
}

typedef struct {
    const char *folder;
    const hub_record *record;
    char other[HUB_MAX_PATH + 1]; /* a file that nobody here knows */
} inventory;

static bool is_ours(const hub_record *record, const char *path)
{
    size_t n = strlen(path);
    char name[HUB_MAX_PATH + 8];
    if (strcmp(path, HUB_RECORD) == 0 || strcmp(path, HUB_STATE) == 0 || strcmp(path, SPACE_FILE) == 0) return true;
    if (n >= sizeof name) return false;
    memcpy(name, path, n + 1);
    if (hub_files_find(&record->files, name)) return true;
    if (n < 5 || strcmp(name + n - 5, ".part") != 0) return false;
    name[n - 5] = 0;
    return hub_files_find(&record->files, name) != NULL;
}

static int look(void *user, const char *path, const file_facts *facts)
{
    inventory *v = user;
    const char *name = path + strlen(v->folder) + 1;
    if (is_ours(v->record, name)) return 0;
    const size_t n = strlen(name) < sizeof v->other - 1 ? strlen(name) : sizeof v->other - 1;
    memcpy(v->other, name, n);
    v->other[n] = 0;
    return 1;
}

/* Unlinks folder/name<ending>; what is not there is no failure. A link is deleted, never what it points to. */
static simile_status unlink_one(const char *folder, const char *name, const char *ending, int64_t *bytes,
                                simile_error *err)
{
    struct stat st;
    char *path = mem_printf("%s/%s%s", folder, name, ending);
    if (!path) return err_nomem(err);
    simile_status status = SIMILE_OK;
    if (lstat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
        if (unlink(path))
            status = err_errno(err, "cannot delete '%s'", path);
        else
            *bytes += st.st_size;
    }
    mem_free(path);
    return status;
}

/* The folders on the way to a file, deepest first, as far as they are empty. */
static simile_status remove_folders(const char *folder, const char *name, simile_error *err)
{
    char *path = mem_printf("%s/%s", folder, name);
    if (!path) return err_nomem(err);
    const size_t keep = strlen(folder);
    for (char *slash; (slash = strrchr(path, '/')) && slash > path + keep;) {
        *slash = 0;
        if (rmdir(path)) break;
    }
    mem_free(path);
    return SIMILE_OK;
}

static simile_status delete_all(const char *folder, const hub_record *record, int64_t *bytes, simile_error *err)
{
    for (size_t i = 0; i < record->files.n; i++) {
        RETURN_IF_ERROR(unlink_one(folder, record->files.items[i].path, "", bytes, err));
        RETURN_IF_ERROR(unlink_one(folder, record->files.items[i].path, ".part", bytes, err));
        RETURN_IF_ERROR(remove_folders(folder, record->files.items[i].path, err));
    }
    RETURN_IF_ERROR(unlink_one(folder, SPACE_FILE, "", bytes, err));
    RETURN_IF_ERROR(unlink_one(folder, HUB_STATE, "", bytes, err));
    RETURN_IF_ERROR(unlink_one(folder, HUB_RECORD, "", bytes, err));
    return rmdir(folder) ? err_errno(err, "cannot delete '%s'", folder) : SIMILE_OK;
}

/* The record of a folder in which nothing else lies. */
static simile_status take_inventory(const char *folder, hub_record *out, simile_error *err)
{
    char *path;
    simile_status status = find_record(folder, &path, out, err);
    if (!status) {
        inventory v = {.folder = folder, .record = out};
        status = file_walk(folder, look, NULL, &v, err);
        if (v.other[0])
            status = err_set(err, SIMILE_E_ARG, "cannot delete '%s': '%.80s' in it was not put there by pull", folder,
                             v.other);
    }
    mem_free(path);
    return status;
}

simile_status hub_check_deletable(const char *folder, simile_error *err)
{
    hub_record record;
    const simile_status status = take_inventory(folder, &record, err);
    hub_record_release(&record);
    return status;
}

simile_status hub_delete(const char *folder, int64_t *bytes, simile_error *err)
{
    hub_record record;
    simile_status status = take_inventory(folder, &record, err);
    if (!status) status = delete_all(folder, &record, bytes, err);
    hub_record_release(&record);
    return status;
}

/* ---- the lock ---- */

static bool is_file_of_name(int fd, const char *path)
{
    struct stat held, named;
    return !fstat(fd, &held) && !lstat(path, &named) && held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

static simile_status try_lock(const char *name, hub_lock *lock, simile_error *err)
{
    lock->fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (lock->fd < 0) return err_errno(err, "cannot lock '%s'", lock->path);
    if (!flock(lock->fd, LOCK_EX | LOCK_NB)) {
        if (is_file_of_name(lock->fd, lock->path)) return SIMILE_OK;
        close(lock->fd); /* its holder removed it meanwhile */
        lock->fd = -1;
        return SIMILE_OK;
    }
    const bool busy = errno == EWOULDBLOCK;
    const simile_status status = busy
                                     ? err_set(err, SIMILE_E_BUSY, "another program is at work on the model '%s'", name)
                                     : err_errno(err, "cannot lock '%s'", lock->path);
    close(lock->fd);
    lock->fd = -1;
    return status;
}

simile_status hub_lock_take(const char *models, const char *name, hub_lock *out, simile_error *err)
{
    simile_status status = SIMILE_OK;
    *out = (hub_lock){.fd = -1, .path = mem_printf("%s/.%s.lock", models, name)};
    if (!out->path) return err_nomem(err);
    for (int i = 0; i < LOCK_ATTEMPTS && out->fd < 0 && !status; i++) status = try_lock(name, out, err);
    if (!status && out->fd < 0) status = err_set(err, SIMILE_E_BUSY, "cannot lock the model '%s'", name);
    if (status) hub_lock_give(out);
    return status;
}

void hub_lock_give(hub_lock *lock)
{
    if (lock->fd >= 0) {
        unlink(lock->path);
        close(lock->fd);
    }
    mem_free(lock->path);
    *lock = (hub_lock){.fd = -1};
}
