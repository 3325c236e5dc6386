/* SPDX-License-Identifier: Apache-2.0
 * folders.c - see folders.h.
 *
 * Each folder that was handed out is remembered with the part of its path that is beyond doubt: a root, or a folder of
 * the catalogue, which somebody named who may name paths. The rest of the path came from readdir(). When a folder is
 * used, it is walked to from there name by name, and a symbolic link on the way is refused (openat, O_NOFOLLOW): so a
 * folder that was replaced by a link since it was listed leads nowhere.
 *
 * The table: a ring of entries, found by id through buckets. A new entry takes the place of the next one that was not
 * asked for since the hand went by it last (second chance).
 *
 * Threads: the table under one lock, which is not held while folders are read. */
#include "serve/folders.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUCKETS = 4096, NONE = -1, LOOK_FOR_CHILDREN = 10000, USER_DIRS_BYTES = 1 << 16 };

typedef struct {
    char id[FOLDER_ID];
    char *path;     /* absolute */
    size_t trusted; /* bytes of it */
    int next;       /* of the same bucket, or NONE */
    bool asked_for;
} entry;

struct folders {
    char **roots; /* absolute */
    size_t n_roots;
    pthread_mutex_t lock;
    entry *entries; /* [FOLDERS_REMEMBERED] */
    size_t used, hand;
    int buckets[BUCKETS];
};

bool folder_holds(const char *folder, const char *path)
{
    const size_t n = strlen(folder);
    if (strncmp(path, folder, n) != 0) return false;
    return !path[n] || path[n] == '/' || (n && folder[n - 1] == '/');
}

/* ---- the table: under the lock ---- */

static void make_id(const char *path, char out[FOLDER_ID])
{
    uint8_t hash[DIGEST_SIZE];
    char hex[DIGEST_HEX];
    digest_bytes(path, strlen(path), hash);
    digest_hex(hash, hex);
    memcpy(out, hex, FOLDER_ID - 1);
    out[FOLDER_ID - 1] = 0;
}

/* Three hex digits of an id that has them; of anything else some bucket in which it will not be found. */
static int *bucket_of(folders *f, const char *id)
{
    const char digits[4] = {id[0], id[0] ? id[1] : (char)0, id[0] && id[1] ? id[2] : (char)0, 0};
    return &f->buckets[strtoul(digits, NULL, 16) % BUCKETS];
}

static entry *find(folders *f, const char *id)
{
    for (int i = *bucket_of(f, id); i != NONE; i = f->entries[i].next)
        if (strcmp(f->entries[i].id, id) == 0) return &f->entries[i];
    return NULL;
}

static void forget(folders *f, size_t at)
{
    int *link = bucket_of(f, f->entries[at].id);
    while (*link != (int)at) link = &f->entries[*link].next;
    *link = f->entries[at].next;
    mem_free(f->entries[at].path);
    f->entries[at].path = NULL;
}

static size_t free_place(folders *f)
{
    if (f->used < FOLDERS_REMEMBERED) return f->used++;
    for (;;) {
        const size_t at = f->hand++ % FOLDERS_REMEMBERED;
        if (!f->entries[at].asked_for) {
            forget(f, at);
            return at;
        }
        f->entries[at].asked_for = false;
    }
}

static simile_status put(folders *f, const char *path, size_t trusted, char id[FOLDER_ID], simile_error *err)
{
    make_id(path, id);
    entry *there = find(f, id);
    if (there) {
        there->asked_for = true;
        if (trusted > there->trusted) there->trusted = trusted;
        return SIMILE_OK;
    }
    char *copy = mem_strdup(path);
    if (!copy) return err_nomem(err);
    const size_t at = free_place(f);
    int *bucket = bucket_of(f, id);
    f->entries[at] = (entry){.path = copy, .trusted = trusted, .next = *bucket};
    memcpy(f->entries[at].id, id, FOLDER_ID);
    *bucket = (int)at;
    return SIMILE_OK;
}

