/* SPDX-License-Identifier: Apache-2.0
 * path.c - path arithmetic, the XDG folders and walking: see file.h. */
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

bool path_is_plain_name(const char *name)
{
    return name[0] && name[0] != '.' && !strchr(name, '/');
}

char *path_join(const char *folder, const char *name)
{
    const size_t n = strlen(folder);
    return mem_printf("%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", name);
}

static size_t trimmed_length(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    return n;
}

char *path_name(const char *path)
{
    const size_t end = trimmed_length(path);
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') start--;
    return start == end ? mem_strdup("/") : mem_strndup(path + start, end - start);
}

char *path_folder(const char *path)
{
    size_t end = trimmed_length(path);
    while (end > 0 && path[end - 1] != '/') end--;
    while (end > 1 && path[end - 1] == '/') end--;
    return end ? mem_strndup(path, end) : mem_strdup(".");
}

char *path_absolute(const char *path)
{
    char *here = NULL, *whole = NULL;
    if (path[0] == '/') {
        whole = mem_strdup(path);
    } else {
        here = mem_alloc(PATH_MAX);
        if (here && getcwd(here, PATH_MAX)) whole = path_join(here, path);
    }
    mem_free(here);
    if (!whole) return NULL;
    /* Rewrites in place: the result is never longer. `n` bytes are final, the root slash excepted. */
    size_t n = 0;
    const char *p = whole;
    while (*p) {
        while (*p == '/') p++;
        const size_t part = strcspn(p, "/");
        if (part == 2 && p[0] == '.' && p[1] == '.') {
            while (n > 0 && whole[--n] != '/') continue;
        } else if (part && !(part == 1 && p[0] == '.')) {
            whole[n++] = '/';
            memmove(whole + n, p, part);
            n += part;
        }
        p += part;
    }
    if (n == 0) whole[n++] = '/';
    whole[n] = 0;
    return whole;
}

simile_status path_make_folders(const char *folder, simile_error *err)
{
    char *copy = mem_strdup(folder);
    if (!copy) return err_nomem(err);
    simile_status status = SIMILE_OK;
    for (char *p = copy + 1; !status; p++) {
        const char was = *p;
        if (was != '/' && was) continue;
        *p = 0;
        if (mkdir(copy, 0777) && errno != EEXIST) status = err_errno(err, "cannot make the folder '%s'", copy);
        *p = was;
        if (!was) break;
    }
    mem_free(copy);
    return status;
}

simile_status path_make_folder_above(const char *path, simile_error *err)
{
    char *folder = path_folder(path);
    if (!folder) return err_nomem(err);
    const simile_status status = path_make_folders(folder, err);
    mem_free(folder);
    return status;
}

static char *xdg_home(const char *variable, const char *below_home)
{
    const char *set = getenv(variable);
    if (set && set[0] == '/') return path_join(set, "simile");
    const char *home = getenv("HOME");
    return home && home[0] == '/' ? mem_printf("%s/%s/simile", home, below_home) : NULL;
}

char *path_data_home(void)
{
    return xdg_home("XDG_DATA_HOME", ".local/share");
}

char *path_cache_home(void)
{
    return xdg_home("XDG_CACHE_HOME", ".cache");
}

/* ---- walking ----
 * Depth first without recursion: a stack of folders still to be read. Folders of one level are pushed in reverse, so
 * that they come off in order; files of a folder come before its sub-folders. */

typedef struct {
    char **paths;
    size_t n, capacity;
} path_list;

static void list_release(path_list *list)
{
    for (size_t i = 0; i < list->n; i++) mem_free(list->paths[i]);
    mem_free(list->paths);
    *list = (path_list){0};
}

/* Takes `path` over, also on failure. */
static bool list_push(path_list *list, char *path)
{
    if (path && list->n == list->capacity) {
        const size_t capacity = list->capacity ? list->capacity * 2 : 16;
        char **paths = mem_grow(list->paths, capacity, sizeof *paths);
        if (paths) {
            list->paths = paths;
            list->capacity = capacity;
        }
    }
    if (!path || list->n == list->capacity) {
        mem_free(path);
        return false;
    }
    list->paths[list->n++] = path;
    return true;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All names in a folder but the hidden ones, joined to it and sorted. */
static simile_status list_folder(const char *folder, path_list *out, simile_error *err)
{
    DIR *dir = opendir(folder);
    if (!dir) return err_errno(err, "cannot read the folder '%s'", folder);
    simile_status status = SIMILE_OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            if (errno) status = err_errno(err, "cannot read the folder '%s'", folder);
            break;
        }
        if (entry->d_name[0] == '.') continue;
        if (!list_push(out, path_join(folder, entry->d_name))) {
            status = err_nomem(err);
            break;
        }
    }
    closedir(dir);
    if (out->n) qsort(out->paths, out->n, sizeof *out->paths, compare_paths);
    return status;
}

static bool is_link(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* Hands the files of one folder to fn and moves its sub-folders to `todo`. */
static simile_status walk_entries(path_list *entries, path_list *todo, file_walk_fn fn, void *user, simile_error *err)
{
    for (size_t i = 0; i < entries->n; i++) {
        file_facts facts;
        if (file_stat(entries->paths[i], &facts, NULL)) continue; /* a dangling link, or gone since */
        if (facts.is_regular && fn(user, entries->paths[i], &facts))
            return err_set(err, SIMILE_E_CANCELLED, "cancelled");
    }
    for (size_t i = entries->n; i-- > 0;) {
        file_facts facts;
        if (file_stat(entries->paths[i], &facts, NULL) || !facts.is_directory || is_link(entries->paths[i])) continue;
        char *path = entries->paths[i];
        entries->paths[i] = NULL;
        if (!list_push(todo, path)) return err_nomem(err);
    }
    return SIMILE_OK;
}

simile_status file_walk(const char *folder, file_walk_fn fn, file_walk_error_fn unreadable, void *user,
                        simile_error *err)
{
    path_list todo = {0};
    if (!list_push(&todo, mem_strdup(folder))) {
        list_release(&todo);
        return err_nomem(err);
    }
    simile_status status = SIMILE_OK;
    while (todo.n && !status) {
        char *current = todo.paths[--todo.n];
        path_list entries = {0};
        simile_error why = {0};
        status = list_folder(current, &entries, &why);
        if (!status) {
            status = walk_entries(&entries, &todo, fn, user, err);
        } else if (status == SIMILE_E_NOMEM) {
            err_nomem(err);
        } else {
            if (unreadable) unreadable(user, current, &why);
            status = SIMILE_OK;
        }
        list_release(&entries);
        mem_free(current);
    }
    list_release(&todo);
    return status;
}
