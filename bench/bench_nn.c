/* SPDX-License-Identifier: Apache-2.0
 * bench_nn.c - how near the operations of src/nn/ come to what the machine and the product library allow.
 *
 *     bench_nn [--json] [--rounds N] [--threads N] [--dtype f32 | bf16 | int8] [--batch N] [b32 | b16 | l14]
 *     bench_nn --products [--json] [--rounds N] [--threads N] [--dtype ...]
 *
 * For 1 .. threads threads and each precision (--dtype: one), taken in turn, round after round, reported as medians:
 *   peak       multiply-adds of that precision on registers, all threads (roofline.h)
 *   bound      float32: the tower's products alone, by the product library (products_bound.h)
 *   tower      the whole image tower from these operations, with random weights: products with bias, activation and
 *              accumulation, layer norms, attention; and how its time is shared out. Its share of the peak counts the
 *              products only
 *   attention  float32, 64 numbers a head, at several lengths, packing and softmax included in the time but not in the
 *              count of 4 x tokens x tokens x head_dim floating point operations
 *
 * --products: the products of ViT-B/32's two towers without what lies between them, in their order, so that weights
 * come from where a tower finds them; pictures at batch 1, 8 and 32, texts of 12 and 77 tokens at batch 1 and 64. Each
 * is divided by the peak that was measured just before it; the median of these shares is shown. */
#include <stdio.h>

#include "products_bound.h"
#include "roofline.h"

#include "base/mem.h"
#include "nn/nn.h"

enum { MOST_THREADS = 4, MOST_ROUNDS = 99, LENGTHS = 6, HEADS = 12, HEAD_DIM = 64 };
static const int32_t lengths[LENGTHS] = {12, 50, 77, 197, 257, 577};

typedef struct {
    bool json, products, dtype[NN_PRECISIONS];
    int rounds, threads;
    tower_shape shape;
} options;

static void stop(const simile_error *err)
{
    fprintf(stderr, "bench_nn: %s\n", err->message);
    exit(1);
}

static float *numbers(int64_t n)
{
    float *p = mem_aligned((size_t)n * sizeof *p);
    if (!p) stop(&(simile_error){.message = "out of memory"});
    uint64_t state = (uint64_t)n;
    for (int64_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        p[i] = (float)(int32_t)(state >> 32) * 0x1p-31f;
    }
    return p;
}

/* Operations a second, in 10^9. */
static double peak(nn_precision precision, pool *threads)
{
    static const roof kinds[NN_PRECISIONS] = {ROOF_F32, ROOF_BF16, ROOF_INT8};
    return roofline(kinds[precision], threads) * 1e-9;
}

/* ---- the tower ---- */

typedef struct {
    nn_matrix *patch, *projection, **qkv, **out, **up, **down;
} tower;

typedef struct {
    nn_precision precision;
    nn_store *store;
} packing;

static nn_matrix *random_matrix(int64_t n, int64_t k, const packing *how)
{
    float *w = numbers(n * k), *b = numbers(n);
    const float size = 1.7f / __builtin_sqrtf((float)k);
    for (int64_t i = 0; i < n * k; i++) w[i] *= size;
    const nn_tensor weights = {w, NN_F32, 2, {n, k}}, biases = {b, NN_F32, 1, {n}};
    nn_matrix *m;
    simile_error err;
    const nn_matrix_spec spec = {
        .weights = &weights, .biases = &biases, .n_parts = 1, .precision = how->precision, .store = how->store};
    if (nn_matrix_new(&spec, &m, &err)) stop(&err);
    mem_free(w);
    mem_free(b);
    return m;
}

static nn_matrix **random_matrices(int64_t count, int64_t n, int64_t k, const packing *how)
{
    nn_matrix **m = mem_zero_array((size_t)count, sizeof(nn_matrix *));
    if (!m) stop(&(simile_error){.message = "out of memory"});
    for (int64_t i = 0; i < count; i++) m[i] = random_matrix(n, k, how);
    return m;
}

