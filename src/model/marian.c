/* SPDX-License-Identifier: Apache-2.0
 * marian.c - see marian.h.
 *
 * Keys and values of a hypothesis' own tokens stay where they were computed; a hypothesis is a list of rows. So beams
 * that change places, or go on from one common beginning, move nothing. Those of the sources are computed once.
 * Threads: a marian is immutable once packed, a run belongs to one thread. */
#include "model/marian.h"

#include "model/block.h"
#include "model/query_attention.h"

#include <math.h>
#include <stdio.h>

#define MAX_RUN_BYTES 4294967296.0

enum { SELF_Q, SELF_K, SELF_V, SELF_OUT, CROSS_Q, CROSS_K, CROSS_V, CROSS_OUT, FC1, FC2, DECODER_LINEARS };

typedef struct {
    norm self_norm, cross_norm, final_norm;
    nn_tensor weight[DECODER_LINEARS], bias[DECODER_LINEARS]; /* views */
    nn_matrix *self_qkv, *self_out, *cross_q, *cross_kv, *cross_out, *fc1, *fc2;
} decoder_block;

struct marian {
    marian_config config;
    nn_tensor embedding, logits_bias; /* [V, D], [1, V] */
    block *encoder;
    decoder_block *decoder;
    nn_matrix *logits; /* [V, D] with bias, once packed */
    float *places;     /* [places, D] */
};

/* ---- loading ---- */

static void load_linear(loader *l, decoder_block *b, int which, const char *prefix, const char *name, int64_t rows,
                        int64_t cols)
{
    char part[64];
    snprintf(part, sizeof part, "%s.weight", name);
    b->weight[which] = loader_matrix(l, prefix, part, rows, cols);
    snprintf(part, sizeof part, "%s.bias", name);
    b->bias[which] = loader_vector(l, prefix, part, rows);
}

static void load_decoder_block(loader *l, const tower_config *c, int64_t i, decoder_block *b)
{
    static const char *const names[CROSS_OUT + 1] = {
        "self_attn.q_proj",    "self_attn.k_proj",    "self_attn.v_proj",    "self_attn.out_proj",
        "encoder_attn.q_proj", "encoder_attn.k_proj", "encoder_attn.v_proj", "encoder_attn.out_proj"};
    char prefix[64];
    snprintf(prefix, sizeof prefix, "model.decoder.layers.%lld.", (long long)i);
    for (int k = 0; k <= CROSS_OUT; k++) load_linear(l, b, k, prefix, names[k], c->width, c->width);
    load_linear(l, b, FC1, prefix, "fc1", c->mlp, c->width);
    load_linear(l, b, FC2, prefix, "fc2", c->width, c->mlp);
    b->self_norm = norm_load(l, prefix, "self_attn_layer_norm", c->width);
    b->cross_norm = norm_load(l, prefix, "encoder_attn_layer_norm", c->width);
    b->final_norm = norm_load(l, prefix, "final_layer_norm", c->width);
}

/* One matrix, which files hold under one to four names; tables of positions are computed. */
static void load_embedding(loader *l, marian *m)
{
    static const char *const names[] = {"model.shared.weight", "model.encoder.embed_tokens.weight",
                                        "model.decoder.embed_tokens.weight", "lm_head.weight"};
    static const char *const tables[] = {"model.encoder.embed_positions.weight",
                                         "model.decoder.embed_positions.weight"};
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names && !l->status; i++) {
        if (i < 3 ? !weights_has(l->files, names[i]) : !weights_has(l->files, names[i]) && found) continue;
        const nn_tensor t = loader_matrix(l, "", names[i], m->config.vocab, m->config.encoder.width);
        const size_t size = (size_t)nn_tensor_count(&t) * nn_dtype_size(t.dtype);
        if (!l->status && found && t.dtype == m->embedding.dtype && memcmp(t.data, m->embedding.data, size) != 0)
            l->status =
                err_set(l->err, SIMILE_E_UNSUPPORTED,
                        "a translator whose '%s' is not that of its other embeddings is not supported", names[i]);
        if (!found) m->embedding = t;
        found = true;
    }
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) weights_ignore(l->files, tables[i]);
}

