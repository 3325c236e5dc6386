/* SPDX-License-Identifier: Apache-2.0
 * ingest.c - see ingest.h. */
#include "ingest.h"

#include "base/mem.h"
#include "progress.h"
#include "show.h"
#include "term.h"

#include <inttypes.h>

static const char *const doing[SIMILE_STAGES] = {
    [SIMILE_STAGE_READ] = "reading",         [SIMILE_STAGE_DECODE] = "decoding", [SIMILE_STAGE_RESIZE] = "resizing",
    [SIMILE_STAGE_THUMBNAIL] = "thumbnails", [SIMILE_STAGE_ENCODE] = "encoding", [SIMILE_STAGE_STORE] = "storing",
};

typedef struct {
    progress bar;
    const simile_add_work *work;
} watcher;

static int watch(void *user, int64_t done, int64_t total, const char *subject)
{
    watcher *w = user;
    w->bar.limit = w->work->limit >= 0 ? doing[w->work->limit] : NULL;
    return progress_step(&w->bar, done, total, subject);
}

static simile_status add_images(app *a, simile_add_options options, const words *paths, ingest *done, simile_error *err)
{
    watcher w = {.work = &done->work};
    done->work = (simile_add_work){.struct_size = sizeof done->work, .limit = -1};
    progress_begin(&w.bar, "pictures", a->quiet);
    options.progress = watch;
    options.user = &w;
    options.work = &done->work;
    const simile_status status =
        simile_library_add(a->library, a->encoder, paths->items, paths->count, &options, &done->images, err);
    done->seconds = progress_seconds(&w.bar);
    progress_end(&w.bar);
    return status;
}

static simile_status add_texts(app *a, simile_add_options options, const text_list *texts, ingest *done,
                               simile_error *err)
{
    progress bar;
    progress_begin(&bar, "texts", a->quiet);
    options.progress = progress_step;
    options.user = &bar;
    const char **items = mem_array(texts->count, sizeof *items);
    if (!items) return err_nomem(err);
    memcpy(items, texts->items, texts->count * sizeof *items);
    const simile_status status =
        simile_library_add_texts(a->library, a->encoder, items, texts->count, &options, &done->texts, err);
    mem_free(items);
    progress_end(&bar);
    return status;
}

simile_status ingest_run(app *a, const simile_add_options *options, const words *paths, const text_list *texts,
                         ingest *done, simile_error *err)
{
    done->n_paths = paths->count;
    done->n_texts = texts->count;
    RETURN_IF_ERROR(app_encoder(a, err));
    interrupt_catch();
    RETURN_IF_ERROR(app_library(a, LIBRARY_CREATE, true, err));
    if (paths->count) RETURN_IF_ERROR(add_images(a, *options, paths, done, err));
    if (texts->count) RETURN_IF_ERROR(add_texts(a, *options, texts, done, err));
    return SIMILE_OK;
}

/* ---- reports ---- */

static void json_report(json_writer *w, const char *key, const simile_add_report *r)
{
    jw_key(w, key), jw_object(w);
    jw_key(w, "found"), jw_int(w, r->found);
    jw_key(w, "added"), jw_int(w, r->added);
    jw_key(w, "updated"), jw_int(w, r->updated);
    jw_key(w, "moved"), jw_int(w, r->moved);
    jw_key(w, "unchanged"), jw_int(w, r->unchanged);
    jw_key(w, "removed"), jw_int(w, r->removed);
    jw_key(w, "quarantined"), jw_int(w, r->quarantined);
    jw_key(w, "bytes"), jw_int(w, r->bytes);
    jw_object_end(w);
}

static void json_work(json_writer *w, const simile_add_work *work)
{
    jw_key(w, "work"), jw_object(w);
    jw_key(w, "seconds"), jw_double(w, work->elapsed);
    jw_key(w, "threads"), jw_int(w, work->threads);
    jw_key(w, "limit");
    if (work->limit >= 0)
        jw_string(w, show_stage(work->limit));
    else
        jw_null(w);
    jw_key(w, "stages"), jw_object(w);
    for (int i = 0; i < SIMILE_STAGES; i++) jw_key(w, show_stage(i)), jw_double(w, work->seconds[i]);
    jw_object_end(w);
    jw_object_end(w);
}

static void print_json(const app *a, const ingest *done, bool finished, buf *out)
{
    json_writer w;
    jw_init(&w, out);
    jw_object(&w);
    jw_key(&w, "catalog"), jw_string(&w, a->catalog_path ? a->catalog_path : "");
    jw_key(&w, "finished"), jw_bool(&w, finished);
    app_models_json(a, &w);
    if (done->n_paths) json_report(&w, "images", &done->images);
    if (done->n_texts) json_report(&w, "texts", &done->texts);
    if (done->n_paths) json_work(&w, &done->work);
    jw_object_end(&w);
    buf_byte(out, '\n');
}

static void count(buf *out, int64_t n, const char *what, bool *any)
{
    char text[32];
    if (!n) return;
    term_count(text, n);
    buf_printf(out, "%s%s %s", *any ? ", " : "", text, what);
    *any = true;
}

static void print_line(buf *out, const char *what, const simile_add_report *r, double seconds)
{
    bool any = false;
    buf_printf(out, "%s: ", what);
    count(out, r->added, "added", &any);
    count(out, r->updated, "updated", &any);
    count(out, r->moved, "moved", &any);
    count(out, r->removed, "forgotten", &any);
    count(out, r->unchanged, "unchanged", &any);
    count(out, r->quarantined, "could not be read", &any);
    if (!any) buf_text(out, "none found");
    const double worked = (double)(r->added + r->updated);
    if (worked > 0 && seconds > 0.05) buf_printf(out, " in %.1f s (%.1f a second)", seconds, worked / seconds);
    buf_byte(out, '\n');
}

static void print(app *a, const ingest *done, bool finished)
{
    buf out;
    buf_init(&out, OUTPUT_MAX);
    if (a->json) {
        print_json(a, done, finished, &out);
    } else {
        if (done->n_paths) print_line(&out, "pictures", &done->images, done->seconds);
        if (done->n_texts) print_line(&out, "texts", &done->texts, 0);
        if (done->images.quarantined) buf_text(&out, "'simile info --quarantined' says why\n");
    }
    app_write(&out);
    buf_release(&out);
}

int ingest_report(app *a, const ingest *done)
{
    print(a, done, true);
    return EXIT_OK;
}

int ingest_failed(app *a, const ingest *done, const simile_error *err)
{
    if (!a->library) return app_fail(err);
    if (a->json) print(a, done, false);
    if (err->status != SIMILE_E_CANCELLED || !interrupt_wanted()) return app_fail(err);
    simile_stats stats;
    char n[32] = "0";
    if (!simile_library_get_stats(a->library, &stats, NULL)) term_count(n, stats.images);
    app_failf("stopped; %s pictures are in the catalogue, run the same command to go on", n);
    return interrupt_status();
}
