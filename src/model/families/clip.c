/* SPDX-License-Identifier: Apache-2.0
 * clip.c - CLIP in the layout of Hugging Face (config.json, model_type "clip"), whose names of tensors are canonical.
 * Reference: transformers, models/clip/ (configuration_clip.py for the defaults). */
#include "model/families/clip.h"

#include "model/positions.h"

simile_status clip_vision_read(json_from from, vit_config *v, simile_error *err)
{
    int64_t channels = 3;
    *v = (vit_config){.tower = {768, 12, 12, 3072, NN_ACT_QUICK_GELU, 1e-5f}, .image_size = 224, .patch = 32};
    RETURN_IF_ERROR(config_tower(from, &v->tower, err));
    RETURN_IF_ERROR(json_get_int(from, "image_size", 1, 8192, &v->image_size, err));
    RETURN_IF_ERROR(json_get_int(from, "patch_size", 1, v->image_size, &v->patch, err));
    RETURN_IF_ERROR(json_get_int(from, "num_channels", 3, 3, &channels, err));
    const int64_t grid = v->image_size / v->patch;
    if (grid * grid >= CONFIG_MAX_PLACES)
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': more than %d patches", from.subject, CONFIG_MAX_PLACES);
    return SIMILE_OK;
}

static simile_status read_text(json_from from, textnet_config *t, simile_error *err)
{
    *t = (textnet_config){
        .tower = {512, 12, 8, 2048, NN_ACT_QUICK_GELU, 1e-5f}, .vocab = 49408, .context = 77, .eos = 49407};
    RETURN_IF_ERROR(config_tower(from, &t->tower, err));
    RETURN_IF_ERROR(json_get_int(from, "vocab_size", 1, CONFIG_MAX_VOCAB, &t->vocab, err));
    RETURN_IF_ERROR(json_get_int(from, "max_position_embeddings", 2, CONFIG_MAX_PLACES, &t->context, err));
    RETURN_IF_ERROR(json_get_int(from, "eos_token_id", 0, CONFIG_MAX_VOCAB, &t->eos, err));
    return SIMILE_OK;
}

/* "text_config", unless the older "text_config_dict" is there: transformers lets that one win. */
simile_status clip_part_read(json_from root, const char *name, const char *old_name, json_from *out, simile_error *err)
{
    *out = (json_from){.subject = root.subject};
    RETURN_IF_ERROR(json_get_object(root, old_name, &out->object, err));
    return out->object ? SIMILE_OK : json_get_object(root, name, &out->object, err);
}

int64_t clip_image_size(const clip_config *c)
{
    return c->convolutional ? c->resnet.image_size : c->vision.image_size;
}

bool clip_image_fits(const clip_config *c)
{
    return c->dim >= 1 && c->dim <= CONFIG_MAX_WIDTH &&
           (c->convolutional ? resnet_config_fits(&c->resnet) : vit_config_fits(&c->vision));
}

simile_status clip_image_load(const model_source *s, loader *l, const clip_config *c, model_parts *out,
                              simile_error *err)
{
    vit_config vision = c->vision;
    if (c->convolutional) return resnet_new(l, &c->resnet, c->dim, &out->image);
    RETURN_IF_ERROR(vit_take_size(&vision, &out->prepare, s->image_size, s->path, err));
    return vit_new(l, &vision, c->dim, &out->image);
}

simile_status clip_check_sizes(bool fit, const char *subject, simile_error *err)
{
    if (fit) return SIMILE_OK;
    return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': it describes a network of impossible sizes", subject);
}

simile_status clip_config_check(const clip_config *c, const char *subject, simile_error *err)
{
    return clip_check_sizes(clip_image_fits(c) && textnet_config_fits(&c->text), subject, err);
}