static simile_status remember(folders *f, const char *path, size_t trusted, char id[FOLDER_ID], simile_error *err)
{
    pthread_mutex_lock(&f->lock);
    const simile_status status = put(f, path, trusted, id, err);
    pthread_mutex_unlock(&f->lock);
    return status;
}

static simile_status recall(folders *f, const char *id, char **path, size_t *trusted, simile_error *err)
{
    *path = NULL;
    pthread_mutex_lock(&f->lock);
    entry *there = find(f, id);
    if (there) {
        there->asked_for = true;
        *trusted = there->trusted;
        *path = mem_strdup(there->path);
    }
    const bool found = there != NULL;
    pthread_mutex_unlock(&f->lock);
    if (!found) return err_set(err, SIMILE_E_NOT_FOUND, "there is no such folder");
    return *path ? SIMILE_OK : err_nomem(err);
}

/* The part of a path that is beyond doubt: the longest root above it; all of it where there is none, since then it is
 * one of the catalogue's. */
static size_t trusted_length(const folders *f, const char *path)
{
    size_t longest = 0;
    for (size_t i = 0; i < f->n_roots; i++) {
        const size_t n = strlen(f->roots[i]);
        if (n > longest && folder_holds(f->roots[i], path)) longest = n;
    }
    return longest ? longest : strlen(path);
}

simile_status folders_id(folders *f, const char *path, char out[FOLDER_ID], simile_error *err)
{
    return remember(f, path, trusted_length(f, path), out, err);
}

simile_status folders_path(folders *f, const char *id, char **out, simile_error *err)
{
    size_t trusted;
    return recall(f, id, out, &trusted, err);
}

/* ---- walking to a folder ---- */

/* From a folder to one below it, "a/b/c", without a link. Closes `from`. -1: errno says why. */
static int descend(int from, const char *below)
{
    char name[NAME_MAX + 1];
    while (from >= 0) {
        while (*below == '/') below++;
        const size_t n = strcspn(below, "/");
        if (!n) break;
        if (n > NAME_MAX) {
            close(from);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, below, n);
        name[n] = 0;
        const int next = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        const int why = errno;
        close(from);
        errno = why;
        from = next;
        below += n;
    }
    return from;
}

static simile_status open_folder(const char *path, size_t trusted, int *fd, simile_error *err)
{
    char *start = mem_strndup(path, trusted);
    if (!start) return err_nomem(err);
    *fd = descend(open(start, O_RDONLY | O_DIRECTORY | O_CLOEXEC), path + trusted);
    const int why = errno;
    mem_free(start);
    if (*fd >= 0) return SIMILE_OK;
    if (why == ENOENT || why == ENOTDIR || why == ELOOP)
        return err_set(err, SIMILE_E_NOT_FOUND, "the folder is not there any more");
    errno = why;
    return err_errno(err, "cannot read the folder");
}

simile_status folders_open(folders *f, const char *id, char **out, simile_error *err)
{
    size_t trusted;
    int fd;
    RETURN_IF_ERROR(recall(f, id, out, &trusted, err));
    const simile_status status = open_folder(*out, trusted, &fd, err);
    if (!status) {
        close(fd);
        return SIMILE_OK;
    }
    mem_free(*out);
    *out = NULL;
    return status;
}

/* ---- listing ---- */

