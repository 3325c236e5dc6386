/* SPDX-License-Identifier: Apache-2.0
 * bench_all.c - every benchmark in one table and one JSON, each figure beside what the machine allows: ./run bench.
 *
 *     bench_all [--build FOLDER] [--source FOLDER] [--full] [--ten-million] [--json FILE] [--list] [AREA...]
 *
 * Runs the programs of bench/ one after the other with --json, reads what they print and puts it into rows: area, what,
 * figure, bound, share. The bound is measured in the same run, directly before the program (roofline.h) or by the
 * program itself. --full takes more shapes, batches and rounds; ten million rows want 27 GB of disk in the build
 * folder and are asked for by name. A program that is missing or that fails is named, and the rest goes on; the exit
 * status tells.
 *
 * The JSON is described in BENCHMARKS.md. */
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/pool.h"
#include "measure.h"
#include "roofline.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_ARGUMENTS = 24, OUTPUT_MAX = 1 << 24, THREAD_COUNTS = 2, MOST_AREAS = 16 };

typedef struct suite suite;
typedef struct job job;
typedef void (*rows_fn)(suite *s, const job *j, json_t *answer);

/* One program with its arguments, in one string; "@" stands for the source folder, "%" for the build's. */
struct job {
    const char *area, *program, *arguments;
    enum { QUICK = 1, FULL = 2, BOTH = 3, TEN_MILLION = 4 } when;
    rows_fn rows;
};

struct suite {
    const char *build, *source, *json_path, *areas[MOST_AREAS];
    int n_areas, failed, threads[THREAD_COUNTS];
    unsigned when;
    bool listing;
    double roofs[THREAD_COUNTS][ROOFS]; /* of the moment */
    buf rows_text, programs_text;
    json_writer rows, programs;
    const char *area; /* that was shown last */
};

static void stop(const char *message)
{
    fprintf(stderr, "bench_all: %s\n", message);
    exit(1);
}

/* ---- rows ---- */

typedef struct {
    const char *unit, *bound_is; /* bound_is NULL: there is none */
    double value, bound;
    bool rate; /* the more the better; else the less */
} figure;

static void write_row(json_writer *w, const char *area, const char *what, const figure *f, double share)
{
    jw_object(w);
    jw_key(w, "area");
    jw_string(w, area);
    jw_key(w, "what");
    jw_string(w, what);
    jw_key(w, "value");
    jw_double(w, f->value);
    jw_key(w, "unit");
    jw_string(w, f->unit);
    jw_key(w, "better");
    jw_string(w, f->rate ? "more" : "less");
    jw_key(w, "bound");
    if (f->bound_is)
        jw_double(w, f->bound);
    else
        jw_null(w);
    jw_key(w, "bound_is");
    if (f->bound_is)
        jw_string(w, f->bound_is);
    else
        jw_null(w);
    jw_key(w, "share");
    if (f->bound_is)
        jw_double(w, share);
    else
        jw_null(w);
    jw_object_end(w);
}

__attribute__((format(printf, 4, 5))) static void put_row(suite *s, const char *area, figure f, const char *format, ...)
{
    char what[160];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (!f.value) return;
    if (f.bound <= 0) f.bound_is = NULL;
    const double share = !f.bound_is ? 0 : f.rate ? f.value / f.bound : f.bound / f.value;
    if (!s->area || strcmp(s->area, area) != 0) printf("\n%s\n", area);
    s->area = area;
    printf("  %-56s %12.3f %-12s", what, f.value, f.unit);
    if (f.bound_is) printf(" %12.3f  %5.1f %%  %s", f.bound, 100 * share, f.bound_is);
    printf("\n");
    fflush(stdout);
    write_row(&s->rows, area, what, &f, share);
}

/* ---- what the programs answer ---- */

/* 0 where there is no such number. */
static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key, const char *otherwise)
{
    const char *found = json_string_value(json_object_get(object, key));
    return found ? found : otherwise;
}

