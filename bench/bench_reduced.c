/* SPDX-License-Identifier: Apache-2.0
 * bench_reduced.c - what decoding JPEGs at a part of their size does to vectors: cosine to those of the whole pictures.
 *
 *     bench_reduced [--model DIRECTORY] [--drawn N] [--size 4000x3000] [--as-is] [--threads N] [--json] [FILE...]
 *
 * Each FILE is enlarged to --size with fine detail and grain (photographs.h), for want of a large original, and written
 * as a JPEG of quality 90; with --as-is, which is for large originals, files are taken as they are. --drawn N adds N
 * drawn ones. Each is decoded whole and at 1/2, 1/4 and 1/8 of its size, prepared for the network and encoded. A row of
 * the table is one scale; "x net" is the shorter side then, by what the network sees of it, the smallest of all
 * pictures. The last row is of the rule of image_enough(). Without a model it is ViT-B/32's shape with random weights.
 */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/pool.h"
#include "measure.h"
#include "model/model.h"
#include "photographs.h"
#include "random_model.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { SHRINKS = 4, RULE = SHRINKS, WAYS, MAX_FILES = 4096 }; /* whole, 1/2, 1/4, 1/8, and as the rule has it */

typedef struct {
    const char *model;
    int drawn, threads;
    int32_t width, height;
    bool json, as_is;
    char **files;
    int n_files;
} options;

typedef struct {
    int n;
    double cosine[MAX_FILES], difference[MAX_FILES], ms[MAX_FILES]; /* difference: mean, of pixels of 0 to 255 */
    double least_ratio;                                             /* shorter side by what the network sees */
} row;

static row rows[WAYS];

