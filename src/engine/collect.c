/* SPDX-License-Identifier: Apache-2.0
 * collect.c - which files an `add` is about, and which items have lost theirs.
 *
 * All candidates are listed first: their number is the total of the progress bar, and their order (bytes of the
 * absolute path) makes the ids of two runs agree. About 100 bytes a file.
 *
 * An item is forgotten only when there is certainty: it lies below a given folder that is still there afterwards, not
 * below a folder that could not be read, and the system says that no file of its name exists. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/internal.h"

#include <unistd.h>

enum { WALK_STEP = 500 }; /* files between two calls of progress */

bool file_is_gone(const char *path)
{
    file_facts facts;
    return file_stat(path, &facts, NULL) == SIMILE_E_NOT_FOUND;
}

void candidates_release(candidates *all)
{
    for (size_t i = 0; i < all->n; i++) mem_free(all->files[i].path);
    for (size_t i = 0; i < all->n_roots; i++) mem_free(all->roots[i]);
    for (size_t i = 0; i < all->n_unreadable; i++) mem_free(all->unreadable[i]);
    mem_free(all->files);
    mem_free(all->roots);
    mem_free(all->unreadable);
    *all = (candidates){0};
}

/* Takes path over. */
static bool push_file(candidates *all, char *path, bool named)
{
    if (path && all->n == all->capacity) {
        const size_t capacity = all->capacity ? all->capacity * 2 : 256;
        candidate *files = mem_grow(all->files, capacity, sizeof *files);
        if (files) {
            all->files = files;
            all->capacity = capacity;
        }
    }
    if (!path || all->n == all->capacity) {
        mem_free(path);
        return false;
    }
    all->files[all->n++] = (candidate){.path = path, .named = named};
    return true;
}

static bool push_unreadable(candidates *all, const char *path)
{
    if (all->n_unreadable == all->unreadable_capacity) {
        const size_t capacity = all->unreadable_capacity ? all->unreadable_capacity * 2 : 16;
        char **paths = mem_grow(all->unreadable, capacity, sizeof *paths);
        if (!paths) return false;
        all->unreadable = paths;
        all->unreadable_capacity = capacity;
    }
    char *copy = mem_strdup(path);
    if (copy) all->unreadable[all->n_unreadable++] = copy;
    return copy != NULL;
}

/* ---- walking ---- */

typedef struct {
    candidates *all;
    catalog *c;
    simile_progress_fn progress;
    void *user;
    size_t seen;
    simile_status status; /* why the walk was stopped, and the sentence for it */
    simile_error why;
} walk;

/* A file whose name says nothing is a candidate when it is an item already: somebody named it once. */
static simile_status is_item(walk *w, const char *path, bool *out)
{
    catalog_item item;
    return catalog_find_path(w->c, path, &item, out, &w->why);
}

static int walk_file(void *user, const char *path, const file_facts *facts)
{
    walk *w = user;
    bool wanted = image_has_known_ending(path);
    if (w->progress && w->seen++ % WALK_STEP == 0 && w->progress(w->user, 0, 0, path))
        w->status = err_set(&w->why, SIMILE_E_CANCELLED, "cancelled");
    if (!w->status && !wanted) w->status = is_item(w, path, &wanted);
    if (!w->status && wanted && !push_file(w->all, mem_strdup(path), false)) w->status = err_nomem(&w->why);
    return w->status != SIMILE_OK;
}

static void walk_unreadable(void *user, const char *path, const simile_error *why)
{
    walk *w = user;
    log_message(LOG_WARNING, "%s", why->message);
    if (!push_unreadable(w->all, path) && !w->status) w->status = err_nomem(&w->why);
}

static simile_status walk_root(walk *w, const char *root, simile_error *err)
{
    const simile_status status = file_walk(root, walk_file, walk_unreadable, w, err);
    if (!w->status) return status;
    if (err) *err = w->why;
    return w->status;
}

