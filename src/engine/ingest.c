/* SPDX-License-Identifier: Apache-2.0
 * ingest.c - simile_library_add: from files to items with vectors.
 *
 * Each candidate is compared with what the catalogue knows of it (size and time of change); what is unchanged is never
 * opened. The others are worked off in batches:
 *
 *     read, hash, look the hash up, decode, prepare     on all threads, one file each at a time
 *     encode                                            the whole batch at once, on the encoder's threads
 *     write                                             one transaction
 *
 * Bytes that the catalogue knows already are not decoded again: the vector is copied, or, when the file that it
 * belonged to is gone, the item itself moves to the new path. What cannot be read is quarantined with the reason.
 *
 * Which candidates, and in what order, is decided before (survey.c); what lies outside of the wanted time still counts
 * as seen, so that nobody takes it for missing.
 *
 * A batch is made of the next `batch` files that need work, so that a run that was killed and is started again forms
 * the same batches as one that was not, and both give the same items the same ids.
 *
 * Memory: the pixels of a batch as the network sees them, and on each thread one file and its decoded pixels. Files
 * beyond LARGE_FILE are read by one thread at a time. When memory is short for a picture, it is tried once more with
 * the machine to itself, and then quarantined. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "engine/search_file.h"

#include <errno.h>
#include <stdio.h>

enum { DEFAULT_BATCH = 16, MAX_BATCH = 256, UNCHANGED_STEP = 256 };
#define MAX_FILE   ((size_t)1 << 30) /* bytes; more is no picture that anybody looks at whole */
#define LARGE_FILE ((int64_t)64 << 20)

typedef enum {
    OUTCOME_GONE,   /* vanished since the walk */
    OUTCOME_SAME,   /* touched, but the bytes are those that we know */
    OUTCOME_KNOWN,  /* the bytes of another item: `vector` is a copy */
    OUTCOME_PIXELS, /* decoded: to be encoded */
    OUTCOME_BAD,    /* to be quarantined for `reason` */
    OUTCOME_NO_MEMORY,
    OUTCOME_FAILED /* the catalogue could not be read: `why` */
} outcome;

/* One file of a batch. */
typedef struct {
    candidate *file;
    int64_t id; /* of the item with this path, 0: none yet */
    bool was_ok, had_hash;
    uint8_t old_hash[DIGEST_SIZE];
    outcome outcome;
    catalog_item item; /* what is to be written; path and reason are borrowed */
    char reason[256];
    float *pixels; /* [3, height, width] */
    float *vector; /* [dim] */
    thumbnail thumbnail;
    simile_error why;
} job;

typedef struct {
    simile_library *library;
    catalog *c;
    simile_encoder *encoder;
    const image_prepare_spec *spec;
    simile_add_options options;
    simile_add_report *report;
    int32_t dim;
    size_t batch; /* most jobs of a batch */
    job *jobs;    /* [batch] */
    size_t n_jobs;
    float *pixels, *vectors; /* [batch, 3, height, width] and [batch, dim] */
    pool *threads;
    pthread_mutex_t catalog_lock; /* while threads look hashes up */
    pthread_mutex_t large_lock;
    int64_t done, total;
} ingest;

/* ---- on the threads: one file ---- */

static void quarantine(job *j, const char *reason)
{
    j->outcome = OUTCOME_BAD;
    snprintf(j->reason, sizeof j->reason, "%s", reason);
}

/* The decoder's reason without its "cannot read 'picture': ". */
static const char decode_subject[] = "picture";

static void quarantine_undecodable(job *j, const simile_error *why)
{
    char prefix[64];
    const int len = snprintf(prefix, sizeof prefix, "cannot read '%s': ", decode_subject);
    const bool cut = !strncmp(why->message, prefix, (size_t)len);
    quarantine(j, cut ? why->message + len : why->message);
}

/* Without the path, which is in the item anyway and would leave no room for the cause if it is long. */
static void quarantine_unreadable(job *j, const simile_error *why)
{
    simile_error said = {0};
    errno = why->sys_errno;
    if (why->sys_errno) err_errno(&said, "it cannot be read");
    quarantine(j, why->sys_errno ? said.message : "it is not a regular file");
}

typedef struct {
    ingest *in;
    job *j;
    bool found;
    catalog_item facts; /* numbers only */
    simile_status status;
} twin_search;

