/* SPDX-License-Identifier: Apache-2.0
 * vit.c - vision transformers: see vit.h for the formulas.
 * Reference: transformers, models/clip/modeling_clip.py (CLIPVisionTransformer), models/siglip/modeling_siglip.py. */
#include "model/vit.h"

#include "model/block.h"
#include "model/map_head.h"
#include "model/positions.h"

#include <stdio.h>

/* Rows that a product should have to be worth its start: beyond about a thousand nothing is gained (bench/). */
enum { CHUNK_ROWS = 1024 };

typedef struct {
    tower base;
    vit_config config;
    int64_t grid, patches, tokens; /* patches a side, N, N + 1 with a class token */
    nn_tensor class_view, patch_view, patch_bias_view, position_view, projection_view;
    int64_t trained_grid; /* of the table of positions */
    norm pre_norm, post_norm;
    block *blocks;
    map_head head;
    float *class_embedding, *position; /* [D], [tokens, D], once packed */
    nn_matrix *patch, *projection;     /* [D, 3PP], [E, D], once packed */
} vit;

bool vit_config_fits(const vit_config *c)
{
    if (c->image_size < 1 || c->image_size > 8192 || c->patch < 1 || c->patch > c->image_size) return false;
    const int64_t grid = c->image_size / c->patch;
    if (c->no_class && c->pooling == VIT_POOL_CLASS) return false;
    return grid * grid < CONFIG_MAX_PLACES && tower_config_fits(&c->tower);
}

static int64_t patch_inputs(const vit *v)
{
    return 3 * v->config.patch * v->config.patch;
}

static void load(loader *l, vit *v)
{
    const vit_config *c = &v->config;
    const int64_t d = c->tower.width, patch_shape[4] = {d, 3, c->patch, c->patch};
    const int64_t places = v->trained_grid * v->trained_grid + !c->no_class;
    static const char embeddings[] = "vision_model.embeddings.";
    if (!c->no_class) v->class_view = loader_vector(l, embeddings, "class_embedding", d);
    v->patch_view = loader_get(l, embeddings, "patch_embedding.weight", 4, patch_shape);
    if (c->patch_bias) v->patch_bias_view = loader_vector(l, embeddings, "patch_embedding.bias", d);
    v->position_view = loader_matrix(l, embeddings, "position_embedding.weight", places, d);
    if (!c->no_pre_norm) v->pre_norm = norm_load(l, "vision_model.", "pre_layrnorm", d); /* spelt so in the files */
    blocks_load(l, "vision_model.encoder.layers.", &c->tower, v->blocks);
    v->post_norm = norm_load(l, "vision_model.", "post_layernorm", d);
    if (c->pooling == VIT_POOL_MAP)
        map_head_load(l, &c->tower, &v->head);
    else
        v->projection_view = loader_matrix(l, "", "visual_projection.weight", v->base.dim, d);
}

static simile_status pack_pool(vit *v, packer *how, simile_error *err)
{
    const nn_matrix_spec projection = {.weights = &v->projection_view, .n_parts = 1, .precision = NN_COMPUTE_F32};
    if (v->config.pooling == VIT_POOL_MAP) return map_head_pack(&v->head, how, err);
    return packer_matrix(how, &projection, &v->projection, err);
}

static simile_status vit_pack(tower *t, packer *how, simile_error *err)
{
    vit *v = (vit *)t;
    const vit_config *c = &v->config;
    nn_tensor patch = v->patch_view; /* [D, 3, P, P] read as [D, 3PP] */
    patch.rank = 2;
    patch.dim[1] = patch_inputs(v);
    /* Pixels are even. Stored as 8-bit integers the patches are not: nothing would be saved. */
    const nn_matrix_spec patch_spec = {.weights = &patch,
                                       .biases = c->patch_bias ? &v->patch_bias_view : NULL,
                                       .n_parts = 1,
                                       .precision = how->listen ? how->careful : how->precision};
    if (!c->no_class) v->class_embedding = tensor_floats(&v->class_view);
    v->position = positions_on_grid(&v->position_view, v->trained_grid, v->grid);
    if ((!c->no_class && !v->class_embedding) || !v->position || !norm_pack(&v->post_norm, how)) return err_nomem(err);
    if (!c->no_pre_norm && !norm_pack(&v->pre_norm, how)) return err_nomem(err);
    RETURN_IF_ERROR(packer_matrix(how, &patch_spec, &v->patch, err));
    RETURN_IF_ERROR(pack_pool(v, how, err));
    return blocks_pack(v->blocks, &c->tower, NULL, how, err);
}