static tower tower_new(const tower_shape *s, nn_precision precision)
{
    const int64_t w = s->width, l = s->layers;
    packing how = {.precision = precision};
    simile_error err;
    if (nn_store_new(&how.store, &err)) stop(&err);
    const tower t = {.patch = s->patch ? random_matrix(w, s->patch, &how) : NULL,
                     .projection = random_matrix(s->projection, w, &how),
                     .qkv = random_matrices(l, 3 * w, w, &how),
                     .out = random_matrices(l, w, w, &how),
                     .up = random_matrices(l, s->mlp, w, &how),
                     .down = random_matrices(l, w, s->mlp, &how)};
    nn_store_free(how.store);
    return t;
}

static void tower_free(tower *t, int64_t layers)
{
    nn_matrix **lists[] = {t->qkv, t->out, t->up, t->down};
    for (int i = 0; i < 4; i++) {
        for (int64_t l = 0; l < layers; l++) nn_matrix_free(lists[i][l]);
        mem_free(lists[i]);
    }
    nn_matrix_free(t->patch);
    nn_matrix_free(t->projection);
}

typedef struct {
    float *pixels, *patches, *x, *h, *wide, *vectors, *weight, *bias;
    int32_t *starts;
} buffers;

static buffers buffers_new(const tower_shape *s)
{
    const int64_t rows = s->batch * s->tokens;
    const int64_t wide = 3 * s->width > s->mlp ? 3 * s->width : s->mlp;
    buffers b = {numbers(rows * s->patch + 1),
                 numbers(rows * s->width),
                 numbers(rows * s->width),
                 numbers(rows * s->width),
                 numbers(rows * wide),
                 numbers(s->batch * s->projection),
                 numbers(s->width),
                 numbers(s->width),
                 mem_array((size_t)s->batch + 1, sizeof(int32_t))};
    if (!b.starts) stop(&(simile_error){.message = "out of memory"});
    for (int64_t i = 0; i <= s->batch; i++) b.starts[i] = (int32_t)(i * s->tokens);
    return b;
}

static void buffers_free(buffers *b)
{
    float *all[] = {b->pixels, b->patches, b->x, b->h, b->wide, b->vectors, b->weight, b->bias};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) mem_free(all[i]);
    mem_free(b->starts);
}

typedef struct {
    double products, norm, attention, all; /* seconds */
} split;

typedef struct {
    nn_context *ctx;
    const tower_shape *shape;
    const tower *tower;
    buffers *b;
    split t;
} pass;

static void linear(pass *p, const nn_matrix *m, int64_t rows, const float *x, float *y, nn_act act, bool add)
{
    simile_error err;
    const double start = bench_now();
    if (nn_linear(p->ctx, m, rows, x, y, act, add, &err)) stop(&err);
    p->t.products += bench_now() - start;
}

static void norm(pass *p, int64_t rows, const float *x, float *y)
{
    const double start = bench_now();
    nn_layer_norm(p->ctx, rows, p->shape->width, x, p->b->weight, p->b->bias, 1e-5f, y);
    p->t.norm += bench_now() - start;
}

static void attend(pass *p, const float *qkv, float *out)
{
    const tower_shape *s = p->shape;
    const int32_t heads = (int32_t)s->heads, dim = (int32_t)(s->width / s->heads);
    const nn_attention_args args = {qkv, out, p->b->starts, (int32_t)s->batch, heads, dim, 0.125f, false};
    simile_error err;
    const double start = bench_now();
    if (nn_attention(p->ctx, &args, &err)) stop(&err);
    p->t.attention += bench_now() - start;
}

