/* SPDX-License-Identifier: Apache-2.0
 * thumbnails.c - small pictures of the items, kept in "<catalogue>-thumbs" (store/thumbs.h).
 *
 * Everything here is derived: when the file is not there, damaged, foreign or full, indexing and searching go on
 * without it, and the log says so once. One that is ours but damaged is thrown away and begun anew. A thumbnail that is
 * missing is made from the picture when somebody asks for it.
 *
 * Threads: one connection for all, guarded by the library's `thumbs_lock`, which is held for a look-up or one
 * transaction, never while a picture is decoded. Few pictures are decoded at once (`making`), however many ask. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/internal.h"

enum { SIDE = 320 };
#define MAX_FILE ((size_t)1 << 30)

/* ---- the file; everything here with thumbs_lock held ---- */

/* Other names of one catalogue share its thumbnails. */
static char *file_of(const simile_library *library)
{
    char *real = realpath(library->path, NULL);
    char *path = mem_printf("%s-thumbs", real ? real : library->path);
    free(real);
    return path;
}

/* The connection, opened if need be; NULL: there is none. create: where there is no file yet, one is made. */
static thumbs *take(simile_library *library, bool create)
{
    simile_error why = {0};
    if (library->thumbs || library->thumbs_failed) return library->thumbs;
    char *path = file_of(library);
    if (!path) return NULL;
    simile_status status = thumbs_open(path, library->read_only, !create, &library->thumbs, &why);
    if (status == SIMILE_E_CORRUPT && !library->read_only) {
        thumbs_remove_file(path);
        status = thumbs_open(path, false, !create, &library->thumbs, &why);
    }
    mem_free(path);
    if (status && status != SIMILE_E_NOT_FOUND && status != SIMILE_E_NOMEM && status != SIMILE_E_BUSY) {
        log_message(LOG_WARNING, "no thumbnails are kept: %s", why.message);
        library->thumbs_failed = true;
    }
    return library->thumbs;
}

/* Damage that shows later: the file is thrown away, the next call begins another one. */
static void give(simile_library *library, simile_status status, const simile_error *why)
{
    if (!status) return;
    log_message(LOG_WARNING, "%s", why->message);
    if (status != SIMILE_E_CORRUPT && status != SIMILE_E_FORMAT) return;
    thumbs_close(library->thumbs);
    library->thumbs = NULL;
    char *path = library->read_only ? NULL : file_of(library);
    if (path)
        thumbs_remove_file(path);
    else
        library->thumbs_failed = true;
    mem_free(path);
}

void thumbnails_close(simile_library *library)
{
    thumbs_close(library->thumbs);
    library->thumbs = NULL;
}

/* ---- keeping and forgetting ---- */

void thumbnails_keep(simile_library *library, const thumbnail *items, size_t n)
{
    simile_error why = {0};
    if (!n || library->read_only) return;
    pthread_mutex_lock(&library->thumbs_lock);
    thumbs *t = take(library, true);
    if (t) {
        simile_status status = thumbs_begin(t, &why);
        for (size_t i = 0; i < n && !status; i++)
            status = thumbs_put(t, items[i].hash, items[i].bytes, items[i].len, &why);
        if (!status) status = thumbs_commit(t, &why);
        thumbs_rollback(t);
        give(library, status, &why);
    }
    pthread_mutex_unlock(&library->thumbs_lock);
}

static int stop_at_first(void *user, const catalog_item *item)
{
    *(bool *)user = true;
    return 1;
}

static simile_status is_needed(catalog *c, const uint8_t hash[DIGEST_SIZE], bool *out, simile_error *err)
{
    *out = false;
    return catalog_each_hash(c, hash, stop_at_first, out, err);
}

static simile_status forget_hashes(thumbs *t, catalog *c, const hash_list *list, simile_error *err)
{
    RETURN_IF_ERROR(thumbs_begin(t, err));
    simile_status status = SIMILE_OK;
    for (size_t i = 0; i < list->n && !status; i++) {
        bool needed;
        status = is_needed(c, list->hashes[i], &needed, err);
        if (!status && !needed) status = thumbs_delete(t, list->hashes[i], err);
    }
    if (!status) status = thumbs_commit(t, err);
    thumbs_rollback(t);
    return status;
}

void thumbnails_forget(simile_library *library, catalog *c, const hash_list *list)
{
    simile_error why = {0};
    if (!list->n) return;
    pthread_mutex_lock(&library->thumbs_lock);
    thumbs *t = take(library, false);
    if (t) give(library, forget_hashes(t, c, list, &why), &why);
    pthread_mutex_unlock(&library->thumbs_lock);
}

bool hash_list_push(hash_list *list, const uint8_t hash[DIGEST_SIZE])
{
    if (list->n == list->capacity) {
        const size_t capacity = list->capacity ? list->capacity * 2 : 64;
        uint8_t(*hashes)[DIGEST_SIZE] = mem_grow(list->hashes, capacity, sizeof *hashes);
        if (!hashes) return false;
        list->hashes = hashes;
        list->capacity = capacity;
    }
    memcpy(list->hashes[list->n++], hash, DIGEST_SIZE);
    return true;
}

static int push_hash(void *user, const uint8_t hash[DIGEST_SIZE])
{
    return !hash_list_push(user, hash);
}

void thumbnails_prune(simile_library *library, catalog *c)
{
    simile_error why = {0};
    hash_list all = {0};
    pthread_mutex_lock(&library->thumbs_lock);
    thumbs *t = take(library, false);
    if (t) {
        simile_status status = thumbs_each(t, push_hash, &all, &why);
        if (!status && all.n) status = forget_hashes(t, c, &all, &why);
        give(library, status, &why);
    }
    pthread_mutex_unlock(&library->thumbs_lock);
    mem_free(all.hashes);
}

