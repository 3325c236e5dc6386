/* SPDX-License-Identifier: Apache-2.0
 * library.c - simile_library: opening and closing, connections, whose vectors these are, facts, forgetting.
 *
 * A connection to the catalogue belongs to one thread at a time, so each search takes one for itself from those that
 * are idle, or opens another. There is one connection for writing; `writing` keeps two threads of this process apart
 * and the catalogue's own lock two processes. Who writes for hours lends it between two transactions to who has
 * something short to write. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/internal.h"

#include <time.h>

enum { MAX_MAKING = 4 }; /* thumbnails at once: each may need a large picture in memory */
enum { BORROW_SECONDS = 5 };

/* ---- connections ---- */

/* The catalogue was there when the library was opened: what is wrong now is no fault of whoever asks. */
static simile_status open_again(const char *path, catalog **out, simile_error *err)
{
    simile_status status = catalog_open(path, true, out, err);
    if (status == SIMILE_E_FORMAT) status = SIMILE_E_CORRUPT;
    if (status == SIMILE_E_NOT_FOUND) status = SIMILE_E_IO;
    if (err) err->status = status;
    return status;
}

simile_status reader_take(simile_library *library, catalog **out, simile_error *err)
{
    *out = NULL;
    pthread_mutex_lock(&library->lock);
    if (library->n_readers) *out = library->readers[--library->n_readers];
    pthread_mutex_unlock(&library->lock);
    return *out ? SIMILE_OK : open_again(library->path, out, err);
}

void reader_give(simile_library *library, catalog *reader, bool reusable)
{
    if (!reader) return;
    pthread_mutex_lock(&library->lock);
    const bool keep = reusable && library->n_readers < MAX_IDLE_READERS;
    if (keep) library->readers[library->n_readers++] = reader;
    pthread_mutex_unlock(&library->lock);
    if (!keep) catalog_close(reader);
}

static simile_status writer_refused(const simile_library *library, simile_error *err)
{
    if (library->read_only)
        return err_set(err, SIMILE_E_ARG, "cannot write the catalogue '%s': it was opened for reading only",
                       library->path);
    return err_set(err, SIMILE_E_BUSY, "cannot write the catalogue '%s': another writer is at work", library->path);
}

/* With `writing` set by this thread. */
static simile_status lock_file(simile_library *library, catalog **out, simile_error *err)
{
    const simile_status status = catalog_lock(library->writer, err);
    if (status)
        writer_give(library);
    else
        *out = library->writer;
    return status;
}

simile_status writer_take(simile_library *library, catalog **out, simile_error *err)
{
    *out = NULL;
    if (library->read_only) return writer_refused(library, err);
    pthread_mutex_lock(&library->lock);
    const bool busy = library->writing;
    library->writing = true;
    pthread_mutex_unlock(&library->lock);
    return busy ? writer_refused(library, err) : lock_file(library, out, err);
}

void writer_give(simile_library *library)
{
    catalog_unlock(library->writer);
    pthread_mutex_lock(&library->lock);
    library->writing = false;
    pthread_cond_broadcast(&library->writer_news);
    pthread_mutex_unlock(&library->lock);
}

void writer_lend(simile_library *library)
{
    pthread_mutex_lock(&library->lock);
    library->lent = true;
    pthread_cond_broadcast(&library->writer_news);
    pthread_mutex_unlock(&library->lock);
}

void writer_demand(simile_library *library)
{
    pthread_mutex_lock(&library->lock);
    while (library->waiting || library->borrowed) pthread_cond_wait(&library->writer_news, &library->lock);
    library->lent = false;
    pthread_mutex_unlock(&library->lock);
}

/* With the lock. False: the time is over. */
static bool wait_for_writer(simile_library *library)
{
    struct timespec until;
    bool in_time = true;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += BORROW_SECONDS;
    library->waiting++;
    while (library->writing && (!library->lent || library->borrowed) && in_time)
        in_time = pthread_cond_timedwait(&library->writer_news, &library->lock, &until) == 0;
    library->waiting--;
    pthread_cond_broadcast(&library->writer_news);
    return in_time;
}

