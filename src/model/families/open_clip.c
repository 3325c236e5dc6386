/* SPDX-License-Identifier: Apache-2.0
 * open_clip.c - OpenCLIP's directories: open_clip_config.json beside the weights, {"model_cfg": {...},
 * "preprocess_cfg": {...}}. The names of the tensors are OpenAI's (openai.c), the end-of-text token is the last of the
 * vocabulary. An option that would change a vector and is not known here is refused by name.
 * Reference: mlfoundations/open_clip, src/open_clip/model.py (CLIPVisionCfg, CLIPTextCfg) and transform.py. */
#include "model/families/open_clip.h"

#include <math.h>

enum { MAX_INT = 1 << 24 };

static const open_clip_rule vision_rules[] = {{"timm_model_name", MUST_BE_ABSENT, NULL},
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
static const open_clip_rule text_rules[] = {
    {"hf_model_name", MUST_BE_ABSENT, NULL}, {"no_causal_mask", MUST_BE_FALSE, NULL},
    {"embed_cls", MUST_BE_FALSE, NULL},      {"proj_bias", MUST_BE_FALSE, NULL},
    {"proj_type", MUST_BE_TEXT, "linear"},   {"pool_type", MUST_BE_TEXT, "argmax"},
    {"ls_init_value", MUST_BE_ABSENT, NULL}, {"block_type", MUST_BE_ABSENT, NULL},
    {"norm_kwargs", MUST_BE_ABSENT, NULL},   {"act_kwargs", MUST_BE_ABSENT, NULL},
    {"qk_norm", MUST_BE_FALSE, NULL},        {NULL, MUST_BE_FALSE, NULL}};

simile_status open_clip_check(json_from from, const open_clip_rule *rules, simile_error *err)
{
    for (const open_clip_rule *r = rules; r->key; r++) {
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

simile_status open_clip_tower(json_from from, tower_config *t, simile_error *err)
{
    double ratio = 4;
    RETURN_IF_ERROR(json_get_int(from, "width", 1, MAX_INT, &t->width, err));
    RETURN_IF_ERROR(json_get_double(from, "mlp_ratio", &ratio, err));
    const double mlp = (double)t->width * ratio;
    t->mlp = mlp >= 1 && mlp < MAX_INT ? (int64_t)mlp : 0; /* 0 is refused by clip_config_check() */
    t->eps = 1e-5f;
    return SIMILE_OK;
}

static simile_status read_vision(json_from from, vit_config *v, simile_error *err)
{
    int64_t head = CLIP_HEAD;
    *v = (vit_config){.image_size = 224, .patch = 16};
    v->tower.width = 768;
    v->tower.layers = 12;
    RETURN_IF_ERROR(open_clip_check(from, vision_rules, err));
    RETURN_IF_ERROR(open_clip_tower(from, &v->tower, err));
    RETURN_IF_ERROR(json_get_int(from, "layers", 1, MAX_INT, &v->tower.layers, err));
    RETURN_IF_ERROR(json_get_int(from, "head_width", 1, MAX_INT, &head, err));
    RETURN_IF_ERROR(json_get_int(from, "image_size", 1, MAX_INT, &v->image_size, err));
    RETURN_IF_ERROR(json_get_int(from, "patch_size", 1, MAX_INT, &v->patch, err));
    v->tower.heads = v->tower.width / head;
    return SIMILE_OK;
}

/* Where "layers" is a list of blocks: a ModifiedResNet. */
static simile_status read_resnet(json_from from, resnet_config *r, simile_error *err)
{
    const json_t *layers = json_object_get(from.object, "layers"), *count;
    int64_t head = CLIP_HEAD;
    size_t i;
    *r = (resnet_config){.image_size = 224, .width = 768};
    RETURN_IF_ERROR(open_clip_check(from, vision_rules, err));
    if (json_array_size(layers) != RESNET_LAYERS)
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': \"layers\" does not have %d numbers", from.subject,
                       RESNET_LAYERS);
    json_array_foreach(layers, i, count)
    {
        const json_int_t blocks = json_integer_value(count); /* 0, which no network has, if it is no number */
        r->blocks[i] = blocks > 0 && blocks < MAX_INT ? (int64_t)blocks : 0;
    }
    RETURN_IF_ERROR(json_get_int(from, "width", 1, MAX_INT, &r->width, err));
    RETURN_IF_ERROR(json_get_int(from, "head_width", 1, MAX_INT, &head, err));
    RETURN_IF_ERROR(json_get_int(from, "image_size", 1, MAX_INT, &r->image_size, err));
    r->heads = r->width * RESNET_REDUCTION / head;
    return SIMILE_OK;
}

static simile_status read_text(json_from from, textnet_config *t, simile_error *err)
{
    *t = (textnet_config){.vocab = 49408, .context = 77};
    t->tower.width = 512;
    t->tower.layers = 12;
    t->tower.heads = 8;
    RETURN_IF_ERROR(open_clip_check(from, text_rules, err));
    RETURN_IF_ERROR(open_clip_tower(from, &t->tower, err));
    RETURN_IF_ERROR(json_get_int(from, "layers", 1, MAX_INT, &t->tower.layers, err));
    RETURN_IF_ERROR(json_get_int(from, "heads", 1, MAX_INT, &t->tower.heads, err));
    RETURN_IF_ERROR(json_get_int(from, "vocab_size", 1, MAX_INT, &t->vocab, err));
    RETURN_IF_ERROR(json_get_int(from, "context_length", 1, MAX_INT, &t->context, err));
    t->eos = t->vocab - 1;
    return SIMILE_OK;
}

simile_status open_clip_prepare(json_from from, int64_t size, image_prepare_spec *out, simile_error *err)
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
    return config_check_std(out, from.subject, err);
}

simile_status open_clip_read(json_from root, clip_config *out, json_from *text, image_prepare_spec *prepare,
                             simile_error *err)
{
    json_from from = {.subject = root.subject}, vision = from, pictures = from;
    bool quick = false, custom = false;
    *out = (clip_config){.dim = 512};
    *text = from;
    RETURN_IF_ERROR(json_get_object(root, "model_cfg", &from.object, err));
    RETURN_IF_ERROR(json_get_object(root, "preprocess_cfg", &pictures.object, err));
    if (!from.object) return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': it has no \"model_cfg\"", root.subject);
    RETURN_IF_ERROR(json_get_int(from, "embed_dim", 1, MAX_INT, &out->dim, err));
    RETURN_IF_ERROR(json_get_bool(from, "quick_gelu", &quick, err));
    RETURN_IF_ERROR(json_get_bool(from, "custom_text", &custom, err));
    RETURN_IF_ERROR(json_get_object(from, "vision_cfg", &vision.object, err));
    RETURN_IF_ERROR(json_get_object(from, "text_cfg", &text->object, err));
    if (!vision.object || !text->object)
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': \"model_cfg\" lacks \"vision_cfg\" or \"text_cfg\"",
                       from.subject);
    out->convolutional = json_is_array(json_object_get(vision.object, "layers"));
    RETURN_IF_ERROR(out->convolutional ? read_resnet(vision, &out->resnet, err)
                                       : read_vision(vision, &out->vision, err));
    out->vision.tower.act = quick ? NN_ACT_QUICK_GELU : NN_ACT_GELU;
    return open_clip_prepare(pictures, clip_image_size(out), prepare, err);
}

