/* SPDX-License-Identifier: Apache-2.0
 * block.c - see block.h. */
#include "model/block.h"

#include "model/query_attention.h"

#include <math.h>
#include <stdio.h>

/* In bfloat16, on one thread: as many rows as leave their part of y and h in the second cache between two products. */
enum { ROWS_TOGETHER = 112, MOST_TOGETHER = 16 };

static const block_names clip_names = {
    .norm1 = "layer_norm1",
    .linear = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2"},
    .norm2 = "layer_norm2"};

static void block_load(loader *l, const char *prefix, const block_names *names, const tower_config *c, block *out)
{
    out->norm1 = norm_load(l, prefix, names->norm1, c->width);
    for (int i = 0; i < BLOCK_LINEARS; i++) {
        char part[64];
        const int64_t rows = i == LINEAR_FC1 ? c->mlp : c->width, cols = i == LINEAR_FC2 ? c->mlp : c->width;
        snprintf(part, sizeof part, "%s.weight", names->linear[i]);
        out->weight[i] = loader_matrix(l, prefix, part, rows, cols);
        snprintf(part, sizeof part, "%s.bias", names->linear[i]);
        out->bias[i] = loader_vector(l, prefix, part, rows);
    }
    out->norm2 = norm_load(l, prefix, names->norm2, c->width);
}

static simile_status pack(const block *b, int first, int parts, const balance_input *x, packer *how, nn_matrix **out,
                          simile_error *err)
{
    const nn_matrix_spec spec = {
        .weights = &b->weight[first], .biases = &b->bias[first], .n_parts = parts, .precision = how->precision};
    return packer_balanced(how, &spec, x, out, err);
}

/* What a norm gives, or a product with it. */
static balance_input behind(const norm *n, const block *b, int linear, nn_act act)
{
    balance_input x = {.gain = n->weight, .bias = n->bias, .act = act};
    if (linear != BLOCK_LINEARS) x.weight = &b->weight[linear], x.offset = &b->bias[linear];
    return x;
}

/* before: the norm whose rows the block gets when its own stand behind its parts; NULL: they stand before them. */
static simile_status block_pack(block *b, const tower_config *c, const norm *before, packer *how, simile_error *err)
{
    b->precision = how->precision;
    if (!norm_pack(&b->norm1, how) || !norm_pack(&b->norm2, how)) return err_nomem(err);
    const norm *first = before ? before : &b->norm1, *second = before ? &b->norm1 : &b->norm2;
    const balance_input rows = behind(first, b, BLOCK_LINEARS, NN_ACT_NONE);
    const balance_input mixed = behind(first, b, LINEAR_V, NN_ACT_NONE);
    const balance_input between = behind(second, b, BLOCK_LINEARS, NN_ACT_NONE);
    const balance_input hidden = behind(second, b, LINEAR_FC1, c->act);
    RETURN_IF_ERROR(pack(b, LINEAR_Q, 3, &rows, how, &b->qkv, err));
    RETURN_IF_ERROR(pack(b, LINEAR_OUT, 1, &mixed, how, &b->out, err));
    RETURN_IF_ERROR(pack(b, LINEAR_FC1, 1, &between, how, &b->fc1, err));
    return pack(b, LINEAR_FC2, 1, &hidden, how, &b->fc2, err);
}

static void block_release(block *b)
{
    norm_release(&b->norm1);
    norm_release(&b->norm2);
    nn_matrix_free(b->q);
    nn_matrix_free(b->kv);
    nn_matrix_free(b->qkv);
    nn_matrix_free(b->out);
    nn_matrix_free(b->fc1);
    nn_matrix_free(b->fc2);
    b->qkv = b->q = b->kv = b->out = b->fc1 = b->fc2 = NULL;
}

void blocks_load_named(loader *l, const char *prefix, const block_names *names, const tower_config *c, block *out)
{
    for (int64_t i = 0; i < c->layers; i++) {
        char numbered[96];
        snprintf(numbered, sizeof numbered, "%s%lld.", prefix, (long long)i);
        block_load(l, numbered, names, c, &out[i]);
    }
}

void blocks_load(loader *l, const char *prefix, const tower_config *c, block *out)
{
    blocks_load_named(l, prefix, &clip_names, c, out);
}

/* The last block may be asked for the queries of a few rows and keys and values of all (block_forward_rows). */
static simile_status cut_last(block *b, const tower_config *c, simile_error *err)
{
    if (!b->qkv) return SIMILE_OK; /* nothing is packed: someone listens */
    RETURN_IF_ERROR(nn_matrix_part(b->qkv, 0, c->width, &b->q, err));
    return b->q ? nn_matrix_part(b->qkv, c->width, 2 * c->width, &b->kv, err) : SIMILE_OK;
}