static roof roof_of(const char *dtype)
{
    return !strcmp(dtype, "bf16") ? ROOF_BF16 : !strcmp(dtype, "int8") ? ROOF_INT8 : ROOF_F32;
}

/* The value that follows an option among a job's arguments. */
static void option_of(const job *j, const char *option, const char *otherwise, char *out, size_t size)
{
    const char *at = strstr(j->arguments, option);
    snprintf(out, size, "%s", otherwise);
    if (at) sscanf(at + strlen(option), " %15s", out);
}

static double roof_at(const suite *s, int threads, roof kind)
{
    for (int i = 0; i < THREAD_COUNTS; i++)
        if (s->threads[i] == threads) return s->roofs[i][kind];
    return 0;
}

static const char *plural(int threads)
{
    return threads == 1 ? "" : "s";
}

/* Products and attention of a transformer over sequences of `tokens`: floating point operations of one. */
static double transformer_flop(double tokens, double width, double layers)
{
    return layers * (2 * tokens * 12 * width * width + 4 * tokens * tokens * width);
}

/* Of one picture (tokens 0) or of one text; 0 where it is not known here. */
static double flop_of(const char *shape, int tokens)
{
    static const struct {
        const char *name;
        double width, layers, grid, patch, dim, text_width;
    } shapes[] = {{"vit-b-32", 768, 12, 7, 32, 512, 512},
                  {"vit-b-16", 768, 12, 14, 16, 512, 512},
                  {"vit-l-14", 1024, 24, 16, 14, 768, 768},
                  {"rn50", 0, 0, 0, 0, 1024, 512}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (strcmp(shapes[i].name, shape) != 0) continue;
        const double w = shapes[i].width, cells = shapes[i].grid * shapes[i].grid;
        if (tokens)
            return transformer_flop(tokens, shapes[i].text_width, 12) + 2 * shapes[i].text_width * shapes[i].dim;
        if (!w) return 0;
        return transformer_flop(cells + 1, w, shapes[i].layers) + 2 * w * shapes[i].dim +
               2 * cells * w * 3 * shapes[i].patch * shapes[i].patch;
    }
    return 0;
}

static void machine_rows(suite *s)
{
    static const char *const names[ROOFS] = {"f32 multiply-adds", "bf16 dot products", "int8 dot products",
                                             "memory, read"};
    for (int i = 0; i < THREAD_COUNTS; i++) {
        if (i && s->threads[i] == s->threads[i - 1]) break;
        for (int kind = 0; kind < ROOFS; kind++)
            put_row(s, "machine",
                    (figure){.unit = kind == ROOF_MEMORY ? "GB/s" : "Gop/s",
                             .value = s->roofs[i][kind] * 1e-9,
                             .rate = true},
                    "%s, %d thread%s", names[kind], s->threads[i], plural(s->threads[i]));
    }
}

/* The bound of a time that is known as a share. */
static double bound_by(double value, double share)
{
    return share > 0 ? value * share : 0;
}

static void tower_row(suite *s, const job *j, const json_t *run, const char *dtype, double batch)
{
    const int threads = (int)number(run, "threads");
    figure f = {.unit = "ms", .value = number(run, "tower_ms")};
    f.bound = bound_by(f.value, number(run, "tower_of_peak"));
    f.bound_is = "its products at peak";
    if (f.bound <= 0) {
        f.bound = number(run, "bound_ms");
        f.bound_is = "the product library's products";
    }
    put_row(s, j->area, f, "ViT-B/32's operations, batch %.0f, %s, %d thread%s", batch, dtype, threads,
            plural(threads));
}

