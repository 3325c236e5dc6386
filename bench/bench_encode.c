/* SPDX-License-Identifier: Apache-2.0
 * bench_encode.c - whole towers with random weights of a published shape, beside the peak of the processor's registers
 * in the same precision and, in float32, beside the time that the product library alone would need for the same
 * products, in one run.
 *
 *     bench_encode [--shape vit-b-32 | rn50 | ...] [--dtype f32 | bf16 | int8] [--batch 8] [--runs 7] [--threads N]
 *                  [--json]
 *
 * The image rows alternate: peak, tower, bound, peak, tower, bound, ...; the median of the pairwise ratios is quoted.
 * Texts are encoded one batch after the other; the first after the peak was measured, whose weights no cache holds any
 * more, is given by itself. Beside them stands how long one thread needs to read their weights: few rows are bound by
 * that.
 * Of the peak, only the products are counted as work, with every row of every block and with those really computed (the
 * last block leaves out what nothing reads). "bound" also counts every row of every block; the tower leaves out the
 * rows of its last block that nothing reads, and `share` is therefore given against the full bound and, in the last
 * column, against that of the rows really computed. */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/model.h"
#include "products_bound.h"
#include "random_model.h"
#include "roofline.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { MAX_RUNS = 101 };

typedef struct {
    const char *shape;
    int batch, runs, threads; /* threads 0: 1 and 2 */
    nn_precision dtype;
    bool json;
} options;

typedef struct {
    double seconds, bound, share, share_computed; /* of one batch; shares are medians of ratios */
    double of_peak, of_peak_computed;             /* 0: not known for this kind of network */
} image_row;

/* Operations a second. */
static double peak(nn_precision dtype, pool *threads)
{
    static const roof kinds[NN_PRECISIONS] = {ROOF_F32, ROOF_BF16, ROOF_INT8};
    return roofline(kinds[dtype], threads);
}

static void fail(const simile_error *err)
{
    fprintf(stderr, "bench_encode: %s\n", err->message);
    exit(1);
}

static tower_shape shape_of(const clip_config *c, int batch)
{
    const vit_config *v = &c->vision;
    const int64_t grid = v->patch ? v->image_size / v->patch : 0;
    return (tower_shape){.batch = batch,
                         .width = v->tower.width,
                         .layers = v->tower.layers,
                         .mlp = v->tower.mlp,
                         .heads = v->tower.heads,
                         .tokens = grid * grid + 1,
                         .patch = 3 * v->patch * v->patch,
                         .projection = c->dim};
}

/* Products of the last block that only the class rows go through: q, out, fc1, fc2 of all other rows. */
static double computed_part(const tower_shape *s)
{
    const double d = (double)s->width, f = (double)s->mlp, spared = (double)(s->batch * (s->tokens - 1));
    return 1 - 2 * spared * (2 * d * d + 2 * d * f) / products_bound_flop(s);
}

/* A ModifiedResNet's products in their order: see model/resnet.h. */
static simile_status resnet_bound(const resnet_config *c, int64_t dim, int64_t n, int threads, products_bound **out,
                                  simile_error *err)
{
    enum { MOST = 256 };
    bound_product list[MOST], *at = list;
    int64_t side = c->image_size / 2, in = c->width, d = c->width * RESNET_REDUCTION;
    *at++ = (bound_product){n, in / 2, 3, 3, 2, 1, 2 * side, 2 * side};
    *at++ = (bound_product){n, in / 2, in / 2, 3, 1, 1, side, side};
    *at++ = (bound_product){n, in, in / 2, 3, 1, 1, side, side};
    side /= 2;
    for (int i = 0; i < RESNET_LAYERS; i++) {
        const int64_t p = c->width << i;
        for (int64_t k = 0; k < c->blocks[i] && at + 8 < list + MOST; k++, in = 4 * p) {
            *at++ = (bound_product){n * side * side, p, in};
            *at++ = (bound_product){n, p, p, 3, 1, 1, side, side};
            if (k == 0 && i > 0) side /= 2;
            *at++ = (bound_product){n * side * side, 4 * p, p};
            if (k == 0) *at++ = (bound_product){n * side * side, 4 * p, in};
        }
    }
    *at++ = (bound_product){n, d, d};
    *at++ = (bound_product){n * (side * side + 1), 2 * d, d};
    *at++ = (bound_product){n, dim, d};
    return products_bound_of(list, at - list, threads, out, err);
}