/* Takes the first item with the same bytes that has a vector. */
static int try_twin(void *user, const catalog_item *item)
{
    twin_search *t = user;
    if (item->status != SIMILE_ITEM_OK || item->id == t->j->id) return 0;
    t->status = catalog_get_vector(t->in->c, item->id, t->j->vector, t->in->dim, &t->j->why);
    t->found = !t->status;
    t->facts = *item;
    return 1;
}

/* Copies the vector and facts of an item with the same bytes, if there is one. */
static simile_status copy_twin(ingest *in, job *j, bool *found)
{
    twin_search t = {.in = in, .j = j};
    pthread_mutex_lock(&in->catalog_lock);
    const simile_status status = catalog_each_hash(in->c, j->item.hash, try_twin, &t, &j->why);
    pthread_mutex_unlock(&in->catalog_lock);
    *found = t.found;
    if (t.found) {
        j->item.width = t.facts.width;
        j->item.height = t.facts.height;
        j->item.taken = t.facts.taken;
    }
    /* A damaged vector is no reason to stop: the picture is simply encoded again. */
    return t.status == SIMILE_E_CORRUPT || t.status == SIMILE_E_NOT_FOUND ? SIMILE_OK : status ? status : t.status;
}

/* One that cannot be made now is made when somebody asks for it. Pictures that are left as stored may lie on their
 * side, as no thumbnail does. */
static void make_thumbnail(const ingest *in, job *j, const image *picture)
{
    simile_error why;
    if (in->options.no_thumbnails || in->options.ignore_orientation) return;
    if (thumbnail_make(picture, j->item.hash, &j->thumbnail, &why))
        log_message(LOG_DETAIL, "no thumbnail of '%s': %s", j->file->path, why.message);
}

static void decode(const ingest *in, job *j, const char *bytes, size_t len)
{
    const image_options options = {.ignore_orientation = in->options.ignore_orientation != 0};
    simile_error why = {0};
    image picture;
    simile_status status = image_decode(bytes, len, decode_subject, &options, &picture, &why);
    if (!status) {
        j->item.width = picture.width;
        j->item.height = picture.height;
        j->item.taken = picture.taken;
        status = image_prepare(&picture, in->spec, j->pixels, &why);
        if (!status) make_thumbnail(in, j, &picture);
        image_release(&picture);
    }
    j->outcome = OUTCOME_PIXELS;
    if (status == SIMILE_E_NOMEM)
        j->outcome = OUTCOME_NO_MEMORY;
    else if (status)
        quarantine_undecodable(j, &why);
}

/* With the bytes at hand: are they known, or what do they show? */
static void examine(ingest *in, job *j, const char *bytes, size_t len)
{
    bool known = false;
    digest_bytes(bytes, len, j->item.hash);
    j->item.has_hash = true;
    j->item.size = (int64_t)len;
    const bool same = j->had_hash && !memcmp(j->item.hash, j->old_hash, DIGEST_SIZE);
    if (same && (j->was_ok || !in->options.retry_quarantined)) {
        j->outcome = OUTCOME_SAME;
    } else if (copy_twin(in, j, &known)) {
        j->outcome = j->why.status == SIMILE_E_NOMEM ? OUTCOME_NO_MEMORY : OUTCOME_FAILED;
    } else if (known) {
        j->outcome = OUTCOME_KNOWN;
    } else {
        decode(in, j, bytes, len);
    }
}

static void read_and_examine(ingest *in, job *j)
{
    simile_error why = {0};
    char *bytes;
    size_t len;
    const simile_status status = file_read(j->file->path, MAX_FILE, &bytes, &len, &why);
    if (!status)
        examine(in, j, bytes, len);
    else if (status == SIMILE_E_NOMEM)
        j->outcome = OUTCOME_NO_MEMORY;
    else if (status == SIMILE_E_NOT_FOUND)
        j->outcome = OUTCOME_GONE;
    else if (status == SIMILE_E_LIMIT)
        quarantine(j, "larger than 1 GiB");
    else
        quarantine_unreadable(j, &why);
    mem_free(bytes);
}