static void nn_rows(suite *s, const job *j, json_t *answer)
{
    size_t i;
    json_t *run;
    json_array_foreach(json_object_get(answer, "runs"), i, run)
    {
        const int threads = (int)number(run, "threads");
        tower_row(s, j, run, text(run, "dtype", "f32"), number(answer, "batch"));
        const char *tokens;
        json_t *rate;
        json_object_foreach(json_object_get(run, "attention_gflops"), tokens, rate)
            put_row(s, j->area,
                    (figure){.unit = "GFLOP/s",
                             .value = json_number_value(rate),
                             .rate = true,
                             .bound = number(run, "peak_gflops"),
                             .bound_is = "f32 multiply-adds"},
                    "attention over %s tokens, %d thread%s", tokens, threads, plural(threads));
    }
    json_array_foreach(json_object_get(answer, "products"), i, run)
    {
        const int threads = (int)number(run, "threads");
        put_row(s, j->area,
                (figure){.unit = "ms",
                         .value = number(run, "ms"),
                         .bound = bound_by(number(run, "ms"), number(run, "of_peak")),
                         .bound_is = "at peak"},
                "products of %s, %s, %d thread%s", text(run, "row", "?"), text(run, "dtype", "f32"), threads,
                plural(threads));
    }
}

/* One text after the other, and of single ones the first after other work, too. */
static void put_text_rows(suite *s, const job *j, const json_t *row, figure f, const char *shape, const char *dtype)
{
    const int tokens = (int)number(row, "tokens"), threads = (int)number(row, "threads");
    const double batch = number(row, "batch");
    put_row(s, j->area, f, "%s text, %d tokens, batch %.0f, %s, %d thread%s", shape, tokens, batch, dtype, threads,
            plural(threads));
    if (batch > 1) return;
    f.value = 1e3 * number(row, "first_seconds");
    put_row(s, j->area, f, "%s text, %d tokens, the first after other work, %s, %d thread%s", shape, tokens, dtype,
            threads, plural(threads));
}

static void encode_rows(suite *s, const job *j, json_t *answer)
{
    size_t i;
    const json_t *row;
    char shape[16], asked[16], dtype[16];
    option_of(j, "--shape", "vit-b-32", shape, sizeof shape);
    option_of(j, "--dtype", "f32", asked, sizeof asked);
    json_array_foreach(answer, i, row)
    {
        const int threads = (int)number(row, "threads"), tokens = (int)number(row, "tokens");
        snprintf(dtype, sizeof dtype, "%s", text(row, "dtype", asked));
        const double batch = number(row, "batch"), peak = roof_at(s, threads, roof_of(dtype));
        const double flop = flop_of(shape, tokens) * batch;
        figure f = {.unit = "ms", .value = 1e3 * number(row, "seconds"), .bound_is = "its products at peak"};
        f.bound = bound_by(f.value, number(row, "of_peak"));
        if (f.bound <= 0 && flop > 0 && peak > 0) {
            f.bound = 1e3 * flop / peak;
        } else if (f.bound <= 0) {
            f.bound = 1e3 * number(row, "bound_seconds");
            f.bound_is = "the product library's products";
        }
        if (tokens)
            put_text_rows(s, j, row, f, shape, dtype);
        else
            put_row(s, j->area, f, "%s image, batch %.0f, %s, %d thread%s", shape, batch, dtype, threads,
                    plural(threads));
    }
}

static void text_rows(suite *s, const job *j, json_t *answer)
{
    put_row(s, j->area,
            (figure){.unit = "MB/s",
                     .value = number(answer, "mb_per_s"),
                     .rate = true,
                     .bound = number(answer, "read_mb_per_s"),
                     .bound_is = "memory, read by one core"},
            "%s, %.0f texts/s", text(answer, "kind", "?"), number(answer, "lines_per_s"));
    put_row(s, j->area, (figure){.unit = "ms", .value = number(answer, "open_ms")}, "%s, opened",
            text(answer, "kind", "?"));
}

static void image_rows(suite *s, const job *j, json_t *answer)
{
    size_t i;
    const json_t *row;
    const double read = roof_at(s, s->threads[0], ROOF_MEMORY);
    json_array_foreach(answer, i, row)
    {
        const double bytes = number(row, "width") * number(row, "height") * 3;
        put_row(s, j->area,
                (figure){.unit = "ms",
                         .value = number(row, "ms"),
                         .bound = read > 0 ? 1e3 * bytes / read : 0,
                         .bound_is = "reading its pixels once"},
                "%s %s, %.0f x %.0f", text(row, "what", "?"), text(row, "subject", ""), number(row, "width"),
                number(row, "height"));
    }
}