static void load(loader *l, marian *m)
{
    static const block_names names = {
        "self_attn_layer_norm",
        {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "fc1", "fc2"},
        "final_layer_norm"};
    const int64_t bias[2] = {1, m->config.vocab};
    load_embedding(l, m);
    blocks_load_named(l, "model.encoder.layers.", &names, &m->config.encoder, m->encoder);
    for (int64_t i = 0; i < m->config.decoder.layers; i++) load_decoder_block(l, &m->config.decoder, i, &m->decoder[i]);
    m->logits_bias = loader_get(l, "", "final_logits_bias", 2, bias);
}

simile_status marian_new(loader *l, const marian_config *c, marian **out)
{
    marian *m = *out = mem_new(marian);
    if (!m) return l->status = err_nomem(l->err);
    m->config = *c;
    m->encoder = mem_zero_array((size_t)c->encoder.layers, sizeof *m->encoder);
    m->decoder = mem_zero_array((size_t)c->decoder.layers, sizeof *m->decoder);
    if (!m->encoder || !m->decoder) return l->status = err_nomem(l->err);
    load(l, m);
    return l->status;
}

const marian_config *marian_get_config(const marian *m)
{
    return &m->config;
}

/* ---- packing ---- */

static simile_status pack_linear(const decoder_block *b, int first, int parts, packer *how, nn_matrix **out,
                                 simile_error *err)
{
    const nn_matrix_spec spec = {
        .weights = &b->weight[first], .biases = &b->bias[first], .n_parts = parts, .precision = NN_COMPUTE_F32};
    return packer_matrix(how, &spec, out, err);
}

static simile_status pack_decoder_block(decoder_block *b, packer *how, simile_error *err)
{
    if (!norm_pack(&b->self_norm, how) || !norm_pack(&b->cross_norm, how) || !norm_pack(&b->final_norm, how))
        return err_nomem(err);
    RETURN_IF_ERROR(pack_linear(b, SELF_Q, 3, how, &b->self_qkv, err));
    RETURN_IF_ERROR(pack_linear(b, SELF_OUT, 1, how, &b->self_out, err));
    RETURN_IF_ERROR(pack_linear(b, CROSS_Q, 1, how, &b->cross_q, err));
    RETURN_IF_ERROR(pack_linear(b, CROSS_K, 2, how, &b->cross_kv, err));
    RETURN_IF_ERROR(pack_linear(b, CROSS_OUT, 1, how, &b->cross_out, err));
    RETURN_IF_ERROR(pack_linear(b, FC1, 1, how, &b->fc1, err));
    return pack_linear(b, FC2, 1, how, &b->fc2, err);
}

static bool pack_places(marian *m)
{
    const int64_t d = m->config.encoder.width, half = (d + 1) / 2;
    m->places = mem_array((size_t)(m->config.places * d), sizeof *m->places);
    if (!m->places) return false;
    for (int64_t p = 0; p < m->config.places; p++) {
        for (int64_t i = 0; i < d; i++) {
            const int64_t k = i < half ? i : i - half;
            const double angle = (double)p / pow(10000, 2 * (double)k / (double)d);
            m->places[p * d + i] = (float)(i < half ? sin(angle) : cos(angle));
        }
    }
    return true;
}

simile_status marian_pack(marian *m, packer *how, simile_error *err)
{
    const nn_matrix_spec logits = {
        .weights = &m->embedding, .biases = &m->logits_bias, .n_parts = 1, .precision = NN_COMPUTE_F32};
    if (!pack_places(m)) return err_nomem(err);
    RETURN_IF_ERROR(blocks_pack(m->encoder, &m->config.encoder, NULL, how, err));
    for (int64_t i = 0; i < m->config.decoder.layers; i++)
        RETURN_IF_ERROR(pack_decoder_block(&m->decoder[i], how, err));
    return packer_matrix(how, &logits, &m->logits, err);
}

static void release_decoder_block(decoder_block *b)
{
    nn_matrix **matrices[] = {&b->self_qkv, &b->self_out, &b->cross_q, &b->cross_kv, &b->cross_out, &b->fc1, &b->fc2};
    norm_release(&b->self_norm);
    norm_release(&b->cross_norm);
    norm_release(&b->final_norm);
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        nn_matrix_free(*matrices[i]);
        *matrices[i] = NULL;
    }
}

void marian_unpack(marian *m)
{
    blocks_release(m->encoder, m->config.encoder.layers);
    for (int64_t i = 0; m->decoder && i < m->config.decoder.layers; i++) release_decoder_block(&m->decoder[i]);
    nn_matrix_free(m->logits);
    mem_free(m->places);
    m->logits = NULL;
    m->places = NULL;
}