static void fail(const char *what)
{
    fprintf(stderr, "bench_reduced: %s\n", what);
    exit(1);
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

static double difference(const float *a, const float *b, const image_prepare_spec *spec)
{
    const size_t area = (size_t)spec->width * (size_t)spec->height;
    double sum = 0;
    for (size_t i = 0; i < 3 * area; i++) sum += fabs((double)a[i] - (double)b[i]) * (double)spec->std[i / area] * 255;
    return sum / (double)(3 * area);
}

/* The shorter side after decoding, by what the network sees of it. */
static double decode_and_prepare(const void *bytes, size_t len, int32_t enough, const image_prepare_spec *spec,
                                 float *pixels, double *ms)
{
    const image_options how = {.enough = enough};
    simile_error err;
    image img;
    const double start = bench_now();
    if (image_decode(bytes, len, "picture", &how, &img, &err)) fail(err.message);
    if (image_prepare(&img, spec, pixels, &err)) fail(err.message);
    *ms = 1e3 * (bench_now() - start);
    const double shorter = img.width < img.height ? img.width : img.height;
    image_release(&img);
    return shorter / (double)(spec->fit == IMAGE_FIT_SHORTEST ? spec->resize_short : spec->width);
}

static void measure(model_encoder *e, const image_prepare_spec *spec, const void *bytes, size_t len)
{
    const size_t count = 3 * (size_t)spec->width * (size_t)spec->height;
    const size_t dim = (size_t)model_info(model_encoder_model(e))->dim;
    float *pixels = mem_array(WAYS * count, sizeof *pixels), *out = mem_array(WAYS * dim, sizeof *out);
    simile_error err;
    image head;
    if (!pixels || !out) fail("out of memory");
    if (image_decode(bytes, len, "picture", NULL, &head, &err)) fail(err.message);
    const int32_t shorter = head.width < head.height ? head.width : head.height;
    image_release(&head);
    for (int way = 0; way < WAYS; way++) {
        row *r = &rows[way];
        const int32_t enough = way == RULE ? image_enough(spec) : way ? shorter >> way : 0;
        const double ratio = decode_and_prepare(bytes, len, enough, spec, pixels + (size_t)way * count, &r->ms[r->n]);
        if (!r->n || ratio < r->least_ratio) r->least_ratio = ratio;
        r->difference[r->n] = difference(pixels, pixels + (size_t)way * count, spec);
    }
    if (model_encode_pixels(e, pixels, WAYS, out, &err)) fail(err.message);
    for (int way = 0; way < WAYS; way++) {
        row *r = &rows[way];
        r->cosine[r->n++] = cosine(out, out + (size_t)way * dim, dim);
    }
    mem_free(pixels);
    mem_free(out);
}

static void measure_drawn(const options *o, model_encoder *e, const image_prepare_spec *spec, const image *from,
                          uint32_t seed)
{
    uint8_t *rgb = mem_array((size_t)o->width * (size_t)o->height, 3);
    const bool portrait = from && from->height > from->width;
    const int32_t width = portrait ? o->height : o->width, height = portrait ? o->width : o->height;
    simile_error err;
    void *bytes;
    size_t len;
    if (!rgb) fail("out of memory");
    if (from ? photograph_enlarge(from, seed, width, height, rgb, &err)
             : photograph_draw(seed, width, height, rgb, &err))
        fail(err.message);
    if (photograph_jpeg(rgb, width, height, PHOTOGRAPH_QUALITY, false, &bytes, &len, &err)) fail(err.message);
    mem_free(rgb);
    measure(e, spec, bytes, len);
    mem_free(bytes);
}

static void measure_file(const options *o, model_encoder *e, const image_prepare_spec *spec, const char *path,
                         uint32_t seed)
{
    simile_error err;
    image from;
    char *bytes = NULL;
    size_t len = 0;
    if (image_open(path, NULL, &from, &err)) { /* what is no picture */
        fprintf(stderr, "bench_reduced: %s\n", err.message);
        return;
    }
    if (!o->as_is) measure_drawn(o, e, spec, &from, seed);
    image_release(&from);
    if (!o->as_is) return;
    if (file_read(path, (size_t)1 << 30, &bytes, &len, &err)) fail(err.message);
    measure(e, spec, bytes, len);
    mem_free(bytes);
}

static void report(const options *o)
{
    static const char *const names[WAYS] = {"whole", "1/2", "1/4", "1/8", "rule"};
    if (!o->json)
        printf("%-6s %6s %12s %12s %12s %12s %10s\n", "scale", "x net", "cosine min", "p5", "median", "|pixel|", "ms");
    for (int way = 0; way < WAYS; way++) {
        row *r = &rows[way];
        const double difference = bench_median(r->difference, r->n), ms = bench_median(r->ms, r->n);
        const double median = bench_median(r->cosine, r->n); /* and they are sorted */
        if (o->json)
            printf("%s{\"scale\":\"%s\",\"pictures\":%d,\"times_network\":%.2f,\"cosine_min\":%.6f,\"cosine_p5\":%.6f,"
                   "\"cosine_median\":%.6f,\"pixel_difference\":%.3f,\"ms\":%.2f}%s",
                   way ? ",\n " : "[", names[way], r->n, r->least_ratio, r->cosine[0], r->cosine[r->n / 20], median,
                   difference, ms, way == RULE ? "]\n" : "");
        else
            printf("%-6s %6.2f %12.6f %12.6f %12.6f %12.3f %10.2f\n", names[way], r->least_ratio, r->cosine[0],
                   r->cosine[r->n / 20], median, difference, ms);
    }
}

static void parse(int argc, char **argv, options *o)
{
    o->files = argv + argc;
    for (int i = 1; i < argc; i++) {
        const bool more = i + 1 < argc;
        if (!strcmp(argv[i], "--json")) {
            o->json = true;
        } else if (!strcmp(argv[i], "--as-is")) {
            o->as_is = true;
        } else if (!strcmp(argv[i], "--model") && more) {
            o->model = argv[++i];
        } else if (!strcmp(argv[i], "--drawn") && more) {
            o->drawn = (int)strtol(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--threads") && more) {
            o->threads = (int)strtol(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--size") && more) {
            if (sscanf(argv[++i], "%dx%d", &o->width, &o->height) != 2) fail("--size takes WIDTHxHEIGHT");
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "usage: bench_reduced [--model DIRECTORY] [--drawn N] [--size WxH] [--as-is] [--threads N] "
                            "[--json] [FILE...]\n");
            exit(2);
        } else {
            o->files = argv + i;
            o->n_files = argc - i;
            break;
        }
    }
    if (!o->drawn && !o->n_files) o->drawn = 8;
    if (o->drawn + o->n_files > MAX_FILES) fail("too many pictures");
}

static model *open_model(const options *o)
{
    const char *tmp = getenv("TMPDIR");
    char *folder = o->model ? NULL : mem_printf("%s/simile-bench-XXXXXX", tmp ? tmp : "/tmp");
    simile_error err = {0};
    model *m = NULL;
    if (o->model) {
        if (model_open(o->model, NULL, &m, &err)) fail(err.message);
        return m;
    }
    if (!folder || !mkdtemp(folder)) fail("cannot make a temporary folder");
    const bool ready =
        !random_model_write(model_shape_named("vit-b-32"), folder, &err) && !model_open(folder, NULL, &m, &err);
    random_model_remove(folder); /* the mapping keeps the weights */
    mem_free(folder);
    if (!ready) fail(err.message);
    return m;
}

int main(int argc, char **argv)
{
    options o = {.width = 4000, .height = 3000, .threads = cpu_count()};
    model_encoder *e;
    simile_error err;
    parse(argc, argv, &o);
    model *m = open_model(&o);
    const image_prepare_spec *spec = model_image_spec(m);
    if (!spec) fail("the model has no image tower");
    if (model_encoder_new(m, o.threads, &e, &err)) fail(err.message);
    for (int i = 0; i < o.n_files; i++) measure_file(&o, e, spec, o.files[i], (uint32_t)i + 1);
    for (int i = 0; i < o.drawn; i++) measure_drawn(&o, e, spec, NULL, (uint32_t)i + 1);
    if (!rows[0].n) fail("no picture could be read");
    report(&o);
    model_encoder_free(e);
    model_close(m);
    return 0;
}
