/* SPDX-License-Identifier: Apache-2.0
 * bench_nn.c - how near the operations of src/nn/ come to what the machine and the product library allow.
 *
 *     bench_nn [--json] [--rounds N] [--batch N] [--threads N] [b32 | b16 | l14]
 *
 * For 1 .. threads threads, taken in turn, round after round, and reported as medians:
 *   peak       fused multiply-adds on registers, all threads: GFLOP/s
 *   bound      the tower's products alone (products_bound.h)
 *   tower      the whole image tower from these operations, with random weights: products with bias, activation and
 *              accumulation, layer norms, attention; and how its time is shared out
 *   attention  64 numbers a head, at several lengths, packing and softmax included in the time but not in the count
 *              of 4 x tokens x tokens x head_dim floating point operations */
#include <stdio.h>

#if defined(__x86_64__)
#include <immintrin.h> /* before mem.h: it mentions malloc */
#endif

#include "products_bound.h"

#include "base/mem.h"
#include "nn/context.h"

enum { MOST_THREADS = 4, MOST_ROUNDS = 99, LENGTHS = 6, HEADS = 12, HEAD_DIM = 64 };
static const int32_t lengths[LENGTHS] = {12, 50, 77, 197, 257, 577};

typedef struct {
    bool json;
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

/* ---- the machine's peak ---- */

enum { CHAINS = 24, STEPS = 200000 };

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static float chains512(void)
{
    __m512 a[CHAINS];
    const __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f);
#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++) a[i] = _mm512_set1_ps((float)i);
    for (int s = 0; s < STEPS; s++)
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++) a[i] = _mm512_fmadd_ps(a[i], x, y);
    float sum = 0;
#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++) sum += _mm512_reduce_add_ps(a[i]);
    return sum;
}

__attribute__((target("avx2,fma"))) static float chains256(void)
{
    __m256 a[CHAINS / 2];
    const __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f);
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS / 2; i++) a[i] = _mm256_set1_ps((float)i);
    for (int s = 0; s < STEPS; s++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS / 2; i++) a[i] = _mm256_fmadd_ps(a[i], x, y);
    float sum = 0;
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS / 2; i++) sum += _mm256_cvtss_f32(a[i]);
    return sum;
}
#endif

typedef struct {
    float sink[MOST_THREADS * 16];
    double flop;
} peak_job;

static void peak_item(void *user, int64_t item)
{
    peak_job *j = user;
#if defined(__x86_64__)
    if (nn_kernels_find("avx512")) {
        j->sink[item * 16] = chains512();
        if (item == 0) j->flop = 2.0 * STEPS * CHAINS * 16;
    } else if (nn_kernels_find("avx2")) {
        j->sink[item * 16] = chains256();
        if (item == 0) j->flop = 2.0 * STEPS * CHAINS / 2 * 8;
    }
#else
    (void)j, (void)item;
#endif
}

static double peak(nn_context *ctx)
{
    peak_job job = {.flop = 0};
    const double start = bench_now();
    nn_parallel(ctx, nn_context_threads(ctx), peak_item, &job);
    return job.flop * nn_context_threads(ctx) / (bench_now() - start) * 1e-9;
}

/* ---- the tower ---- */

typedef struct {
    nn_matrix *patch, *projection, **qkv, **out, **up, **down;
} tower;

static nn_matrix *random_matrix(int64_t n, int64_t k)
{
    float *w = numbers(n * k), *b = numbers(n);
    const float size = 1.7f / __builtin_sqrtf((float)k);
    for (int64_t i = 0; i < n * k; i++) w[i] *= size;
    const nn_tensor weights = {w, NN_F32, 2, {n, k}}, biases = {b, NN_F32, 1, {n}};
    nn_matrix *m;
    simile_error err;
    if (nn_matrix_new(&(nn_matrix_spec){.weights = &weights, .biases = &biases, .n_parts = 1}, &m, &err)) stop(&err);
    mem_free(w);
    mem_free(b);
    return m;
}

static nn_matrix **random_matrices(int64_t count, int64_t n, int64_t k)
{
    nn_matrix **m = mem_zero_array((size_t)count, sizeof(nn_matrix *));
    if (!m) stop(&(simile_error){.message = "out of memory"});
    for (int64_t i = 0; i < count; i++) m[i] = random_matrix(n, k);
    return m;
}

static tower tower_new(const tower_shape *s)
{
    const int64_t w = s->width;
    return (tower){
        random_matrix(w, s->patch),       random_matrix(s->projection, w),       random_matrices(s->layers, 3 * w, w),
        random_matrices(s->layers, w, w), random_matrices(s->layers, s->mlp, w), random_matrices(s->layers, w, s->mlp)};
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
    buffers b = {numbers(rows * s->patch), numbers(rows * s->width), numbers(rows * s->width),
                 numbers(rows * s->width), numbers(rows * wide),     numbers(s->batch * s->projection),
                 numbers(s->width),        numbers(s->width),        mem_array((size_t)s->batch + 1, sizeof(int32_t))};
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
    double peak[MOST_ROUNDS], bound[MOST_ROUNDS], all[MOST_ROUNDS], products[MOST_ROUNDS], norm[MOST_ROUNDS];
    double attention[MOST_ROUNDS], rate[LENGTHS][MOST_ROUNDS];
} series;