void marian_free(marian *m)
{
    if (!m) return;
    marian_unpack(m);
    mem_free(m->encoder);
    mem_free(m->decoder);
    mem_free(m);
}

/* ---- a run ---- */

struct marian_run {
    const marian *m;
    nn_context *ctx;
    int32_t *starts; /* [sources + 1] */
    int32_t sources;
    float *states;        /* [tokens, D] */
    float **cross, **own; /* [layers]: [tokens, 2D] and [rows, 2D] */
    int32_t rows, row_room;
    float *y, *wide, *logits; /* [room, D], [room, max(3D, F)], [room, V] */
    attention_keys *keys;     /* [2 x room]: of the n queries to their own tokens, then to their sources */
    int32_t *lists;           /* the queries' rows and the new one, one behind another */
    size_t list_room;
    int32_t room;
};

void marian_run_free(marian_run *r)
{
    if (!r) return;
    for (int64_t i = 0; i < r->m->config.decoder.layers; i++) {
        if (r->cross) mem_free(r->cross[i]);
        if (r->own) mem_free(r->own[i]);
    }
    mem_free(r->cross);
    mem_free(r->own);
    mem_free(r->starts);
    mem_free(r->states);
    mem_free(r->y);
    mem_free(r->wide);
    mem_free(r->logits);
    mem_free(r->keys);
    mem_free(r->lists);
    mem_free(r);
}

const float *marian_run_states(const marian_run *r)
{
    return r->states;
}

static int64_t widest(const tower_config *c)
{
    return 3 * c->width > c->mlp ? 3 * c->width : c->mlp;
}

/* x = E[id] scale + P[place] */
static void embed(const marian *m, int32_t id, int64_t place, float *x)
{
    const int64_t d = m->config.encoder.width;
    const float scale = m->config.scale_embedding ? sqrtf((float)d) : 1;
    nn_tensor_to_f32(&m->embedding, id * d, d, x);
    for (int64_t i = 0; i < d; i++) x[i] = x[i] * scale + m->places[place * d + i];
}

static simile_status encode(marian_run *r, const int32_t *ids, simile_error *err)
{
    const marian *m = r->m;
    const tower_config *c = &m->config.encoder;
    const int64_t d = c->width, tokens = r->starts[r->sources];
    arena memory;
    if (!arena_init(&memory, block_run_bytes(c, tokens))) return err_nomem(err);
    block_run run = {.ctx = r->ctx, .config = c, .starts = r->starts, .sequences = r->sources, .post_norm = true};
    simile_status status = block_run_place(&run, &memory, tokens) ? SIMILE_OK : err_nomem(err);
    if (!status) {
        for (int32_t s = 0; s < r->sources; s++) {
            for (int32_t i = r->starts[s]; i < r->starts[s + 1]; i++) embed(m, ids[i], i - r->starts[s], run.x + i * d);
        }
    }
    for (int64_t i = 0; i < c->layers && !status; i++) status = block_forward(&run, &m->encoder[i], err);
    if (!status) memcpy(r->states, run.x, (size_t)(tokens * d) * sizeof *r->states);
    arena_release(&memory);
    for (int64_t i = 0; i < m->config.decoder.layers && !status; i++)
        status = nn_linear(r->ctx, m->decoder[i].cross_kv, tokens, r->states, r->cross[i], NN_ACT_NONE, false, err);
    return status;
}

static simile_status check_sources(const marian *m, const int32_t *ids, const int32_t *starts, int32_t n,
                                   simile_error *err)
{
    for (int32_t s = 0; s < n; s++) {
        const int32_t length = starts[s + 1] - starts[s];
        if (length < 1 || length > m->config.places)
            return err_set(err, SIMILE_E_LIMIT, "a text of %d tokens does not fit a translator's %lld", length,
                           (long long)m->config.places);
    }
    for (int32_t i = starts[0]; i < starts[n]; i++) {
        if (ids[i] < 0 || ids[i] >= m->config.vocab)
            return err_set(err, SIMILE_E_FORMAT, "token %d is not in the translator's vocabulary of %lld", ids[i],
                           (long long)m->config.vocab);
    }
    return SIMILE_OK;
}

