/* SPDX-License-Identifier: Apache-2.0
 * context.c - contexts: their life, their scratch memory, and the operations that are own kernels.
 *
 * A context belongs to one thread at a time. Its memory grows to the largest that was asked for and stays: nothing is
 * allocated per call in steady state. Work below about ten microseconds stays on the calling thread, because waking
 * the team costs a few. */
#include "nn/context.h"

#include "base/mem.h"

#include <assert.h>
#include <math.h>

enum {
    NORM_ALONE = 1 << 16,     /* numbers to normalise: 8 to 16 microseconds */
    ATTENTION_ALONE = 1 << 19 /* multiply-adds: about 10 microseconds */
};

simile_status nn_context_new(int threads, nn_context **out, simile_error *err)
{
    *out = NULL;
    if (threads < 1) return err_set(err, SIMILE_E_ARG, "cannot run on %d threads", threads);
    nn_context *ctx = mem_new(nn_context);
    if (!ctx) return err_nomem(err);
    ctx->threads = threads;
    ctx->kernels = nn_kernels_pick();
    for (int i = 0; i < NN_PRECISIONS; i++) ctx->gemm[i] = gemm_pick((nn_precision)i);
    simile_status status = products_new(&ctx->products, err);
#ifndef SIMILE_NN_OPENMP
    if (!status) status = pool_new(threads, &ctx->pool, err);
#endif
    if (status) {
        nn_context_free(ctx);
        return status;
    }
    *out = ctx;
    return SIMILE_OK;
}

void nn_context_free(nn_context *ctx)
{
    if (!ctx) return;
    for (int i = 0; i < NN_PLANS; i++) product_plan_free(ctx->plans[i].plan);
    products_free(ctx->products);
    pool_free(ctx->pool);
    mem_free(ctx->scratch);
    mem_free(ctx->narrowed);
    mem_free(ctx);
}

int nn_context_threads(const nn_context *ctx)
{
    return ctx->threads;
}

simile_status nn_scratch_reserve(nn_context *ctx, size_t floats, simile_error *err)
{
    if (floats <= ctx->scratch_floats) return SIMILE_OK;
    size_t rounded, size;
    float *larger = NULL;
    if (mem_add(floats, 15, &rounded)) {
        rounded &= ~(size_t)15;
        if (mem_mul(rounded, (size_t)ctx->threads, &size) && mem_mul(size, sizeof *larger, &size))
            larger = mem_aligned(size);
    }
    if (!larger) return err_nomem(err);
    mem_free(ctx->scratch);
    ctx->scratch = larger;
    ctx->scratch_floats = rounded;
    return SIMILE_OK;
}

/* ---- layer norm ---- */

typedef struct {
    const nn_kernels *kernels;
    int64_t rows, dim;
    const float *x, *weight, *bias;
    float eps, *y;
} norm_job;

static void norm_part(void *user, int worker, int workers)
{
    const norm_job *j = user;
    const int64_t begin = nn_part_begin(j->rows, worker, workers), end = nn_part_begin(j->rows, worker + 1, workers);
    if (begin < end)
        j->kernels->layer_norm(end - begin, j->dim, j->x + begin * j->dim, j->weight, j->bias, j->eps,
                               j->y + begin * j->dim);
}

void nn_layer_norm(nn_context *ctx, int64_t rows, int64_t dim, const float *x, const float *weight, const float *bias,
                   float eps, float *y)
{
    norm_job job = {ctx->kernels, rows, dim, x, weight, bias, eps, y};
    nn_team_run(ctx, rows * dim <= NORM_ALONE, norm_part, &job);
}

/* ---- attention ---- */

typedef struct {
    nn_context *ctx;
    const nn_attention_args *args;
    int64_t cost; /* of all sequences, per head */
} attention_job;

/* Products are quadratic in the length; packing and the rest are linear, as dear as about 24 keys. */
static int64_t sequence_cost(const nn_attention_args *a, int32_t s)
{
    const int64_t length = a->starts[s + 1] - a->starts[s];
    return length * (length + 24);
}

static int64_t total_cost(const nn_attention_args *a)
{
    int64_t cost = 0;
    for (int32_t s = 0; s < a->sequences; s++) cost += sequence_cost(a, s);
    return cost;
}

static void attend(const attention_job *j, int32_t sequence, int32_t head, float *scratch)
{
    const nn_attention_args *a = j->args;
    const int64_t width = (int64_t)a->heads * a->head_dim, first = a->starts[sequence];
    const float *q = a->qkv + first * 3 * width + (int64_t)head * a->head_dim;
    const nn_attention_head task = {
        .q = q,
        .k = q + width,
        .v = q + 2 * width,
        .stride = 3 * width,
        .out = a->out + first * width + (int64_t)head * a->head_dim,
        .out_stride = width,
        .tokens = a->starts[sequence + 1] - first,
        .head_dim = a->head_dim,
        .scale = a->scale,
        .causal = a->causal,
    };
    j->ctx->kernels->attention(&task, scratch);
}

