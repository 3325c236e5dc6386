/* SPDX-License-Identifier: Apache-2.0
 * siglip.c - SigLIP, and SigLIP 2 of fixed resolution, in the layout of Hugging Face (config.json, model_type
 * "siglip"). Pictures are pooled by a learned query, texts are filled up to the context and read at their last place,
 * and a score is sigmoid(exp(logit_scale) x cosine + logit_bias), each pair by itself. Reference: transformers,
 * models/siglip/ (configuration_siglip.py for the defaults); arXiv 2303.15343, 2502.14786. */
#include "model/families/siglip.h"

#include "model/families/clip.h"
#include "model/positions.h"

#include <math.h>

/* ---- config.json ---- */

siglip_config siglip_shape(void)
{
    return (siglip_config){
        .vision = {.no_class = true, .no_pre_norm = true, .patch_bias = true, .pooling = VIT_POOL_MAP},
        .text = {.eos = -1,
                 .pool_last = true,
                 .sees_all = true,
                 .padded = true,
                 .head = "text_model.head",
                 .head_has_bias = true},
        .bias = true};
}

static simile_status read_vision(json_from from, vit_config *v, simile_error *err)
{
    int64_t channels = 3;
    bool head = true;
    v->tower = (tower_config){768, 12, 12, 3072, NN_ACT_GELU_TANH, 1e-6f};
    v->image_size = 224;
    v->patch = 16;
    RETURN_IF_ERROR(config_tower(from, &v->tower, err));
    RETURN_IF_ERROR(json_get_int(from, "image_size", 1, 8192, &v->image_size, err));
    RETURN_IF_ERROR(json_get_int(from, "patch_size", 1, v->image_size, &v->patch, err));
    RETURN_IF_ERROR(json_get_int(from, "num_channels", 3, 3, &channels, err));
    RETURN_IF_ERROR(json_get_bool(from, "vision_use_head", &head, err));
    if (!head)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': an image tower without its pooling head",
                       from.subject);
    return SIMILE_OK;
}

static simile_status read_text(json_from from, textnet_config *t, int64_t *dim, simile_error *err)
{
    t->tower = (tower_config){768, 12, 12, 3072, NN_ACT_GELU_TANH, 1e-6f};
    t->vocab = 32000;
    t->context = 64;
    t->pad = -1;
    RETURN_IF_ERROR(config_tower(from, &t->tower, err));
    RETURN_IF_ERROR(json_get_int(from, "vocab_size", 1, CONFIG_MAX_VOCAB, &t->vocab, err));
    RETURN_IF_ERROR(json_get_int(from, "max_position_embeddings", 2, CONFIG_MAX_PLACES, &t->context, err));
    RETURN_IF_ERROR(json_get_int(from, "pad_token_id", 0, CONFIG_MAX_VOCAB, &t->pad, err));
    *dim = t->tower.width;
    return json_get_int(from, "projection_size", 1, CONFIG_MAX_WIDTH, dim, err);
}

simile_status siglip_config_check(const siglip_config *c, const char *subject, simile_error *err)
{
    textnet_config text = c->text;
    text.pad = 0; /* not known before the tokenizer is */
    return clip_check_sizes(c->text_dim >= 1 && c->text_dim <= CONFIG_MAX_WIDTH && vit_config_fits(&c->vision) &&
                                textnet_config_fits(&text),
                            subject, err);
}

static simile_status read_config(json_from root, siglip_config *out, simile_error *err)
{
    const char *type = "";
    json_from vision = {.subject = root.subject}, text = vision;
    *out = siglip_shape();
    RETURN_IF_ERROR(json_get_string(root, "model_type", &type, err));
    if (!strcmp(type, "siglip2"))
        return err_set(
            err, SIMILE_E_UNSUPPORTED,
            "cannot read '%s': a SigLIP 2 that takes pictures of any shape (NaFlex, model_type 'siglip2') is "
            "not supported",
            root.subject);
    if (strcmp(type, "siglip") != 0)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': model_type '%s' is not \"siglip\"", root.subject,
                       type);
    RETURN_IF_ERROR(json_get_object(root, "vision_config", &vision.object, err));
    RETURN_IF_ERROR(json_get_object(root, "text_config", &text.object, err));
    RETURN_IF_ERROR(read_vision(vision, &out->vision, err));
    RETURN_IF_ERROR(read_text(text, &out->text, &out->text_dim, err));
    return siglip_config_check(out, root.subject, err);
}

simile_status siglip_config_parse(const char *json, size_t len, const char *subject, siglip_config *out,
                                  simile_error *err)
{
    json_t *root;
    RETURN_IF_ERROR(json_parse_object(json, len, subject, &root, err));
    const simile_status status = read_config((json_from){root, subject}, out, err);
    json_decref(root);
    return status;
}

/* ---- padding ----
 * Its token is the tokenizer's, not the configuration's: that of SigLIP 2 leaves pad_token_id at the default of SigLIP,
 * which is the end of a text there. */