static void search_rows(suite *s, const job *j, json_t *answer)
{
    size_t i;
    const json_t *row;
    json_array_foreach(answer, i, row)
    {
        const int threads = (int)number(row, "threads");
        const double rows = number(row, "rows"), gb = rows * number(row, "dim") * 4e-9;
        double read = number(row, "read_gb_per_s");
        const double codes_gb = number(row, "codes_gb_per_s") * number(row, "codes_ms") * 1e-3;
        if (number(row, "gb_per_s") > read) read = number(row, "gb_per_s");
        if (1e-9 * roof_at(s, threads, ROOF_MEMORY) > read) read = 1e-9 * roof_at(s, threads, ROOF_MEMORY);
        const char *data = text(row, "data", "");
        put_row(
            s, j->area,
            (figure){
                .unit = "ms", .value = number(row, "ms"), .bound = 1e3 * gb / read, .bound_is = "reading the floats"},
            "floats, %.0f rows, %s, %d thread%s", rows, data, threads, plural(threads));
        put_row(s, j->area,
                (figure){.unit = "ms",
                         .value = number(row, "codes_ms"),
                         .bound = 1e3 * codes_gb / read,
                         .bound_is = "reading the codes it looks at"},
                "codes, exact, %.0f rows, %s, %d thread%s", rows, data, threads, plural(threads));
        put_row(s, j->area,
                (figure){.unit = "GB/s",
                         .value = number(row, "scan_gb_per_s"),
                         .rate = true,
                         .bound = read,
                         .bound_is = "reading memory"},
                "codes, the pass over %s, %.0f rows, %s, %d thread%s", number(row, "head") > 0 ? "heads" : "signs",
                rows, data, threads, plural(threads));
    }
}

static void ingest_rows(suite *s, const job *j, json_t *answer)
{
    size_t i;
    json_t *row;
    json_array_foreach(answer, i, row)
    {
        const int threads = (int)number(row, "threads");
        const double rate = number(row, "per_second"), busy = number(row, "busy");
        put_row(s, j->area,
                (figure){.unit = "pictures/s",
                         .value = rate,
                         .rate = true,
                         .bound = busy > 0 ? rate / busy : 0,
                         .bound_is = "no processor ever waiting"},
                "%.0f photographs of 12 megapixels, %d thread%s", number(row, "pictures"), threads, plural(threads));
        const char *stage;
        json_t *seconds;
        json_object_foreach(json_object_get(row, "stages"), stage, seconds) put_row(
            s, j->area, (figure){.unit = "ms", .value = 1e3 * json_number_value(seconds) / number(row, "pictures")},
            "a picture's time in %s, %d thread%s", stage, threads, plural(threads));
        put_row(s, j->area, (figure){.unit = "MB", .value = number(row, "peak_bytes") * 1e-6},
                "peak memory, %d thread%s", threads, plural(threads));
    }
}

static void cold_rows(suite *s, const job *j, json_t *answer)
{
    const char *key;
    const json_t *step;
    const int threads = (int)number(answer, "threads");
    put_row(s, j->area,
            (figure){.unit = "ms",
                     .value = number(answer, "milliseconds"),
                     .bound = number(answer, "bound"),
                     .bound_is = "what is asked for"},
            "search, a fresh process, %.0f pictures, %s, %d thread%s", number(answer, "items"),
            text(answer, "dtype", "auto"), threads, plural(threads));
    json_object_foreach(json_object_get(answer, "steps"), key, step)
        put_row(s, j->area, (figure){.unit = "ms", .value = json_number_value(step)}, "of this: %s", key);
    put_row(s, j->area, (figure){.unit = "MB", .value = number(answer, "peak_bytes") * 1e-6}, "peak memory, %s",
            text(answer, "dtype", "auto"));
}

/* ---- the programs ---- */

