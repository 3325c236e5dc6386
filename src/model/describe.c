/* SPDX-License-Identifier: Apache-2.0
 * describe.c - networks that are not described by a config.json of Hugging Face.
 *
 * OpenCLIP:  open_clip_config.json beside the weights: {"model_cfg": {...}, "preprocess_cfg": {...}}. Reference:
 *            mlfoundations/open_clip, src/open_clip/model.py (CLIPVisionCfg, CLIPTextCfg) and transform.py. An option
 * that would change a vector and is not known here is refused by name. OpenAI:    nothing but the shapes of the
 * tensors. Reference: openai/CLIP, clip/model.py (build_model); heads are of 64, the activation is QuickGELU. clip.cpp:
 * the keys of the GGUF file. Reference: monatis/clip.cpp, models/convert_hf_to_gguf.py.
 *
 * The end-of-text token is the last of the vocabulary in all of them. */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/config.h"

#include <math.h>
#include <stdio.h>

enum { MAX_FILE = 4 << 20, HEAD = 64, MAX_INT = 1 << 24 };

/* ---- OpenCLIP ---- */

/* Options that must be absent, null or have this value. */
typedef struct {
    const char *key;
    enum { MUST_BE_FALSE, MUST_BE_ABSENT, MUST_BE_TEXT } rule;
    const char *text;
} option_rule;

static const option_rule vision_rules[] = {{"timm_model_name", MUST_BE_ABSENT, NULL},
                                           {"attentional_pool", MUST_BE_FALSE, NULL},
                                           {"no_ln_pre", MUST_BE_FALSE, NULL},
                                           {"final_ln_after_pool", MUST_BE_FALSE, NULL},
                                           {"input_patchnorm", MUST_BE_FALSE, NULL},
                                           {"pool_type", MUST_BE_TEXT, "tok"},
                                           {"pos_embed_type", MUST_BE_TEXT, "learnable"},
                                           {"ls_init_value", MUST_BE_ABSENT, NULL},
                                           {"global_average_pool", MUST_BE_FALSE, NULL},
                                           {"block_type", MUST_BE_ABSENT, NULL},
                                           {"norm_kwargs", MUST_BE_ABSENT, NULL},
                                           {"act_kwargs", MUST_BE_ABSENT, NULL},
                                           {"qk_norm", MUST_BE_FALSE, NULL},
                                           {NULL, MUST_BE_FALSE, NULL}};
static const option_rule text_rules[] = {
    {"hf_model_name", MUST_BE_ABSENT, NULL}, {"no_causal_mask", MUST_BE_FALSE, NULL},
    {"embed_cls", MUST_BE_FALSE, NULL},      {"proj_bias", MUST_BE_FALSE, NULL},
    {"proj_type", MUST_BE_TEXT, "linear"},   {"pool_type", MUST_BE_TEXT, "argmax"},
    {"ls_init_value", MUST_BE_ABSENT, NULL}, {"block_type", MUST_BE_ABSENT, NULL},
    {"norm_kwargs", MUST_BE_ABSENT, NULL},   {"act_kwargs", MUST_BE_ABSENT, NULL},
    {"qk_norm", MUST_BE_FALSE, NULL},        {NULL, MUST_BE_FALSE, NULL}};

static simile_status check_options(json_from from, const option_rule *rules, simile_error *err)
{
    for (const option_rule *r = rules; r->key; r++) {
        const json_t *v = json_object_get(from.object, r->key);
        if (!v || json_is_null(v)) continue;
        if (r->rule == MUST_BE_FALSE && json_is_false(v)) continue;
        if (r->rule == MUST_BE_TEXT && json_is_string(v) && !strcmp(json_string_value(v), r->text)) continue;
        if (json_is_object(v) && json_object_size(v) == 0) continue;
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': a network with \"%s\" is not supported",
                       from.subject, r->key);
    }
    return SIMILE_OK;
}

static simile_status read_tower(json_from from, tower_config *t, simile_error *err)
{
    double ratio = 4;
    RETURN_IF_ERROR(json_get_int(from, "width", 1, MAX_INT, &t->width, err));
    RETURN_IF_ERROR(json_get_double(from, "mlp_ratio", &ratio, err));
    const double mlp = (double)t->width * ratio;
    t->mlp = mlp >= 1 && mlp < MAX_INT ? (int64_t)mlp : 0; /* 0 is refused by clip_config_check() */
    t->eps = 1e-5f;
    return SIMILE_OK;
}