/* The glue of a tower beyond these three is a copy with the positions added: b->x stands for its result. */
static split tower_run(nn_context *ctx, const tower_shape *s, const tower *t, buffers *b)
{
    pass p = {ctx, s, t, b, {0}};
    const int64_t rows = s->batch * s->tokens;
    const double start = bench_now();
    linear(&p, t->patch, s->batch * (s->tokens - 1), b->pixels, b->patches, NN_ACT_NONE, false);
    norm(&p, rows, b->patches, b->x);
    for (int64_t l = 0; l < s->layers; l++) {
        norm(&p, rows, b->x, b->h);
        linear(&p, t->qkv[l], rows, b->h, b->wide, NN_ACT_NONE, false);
        attend(&p, b->wide, b->h);
        linear(&p, t->out[l], rows, b->h, b->x, NN_ACT_NONE, true);
        norm(&p, rows, b->x, b->h);
        linear(&p, t->up[l], rows, b->h, b->wide, NN_ACT_QUICK_GELU, false);
        linear(&p, t->down[l], rows, b->wide, b->x, NN_ACT_NONE, true);
    }
    norm(&p, s->batch, b->x, b->h);
    linear(&p, t->projection, s->batch, b->h, b->vectors, NN_ACT_NONE, false);
    p.t.all = bench_now() - start;
    return p.t;
}

/* The products alone: seconds. */
static double products_run(nn_context *ctx, const tower_shape *s, const tower *t, buffers *b)
{
    pass p = {ctx, s, t, b, {0}};
    const int64_t rows = s->batch * s->tokens;
    const double start = bench_now();
    if (t->patch) linear(&p, t->patch, s->batch * (s->tokens - 1), b->pixels, b->patches, NN_ACT_NONE, false);
    for (int64_t l = 0; l < s->layers; l++) {
        linear(&p, t->qkv[l], rows, b->h, b->wide, NN_ACT_NONE, false);
        linear(&p, t->out[l], rows, b->h, b->x, NN_ACT_NONE, true);
        linear(&p, t->up[l], rows, b->h, b->wide, NN_ACT_QUICK_GELU, false);
        linear(&p, t->down[l], rows, b->wide, b->x, NN_ACT_NONE, true);
    }
    linear(&p, t->projection, s->batch, b->h, b->vectors, NN_ACT_NONE, false);
    return bench_now() - start;
}

/* ---- attention by itself ---- */

/* GFLOP/s at one length, over about 1,000 tokens at once. */
static double attention_rate(nn_context *ctx, int32_t length)
{
    const int32_t sequences = (1000 + length - 1) / length;
    const int64_t tokens = (int64_t)sequences * length;
    float *qkv = numbers(tokens * 3 * HEADS * HEAD_DIM), *out = numbers(tokens * HEADS * HEAD_DIM);
    int32_t *starts = mem_array((size_t)sequences + 1, sizeof *starts);
    if (!starts) stop(&(simile_error){.message = "out of memory"});
    for (int32_t i = 0; i <= sequences; i++) starts[i] = i * length;
    const nn_attention_args args = {qkv, out, starts, sequences, HEADS, HEAD_DIM, 0.125f, false};
    double best[9];
    for (int i = 0; i < 9; i++) {
        simile_error err;
        const double start = bench_now();
        if (nn_attention(ctx, &args, &err)) stop(&err);
        best[i] = bench_now() - start;
    }
    mem_free(qkv);
    mem_free(out);
    mem_free(starts);
    const double flop = 4.0 * length * length * HEAD_DIM * HEADS * sequences;
    return flop / bench_median(best, 9) * 1e-9;
}

/* ---- rounds and report ---- */

typedef struct {
    nn_precision precision;
    int threads;
    nn_context *ctx;
    pool *pool;
    products_bound *bound; /* float32 */
    const tower *tower;
    double peak[MOST_ROUNDS], bounds[MOST_ROUNDS], all[MOST_ROUNDS], products[MOST_ROUNDS], norm[MOST_ROUNDS];
    double attention[MOST_ROUNDS], rate[LENGTHS][MOST_ROUNDS];
} series;

