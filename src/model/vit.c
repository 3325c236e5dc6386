/* SPDX-License-Identifier: Apache-2.0
 * vit.c - CLIP's vision transformer: see towers.h for the formulas.
 * Reference: transformers, models/clip/modeling_clip.py (CLIPVisionTransformer). */
#include "model/towers.h"

#include <stdio.h>

/* Rows that a product should have to be worth its start: beyond about a thousand nothing is gained (bench/). */
enum { CHUNK_ROWS = 1024 };

static int64_t patch_inputs(const vit *v)
{
    return 3 * v->config.patch * v->config.patch;
}

simile_status vit_load(loader *l, const vision_config *c, int64_t dim, vit *out)
{
    const int64_t d = c->tower.width, patch_shape[4] = {d, 3, c->patch, c->patch};
    *out = (vit){.config = *c, .dim = dim, .grid = c->image_size / c->patch};
    out->tokens = out->grid * out->grid + 1;
    out->blocks = mem_zero_array((size_t)c->tower.layers, sizeof *out->blocks);
    if (!out->blocks) return l->status = err_nomem(l->err);
    out->class_view = loader_vector(l, "vision_model.embeddings.", "class_embedding", d);
    out->patch_view = loader_get(l, "vision_model.embeddings.", "patch_embedding.weight", 4, patch_shape);
    out->position_view = loader_matrix(l, "vision_model.embeddings.", "position_embedding.weight", out->tokens, d);
    out->pre_norm = norm_load(l, "vision_model.", "pre_layrnorm", d); /* spelt so in the files */
    for (int64_t i = 0; i < c->tower.layers; i++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "vision_model.encoder.layers.%lld.", (long long)i);
        block_load(l, prefix, &c->tower, &out->blocks[i]);
    }
    out->post_norm = norm_load(l, "vision_model.", "post_layernorm", d);
    out->projection_view = loader_matrix(l, "", "visual_projection.weight", dim, d);
    return l->status;
}

simile_status vit_pack(vit *v, nn_precision precision, simile_error *err)
{
    nn_tensor patch = v->patch_view; /* [D, 3, P, P] read as [D, 3PP] */
    patch.rank = 2;
    patch.dim[1] = patch_inputs(v);
    const nn_matrix_spec patch_spec = {.weights = &patch, .n_parts = 1, .precision = precision};
    const nn_matrix_spec projection = {.weights = &v->projection_view, .n_parts = 1, .precision = NN_COMPUTE_F32};
    v->class_embedding = tensor_floats(&v->class_view);
    v->position = tensor_floats(&v->position_view);
    if (!v->class_embedding || !v->position || !norm_pack(&v->pre_norm) || !norm_pack(&v->post_norm))
        return err_nomem(err);
    RETURN_IF_ERROR(nn_matrix_new(&patch_spec, &v->patch, err));
    RETURN_IF_ERROR(nn_matrix_new(&projection, &v->projection, err));
    for (int64_t i = 0; i < v->config.tower.layers; i++) RETURN_IF_ERROR(block_pack(&v->blocks[i], precision, err));
    return SIMILE_OK;
}

void vit_unpack(vit *v)
{
    for (int64_t i = 0; v->blocks && i < v->config.tower.layers; i++) block_release(&v->blocks[i]);
    norm_release(&v->pre_norm);
    norm_release(&v->post_norm);
    nn_matrix_free(v->patch);
    nn_matrix_free(v->projection);
    mem_free(v->class_embedding);
    mem_free(v->position);
    v->patch = v->projection = NULL;
    v->class_embedding = v->position = NULL;
}

void vit_release(vit *v)
{
    vit_unpack(v);
    mem_free(v->blocks);
    *v = (vit){0};
}

int64_t vit_chunk(const vit *v)
{
    return v->tokens >= CHUNK_ROWS ? 1 : CHUNK_ROWS / v->tokens;
}

/* The patches lie in h of the run; a small network with large patches may need more than a block does. */
static size_t patches_bytes(const vit *v)
{
    return (size_t)(vit_chunk(v) * (v->tokens - 1) * (patch_inputs(v) + v->config.tower.width)) * sizeof(float);
}

size_t vit_memory(const vit *v)
{
    const int64_t n = vit_chunk(v);
    return block_run_bytes(&v->config.tower, n * v->tokens) + patches_bytes(v) + (size_t)(2 * n + 1) * sizeof(int32_t) +
           6 * 64;
}