static const job jobs[] = {
    {"operations", "bench_nn", "--rounds 5 b32", BOTH, nn_rows},
    {"operations", "bench_nn", "--products --rounds 7", FULL, nn_rows},
    {"encoders", "bench_encode", "--shape vit-b-32 --batch 1 --runs 5", BOTH, encode_rows},
    {"encoders", "bench_encode", "--shape vit-b-32 --batch 8 --runs 5", BOTH, encode_rows},
    {"encoders", "bench_encode", "--shape vit-b-32 --batch 1 --runs 5 --dtype bf16", BOTH, encode_rows},
    {"encoders", "bench_encode", "--shape vit-b-32 --batch 8 --runs 5 --dtype bf16", BOTH, encode_rows},
    {"encoders", "bench_encode", "--shape vit-b-32 --batch 1 --runs 5 --dtype int8", BOTH, encode_rows},
    {"encoders", "bench_encode", "--shape vit-b-32 --batch 8 --runs 5 --dtype int8", BOTH, encode_rows},
    {"encoders", "bench_encode", "--shape vit-b-32 --batch 32 --runs 5", FULL, encode_rows},
    {"encoders", "bench_encode", "--shape vit-b-32 --batch 32 --runs 5 --dtype bf16", FULL, encode_rows},
    {"encoders", "bench_encode", "--shape vit-b-32 --batch 32 --runs 5 --dtype int8", FULL, encode_rows},
    {"encoders", "bench_encode", "--shape rn50 --batch 8 --runs 3", BOTH, encode_rows},
    {"encoders", "bench_encode", "--shape rn50 --batch 8 --runs 5 --dtype bf16", FULL, encode_rows},
    {"encoders", "bench_encode", "--shape rn50 --batch 8 --runs 5 --dtype int8", FULL, encode_rows},
    {"encoders", "bench_encode", "--shape vit-b-16 --batch 8 --runs 5", FULL, encode_rows},
    {"encoders", "bench_encode", "--shape vit-b-16 --batch 8 --runs 5 --dtype bf16", FULL, encode_rows},
    {"encoders", "bench_encode", "--shape vit-b-16 --batch 8 --runs 5 --dtype int8", FULL, encode_rows},
    {"encoders", "bench_encode", "--shape vit-l-14 --batch 8 --runs 3", FULL, encode_rows},
    {"encoders", "bench_encode", "--shape vit-l-14 --batch 8 --runs 3 --dtype bf16", FULL, encode_rows},
    {"encoders", "bench_encode", "--shape vit-l-14 --batch 8 --runs 3 --dtype int8", FULL, encode_rows},
    {"tokenizers", "bench_text", "@/models/simile-scenes", BOTH, text_rows},
    {"tokenizers", "bench_text", "@/tests/fixtures/models/sentence-distil", BOTH, text_rows},
    {"tokenizers", "bench_text", "@/models/simile-languages", BOTH, text_rows},
    {"tokenizers", "bench_text", "@/tests/fixtures/text/gemma", BOTH, text_rows},
    {"pictures", "bench_image", "", BOTH, image_rows},
    {"indexing", "bench_ingest", "--pictures 24", QUICK, ingest_rows},
    {"indexing", "bench_ingest", "--pictures 100 --runs 3", FULL, ingest_rows},
    {"search", "bench_search", "--rounds 9 --threads 1 --data clustered --data gap 100000", BOTH, search_rows},
    {"search", "bench_search", "--rounds 9 --data clustered --data gap 100000 1000000", QUICK, search_rows},
    {"search", "bench_search", "--rounds 15 --threads 1 1000000", FULL, search_rows},
    {"search", "bench_search", "--rounds 15 100000 1000000", FULL, search_rows},
    {"search", "bench_search", "--rounds 9 --data gap --file %/ten-million 10000000", TEN_MILLION, search_rows},
    {"cold start", "bench_cold", "--rounds 7", BOTH, cold_rows},
    {"cold start", "bench_cold", "--rounds 7 --dtype f32", FULL, cold_rows},
    {"cold start", "bench_cold", "--rounds 7 --dtype int8", FULL, cold_rows},
};