static void one_round(const options *o, buffers *b, series *s, int round)
{
    simile_error err;
    const bool wide = s->precision == NN_COMPUTE_F32;
    if (wide && products_bound_run(s->bound, &s->bounds[round], &err)) stop(&err);
    s->peak[round] = peak(s->precision, s->pool);
    const split parts = tower_run(s->ctx, &o->shape, s->tower, b);
    s->all[round] = parts.all;
    s->products[round] = parts.products;
    s->norm[round] = parts.norm;
    s->attention[round] = parts.attention;
    for (int i = 0; wide && i < LENGTHS; i++) s->rate[i][round] = attention_rate(s->ctx, lengths[i]);
}

static void report_text(const options *o, series *s)
{
    const int n = o->rounds;
    const bool wide = s->precision == NN_COMPUTE_F32;
    const double top = bench_median(s->peak, n), all = bench_median(s->all, n), flop = products_bound_flop(&o->shape);
    const double linears = bench_median(s->products, n), attention = bench_median(s->attention, n);
    const char *f = "%-11s %9.2f ms  %6.1f GFLOP/s  %5.1f%% of peak\n";
    printf("\n%s, %d thread%s: peak %.1f GFLOP/s\n", nn_precision_name(s->precision), s->threads,
           s->threads > 1 ? "s" : "", top);
    const double bound = wide ? bench_median(s->bounds, n) : 0, norms = bench_median(s->norm, n);
    if (wide) printf(f, "bound", bound * 1e3, flop / bound * 1e-9, flop / bound * 1e-7 / top);
    printf(f, "tower", all * 1e3, flop / all * 1e-9, flop / all * 1e-7 / top);
    printf(f, "  products", linears * 1e3, flop / linears * 1e-9, flop / linears * 1e-7 / top);
    printf("  attention  %9.2f ms (%.1f%%), layer norm %.2f ms (%.1f%%)\n", attention * 1e3, 100 * attention / all,
           norms * 1e3, 100 * norms / all);
    for (int i = 0; wide && i < LENGTHS; i++) {
        const double rate = bench_median(s->rate[i], n);
        printf("attention over %3d tokens %6.1f GFLOP/s  %5.1f%% of peak\n", lengths[i], rate, 100 * rate / top);
    }
}

static void report_json(const options *o, series *s)
{
    const int n = o->rounds;
    const double top = bench_median(s->peak, n), all = bench_median(s->all, n), flop = products_bound_flop(&o->shape);
    const double linears = bench_median(s->products, n);
    printf("{\"dtype\":\"%s\",\"threads\":%d,\"peak_gflops\":%.2f,\"tower_ms\":%.4f,\"tower_of_peak\":%.4f,"
           "\"products_ms\":%.4f,\"products_of_peak\":%.4f,\"attention_ms\":%.4f,\"layer_norm_ms\":%.4f",
           nn_precision_name(s->precision), s->threads, top, all * 1e3, flop / all * 1e-9 / top, linears * 1e3,
           flop / linears * 1e-9 / top, bench_median(s->attention, n) * 1e3, bench_median(s->norm, n) * 1e3);
    if (s->precision == NN_COMPUTE_F32) {
        const double bound = bench_median(s->bounds, n);
        printf(",\"bound_ms\":%.4f,\"bound_of_tower\":%.4f,\"attention_gflops\":{", bound * 1e3, bound / all);
        for (int i = 0; i < LENGTHS; i++)
            printf("%s\"%d\":%.2f", i ? "," : "", lengths[i], bench_median(s->rate[i], n));
        printf("}");
    }
    printf("}");
}

static void series_open(const options *o, series *s)
{
    simile_error err;
    if (nn_context_new(s->threads, &s->ctx, &err) || pool_new(s->threads, &s->pool, &err)) stop(&err);
    if (o->products || s->precision != NN_COMPUTE_F32) return;
    if (products_bound_new(&o->shape, s->threads, &s->bound, &err)) stop(&err);
}

