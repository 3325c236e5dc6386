/* SPDX-License-Identifier: Apache-2.0
 * textnet.c - text transformers: see textnet.h for the formulas.
 *
 * Texts of different lengths lie packed behind one another. Under the causal mask nothing after a row can change it, so
 * each is cut behind its end-of-text token, without padding, and this is exact. A network that was trained with its
 * padding in sight gets it.
 * Reference: transformers, models/clip/modeling_clip.py (CLIPTextTransformer), models/siglip/modeling_siglip.py. */
#include "model/textnet.h"

#include "model/block.h"
#include "model/texts.h"

#include <stdio.h>

typedef struct {
    tower base;
    textnet_config config;
    nn_tensor token_view, position_view, projection_view, bias_view;
    norm final_norm;
    block *blocks;
    float *position; /* [C, D], once packed; tokens are widened row by row from the mapping */
    nn_matrix *projection;
} textnet;

bool textnet_config_fits(const textnet_config *c)
{
    return c->vocab >= 1 && c->vocab <= CONFIG_MAX_VOCAB && c->context >= 2 && c->context <= CONFIG_MAX_PLACES &&
           (!c->padded || (c->pad >= 0 && c->pad < c->vocab)) && tower_config_fits(&c->tower);
}

static void load(loader *l, textnet *t)
{
    const textnet_config *c = &t->config;
    const int64_t d = c->tower.width;
    char head[64];
    t->token_view = loader_matrix(l, "text_model.embeddings.", "token_embedding.weight", c->vocab, d);
    t->position_view = loader_matrix(l, "text_model.embeddings.", "position_embedding.weight", c->context, d);
    blocks_load(l, "text_model.encoder.layers.", &c->tower, t->blocks);
    t->final_norm = norm_load(l, "text_model.", "final_layer_norm", d);
    snprintf(head, sizeof head, "%s.", c->head ? c->head : "text_projection");
    t->projection_view = loader_matrix(l, head, "weight", t->base.dim, d);
    if (c->head_has_bias) t->bias_view = loader_vector(l, head, "bias", t->base.dim);
}

static simile_status textnet_pack(tower *base, packer *how, simile_error *err)
{
    textnet *t = (textnet *)base;
    const nn_matrix_spec projection = {.weights = &t->projection_view,
                                       .biases = t->config.head_has_bias ? &t->bias_view : NULL,
                                       .n_parts = 1,
                                       .precision = NN_COMPUTE_F32};
    packer_rows(how, &t->token_view);
    t->position = packer_floats(how, &t->position_view);
    if (!t->position || !norm_pack(&t->final_norm, how)) return err_nomem(err);
    RETURN_IF_ERROR(packer_matrix(how, &projection, &t->projection, err));
    return blocks_pack(t->blocks, &t->config.tower, NULL, how, err);
}

static void textnet_unpack(tower *base)
{
    textnet *t = (textnet *)base;
    blocks_release(t->blocks, t->config.tower.layers);
    norm_release(&t->final_norm);
    nn_matrix_free(t->projection);
    mem_free(t->position);
    t->projection = NULL;
    t->position = NULL;
}

static void textnet_free(tower *base)
{
    textnet *t = (textnet *)base;
    textnet_unpack(base);
    mem_free(t->blocks);
    mem_free(t);
}

static size_t textnet_memory(const tower *base)
{
    return texts_memory(base, &((const textnet *)base)->config.tower);
}

/* Place of the end-of-text token: the largest id's first place by the old rule, else the first place of the id that
 * the configuration names (and 0 where it is absent, as the reference has it). */
static size_t end_place(const textnet *t, const token_list *text)
{
    size_t best = 0;
    for (size_t i = 0; i < text->n; i++) {
        if (t->config.eos == 2 ? text->ids[i] > text->ids[best] : text->ids[i] == t->config.eos) {
            best = i;
            if (t->config.eos != 2) break;
        }
    }
    return best;
}