static simile_status read_vision(json_from from, vision_config *v, simile_error *err)
{
    int64_t head = HEAD;
    *v = (vision_config){.image_size = 224, .patch = 16};
    v->tower.width = 768;
    v->tower.layers = 12;
    RETURN_IF_ERROR(check_options(from, vision_rules, err));
    if (json_is_array(json_object_get(from.object, "layers")))
        return err_set(
            err, SIMILE_E_UNSUPPORTED,
            "cannot read '%s': its image tower is a ModifiedResNet (RN50 and the like), which is not supported",
            from.subject);
    RETURN_IF_ERROR(read_tower(from, &v->tower, err));
    RETURN_IF_ERROR(json_get_int(from, "layers", 1, MAX_INT, &v->tower.layers, err));
    RETURN_IF_ERROR(json_get_int(from, "head_width", 1, MAX_INT, &head, err));
    RETURN_IF_ERROR(json_get_int(from, "image_size", 1, MAX_INT, &v->image_size, err));
    RETURN_IF_ERROR(json_get_int(from, "patch_size", 1, MAX_INT, &v->patch, err));
    v->tower.heads = v->tower.width / head;
    return SIMILE_OK;
}

static simile_status read_text(json_from from, text_config *t, simile_error *err)
{
    *t = (text_config){.vocab = 49408, .context = 77};
    t->tower.width = 512;
    t->tower.layers = 12;
    t->tower.heads = 8;
    RETURN_IF_ERROR(check_options(from, text_rules, err));
    RETURN_IF_ERROR(read_tower(from, &t->tower, err));
    RETURN_IF_ERROR(json_get_int(from, "layers", 1, MAX_INT, &t->tower.layers, err));
    RETURN_IF_ERROR(json_get_int(from, "heads", 1, MAX_INT, &t->tower.heads, err));
    RETURN_IF_ERROR(json_get_int(from, "vocab_size", 1, MAX_INT, &t->vocab, err));
    RETURN_IF_ERROR(json_get_int(from, "context_length", 1, MAX_INT, &t->context, err));
    t->eos = t->vocab - 1;
    return SIMILE_OK;
}

static simile_status read_model(json_from from, clip_config *out, simile_error *err)
{
    json_from vision = {.subject = from.subject}, text = vision;
    bool quick = false, custom = false;
    *out = (clip_config){.dim = 512};
    RETURN_IF_ERROR(json_get_int(from, "embed_dim", 1, MAX_INT, &out->dim, err));
    RETURN_IF_ERROR(json_get_bool(from, "quick_gelu", &quick, err));
    RETURN_IF_ERROR(json_get_bool(from, "custom_text", &custom, err));
    RETURN_IF_ERROR(json_get_object(from, "vision_cfg", &vision.object, err));
    RETURN_IF_ERROR(json_get_object(from, "text_cfg", &text.object, err));
    if (!vision.object || !text.object)
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': \"model_cfg\" lacks \"vision_cfg\" or \"text_cfg\"",
                       from.subject);
    RETURN_IF_ERROR(read_vision(vision, &out->vision, err));
    RETURN_IF_ERROR(read_text(text, &out->text, err));
    out->vision.tower.act = out->text.tower.act = quick ? NN_ACT_QUICK_GELU : NN_ACT_GELU;
    return clip_config_check(out, from.subject, err);
}

static simile_status read_prepare(json_from from, int64_t size, image_prepare_spec *out, simile_error *err)
{
    static const struct {
        const char *name;
        image_filter filter;
    } filters[] = {{"bicubic", IMAGE_FILTER_BICUBIC}, {"bilinear", IMAGE_FILTER_BILINEAR}};
    const char *filter = "bicubic", *resize = "shortest", *mode = "RGB";
    size_t i = 0;
    *out = clip_preprocess(size);
    RETURN_IF_ERROR(json_get_floats(from, "mean", 3, out->mean, err));
    RETURN_IF_ERROR(json_get_floats(from, "std", 3, out->std, err));
    RETURN_IF_ERROR(json_get_string(from, "interpolation", &filter, err));
    RETURN_IF_ERROR(json_get_string(from, "resize_mode", &resize, err));
    RETURN_IF_ERROR(json_get_string(from, "mode", &mode, err));
    while (i < 2 && strcmp(filters[i].name, filter) != 0) i++;
    const bool squash = !strcmp(resize, "squash");
    if (i == 2 || strcmp(mode, "RGB") != 0 || (!squash && strcmp(resize, "shortest") != 0))
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': pictures with '%s', '%s', '%s' are not supported",
                       from.subject, filter, resize, mode);
    out->filter = filters[i].filter;
    if (squash) out->fit = IMAGE_FIT_SQUASH;
    if (squash) out->crop = false;
    for (int c = 0; c < 3; c++) {
        if (!(out->std[c] > 0))
            return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': \"std\" is not positive", from.subject);
    }
    return SIMILE_OK;
}

static simile_status read_open_clip(json_from root, clip_config *out, image_prepare_spec *prepare, simile_error *err)
{
    json_from model = {.subject = root.subject}, pictures = model;
    RETURN_IF_ERROR(json_get_object(root, "model_cfg", &model.object, err));
    RETURN_IF_ERROR(json_get_object(root, "preprocess_cfg", &pictures.object, err));
    if (!model.object) return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': it has no \"model_cfg\"", root.subject);
    RETURN_IF_ERROR(read_model(model, out, err));
    return read_prepare(pictures, out->vision.image_size, prepare, err);
}