static void series_close(series *s)
{
    nn_context_free(s->ctx);
    pool_free(s->pool);
    products_bound_free(s->bound);
}

static void head(const options *o)
{
    const tower_shape *t = &o->shape;
    const char *f = o->json ? "{\"kernels\":\"%s\",\"products\":\"%s\",\"batch\":%d,\"width\":%d,\"layers\":%d,"
                              "\"tokens\":%d,\"rounds\":%d,\"runs\":["
                            : "kernels %s, %s; batch %d, width %d, %d layers, %d tokens; medians of %d rounds\n";
    printf(f, nn_kernels_name(), nn_products_name(), (int)t->batch, (int)t->width, (int)t->layers, (int)t->tokens,
           o->rounds);
}

static void measure(const options *o)
{
    enum { MOST = NN_PRECISIONS * MOST_THREADS };
    series *all = mem_zero_array(MOST, sizeof *all);
    if (!all) stop(&(simile_error){.message = "out of memory"});
    tower towers[NN_PRECISIONS];
    buffers b = buffers_new(&o->shape);
    int n = 0;
    for (int p = 0; p < NN_PRECISIONS; p++) {
        if (!o->dtype[p]) continue;
        towers[p] = tower_new(&o->shape, (nn_precision)p);
        for (int t = 1; t <= o->threads; t++, n++) {
            all[n] = (series){.precision = (nn_precision)p, .threads = t, .tower = &towers[p]};
            series_open(o, &all[n]);
        }
    }
    for (int round = -1; round < o->rounds; round++) /* the first one warms up and is overwritten */
        for (int i = 0; i < n; i++) one_round(o, &b, &all[i], round < 0 ? 0 : round);
    head(o);
    for (int i = 0; i < n; i++) {
        if (o->json && i) printf(",");
        if (o->json)
            report_json(o, &all[i]);
        else
            report_text(o, &all[i]);
        series_close(&all[i]);
    }
    if (o->json) printf("]}\n");
    for (int p = 0; p < NN_PRECISIONS; p++)
        if (o->dtype[p]) tower_free(&towers[p], o->shape.layers);
    buffers_free(&b);
    mem_free(all);
}

/* ---- products alone ---- */

static const struct {
    const char *name;
    tower_shape shape;
} product_rows[] = {
    {"image, batch 1", {1, 768, 12, 3072, 12, 50, 3072, 512}},
    {"image, batch 8", {8, 768, 12, 3072, 12, 50, 3072, 512}},
    {"image, batch 32", {32, 768, 12, 3072, 12, 50, 3072, 512}},
    {"text, 12 tokens, batch 1", {1, 512, 12, 2048, 8, 12, 0, 512}},
    {"text, 12 tokens, batch 64", {64, 512, 12, 2048, 8, 12, 0, 512}},
    {"text, 77 tokens, batch 1", {1, 512, 12, 2048, 8, 77, 0, 512}},
    {"text, 77 tokens, batch 64", {64, 512, 12, 2048, 8, 77, 0, 512}},
};

/* One row; s->tower is of its shape. */
static void measure_products(const options *o, series *s, int row, bool first)
{
    const tower_shape *shape = &product_rows[row].shape;
    const double gflop = products_bound_flop(shape) * 1e-9;
    buffers b = buffers_new(shape);
    for (int round = -1; round < o->rounds; round++) {
        const int k = round < 0 ? 0 : round;
        const double top = peak(s->precision, s->pool);
        s->all[k] = products_run(s->ctx, shape, s->tower, &b);
        s->products[k] = top > 0 ? gflop / s->all[k] / top : 0;
    }
    buffers_free(&b);
    const double ms = bench_median(s->all, o->rounds) * 1e3, share = bench_median(s->products, o->rounds);
    printf(o->json ? "%s{\"row\":\"%s\",\"dtype\":\"%s\",\"threads\":%d,\"ms\":%.4f,\"gflops\":%.2f,\"of_peak\":%.4f}"
                   : "%s%-26s %-5s %d threads %9.2f ms  %7.1f GFLOP/s  %5.3f of peak\n",
           o->json && !first ? "," : "", product_rows[row].name, nn_precision_name(s->precision), s->threads, ms,
           gflop / ms * 1e3, share);
}

