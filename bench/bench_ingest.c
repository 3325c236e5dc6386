/* SPDX-License-Identifier: Apache-2.0
 * bench_ingest.c - adding large photographs to a catalogue, from files to vectors on the disk.
 *
 *     bench_ingest [--pictures 32] [--size 4000x3000] [--threads N] [--exact] [--no-thumbnails] [--keep DIRECTORY]
 *                  [--shape vit-b-32 | --model DIRECTORY] [--dtype auto] [--runs 1] [--json]
 *
 * Pictures are drawn (photographs.h), as JPEGs of quality 90, 3 to 5 MB each, before the clock runs; with --keep they
 * stay in the directory, and those that are there already are taken as they are, so that other programs can be given
 * the same ones. Then they are added to a new catalogue with random weights of a published shape, on 1 and on 2 threads
 * unless --threads says otherwise. Loading the model and packing its weights, which happens once a process, is done
 * before and told apart ("start"). Each count of threads is a process of its own, so that its peak of memory (VmHWM,
 * of the process, weights and all) is its own. Packed weights are kept in a folder for the time of the benchmark, so
 * that only the first one packs. */
#include "base/file.h"
#include "base/mem.h"
#include "base/pool.h"
#include "measure.h"
#include "photographs.h"
#include "random_model.h"
#include "simile.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_RUNS = 51 };

typedef struct {
    const char *shape, *model, *keep;
    int pictures, threads, runs;
    int32_t width, height;
    int32_t compute;
    bool exact, no_thumbnails, json;
} options;

/* What a run in a process of its own tells. */
typedef struct {
    double start, seconds, stages[SIMILE_STAGES];
    int64_t added, bytes, peak;
    int threads;
    int32_t compute;
} result;

static const char *const stage_names[SIMILE_STAGES] = {"read", "decode", "resize", "thumbnail", "encode", "store"};

static void fail(const char *what)
{
    fprintf(stderr, "bench_ingest: %s\n", what);
    exit(1);
}

static int32_t compute_named(const char *name)
{
    const char *known;
    for (int32_t i = 0; (known = simile_compute_name(i)); i++)
        if (!strcmp(name, known)) return i;
    fail("--dtype takes auto, f32, bf16 or int8");
    return 0;
}

/* ---- the pictures ---- */

typedef struct {
    const options *o;
    const char *folder;
} drawing;

static void draw_one(void *user, size_t item, int worker)
{
    const drawing *d = user;
    const options *o = d->o;
    char *path = mem_printf("%s/%06zu.jpg", d->folder, item);
    simile_error err;
    void *bytes;
    size_t len;
    (void)worker;
    if (!path) fail("out of memory");
    if (!file_exists(path)) {
        uint8_t *rgb = mem_array((size_t)o->width * (size_t)o->height, 3);
        if (!rgb) fail("out of memory");
        if (photograph_draw((uint32_t)item + 1, o->width, o->height, rgb, &err) ||
            photograph_jpeg(rgb, o->width, o->height, PHOTOGRAPH_QUALITY, false, &bytes, &len, &err) ||
            file_replace(path, bytes, len, &err))
            fail(err.message);
        mem_free(rgb);
        mem_free(bytes);
    }
    mem_free(path);
}

/* In a process of its own: one that forks later must not have started libvips' threads. */
static void draw_all(const options *o, const char *folder)
{
    drawing d = {o, folder};
    simile_error err;
    pool *p;
    int status = 0;
    fflush(stdout);
    const pid_t child = fork();
    if (child < 0) fail("cannot start a process");
    if (!child) {
        if (pool_new(cpu_count(), &p, &err)) fail(err.message);
        pool_run(p, (size_t)o->pictures, draw_one, &d);
        _exit(0);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (status) fail("the pictures could not be drawn");
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *place)
{
    (void)facts, (void)kind, (void)place;
    return remove(path);
}

static void remove_catalog(const char *path)
{
    static const char *const endings[] = {
        "", "-wal", "-shm", "-lock", "-thumbs", "-thumbs-journal", "-thumbs-wal", "-thumbs-shm"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char *name = mem_printf("%s%s", path, endings[i]);
        if (name) unlink(name);
        mem_free(name);
    }
}

/* ---- one run, in a process of its own ---- */

/* Kilobytes after a word of /proc/self/status. */
static int64_t memory_of(const char *word)
{
    char line[256];
    long long kilobytes = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, word, strlen(word))) sscanf(line + strlen(word), "%lld", &kilobytes);
    if (f) fclose(f);
    return (int64_t)kilobytes * 1024;
}

