/* SPDX-License-Identifier: Apache-2.0
 * siglip_timm.c - SigLIP in the directories of OpenCLIP: open_clip_config.json whose "vision_cfg" names one of timm's
 * SigLIP trunks, and names of tensors that are timm's for the pictures and OpenCLIP's for the texts. Widths, layers and
 * the patch are seen in the shapes; the number of heads and the activation belong to the name of the trunk.
 * Reference: pytorch-image-models 1.0.31, timm/models/vision_transformer.py; mlfoundations/open_clip, model_configs. */
#include "model/families/open_clip.h"
#include "model/families/siglip.h"

/* ---- names ---- */

static const name_rule rules[] = {
    {"visual.trunk.patch_embed.proj.*", "vision_model.embeddings.patch_embedding.*", NAME_KEEP},
    {"visual.trunk.pos_embed", "vision_model.embeddings.position_embedding.weight", NAME_FLAT},
    {"visual.trunk.blocks.#.attn.qkv.*", "vision_model.encoder.layers.#.self_attn.?_proj.*", NAME_SPLIT},
    {"visual.trunk.blocks.#.attn.proj.*", "vision_model.encoder.layers.#.self_attn.out_proj.*", NAME_KEEP},
    {"visual.trunk.blocks.#.norm1.*", "vision_model.encoder.layers.#.layer_norm1.*", NAME_KEEP},
    {"visual.trunk.blocks.#.norm2.*", "vision_model.encoder.layers.#.layer_norm2.*", NAME_KEEP},
    {"visual.trunk.blocks.#.mlp.*", "vision_model.encoder.layers.#.mlp.*", NAME_KEEP},
    {"visual.trunk.norm.*", "vision_model.post_layernorm.*", NAME_KEEP},
    {"visual.trunk.attn_pool.latent", "vision_model.head.probe", NAME_KEEP},
    {"visual.trunk.attn_pool.q.*", "vision_model.head.attention.in_proj_*", NAME_JOIN},
    {"visual.trunk.attn_pool.kv.*", "", NAME_IGNORE},
    {"visual.trunk.attn_pool.proj.*", "vision_model.head.attention.out_proj.*", NAME_KEEP},
    {"visual.trunk.attn_pool.norm.*", "vision_model.head.layernorm.*", NAME_KEEP},
    {"visual.trunk.attn_pool.mlp.*", "vision_model.head.mlp.*", NAME_KEEP},
    {"text.text_projection.*", "text_model.head.*", NAME_KEEP},
    {NULL, NULL, NAME_KEEP},
};

static const name_layout layouts[] = {
    {"visual.trunk.attn_pool.latent", NULL, rules, false},
    {NULL, NULL, NULL, false},
};

/* ---- open_clip_config.json ---- */

static const open_clip_rule vision_rules[] = {{"timm_pool", MUST_BE_TEXT, "map"},
                                              {"timm_proj", MUST_BE_TEXT, "none"},
                                              {"timm_model_kwargs", MUST_BE_ABSENT, NULL},
                                              {NULL, MUST_BE_FALSE, NULL}};
static const open_clip_rule text_rules[] = {{"hf_model_name", MUST_BE_ABSENT, NULL},
                                            {"text_arch", MUST_BE_TEXT, "clip"},
                                            {"embed_cls", MUST_BE_FALSE, NULL},
                                            {"proj_type", MUST_BE_TEXT, "linear"},
                                            {"pool_type", MUST_BE_TEXT, "last"},
                                            {"ls_init_value", MUST_BE_ABSENT, NULL},
                                            {"block_type", MUST_BE_ABSENT, NULL},
                                            {"qk_norm", MUST_BE_FALSE, NULL},
                                            {"scale_attn", MUST_BE_FALSE, NULL},
                                            {"scaled_cosine_attn", MUST_BE_FALSE, NULL},
                                            {"scale_fc", MUST_BE_FALSE, NULL},
                                            {"scale_heads", MUST_BE_FALSE, NULL},
                                            {"variable_text", MUST_BE_FALSE, NULL},
                                            {"tokenizer_mode", MUST_BE_ABSENT, NULL},
                                            {NULL, MUST_BE_FALSE, NULL}};

