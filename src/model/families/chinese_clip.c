/* SPDX-License-Identifier: Apache-2.0
 * chinese_clip.c - Chinese-CLIP (arXiv 2211.01335): CLIP's image tower beside a Chinese RoBERTa, of which the first row
 * is projected.
 *
 * Two layouts: directories of Hugging Face (config.json, model_type "chinese_clip"), and the checkpoints of OFA-Sys,
 * which nothing describes but the shapes of their tensors. Those are told by a BERT's tensors beside OpenAI's, with a
 * vocab.txt in the folder; heads are of 64, save for the image tower of 1280 (ViT-H-14), whose heads are of 80.
 *
 * References: transformers, models/chinese_clip/ (configuration_chinese_clip.py for the defaults);
 * OFA-Sys/Chinese-CLIP, cn_clip/clip/{model,utils}.py and model_configs/. Pictures are squashed to the network's size,
 * not cropped. */
#include "model/bert.h"
#include "model/families/clip.h"

/* Names of OFA-Sys alone, FlashAttention's among them; all else is OpenAI's (openai.c) or BERT's (bert_names.c). */
static const name_rule rules[] = {
    {"text_projection", "text_projection.weight", NAME_TRANSPOSE},
    {"visual.transformer.resblocks.#.attn.Wqkv.*", "vision_model.encoder.layers.#.self_attn.?_proj.*", NAME_SPLIT},
    {NULL, NULL, NAME_KEEP},
};

static const name_layout layouts[] = {
    {"bert.embeddings.word_embeddings.weight", NULL, rules, false},
    {NULL, NULL, NULL, false},
};

typedef struct {
    clip_config clip; /* dimension and image tower */
    bert_config text;
} chinese_config;

static simile_status check(const chinese_config *c, const char *subject, simile_error *err)
{
    return clip_check_sizes(clip_image_fits(&c->clip) && bert_config_fits(&c->text), subject, err);
}

static simile_status read_config(json_from root, chinese_config *out, simile_error *err)
{
    json_from vision, text;
    out->clip.dim = 512;
    RETURN_IF_ERROR(json_get_int(root, "projection_dim", 1, CONFIG_MAX_WIDTH, &out->clip.dim, err));
    RETURN_IF_ERROR(clip_part_read(root, "vision_config", "vision_config_dict", &vision, err));
    RETURN_IF_ERROR(clip_part_read(root, "text_config", "text_config_dict", &text, err));
    RETURN_IF_ERROR(clip_vision_read(vision, &out->clip.vision, err));
    RETURN_IF_ERROR(bert_config_read(text, "bert", &out->text, err));
    return check(out, root.subject, err);
}

static simile_status measure(const weights *w, chinese_config *out, simile_error *err)
{
    enum { HUGE_WIDTH = 1280, HUGE_HEAD = 80, CONTEXT = 52 };
    clip_image_measure(w, &out->clip);
    if (out->clip.vision.tower.width == HUGE_WIDTH) out->clip.vision.tower.heads = HUGE_WIDTH / HUGE_HEAD;
    bert_config_measure(w, &out->text);
    out->text.tower.act = NN_ACT_GELU;
    out->text.tower.eps = 1e-12f;
    out->text.pad = -1; /* its tokenizer never makes one of a text */
    out->text.context = out->text.places < CONTEXT ? out->text.places : CONTEXT;
    return check(out, weights_directory(w), err);
}

/* The checkpoint itself: a folder with any description is what that says. */
static bool is_checkpoint(const model_source *s)
{
    return !s->config && !s->open_clip && !s->modules && s->n_files &&
           weights_has(s->files[0], "text_model.embeddings.word_embeddings.weight") &&
           weights_has(s->files[0], "text_projection.weight") && weights_has(s->files[0], "logit_scale");
}

static bool claims(const model_source *s)
{
    return source_has_type(s, "chinese_clip") || is_checkpoint(s);
}

static simile_status load(model_source *s, loader *l, model_parts *out, simile_error *err)
{
    chinese_config c = {.text = {.pooling = BERT_POOL_FIRST, .projection = BERT_PROJECT_LINEAR}};
    RETURN_IF_ERROR(s->config ? read_config((json_from){s->config, s->config_path}, &c, err)
                              : measure(s->files[0], &c, err));
    const int64_t size = clip_image_size(&c.clip);
    out->prepare = clip_preprocess(size);
    out->prepare.fit = IMAGE_FIT_SQUASH;
    out->prepare.crop = false;
    if (s->config) RETURN_IF_ERROR(source_preprocess(s, out->prepare, size, &out->prepare, err));
    RETURN_IF_ERROR(source_weights(s, NULL, l, err));
    RETURN_IF_ERROR(clip_image_load(s, l, &c.clip, out, err));
    RETURN_IF_ERROR(bert_new(l, &c.text, NULL, c.clip.dim, &out->text));
    return load_logit_scale(l, s->path, out, err);
}

const model_family family_chinese_clip = {.name = "chinese_clip", .claims = claims, .load = load, .layouts = layouts};