/* The weights are packed at first use. */
static void warm_up(simile_model *model, simile_encoder *encoder)
{
    enum { SIDE = 64 };
    static uint8_t grey[SIDE * SIDE * 3];
    float *vector = mem_array((size_t)simile_model_get_info(model)->dim, sizeof *vector);
    simile_image *picture;
    const simile_image *list[1];
    simile_error err;
    if (!vector || simile_image_from_pixels(grey, SIDE, SIDE, SIDE * 3, &picture, &err)) fail("out of memory");
    list[0] = picture;
    if (simile_encode_images(encoder, list, 1, vector, &err)) fail(err.message);
    simile_image_free(picture);
    mem_free(vector);
}

static void run(const options *o, const char *model_path, const char *pictures, const char *catalog, int threads,
                result *out)
{
    const simile_encoder_options encoder_options = {.struct_size = sizeof encoder_options, .threads = threads};
    simile_add_work work = {.struct_size = sizeof work};
    const simile_add_options add = {
        .struct_size = sizeof add, .no_thumbnails = o->no_thumbnails, .exact = o->exact, .work = &work};
    const simile_model_options model_options = {.struct_size = sizeof model_options, .compute = o->compute};
    simile_model *model;
    simile_encoder *encoder;
    simile_library *library;
    simile_add_report report;
    simile_error err;
    char identity[65];
    const double begin = bench_now();
    if (simile_model_open(model_path, &model_options, &model, &err) || simile_model_digest(model, identity, &err) ||
        simile_encoder_new(model, &encoder_options, &encoder, &err) ||
        simile_library_open(catalog, model, NULL, &library, &err))
        fail(err.message);
    warm_up(model, encoder);
    const double start = bench_now();
    if (simile_library_add(library, encoder, &pictures, 1, &add, &report, &err)) fail(err.message);
    *out = (result){.start = start - begin, .seconds = bench_now() - start, .threads = threads};
    memcpy(out->stages, work.seconds, sizeof out->stages);
    out->added = report.added;
    out->bytes = report.bytes;
    out->compute = simile_model_get_info(model)->compute;
    simile_library_close(library);
    simile_encoder_free(encoder);
    simile_model_close(model);
    out->peak = memory_of("VmHWM:");
}

