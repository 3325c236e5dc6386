/* SPDX-License-Identifier: Apache-2.0
 * bench_cold.c - `simile search "text"` as a fresh process, from its making to its end.
 *
 *     bench_cold [--json] [--rounds N] [--items N] [--dtype D] [--threads N] [--uncached] [--keep FOLDER]
 *
 * A model with the shape of ViT-B/32, random weights and 49,408 tokens, and a catalogue of random unit vectors are made
 * in a folder of their own, which also holds the caches that simile makes; with --keep the folder stays, and is used
 * again by the next call. Two calls go before the ones that are measured, so that the caches are there. Then each round
 * runs `simile search` as a whole, and a program that does the same calls of the library and reads the clock between
 * them (cold_steps.c). Peak memory is what the system counted for the process, pages of mapped files included.
 *
 * --uncached asks the system, before each run, to forget the pages of the model, the catalogue, the caches and the
 * program with its library: what is left is what other processes have mapped. --dtype is handed on in $SIMILE_DTYPE. */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "measure.h"
#include "model/model.h"
#include "random_model.h"
#include "store/catalog.h"

#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_ROUNDS = 200, STEPS = 7, DIM = 512, BATCH = 10000 };
static const char shape_name[] = "vit-b-32", query_text[] = "two dogs are playing in the deep snow";
static const char *const cold_step_names[STEPS] = {"start",  "open_model", "open_catalogue", "new_encoder",
                                                   "encode", "search",     "close"};

typedef struct {
    bool json, uncached;
    int rounds, items, threads;
    const char *dtype, *keep;
    char *folder, *model, *catalogue, *simile, *steps, *library;
} settings;

static void fail(const simile_error *err)
{
    fprintf(stderr, "bench_cold: %s\n", err->message);
    exit(1);
}

static char *joined(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    if (!path) abort();
    return path;
}

/* ---- what is searched ---- */

static void draw_unit(float x[DIM], uint64_t seed)
{
    double sum = 0;
    for (size_t i = 0; i < DIM; i++) {
        seed += UINT64_C(0x9E3779B97F4A7C15);
        uint64_t bits = (seed ^ seed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        bits = (bits ^ bits >> 27) * UINT64_C(0x94D049BB133111EB);
        bits ^= bits >> 31;
        x[i] = (float)(int32_t)(bits & 0xffff) + (float)(int32_t)(bits >> 16 & 0xffff) - 65535.0f;
        sum += (double)x[i] * (double)x[i];
    }
    for (size_t i = 0; i < DIM; i++) x[i] *= (float)(1 / sqrt(sum));
}

static simile_status put_items(catalog *c, int first, int end, simile_error *err)
{
    float vector[DIM];
    char path[96];
    RETURN_IF_ERROR(catalog_begin(c, err));
    for (int i = first; i < end; i++) {
        snprintf(path, sizeof path, "/home/somebody/pictures/%04d/holiday/IMG_%06d.jpg", i / 1000, i);
        catalog_item item = {.kind = SIMILE_KIND_IMAGE,
                             .status = SIMILE_ITEM_OK,
                             .path = path,
                             .has_hash = true,
                             .size = 4000000 + i,
                             .mtime_ns = INT64_C(1600000000000000000) + i,
                             .taken = CATALOG_NO_DATE,
                             .width = 4000,
                             .height = 3000};
        memcpy(item.hash, &i, sizeof i);
        draw_unit(vector, (uint64_t)i * DIM);
        RETURN_IF_ERROR(catalog_put(c, &item, vector, DIM, false, err));
    }
    return catalog_commit(c, err);
}

static simile_status make_catalogue(const settings *s, simile_error *err)
{
    catalog *c;
    model *m;
    catalog_model whose = {.name = "vit-b-32", .dim = DIM};
    RETURN_IF_ERROR(model_open(s->model, NULL, &m, err));
    simile_status status = model_digest(m, whose.digest, err);
    model_close(m);
    if (status) return status;
    RETURN_IF_ERROR(catalog_open(s->catalogue, false, &c, err));
    status = catalog_begin(c, err);
    if (!status) status = catalog_claim_model(c, &whose, err);
    if (!status) status = catalog_commit(c, err);
    for (int at = 0; at < s->items && !status; at += BATCH)
        status = put_items(c, at, at + BATCH < s->items ? at + BATCH : s->items, err);
    catalog_close(c);
    return status;
}

/* ---- running ---- */

typedef struct {
    double seconds;
    long peak; /* KiB */
} run_facts;

/* out: what it prints, or NULL. */
static run_facts run_program(char *const *arguments, char *out, size_t room)
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    int ends[2], status;
    pid_t pid;
    struct rusage used;
    if (pipe2(ends, O_CLOEXEC)) abort();
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    const double start = bench_now();
    if (posix_spawn(&pid, arguments[0], &actions, NULL, arguments, environ)) {
        fprintf(stderr, "bench_cold: cannot run '%s'\n", arguments[0]);
        exit(1);
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t n; len + 1 < room && (n = read(ends[0], out + len, room - len - 1)) > 0;) len += (size_t)n;
    out[len] = 0;
    if (wait4(pid, &status, 0, &used) != pid || status) {
        fprintf(stderr, "bench_cold: '%s' failed\n", arguments[0]);
        exit(1);
    }
    const run_facts facts = {bench_now() - start, used.ru_maxrss};
    close(ends[0]);
    posix_spawn_file_actions_destroy(&actions);
    return facts;
}