simile_status blocks_pack(block *blocks, const tower_config *c, const norm *before, packer *how, simile_error *err)
{
    for (int64_t i = 0; i < c->layers; i++) {
        const norm *last = before && i ? &blocks[i - 1].norm2 : before;
        RETURN_IF_ERROR(block_pack(&blocks[i], c, last, how, err));
    }
    return c->layers > 0 ? cut_last(&blocks[c->layers - 1], c, err) : SIMILE_OK;
}

void blocks_release(block *blocks, int64_t layers)
{
    for (int64_t i = 0; blocks && i < layers; i++) block_release(&blocks[i]);
}

void tower_config_identify(const tower_config *c, digest *d)
{
    char text[96];
    const int n =
        snprintf(text, sizeof text, "heads %lld act %d eps %a", (long long)c->heads, (int)c->act, (double)c->eps);
    digest_add_part(d, text, (size_t)n);
}

static void layer_norm(const block_run *r, const norm *n, int64_t rows, const float *x, float *y)
{
    nn_layer_norm(r->ctx, rows, r->config->width, x, n->weight, n->bias, r->config->eps, y);
}

/* y = act(norm(x) W^T + b), or act(x W^T + b) where there is no norm; with one r->y is overwritten. */
static simile_status linear_from_x(const block_run *r, const norm *n, const nn_matrix *w, int64_t rows, nn_rows y,
                                   nn_act act, simile_error *err)
{
    nn_norm how = {.eps = r->config->eps};
    if (n) how.weight = n->weight, how.bias = n->bias;
    const nn_product p = {.w = w,
                          .rows = rows,
                          .x = {r->x, r->config->width, NN_ROWS_F32},
                          .y = y,
                          .norm = n ? &how : NULL,
                          .normed = r->y,
                          .act = act};
    return nn_product_run(r->ctx, &p, err);
}

/* x += fc2(act(fc1(norm(x)))), or x += fc2(act(fc1(x))) where there is no norm; with one r->y is overwritten. */
static simile_status feed_forward(const block_run *r, const block *b, const norm *n, int64_t rows, simile_error *err)
{
    const nn_product back = {.w = b->fc2,
                             .rows = rows,
                             .x = nn_rows_between(r->ctx, b->fc1, b->fc2, r->h),
                             .y = {r->x, r->config->width, NN_ROWS_F32},
                             .accumulate = true};
    RETURN_IF_ERROR(linear_from_x(r, n, b->fc1, rows, back.x, r->config->act, err));
    return nn_product_run(r->ctx, &back, err);
}

/* to = norm1(x) W^T + b, or x W^T + b with post_norm, `rows` rows; y is overwritten. */
static simile_status enter(const block_run *r, const block *b, const nn_matrix *w, int64_t rows, nn_rows y,
                           simile_error *err)
{
    return linear_from_x(r, r->post_norm ? NULL : &b->norm1, w, rows, y, NN_ACT_NONE, err);
}

/* *y = attention(norm1(x)), or attention(x) with post_norm, all rows; r->y, where they lie, is overwritten twice. */
static simile_status attend(const block_run *r, const block *b, nn_rows *y, simile_error *err)
{
    const tower_config *c = r->config;
    const nn_rows qkv = nn_rows_to_attention(r->ctx, b->qkv, c->width / c->heads, r->h);
    RETURN_IF_ERROR(enter(r, b, b->qkv, r->starts[r->sequences], qkv, err));
    *y = nn_rows_from_attention(r->ctx, b->out, r->y);
    const nn_attention_args args = {.qkv = qkv.data,
                                    .out = y->data,
                                    .starts = r->starts,
                                    .sequences = r->sequences,
                                    .heads = (int32_t)c->heads,
                                    .head_dim = (int32_t)(c->width / c->heads),
                                    .scale = 1.0f / sqrtf((float)(c->width / c->heads)),
                                    .causal = r->causal,
                                    .precision = b->precision,
                                    .qkv_stride = qkv.stride,
                                    .out_stride = y->stride,
                                    .qkv_type = qkv.type,
                                    .out_type = y->type};
    return nn_attention(r->ctx, &args, err);
}

/* x += out(y) */
static simile_status leave(const block_run *r, const block *b, int64_t rows, nn_rows y, simile_error *err)
{
    const nn_product p = {
        .w = b->out, .rows = rows, .x = y, .y = {r->x, r->config->width, NN_ROWS_F32}, .accumulate = true};
    return nn_product_run(r->ctx, &p, err);
}

/* x = norm1(x + out(y)); x = norm2(x + fc2(act(fc1(x)))), `rows` rows. */
static simile_status finish_post(const block_run *r, const block *b, int64_t rows, nn_rows y, simile_error *err)
{
    RETURN_IF_ERROR(leave(r, b, rows, y, err));
    layer_norm(r, &b->norm1, rows, r->x, r->x);
    RETURN_IF_ERROR(feed_forward(r, b, NULL, rows, err));
    layer_norm(r, &b->norm2, rows, r->x, r->x);
    return SIMILE_OK;
}