static void run_apart(const options *o, const char *model, const char *pictures, const char *catalog, int threads,
                      result *out)
{
    int ends[2], status = 0;
    if (pipe(ends)) fail("cannot make a pipe");
    fflush(stdout);
    const pid_t child = fork();
    if (child < 0) fail("cannot start a process");
    if (!child) {
        run(o, model, pictures, catalog, threads, out);
        _exit(write(ends[1], out, sizeof *out) == (ssize_t)sizeof *out ? 0 : 1);
    }
    close(ends[1]);
    const bool read_it = read(ends[0], out, sizeof *out) == (ssize_t)sizeof *out;
    close(ends[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    remove_catalog(catalog);
    if (status || !read_it) fail("the run failed");
}

/* ---- telling ---- */

static int by_seconds(const void *a, const void *b)
{
    const double x = ((const result *)a)->seconds, y = ((const result *)b)->seconds;
    return (x > y) - (x < y);
}

static void report(const options *o, const result *r, bool first, bool last)
{
    double all = 0;
    for (int i = 0; i < SIMILE_STAGES; i++) all += r->stages[i];
    const double rate = (double)r->added / r->seconds, busy = all / (r->seconds * r->threads);
    if (o->json) {
        printf("%s{\"dtype\":\"%s\",\"threads\":%d,\"pictures\":%lld,\"exact\":%s,\"bytes\":%lld,\"seconds\":%.3f,"
               "\"per_second\":%.2f,"
               "\"start_seconds\":%.3f,\"busy\":%.3f,\"peak_bytes\":%lld,\"stages\":{",
               first ? "[" : ",\n ", simile_compute_name(r->compute), r->threads, (long long)r->added,
               o->exact ? "true" : "false", (long long)r->bytes, r->seconds, rate, r->start, busy, (long long)r->peak);
        for (int i = 0; i < SIMILE_STAGES; i++) printf("%s\"%s\":%.3f", i ? "," : "", stage_names[i], r->stages[i]);
        printf("}}%s", last ? "]\n" : "");
        return;
    }
    printf("%s, threads %d  %lld pictures of %.1f MB  %6.2f/s  busy %3.0f %%  peak %.0f MB  (start %.2f s)\n   ",
           simile_compute_name(r->compute), r->threads, (long long)r->added, (double)r->bytes / 1e6 / (double)r->added,
           rate, 100 * busy, (double)r->peak / 1e6, r->start);
    for (int i = 0; i < SIMILE_STAGES; i++)
        printf("  %s %.1f ms (%.0f %%)", stage_names[i], 1e3 * r->stages[i] / (double)r->added,
               100 * r->stages[i] / all);
    printf("\n");
}

static void parse(int argc, char **argv, options *o)
{
    for (int i = 1; i < argc; i++) {
        const bool more = i + 1 < argc;
        if (!strcmp(argv[i], "--json")) {
            o->json = true;
        } else if (!strcmp(argv[i], "--exact")) {
            o->exact = true;
        } else if (!strcmp(argv[i], "--no-thumbnails")) {
            o->no_thumbnails = true;
        } else if (!strcmp(argv[i], "--pictures") && more) {
            o->pictures = (int)strtol(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--threads") && more) {
            o->threads = (int)strtol(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--runs") && more) {
            o->runs = (int)strtol(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--keep") && more) {
            o->keep = argv[++i];
        } else if (!strcmp(argv[i], "--shape") && more) {
            o->shape = argv[++i];
        } else if (!strcmp(argv[i], "--model") && more) {
            o->model = argv[++i];
        } else if (!strcmp(argv[i], "--dtype") && more) {
            o->compute = compute_named(argv[++i]);
        } else if (!strcmp(argv[i], "--size") && more) {
            if (sscanf(argv[++i], "%dx%d", &o->width, &o->height) != 2) fail("--size takes WIDTHxHEIGHT");
        } else {
            fprintf(stderr, "usage: bench_ingest [--pictures N] [--size WxH] [--threads N] [--runs N] [--exact] "
                            "[--no-thumbnails] [--keep DIRECTORY] [--shape NAME] [--model DIRECTORY] "
                            "[--dtype f32|bf16|int8] [--json]\n");
            exit(2);
        }
    }
    if (o->runs < 1 || o->runs > MAX_RUNS || o->pictures < 1 || o->width < 1 || o->height < 1) fail("out of range");
}

static void measure(const options *o, const char *model, const char *pictures, const char *catalog)
{
    const int first = o->threads ? o->threads : 1, last = o->threads ? o->threads : 2;
    result results[MAX_RUNS];
    for (int threads = first; threads <= last; threads++) {
        for (int i = 0; i < o->runs; i++) run_apart(o, model, pictures, catalog, threads, &results[i]);
        qsort(results, (size_t)o->runs, sizeof *results, by_seconds);
        report(o, &results[o->runs / 2], threads == first, threads == last);
    }
}

int main(int argc, char **argv)
{
    options o = {.shape = "vit-b-32", .pictures = 32, .width = 4000, .height = 3000, .runs = 1};
    parse(argc, argv, &o);
    const model_shape *shape = model_shape_named(o.shape);
    const char *tmp = getenv("TMPDIR");
    char *folder = mem_printf("%s/simile-ingest-XXXXXX", tmp ? tmp : "/tmp");
    simile_error err;
    if (!shape) fail("unknown shape");
    if (!folder || !mkdtemp(folder)) fail("cannot make a temporary folder");
    char *model = path_join(folder, "model"),
         *pictures = o.keep ? path_absolute(o.keep) : path_join(folder, "pictures");
    char *catalog = path_join(folder, "catalog"), *cache = path_join(folder, "cache");
    if (!model || !pictures || !catalog || !cache) fail("out of memory");
    setenv("XDG_CACHE_HOME", cache, 1); /* for digests and packed weights */
    if (path_make_folders(pictures, &err) || path_make_folders(model, &err)) fail(err.message);
    if (!o.model && random_model_write(shape, model, &err)) fail(err.message);
    draw_all(&o, pictures);
    measure(&o, o.model ? o.model : model, pictures, catalog);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    mem_free(model);
    mem_free(cache);
    mem_free(pictures);
    mem_free(catalog);
    mem_free(folder);
    return 0;
}