/* The program's path and its arguments, --json behind them; all of them are cut out of *line. */
static void arguments_of(const suite *s, const job *j, buf *line, char *argv[MOST_ARGUMENTS])
{
    int n = 0;
    buf_printf(line, "%s/bench/%s", s->build, j->program);
    buf_byte(line, '\n');
    for (const char *c = j->arguments; *c; c++) {
        if (*c == '@')
            buf_text(line, s->source);
        else if (*c == '%')
            buf_text(line, s->build);
        else
            buf_byte(line, *c == ' ' ? '\n' : *c);
    }
    buf_text(line, "\n--json");
    if (!buf_ok(line)) stop("out of memory");
    for (char *rest = line->data, *word; n + 1 < MOST_ARGUMENTS && (word = strtok_r(rest, "\n", &rest));)
        argv[n++] = word;
    argv[n] = NULL;
}

typedef struct {
    int status; /* of waitpid() */
    double seconds, peak_mb;
} ending;

/* What a program prints, and how it ended; its errors go where ours go. */
static ending run_program(char *const argv[], buf *output)
{
    int ends[2];
    struct rusage usage;
    ending e = {.status = -1};
    const double start = bench_now();
    if (pipe(ends)) stop("cannot make a pipe");
    const pid_t child = fork();
    if (child < 0) stop("cannot make a process");
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(argv[0], argv);
        _exit(127);
    }
    close(ends[1]);
    char piece[1 << 14];
    for (ssize_t n; (n = read(ends[0], piece, sizeof piece)) > 0;) buf_append(output, piece, (size_t)n);
    close(ends[0]);
    if (wait4(child, &e.status, 0, &usage) != child) e.status = -1;
    e.seconds = bench_now() - start;
    e.peak_mb = (double)usage.ru_maxrss * 1024e-6;
    return e;
}

static void write_program(suite *s, const job *j, const ending *e, const char *output, size_t len, bool good)
{
    json_writer *w = &s->programs;
    jw_object(w);
    jw_key(w, "program");
    jw_string(w, j->program);
    jw_key(w, "arguments");
    jw_string(w, j->arguments);
    jw_key(w, "seconds");
    jw_double(w, e->seconds);
    jw_key(w, "peak_mb");
    jw_double(w, e->peak_mb);
    jw_key(w, "failed");
    jw_bool(w, !good);
    jw_key(w, "printed");
    jw_string_n(w, output, good ? len : 0);
    jw_object_end(w);
}

static void measure_roofs(suite *s)
{
    simile_error err;
    for (int i = 0; i < THREAD_COUNTS; i++) {
        pool *p;
        if (pool_new(s->threads[i], &p, &err)) stop(err.message);
        for (int kind = 0; kind < ROOFS; kind++) s->roofs[i][kind] = roofline((roof)kind, p);
        pool_free(p);
    }
}

static void run_job(suite *s, const job *j)
{
    char *argv[MOST_ARGUMENTS];
    buf line, output;
    json_error_t wrong;
    buf_init(&line, 1 << 16);
    buf_init(&output, OUTPUT_MAX);
    arguments_of(s, j, &line, argv);
    if (access(argv[0], X_OK) != 0) {
        printf("\n%s: there is no program %s\n", j->area, j->program);
    } else {
        measure_roofs(s);
        const ending e = run_program(argv, &output);
        json_t *answer = e.status == 0 && buf_ok(&output) ? json_loadb(output.data, output.len, 0, &wrong) : NULL;
        if (answer)
            j->rows(s, j, answer);
        else
            printf("\n%s: %s %s failed\n", j->area, j->program, j->arguments);
        s->failed += !answer;
        write_program(s, j, &e, output.data, output.len, answer);
        json_decref(answer);
    }
    fflush(stdout);
    buf_release(&line);
    buf_release(&output);
}

/* ---- the whole ---- */

static bool wanted(const suite *s, const job *j)
{
    if (!(j->when & s->when)) return false;
    for (int i = 0; i < s->n_areas; i++)
        if (strstr(j->area, s->areas[i]) || strstr(j->program, s->areas[i])) return true;
    return s->n_areas == 0;
}

