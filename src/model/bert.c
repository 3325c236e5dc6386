/* SPDX-License-Identifier: Apache-2.0
 * bert.c - BERT and its kin: see bert.h for the formulas.
 *
 * Texts lie packed behind one another, without padding. The references pad and mask: a row that is masked has no
 * influence on the others and is not pooled, so leaving it out is exact. Where one row of each text is wanted, the last
 * block computes no other. */
#include "model/bert.h"

#include "model/block.h"
#include "model/texts.h"

#include <math.h>
#include <stdio.h>

static const block_names names = {.norm1 = "attention.output.LayerNorm",
                                  .linear = {"attention.self.query", "attention.self.key", "attention.self.value",
                                             "attention.output.dense", "intermediate.dense", "output.dense"},
                                  .norm2 = "output.LayerNorm"};

typedef struct {
    nn_tensor weight, bias; /* views; bias.data NULL: none */
    nn_matrix *packed;      /* NULL until then, and where the network has no such layer */
} layer;

typedef struct {
    tower base;
    bert_config config;
    nn_tensor word_view, position_view, type_view;
    norm embedded;
    block *blocks;
    layer pooler, projection[2];
    float *position; /* [P, D], the first type added, once packed; words are widened row by row from the mapping */
} bert;

bool bert_config_fits(const bert_config *c)
{
    const bool mlp_fits = c->hidden >= 1 && (c->hidden <= 3 * c->tower.width || c->hidden <= c->tower.mlp);
    return c->vocab >= 1 && c->vocab <= CONFIG_MAX_VOCAB && c->places >= 2 && c->places <= CONFIG_MAX_PLACES &&
           c->types >= 0 && c->types <= CONFIG_MAX_VOCAB && c->first_place >= 0 && c->first_place <= c->places &&
           c->context >= 2 && c->context <= c->places - c->first_place &&
           (c->projection != BERT_PROJECT_MLP || mlp_fits) && tower_config_fits(&c->tower);
}

/* ---- loading ---- */

static layer load_layer(loader *l, const char *name, int64_t rows, int64_t cols, bool biased)
{
    char part[64];
    layer out = {.packed = NULL};
    snprintf(part, sizeof part, "%s.weight", name);
    out.weight = loader_matrix(l, "", part, rows, cols);
    snprintf(part, sizeof part, "%s.bias", name);
    if (biased) out.bias = loader_vector(l, "", part, rows);
    return out;
}

static void load_projection(loader *l, bert *t)
{
    const bert_config *c = &t->config;
    const int64_t d = c->tower.width;
    switch (c->projection) {
    case BERT_PROJECT_LINEAR:
    case BERT_PROJECT_BIASED:
        t->projection[0] = load_layer(l, "text_projection", t->base.dim, d, c->projection == BERT_PROJECT_BIASED);
        break;
    case BERT_PROJECT_MLP:
        t->projection[0] = load_layer(l, "text_projection.0", c->hidden, d, false);
        t->projection[1] = load_layer(l, "text_projection.2", t->base.dim, c->hidden, false);
        break;
    case BERT_PROJECT_NONE:
    default: break;
    }
}

static void load(loader *l, bert *t, const weights *head)
{
    static const char embeddings[] = "text_model.embeddings.", pooler[] = "text_model.pooler.dense";
    const bert_config *c = &t->config;
    const int64_t d = c->tower.width;
    t->word_view = loader_matrix(l, embeddings, "word_embeddings.weight", c->vocab, d);
    t->position_view = loader_matrix(l, embeddings, "position_embeddings.weight", c->places, d);
    if (c->types) t->type_view = loader_matrix(l, embeddings, "token_type_embeddings.weight", c->types, d);
    t->embedded = norm_load(l, embeddings, "LayerNorm", d);
    blocks_load_named(l, "text_model.encoder.layer.", &names, &c->tower, t->blocks);
    if (c->pooling == BERT_POOL_DENSE) {
        t->pooler = load_layer(l, pooler, d, d, true);
    } else {
        weights_skip(l->files, "text_model.pooler.dense.weight");
        weights_skip(l->files, "text_model.pooler.dense.bias");
    }
    const weights *files = l->files;
    if (head) l->files = head;
    load_projection(l, t);
    l->files = files;
}

/* ---- packing ---- */

static simile_status pack_layer(layer *f, packer *how, simile_error *err)
{
    if (!f->weight.data) return SIMILE_OK;
    const nn_matrix_spec spec = {
        .weights = &f->weight, .biases = f->bias.data ? &f->bias : NULL, .n_parts = 1, .precision = NN_COMPUTE_F32};
    return packer_matrix(how, &spec, &f->packed, err);
}