/* ---- checking ---- */

typedef struct {
    simile_problem_fn fn;
    void *user;
    const char *path;
} finding;

static void tell(void *user, const char *problem)
{
    const finding *f = user;
    f->fn(f->user, 0, f->path, problem);
}

/* What a writer that was killed left half done is undone first, which whoever only reads cannot. */
static simile_status open_to_verify(const char *path, thumbs **out, simile_error *err)
{
    const simile_status status = thumbs_open(path, true, true, out, err);
    return status == SIMILE_E_IO ? thumbs_open(path, false, true, out, err) : status;
}

/* By a connection of its own: the library's may be in use, and is thrown away with a file that is damaged. */
static simile_status verify_file(finding *f, simile_error *err)
{
    thumbs *t;
    simile_error why = {0};
    simile_status status = open_to_verify(f->path, &t, &why);
    if (status == SIMILE_E_NOT_FOUND) return SIMILE_OK;
    if (!status) {
        status = thumbs_check(t, tell, f, &why);
        thumbs_close(t);
    }
    if (status == SIMILE_E_NOMEM || status == SIMILE_E_BUSY) {
        if (err) *err = why;
        return status;
    }
    if (status) tell(f, why.message);
    return SIMILE_OK;
}

simile_status thumbnails_verify(const simile_library *library, simile_problem_fn problem, void *user, simile_error *err)
{
    char *path = file_of(library);
    if (!path) return err_nomem(err);
    finding f = {.fn = problem, .user = user, .path = path};
    const simile_status status = verify_file(&f, err);
    mem_free(path);
    return status;
}

/* ---- asking for one ---- */

static void look_up(simile_library *library, const uint8_t hash[DIGEST_SIZE], void **bytes, size_t *len)
{
    simile_error why = {0};
    pthread_mutex_lock(&library->thumbs_lock);
    thumbs *t = take(library, false);
    if (t) give(library, thumbs_get(t, hash, bytes, len, &why), &why);
    pthread_mutex_unlock(&library->thumbs_lock);
}

simile_status thumbnail_make(const image *picture, const uint8_t hash[DIGEST_SIZE], thumbnail *out, simile_error *err)
{
    *out = (thumbnail){0};
    RETURN_IF_ERROR(image_thumbnail(picture, SIDE, &out->bytes, &out->len, err));
    memcpy(out->hash, hash, DIGEST_SIZE);
    return SIMILE_OK;
}

static simile_status make_of_bytes(const catalog_item *item, const char *bytes, size_t len, thumbnail *out,
                                   simile_error *err)
{
    uint8_t hash[DIGEST_SIZE];
    image picture;
    digest_bytes(bytes, len, hash);
    if (!item->has_hash || memcmp(hash, item->hash, DIGEST_SIZE) != 0)
        return err_set(err, SIMILE_E_NOT_FOUND, "'%s' has other content than when it was indexed", item->path);
    const image_options options = {.enough = 2 * SIDE};
    RETURN_IF_ERROR(image_decode(bytes, len, item->path, &options, &picture, err));
    const simile_status status = thumbnail_make(&picture, hash, out, err);
    image_release(&picture);
    return status;
}

static simile_status make_of_file(const catalog_item *item, thumbnail *out, simile_error *err)
{
    char *bytes;
    size_t len;
    RETURN_IF_ERROR(file_read(item->path, MAX_FILE, &bytes, &len, err));
    const simile_status status = make_of_bytes(item, bytes, len, out, err);
    mem_free(bytes);
    return status;
}

/* The facts of a picture; its path is for mem_free. */
static simile_status find_picture(simile_library *library, int64_t id, catalog_item *item, char **path,
                                  simile_error *err)
{
    catalog *c;
    bool found;
    *path = NULL;
    RETURN_IF_ERROR(reader_take(library, &c, err));
    simile_status status = catalog_find_id(c, id, item, &found, err);
    if (!status && !found) status = item_missing(id, err);
    if (!status && item->kind != SIMILE_KIND_IMAGE)
        status = err_set(err, SIMILE_E_NOT_FOUND, "item %lld is a text, which has no thumbnail", (long long)id);
    if (!status) item->path = *path = mem_strdup(item->path);
    reader_give(library, c, !status || status == SIMILE_E_NOT_FOUND);
    return status || *path ? status : err_nomem(err);
}

/* Whoever waited at the gate may find that it was made meanwhile. */
static simile_status make_missing(simile_library *library, const catalog_item *item, void **bytes, size_t *len,
                                  simile_error *err)
{
    thumbnail made;
    simile_status status = SIMILE_OK;
    gate_enter(&library->making);
    if (item->has_hash) look_up(library, item->hash, bytes, len);
    if (!*bytes) {
        status = make_of_file(item, &made, err);
        if (!status) {
            thumbnails_keep(library, &made, 1);
            *bytes = made.bytes;
            *len = made.len;
        }
    }
    gate_leave(&library->making);
    return status;
}

simile_status simile_library_thumbnail(simile_library *library, int64_t id, void **bytes, size_t *len,
                                       simile_error *err)
{
    catalog_item item;
    char *path;
    if (bytes) *bytes = NULL;
    if (!library || !bytes || !len) return err_set(err, SIMILE_E_ARG, "no catalogue or no place was given");
    *len = 0;
    RETURN_IF_ERROR(find_picture(library, id, &item, &path, err));
    if (item.has_hash) look_up(library, item.hash, bytes, len);
    const simile_status status = *bytes ? SIMILE_OK : make_missing(library, &item, bytes, len, err);
    mem_free(path);
    return status;
}

void simile_free(void *bytes)
{
    mem_free(bytes);
}