static void write_processor(json_writer *w)
{
    char line[512], *value = NULL;
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && !value && fgets(line, sizeof line, f))
        if (!strncmp(line, "model name", 10)) value = strchr(line, ':');
    if (value) value[strcspn(value, "\n")] = 0;
    jw_key(w, "processor");
    if (value && value[1])
        jw_string(w, value + 2);
    else
        jw_null(w);
    if (f) fclose(f);
}

static void write_all(suite *s, double seconds)
{
    buf all;
    json_writer w;
    FILE *f = fopen(s->json_path, "w");
    buf_init(&all, 2 * (size_t)OUTPUT_MAX);
    jw_init(&w, &all);
    jw_object(&w);
    jw_key(&w, "version");
    jw_string(&w, BENCH_VERSION);
    write_processor(&w);
    jw_key(&w, "processors");
    jw_int(&w, cpu_count());
    jw_key(&w, "seconds");
    jw_double(&w, seconds);
    jw_object_end(&w);
    jw_array_end(&s->rows);
    jw_array_end(&s->programs);
    if (!buf_ok(&all) || !buf_ok(&s->rows_text) || !buf_ok(&s->programs_text)) stop("out of memory");
    /* The two lists are written already; they go in front of the last brace. */
    if (!f ||
        fprintf(f, "%.*s,\"rows\":%s,\"programs\":%s}\n", (int)all.len - 1, all.data, s->rows_text.data,
                s->programs_text.data) < 0 ||
        fclose(f))
        stop("cannot write the JSON");
    buf_release(&all);
}

static bool parse(int argc, char **argv, suite *s)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--full"))
            s->when = (s->when & ~(unsigned)QUICK) | FULL;
        else if (!strcmp(argv[i], "--ten-million"))
            s->when |= TEN_MILLION;
        else if (!strcmp(argv[i], "--list"))
            s->listing = true;
        else if (!strcmp(argv[i], "--build") && value)
            s->build = argv[++i];
        else if (!strcmp(argv[i], "--source") && value)
            s->source = argv[++i];
        else if (!strcmp(argv[i], "--json") && value)
            s->json_path = argv[++i];
        else if (*argv[i] != '-' && s->n_areas < MOST_AREAS)
            s->areas[s->n_areas++] = argv[i];
        else
            return false;
    }
    return true;
}

static void begin(suite *s)
{
    buf_init(&s->rows_text, OUTPUT_MAX);
    buf_init(&s->programs_text, OUTPUT_MAX);
    jw_init(&s->rows, &s->rows_text);
    jw_init(&s->programs, &s->programs_text);
    jw_array(&s->rows);
    jw_array(&s->programs);
    s->threads[0] = 1;
    s->threads[1] = cpu_count() < 2 ? 1 : 2;
    printf("%-58s %12s %-12s %12s  %7s\n", "", "figure", "", "bound", "share");
    measure_roofs(s);
    if (s->n_areas == 0) machine_rows(s);
}

int main(int argc, char **argv)
{
    suite s = {.build = "build", .source = ".", .json_path = NULL, .when = QUICK};
    const double start = bench_now();
    if (!parse(argc, argv, &s)) {
        fprintf(stderr, "usage: bench_all [--build FOLDER] [--source FOLDER] [--full] [--ten-million] [--json FILE] "
                        "[--list] [AREA...]\n");
        return 2;
    }
    if (!s.listing) begin(&s);
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        if (!wanted(&s, &jobs[i])) continue;
        if (s.listing)
            printf("%s: %s %s\n", jobs[i].area, jobs[i].program, jobs[i].arguments);
        else
            run_job(&s, &jobs[i]);
    }
    if (s.listing) return 0;
    printf("\n%.0f seconds\n", bench_now() - start);
    if (s.json_path) write_all(&s, bench_now() - start);
    buf_release(&s.rows_text);
    buf_release(&s.programs_text);
    return s.failed > 0;
}