static void release_layer(layer *f)
{
    nn_matrix_free(f->packed);
    f->packed = NULL;
}

/* Every text is of the first type, so its row goes into the positions. */
static bool pack_positions(bert *t)
{
    const size_t d = (size_t)t->config.tower.width, places = (size_t)t->config.places;
    t->position = tensor_floats(&t->position_view);
    if (!t->position || !t->config.types) return t->position;
    float *type = mem_array(d, sizeof *type);
    if (!type) return false;
    nn_tensor_to_f32(&t->type_view, 0, (int64_t)d, type);
    for (size_t i = 0; i < places; i++) {
        for (size_t k = 0; k < d; k++) t->position[i * d + k] += type[k];
    }
    mem_free(type);
    return true;
}

static simile_status bert_pack(tower *base, packer *how, simile_error *err)
{
    bert *t = (bert *)base;
    packer_rows(how, &t->word_view);
    if (!pack_positions(t) || !norm_pack(&t->embedded, how)) return err_nomem(err);
    RETURN_IF_ERROR(pack_layer(&t->pooler, how, err));
    for (int i = 0; i < 2; i++) RETURN_IF_ERROR(pack_layer(&t->projection[i], how, err));
    return blocks_pack(t->blocks, &t->config.tower, &t->embedded, how, err);
}

static void bert_unpack(tower *base)
{
    bert *t = (bert *)base;
    blocks_release(t->blocks, t->config.tower.layers);
    norm_release(&t->embedded);
    release_layer(&t->pooler);
    for (int i = 0; i < 2; i++) release_layer(&t->projection[i]);
    mem_free(t->position);
    t->position = NULL;
}

static void bert_free(tower *base)
{
    bert *t = (bert *)base;
    bert_unpack(base);
    mem_free(t->blocks);
    mem_free(t);
}

static size_t bert_memory(const tower *base)
{
    return texts_memory(base, &((const bert *)base)->config.tower);
}

/* ---- reading ---- */

/* The first token is always seen, so that no text is empty. */
static bool hidden(const bert *t, const token_list *text, size_t i)
{
    return i > 0 && t->config.hides_pad && text->ids[i] == t->config.pad;
}

static size_t length(const tower *base, const token_list *text, size_t *wanted)
{
    size_t n = 0;
    *wanted = 0;
    for (size_t i = 0; i < text->n; i++) n += !hidden((const bert *)base, text, i);
    return n;
}

/* x[row] = word[id] + (position + type)[place]. A padding token takes a place in BERT; in RoBERTa all such have the one
 * before the first. */
static void embed(const tower *base, const token_list *text, size_t rows, float *x)
{
    const bert *t = (const bert *)base;
    const bert_config *c = &t->config;
    const size_t d = (size_t)c->tower.width;
    int64_t next = c->first_place;
    (void)rows;
    for (size_t i = 0; i < text->n; i++) {
        const int64_t id = text->ids[i];
        const int64_t place = c->first_place && id == c->pad ? c->first_place - 1 : next++;
        if (hidden(t, text, i)) continue;
        const float *position = t->position + (size_t)place * d;
        nn_tensor_to_f32(&t->word_view, id * (int64_t)d, (int64_t)d, x);
        for (size_t k = 0; k < d; k++) x[k] += position[k];
        x += d;
    }
}

typedef struct {
    const block_run *r;
    bool largest;
} pooling;

/* y of one sequence: the mean of its rows of x, or the largest of each column. */
static void pool_rows(void *user, int64_t item)
{
    const pooling *p = user;
    const size_t d = (size_t)p->r->config->width;
    const int32_t first = p->r->starts[item], end = p->r->starts[item + 1];
    const float *x = p->r->x + (size_t)first * d;
    float *y = p->r->y + (size_t)item * d;
    memcpy(y, x, d * sizeof *y);
    for (int32_t row = first + 1; row < end; row++) {
        x += d;
        for (size_t k = 0; k < d; k++) y[k] = !p->largest ? y[k] + x[k] : x[k] > y[k] ? x[k] : y[k];
    }
    for (size_t k = 0; !p->largest && k < d; k++) y[k] /= (float)(end - first);
}

static void squash(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = tanhf(x[i]);
}