/* A worker takes each (sequence, head) whose first unit of cost lies in its share: contiguous, and even where the
 * sequences are not. */
static void attention_part(void *user, int worker, int workers)
{
    const attention_job *j = user;
    const nn_attention_args *a = j->args;
    const int64_t total = j->cost * a->heads;
    const int64_t begin = nn_part_begin(total, worker, workers), end = nn_part_begin(total, worker + 1, workers);
    float *scratch = nn_scratch(j->ctx, worker);
    int64_t at = 0;
    for (int32_t s = 0; s < a->sequences && at < end; s++) {
        const int64_t cost = sequence_cost(a, s);
        if (cost == 0) continue;
        if (at + cost * a->heads > begin)
            for (int32_t h = 0; h < a->heads; h++) {
                const int64_t unit = at + cost * h;
                if (unit >= begin && unit < end) attend(j, s, h, scratch);
            }
        at += cost * a->heads;
    }
}

simile_status nn_attention(nn_context *ctx, const nn_attention_args *a, simile_error *err)
{
    assert(a->heads > 0 && a->head_dim > 0 && a->scale > 0);
    int64_t longest = 0;
    for (int32_t s = 0; s < a->sequences; s++) {
        assert(a->starts[s] <= a->starts[s + 1]);
        if (a->starts[s + 1] - a->starts[s] > longest) longest = a->starts[s + 1] - a->starts[s];
    }
    if (longest == 0) return SIMILE_OK;
    RETURN_IF_ERROR(nn_scratch_reserve(ctx, ctx->kernels->attention_scratch(longest, a->head_dim), err));
    attention_job job = {ctx, a, total_cost(a)};
    const bool alone = job.cost * a->heads * a->head_dim <= ATTENTION_ALONE;
    nn_team_run(ctx, alone, attention_part, &job);
    return SIMILE_OK;
}

/* ---- log of the sum of exponentials ---- */

typedef struct {
    const nn_kernels *kernels;
    int64_t dim;
    const float *x;
    float *out;
} log_sum_job;

/* Side by side, so that the lanes become one vector and nothing waits for the number before it. */
enum { SUM_LANES = 16 };

static float largest_of(const float *x, int64_t n)
{
    float lane[SUM_LANES], largest = x[0];
    int64_t i = 0;
    for (int k = 0; k < SUM_LANES; k++) lane[k] = x[0];
    for (; i + SUM_LANES <= n; i += SUM_LANES)
        for (int k = 0; k < SUM_LANES; k++) lane[k] = x[i + k] > lane[k] ? x[i + k] : lane[k];
    for (; i < n; i++) largest = x[i] > largest ? x[i] : largest;
    for (int k = 0; k < SUM_LANES; k++) largest = lane[k] > largest ? lane[k] : largest;
    return largest;
}

static float sum_of(const float *x, int64_t n)
{
    float lane[SUM_LANES] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + SUM_LANES <= n; i += SUM_LANES)
        for (int k = 0; k < SUM_LANES; k++) lane[k] += x[i + k];
    for (; i < n; i++) sum += x[i];
    for (int k = 0; k < SUM_LANES; k++) sum += lane[k];
    return sum;
}

/* In pieces that stay in the first cache; their sums are added in double, so that a long row loses nothing. */
static void log_sum_row(void *user, int64_t row)
{
    enum { PIECE = 2048 };
    const log_sum_job *j = user;
    const float *x = j->x + row * j->dim, largest = largest_of(x, j->dim), log2e = 1.44269504f;
    float piece[PIECE];
    double sum = 0;
    for (int64_t at = 0; at < j->dim; at += PIECE) {
        const int64_t n = j->dim - at < PIECE ? j->dim - at : PIECE;
        for (int64_t i = 0; i < n; i++) piece[i] = (x[at + i] - largest) * log2e;
        j->kernels->exp2(piece, n);
        sum += (double)sum_of(piece, n);
    }
    j->out[row] = largest + (float)log(sum);
}

void nn_log_sum_exp(nn_context *ctx, int64_t rows, int64_t dim, const float *x, float *out)
{
    log_sum_job job = {ctx->kernels, dim, x, out};
    nn_parallel(ctx, rows, log_sum_row, &job);
}

const char *nn_kernels_name(void)
{
    return nn_kernels_pick()->name;
}

const char *nn_products_name(void)
{
    return products_name();
}
