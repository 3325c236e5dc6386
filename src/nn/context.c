/* SPDX-License-Identifier: Apache-2.0
 * context.c - contexts: their life, their scratch memory, and the operations that are own kernels.
 *
 * A context belongs to one thread at a time. Its memory grows to the largest that was asked for and stays: nothing is
 * allocated per call in steady state. Work below about ten microseconds stays on the calling thread, because waking
 * the team costs a few. */
#include "nn/context.h"

#include "base/mem.h"

#include <math.h>

enum { NORM_ALONE = 1 << 16 /* numbers to normalise: 8 to 16 microseconds */ };

simile_status nn_context_new(int threads, nn_context **out, simile_error *err)
{
    *out = NULL;
    if (threads < 1) return err_set(err, SIMILE_E_ARG, "cannot run on %d threads", threads);
    nn_context *ctx = mem_new(nn_context);
    if (!ctx) return err_nomem(err);
    ctx->threads = threads;
    ctx->kernels = nn_kernels_pick();
    ctx->attention_bf16 = nn_attention_bf16();
    for (int i = 0; i < NN_PRECISIONS; i++) ctx->gemm[i] = gemm_pick((nn_precision)i);
    simile_status status = products_new(&ctx->products, err);
    if (!status && nn_team_is_own()) status = team_new(threads, &ctx->team, err);
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
    team_free(ctx->team);
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

simile_status nn_narrowed_reserve(nn_context *ctx, size_t bytes, simile_error *err)
{
    if (bytes <= ctx->narrowed_size) return SIMILE_OK;
    uint8_t *larger = mem_aligned(bytes);
    if (!larger) return err_nomem(err);
    mem_free(ctx->narrowed);
    ctx->narrowed = larger;
    ctx->narrowed_size = bytes;
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