static simile_status bound_of(const clip_config *c, int batch, int threads, products_bound **out, simile_error *err)
{
    if (c->convolutional) return resnet_bound(&c->resnet, c->dim, batch, threads, out, err);
    const tower_shape shape = shape_of(c, batch);
    return products_bound_new(&shape, threads, out, err);
}

static image_row measure_image(const model *m, const clip_config *c, const options *o, int threads)
{
    const size_t size = (size_t)clip_image_size(c), each = 3 * size * size, n = (size_t)o->batch;
    double whole[MAX_RUNS], bound[MAX_RUNS] = {0}, ratio[MAX_RUNS] = {0}, of_peak[MAX_RUNS];
    const tower_shape shape = shape_of(c, o->batch);
    const double work = c->convolutional ? 0 : products_bound_flop(&shape);
    const bool bounded = o->dtype == NN_COMPUTE_F32;
    pool *team;
    float *pixels = mem_array(n * each, sizeof *pixels), *out = mem_array(n * (size_t)c->dim, sizeof *out);
    model_encoder *e;
    products_bound *b = NULL;
    simile_error err;
    if (!pixels || !out) exit(1);
    for (size_t i = 0; i < n * each; i++) pixels[i] = (float)((i * 2654435761u >> 8) & 0xffff) / 16384.0f - 2.0f;
    if (model_encoder_new(m, threads, &e, &err) || pool_new(threads, &team, &err)) fail(&err);
    if (bounded && bound_of(c, o->batch, threads, &b, &err)) fail(&err);
    for (int r = -2; r < o->runs; r++) { /* two rounds to warm up */
        const int k = r < 0 ? 0 : r;
        const double top = peak(o->dtype, team), start = bench_now();
        if (model_encode_pixels(e, pixels, n, out, &err)) fail(&err);
        whole[k] = bench_now() - start;
        of_peak[k] = top > 0 ? work / whole[k] / top : 0;
        if (bounded && products_bound_run(b, &bound[k], &err)) fail(&err);
        ratio[k] = bound[k] / whole[k];
    }
    image_row row = {.share = bench_median(ratio, o->runs)};
    row.seconds = bench_median(whole, o->runs);
    row.bound = bench_median(bound, o->runs);
    row.of_peak = bench_median(of_peak, o->runs);
    row.share_computed = row.share * (c->convolutional ? 1 : computed_part(&shape));
    row.of_peak_computed = row.of_peak * (c->convolutional ? 1 : computed_part(&shape));
    products_bound_free(b);
    pool_free(team);
    model_encoder_free(e);
    mem_free(pixels);
    mem_free(out);
    return row;
}

/* Bytes of the weights of a text tower's blocks, which each batch reads once at least. */
static double text_bytes(const tower_config *t, nn_precision dtype)
{
    static const double each[NN_PRECISIONS] = {[NN_COMPUTE_F32] = 4, [NN_COMPUTE_BF16] = 2, [NN_COMPUTE_INT8] = 1};
    const double w = (double)t->width;
    return each[dtype] * (double)t->layers * w * (4 * w + 2 * (double)t->mlp);
}

/* Seconds in which one thread reads that much memory, over and over as the weights are: the best of a few. */
static double read_seconds(double bytes)
{
    enum { TIMES = 8, AT_ONCE = 32 };
    const size_t n = (size_t)bytes / sizeof(uint32_t) / AT_ONCE * AT_ONCE;
    uint32_t *numbers = mem_aligned(n * sizeof *numbers);
    volatile uint32_t sink;
    double best = HUGE_VAL;
    if (!numbers) exit(1);
    for (size_t i = 0; i < n; i++) numbers[i] = (uint32_t)i;
    for (int r = 0; r < TIMES; r++) {
        const double start = bench_now();
        uint32_t sum[AT_ONCE] = {0};
        for (size_t i = 0; i < n; i += AT_ONCE)
            for (size_t k = 0; k < AT_ONCE; k++) sum[k] += numbers[i + k];
        for (size_t k = 0; k < AT_ONCE; k++) sink = sum[k];
        best = fmin(best, bench_now() - start);
    }
    (void)sink;
    mem_free(numbers);
    return best;
}

/* Of a batch: one after the other, as a program that has texts to encode has them; and the first after other work,
 * whose weights the caches do not hold. */
typedef struct {
    double seconds, of_peak, first_seconds, first_of_peak;
} text_row;

/* Encodes batches one after the other, for about a thirtieth of a second, and gives the seconds of one; *first: of the
 * first of them. */
