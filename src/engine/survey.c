/* SPDX-License-Identifier: Apache-2.0
 * survey.c - files before they are indexed: their dates, whether the catalogue knows them, and simile_library_scan.
 *
 * The date of a file that the catalogue knows as it is stands there. Of any other one the head is read for an EXIF date
 * (image_taken); without one the time of change counts, as it will when the picture is indexed. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/internal.h"

enum { LOOK_STEP = 100 }; /* files between two calls of progress */

typedef struct {
    bool there, known;
    int32_t status; /* of a known one */
    int64_t size, date;
} look;

static simile_status look_at(catalog *c, const char *path, look *out, simile_error *err)
{
    file_facts facts;
    catalog_item item;
    bool found;
    *out = (look){0};
    if (file_stat(path, &facts, NULL)) return SIMILE_OK;
    RETURN_IF_ERROR(catalog_find_path(c, path, &item, &found, err));
    out->there = true;
    out->size = facts.size;
    out->known = found && facts.size == item.size && facts.mtime_ns == item.mtime_ns;
    out->status = out->known ? item.status : SIMILE_ITEM_OK;
    out->date = out->known ? item.date : catalog_date_of(image_taken(path), facts.mtime_ns);
    return SIMILE_OK;
}

static simile_status tell(simile_progress_fn progress, void *user, size_t done, size_t total, const char *path,
                          simile_error *err)
{
    if (!progress || done % LOOK_STEP || !progress(user, (int64_t)done, (int64_t)total, path)) return SIMILE_OK;
    return err_set(err, SIMILE_E_CANCELLED, "cancelled");
}

/* ---- choosing ---- */

static int newest_first(const void *a, const void *b)
{
    const candidate *x = *(candidate *const *)a, *y = *(candidate *const *)b;
    if (x->date != y->date) return x->date > y->date ? -1 : 1;
    return strcmp(x->path, y->path);
}

/* Of what vanished since the walk, ingest tells that it is gone. */
static simile_status choose(const candidates *all, catalog *c, const period *when, simile_progress_fn progress,
                            void *user, candidate **out, size_t *n, simile_error *err)
{
    for (size_t i = 0; i < all->n; i++) {
        candidate *file = &all->files[i];
        look seen;
        RETURN_IF_ERROR(tell(progress, user, i, 0, file->path, err));
        RETURN_IF_ERROR(look_at(c, file->path, &seen, err));
        file->date = seen.there ? seen.date : INT64_MIN;
        if (!seen.there || period_has(when, seen.date)) out[(*n)++] = file;
    }
    return SIMILE_OK;
}

simile_status candidates_choose(const candidates *all, catalog *c, const period *when, bool by_date,
                                simile_progress_fn progress, void *user, candidate ***out, size_t *n, simile_error *err)
{
    *n = 0;
    *out = mem_array(all->n, sizeof **out);
    if (!*out) return err_nomem(err);
    if (by_date || when->has_after || when->has_before) {
        RETURN_IF_ERROR(choose(all, c, when, progress, user, *out, n, err));
    } else {
        for (size_t i = 0; i < all->n; i++) (*out)[(*n)++] = &all->files[i];
    }
    if (by_date && *n) qsort(*out, *n, sizeof **out, newest_first);
    return SIMILE_OK;
}

/* ---- the public call ---- */

typedef struct {
    simile_scan_options options;
    period when;
    simile_scan_fn fn;
    void *user;
} scan;

static simile_status scan_files(const scan *s, catalog *c, const candidates *all, simile_error *err)
{
    bool stop = false;
    for (size_t i = 0; i < all->n && !stop; i++) {
        const char *path = all->files[i].path;
        look seen;
        RETURN_IF_ERROR(tell(s->options.progress, s->options.user, i, all->n, path, err));
        RETURN_IF_ERROR(look_at(c, path, &seen, err));
        if (!seen.there || !period_has(&s->when, seen.date)) continue;
        const simile_scanned file = {
            .path = path, .size = seen.size, .date = seen.date, .known = seen.known, .status = seen.status};
        stop = s->fn(s->user, &file) != 0;
    }
    return SIMILE_OK;
}

simile_status simile_library_scan(simile_library *library, const char *const *paths, size_t n_paths,
                                  const simile_scan_options *options, simile_scan_fn fn, void *user, simile_error *err)
{
    catalog *c;
    candidates all;
    scan s = {.fn = fn, .user = user};
    if (!library || !fn || !paths || !n_paths)
        return err_set(err, SIMILE_E_ARG, "no catalogue, function or path was given");
    RETURN_IF_ERROR(options_copy(&s.options, sizeof s.options, options, err));
    const simile_scan_options *o = &s.options;
    s.when = (period){o->has_after != 0, o->has_before != 0, o->after, o->before};
    RETURN_IF_ERROR(reader_take(library, &c, err));
    simile_status status = candidates_collect(&all, c, paths, n_paths, o->progress, o->user, err);
    if (!status) status = scan_files(&s, c, &all, err);
    candidates_release(&all);
    reader_give(library, c, !status || status == SIMILE_E_CANCELLED || status == SIMILE_E_NOT_FOUND);
    return status;
}
