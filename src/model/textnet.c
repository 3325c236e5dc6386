/* SPDX-License-Identifier: Apache-2.0
 * textnet.c - CLIP's causal text transformer: see towers.h for the formulas.
 *
 * Texts of different lengths lie packed behind one another, without padding, each cut behind its end-of-text token:
 * under the causal mask nothing after a row can change it, so this is exact.
 * Reference: transformers, models/clip/modeling_clip.py (CLIPTextTransformer). */
#include "model/towers.h"

#include <stdio.h>

enum { CHUNK_ROWS = 1024, CHUNK_TEXTS = 256 };

simile_status textnet_load(loader *l, const text_config *c, int64_t dim, textnet *out)
{
    const int64_t d = c->tower.width;
    *out = (textnet){.config = *c, .dim = dim};
    out->blocks = mem_zero_array((size_t)c->tower.layers, sizeof *out->blocks);
    if (!out->blocks) return l->status = err_nomem(l->err);
    out->token_view = loader_matrix(l, "text_model.embeddings.", "token_embedding.weight", c->vocab, d);
    out->position_view = loader_matrix(l, "text_model.embeddings.", "position_embedding.weight", c->context, d);
    for (int64_t i = 0; i < c->tower.layers; i++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "text_model.encoder.layers.%lld.", (long long)i);
        block_load(l, prefix, &c->tower, &out->blocks[i]);
    }
    out->final_norm = norm_load(l, "text_model.", "final_layer_norm", d);
    out->projection_view = loader_matrix(l, "", "text_projection.weight", dim, d);
    return l->status;
}

simile_status textnet_pack(textnet *t, nn_precision precision, simile_error *err)
{
    const nn_matrix_spec projection = {.weights = &t->projection_view, .n_parts = 1, .precision = NN_COMPUTE_F32};
    t->position = tensor_floats(&t->position_view);
    if (!t->position || !norm_pack(&t->final_norm)) return err_nomem(err);
    RETURN_IF_ERROR(nn_matrix_new(&projection, &t->projection, err));
    for (int64_t i = 0; i < t->config.tower.layers; i++) RETURN_IF_ERROR(block_pack(&t->blocks[i], precision, err));
    return SIMILE_OK;
}

void textnet_unpack(textnet *t)
{
    for (int64_t i = 0; t->blocks && i < t->config.tower.layers; i++) block_release(&t->blocks[i]);
    norm_release(&t->final_norm);
    nn_matrix_free(t->projection);
    mem_free(t->position);
    t->projection = NULL;
    t->position = NULL;
}

void textnet_release(textnet *t)
{
    textnet_unpack(t);
    mem_free(t->blocks);
    *t = (textnet){0};
}

static int64_t chunk_rows(const textnet *t)
{
    return t->config.context > CHUNK_ROWS ? t->config.context : CHUNK_ROWS;
}

size_t textnet_memory(const textnet *t)
{
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

static simile_status check_ids(const textnet *t, const token_list *text, simile_error *err)
{
    if (text->n < 1 || text->n > (size_t)t->config.context)
        return err_set(err, SIMILE_E_ARG, "a text of %zu tokens does not fit a context of %lld", text->n,
                       (long long)t->config.context);
    for (size_t i = 0; i < text->n; i++) {
        if (text->ids[i] < 0 || text->ids[i] >= t->config.vocab)
            return err_set(err, SIMILE_E_FORMAT, "token %d is not in the model's vocabulary of %lld", text->ids[i],
                           (long long)t->config.vocab);
    }
    return SIMILE_OK;
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
    for (size_t i = 0; i < n; i++) RETURN_IF_ERROR(check_ids(t, &texts[i], err));
    for (size_t done = 0; done < n;) {
        const size_t taken = pack_texts(t, texts + done, n - done, r->x, starts, rows);
        r->sequences = (int32_t)taken;
        RETURN_IF_ERROR(run_chunk(t, r, rows, out + done * (size_t)t->dim, err));
        done += taken;
    }
    return SIMILE_OK;
}

simile_status textnet_forward(const textnet *t, nn_context *ctx, arena *memory, const token_list *texts, size_t n,
                              float *out, simile_error *err)
{
    block_run r = {.ctx = ctx, .config = &t->config.tower};
    const size_t mark = arena_mark(memory);
    const simile_status status = forward(t, &r, memory, texts, n, out, err);
    arena_reset(memory, mark);
    return status;
}