static void one_round(nn_context *ctx, products_bound *bound, const options *o, const tower *t, buffers *b, series *s,
                      int round)
{
    simile_error err;
    if (products_bound_run(bound, &s->bound[round], &err)) stop(&err);
    const split parts = tower_run(ctx, &o->shape, t, b);
    s->all[round] = parts.all;
    s->products[round] = parts.products;
    s->norm[round] = parts.norm;
    s->attention[round] = parts.attention;
    s->peak[round] = peak(ctx);
    for (int i = 0; i < LENGTHS; i++) s->rate[i][round] = attention_rate(ctx, lengths[i]);
}

static void report(const options *o, int threads, series *s)
{
    const int n = o->rounds;
    const double top = bench_median(s->peak, n), bound = bench_median(s->bound, n), all = bench_median(s->all, n);
    const double linears = bench_median(s->products, n), norms = bench_median(s->norm, n);
    const double attention = bench_median(s->attention, n), flop = products_bound_flop(&o->shape);
    const char *f = "%-11s %9.2f ms  %6.1f GFLOP/s  %5.1f%% of peak\n";
    if (!o->json) {
        printf("\n%d thread%s: peak %.1f GFLOP/s\n", threads, threads > 1 ? "s" : "", top);
        printf(f, "bound", bound * 1e3, flop / bound * 1e-9, flop / bound * 1e-7 / top);
        printf(f, "tower", all * 1e3, flop / all * 1e-9, flop / all * 1e-7 / top);
        printf("  the bound is %.1f%% of the tower's time\n", 100 * bound / all);
        printf("  products %.2f ms, attention %.2f ms (%.1f%%), layer norm %.2f ms (%.1f%%)\n", linears * 1e3,
               attention * 1e3, 100 * attention / all, norms * 1e3, 100 * norms / all);
        for (int i = 0; i < LENGTHS; i++) {
            const double rate = bench_median(s->rate[i], n);
            printf("attention over %3d tokens %6.1f GFLOP/s  %5.1f%% of peak\n", lengths[i], rate, 100 * rate / top);
        }
        return;
    }
    printf("{\"threads\":%d,\"peak_gflops\":%.2f,\"bound_ms\":%.4f,\"tower_ms\":%.4f,\"bound_of_tower\":%.4f,"
           "\"products_ms\":%.4f,\"attention_ms\":%.4f,\"layer_norm_ms\":%.4f,\"attention_gflops\":{",
           threads, top, bound * 1e3, all * 1e3, bound / all, linears * 1e3, attention * 1e3, norms * 1e3);
    for (int i = 0; i < LENGTHS; i++) printf("%s\"%d\":%.2f", i ? "," : "", lengths[i], bench_median(s->rate[i], n));
    printf("}}");
}

static void measure(const options *o)
{
    nn_context *ctx[MOST_THREADS];
    products_bound *bound[MOST_THREADS];
    series *s = mem_zero_array(MOST_THREADS, sizeof *s);
    if (!s) stop(&(simile_error){.message = "out of memory"});
    tower t = tower_new(&o->shape);
    buffers b = buffers_new(&o->shape);
    simile_error err;
    for (int i = 0; i < o->threads; i++)
        if (nn_context_new(i + 1, &ctx[i], &err) || products_bound_new(&o->shape, i + 1, &bound[i], &err)) stop(&err);
    for (int round = -1; round < o->rounds; round++) /* the first one warms up and is overwritten */
        for (int i = 0; i < o->threads; i++) one_round(ctx[i], bound[i], o, &t, &b, &s[i], round < 0 ? 0 : round);
    if (o->json)
        printf("{\"kernels\":\"%s\",\"products\":\"%s\",\"batch\":%d,\"width\":%d,\"layers\":%d,\"tokens\":%d,"
               "\"rounds\":%d,\"runs\":[",
               nn_kernels_name(), nn_products_name(), (int)o->shape.batch, (int)o->shape.width, (int)o->shape.layers,
               (int)o->shape.tokens, o->rounds);
    else
        printf("%s, kernels %s; batch %d, width %d, %d layers, %d tokens; medians of %d rounds\n", nn_products_name(),
               nn_kernels_name(), (int)o->shape.batch, (int)o->shape.width, (int)o->shape.layers, (int)o->shape.tokens,
               o->rounds);
    for (int i = 0; i < o->threads; i++) {
        if (o->json && i) printf(",");
        report(o, i + 1, &s[i]);
        nn_context_free(ctx[i]);
        products_bound_free(bound[i]);
    }
    if (o->json) printf("]}\n");
    tower_free(&t, o->shape.layers);
    buffers_free(&b);
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

int main(int argc, char **argv)
{
    options o = {.rounds = 7, .threads = 2, .shape = {.batch = 8}};
    pick_shape("b32", &o.shape);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--json"))
            o.json = true;
        else if (!strcmp(argv[i], "--rounds") && value)
            o.rounds = clamp(argv[++i], 5, MOST_ROUNDS);
        else if (!strcmp(argv[i], "--threads") && value)
            o.threads = clamp(argv[++i], 1, MOST_THREADS);
        else if (!strcmp(argv[i], "--batch") && value)
            o.shape.batch = clamp(argv[++i], 1, 256);
        else if (!pick_shape(argv[i], &o.shape)) {
            fprintf(stderr, "usage: bench_nn [--json] [--rounds N] [--batch N] [--threads N] [b32 | b16 | l14]\n");
            return 2;
        }
    }
    measure(&o);
    return 0;
}