simile_status writer_borrow(simile_library *library, catalog **out, simile_error *err)
{
    *out = NULL;
    if (library->read_only) return writer_refused(library, err);
    pthread_mutex_lock(&library->lock);
    const bool in_time = wait_for_writer(library), lent = library->writing;
    if (in_time && lent) library->borrowed = true;
    if (in_time) library->writing = true;
    pthread_mutex_unlock(&library->lock);
    if (!in_time) return writer_refused(library, err);
    if (!lent) return lock_file(library, out, err);
    *out = library->writer;
    return SIMILE_OK;
}

void writer_return(simile_library *library)
{
    pthread_mutex_lock(&library->lock);
    const bool borrowed = library->borrowed;
    library->borrowed = false;
    pthread_cond_broadcast(&library->writer_news);
    pthread_mutex_unlock(&library->lock);
    if (!borrowed) writer_give(library);
}

/* ---- models ---- */

static simile_status describe_model(const simile_model *handle, catalog_model *out, simile_error *err)
{
    const simile_model_info *info = model_info(handle->m);
    *out = (catalog_model){.dim = info->dim};
    const size_t len = strnlen(info->name, sizeof out->name - 1);
    memcpy(out->name, info->name, len);
    if (!handle->resized) memcpy(out->space, handle->claims.name, sizeof out->space);
    return simile_model_digest(handle, out->digest, err);
}

simile_status check_model(catalog *c, const simile_model *handle, simile_error *err)
{
    catalog_model there, ours;
    catalog_counts counts;
    standing stands;
    RETURN_IF_ERROR(catalog_get_model(c, &there, err));
    if (!there.digest[0]) return SIMILE_OK;
    RETURN_IF_ERROR(model_standing(handle, &there, &stands, err));
    if (stands != SPACE_OTHER) return SIMILE_OK;
    RETURN_IF_ERROR(catalog_count(c, &counts, err));
    if (!counts.images && !counts.texts) return SIMILE_OK; /* nothing of the other model is left */
    RETURN_IF_ERROR(describe_model(handle, &ours, err));
    return err_set(err, SIMILE_E_VERSION,
                   "the vectors in the catalogue are those of the model '%s' (%.8s), not of '%s' (%.8s)", there.name,
                   there.digest, ours.name, ours.digest);
}

simile_status claim_model(catalog *c, const simile_model *handle, simile_error *err)
{
    catalog_model there, ours;
    catalog_counts counts;
    standing stands = SPACE_OTHER;
    RETURN_IF_ERROR(catalog_get_model(c, &there, err));
    RETURN_IF_ERROR(catalog_count(c, &counts, err));
    if (there.digest[0]) RETURN_IF_ERROR(model_standing(handle, &there, &stands, err));
    if (stands == SPACE_DECLARED && (counts.images || counts.texts)) return SIMILE_OK;
    RETURN_IF_ERROR(describe_model(handle, &ours, err));
    return catalog_claim_model(c, &ours, err);
}

/* ---- opening and closing ---- */

static simile_status open_at(simile_library *library, const char *path, const simile_model *handle, simile_error *err)
{
    catalog *c;
    library->path = path_absolute(path);
    if (!library->path) return err_nomem(err);
    RETURN_IF_ERROR(catalog_open(library->path, library->read_only, &c, err));
    if (library->read_only)
        library->readers[library->n_readers++] = c;
    else
        library->writer = c;
    return handle ? check_model(c, handle, err) : SIMILE_OK;
}

simile_status simile_library_open(const char *path, const simile_model *handle, const simile_library_options *options,
                                  simile_library **out, simile_error *err)
{
    if (!out) return err_set(err, SIMILE_E_ARG, "no place for the catalogue was given");
    *out = NULL;
    simile_library_options opt;
    if (!path || !*path) return err_set(err, SIMILE_E_ARG, "no catalogue was named");
    RETURN_IF_ERROR(options_copy(&opt, sizeof opt, options, err));
    if (opt.threads < 0) return err_set(err, SIMILE_E_ARG, "the number of threads is negative");
    simile_library *library = mem_new(simile_library);
    if (!library) return err_nomem(err);
    pthread_mutex_init(&library->lock, NULL);
    pthread_cond_init(&library->writer_news, NULL);
    pthread_mutex_init(&library->loading, NULL);
    pthread_mutex_init(&library->scanning, NULL);
    gathering_init(&library->gathering);
    pthread_mutex_init(&library->thumbs_lock, NULL);
    library->read_only = opt.read_only != 0;
    library->threads = threads_or_default(opt.threads);
    gate_init(&library->making, library->threads < MAX_MAKING ? library->threads : MAX_MAKING);
    const simile_status status = open_at(library, path, handle, err);
    if (status)
        simile_library_close(library);
    else
        *out = library;
    return status;
}