static void work(void *user, size_t at, int worker)
{
    ingest *in = user;
    job *j = &in->jobs[at];
    file_facts facts;
    simile_error why = {0};
    /* The facts are taken before the bytes: a file that changes between the two looks changed next time. */
    const simile_status status = file_stat(j->file->path, &facts, &why);
    j->item = (catalog_item){.id = j->id, .path = j->file->path, .taken = CATALOG_NO_DATE};
    j->why = (simile_error){0};
    if (status == SIMILE_E_NOT_FOUND) {
        j->outcome = OUTCOME_GONE;
        return;
    }
    j->item.size = facts.size;
    j->item.mtime_ns = facts.mtime_ns;
    if (status) {
        quarantine_unreadable(j, &why);
        return;
    }
    const bool large = facts.size > LARGE_FILE;
    if (large) pthread_mutex_lock(&in->large_lock);
    read_and_examine(in, j);
    if (large) pthread_mutex_unlock(&in->large_lock);
}

/* ---- one batch ---- */

/* A picture that memory was too short for gets another chance while nothing else is being decoded. */
static simile_status retry_alone(ingest *in, simile_error *err)
{
    for (size_t i = 0; i < in->n_jobs; i++) {
        job *j = &in->jobs[i];
        if (j->outcome == OUTCOME_NO_MEMORY) {
            work(in, i, 0);
            if (j->outcome == OUTCOME_NO_MEMORY) quarantine(j, "too large for the memory of this machine");
        }
        if (j->outcome == OUTCOME_FAILED) {
            if (err) *err = j->why;
            return j->why.status;
        }
    }
    return SIMILE_OK;
}

/* The earlier job of this batch with the same bytes that is to be encoded, or NULL. */
static const job *earlier_twin(const ingest *in, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (in->jobs[i].outcome == OUTCOME_PIXELS &&
            !memcmp(in->jobs[i].item.hash, in->jobs[at].item.hash, DIGEST_SIZE))
            return &in->jobs[i];
    return NULL;
}

/* Encodes what was decoded. The tensors move together at the front of `pixels`; row k of the result belongs to the
 * k-th of them. */
static simile_status encode(ingest *in, simile_error *err)
{
    const size_t count = pixel_count(in->spec), dim = (size_t)in->dim;
    size_t n = 0;
    for (size_t i = 0; i < in->n_jobs; i++) {
        const job *j = &in->jobs[i];
        if (j->outcome != OUTCOME_PIXELS || earlier_twin(in, i)) continue;
        memmove(in->pixels + n++ * count, j->pixels, count * sizeof *in->pixels);
    }
    if (!n) return SIMILE_OK;
    float *rows = mem_array(n * dim, sizeof *rows);
    if (!rows) return err_nomem(err);
    const simile_status status = model_encode_pixels(in->encoder->e, in->pixels, n, rows, err);
    n = 0;
    for (size_t i = 0; i < in->n_jobs && !status; i++) {
        job *j = &in->jobs[i];
        if (j->outcome != OUTCOME_PIXELS) continue;
        const job *twin = earlier_twin(in, i);
        memcpy(j->vector, twin ? twin->vector : rows + n++ * dim, dim * sizeof *rows);
    }
    mem_free(rows);
    for (size_t i = 0; i < in->n_jobs && !status; i++) {
        job *j = &in->jobs[i];
        if (j->outcome == OUTCOME_PIXELS && !make_unit(j->vector, in->dim))
            quarantine(j, "the model gives it no vector");
    }
    return status;
}

/* ---- writing a batch ---- */

typedef struct {
    int64_t id;
    bool ok;
} mover;

static int try_mover(void *user, const catalog_item *item)
{
    mover *m = user;
    if (!file_is_gone(item->path)) return 0;
    m->id = item->id;
    m->ok = item->status == SIMILE_ITEM_OK;
    return 1;
}

/* The item with these bytes whose file is gone: what was that file is now this one. */
static simile_status find_mover(const ingest *in, const job *j, mover *out, simile_error *err)
{
    *out = (mover){0};
    if (j->id || in->options.keep_missing || !j->item.has_hash) return SIMILE_OK;
    return catalog_each_hash(in->c, j->item.hash, try_mover, out, err);
}

static simile_status write_touched(const ingest *in, const job *j, simile_error *err)
{
    catalog_item item;
    bool found;
    RETURN_IF_ERROR(catalog_find_id(in->c, j->id, &item, &found, err));
    if (!found) return err_set(err, SIMILE_E_INTERNAL, "item %lld vanished", (long long)j->id);
    item.size = j->item.size;
    item.mtime_ns = j->item.mtime_ns;
    return catalog_put(in->c, &item, NULL, in->dim, true, err);
}