/* "pad_token" of one of the tokenizer's files, a text or {"content": text}; *id stays as it is without one. */
static simile_status read_pad(json_from root, const tokenizer *words, int64_t *id, simile_error *err)
{
    const char *name = NULL, *side = "right";
    const json_t *token = json_object_get(root.object, "pad_token");
    const bool nested = json_is_object(token);
    const json_from from = {nested ? token : root.object, root.subject};
    RETURN_IF_ERROR(json_get_string(from, nested ? "content" : "pad_token", &name, err));
    RETURN_IF_ERROR(json_get_string(root, "padding_side", &side, err));
    if (strcmp(side, "right") != 0)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': texts that are filled up on the %s", root.subject,
                       side);
    if (!name) return SIMILE_OK;
    *id = tokenizer_find(words, name);
    if (*id >= 0) return SIMILE_OK;
    return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': its pad_token '%s' is not in the vocabulary", root.subject,
                   name);
}

static simile_status named_pad(const model_source *s, const char *file, const tokenizer *words, int64_t *id,
                               simile_error *err)
{
    char *path;
    json_t *root;
    simile_status status = source_json(s, file, &path, &root, err);
    if (!status) status = read_pad((json_from){root, path}, words, id, err);
    json_decref(root);
    mem_free(path);
    return status;
}

static simile_status find_pad(const model_source *s, const tokenizer *words, textnet_config *t, simile_error *err)
{
    static const char *const files[] = {"tokenizer_config.json", "special_tokens_map.json"};
    int64_t id = -1;
    for (size_t i = 0; id < 0 && i < sizeof files / sizeof *files; i++)
        RETURN_IF_ERROR(named_pad(s, files[i], words, &id, err));
    if (id < 0) id = t->pad;
    if (id < 0 && !strcmp(tokenizer_kind(words), "sentencepiece-bpe")) id = tokenizer_find(words, "<pad>");
    if (id < 0) id = tokenizer_end_id(words);
    if (id < 0 || id >= t->vocab)
        return err_set(err, SIMILE_E_FORMAT,
                       "cannot open the model '%s': texts are to be filled up with a token that it does not have",
                       s->path);
    t->pad = id;
    return SIMILE_OK;
}

/* ---- loading ---- */

static simile_status load_score(loader *l, const siglip_config *c, const char *path, model_parts *out,
                                simile_error *err)
{
    const float scale = loader_number_of_one(l, "logit_scale");
    const float bias = c->bias ? loader_number_of_one(l, "logit_bias") : 0;
    if (l->status) return l->status;
    if (!(fabsf(bias) < 1e4f))
        return err_set(err, SIMILE_E_CORRUPT, "cannot open the model '%s': its logit_bias is out of range", path);
    out->logit_bias = bias;
    out->sigmoid = c->bias;
    return take_logit_scale(scale, path, out, err);
}

simile_status siglip_load(model_source *s, loader *l, siglip_config *c, model_parts *out, simile_error *err)
{
    out->family = "siglip";
    if (!out->words) RETURN_IF_ERROR(tokenizer_open(s->folder, &out->words, err));
    RETURN_IF_ERROR(find_pad(s, out->words, &c->text, err));
    RETURN_IF_ERROR(source_weights(s, NULL, l, err));
    RETURN_IF_ERROR(vit_take_size(&c->vision, &out->prepare, s->image_size, s->path, err));
    RETURN_IF_ERROR(vit_new(l, &c->vision, c->vision.tower.width, &out->image));
    RETURN_IF_ERROR(textnet_new(l, &c->text, c->text_dim, &out->text));
    return load_score(l, c, s->path, out, err);
}

/* image_processing_siglip.py; SigLIP 2 says bilinear in its file. */
static image_prepare_spec siglip_preprocess(int64_t image_size)
{
    image_prepare_spec spec = clip_preprocess(image_size);
    spec.fit = IMAGE_FIT_SQUASH;
    spec.crop = false;
    for (int i = 0; i < 3; i++) spec.mean[i] = spec.std[i] = 0.5f;
    return spec;
}

/* "siglip2" is claimed to be refused by what it is. */
static bool claims(const model_source *s)
{
    return source_has_type(s, "siglip") || source_has_type(s, "siglip2");
}

static simile_status load(model_source *s, loader *l, model_parts *out, simile_error *err)
{
    siglip_config c;
    RETURN_IF_ERROR(read_config((json_from){s->config, s->config_path}, &c, err));
    const int64_t size = c.vision.image_size;
    RETURN_IF_ERROR(source_preprocess(s, siglip_preprocess(size), size, &out->prepare, err));
    return siglip_load(s, l, &c, out, err);
}

/* The query's projections lie in one tensor, as PyTorch's MultiheadAttention keeps them, and stay so: that is the name
 * of Hugging Face. */
const model_family family_siglip = {.name = "siglip", .claims = claims, .load = load};