static bool is_shown(int folder, const struct dirent *e)
{
    struct stat st;
    if (e->d_name[0] == '.') return false;
    if (e->d_type != DT_UNKNOWN) return e->d_type == DT_DIR;
    return fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Looks at some thousand entries; a folder with more of them is taken to have some. Closes fd. */
static bool has_children(int fd)
{
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;
    bool found = false;
    int seen = 0;
    if (!dir) {
        if (fd >= 0) close(fd);
        return false;
    }
    while (!found && (e = readdir(dir))) found = is_shown(dirfd(dir), e) || ++seen > LOOK_FOR_CHILDREN;
    closedir(dir);
    return found;
}

typedef struct {
    char **names;
    size_t n, capacity;
} name_list;

static bool name_list_add(name_list *l, const char *name)
{
    if (l->n == l->capacity) {
        const size_t capacity = l->capacity ? l->capacity * 2 : 64;
        char **names = mem_grow(l->names, capacity, sizeof *names);
        if (!names) return false;
        l->names = names;
        l->capacity = capacity;
    }
    l->names[l->n] = mem_strdup(name);
    return l->names[l->n] && ++l->n;
}

static int by_name(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    const int order = strcasecmp(x, y);
    return order ? order : strcmp(x, y);
}

static simile_status read_names(DIR *dir, name_list *l, simile_error *err)
{
    const struct dirent *e;
    while (l->n < FOLDERS_LISTED && (e = readdir(dir)))
        if (is_shown(dirfd(dir), e) && !name_list_add(l, e->d_name)) return err_nomem(err);
    if (l->n) qsort(l->names, l->n, sizeof *l->names, by_name);
    return SIMILE_OK;
}

static int show(folders *f, const char *path, const char *name, size_t trusted, bool children, folder_fn fn, void *user,
                simile_status *status, simile_error *err)
{
    char id[FOLDER_ID];
    *status = remember(f, path, trusted, id, err);
    if (*status) return 1;
    return fn(user, &(folder_info){.id = id, .name = name, .path = path, .has_children = children});
}

static simile_status list_names(folders *f, DIR *dir, const char *parent, size_t trusted, const name_list *l,
                                folder_fn fn, void *user, simile_error *err)
{
    simile_status status = SIMILE_OK;
    for (size_t i = 0; i < l->n; i++) {
        char *path = path_join(parent, l->names[i]);
        if (!path) return err_nomem(err);
        const int fd = openat(dirfd(dir), l->names[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        const int stop = show(f, path, l->names[i], trusted, has_children(fd), fn, user, &status, err);
        mem_free(path);
        if (stop) break;
    }
    return status;
}

static simile_status list_below(folders *f, const char *id, folder_fn fn, void *user, simile_error *err)
{
    char *parent;
    size_t trusted;
    int fd;
    DIR *dir = NULL;
    name_list names = {0};
    RETURN_IF_ERROR(recall(f, id, &parent, &trusted, err));
    simile_status status = open_folder(parent, trusted, &fd, err);
    if (!status && !(dir = fdopendir(fd))) {
        status = err_errno(err, "cannot read the folder");
        close(fd);
    }
    if (!status) status = read_names(dir, &names, err);
    if (!status) status = list_names(f, dir, parent, trusted, &names, fn, user, err);
    if (dir) closedir(dir);
    for (size_t i = 0; i < names.n; i++) mem_free(names.names[i]);
    mem_free(names.names);
    mem_free(parent);
    return status;
}

static simile_status list_roots(folders *f, folder_fn fn, void *user, simile_error *err)
{
    simile_status status = SIMILE_OK;
    for (size_t i = 0; i < f->n_roots; i++) {
        const char *path = f->roots[i];
        const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) continue;
        char *name = path_name(path);
        const bool children = has_children(fd);
        const int stop = name ? show(f, path, name, strlen(path), children, fn, user, &status, err) : 1;
        if (!name) status = err_nomem(err);
        mem_free(name);
        if (stop) break;
    }
    return status;
}

simile_status folders_list(folders *f, const char *parent, folder_fn fn, void *user, simile_error *err)
{
    return parent ? list_below(f, parent, fn, user, err) : list_roots(f, fn, user, err);
}

/* ---- folders of the catalogue ---- */

typedef struct {
    folders *f;
    simile_status status;
    simile_error *err;
} remembering;

static int on_folder(void *user, const char *path, int64_t count)
{
    remembering *r = user;
    char id[FOLDER_ID];
    (void)count;
    r->status = folders_id(r->f, path, id, r->err);
    return r->status != SIMILE_OK;
}

simile_status folders_remember(folders *f, simile_library *library, simile_error *err)
{
    remembering r = {.f = f, .err = err};
    const simile_filter all = {.struct_size = sizeof all, .status = SIMILE_ANY};
    RETURN_IF_ERROR(simile_library_folders(library, &all, on_folder, &r, err));
    return r.status;
}

/* ---- the user's pictures folder ---- */

/* The value of a line XDG_PICTURES_DIR="$HOME/Pictures" of user-dirs.dirs, as xdg-user-dirs writes it: an absolute path
 * or one below $HOME, with backslashes before what a shell would take for more than a character. NULL: none. */
static char *pictures_value(const char *text, const char *home)
{
    static const char key[] = "XDG_PICTURES_DIR=\"";
    const char *at = strncmp(text, key, sizeof key - 1) ? strstr(text, "\nXDG_PICTURES_DIR=\"") : text;
    buf value;
    if (!at) return NULL;
    at = strchr(at, '"') + 1;
    buf_init(&value, PATH_MAX);
    if (strncmp(at, "$HOME/", 6) == 0) {
        buf_text(&value, home);
        at += 5;
    }
    for (; *at && *at != '"' && *at != '\n'; at++) {
        if (*at == '\\' && at[1]) at++;
        buf_byte(&value, *at);
    }
    char *out = buf_take(&value, NULL);
    if (out && out[0] == '/') return out;
    mem_free(out);
    return NULL;
}

static char *pictures_folder(void)
{
    const char *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME");
    char *text = NULL, *out = NULL;
    size_t len;
    if (!home || home[0] != '/') return NULL;
    char *file = config && config[0] == '/' ? path_join(config, "user-dirs.dirs")
                                            : mem_printf("%s/.config/user-dirs.dirs", home);
    if (file && !file_read(file, USER_DIRS_BYTES, &text, &len, NULL)) out = pictures_value(text, home);
    mem_free(text);
    mem_free(file);
    return out ? out : path_join(home, "Pictures");
}

/* ---- making and ending ---- */

static simile_status add_root(folders *f, const char *path, simile_error *err)
{
    if (!file_is_folder(path)) return err_set(err, SIMILE_E_NOT_FOUND, "there is no folder '%s'", path);
    char *absolute = path_absolute(path);
    if (!absolute) return err_nomem(err);
    f->roots[f->n_roots++] = absolute;
    return SIMILE_OK;
}

static simile_status add_roots(folders *f, const char *const *roots, size_t n, simile_error *err)
{
    simile_status status = SIMILE_OK;
    f->roots = mem_zero_array(n + 1, sizeof *f->roots);
    if (!f->roots) return err_nomem(err);
    for (size_t i = 0; i < n && !status; i++) status = add_root(f, roots[i], err);
    if (n) return status;
    char *pictures = pictures_folder();
    if (pictures && file_is_folder(pictures)) status = add_root(f, pictures, err);
    mem_free(pictures);
    return status;
}

simile_status folders_new(const char *const *roots, size_t n_roots, folders **out, simile_error *err)
{
    *out = NULL;
    folders *f = mem_new(folders);
    if (!f) return err_nomem(err);
    pthread_mutex_init(&f->lock, NULL);
    for (int i = 0; i < BUCKETS; i++) f->buckets[i] = NONE;
    f->entries = mem_zero_array(FOLDERS_REMEMBERED, sizeof *f->entries);
    const simile_status status = f->entries ? add_roots(f, roots, n_roots, err) : err_nomem(err);
    if (status)
        folders_free(f);
    else
        *out = f;
    return status;
}

void folders_free(folders *f)
{
    if (!f) return;
    for (size_t i = 0; i < f->used; i++) mem_free(f->entries[i].path);
    for (size_t i = 0; i < f->n_roots; i++) mem_free(f->roots[i]);
    mem_free(f->entries);
    mem_free(f->roots);
    pthread_mutex_destroy(&f->lock);
    mem_free(f);
}