static void vit_unpack(tower *t)
{
    vit *v = (vit *)t;
    blocks_release(v->blocks, v->config.tower.layers);
    norm_release(&v->pre_norm);
    norm_release(&v->post_norm);
    map_head_release(&v->head);
    nn_matrix_free(v->patch);
    nn_matrix_free(v->projection);
    mem_free(v->class_embedding);
    mem_free(v->position);
    v->patch = v->projection = NULL;
    v->class_embedding = v->position = NULL;
}

static void vit_free(tower *t)
{
    vit *v = (vit *)t;
    vit_unpack(t);
    mem_free(v->blocks);
    mem_free(v);
}

/* The patches lie in h of the run; a small network with large patches may need more than a block does. */
static size_t patches_bytes(const vit *v)
{
    return (size_t)(v->base.chunk * v->patches * (patch_inputs(v) + NN_ROW_SLACK + v->config.tower.width)) *
           sizeof(float);
}

static size_t vit_memory(const tower *t)
{
    const vit *v = (const vit *)t;
    const int64_t n = v->base.chunk;
    const size_t before = patches_bytes(v) + 2 * 64; /* and after the blocks: */
    const size_t behind = v->config.pooling == VIT_POOL_MAP ? map_head_memory(&v->head, n, v->tokens) : 0;
    return block_run_bytes(&v->config.tower, n * v->tokens) + (size_t)(n + 1) * sizeof(int32_t) + 3 * 64 +
           (before > behind ? before : behind);
}

typedef struct {
    const vit *v;
    const float *pixels;   /* [n, 3, R, R] */
    nn_rows patches;       /* [n, N, 3PP] */
    const float *embedded; /* [n, N, D] */
    float *x;              /* [n, tokens, D] */
} embedding;

/* One row of patches of one picture, cut out: element (c, py, px) of a patch as the convolution's weight has it. */
static void cut_patches(void *user, int64_t item)
{
    const embedding *e = user;
    const vit *v = e->v;
    const size_t r = (size_t)v->config.image_size, p = (size_t)v->config.patch, grid = (size_t)v->grid;
    const size_t picture = (size_t)item / grid, gy = (size_t)item % grid;
    for (size_t gx = 0; gx < grid; gx++) {
        float *out = (float *)e->patches.data + ((picture * grid + gy) * grid + gx) * (size_t)e->patches.stride;
        for (size_t c = 0; c < 3; c++) {
            const float *in = e->pixels + ((picture * 3 + c) * r + gy * p) * r + gx * p;
            for (size_t py = 0; py < p; py++) memcpy(out + (c * p + py) * p, in + py * r, p * sizeof *out);
        }
    }
}

/* x of one picture: the class token, where there is one, and the patches, each plus its position. */
static void add_positions(void *user, int64_t item)
{
    const embedding *e = user;
    const vit *v = e->v;
    const size_t d = (size_t)v->config.tower.width, n = (size_t)v->patches * d;
    const size_t before = (size_t)(v->tokens - v->patches) * d;
    float *x = e->x + (size_t)item * (before + n);
    const float *p = e->embedded + (size_t)item * n;
    for (size_t i = 0; i < before; i++) x[i] = v->class_embedding[i] + v->position[i];
    for (size_t i = 0; i < n; i++) x[before + i] = p[i] + v->position[before + i];
}

static simile_status embed(const vit *v, nn_context *ctx, arena *memory, const float *pixels, int64_t n, float *x,
                           simile_error *err)
{
    const int64_t rows = n * v->patches;
    float *patches = arena_take(memory, (size_t)(rows * (patch_inputs(v) + NN_ROW_SLACK)) * sizeof *patches);
    float *embedded = arena_take(memory, (size_t)(rows * v->config.tower.width) * sizeof *embedded);
    if (!patches || !embedded) return err_set(err, SIMILE_E_INTERNAL, "the encoder's memory is too small");
    embedding e = {v, pixels, nn_rows_between(ctx, NULL, v->patch, patches), embedded, x};
    const nn_product p = {
        .w = v->patch, .rows = rows, .x = e.patches, .y = {embedded, v->config.tower.width, NN_ROWS_F32}};
    nn_parallel(ctx, n * v->grid, cut_patches, &e);
    RETURN_IF_ERROR(nn_product_run(ctx, &p, err));
    nn_parallel(ctx, n, add_positions, &e);
    return SIMILE_OK;
}