static bool place_run(marian_run *r, const int32_t *starts, int32_t n)
{
    const size_t layers = (size_t)r->m->config.decoder.layers, d = (size_t)r->m->config.encoder.width;
    const size_t tokens = (size_t)starts[n];
    r->starts = mem_array((size_t)n + 1, sizeof *r->starts);
    r->states = mem_array(tokens * d, sizeof *r->states);
    r->cross = mem_zero_array(layers, sizeof *r->cross);
    r->own = mem_zero_array(layers, sizeof *r->own);
    if (!r->starts || !r->states || !r->cross || !r->own) return false;
    memcpy(r->starts, starts, ((size_t)n + 1) * sizeof *starts);
    for (size_t i = 0; i < layers; i++) {
        r->cross[i] = mem_array(tokens * 2 * d, sizeof **r->cross);
        if (!r->cross[i]) return false;
    }
    return true;
}

simile_status marian_run_new(const marian *m, nn_context *ctx, const int32_t *ids, const int32_t *starts, int32_t n,
                             marian_run **out, simile_error *err)
{
    *out = NULL;
    RETURN_IF_ERROR(check_sources(m, ids, starts, n, err));
    marian_run *r = mem_new(marian_run);
    if (!r) return err_nomem(err);
    r->m = m;
    r->ctx = ctx;
    r->sources = n;
    simile_status status = place_run(r, starts, n) ? encode(r, ids, err) : err_nomem(err);
    if (status) {
        marian_run_free(r);
        return status;
    }
    *out = r;
    return SIMILE_OK;
}

/* ---- one step ---- */

static bool grow_floats(float **p, int64_t n, int64_t each)
{
    float *larger = mem_grow(*p, (size_t)n * (size_t)each, sizeof *larger);
    if (larger) *p = larger;
    return larger;
}

static int32_t row_room(const marian_run *r, int32_t n)
{
    return r->rows + n > r->row_room ? 2 * (r->rows + n) + 32 : r->row_room;
}

/* What `rows` rows of keys and values, and logits of n queries, would take. No translation that makes sense comes near
 * the limit; files that name a large vocabulary, many beams and long texts at once would. */
static simile_status check_growth(const marian_run *r, int64_t rows, int32_t n, simile_error *err)
{
    const marian_config *c = &r->m->config;
    const double floats =
        (double)rows * (double)(2 * c->encoder.width * c->decoder.layers) + (double)n * (double)c->vocab;
    if (floats * sizeof(float) <= MAX_RUN_BYTES) return SIMILE_OK;
    return err_set(err, SIMILE_E_LIMIT, "a translation of so many beams and tokens would take %.1f GB of memory",
                   floats * sizeof(float) * 1e-9);
}

/* Room for n queries at once and n more rows of keys and values. */
static bool make_room(marian_run *r, const marian_query *queries, int32_t n)
{
    const marian_config *c = &r->m->config;
    const int64_t d = c->encoder.width;
    size_t list = 0;
    for (int32_t i = 0; i < n; i++) list += (size_t)queries[i].place + 1;
    if (n > r->room) {
        attention_keys *keys = mem_grow(r->keys, 2 * (size_t)n, sizeof *keys);
        if (keys) r->keys = keys;
        if (!keys || !grow_floats(&r->y, n, 2 * d) || !grow_floats(&r->wide, n, widest(&c->decoder)) ||
            !grow_floats(&r->logits, n, c->vocab))
            return false;
        r->room = n;
    }
    if (list > r->list_room) {
        int32_t *lists = mem_grow(r->lists, 2 * list, sizeof *lists);
        if (!lists) return false;
        r->lists = lists;
        r->list_room = 2 * list;
    }
    if (r->rows + n > r->row_room) {
        const int32_t room = row_room(r, n);
        for (int64_t i = 0; i < c->decoder.layers; i++) {
            if (!grow_floats(&r->own[i], room, 2 * d)) return false;
        }
        r->row_room = room;
    }
    return true;
}

/* Which of the rows in `own` each query sees: those of its tokens, and its new one. */
static void list_rows(marian_run *r, const marian_query *queries, int32_t n)
{
    int32_t *at = r->lists;
    for (int32_t i = 0; i < n; i++) {
        r->keys[i] = (attention_keys){NULL, at, queries[i].place + 1};
        if (queries[i].place) memcpy(at, queries[i].rows, (size_t)queries[i].place * sizeof *at);
        at += queries[i].place;
        *at++ = r->rows + i;
    }
}