/* One given path: a folder becomes a root, anything else a candidate. */
static simile_status take_path(candidates *all, const char *path, simile_error *err)
{
    file_facts facts;
    if (!path || !*path) return err_set(err, SIMILE_E_ARG, "the name of a file or folder is empty");
    char *absolute = path_absolute(path);
    if (!absolute) return err_nomem(err);
    simile_status status = file_stat(absolute, &facts, err);
    if (!status && facts.is_directory && access(absolute, R_OK | X_OK))
        status = err_errno(err, "cannot read the folder '%s'", absolute);
    if (!status && facts.is_directory) {
        all->roots[all->n_roots++] = absolute;
        absolute = NULL;
    } else if (!status) {
        if (!push_file(all, absolute, true)) status = err_nomem(err);
        absolute = NULL;
    }
    mem_free(absolute);
    return status;
}

static int by_path(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    const int order = strcmp(x->path, y->path);
    return order ? order : y->named - x->named;
}

/* Sorts, and keeps one of each. */
static void tidy(candidates *all)
{
    size_t kept = 0;
    if (all->n) qsort(all->files, all->n, sizeof *all->files, by_path);
    for (size_t i = 0; i < all->n; i++) {
        if (kept && !strcmp(all->files[kept - 1].path, all->files[i].path))
            mem_free(all->files[i].path);
        else
            all->files[kept++] = all->files[i];
    }
    all->n = kept;
}

simile_status candidates_collect(candidates *all, catalog *c, const char *const *paths, size_t n_paths,
                                 simile_progress_fn progress, void *user, simile_error *err)
{
    *all = (candidates){0};
    all->roots = mem_zero_array(n_paths, sizeof *all->roots);
    if (!all->roots) return err_nomem(err);
    walk w = {.all = all, .c = c, .progress = progress, .user = user};
    for (size_t i = 0; i < n_paths; i++) RETURN_IF_ERROR(take_path(all, paths[i], err));
    for (size_t i = 0; i < all->n_roots; i++) RETURN_IF_ERROR(walk_root(&w, all->roots[i], err));
    tidy(all);
    return SIMILE_OK;
}

/* ---- items without a file ---- */

static bool is_below(const char *path, const char *folder)
{
    const size_t n = strlen(folder);
    if (n == 1) return true; /* the root of the file system */
    return !strncmp(path, folder, n) && path[n] == '/';
}

static bool was_seen(const candidates *all, const char *path)
{
    size_t low = 0, high = all->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(all->files[middle].path, path);
        if (!order) return !all->files[middle].gone;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

typedef struct {
    const candidates *all;
    item_ids missing;
} search_for_missing;

static int note_missing(void *user, const catalog_item *item)
{
    search_for_missing *s = user;
    if (was_seen(s->all, item->path)) return 0;
    for (size_t i = 0; i < s->all->n_unreadable; i++)
        if (is_below(item->path, s->all->unreadable[i])) return 0;
    return file_is_gone(item->path) ? item_ids_push(&s->missing, item) : 0;
}

static bool is_there_still(const char *folder)
{
    file_facts facts;
    return !file_stat(folder, &facts, NULL) && facts.is_directory;
}

static simile_status forget_listed(const item_ids *list, catalog *c, int64_t *removed, simile_error *err)
{
    if (!list->n && !list->no_memory) return SIMILE_OK;
    simile_status status = catalog_begin(c, err);
    if (!status) status = item_ids_delete(list, c, err);
    if (!status) status = catalog_commit(c, err);
    if (!status) *removed += (int64_t)list->n;
    catalog_rollback(c);
    return status;
}

simile_status candidates_forget_missing(const candidates *all, catalog *c, int64_t *removed, simile_error *err)
{
    simile_status status = SIMILE_OK;
    for (size_t i = 0; i < all->n_roots && !status; i++) {
        search_for_missing s = {.all = all};
        status = catalog_each_below(c, all->roots[i], note_missing, &s, err);
        /* Looked at afterwards: a drive that was taken away meanwhile took no pictures with it. */
        if (!status && is_there_still(all->roots[i])) status = forget_listed(&s.missing, c, removed, err);
        item_ids_release(&s.missing);
    }
    return status;
}