/* What is added writes the file that searches map; of an empty folder, that is all that happens. */
static void add_nothing(const settings *s)
{
    char *empty = joined(s->folder, "empty"), out[4096];
    simile_error err;
    if (path_make_folders(empty, &err)) fail(&err);
    char *const arguments[] = {s->simile, "--catalog", s->catalogue, "--model", s->model, "add", empty, NULL};
    run_program(arguments, out, sizeof out);
    mem_free(empty);
}

static void make_all(const settings *s)
{
    simile_error err;
    simile_status status = path_make_folders(s->model, &err);
    char *path = joined(s->model, "model.safetensors");
    if (!status && !file_exists(path)) status = random_model_write(model_shape_named(shape_name), s->model, &err);
    mem_free(path);
    if (!status && !file_exists(s->catalogue)) status = make_catalogue(s, &err);
    if (status) fail(&err);
    add_nothing(s);
}

/* In a process of its own: the peak of memory of a new process begins with that of the one that makes it. */
static void prepare(settings *s)
{
    int status;
    char *cache = joined(s->folder, "cache");
    s->model = joined(s->folder, shape_name);
    s->catalogue = mem_printf("%s/%d.simile", s->folder, s->items);
    if (!s->catalogue) abort();
    setenv("XDG_CACHE_HOME", cache, 1);
    if (s->dtype) setenv("SIMILE_DTYPE", s->dtype, 1);
    mem_free(cache);
    const pid_t maker = fork();
    if (maker == 0) {
        make_all(s);
        _exit(0);
    }
    if (maker < 0 || waitpid(maker, &status, 0) != maker || status) exit(1);
}

static int remove_file(void *user, const char *path, const file_facts *facts)
{
    return unlink(path) != 0;
}

static void remove_folder(const settings *s)
{
    file_walk(s->folder, remove_file, NULL, NULL, NULL);
    const char *const folders[] = {"cache/simile/digests",
                                   "cache/simile/packed",
                                   "cache/simile/search",
                                   "cache/simile",
                                   "cache",
                                   "empty",
                                   shape_name};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char *path = joined(s->folder, folders[i]);
        rmdir(path);
        mem_free(path);
    }
    rmdir(s->folder);
}

/* ---- forgetting ---- */

static int forget(void *user, const char *path, const file_facts *facts)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    fdatasync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
    return 0;
}

static void forget_all(const settings *s)
{
    file_walk(s->folder, forget, NULL, NULL, NULL);
    forget(NULL, s->simile, NULL);
    forget(NULL, s->steps, NULL);
    forget(NULL, s->library, NULL);
}

/* ---- measured runs ---- */

static run_facts run_search(const settings *s)
{
    char threads[16], out[8192];
    snprintf(threads, sizeof threads, "%d", s->threads);
    char *const arguments[] = {s->simile, "--catalog", s->catalogue,
                               "--model", s->model,    "--threads",
                               threads,   "search",    (char *)(uintptr_t)query_text,
                               NULL};
    if (s->uncached) forget_all(s);
    return run_program(arguments, out, sizeof out);
}

static void run_steps(const settings *s, double milliseconds[STEPS], long peak[STEPS])
{
    char threads[16], started[64], out[1024];
    if (s->uncached) forget_all(s);
    snprintf(threads, sizeof threads, "%d", s->threads);
    snprintf(started, sizeof started, "%.9f", bench_now());
    char *const arguments[] = {s->steps, s->catalogue, s->model, (char *)(uintptr_t)query_text, threads, started, NULL};
    run_program(arguments, out, sizeof out);
    char *at = out;
    for (int i = 0; i < STEPS; i++) {
        milliseconds[i] = strtod(at, &at);
        peak[i] = strtol(at, &at, 10);
    }
}

/* ---- telling ---- */

typedef struct {
    double whole[MOST_ROUNDS], steps[STEPS][MOST_ROUNDS];
    long peak, step_peak[STEPS];
} figures;