simile_status open_clip_words(const model_source *s, json_from text, tokenizer **out, simile_error *err)
{
    static const open_clip_rule known[] = {{"strip_sep_token", MUST_BE_FALSE, NULL}, {NULL, MUST_BE_FALSE, NULL}};
    static const struct {
        const char *name;
        tokenizer_cleaning how;
    } ways[] = {{"whitespace", TOKENIZER_CLEAN_SPACES},
                {"lower", TOKENIZER_CLEAN_LOWER},
                {"canonicalize", TOKENIZER_CLEAN_CANONICAL}};
    json_from arguments = {.subject = text.subject};
    const char *clean = "whitespace";
    size_t i = 0;
    RETURN_IF_ERROR(json_get_object(text, "tokenizer_kwargs", &arguments.object, err));
    RETURN_IF_ERROR(open_clip_check(arguments, known, err));
    RETURN_IF_ERROR(json_get_string(arguments, "clean", &clean, err));
    while (i < 3 && strcmp(ways[i].name, clean) != 0) i++;
    if (i == 3)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': texts that are cleaned by '%s'", text.subject,
                       clean);
    RETURN_IF_ERROR(tokenizer_open(s->folder, out, err));
    return tokenizer_clean_first(*out, ways[i].how, err);
}

/* What read_tower() makes the size of the MLP of again. */
static double mlp_ratio(const tower_config *t)
{
    double ratio = (double)t->mlp / (double)t->width;
    while ((int64_t)((double)t->width * ratio) < t->mlp) ratio = nextafter(ratio, INFINITY);
    return ratio;
}