typedef struct {
    const vit *v;
    const float *pixels;   /* [n, 3, R, R] */
    float *patches;        /* [n, N, 3PP] */
    const float *embedded; /* [n, N, D] */
    float *x;              /* [n, N+1, D] */
} embedding;

/* One row of patches of one picture, cut out: element (c, py, px) of a patch as the convolution's weight has it. */
static void cut_patches(void *user, int64_t item)
{
    const embedding *e = user;
    const vit *v = e->v;
    const size_t r = (size_t)v->config.image_size, p = (size_t)v->config.patch, grid = (size_t)v->grid;
    const size_t picture = (size_t)item / grid, gy = (size_t)item % grid;
    for (size_t gx = 0; gx < grid; gx++) {
        float *out = e->patches + ((picture * grid + gy) * grid + gx) * 3 * p * p;
        for (size_t c = 0; c < 3; c++) {
            const float *in = e->pixels + ((picture * 3 + c) * r + gy * p) * r + gx * p;
            for (size_t py = 0; py < p; py++) memcpy(out + (c * p + py) * p, in + py * r, p * sizeof *out);
        }
    }
}

/* x of one picture: class token and patches, each plus its position. */
static void add_positions(void *user, int64_t item)
{
    const embedding *e = user;
    const vit *v = e->v;
    const size_t d = (size_t)v->config.tower.width, patches = (size_t)v->tokens - 1;
    float *x = e->x + (size_t)item * (size_t)v->tokens * d;
    const float *p = e->embedded + (size_t)item * patches * d;
    for (size_t i = 0; i < d; i++) x[i] = v->class_embedding[i] + v->position[i];
    for (size_t i = 0; i < patches * d; i++) x[d + i] = p[i] + v->position[d + i];
}

static simile_status embed(const vit *v, nn_context *ctx, arena *memory, const float *pixels, int64_t n, float *x,
                           simile_error *err)
{
    const int64_t rows = n * (v->tokens - 1);
    float *patches = arena_take(memory, (size_t)(rows * patch_inputs(v)) * sizeof *patches);
    float *embedded = arena_take(memory, (size_t)(rows * v->config.tower.width) * sizeof *embedded);
    if (!patches || !embedded) return err_set(err, SIMILE_E_INTERNAL, "the encoder's memory is too small");
    embedding e = {v, pixels, patches, embedded, x};
    nn_parallel(ctx, n * v->grid, cut_patches, &e);
    RETURN_IF_ERROR(nn_linear(ctx, v->patch, rows, patches, embedded, NN_ACT_NONE, false, err));
    nn_parallel(ctx, n, add_positions, &e);
    return SIMILE_OK;
}

static simile_status forward(const vit *v, block_run *r, arena *memory, const float *pixels, int64_t n, float *out,
                             simile_error *err)
{
    const tower_config *c = &v->config.tower;
    int32_t *starts = arena_take(memory, (size_t)(n + 1) * sizeof *starts);
    int32_t *rows = arena_take(memory, (size_t)n * sizeof *rows);
    if (!block_run_place(r, memory, n * v->tokens) || !starts || !rows)
        return err_set(err, SIMILE_E_INTERNAL, "the encoder's memory is too small");
    for (int64_t s = 0; s <= n; s++) starts[s] = (int32_t)(s * v->tokens);
    for (int64_t s = 0; s < n; s++) rows[s] = starts[s];
    r->starts = starts;
    r->sequences = (int32_t)n;
    RETURN_IF_ERROR(embed(v, r->ctx, memory, pixels, n, r->x, err));
    nn_layer_norm(r->ctx, n * v->tokens, c->width, r->x, v->pre_norm.weight, v->pre_norm.bias, c->eps, r->x);
    for (int64_t i = 0; i + 1 < c->layers; i++) RETURN_IF_ERROR(block_forward(r, &v->blocks[i], err));
    RETURN_IF_ERROR(block_forward_rows(r, &v->blocks[c->layers - 1], rows, err));
    nn_layer_norm(r->ctx, n, c->width, r->x, v->post_norm.weight, v->post_norm.bias, c->eps, r->y);
    return nn_linear(r->ctx, v->projection, n, r->y, out, NN_ACT_NONE, false, err);
}

simile_status vit_forward(const vit *v, nn_context *ctx, arena *memory, const float *pixels, int64_t n, float *out,
                          simile_error *err)
{
    block_run r = {.ctx = ctx, .config = &v->config.tower};
    const size_t mark = arena_mark(memory);
    const simile_status status = forward(v, &r, memory, pixels, n, out, err);
    arena_reset(memory, mark);
    return status;
}