static double encode_texts(model_encoder *e, const token_list *texts, size_t n, float *out, double *first)
{
    enum { MOST = 32 };
    simile_error err;
    double start = bench_now();
    if (model_encode_tokens(e, texts, n, out, &err)) fail(&err);
    *first = bench_now() - start;
    const int times = (int)fmax(1, fmin(1.0 / 30 / *first, MOST));
    start = bench_now();
    for (int i = 0; i < times; i++)
        if (model_encode_tokens(e, texts, n, out, &err)) fail(&err);
    return (bench_now() - start) / times;
}

static text_row measure_text(const model *m, const clip_config *c, const int *size, const options *o, int threads)
{
    const int tokens = size[0], batch = size[1];
    const tower_config *t = &c->text.tower;
    const tower_shape shape = {batch, t->width, t->layers, t->mlp, t->heads, tokens, 0, c->dim};
    double seconds[MAX_RUNS], share[MAX_RUNS], first[MAX_RUNS], first_share[MAX_RUNS];
    float *out = mem_array((size_t)batch * (size_t)model_info(m)->dim, sizeof *out);
    token_list *list = mem_array((size_t)batch, sizeof *list);
    int32_t *ids = mem_array((size_t)tokens, sizeof *ids);
    model_encoder *e;
    pool *team;
    simile_error err;
    if (!out || !list || !ids) exit(1);
    for (int i = 0; i < tokens; i++) ids[i] = i + 1;
    ids[tokens - 1] = (int32_t)c->text.eos;
    for (int i = 0; i < batch; i++) list[i] = (token_list){.ids = ids, .n = (size_t)tokens};
    if (model_encoder_new(m, threads, &e, &err) || pool_new(threads, &team, &err)) fail(&err);
    for (int r = -2; r < o->runs; r++) {
        const int k = r < 0 ? 0 : r;
        const double top = peak(o->dtype, team), work = top > 0 ? products_bound_flop(&shape) / top : 0;
        seconds[k] = encode_texts(e, list, (size_t)batch, out, &first[k]);
        share[k] = work / seconds[k];
        first_share[k] = work / first[k];
    }
    model_encoder_free(e);
    pool_free(team);
    mem_free(out);
    mem_free(list);
    mem_free(ids);
    return (text_row){bench_median(seconds, o->runs), bench_median(share, o->runs), bench_median(first, o->runs),
                      bench_median(first_share, o->runs)};
}

static void show_image(const options *o, int threads, const image_row *row)
{
    printf(
        "%-10s %s image  batch %-3d threads %d  %8.2f ms a picture  %6.1f/s  of peak %5.1f %% (%5.1f %% counting the "
        "rows computed)",
        o->shape, nn_precision_name(o->dtype), o->batch, threads, 1e3 * row->seconds / o->batch,
        o->batch / row->seconds, 100 * row->of_peak, 100 * row->of_peak_computed);
    if (row->bound > 0) /* products of float32 alone */
        printf("  bound %8.2f ms  share %5.1f %% (%5.1f %%)", 1e3 * row->bound / o->batch, 100 * row->share,
               100 * row->share_computed);
    putchar('\n');
}

