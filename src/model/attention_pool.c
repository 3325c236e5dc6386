/* SPDX-License-Identifier: Apache-2.0
 * attention_pool.c - see attention_pool.h. References: openai/CLIP, clip/model.py (AttentionPool2d); transformers,
 * models/siglip/modeling_siglip.py (SiglipMultiheadAttentionPoolingHead).
 *
 * Between the two matrices of a head everything is float32. Threads: each head of each picture is one item. */
#include "model/attention_pool.h"

#include <math.h>

static int64_t width_of(const attention_pool *p)
{
    return p->weight[POOL_Q].dim[0];
}

/* ---- packing ---- */

/* Rows of a head: of a matrix [D, D] or a vector [D]. */
static nn_tensor rows_of(const nn_tensor *t, int64_t first, int64_t n)
{
    nn_tensor part = *t;
    const int64_t at = first * (nn_tensor_count(t) / t->dim[0]);
    part.data = (const uint8_t *)t->data + (size_t)(at / nn_dtype_block(t->dtype)) * nn_dtype_size(t->dtype);
    part.dim[0] = n;
    if (t->scale) part.scale = t->scale + first;
    return part;
}

typedef struct {
    packer *how;
    nn_precision precision;
    const balance_input *x; /* NULL: nothing is known of rows and queries */
} packing_job;

static simile_status pack(const packing_job *j, const nn_tensor *weights, const nn_tensor *bias, bool rows,
                          nn_matrix **out, simile_error *err)
{
    const nn_matrix_spec spec = {.weights = weights, .biases = bias, .n_parts = 1, .precision = j->precision};
    return packer_balanced(j->how, &spec, rows ? j->x : NULL, out, err);
}

static simile_status pack_head(attention_pool *p, int64_t head, const packing_job *j, simile_error *err)
{
    const int64_t dim = width_of(p) / p->heads, first = head * dim;
    const nn_tensor k = rows_of(&p->weight[POOL_K], first, dim), v = rows_of(&p->weight[POOL_V], first, dim);
    const nn_tensor bias = rows_of(&p->bias[POOL_V], first, dim);
    const nn_matrix_spec turned = {.weights = &k, .n_parts = 1, .transposed = true, .precision = j->precision};
    RETURN_IF_ERROR(packer_matrix(j->how, &turned, &p->k[head], err));
    return pack(j, &v, &bias, true, &p->v[head], err);
}

simile_status attention_pool_pack(attention_pool *p, nn_precision precision, const float *sizes, packer *how,
                                  simile_error *err)
{
    const balance_input x = {.sizes = sizes};
    const packing_job j = {how, precision, sizes ? &x : NULL};
    if (how->listen) return SIMILE_OK; /* parts of matrices are not stored as integers */
    p->k = mem_zero_array((size_t)p->heads, sizeof *p->k);
    p->v = mem_zero_array((size_t)p->heads, sizeof *p->v);
    if (!p->k || !p->v) return err_nomem(err);
    RETURN_IF_ERROR(pack(&j, &p->weight[POOL_Q], &p->bias[POOL_Q], true, &p->q, err));
    for (int64_t h = 0; h < p->heads; h++) RETURN_IF_ERROR(pack_head(p, h, &j, err));
    return pack(&j, &p->weight[POOL_OUT], &p->bias[POOL_OUT], false, &p->out, err);
}

void attention_pool_unpack(attention_pool *p)
{
    for (int64_t h = 0; h < p->heads; h++) {
        if (p->k) nn_matrix_free(p->k[h]);
        if (p->v) nn_matrix_free(p->v[h]);
    }
    mem_free(p->k);
    mem_free(p->v);
    nn_matrix_free(p->q);
    nn_matrix_free(p->out);
    p->k = p->v = NULL;
    p->q = p->out = NULL;
}

/* ---- the rows ---- */

enum { LANES = 4, AT_ONCE = 4 }; /* rows at once */
typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef float loose_lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

typedef struct {
    int64_t n, rows, width, heads;
    const float *asked, *x; /* [heads, n, D], [n, N, D] */
    float *scores, *mixed;  /* [heads, n, N], [heads, n, D] */
} mixing;

/* out[i] = a . x[i] for `rows` <= AT_ONCE rows of x. */
static inline void dots(const int rows, int64_t d, const float *a, const float *x, float *out)
{
    lanes sum[AT_ONCE] = {{0}};
    int64_t i = 0;
    for (; i + LANES <= d; i += LANES) {
        const lanes v = *(const loose_lanes *)(const void *)(a + i);
        for (int r = 0; r < rows; r++) sum[r] += v * *(const loose_lanes *)(const void *)(x + r * d + i);
    }
    for (int r = 0; r < rows; r++) {
        out[r] = (sum[r][0] + sum[r][1]) + (sum[r][2] + sum[r][3]);
        for (int64_t k = i; k < d; k++) out[r] += a[k] * x[r * d + k];
    }
}