static simile_status write_bad(const ingest *in, job *j, const mover *from, simile_error *err)
{
    log_message(LOG_WARNING, "cannot read '%s': %s", j->file->path, j->reason);
    j->item.status = SIMILE_ITEM_QUARANTINED;
    j->item.reason = j->reason;
    j->item.width = j->item.height = 0;
    if (from->id) j->item.id = from->id;
    return catalog_put(in->c, &j->item, NULL, 0, false, err);
}

static simile_status write_good(const ingest *in, job *j, const mover *from, simile_error *err)
{
    if (from->id) j->item.id = from->id;
    /* A moved item keeps its vector, and the copies that searches hold stay right. */
    const bool keep = from->id && from->ok;
    return catalog_put(in->c, &j->item, keep ? NULL : j->vector, in->dim, keep, err);
}

static simile_status write_job(const ingest *in, job *j, simile_add_report *r, simile_error *err)
{
    mover from;
    if (j->outcome == OUTCOME_GONE) {
        j->file->gone = true;
        return SIMILE_OK;
    }
    r->bytes += j->item.has_hash ? j->item.size : 0;
    if (j->outcome == OUTCOME_SAME) {
        r->unchanged++;
        return write_touched(in, j, err);
    }
    RETURN_IF_ERROR(find_mover(in, j, &from, err));
    if (j->outcome == OUTCOME_BAD) {
        r->quarantined++;
        return write_bad(in, j, &from, err);
    }
    ++*(from.id ? &r->moved : j->id ? &r->updated : &r->added);
    return write_good(in, j, &from, err);
}

/* The report counts what was committed. */
static simile_status write_batch(ingest *in, simile_error *err)
{
    simile_add_report r = *in->report;
    simile_status status = catalog_begin(in->c, err);
    for (size_t i = 0; i < in->n_jobs && !status; i++) status = write_job(in, &in->jobs[i], &r, err);
    if (!status) status = catalog_commit(in->c, err);
    if (!status) *in->report = r;
    catalog_rollback(in->c);
    return status;
}

/* Keeps the thumbnails of what was just written. */
static void keep_thumbnails(ingest *in)
{
    thumbnail made[MAX_BATCH];
    size_t n = 0;
    for (size_t i = 0; i < in->n_jobs; i++)
        if (in->jobs[i].thumbnail.bytes && in->jobs[i].outcome == OUTCOME_PIXELS) made[n++] = in->jobs[i].thumbnail;
    thumbnails_keep(in->library, made, n);
}

static void forget_jobs(ingest *in)
{
    for (size_t i = 0; i < in->n_jobs; i++) mem_free(in->jobs[i].thumbnail.bytes);
    in->n_jobs = 0;
}

static simile_status tell(const ingest *in, const char *subject, simile_error *err)
{
    const simile_add_options *o = &in->options;
    if (!o->progress || !o->progress(o->user, in->done, in->total, subject)) return SIMILE_OK;
    return err_set(err, SIMILE_E_CANCELLED, "cancelled");
}

static simile_status flush(ingest *in, simile_error *err)
{
    if (!in->n_jobs) return SIMILE_OK;
    const char *last = in->jobs[in->n_jobs - 1].file->path;
    pool_run(in->threads, in->n_jobs, work, in);
    RETURN_IF_ERROR(retry_alone(in, err));
    RETURN_IF_ERROR(encode(in, err));
    RETURN_IF_ERROR(write_batch(in, err));
    keep_thumbnails(in);
    in->done += (int64_t)in->n_jobs;
    forget_jobs(in);
    return tell(in, last, err);
}

/* ---- all candidates ---- */