void simile_library_close(simile_library *library)
{
    if (!library) return;
    for (int kind = 0; kind < 2; kind++) snapshot_give(library, library->snapshots[kind]);
    /* The writer goes last: who can write tidies the log away. */
    for (int i = 0; i < library->n_readers; i++) catalog_close(library->readers[i]);
    catalog_close(library->writer);
    pool_free(library->pool);
    thumbnails_close(library);
    gate_destroy(&library->making);
    pthread_mutex_destroy(&library->thumbs_lock);
    pthread_mutex_destroy(&library->scanning);
    gathering_destroy(&library->gathering);
    pthread_mutex_destroy(&library->loading);
    pthread_cond_destroy(&library->writer_news);
    pthread_mutex_destroy(&library->lock);
    mem_free(library->path);
    mem_free(library);
}

/* ---- facts ---- */

static simile_status read_stats(catalog *c, simile_stats *out, simile_error *err)
{
    catalog_counts counts;
    catalog_model there;
    RETURN_IF_ERROR(catalog_count(c, &counts, err));
    RETURN_IF_ERROR(catalog_get_model(c, &there, err));
    *out = (simile_stats){.images = counts.images,
                          .texts = counts.texts,
                          .quarantined = counts.quarantined,
                          .bytes = counts.bytes,
                          .dim = there.dim,
                          .schema = counts.schema};
    memcpy(out->model_digest, there.digest, sizeof there.digest);
    memcpy(out->model_name, there.name, sizeof there.name);
    return SIMILE_OK;
}

simile_status simile_library_get_stats(simile_library *library, simile_stats *out, simile_error *err)
{
    catalog *c;
    if (!library || !out) return err_set(err, SIMILE_E_ARG, "no catalogue or no place was given");
    *out = (simile_stats){0};
    RETURN_IF_ERROR(reader_take(library, &c, err));
    simile_status status = catalog_read_begin(c, err);
    if (!status) status = read_stats(c, out, err);
    catalog_read_end(c);
    reader_give(library, c, !status);
    return status;
}

simile_status simile_library_get_space(simile_library *library, char out[SIMILE_SPACE_NAME], simile_error *err)
{
    catalog *c;
    catalog_model there;
    if (!library || !out) return err_set(err, SIMILE_E_ARG, "no catalogue or no place was given");
    out[0] = 0;
    RETURN_IF_ERROR(reader_take(library, &c, err));
    const simile_status status = catalog_get_model(c, &there, err);
    if (!status) memcpy(out, there.space, sizeof there.space);
    reader_give(library, c, !status);
    return status;
}

simile_status simile_library_check_model(simile_library *library, const simile_model *handle, simile_error *err)
{
    catalog *c;
    if (!library || !handle) return err_set(err, SIMILE_E_ARG, "no catalogue or no model was given");
    RETURN_IF_ERROR(reader_take(library, &c, err));
    const simile_status status = check_model(c, handle, err);
    reader_give(library, c, !status || status == SIMILE_E_VERSION);
    return status;
}

/* ---- forgetting ---- */

int item_ids_push(void *user, const catalog_item *item)
{
    item_ids *list = user;
    if (list->n == list->capacity) {
        const size_t capacity = list->capacity ? list->capacity * 2 : 64;
        int64_t *ids = mem_grow(list->ids, capacity, sizeof *ids);
        if (!ids) return list->no_memory = true;
        list->ids = ids;
        list->capacity = capacity;
    }
    list->ids[list->n++] = item->id;
    const bool picture = item->kind == SIMILE_KIND_IMAGE && item->has_hash;
    if (picture && !hash_list_push(&list->hashes, item->hash)) return list->no_memory = true;
    return 0;
}