static void measure(const settings *s, figures *f)
{
    double steps[STEPS];
    for (int i = 0; i < 2; i++) run_search(s);
    for (int i = 0; i < s->rounds; i++) {
        const run_facts facts = run_search(s);
        f->whole[i] = 1e3 * facts.seconds;
        f->peak = facts.peak;
        run_steps(s, steps, f->step_peak);
        for (int k = 0; k < STEPS; k++) f->steps[k][i] = steps[k];
    }
}

static void report_json(const settings *s, figures *f)
{
    printf(
        "{\"bench\": \"cold\", \"items\": %d, \"dtype\": \"%s\", \"threads\": %d, \"uncached\": %s, \"rounds\": %d, ",
        s->items, s->dtype ? s->dtype : "auto", s->threads, s->uncached ? "true" : "false", s->rounds);
    printf("\"milliseconds\": %.2f, \"bound\": 150, \"peak_bytes\": %ld, \"steps\": {",
           bench_median(f->whole, s->rounds), f->peak * 1024);
    for (int i = 0; i < STEPS; i++)
        printf("%s\"%s\": %.2f", i ? ", " : "", cold_step_names[i], bench_median(f->steps[i], s->rounds));
    printf("}}\n");
}

static void report(const settings *s, figures *f)
{
    const double whole = bench_median(f->whole, s->rounds); /* sorted by it */
    printf("simile search, %d pictures, ViT-B/32, dtype %s, %d threads, %s page cache\n", s->items,
           s->dtype ? s->dtype : "auto", s->threads, s->uncached ? "cold" : "warm");
    printf("%-16s %8.1f ms (fastest %.1f, slowest %.1f; bound: 150), peak memory %.0f MB\n", "whole process", whole,
           f->whole[0], f->whole[s->rounds - 1], (double)f->peak * 1024 / 1e6);
    for (int i = 0; i < STEPS; i++)
        printf("  %-14s %8.1f ms, peak so far %.0f MB\n", cold_step_names[i], bench_median(f->steps[i], s->rounds),
               (double)f->step_peak[i] * 1024 / 1e6);
}

static bool parse(settings *s, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *const name = argv[i], *const value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(name, "--json") || !strcmp(name, "--uncached")) {
            *(name[2] == 'j' ? &s->json : &s->uncached) = true;
            continue;
        }
        if (!value) return false;
        i++;
        if (!strcmp(name, "--rounds"))
            s->rounds = atoi(value);
        else if (!strcmp(name, "--items"))
            s->items = atoi(value);
        else if (!strcmp(name, "--threads"))
            s->threads = atoi(value);
        else if (!strcmp(name, "--dtype"))
            s->dtype = value;
        else if (!strcmp(name, "--keep"))
            s->keep = value;
        else
            return false;
    }
    return s->rounds > 0 && s->rounds <= MOST_ROUNDS && s->items > 0 && s->threads > 0;
}

/* The programs lie in the folder of the build, this one in bench/ of it. */
static void find_programs(settings *s)
{
    char self[4096];
    const ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0) abort();
    self[len] = 0;
    char *bench = path_folder(self), *build = bench ? path_folder(bench) : NULL;
    if (!build) abort();
    s->simile = joined(build, "simile");
    s->steps = joined(bench, "cold_steps");
    s->library = joined(build, "src/engine/libsimile.so.0");
    mem_free(bench);
    mem_free(build);
}

int main(int argc, char **argv)
{
    static figures f;
    settings s = {.rounds = 11, .items = 100000, .threads = (int)sysconf(_SC_NPROCESSORS_ONLN), .dtype = "int8"};
    simile_error err;
    if (!parse(&s, argc, argv)) {
        fprintf(stderr, "usage: bench_cold [--json] [--rounds N] [--items N] [--dtype D] [--threads N] [--uncached] "
                        "[--keep FOLDER]\n");
        return 2;
    }
    const char *tmp = getenv("TMPDIR");
    s.folder = s.keep ? path_absolute(s.keep) : mem_printf("%s/simile-cold-XXXXXX", tmp ? tmp : "/tmp");
    if (!s.folder) abort();
    if (s.keep && path_make_folders(s.folder, &err)) fail(&err);
    if (!s.keep && !mkdtemp(s.folder)) {
        fprintf(stderr, "bench_cold: cannot make a temporary folder\n");
        return 1;
    }
    find_programs(&s);
    prepare(&s);
    measure(&s, &f);
    s.json ? report_json(&s, &f) : report(&s, &f);
    if (!s.keep) remove_folder(&s);
    char *const owned[] = {s.folder, s.model, s.catalogue, s.simile, s.steps, s.library};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) mem_free(owned[i]);
    return 0;
}