static simile_status attend_self(marian_run *r, const decoder_block *b, int64_t layer, int32_t n, simile_error *err)
{
    const tower_config *c = &r->m->config.decoder;
    const int64_t d = c->width;
    float *y = r->y, *seen = r->y + n * d, *own = r->own[layer];
    RETURN_IF_ERROR(nn_linear(r->ctx, b->self_qkv, n, y, r->wide, NN_ACT_NONE, false, err));
    for (int32_t i = 0; i < n; i++) {
        memcpy(own + (r->rows + i) * 2 * d, r->wide + i * 3 * d + d, (size_t)(2 * d) * sizeof *own);
        r->keys[i].kv = own;
    }
    const query_attention_args args = {.q = r->wide,
                                       .q_stride = 3 * d,
                                       .keys = r->keys,
                                       .out = seen,
                                       .n = n,
                                       .rows = 1,
                                       .width = d,
                                       .heads = c->heads};
    query_attention(r->ctx, &args);
    RETURN_IF_ERROR(nn_linear(r->ctx, b->self_out, n, seen, y, NN_ACT_NONE, true, err));
    nn_layer_norm(r->ctx, n, d, y, b->self_norm.weight, b->self_norm.bias, c->eps, y);
    return SIMILE_OK;
}

static simile_status attend_source(marian_run *r, const decoder_block *b, int64_t layer, const marian_query *queries,
                                   int32_t n, simile_error *err)
{
    attention_keys *keys = r->keys + n;
    const tower_config *c = &r->m->config.decoder;
    const int64_t d = c->width;
    float *y = r->y, *seen = r->y + n * d;
    for (int32_t i = 0; i < n; i++) {
        const int32_t first = r->starts[queries[i].source], end = r->starts[queries[i].source + 1];
        keys[i] = (attention_keys){r->cross[layer] + first * 2 * d, NULL, end - first};
    }
    RETURN_IF_ERROR(nn_linear(r->ctx, b->cross_q, n, y, r->wide, NN_ACT_NONE, false, err));
    const query_attention_args args = {
        .q = r->wide, .keys = keys, .out = seen, .n = n, .rows = 1, .width = d, .heads = c->heads};
    query_attention(r->ctx, &args);
    RETURN_IF_ERROR(nn_linear(r->ctx, b->cross_out, n, seen, y, NN_ACT_NONE, true, err));
    nn_layer_norm(r->ctx, n, d, y, b->cross_norm.weight, b->cross_norm.bias, c->eps, y);
    return SIMILE_OK;
}

static simile_status decoder_forward(marian_run *r, int64_t layer, const marian_query *queries, int32_t n,
                                     simile_error *err)
{
    const decoder_block *b = &r->m->decoder[layer];
    const tower_config *c = &r->m->config.decoder;
    RETURN_IF_ERROR(attend_self(r, b, layer, n, err));
    RETURN_IF_ERROR(attend_source(r, b, layer, queries, n, err));
    RETURN_IF_ERROR(nn_linear(r->ctx, b->fc1, n, r->y, r->wide, c->act, false, err));
    RETURN_IF_ERROR(nn_linear(r->ctx, b->fc2, n, r->wide, r->y, NN_ACT_NONE, true, err));
    nn_layer_norm(r->ctx, n, c->width, r->y, b->final_norm.weight, b->final_norm.bias, c->eps, r->y);
    return SIMILE_OK;
}

simile_status marian_step(marian_run *r, const marian_query *queries, int32_t n, const float **logits, int32_t *first,
                          simile_error *err)
{
    const marian_config *c = &r->m->config;
    simile_status status = check_growth(r, row_room(r, n), n, err);
    if (!status && !make_room(r, queries, n)) status = err_nomem(err);
    if (!status) {
        for (int32_t i = 0; i < n; i++) embed(r->m, queries[i].token, queries[i].place, r->y + i * c->encoder.width);
        list_rows(r, queries, n);
    }
    for (int64_t i = 0; i < c->decoder.layers && !status; i++) status = decoder_forward(r, i, queries, n, err);
    if (!status) status = nn_linear(r->ctx, r->m->logits, n, r->y, r->logits, NN_ACT_NONE, false, err);
    if (status) return status;
    *first = r->rows;
    *logits = r->logits;
    r->rows += n;
    return SIMILE_OK;
}
