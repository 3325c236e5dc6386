/* SPDX-License-Identifier: Apache-2.0
 * attention_pool.c - see attention_pool.h. References: openai/CLIP, clip/model.py (AttentionPool2d); transformers,
 * models/siglip/modeling_siglip.py (SiglipMultiheadAttentionPoolingHead).
 *
 * Keys and values of all rows are one product. The attention itself is one query a head, a thousandth of the work. */
#include "model/attention_pool.h"

#include "model/query_attention.h"

static int64_t width_of(const attention_pool *p)
{
    return p->weight[POOL_Q].dim[0];
}

static simile_status pack(const attention_pool *p, int first, int parts, packer *how, nn_matrix **out,
                          simile_error *err)
{
    const nn_matrix_spec spec = {
        .weights = &p->weight[first], .biases = &p->bias[first], .n_parts = parts, .precision = how->careful};
    return packer_matrix(how, &spec, out, err);
}

simile_status attention_pool_pack(attention_pool *p, packer *how, simile_error *err)
{
    RETURN_IF_ERROR(pack(p, POOL_Q, 1, how, &p->q, err));
    RETURN_IF_ERROR(pack(p, POOL_K, 2, how, &p->kv, err));
    return pack(p, POOL_OUT, 1, how, &p->out, err);
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
    return (size_t)(n * (2 * d + rows * 2 * d)) * sizeof(float) + 3 * 64;
}

static simile_status run(const attention_pool *p, nn_context *ctx, arena *memory, int64_t n, int64_t rows,
                         const float *queries, const float *x, float *out, simile_error *err)
{
    const int64_t d = width_of(p);
    float *q = arena_take(memory, (size_t)(n * d) * sizeof *q);
    float *kv = arena_take(memory, (size_t)(n * rows * 2 * d) * sizeof *kv);
    float *mixed = arena_take(memory, (size_t)(n * d) * sizeof *mixed);
    if (!q || !kv || !mixed) return err_set(err, SIMILE_E_INTERNAL, "the encoder's memory is too small");
    RETURN_IF_ERROR(nn_linear(ctx, p->q, n, queries, q, NN_ACT_NONE, false, err));
    RETURN_IF_ERROR(nn_linear(ctx, p->kv, n * rows, x, kv, NN_ACT_NONE, false, err));
    const query_attention_args args = {
        .q = q, .kv = kv, .out = mixed, .n = n, .rows = rows, .width = d, .heads = p->heads};
    query_attention(ctx, &args);
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