/* The first that the name begins with. */
static const struct {
    const char *begins;
    int64_t heads;
    nn_act act;
} trunks[] = {
    {"vit_base_patch16_siglip_", 12, NN_ACT_GELU},          {"vit_base_patch32_siglip_", 12, NN_ACT_GELU_TANH},
    {"vit_large_patch16_siglip_512", 16, NN_ACT_GELU_TANH}, {"vit_large_patch16_siglip_", 16, NN_ACT_GELU},
    {"vit_so400m_patch14_siglip_", 16, NN_ACT_GELU},        {"vit_so400m_patch16_siglip_", 16, NN_ACT_GELU_TANH},
    {"vit_giantopt_patch16_siglip_", 16, NN_ACT_GELU_TANH},
};

static simile_status read_vision(json_from from, const char *trunk, vit_config *v, simile_error *err)
{
    size_t i = 0, n = sizeof trunks / sizeof *trunks;
    RETURN_IF_ERROR(open_clip_check(from, vision_rules, err));
    while (i < n && strncmp(trunk, trunks[i].begins, strlen(trunks[i].begins)) != 0) i++;
    if (i == n || strstr(trunk, "_gap_"))
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': the image tower '%s' of timm is not supported",
                       from.subject, trunk);
    v->tower.heads = trunks[i].heads;
    v->tower.act = trunks[i].act;
    v->image_size = 224;
    return json_get_int(from, "image_size", 1, 8192, &v->image_size, err);
}

/* What the trunk's name does not say. */
static void measure(const weights *w, vit_config *v)
{
    static const char patch[] = "vision_model.embeddings.patch_embedding.weight";
    const tower_config named = v->tower;
    v->tower = tower_of_shapes(w, "vision_model", weights_size(w, patch, 4, 0));
    v->tower.heads = named.heads;
    v->tower.act = named.act;
    v->tower.eps = 1e-6f;
    v->patch = weights_size(w, patch, 4, 3);
}

/* Arguments of the layer norm and of the activation. */
static simile_status read_arguments(json_from from, tower_config *t, simile_error *err)
{
    json_from norms = {.subject = from.subject}, act = norms;
    double eps = (double)t->eps;
    const char *form = "none";
    RETURN_IF_ERROR(json_get_object(from, "norm_kwargs", &norms.object, err));
    RETURN_IF_ERROR(json_get_object(from, "act_kwargs", &act.object, err));
    RETURN_IF_ERROR(json_get_double(norms, "eps", &eps, err));
    RETURN_IF_ERROR(json_get_string(act, "approximate", &form, err));
    t->eps = (float)eps;
    if (!strcmp(form, "tanh"))
        t->act = NN_ACT_GELU_TANH;
    else if (strcmp(form, "none") != 0)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': unknown activation '%s'", from.subject, form);
    return SIMILE_OK;
}

static simile_status read_text(json_from from, textnet_config *t, simile_error *err)
{
    bool all = false, bias = false;
    t->vocab = 49408;
    t->context = 77;
    t->pad = -1;
    t->tower = (tower_config){.width = 512, .layers = 12, .heads = 8, .act = NN_ACT_GELU};
    RETURN_IF_ERROR(open_clip_check(from, text_rules, err));
    if (!json_is_string(json_object_get(from.object, "pool_type")))
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': a SigLIP without a \"pool_type\" of \"last\"",
                       from.subject);
    RETURN_IF_ERROR(open_clip_tower(from, &t->tower, err));
    RETURN_IF_ERROR(read_arguments(from, &t->tower, err));
    RETURN_IF_ERROR(json_get_int(from, "layers", 1, CONFIG_MAX_LAYERS, &t->tower.layers, err));
    RETURN_IF_ERROR(json_get_int(from, "heads", 1, CONFIG_MAX_WIDTH, &t->tower.heads, err));
    RETURN_IF_ERROR(json_get_int(from, "vocab_size", 1, CONFIG_MAX_VOCAB, &t->vocab, err));
    RETURN_IF_ERROR(json_get_int(from, "context_length", 1, CONFIG_MAX_PLACES, &t->context, err));
    RETURN_IF_ERROR(json_get_bool(from, "no_causal_mask", &all, err));
    RETURN_IF_ERROR(json_get_bool(from, "proj_bias", &bias, err));
    t->sees_all = all;
    t->head_has_bias = bias;
    if (!bias) t->head = NULL;
    return SIMILE_OK;
}