static void all_products(const options *o)
{
    enum { ROWS = sizeof product_rows / sizeof *product_rows };
    series *s = mem_new(series);
    bool first = true;
    if (!s) stop(&(simile_error){.message = "out of memory"});
    if (o->json) printf("{\"rounds\":%d,\"products\":[", o->rounds);
    for (int p = 0; p < NN_PRECISIONS; p++)
        for (int row = 0; o->dtype[p] && row < ROWS;) {
            const tower_shape *shape = &product_rows[row].shape;
            tower t = tower_new(shape, (nn_precision)p);
            for (; row < ROWS && product_rows[row].shape.width == shape->width; row++)
                for (int threads = 1; threads <= o->threads; threads++, first = false) {
                    *s = (series){.precision = (nn_precision)p, .threads = threads, .tower = &t};
                    series_open(o, s);
                    measure_products(o, s, row, first);
                    series_close(s);
                }
            tower_free(&t, shape->layers);
        }
    if (o->json) printf("]}\n");
    mem_free(s);
}

static bool pick_shape(const char *name, tower_shape *s)
{
    const int64_t batch = s->batch;
    if (!strcmp(name, "b32"))
        *s = (tower_shape){batch, 768, 12, 3072, 12, 50, 3072, 512};
    else if (!strcmp(name, "b16"))
        *s = (tower_shape){batch, 768, 12, 3072, 12, 197, 768, 512};
    else if (!strcmp(name, "l14"))
        *s = (tower_shape){batch, 1024, 24, 4096, 16, 257, 588, 768};
    else
        return false;
    return true;
}

static int clamp(const char *text, int low, int high)
{
    const long n = strtol(text, NULL, 10);
    return n < low ? low : n > high ? high : (int)n;
}

static bool pick_dtype(const char *name, options *o)
{
    bool found = false;
    for (int p = 0; p < NN_PRECISIONS; p++) {
        o->dtype[p] = !strcmp(name, nn_precision_name((nn_precision)p));
        found = found || o->dtype[p];
    }
    return found;
}

static bool parse(int argc, char **argv, options *o)
{
    bool good = true;
    for (int i = 1; i < argc && good; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--json"))
            o->json = true;
        else if (!strcmp(argv[i], "--products"))
            o->products = true;
        else if (!strcmp(argv[i], "--rounds") && value)
            o->rounds = clamp(argv[++i], 5, MOST_ROUNDS);
        else if (!strcmp(argv[i], "--threads") && value)
            o->threads = clamp(argv[++i], 1, MOST_THREADS);
        else if (!strcmp(argv[i], "--batch") && value)
            o->shape.batch = clamp(argv[++i], 1, 256);
        else if (!strcmp(argv[i], "--dtype") && value)
            good = pick_dtype(argv[++i], o);
        else
            good = pick_shape(argv[i], &o->shape);
    }
    return good;
}

int main(int argc, char **argv)
{
    options o = {.rounds = 7, .threads = 2, .shape = {.batch = 8}, .dtype = {true, true, true}};
    pick_shape("b32", &o.shape);
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: bench_nn [--json] [--products] [--rounds N] [--threads N] [--dtype f32 | bf16 | int8] "
                        "[--batch N] [b32 | b16 | l14]\n");
        return 2;
    }
    if (o.products)
        all_products(&o);
    else
        measure(&o);
    return 0;
}
