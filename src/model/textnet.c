/* SPDX-License-Identifier: Apache-2.0
 * textnet.c - CLIP's causal text transformer: see textnet.h for the formulas.
 *
 * Texts of different lengths lie packed behind one another, without padding, each cut behind its end-of-text token:
 * under the causal mask nothing after a row can change it, so this is exact.
 * Reference: transformers, models/clip/modeling_clip.py (CLIPTextTransformer). */
#include "model/textnet.h"

#include "model/block.h"

#include <stdio.h>

enum { CHUNK_ROWS = 1024, CHUNK_TEXTS = 256 };

typedef struct {
    tower base;
    textnet_config config;
    nn_tensor token_view, position_view, projection_view;
    norm final_norm;
    block *blocks;
    float *position; /* [C, D], once packed; tokens are widened row by row from the mapping */
    nn_matrix *projection;
} textnet;

bool textnet_config_fits(const textnet_config *c)
{
    return c->vocab >= 1 && c->vocab <= CONFIG_MAX_VOCAB && c->context >= 2 && c->context <= CONFIG_MAX_PLACES &&
           tower_config_fits(&c->tower);
}

static void load(loader *l, textnet *t)
{
    const textnet_config *c = &t->config;
    const int64_t d = c->tower.width;
    t->token_view = loader_matrix(l, "text_model.embeddings.", "token_embedding.weight", c->vocab, d);
    t->position_view = loader_matrix(l, "text_model.embeddings.", "position_embedding.weight", c->context, d);
    blocks_load(l, "text_model.encoder.layers.", &c->tower, t->blocks);
    t->final_norm = norm_load(l, "text_model.", "final_layer_norm", d);
    t->projection_view = loader_matrix(l, "", "text_projection.weight", t->base.dim, d);
}

static simile_status textnet_pack(tower *base, nn_precision precision, simile_error *err)
{
    textnet *t = (textnet *)base;
    const nn_matrix_spec projection = {.weights = &t->projection_view, .n_parts = 1, .precision = NN_COMPUTE_F32};
    t->position = tensor_floats(&t->position_view);
    if (!t->position || !norm_pack(&t->final_norm)) return err_nomem(err);
    RETURN_IF_ERROR(nn_matrix_new(&projection, &t->projection, err));
    return blocks_pack(t->blocks, t->config.tower.layers, precision, err);
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

static int64_t chunk_rows(const textnet *t)
{
    return t->config.context > CHUNK_ROWS ? t->config.context : CHUNK_ROWS;
}

static size_t textnet_memory(const tower *base)
{
    const textnet *t = (const textnet *)base;
    return block_run_bytes(&t->config.tower, chunk_rows(t)) + (2 * CHUNK_TEXTS + 1) * sizeof(int32_t) + 4 * 64;
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

/* x[row] = token[id] + position[place], place < length. */
static void embed_text(const textnet *t, const int32_t *ids, size_t length, float *x)
{
    const size_t d = (size_t)t->config.tower.width;
    for (size_t i = 0; i < length; i++) {
        nn_tensor_to_f32(&t->token_view, ids[i] * (int64_t)d, (int64_t)d, x + i * d);
        for (size_t k = 0; k < d; k++) x[i * d + k] += t->position[i * d + k];
    }
}

/* Takes texts from the front as long as they fit; returns how many, with starts[] and rows[] filled in. */
static size_t pack_texts(const textnet *t, const token_list *texts, size_t n, float *x, int32_t *starts, int32_t *rows)
{
    size_t taken = 0;
    starts[0] = 0;
    while (taken < n && taken < CHUNK_TEXTS) {
        const size_t end = end_place(t, &texts[taken]);
        if ((int64_t)starts[taken] + (int64_t)end + 1 > chunk_rows(t)) break;
        embed_text(t, texts[taken].ids, end + 1, x + (size_t)starts[taken] * (size_t)t->config.tower.width);
        rows[taken] = starts[taken] + (int32_t)end;
        starts[taken + 1] = rows[taken] + 1;
        taken++;
    }
    return taken;
}

static simile_status run_chunk(const textnet *t, block_run *r, const int32_t *rows, float *out, simile_error *err)
{
    const tower_config *c = &t->config.tower;
    for (int64_t i = 0; i + 1 < c->layers; i++) RETURN_IF_ERROR(block_forward(r, &t->blocks[i], err));
    RETURN_IF_ERROR(block_forward_rows(r, &t->blocks[c->layers - 1], rows, err));
    nn_layer_norm(r->ctx, r->sequences, c->width, r->x, t->final_norm.weight, t->final_norm.bias, c->eps, r->y);
    return nn_linear(r->ctx, t->projection, r->sequences, r->y, out, NN_ACT_NONE, false, err);
}

static simile_status forward(const textnet *t, block_run *r, arena *memory, const token_list *texts, size_t n,
                             float *out, simile_error *err)
{
    int32_t *starts = arena_take(memory, (CHUNK_TEXTS + 1) * sizeof *starts);
    int32_t *rows = arena_take(memory, CHUNK_TEXTS * sizeof *rows);
    if (!block_run_place(r, memory, chunk_rows(t)) || !starts || !rows)
        return err_set(err, SIMILE_E_INTERNAL, "the encoder's memory is too small");
    r->starts = starts;
    r->causal = true;
    for (size_t i = 0; i < n; i++) RETURN_IF_ERROR(tower_check_text(&t->base, &texts[i], err));
    for (size_t done = 0; done < n;) {
        const size_t taken = pack_texts(t, texts + done, n - done, r->x, starts, rows);
        r->sequences = (int32_t)taken;
        RETURN_IF_ERROR(run_chunk(t, r, rows, out + done * (size_t)t->base.dim, err));
        done += taken;
    }
    return SIMILE_OK;
}

static simile_status textnet_read(const tower *base, nn_context *ctx, arena *memory, const token_list *texts, size_t n,
                                  float *out, simile_error *err)
{
    const textnet *t = (const textnet *)base;
    block_run r = {.ctx = ctx, .config = &t->config.tower};
    const size_t mark = arena_mark(memory);
    const simile_status status = forward(t, &r, memory, texts, n, out, err);
    arena_reset(memory, mark);
    return status;
}

/* Older configurations (2) pool at the first largest id. Where that is the end-of-text token the rule is the same as
 * naming it, and so is the identity. */
static int64_t pooled_token(const textnet *t, const tokenizer *words)
{
    const int64_t end = tokenizer_end_id(words), last = (int64_t)tokenizer_vocab_size(words) - 1;
    return t->config.eos == 2 && end == last ? end : t->config.eos;
}

static void textnet_identify(const tower *base, const tokenizer *words, digest *d)
{
    const textnet *t = (const textnet *)base;
    char text[96];
    tower_config_identify(&t->config.tower, d);
    const int n = snprintf(text, sizeof text, "eos %lld context %lld", (long long)pooled_token(t, words),
                           (long long)t->config.context);
    digest_add_part(d, text, (size_t)n);
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