static simile_status read_model(json_from from, siglip_config *out, simile_error *err)
{
    json_from vision = {.subject = from.subject}, text = vision;
    const char *trunk = "";
    bool quick = false;
    double bias = 0;
    *out = siglip_shape();
    out->text_dim = 512;
    RETURN_IF_ERROR(json_get_int(from, "embed_dim", 1, CONFIG_MAX_WIDTH, &out->text_dim, err));
    RETURN_IF_ERROR(json_get_double(from, "init_logit_bias", &bias, err));
    RETURN_IF_ERROR(json_get_bool(from, "quick_gelu", &quick, err));
    RETURN_IF_ERROR(json_get_object(from, "vision_cfg", &vision.object, err));
    RETURN_IF_ERROR(json_get_object(from, "text_cfg", &text.object, err));
    RETURN_IF_ERROR(json_get_string(vision, "timm_model_name", &trunk, err));
    RETURN_IF_ERROR(read_vision(vision, trunk, &out->vision, err));
    RETURN_IF_ERROR(read_text(text, &out->text, err));
    if (quick) out->text.tower.act = NN_ACT_QUICK_GELU;
    out->bias = json_is_number(json_object_get(from.object, "init_logit_bias"));
    return SIMILE_OK;
}

static simile_status read_config(json_from root, siglip_config *out, image_prepare_spec *prepare, simile_error *err)
{
    json_from model = {.subject = root.subject}, pictures = model;
    RETURN_IF_ERROR(json_get_object(root, "model_cfg", &model.object, err));
    RETURN_IF_ERROR(json_get_object(root, "preprocess_cfg", &pictures.object, err));
    RETURN_IF_ERROR(read_model(model, out, err));
    return open_clip_prepare(pictures, out->vision.image_size, prepare, err);
}

simile_status siglip_timm_parse(const char *json, size_t len, const char *subject, siglip_config *out,
                                image_prepare_spec *prepare, simile_error *err)
{
    json_t *root;
    RETURN_IF_ERROR(json_parse_object(json, len, subject, &root, err));
    const simile_status status = read_config((json_from){root, subject}, out, prepare, err);
    json_decref(root);
    return status;
}

static bool claims(const model_source *s)
{
    const json_t *model = s->config ? NULL : json_object_get(s->open_clip, "model_cfg");
    const json_t *trunk = json_object_get(json_object_get(model, "vision_cfg"), "timm_model_name");
    return json_is_string(trunk) && strstr(json_string_value(trunk), "siglip");
}

static simile_status load(model_source *s, loader *l, model_parts *out, simile_error *err)
{
    const json_t *model = json_object_get(s->open_clip, "model_cfg");
    const json_from root = {s->open_clip, s->open_clip_path}, text = {json_object_get(model, "text_cfg"), root.subject};
    siglip_config c;
    RETURN_IF_ERROR(read_config(root, &c, &out->prepare, err));
    RETURN_IF_ERROR(source_weights(s, NULL, l, err));
    measure(l->files, &c.vision);
    RETURN_IF_ERROR(siglip_config_check(&c, root.subject, err));
    RETURN_IF_ERROR(open_clip_words(s, text, &out->words, err));
    return siglip_load(s, l, &c, out, err);
}

const model_family family_siglip_timm = {
    .name = "siglip (OpenCLIP)", .claims = claims, .load = load, .layouts = layouts};
