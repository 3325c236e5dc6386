/* SPDX-License-Identifier: Apache-2.0
 * map_head.c - see map_head.h.
 * Reference: transformers, models/siglip/modeling_siglip.py (SiglipMultiheadAttentionPoolingHead). */
#include "model/map_head.h"

#include <stdio.h>

enum { FC1, FC2 };

static void linear_load(loader *l, const char *name, int64_t rows, int64_t cols, nn_tensor *weight, nn_tensor *bias)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "vision_model.head.%s.", name);
    *weight = loader_matrix(l, prefix, "weight", rows, cols);
    *bias = loader_vector(l, prefix, "bias", rows);
}

/* Rows `first` to first + n of a tensor. They begin at a block where the tensor is stored in blocks: 3n numbers are
 * whole blocks only if n are, because a block has a power of two. */
static nn_tensor rows_of(const nn_tensor *t, int64_t first, int64_t n)
{
    nn_tensor part = *t;
    const int64_t row = t->rank > 1 ? t->dim[1] : 1;
    part.data = (const uint8_t *)t->data + (size_t)(first * row / nn_dtype_block(t->dtype)) * nn_dtype_size(t->dtype);
    if (part.scale) part.scale += first;
    part.dim[0] = n;
    return part;
}

void map_head_load(loader *l, const tower_config *c, map_head *h)
{
    static const char prefix[] = "vision_model.head.";
    const int64_t d = c->width, probe[3] = {1, 1, d};
    h->probe_view = loader_get(l, prefix, "probe", 3, probe);
    h->in_weight = loader_matrix(l, prefix, "attention.in_proj_weight", 3 * d, d);
    h->in_bias = loader_vector(l, prefix, "attention.in_proj_bias", 3 * d);
    linear_load(l, "attention.out_proj", d, d, &h->pool.weight[POOL_OUT], &h->pool.bias[POOL_OUT]);
    h->norm = norm_load(l, prefix, "layernorm", d);
    linear_load(l, "mlp.fc1", c->mlp, d, &h->weight[FC1], &h->bias[FC1]);
    linear_load(l, "mlp.fc2", d, c->mlp, &h->weight[FC2], &h->bias[FC2]);
    h->pool.heads = c->heads;
    for (int i = POOL_Q; i <= POOL_V && !l->status; i++) {
        h->pool.weight[i] = rows_of(&h->in_weight, i * d, d);
        h->pool.bias[i] = rows_of(&h->in_bias, i * d, d);
    }
}

static simile_status linear_pack(const map_head *h, int i, packer *how, nn_matrix **out, simile_error *err)
{
    const nn_matrix_spec spec = {
        .weights = &h->weight[i], .biases = &h->bias[i], .n_parts = 1, .precision = how->careful};
    return packer_matrix(how, &spec, out, err);
}

simile_status map_head_pack(map_head *h, packer *how, simile_error *err)
{
    h->probe = tensor_floats(&h->probe_view);
    if (!h->probe || !norm_pack(&h->norm, how)) return err_nomem(err);
    RETURN_IF_ERROR(attention_pool_pack(&h->pool, how->careful, NULL, how, err));
    RETURN_IF_ERROR(linear_pack(h, FC1, how, &h->fc1, err));
    return linear_pack(h, FC2, how, &h->fc2, err);
}

void map_head_release(map_head *h)
{
    attention_pool_unpack(&h->pool);
    norm_release(&h->norm);
    mem_free(h->probe);
    nn_matrix_free(h->fc1);
    nn_matrix_free(h->fc2);
    h->probe = NULL;
    h->fc1 = h->fc2 = NULL;
}

size_t map_head_memory(const map_head *h, int64_t n, int64_t rows)
{
    return attention_pool_memory(&h->pool, n, rows);
}

simile_status map_head_forward(const map_head *h, const block_run *r, arena *memory, float *out, simile_error *err)
{
    const tower_config *c = r->config;
    const int64_t n = r->sequences, rows = r->starts[1];
    const size_t d = (size_t)c->width;
    for (int64_t s = 0; s < n; s++) memcpy(r->x + (size_t)s * d, h->probe, d * sizeof *r->x);
    RETURN_IF_ERROR(attention_pool_run(&h->pool, r->ctx, memory, n, rows, r->x, r->y, out, err));
    nn_layer_norm(r->ctx, n, c->width, out, h->norm.weight, h->norm.bias, c->eps, r->x);
    RETURN_IF_ERROR(nn_linear(r->ctx, h->fc1, n, r->x, r->h, c->act, false, err));
    return nn_linear(r->ctx, h->fc2, n, r->h, out, NN_ACT_NONE, true, err);
}