/* Rows that a text takes, and which of them is its vector. */
static size_t length(const tower *base, const token_list *text, size_t *wanted)
{
    const textnet *t = (const textnet *)base;
    const textnet_config *c = &t->config;
    *wanted = c->pool_last ? text->n - 1 : end_place(t, text);
    if (c->padded && c->pool_last) *wanted = (size_t)c->context - 1;
    if (c->padded) return (size_t)c->context;
    return c->sees_all ? text->n : *wanted + 1;
}

/* x[row] = token[id] + position[row], and so on with pads. */
static void embed(const tower *base, const token_list *text, size_t rows, float *x)
{
    const textnet *t = (const textnet *)base;
    const size_t d = (size_t)t->config.tower.width;
    for (size_t i = 0; i < rows; i++) {
        const int64_t id = i < text->n ? text->ids[i] : t->config.pad;
        nn_tensor_to_f32(&t->token_view, id * (int64_t)d, (int64_t)d, x + i * d);
        for (size_t k = 0; k < d; k++) x[i * d + k] += t->position[i * d + k];
    }
}

static simile_status encode(const tower *base, block_run *r, const int32_t *rows, float *out, simile_error *err)
{
    const textnet *t = (const textnet *)base;
    const tower_config *c = &t->config.tower;
    for (int64_t i = 0; i + 1 < c->layers; i++) RETURN_IF_ERROR(block_forward(r, &t->blocks[i], err));
    RETURN_IF_ERROR(block_forward_rows(r, &t->blocks[c->layers - 1], rows, err));
    nn_layer_norm(r->ctx, r->sequences, c->width, r->x, t->final_norm.weight, t->final_norm.bias, c->eps, r->y);
    return nn_linear(r->ctx, t->projection, r->sequences, r->y, out, NN_ACT_NONE, false, err);
}

static simile_status textnet_read(const tower *base, nn_context *ctx, arena *memory, const token_list *texts, size_t n,
                                  float *out, simile_error *err)
{
    static const texts_ops ops = {length, embed, encode};
    block_run r = {.ctx = ctx, .config = &((const textnet *)base)->config.tower};
    r.causal = !((const textnet *)base)->config.sees_all;
    return texts_read(&ops, base, &r, memory, texts, n, out, err);
}

/* Older configurations (2) pool at the first largest id. Where that is the end-of-text token the rule is the same as
 * naming it, and so is the identity. */
static int64_t pooled_token(const textnet *t, const tokenizer *words)
{
    const int64_t end = tokenizer_end_id(words), last = (int64_t)tokenizer_vocab_size(words) - 1;
    return t->config.eos == 2 && end == last ? end : t->config.eos;
}

/* What is not as in CLIP, and adds nothing to the identity of one. */
static void digest_differences(const textnet_config *c, digest *d)
{
    char text[96];
    if (!c->pool_last && !c->sees_all && !c->padded) return;
    const int n = snprintf(text, sizeof text, "last %d all %d pad %lld", c->pool_last, c->sees_all,
                           c->padded ? (long long)c->pad : -1);
    digest_add_part(d, text, (size_t)n);
}

static void textnet_identify(const tower *base, const tokenizer *words, digest *d)
{
    const textnet *t = (const textnet *)base;
    char text[96];
    tower_config_identify(&t->config.tower, d);
    const int n = snprintf(text, sizeof text, "eos %lld context %lld", (long long)pooled_token(t, words),
                           (long long)t->config.context);
    digest_add_part(d, text, (size_t)n);
    digest_differences(&t->config, d);
}

static const tower_ops textnet_ops = {.pack = textnet_pack,
                                      .unpack = textnet_unpack,
                                      .free = textnet_free,
                                      .memory = textnet_memory,
                                      .identify = textnet_identify,
                                      .read = textnet_read};

simile_status textnet_new(loader *l, const textnet_config *c, int64_t dim, tower **out)
{
    textnet *t = mem_new(textnet);
    *out = t ? &t->base : NULL;
    if (!t) return l->status = err_nomem(l->err);
    t->base = (tower){.ops = &textnet_ops, .dim = dim, .vocab = c->vocab, .context = c->context};
    t->config = *c;
    t->blocks = mem_zero_array((size_t)c->tower.layers, sizeof *t->blocks);
    if (!t->blocks) return l->status = err_nomem(l->err);
    load(l, t);
    return l->status;
}