/* Leaves the last layer's pooled rows in r->y: [sequences, D]. */
static simile_status last_block(const bert *t, const block_run *r, const int32_t *rows, simile_error *err)
{
    const block *last = &t->blocks[t->config.tower.layers - 1];
    const size_t n = (size_t)r->sequences * (size_t)t->config.tower.width;
    if (t->config.pooling == BERT_POOL_MEAN || t->config.pooling == BERT_POOL_MAX) {
        pooling p = {r, t->config.pooling == BERT_POOL_MAX};
        RETURN_IF_ERROR(block_forward(r, last, err));
        nn_parallel(r->ctx, r->sequences, pool_rows, &p);
        return SIMILE_OK;
    }
    RETURN_IF_ERROR(block_forward_rows(r, last, rows, err));
    if (t->config.pooling == BERT_POOL_FIRST) {
        memcpy(r->y, r->x, n * sizeof *r->y);
        return SIMILE_OK;
    }
    RETURN_IF_ERROR(nn_linear(r->ctx, t->pooler.packed, r->sequences, r->x, r->y, NN_ACT_NONE, false, err));
    squash(r->y, n);
    return SIMILE_OK;
}

static simile_status project(const bert *t, const block_run *r, float *out, simile_error *err)
{
    const nn_matrix *first = t->projection[0].packed, *second = t->projection[1].packed;
    if (!first) {
        memcpy(out, r->y, (size_t)r->sequences * (size_t)t->config.tower.width * sizeof *out);
        return SIMILE_OK;
    }
    if (!second) {
        RETURN_IF_ERROR(nn_linear(r->ctx, first, r->sequences, r->y, out, NN_ACT_NONE, false, err));
        if (t->config.tanh) squash(out, (size_t)r->sequences * (size_t)t->base.dim);
        return SIMILE_OK;
    }
    RETURN_IF_ERROR(nn_linear(r->ctx, first, r->sequences, r->y, r->h, NN_ACT_GELU, false, err));
    return nn_linear(r->ctx, second, r->sequences, r->h, out, NN_ACT_NONE, false, err);
}

static simile_status encode(const tower *base, block_run *r, const int32_t *rows, float *out, simile_error *err)
{
    const bert *t = (const bert *)base;
    const tower_config *c = &t->config.tower;
    nn_layer_norm(r->ctx, r->starts[r->sequences], c->width, r->x, t->embedded.weight, t->embedded.bias, c->eps, r->x);
    for (int64_t i = 0; i + 1 < c->layers; i++) RETURN_IF_ERROR(block_forward(r, &t->blocks[i], err));
    RETURN_IF_ERROR(last_block(t, r, rows, err));
    return project(t, r, out, err);
}

static simile_status bert_read(const tower *base, nn_context *ctx, arena *memory, const token_list *texts, size_t n,
                               float *out, simile_error *err)
{
    static const texts_ops ops = {length, embed, encode};
    block_run r = {.ctx = ctx, .config = &((const bert *)base)->config.tower, .post_norm = true};
    return texts_read(&ops, base, &r, memory, texts, n, out, err);
}

/* ---- the tower ---- */

/* How long a text may be, and what becomes of a padding token that somebody spelt out, are no matter of the space. */
static void bert_identify(const tower *base, const tokenizer *words, digest *d)
{
    const bert_config *c = &((const bert *)base)->config;
    char text[96];
    (void)words;
    tower_config_identify(&c->tower, d);
    const int n = snprintf(text, sizeof text, "bert first %lld pooling %d projection %d%s", (long long)c->first_place,
                           (int)c->pooling, (int)c->projection, c->tanh ? " tanh" : "");
    digest_add_part(d, text, (size_t)n);
}

static const tower_ops bert_ops = {.pack = bert_pack,
                                   .unpack = bert_unpack,
                                   .free = bert_free,
                                   .memory = bert_memory,
                                   .identify = bert_identify,
                                   .read = bert_read};

simile_status bert_new(loader *l, const bert_config *c, const weights *head, int64_t dim, tower **out)
{
    bert *t = mem_new(bert);
    *out = t ? &t->base : NULL;
    if (!t) return l->status = err_nomem(l->err);
    t->base = (tower){.ops = &bert_ops, .dim = dim, .vocab = c->vocab, .context = c->context};
    if (c->projection == BERT_PROJECT_NONE) t->base.dim = c->tower.width;
    t->config = *c;
    t->blocks = mem_zero_array((size_t)c->tower.layers, sizeof *t->blocks);
    if (!t->blocks) return l->status = err_nomem(l->err);
    load(l, t, head);
    return l->status;
}
