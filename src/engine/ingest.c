/* SPDX-License-Identifier: Apache-2.0
 * ingest.c - simile_library_add: from files to items with vectors.
 *
 *     look -> read, hash -> decide -> decode, resize, thumbnail -> encode -> store
 *
 * Each candidate is compared with what the catalogue knows of it (size and time of change); what is unchanged is never
 * opened. The others become jobs, which stages.c works off on all threads; examine.c and record.c do the work.
 *
 * Which candidates, and in what order, is decided before (survey.c); what lies outside of the wanted time still counts
 * as seen, so that nobody takes it for missing.
 *
 * Threads: the calling one feeds, writes and calls progress. While progress is called, the catalogue is lent to others
 * who have something short to write, so that a deletion need not wait for the end. */
#include "engine/ingest.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/search_file.h"

#include <fcntl.h>
#include <unistd.h>

enum { DEFAULT_BATCH = 16, MAX_BATCH = 256, UNCHANGED_STEP = 256 };

/* ---- telling ---- */

static void fill_work(ingest *in, simile_add_work *out)
{
    size_t size = sizeof *out;
    simile_add_work w = {.struct_size = out->struct_size, .threads = in->threads, .limit = -1};
    pthread_mutex_lock(&in->lock);
    w.elapsed = in->began > 0 ? clock_seconds() - in->began : 0;
    for (int i = 0; i < SIMILE_STAGES; i++) {
        w.seconds[i] = in->seconds[i];
        if (w.seconds[i] > 0 && (w.limit < 0 || w.seconds[i] > w.seconds[w.limit])) w.limit = i;
    }
    pthread_mutex_unlock(&in->lock);
    if (out->struct_size < size) size = out->struct_size;
    memcpy(out, &w, size);
}

simile_status tell(ingest *in, const char *subject, simile_error *err)
{
    const simile_add_options *o = &in->options;
    int stop = 0;
    if (o->work) fill_work(in, o->work);
    in->told = clock_seconds();
    writer_lend(in->library);
    if (o->progress) stop = o->progress(o->user, in->done, in->total, subject);
    writer_demand(in->library);
    return stop ? err_set(err, SIMILE_E_CANCELLED, "cancelled") : SIMILE_OK;
}

/* The progress of who looks through folders, which is told with the writer lent as well. */
static int look_on(void *user, int64_t done, int64_t total, const char *subject)
{
    const ingest *in = user;
    writer_lend(in->library);
    const int stop = in->options.progress(in->options.user, done, total, subject);
    writer_demand(in->library);
    return stop;
}

/* ---- all candidates ---- */

/* The system may fetch the file from the disk while others are worked on. */
static void announce(const char *path, size_t len)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return;
    posix_fadvise(fd, 0, (off_t)len, POSIX_FADV_WILLNEED);
    close(fd);
}

static void add_job(ingest *in, candidate *file, const file_facts *facts, const catalog_item *old)
{
    job j = {.file = file, .file_cost = facts->size > 0 ? (size_t)facts->size : 0};
    if (old) {
        j.id = old->id;
        j.was_ok = old->status == SIMILE_ITEM_OK;
        j.had_hash = old->has_hash;
        memcpy(j.old_hash, old->hash, DIGEST_SIZE);
    }
    if (facts->is_regular) announce(file->path, j.file_cost);
    stages_push(in, &j);
}

/* Does the catalogue know this file as it is? Otherwise a job for it. */
static simile_status consider(ingest *in, candidate *file, simile_error *err)
{
    catalog_item old;
    file_facts facts;
    bool found;
    RETURN_IF_ERROR(catalog_find_path(in->c, file->path, &old, &found, err));
    const simile_status status = file_stat(file->path, &facts, NULL);
    const bool retry = found && old.status == SIMILE_ITEM_QUARANTINED && in->options.retry_quarantined;
    if (found && !retry && !status && facts.size == old.size && facts.mtime_ns == old.mtime_ns) {
        in->report->unchanged++;
        in->done++;
        return SIMILE_OK;
    }
    RETURN_IF_ERROR(image_init(err)); /* or every picture would be held to be broken */
    add_job(in, file, &facts, found ? &old : NULL);
    return SIMILE_OK;
}