simile_status open_clip_parse(const char *json, size_t len, const char *subject, clip_config *out,
                              image_prepare_spec *prepare, simile_error *err)
{
    json_t *root;
    RETURN_IF_ERROR(json_parse_object(json, len, subject, &root, err));
    const simile_status status = read_open_clip((json_from){root, subject}, out, prepare, err);
    json_decref(root);
    return status;
}

simile_status open_clip_read(const char *directory, clip_config *out, image_prepare_spec *prepare, simile_error *err)
{
    char *text = NULL, *path = path_join(directory, "open_clip_config.json");
    size_t len;
    if (!path) return err_nomem(err);
    simile_status status = file_read(path, MAX_FILE, &text, &len, err);
    if (!status) status = open_clip_parse(text, len, path, out, prepare, err);
    mem_free(text);
    mem_free(path);
    return status;
}

/* ---- OpenAI ---- */

/* Dimension `at` of a tensor that has that many; 0 when there is no such tensor. */
static int64_t size_of(const weights *w, const char *name, int rank, int at)
{
    const weight_entry *e = weights_find(w, name);
    return e && e->tensor.rank == rank && e->tensor.dim[at] < MAX_INT ? e->tensor.dim[at] : 0;
}

static int64_t count_layers(const weights *w, const char *tower)
{
    int64_t n = 0;
    for (;; n++) {
        char name[128];
        snprintf(name, sizeof name, "%s.encoder.layers.%lld.layer_norm1.weight", tower, (long long)n);
        if (n == MAX_TENSORS || !weights_has(w, name)) return n;
    }
}

static tower_config describe_tower(const weights *w, const char *tower, int64_t width)
{
    char name[128];
    snprintf(name, sizeof name, "%s.encoder.layers.0.mlp.fc1.weight", tower);
    return (tower_config){.width = width,
                          .layers = count_layers(w, tower),
                          .heads = width / HEAD,
                          .mlp = size_of(w, name, 2, 0),
                          .act = NN_ACT_QUICK_GELU,
                          .eps = 1e-5f};
}

simile_status describe_openai(const weights *w, clip_config *out, simile_error *err)
{
    static const char patch[] = "vision_model.embeddings.patch_embedding.weight";
    static const char places[] = "vision_model.embeddings.position_embedding.weight";
    static const char tokens[] = "text_model.embeddings.token_embedding.weight";
    *out = (clip_config){.dim = size_of(w, "visual_projection.weight", 2, 0)};
    const int64_t grid = (int64_t)llround(sqrt((double)size_of(w, places, 2, 0) - 1));
    out->vision.tower = describe_tower(w, "vision_model", size_of(w, patch, 4, 0));
    out->vision.patch = size_of(w, patch, 4, 3);
    out->vision.image_size = grid > 0 && grid < 8192 ? out->vision.patch * grid : 0;
    out->text.tower = describe_tower(w, "text_model", size_of(w, tokens, 2, 1));
    out->text.vocab = size_of(w, tokens, 2, 0);
    out->text.context = size_of(w, "text_model.embeddings.position_embedding.weight", 2, 0);
    out->text.eos = out->text.vocab - 1;
    return clip_config_check(out, weights_directory(w), err);
}

/* ---- clip.cpp ---- */

static tower_config gguf_tower(const gguf_facts *g, int i)
{
    return (tower_config){.width = g->tower[i].width,
                          .layers = g->tower[i].layers,
                          .heads = g->tower[i].heads,
                          .mlp = g->tower[i].mlp,
                          .act = g->gelu ? NN_ACT_GELU : NN_ACT_QUICK_GELU,
                          .eps = g->tower[i].eps > 0 ? (float)g->tower[i].eps : 1e-5f};
}

simile_status describe_gguf(const weights *w, clip_config *out, image_prepare_spec *prepare, simile_error *err)
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
    out->vision = (vision_config){.tower = gguf_tower(g, 0), .image_size = g->image_size, .patch = g->patch};
    out->text = (text_config){.tower = gguf_tower(g, 1),
                              .vocab = size_of(w, "text_model.embeddings.token_embedding.weight", 2, 0),
                              .context = g->context};
    out->text.eos = out->text.vocab - 1;
    RETURN_IF_ERROR(clip_config_check(out, subject, err));
    *prepare = clip_preprocess(out->vision.image_size);
    if (g->has_mean) memcpy(prepare->mean, g->mean, sizeof g->mean);
    if (g->has_std) memcpy(prepare->std, g->std, sizeof g->std);
    for (int c = 0; c < 3; c++) {
        if (!(prepare->std[c] > 0))
            return err_set(err, SIMILE_E_FORMAT, "cannot open the model in '%s': its image_std is not positive",
                           subject);
    }
    return SIMILE_OK;
}