static void write_text(json_writer *w, const textnet_config *t)
{
    jw_key(w, "text_cfg"), jw_object(w);
    jw_key(w, "context_length"), jw_int(w, t->context);
    jw_key(w, "vocab_size"), jw_int(w, t->vocab);
    jw_key(w, "width"), jw_int(w, t->tower.width);
    jw_key(w, "heads"), jw_int(w, t->tower.heads);
    jw_key(w, "layers"), jw_int(w, t->tower.layers);
    jw_key(w, "mlp_ratio"), jw_double(w, mlp_ratio(&t->tower));
    jw_object_end(w);
}

void open_clip_write_resnet(const clip_config *c, buf *out)
{
    const image_prepare_spec pictures = clip_preprocess(c->resnet.image_size);
    json_writer w;
    jw_init(&w, out);
    jw_object(&w);
    jw_key(&w, "model_cfg"), jw_object(&w);
    jw_key(&w, "embed_dim"), jw_int(&w, c->dim);
    jw_key(&w, "quick_gelu"), jw_bool(&w, c->text.tower.act == NN_ACT_QUICK_GELU);
    jw_key(&w, "vision_cfg"), jw_object(&w);
    jw_key(&w, "image_size"), jw_int(&w, c->resnet.image_size);
    jw_key(&w, "layers"), jw_array(&w);
    for (int i = 0; i < RESNET_LAYERS; i++) jw_int(&w, c->resnet.blocks[i]);
    jw_array_end(&w);
    jw_key(&w, "width"), jw_int(&w, c->resnet.width);
    jw_key(&w, "head_width"), jw_int(&w, c->resnet.width * RESNET_REDUCTION / c->resnet.heads);
    jw_key(&w, "patch_size"), jw_null(&w);
    jw_object_end(&w);
    write_text(&w, &c->text);
    jw_object_end(&w);
    jw_key(&w, "preprocess_cfg"), jw_object(&w);
    jw_key(&w, "mean"), jw_floats(&w, pictures.mean, 3);
    jw_key(&w, "std"), jw_floats(&w, pictures.std, 3);
    jw_key(&w, "interpolation"), jw_string(&w, "bicubic");
    jw_key(&w, "resize_mode"), jw_string(&w, "shortest");
    jw_object_end(&w);
    jw_object_end(&w);
    buf_byte(out, '\n');
}

/* The text tower as well, where it is CLIP's own. */
static simile_status read_whole(json_from root, clip_config *out, image_prepare_spec *prepare, simile_error *err)
{
    json_from text;
    RETURN_IF_ERROR(open_clip_read(root, out, &text, prepare, err));
    RETURN_IF_ERROR(read_text(text, &out->text, err));
    out->text.tower.act = out->vision.tower.act;
    return clip_config_check(out, root.subject, err);
}

simile_status open_clip_parse(const char *json, size_t len, const char *subject, clip_config *out,
                              image_prepare_spec *prepare, simile_error *err)
{
    json_t *root;
    RETURN_IF_ERROR(json_parse_object(json, len, subject, &root, err));
    const simile_status status = read_whole((json_from){root, subject}, out, prepare, err);
    json_decref(root);
    return status;
}

static bool claims(const model_source *s)
{
    return s->open_clip && !s->config;
}

static simile_status load(model_source *s, loader *l, model_parts *out, simile_error *err)
{
    clip_config c;
    RETURN_IF_ERROR(read_whole((json_from){s->open_clip, s->open_clip_path}, &c, &out->prepare, err));
    return clip_load(s, l, &c, out, err);
}

const model_family family_open_clip = {.name = "open_clip", .claims = claims, .load = load};
