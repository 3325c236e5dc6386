/* SPDX-License-Identifier: Apache-2.0
 * clip_cpp.c - GGUF files of clip.cpp, described by their keys. They leave out logit_scale, which is ln 100 in all that
 * it converts; the end-of-text token is the last of the vocabulary. They hold the tokens without the merges, which
 * follow from them (text/clip_merges.c); tokens from which none follow leave it to what lies beside the file.
 * Reference: monatis/clip.cpp, models/convert_hf_to_gguf.py. */
#include "model/families/clip.h"

static const name_rule rules[] = {
    {"v.class_embd", "vision_model.embeddings.class_embedding", NAME_KEEP},
    {"v.patch_embd.weight", "vision_model.embeddings.patch_embedding.weight", NAME_KEEP},
    {"v.position_embd.weight", "vision_model.embeddings.position_embedding.weight", NAME_KEEP},
    {"v.pre_ln.*", "vision_model.pre_layrnorm.*", NAME_KEEP},
    {"v.blk.#.attn_q.*", "vision_model.encoder.layers.#.self_attn.q_proj.*", NAME_KEEP},
    {"v.blk.#.attn_k.*", "vision_model.encoder.layers.#.self_attn.k_proj.*", NAME_KEEP},
    {"v.blk.#.attn_v.*", "vision_model.encoder.layers.#.self_attn.v_proj.*", NAME_KEEP},
    {"v.blk.#.attn_out.*", "vision_model.encoder.layers.#.self_attn.out_proj.*", NAME_KEEP},
    {"v.blk.#.ln1.*", "vision_model.encoder.layers.#.layer_norm1.*", NAME_KEEP},
    {"v.blk.#.ln2.*", "vision_model.encoder.layers.#.layer_norm2.*", NAME_KEEP},
    {"v.blk.#.ffn_down.*", "vision_model.encoder.layers.#.mlp.fc1.*",
     NAME_KEEP}, /* down is the one that widens there */
    {"v.blk.#.ffn_up.*", "vision_model.encoder.layers.#.mlp.fc2.*", NAME_KEEP},
    {"v.post_ln.*", "vision_model.post_layernorm.*", NAME_KEEP},
    {"t.token_embd.weight", "text_model.embeddings.token_embedding.weight", NAME_KEEP},
    {"t.position_embd.weight", "text_model.embeddings.position_embedding.weight", NAME_KEEP},
    {"t.blk.#.attn_q.*", "text_model.encoder.layers.#.self_attn.q_proj.*", NAME_KEEP},
    {"t.blk.#.attn_k.*", "text_model.encoder.layers.#.self_attn.k_proj.*", NAME_KEEP},
    {"t.blk.#.attn_v.*", "text_model.encoder.layers.#.self_attn.v_proj.*", NAME_KEEP},
    {"t.blk.#.attn_out.*", "text_model.encoder.layers.#.self_attn.out_proj.*", NAME_KEEP},
    {"t.blk.#.ln1.*", "text_model.encoder.layers.#.layer_norm1.*", NAME_KEEP},
    {"t.blk.#.ln2.*", "text_model.encoder.layers.#.layer_norm2.*", NAME_KEEP},
    {"t.blk.#.ffn_down.*", "text_model.encoder.layers.#.mlp.fc1.*", NAME_KEEP},
    {"t.blk.#.ffn_up.*", "text_model.encoder.layers.#.mlp.fc2.*", NAME_KEEP},
    {"t.post_ln.*", "text_model.final_layer_norm.*", NAME_KEEP},
    {NULL, NULL, NAME_KEEP},
};

static const name_layout layouts[] = {
    {"v.patch_embd.weight", NULL, rules, true},
    {NULL, NULL, NULL, false},
};

static tower_config gguf_tower(const gguf_facts *g, int i)
{
    return (tower_config){.width = g->tower[i].width,
                          .layers = g->tower[i].layers,
                          .heads = g->tower[i].heads,
                          .mlp = g->tower[i].mlp,
                          .act = g->gelu ? NN_ACT_GELU : NN_ACT_QUICK_GELU,
                          .eps = g->tower[i].eps > 0 ? (float)g->tower[i].eps : 1e-5f};
}

static simile_status describe(const weights *w, clip_config *out, image_prepare_spec *prepare, simile_error *err)
{
    const gguf_facts *g = weights_gguf(w);
    const char *subject = weights_directory(w);
    if (!g->clip || g->projector)
        return err_set(err, SIMILE_E_UNSUPPORTED,
                       "cannot open the model in '%s': its GGUF file holds no CLIP of clip.cpp", subject);
    if (!g->text || !g->vision)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot open the model in '%s': its GGUF file holds only one tower",
                       subject);
    if (g->tower[0].dim != g->tower[1].dim)
        return err_set(err, SIMILE_E_FORMAT, "cannot open the model in '%s': its towers differ in their dimension",
                       subject);
    *out = (clip_config){.dim = g->tower[0].dim};
    out->vision = (vit_config){.tower = gguf_tower(g, 0), .image_size = g->image_size, .patch = g->patch};
    out->text = (textnet_config){.tower = gguf_tower(g, 1),
                                 .vocab = weights_size(w, "text_model.embeddings.token_embedding.weight", 2, 0),
                                 .context = g->context};
    out->text.eos = out->text.vocab - 1;
    RETURN_IF_ERROR(clip_config_check(out, subject, err));
    *prepare = clip_preprocess(out->vision.image_size);
    if (g->has_mean) memcpy(prepare->mean, g->mean, sizeof g->mean);
    if (g->has_std) memcpy(prepare->std, g->std, sizeof g->std);
    return config_check_std(prepare, subject, err);
}

static bool claims(const model_source *s)
{
    return source_describes_itself(s, WEIGHTS_GGUF);
}

static simile_status read_tokens(const model_source *s, const clip_config *c, tokenizer **out, simile_error *err)
{
    const gguf_facts *g = weights_gguf(s->files[0]);
    if (g->tokens.n > (uint64_t)c->text.vocab)
        return err_set(err, SIMILE_E_FORMAT,
                       "cannot open the model '%s': its tokenizer has %llu tokens, its network only %lld", s->path,
                       (unsigned long long)g->tokens.n, (long long)c->text.vocab);
    const simile_status status = gguf_tokenizer(g, s->path, out, err);
    return status == SIMILE_E_UNSUPPORTED ? SIMILE_OK : status;
}

static simile_status load(model_source *s, loader *l, model_parts *out, simile_error *err)
{
    clip_config c;
    RETURN_IF_ERROR(describe(s->files[0], &c, &out->prepare, err));
    RETURN_IF_ERROR(read_tokens(s, &c, &out->words, err));
    out->words_inside = out->words != NULL;
    return clip_load(s, l, &c, out, err);
}

static simile_status document(const model_source *s, const char **name, buf *out, simile_error *err)
{
    clip_config c;
    image_prepare_spec prepare;
    RETURN_IF_ERROR(describe(s->files[0], &c, &prepare, err));
    clip_config_write(&c, out);
    return SIMILE_OK;
}

const model_family family_clip_cpp = {
    .name = "clip.cpp", .claims = claims, .load = load, .layouts = layouts, .document = document};