/* The blocks and the pooling: from r->x [n, tokens, D] to out [n, E]. A class token stands where its picture starts. */
static simile_status run_blocks(const vit *v, const block_run *r, arena *memory, float *out, simile_error *err)
{
    const tower_config *c = &v->config.tower;
    const bool one_row = v->config.pooling == VIT_POOL_CLASS;
    const int64_t left = one_row ? r->sequences : r->starts[r->sequences]; /* rows behind the last block */
    for (int64_t i = 0; i + one_row < c->layers; i++) RETURN_IF_ERROR(block_forward(r, &v->blocks[i], err));
    if (one_row) RETURN_IF_ERROR(block_forward_rows(r, &v->blocks[c->layers - 1], r->starts, err));
    nn_layer_norm(r->ctx, left, c->width, r->x, v->post_norm.weight, v->post_norm.bias, c->eps, r->y);
    if (!one_row) return map_head_forward(&v->head, r, memory, out, err);
    return nn_linear(r->ctx, v->projection, left, r->y, out, NN_ACT_NONE, false, err);
}

static simile_status forward(const vit *v, block_run *r, arena *memory, const float *pixels, int64_t n, float *out,
                             simile_error *err)
{
    const tower_config *c = &v->config.tower;
    int32_t *starts = arena_take(memory, (size_t)(n + 1) * sizeof *starts);
    if (!block_run_place(r, memory, n * v->tokens) || !starts)
        return err_set(err, SIMILE_E_INTERNAL, "the encoder's memory is too small");
    for (int64_t s = 0; s <= n; s++) starts[s] = (int32_t)(s * v->tokens);
    r->starts = starts;
    r->sequences = (int32_t)n;
    const size_t mark = arena_mark(memory);
    RETURN_IF_ERROR(embed(v, r->ctx, memory, pixels, n, r->x, err));
    arena_reset(memory, mark);
    if (!v->config.no_pre_norm)
        nn_layer_norm(r->ctx, n * v->tokens, c->width, r->x, v->pre_norm.weight, v->pre_norm.bias, c->eps, r->x);
    return run_blocks(v, r, memory, out, err);
}

static simile_status vit_see(const tower *t, nn_context *ctx, arena *memory, const float *pixels, int64_t n, float *out,
                             simile_error *err)
{
    const vit *v = (const vit *)t;
    block_run r = {.ctx = ctx, .config = &v->config.tower};
    const size_t mark = arena_mark(memory);
    const simile_status status = forward(v, &r, memory, pixels, n, out, err);
    arena_reset(memory, mark);
    return status;
}

static void vit_identify(const tower *t, const tokenizer *words, digest *d)
{
    (void)words;
    tower_config_identify(&((const vit *)t)->config.tower, d);
}

static const tower_ops vit_ops = {.pack = vit_pack,
                                  .unpack = vit_unpack,
                                  .free = vit_free,
                                  .memory = vit_memory,
                                  .identify = vit_identify,
                                  .see = vit_see};

simile_status vit_new(loader *l, const vit_config *c, int64_t dim, tower **out)
{
    vit *v = mem_new(vit);
    *out = v ? &v->base : NULL;
    if (!v) return l->status = err_nomem(l->err);
    v->base = (tower){.ops = &vit_ops, .dim = dim, .image_size = c->image_size};
    v->config = *c;
    v->grid = c->image_size / c->patch;
    v->patches = v->grid * v->grid;
    v->tokens = v->patches + !c->no_class;
    v->trained_grid = (c->trained_size ? c->trained_size : c->image_size) / c->patch;
    v->base.chunk = v->tokens >= CHUNK_ROWS ? 1 : CHUNK_ROWS / v->tokens;
    v->blocks = mem_zero_array((size_t)c->tower.layers, sizeof *v->blocks);
    if (!v->blocks) return l->status = err_nomem(l->err);
    load(l, v);
    return l->status;
}