simile_status feed(ingest *in, bool *more, simile_error *err)
{
    for (int i = 0; i < UNCHANGED_STEP && in->at < in->n_chosen && stages_have_room(in); i++)
        RETURN_IF_ERROR(consider(in, in->chosen[in->at++], err));
    *more = in->at < in->n_chosen;
    return SIMILE_OK;
}

static simile_status ingest_all(ingest *in, const char *const *paths, size_t n_paths, simile_error *err)
{
    const simile_add_options *o = &in->options;
    const simile_progress_fn look = o->progress ? look_on : NULL;
    const period when = {o->has_after != 0, o->has_before != 0, o->after, o->before};
    candidates all;
    simile_status status = candidates_collect(&all, in->c, paths, n_paths, look, in, err);
    if (!status)
        status = candidates_choose(&all, in->c, &when, o->newest_first != 0, look, in, &in->chosen, &in->n_chosen, err);
    if (!status) {
        in->report->found = in->total = (int64_t)in->n_chosen;
        status = tell(in, "", err);
    }
    if (!status) status = stages_run(in, err);
    if (o->work) fill_work(in, o->work);
    if (!status && !o->keep_missing) status = candidates_forget_missing(&all, in->c, &in->report->removed, err);
    if (!status && in->report->removed + in->report->updated) thumbnails_prune(in->library, in->c);
    mem_free(in->chosen);
    candidates_release(&all);
    return status;
}

static simile_status ingest_init(ingest *in, simile_encoder *encoder, simile_error *err)
{
    RETURN_IF_ERROR(encoder_needs_images(encoder, &in->spec, err));
    if (in->options.batch < 0) return err_set(err, SIMILE_E_ARG, "the batch is negative");
    if (in->options.work && in->options.work->struct_size < sizeof in->options.work->struct_size)
        return err_set(err, SIMILE_E_ARG, "struct_size of the work is not set");
    in->batch = in->options.batch ? (size_t)in->options.batch : DEFAULT_BATCH;
    if (in->batch > MAX_BATCH) in->batch = MAX_BATCH;
    in->encoder = encoder;
    in->dim = encoder_dim(encoder);
    in->threads = model_encoder_threads(encoder->e);
    in->decoding = (image_options){.ignore_orientation = in->options.ignore_orientation != 0,
                                   .enough = in->options.exact ? 0 : image_enough(in->spec)};
    RETURN_IF_ERROR(stages_init(in, err));
    return reader_take(in->library, &in->reader, err);
}

static void ingest_release(ingest *in, bool good)
{
    stages_release(in);
    reader_give(in->library, in->reader, good);
    pthread_cond_destroy(&in->news);
    pthread_mutex_destroy(&in->lock);
}

static void prepare_searches(simile_library *library, catalog *c, int threads)
{
    pool *team = NULL; /* without, it takes longer */
    simile_error why;
    if (threads > 1 && pool_new(threads, &team, &why)) log_message(LOG_DETAIL, "%s", why.message);
    search_file_update(library, SIMILE_KIND_IMAGE, c, team);
    pool_free(team);
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
    pthread_mutex_init(&in.lock, NULL);
    pthread_cond_init(&in.news, NULL);
    simile_status status = ingest_init(&in, encoder, err);
    if (!status) status = claim_model(in.c, encoder->model, err);
    if (!status) status = ingest_all(&in, paths, n_paths, err);
    ingest_release(&in, !status || status == SIMILE_E_CANCELLED);
    if (!status) prepare_searches(library, in.c, in.threads);
    writer_give(library);
    return status;
}