void item_ids_release(item_ids *list)
{
    mem_free(list->ids);
    mem_free(list->hashes.hashes);
}

simile_status item_ids_delete(const item_ids *list, catalog *c, simile_error *err)
{
    if (list->no_memory) return err_nomem(err);
    for (size_t i = 0; i < list->n; i++) RETURN_IF_ERROR(catalog_delete(c, list->ids[i], err));
    return SIMILE_OK;
}

static simile_status list_named(catalog *c, const char *name, item_ids *list, simile_error *err)
{
    char *path = path_absolute(name);
    if (!path) return err_nomem(err);
    simile_status status = catalog_each_below(c, path, item_ids_push, list, err);
    mem_free(path);
    if (!status && !list->n && strpbrk(name, "*?[")) status = catalog_each_glob(c, name, item_ids_push, list, err);
    if (!status && !list->n && !list->no_memory)
        status = err_set(err, SIMILE_E_NOT_FOUND, "nothing in the catalogue is named '%s'", name);
    return status;
}

static simile_status list_text(catalog *c, const char *text, item_ids *list, simile_error *err)
{
    catalog_item item;
    bool found;
    RETURN_IF_ERROR(catalog_find_text(c, text, &item, &found, err));
    if (!found) return err_set(err, SIMILE_E_NOT_FOUND, "the text '%.100s' is not in the catalogue", text);
    item_ids_push(list, &item);
    return SIMILE_OK;
}

static simile_status list_id(catalog *c, int64_t id, item_ids *list, simile_error *err)
{
    catalog_item item;
    bool found;
    RETURN_IF_ERROR(catalog_find_id(c, id, &item, &found, err));
    if (!found) return item_missing(id, err);
    item_ids_push(list, &item);
    return SIMILE_OK;
}

/* What is to be forgotten: what a path, a folder or a glob names, a text, or an item by its id. */
typedef struct {
    enum { NAMED_PATH, NAMED_TEXT, NAMED_ID } by;
    const char *name;
    int64_t id;
} forgetting;

static simile_status list_those(catalog *c, const forgetting *what, item_ids *list, simile_error *err)
{
    switch (what->by) {
    case NAMED_PATH: return list_named(c, what->name, list, err);
    case NAMED_TEXT: return list_text(c, what->name, list, err);
    default: return list_id(c, what->id, list, err);
    }
}

/* Lists and deletes in one transaction, and then the thumbnails that nobody needs any more. */
static simile_status forget(simile_library *library, forgetting what, int64_t *removed, simile_error *err)
{
    catalog *c;
    item_ids list = {0};
    if (removed) *removed = 0;
    if (!library || (what.by != NAMED_ID && (!what.name || !*what.name)))
        return err_set(err, SIMILE_E_ARG, "no catalogue or no name was given");
    RETURN_IF_ERROR(writer_borrow(library, &c, err));
    simile_status status = catalog_begin(c, err);
    if (!status) status = list_those(c, &what, &list, err);
    if (!status) status = item_ids_delete(&list, c, err);
    if (!status) status = catalog_commit(c, err);
    if (!status && removed) *removed = (int64_t)list.n;
    catalog_rollback(c);
    if (!status) thumbnails_forget(library, c, &list.hashes);
    writer_return(library);
    item_ids_release(&list);
    return status;
}

simile_status simile_library_remove(simile_library *library, const char *path, int64_t *removed, simile_error *err)
{
    return forget(library, (forgetting){.by = NAMED_PATH, .name = path}, removed, err);
}

simile_status simile_library_remove_text(simile_library *library, const char *text, int64_t *removed, simile_error *err)
{
    return forget(library, (forgetting){.by = NAMED_TEXT, .name = text}, removed, err);
}

simile_status simile_library_remove_id(simile_library *library, int64_t id, simile_error *err)
{
    return forget(library, (forgetting){.by = NAMED_ID, .id = id}, NULL, err);
}