static simile_status read_config(json_from root, clip_config *out, simile_error *err)
{
    const char *type = "";
    json_from vision, text;
    RETURN_IF_ERROR(json_get_string(root, "model_type", &type, err));
    if (strcmp(type, "clip") != 0)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': model_type '%s' is not \"clip\"", root.subject,
                       type);
    *out = (clip_config){.dim = 512};
    RETURN_IF_ERROR(json_get_int(root, "projection_dim", 1, CONFIG_MAX_WIDTH, &out->dim, err));
    RETURN_IF_ERROR(clip_part_read(root, "vision_config", "vision_config_dict", &vision, err));
    RETURN_IF_ERROR(clip_part_read(root, "text_config", "text_config_dict", &text, err));
    RETURN_IF_ERROR(clip_vision_read(vision, &out->vision, err));
    return read_text(text, &out->text, err);
}

simile_status clip_config_parse(const char *json, size_t len, const char *subject, clip_config *out, simile_error *err)
{
    json_t *root;
    RETURN_IF_ERROR(json_parse_object(json, len, subject, &root, err));
    const simile_status status = read_config((json_from){root, subject}, out, err);
    json_decref(root);
    return status;
}

static void write_tower(json_writer *w, const tower_config *t, int64_t dim)
{
    jw_key(w, "hidden_size"), jw_int(w, t->width);
    jw_key(w, "intermediate_size"), jw_int(w, t->mlp);
    jw_key(w, "num_hidden_layers"), jw_int(w, t->layers);
    jw_key(w, "num_attention_heads"), jw_int(w, t->heads);
    jw_key(w, "hidden_act"), jw_string(w, config_act_name(t->act));
    jw_key(w, "layer_norm_eps"), jw_float(w, t->eps);
    jw_key(w, "projection_dim"), jw_int(w, dim);
}

void clip_config_write(const clip_config *c, buf *out)
{
    json_writer w;
    jw_init(&w, out);
    jw_object(&w);
    jw_key(&w, "architectures"), jw_array(&w), jw_string(&w, "CLIPModel"), jw_array_end(&w);
    jw_key(&w, "model_type"), jw_string(&w, "clip");
    jw_key(&w, "projection_dim"), jw_int(&w, c->dim);
    jw_key(&w, "text_config"), jw_object(&w);
    jw_key(&w, "model_type"), jw_string(&w, "clip_text_model");
    write_tower(&w, &c->text.tower, c->dim);
    jw_key(&w, "vocab_size"), jw_int(&w, c->text.vocab);
    jw_key(&w, "max_position_embeddings"), jw_int(&w, c->text.context);
    jw_key(&w, "bos_token_id"), jw_int(&w, c->text.eos - 1);
    jw_key(&w, "eos_token_id"), jw_int(&w, c->text.eos);
    jw_object_end(&w);
    jw_key(&w, "vision_config"), jw_object(&w);
    jw_key(&w, "model_type"), jw_string(&w, "clip_vision_model");
    write_tower(&w, &c->vision.tower, c->dim);
    jw_key(&w, "image_size"), jw_int(&w, c->vision.image_size);
    jw_key(&w, "patch_size"), jw_int(&w, c->vision.patch);
    jw_object_end(&w);
    jw_object_end(&w);
    buf_byte(out, '\n');
}

simile_status clip_load(model_source *s, loader *l, const clip_config *c, model_parts *out, simile_error *err)
{
    out->family = c->convolutional ? "clip-resnet" : "clip";
    RETURN_IF_ERROR(source_weights(s, NULL, l, err));
    RETURN_IF_ERROR(clip_image_load(s, l, c, out, err));
    RETURN_IF_ERROR(textnet_new(l, &c->text, c->dim, &out->text));
    return load_logit_scale(l, s->path, out, err);
}

static bool claims(const model_source *s)
{
    return source_has_type(s, "clip");
}

static simile_status load(model_source *s, loader *l, model_parts *out, simile_error *err)
{
    clip_config c;
    RETURN_IF_ERROR(read_config((json_from){s->config, s->config_path}, &c, err));
    const int64_t size = clip_image_size(&c);
    RETURN_IF_ERROR(source_preprocess(s, clip_preprocess(size), size, &out->prepare, err));
    return clip_load(s, l, &c, out, err);
}

const model_family family_clip = {.name = "clip", .claims = claims, .load = load};