/* Does the catalogue know this file as it is? Otherwise a job for it. */
static simile_status consider(ingest *in, candidate *file, simile_error *err)
{
    catalog_item old;
    file_facts facts;
    bool found;
    RETURN_IF_ERROR(catalog_find_path(in->c, file->path, &old, &found, err));
    const bool retry = found && old.status == SIMILE_ITEM_QUARANTINED && in->options.retry_quarantined;
    if (found && !retry && !file_stat(file->path, &facts, NULL) && facts.size == old.size &&
        facts.mtime_ns == old.mtime_ns) {
        in->report->unchanged++;
        return ++in->done % UNCHANGED_STEP ? SIMILE_OK : tell(in, file->path, err);
    }
    job *j = &in->jobs[in->n_jobs];
    *j = (job){.file = file,
               .pixels = in->pixels + in->n_jobs * pixel_count(in->spec),
               .vector = in->vectors + in->n_jobs * (size_t)in->dim};
    if (found) {
        j->id = old.id;
        j->was_ok = old.status == SIMILE_ITEM_OK;
        j->had_hash = old.has_hash;
        memcpy(j->old_hash, old.hash, DIGEST_SIZE);
    }
    return ++in->n_jobs == in->batch ? flush(in, err) : SIMILE_OK;
}

static simile_status ingest_all(ingest *in, const char *const *paths, size_t n_paths, simile_error *err)
{
    const simile_add_options *o = &in->options;
    const period when = {o->has_after != 0, o->has_before != 0, o->after, o->before};
    candidates all;
    candidate **chosen = NULL;
    size_t n = 0;
    simile_status status = candidates_collect(&all, in->c, paths, n_paths, o->progress, o->user, err);
    if (!status)
        status = candidates_choose(&all, in->c, &when, o->newest_first != 0, o->progress, o->user, &chosen, &n, err);
    if (!status) {
        in->report->found = in->total = (int64_t)n;
        status = tell(in, "", err);
    }
    for (size_t i = 0; i < n && !status; i++) status = consider(in, chosen[i], err);
    if (!status) status = flush(in, err);
    if (!status && !o->keep_missing) status = candidates_forget_missing(&all, in->c, &in->report->removed, err);
    if (!status && in->report->removed + in->report->updated) thumbnails_prune(in->library, in->c);
    mem_free(chosen);
    candidates_release(&all);
    return status;
}

static simile_status ingest_init(ingest *in, simile_encoder *encoder, simile_error *err)
{
    RETURN_IF_ERROR(encoder_needs_images(encoder, &in->spec, err));
    if (in->options.batch < 0) return err_set(err, SIMILE_E_ARG, "the batch is negative");
    in->batch = in->options.batch ? (size_t)in->options.batch : DEFAULT_BATCH;
    if (in->batch > MAX_BATCH) in->batch = MAX_BATCH;
    in->encoder = encoder;
    in->dim = encoder_dim(encoder);
    in->jobs = mem_zero_array(in->batch, sizeof *in->jobs);
    in->pixels = mem_array(in->batch * pixel_count(in->spec), sizeof *in->pixels);
    in->vectors = mem_array(in->batch * (size_t)in->dim, sizeof *in->vectors);
    if (!in->jobs || !in->pixels || !in->vectors) return err_nomem(err);
    return pool_new(model_encoder_threads(encoder->e), &in->threads, err);
}

static void ingest_release(ingest *in)
{
    pool_free(in->threads);
    forget_jobs(in);
    mem_free(in->jobs);
    mem_free(in->pixels);
    mem_free(in->vectors);
}

simile_status simile_library_add(simile_library *library, simile_encoder *encoder, const char *const *paths,
                                 size_t n_paths, const simile_add_options *options, simile_add_report *report,
                                 simile_error *err)
{
    simile_add_report own = {0};
    ingest in = {.library = library, .report = report ? report : &own};
    *in.report = own;
    if (!library || !encoder || !paths || !n_paths)
        return err_set(err, SIMILE_E_ARG, "no catalogue, encoder or path was given");
    RETURN_IF_ERROR(options_copy(&in.options, sizeof in.options, options, err));
    RETURN_IF_ERROR(writer_take(library, &in.c, err));
    pthread_mutex_init(&in.catalog_lock, NULL);
    pthread_mutex_init(&in.large_lock, NULL);
    simile_status status = ingest_init(&in, encoder, err);
    if (!status) status = claim_model(in.c, encoder->model, err);
    if (!status) status = ingest_all(&in, paths, n_paths, err);
    if (!status) search_file_update(library, SIMILE_KIND_IMAGE, in.c, in.threads);
    ingest_release(&in);
    pthread_mutex_destroy(&in.large_lock);
    pthread_mutex_destroy(&in.catalog_lock);
    writer_give(library);
    return status;
}
