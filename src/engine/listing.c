/* SPDX-License-Identifier: Apache-2.0
 * listing.c - what is in a catalogue: all items, those that pass a filter, one of them, the months and folders in which
 * they lie, a vector.
 *
 * Each call has a connection and a read transaction of its own (library.c), so that what it tells is of one moment, and
 * a callback may call the library again. Threads: any number at once. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/internal.h"

/* ---- filters ---- */

static simile_status check_filter(const simile_filter *f, simile_error *err)
{
    if (f->kind != SIMILE_ANY && f->kind != SIMILE_KIND_IMAGE && f->kind != SIMILE_KIND_TEXT)
        return err_set(err, SIMILE_E_ARG, "the kind of the filter is unknown");
    if (f->status != SIMILE_ANY && f->status != SIMILE_ITEM_OK && f->status != SIMILE_ITEM_QUARANTINED)
        return err_set(err, SIMILE_E_ARG, "the status of the filter is unknown");
    if (f->order < SIMILE_ORDER_ID || f->order > SIMILE_ORDER_PATH)
        return err_set(err, SIMILE_E_ARG, "the order of the filter is unknown");
    if (f->limit < 0 || f->offset < 0) return err_set(err, SIMILE_E_ARG, "limit and offset cannot be negative");
    return SIMILE_OK;
}

simile_status folder_absolute(const char *folder, char **out, simile_error *err)
{
    *out = NULL;
    if (!folder) return SIMILE_OK;
    if (*folder != '/') return err_set(err, SIMILE_E_ARG, "the folder '%s' is not an absolute path", folder);
    *out = path_absolute(folder);
    return *out ? SIMILE_OK : err_nomem(err);
}

/* A listing in progress. */
typedef struct {
    simile_library *library;
    catalog *c;
    simile_filter given;
    catalog_filter filter;
    char *folder;
} listing;

static simile_status listing_end(listing *l, simile_status status)
{
    if (l->c) catalog_read_end(l->c);
    reader_give(l->library, l->c, !status);
    mem_free(l->folder);
    return status;
}

/* On failure everything is given back. */
static simile_status listing_begin(listing *l, simile_library *library, const simile_filter *filter, bool has_fn,
                                   simile_error *err)
{
    *l = (listing){.library = library};
    if (!library || !has_fn) return err_set(err, SIMILE_E_ARG, "no catalogue or no function was given");
    RETURN_IF_ERROR(options_copy(&l->given, sizeof l->given, filter, err));
    RETURN_IF_ERROR(check_filter(&l->given, err));
    RETURN_IF_ERROR(folder_absolute(l->given.folder, &l->folder, err));
    l->filter = (catalog_filter){.kind = l->given.kind,
                                 .status = l->given.status,
                                 .folder = l->folder,
                                 .glob = l->given.glob,
                                 .has_after = l->given.has_after != 0,
                                 .has_before = l->given.has_before != 0,
                                 .after = l->given.after,
                                 .before = l->given.before};
    simile_status status = reader_take(library, &l->c, err);
    if (!status) status = catalog_read_begin(l->c, err);
    return status ? listing_end(l, status) : SIMILE_OK;
}

/* ---- items ---- */

typedef struct {
    simile_item_fn fn;
    void *user;
} item_call;

static int tell_item(void *user, const catalog_item *item)
{
    const item_call *call = user;
    char hash[DIGEST_HEX] = "";
    if (item->has_hash) digest_hex(item->hash, hash);
    const simile_item out = {.id = item->id,
                             .kind = item->kind,
                             .status = item->status,
                             .path = item->path,
                             .text = item->text,
                             .reason = item->reason,
                             .hash = hash,
                             .size = item->size,
                             .mtime_ns = item->mtime_ns,
                             .taken = item->taken,
                             .width = item->width,
                             .height = item->height,
                             .date = item->date};
    return call->fn(call->user, &out);
}

simile_status simile_library_each(simile_library *library, simile_item_fn fn, void *user, simile_error *err)
{
    listing l;
    item_call call = {.fn = fn, .user = user};
    RETURN_IF_ERROR(listing_begin(&l, library, NULL, fn != NULL, err));
    return listing_end(&l, catalog_each(l.c, tell_item, &call, err));
}

simile_status simile_library_list(simile_library *library, const simile_filter *filter, simile_item_fn fn, void *user,
                                  int64_t *total, simile_error *err)
{
    listing l;
    item_call call = {.fn = fn, .user = user};
    if (total) *total = 0;
    RETURN_IF_ERROR(listing_begin(&l, library, filter, fn || total, err));
    simile_status status = total ? catalog_count_match(l.c, &l.filter, total, err) : SIMILE_OK;
    if (!status && fn)
        status = catalog_list(l.c, &l.filter, l.given.order, l.given.limit, l.given.offset, tell_item, &call, err);
    return listing_end(&l, status);
}

simile_status simile_library_find(simile_library *library, int64_t id, simile_item_fn fn, void *user, simile_error *err)
{
    listing l;
    catalog_item item;
    bool found;
    item_call call = {.fn = fn, .user = user};
    RETURN_IF_ERROR(listing_begin(&l, library, NULL, fn != NULL, err));
    simile_status status = catalog_find_id(l.c, id, &item, &found, err);
    if (!status && !found) status = item_missing(id, err);
    if (!status) tell_item(&call, &item);
    return listing_end(&l, status);
}

simile_status item_missing(int64_t id, simile_error *err)
{
    return err_set(err, SIMILE_E_NOT_FOUND, "there is no item %lld in the catalogue", (long long)id);
}

/* ---- months and folders ---- */

simile_status simile_library_periods(simile_library *library, const simile_filter *filter, simile_period_fn fn,
                                     void *user, simile_error *err)
{
    listing l;
    RETURN_IF_ERROR(listing_begin(&l, library, filter, fn != NULL, err));
    return listing_end(&l, catalog_each_period(l.c, &l.filter, fn, user, err));
}

simile_status simile_library_folders(simile_library *library, const simile_filter *filter, simile_folder_fn fn,
                                     void *user, simile_error *err)
{
    listing l;
    RETURN_IF_ERROR(listing_begin(&l, library, filter, fn != NULL, err));
    return listing_end(&l, catalog_each_folder(l.c, &l.filter, fn, user, err));
}

/* ---- vectors ---- */

static simile_status read_vector(catalog *c, int64_t id, float *out, int32_t dim, simile_error *err)
{
    catalog_model there;
    RETURN_IF_ERROR(catalog_get_model(c, &there, err));
    if (there.dim && dim != there.dim)
        return err_set(err, SIMILE_E_ARG, "the vectors of the catalogue have %d numbers, not %d", there.dim, dim);
    return catalog_get_vector(c, id, out, dim, err);
}

simile_status simile_library_get_vector(simile_library *library, int64_t id, float *out, int32_t dim, simile_error *err)
{
    listing l;
    if (dim < 1) return err_set(err, SIMILE_E_ARG, "a vector has at least one number");
    RETURN_IF_ERROR(listing_begin(&l, library, NULL, out != NULL, err));
    return listing_end(&l, read_vector(l.c, id, out, dim, err));
}
