/* SPDX-License-Identifier: Apache-2.0
 * attention_pool.c - see attention_pool.h. References: openai/CLIP, clip/model.py (AttentionPool2d); transformers,
 * models/siglip/modeling_siglip.py (SiglipMultiheadAttentionPoolingHead).
 *
 * Keys and values of all rows are one product. The attention itself is one query a head, a thousandth of the work: it
 * is done in plain C, one (picture, head) at a time. */
#include "model/attention_pool.h"

#include <math.h>

static int64_t width_of(const attention_pool *p)
{
    return p->weight[POOL_Q].dim[0];
}

static simile_status pack(const attention_pool *p, int first, int parts, nn_precision precision, nn_matrix **out,
                          simile_error *err)
{
    const nn_matrix_spec spec = {
        .weights = &p->weight[first], .biases = &p->bias[first], .n_parts = parts, .precision = precision};
    return nn_matrix_new(&spec, out, err);
}

simile_status attention_pool_pack(attention_pool *p, nn_precision precision, simile_error *err)
{
    RETURN_IF_ERROR(pack(p, POOL_Q, 1, precision, &p->q, err));
    RETURN_IF_ERROR(pack(p, POOL_K, 2, precision, &p->kv, err));
    return pack(p, POOL_OUT, 1, precision, &p->out, err);
}

void attention_pool_unpack(attention_pool *p)
{
    nn_matrix_free(p->q);
    nn_matrix_free(p->kv);
    nn_matrix_free(p->out);
    p->q = p->kv = p->out = NULL;
}

size_t attention_pool_memory(const attention_pool *p, int64_t n, int64_t rows)
{
    const int64_t d = width_of(p);
    return (size_t)(n * (2 * d + rows * 2 * d + p->heads * rows)) * sizeof(float) + 4 * 64;
}

typedef struct {
    int64_t heads, head, rows, width; /* head: numbers in one */
    const float *q, *kv;              /* [n, D], [n, N, 2D] */
    float *weights, *out;             /* [n, heads, N], [n, D] */
} pool_job;

static float dot(const float *a, const float *b, int64_t n)
{
    enum { LANES = 8 };
    float part[LANES] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) part[k] += a[i + k] * b[i + k];
    for (; i < n; i++) sum += a[i] * b[i];
    for (int k = 0; k < LANES; k++) sum += part[k];
    return sum;
}

/* The n scores become weights that sum to 1. */
static void soften(float *score, int64_t n, float scale)
{
    float most = score[0], sum = 0;
    for (int64_t j = 1; j < n; j++) most = fmaxf(most, score[j]);
    for (int64_t j = 0; j < n; j++) sum += score[j] = expf((score[j] - most) * scale);
    for (int64_t j = 0; j < n; j++) score[j] /= sum;
}

/* nn_parallel_fn: one head of one picture. */
static void attend(void *user, int64_t item)
{
    const pool_job *j = user;
    const int64_t picture = item / j->heads, at = item % j->heads * j->head, stride = 2 * j->width;
    const float *q = j->q + picture * j->width + at, *k = j->kv + picture * j->rows * stride + at, *v = k + j->width;
    float *w = j->weights + item * j->rows, *out = j->out + picture * j->width + at;
    for (int64_t r = 0; r < j->rows; r++) w[r] = dot(q, k + r * stride, j->head);
    soften(w, j->rows, 1.0f / sqrtf((float)j->head));
    for (int64_t d = 0; d < j->head; d++) out[d] = 0;
    for (int64_t r = 0; r < j->rows; r++)
        for (int64_t d = 0; d < j->head; d++) out[d] += w[r] * v[r * stride + d];
}

static simile_status run(const attention_pool *p, nn_context *ctx, arena *memory, int64_t n, int64_t rows,
                         const float *queries, const float *x, float *out, simile_error *err)
{
    const int64_t d = width_of(p);
    float *q = arena_take(memory, (size_t)(n * d) * sizeof *q);
    float *kv = arena_take(memory, (size_t)(n * rows * 2 * d) * sizeof *kv);
    float *weights = arena_take(memory, (size_t)(n * p->heads * rows) * sizeof *weights);
    float *mixed = arena_take(memory, (size_t)(n * d) * sizeof *mixed);
    if (!q || !kv || !weights || !mixed) return err_set(err, SIMILE_E_INTERNAL, "the encoder's memory is too small");
    RETURN_IF_ERROR(nn_linear(ctx, p->q, n, queries, q, NN_ACT_NONE, false, err));
    RETURN_IF_ERROR(nn_linear(ctx, p->kv, n * rows, x, kv, NN_ACT_NONE, false, err));
    pool_job job = {p->heads, d / p->heads, rows, d, q, kv, weights, mixed};
    nn_parallel(ctx, n * p->heads, attend, &job);
    return nn_linear(ctx, p->out, n, mixed, out, NN_ACT_NONE, false, err);
}

simile_status attention_pool_run(const attention_pool *p, nn_context *ctx, arena *memory, int64_t n, int64_t rows,
                                 const float *queries, const float *x, float *out, simile_error *err)
{
    const size_t mark = arena_mark(memory);
    const simile_status status = run(p, ctx, memory, n, rows, queries, x, out, err);
    arena_reset(memory, mark);
    return status;
}