static void report_threads(const model *m, const clip_config *c, const options *o, int threads, json_writer *w)
{
    static const int texts[][2] = {{12, 1}, {12, 64}, {77, 1}};
    const double bytes = text_bytes(&c->text.tower, o->dtype), reading = read_seconds(bytes);
    const image_row row = measure_image(m, c, o, threads);
    if (!o->json) show_image(o, threads, &row);
    jw_object(w);
    jw_key(w, "tower");
    jw_string(w, "image");
    jw_key(w, "dtype");
    jw_string(w, nn_precision_name(o->dtype));
    jw_key(w, "batch");
    jw_int(w, o->batch);
    jw_key(w, "threads");
    jw_int(w, threads);
    jw_key(w, "seconds");
    jw_double(w, row.seconds);
    jw_key(w, "bound_seconds");
    jw_double(w, row.bound);
    jw_key(w, "of_peak");
    jw_double(w, row.of_peak);
    jw_key(w, "of_peak_computed_rows");
    jw_double(w, row.of_peak_computed);
    jw_key(w, "share_of_bound");
    jw_double(w, row.share);
    jw_key(w, "share_of_computed_rows");
    jw_double(w, row.share_computed);
    jw_object_end(w);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const text_row found = measure_text(m, c, texts[i], o, threads);
        const double seconds = found.seconds, first = found.first_seconds;
        if (!o->json)
            printf("%-10s %s text   %d tokens, batch %-3d threads %d  %8.2f ms a text  %6.1f/s  of peak %5.1f %%  "
                   "(the first after other work %.2f ms, %.1f %%; one thread reads %.1f MB in %.2f ms)\n",
                   o->shape, nn_precision_name(o->dtype), texts[i][0], texts[i][1], threads,
                   1e3 * seconds / texts[i][1], texts[i][1] / seconds, 100 * found.of_peak, 1e3 * first / texts[i][1],
                   100 * found.first_of_peak, 1e-6 * bytes, 1e3 * reading);
        jw_object(w);
        jw_key(w, "tower");
        jw_string(w, "text");
        jw_key(w, "dtype");
        jw_string(w, nn_precision_name(o->dtype));
        jw_key(w, "of_peak");
        jw_double(w, found.of_peak);
        jw_key(w, "first_seconds"); /* after other work */
        jw_double(w, first);
        jw_key(w, "first_of_peak");
        jw_double(w, found.first_of_peak);
        jw_key(w, "reading_seconds"); /* of the weights, by one thread */
        jw_double(w, reading);
        jw_key(w, "tokens");
        jw_int(w, texts[i][0]);
        jw_key(w, "batch");
        jw_int(w, texts[i][1]);
        jw_key(w, "threads");
        jw_int(w, threads);
        jw_key(w, "seconds");
        jw_double(w, seconds);
        jw_object_end(w);
    }
}

static bool dtype_named(const char *name, nn_precision *out)
{
    for (int p = 0; p < NN_PRECISIONS; p++) {
        *out = (nn_precision)p;
        if (!strcmp(name, nn_precision_name(*out))) return true;
    }
    return false;
}

static void parse(int argc, char **argv, options *o)
{
    for (int i = 1; i < argc; i++) {
        const bool more = i + 1 < argc;
        if (!strcmp(argv[i], "--json")) {
            o->json = true;
        } else if (!strcmp(argv[i], "--shape") && more) {
            o->shape = argv[++i];
        } else if (!strcmp(argv[i], "--dtype") && more && dtype_named(argv[i + 1], &o->dtype)) {
            i++;
        } else if (!strcmp(argv[i], "--batch") && more) {
            o->batch = (int)strtol(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--runs") && more) {
            o->runs = (int)strtol(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--threads") && more) {
            o->threads = (int)strtol(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "usage: bench_encode [--shape NAME] [--dtype f32 | bf16 | int8] [--batch N] [--runs N] "
                            "[--threads N] [--json]\n");
            exit(2);
        }
    }
    if (o->batch < 1) o->batch = 1;
    if (o->runs < 1) o->runs = 1;
    if (o->runs > MAX_RUNS) o->runs = MAX_RUNS;
}

int main(int argc, char **argv)
{
    options o = {.shape = "vit-b-32", .batch = 8, .runs = 7};
    parse(argc, argv, &o);
    const model_shape *shape = model_shape_named(o.shape);
    if (!shape) {
        fprintf(stderr, "bench_encode: unknown shape '%s'\n", o.shape);
        return 2;
    }
    const char *tmp = getenv("TMPDIR");
    char *folder = mem_printf("%s/simile-bench-XXXXXX", tmp ? tmp : "/tmp");
    simile_error err;
    model *m;
    if (!folder || !mkdtemp(folder)) {
        fprintf(stderr, "bench_encode: cannot make a temporary folder\n");
        return 1;
    }
    static const int32_t computes[NN_PRECISIONS] = {SIMILE_COMPUTE_F32, SIMILE_COMPUTE_BF16, SIMILE_COMPUTE_INT8};
    const model_options how = {.compute = computes[o.dtype]};
    const bool ready = !random_model_write(shape, folder, &err) && !model_open(folder, &how, &m, &err);
    random_model_remove(folder); /* the mapping keeps the weights */
    if (!ready) fail(&err);
    buf b;
    json_writer w;
    buf_init(&b, 1 << 20);
    jw_init(&w, &b);
    jw_array(&w);
    for (int threads = o.threads ? o.threads : 1; threads <= (o.threads ? o.threads : 2); threads++)
        report_threads(m, &shape->config, &o, threads, &w);
    jw_array_end(&w);
    if (o.json) printf("%s\n", b.data);
    buf_release(&b);
    model_close(m);
    mem_free(folder);
    return 0;
}