static void softmax(int64_t n, float scale, float *x)
{
    float most = x[0], total = 0;
    for (int64_t i = 1; i < n; i++) most = x[i] > most ? x[i] : most;
    for (int64_t i = 0; i < n; i++) {
        x[i] = expf(scale * (x[i] - most));
        total += x[i];
    }
    for (int64_t i = 0; i < n; i++) x[i] /= total;
}

static void add_rows(int64_t d, const float *restrict x, const float *restrict weight, float *restrict out)
{
    const float *a = x, *b = x + d, *c = x + 2 * d, *e = x + 3 * d;
    for (int64_t i = 0; i < d; i++)
        out[i] += (weight[0] * a[i] + weight[1] * b[i]) + (weight[2] * c[i] + weight[3] * e[i]);
}

/* nn_parallel_fn: picture x heads + head. */
static void mix(void *user, int64_t item)
{
    const mixing *m = user;
    const int64_t picture = item / m->heads, at = item % m->heads * m->n + picture, d = m->width, n = m->rows;
    const float *x = m->x + picture * n * d, *asked = m->asked + at * d;
    float *scores = m->scores + at * n, *out = m->mixed + at * d;
    int64_t r = 0;
    for (; r + AT_ONCE <= n; r += AT_ONCE) dots(AT_ONCE, d, asked, x + r * d, scores + r);
    for (; r < n; r++) dots(1, d, asked, x + r * d, scores + r);
    softmax(n, 1.0f / sqrtf((float)(d / m->heads)), scores);
    for (int64_t i = 0; i < d; i++) out[i] = 0;
    for (r = 0; r + AT_ONCE <= n; r += AT_ONCE) add_rows(d, x + r * d, scores + r, out);
    for (; r < n; r++)
        for (int64_t i = 0; i < d; i++) out[i] += scores[r] * x[r * d + i];
}

/* ---- a run ---- */

/* from: [n, heads, dim]; to: [heads, n, dim]; or the other way round. */
static void turn(int64_t a, int64_t b, int64_t dim, const float *from, float *to)
{
    for (int64_t i = 0; i < a; i++)
        for (int64_t k = 0; k < b; k++)
            memcpy(to + (k * a + i) * dim, from + (i * b + k) * dim, (size_t)dim * sizeof *to);
}

size_t attention_pool_memory(const attention_pool *p, int64_t n, int64_t rows)
{
    const int64_t d = width_of(p);
    return (size_t)(n * (2 * d + 2 * p->heads * d + p->heads * rows)) * sizeof(float) + 5 * 64;
}

static simile_status each_head(nn_matrix *const *of, const mixing *m, int64_t in, const float *x, int64_t out, float *y,
                               nn_context *ctx, simile_error *err)
{
    for (int64_t h = 0; h < m->heads; h++)
        RETURN_IF_ERROR(nn_linear(ctx, of[h], m->n, x + h * m->n * in, y + h * m->n * out, NN_ACT_NONE, false, err));
    return SIMILE_OK;
}

static simile_status run(const attention_pool *p, nn_context *ctx, arena *memory, int64_t n, int64_t rows,
                         const float *queries, const float *x, float *out, simile_error *err)
{
    const int64_t d = width_of(p), heads = p->heads, dim = d / heads;
    float *a = arena_take(memory, (size_t)(n * d) * sizeof *a), *b = arena_take(memory, (size_t)(n * d) * sizeof *b);
    float *asked = arena_take(memory, (size_t)(n * heads * d) * sizeof *asked);
    float *mixed = arena_take(memory, (size_t)(n * heads * d) * sizeof *mixed);
    float *scores = arena_take(memory, (size_t)(n * heads * rows) * sizeof *scores);
    if (!a || !b || !asked || !mixed || !scores)
        return err_set(err, SIMILE_E_INTERNAL, "the encoder's memory is too small");
    mixing m = {
        .n = n, .rows = rows, .width = d, .heads = heads, .asked = asked, .x = x, .scores = scores, .mixed = mixed};
    RETURN_IF_ERROR(nn_linear(ctx, p->q, n, queries, a, NN_ACT_NONE, false, err));
    turn(n, heads, dim, a, b);
    RETURN_IF_ERROR(each_head(p->k, &m, dim, b, d, asked, ctx, err));
    nn_parallel(ctx, n * heads, mix, &m);
    RETURN_IF_ERROR(each_head(p->v, &m, d, mixed, dim, a, ctx, err));
    turn(heads, n, dim, a, b);
    return nn_linear(ctx, p->out, n, b, out, NN_ACT_NONE, false, err);
}

simile_status attention_pool_run(const attention_pool *p, nn_context *ctx, arena *memory, int64_t n, int64_t rows,
                                 const float *queries, const float *x, float *out, simile_error *err)
{
    const size_t mark = arena_mark(memory);
    const simile_status status = run(p, ctx, memory, n, rows, queries, x, out, err);
    arena_reset(memory, mark);
    return status;
}