/* x += out(y); x += fc2(act(fc1(norm2(x)))), `rows` rows. */
static simile_status finish(const block_run *r, const block *b, int64_t rows, nn_rows y, simile_error *err)
{
    if (r->post_norm) return finish_post(r, b, rows, y, err);
    RETURN_IF_ERROR(leave(r, b, rows, y, err));
    return feed_forward(r, b, &b->norm2, rows, err);
}

static simile_status forward(const block_run *r, const block *b, simile_error *err)
{
    nn_rows y;
    RETURN_IF_ERROR(attend(r, b, &y, err));
    return finish(r, b, r->starts[r->sequences], y, err);
}

/* The sequences first .. first+n-1 of a run, where it was: they share its scratch memory. starts: [n + 1] */
static block_run some_of(const block_run *r, int32_t first, int32_t n, int32_t *starts)
{
    block_run some = *r;
    for (int32_t s = 0; s <= n; s++) starts[s] = r->starts[first + s] - r->starts[first];
    some.x += (int64_t)r->starts[first] * r->config->width;
    some.starts = starts;
    some.sequences = n;
    return some;
}

/* How many sequences from `first` on go together. */
static int32_t company(const block_run *r, int32_t first, int32_t rows)
{
    int32_t end = first + 1;
    while (end < r->sequences && end - first < MOST_TOGETHER && r->starts[end + 1] - r->starts[first] <= rows) end++;
    return end - first;
}

simile_status block_forward(const block_run *r, const block *b, simile_error *err)
{
    const bool many = r->starts[r->sequences] >= 2 * ROWS_TOGETHER;
    if (!many || b->precision != NN_COMPUTE_BF16 || nn_context_threads(r->ctx) > 1) return forward(r, b, err);
    for (int32_t first = 0; first < r->sequences;) {
        int32_t starts[MOST_TOGETHER + 1];
        const int32_t n = company(r, first, ROWS_TOGETHER);
        const block_run some = some_of(r, first, n, starts);
        RETURN_IF_ERROR(forward(&some, b, err));
        first += n;
    }
    return SIMILE_OK;
}

/* The rows wanted of x, to its beginning: rows[s] >= s, so nothing still needed is overwritten. */
static void gather(const block_run *r, const int32_t *rows, nn_rows x)
{
    const size_t bytes = (size_t)x.stride * (x.type == NN_ROWS_BF16 ? sizeof(uint16_t) : sizeof(float));
    for (int32_t s = 0; s < r->sequences; s++)
        memmove((uint8_t *)x.data + (size_t)s * bytes, (uint8_t *)x.data + (size_t)rows[s] * bytes, bytes);
}

/* As attend(), one query a sequence. Leaves these rows of x and y alone. */
static simile_status attend_rows(const block_run *r, const block *b, const int32_t *rows, simile_error *err)
{
    const tower_config *c = r->config;
    const int64_t all = r->starts[r->sequences];
    float *q = r->h + all * 2 * c->width;
    RETURN_IF_ERROR(enter(r, b, b->kv, all, (nn_rows){r->h, 2 * c->width, NN_ROWS_F32}, err));
    gather(r, rows, (nn_rows){r->x, c->width, NN_ROWS_F32});
    RETURN_IF_ERROR(enter(r, b, b->q, r->sequences, (nn_rows){q, c->width, NN_ROWS_F32}, err));
    const query_attention_args args = {.q = q,
                                       .kv = r->h,
                                       .out = r->y,
                                       .n = r->sequences,
                                       .width = c->width,
                                       .heads = c->heads,
                                       .first = r->starts,
                                       .last = r->causal ? rows : NULL};
    query_attention(r->ctx, &args);
    return SIMILE_OK;
}

simile_status block_forward_rows(const block_run *r, const block *b, const int32_t *rows, simile_error *err)
{
    const nn_rows x = {r->x, r->config->width, NN_ROWS_F32};
    nn_rows y = {r->y, r->config->width, NN_ROWS_F32};
    if (b->kv) {
        RETURN_IF_ERROR(attend_rows(r, b, rows, err));
    } else {
        RETURN_IF_ERROR(attend(r, b, &y, err));
        gather(r, rows, x);
        gather(r, rows, y);
    }
    return finish(r, b, r->sequences, y, err);
}

static int64_t wide(const tower_config *c)
{
    return (3 * c->width > c->mlp ? 3 * c->width : c->mlp) + NN_ROW_SLACK;
}

size_t block_run_bytes(const tower_config *c, int64_t rows)
{
    return (size_t)rows * (size_t)(2 * c->width + NN_ROW_SLACK + wide(c)) * sizeof(float) + 3 * 64;
}

bool block_run_place(block_run *r, arena *memory, int64_t rows)
{
    const size_t d = (size_t)r->config->width;
    r->x = arena_take(memory, (size_t)rows * d * sizeof(float));
    r->y = arena_take(memory, (size_t)rows * (d + NN_ROW_SLACK) * sizeof(float));
    r->h = arena_take(memory, (size_t)rows * (size_t)wide(r->config) * sizeof(float));
    return r->x && r->y && r->h;
}
