/* SPDX-License-Identifier: Apache-2.0
 * open_clip_hf.c - OpenCLIP's directories whose text tower is one of Hugging Face ("text_cfg" has an "hf_model_name"),
 * such as xlm-roberta-base-ViT-B-32. The file names that network and gives no sizes: those are its tensors'. Padding is
 * masked by its id. A text tower without a projection is one whose "hf_proj_type" is null.
 * Reference: mlfoundations/open_clip, src/open_clip/hf_model.py (HFTextEncoder), model.py (CLIPTextCfg). */
#include "model/bert.h"
#include "model/families/open_clip.h"

static const name_rule rules[] = {
    {"text.proj.weight", "text_projection.weight", NAME_KEEP},
    {"text.proj.0.weight", "text_projection.0.weight", NAME_KEEP},
    {"text.proj.2.weight", "text_projection.2.weight", NAME_KEEP},
    {NULL, NULL, NAME_KEEP},
};

static const name_layout layouts[] = {
    {"text.transformer.embeddings.word_embeddings.weight", NULL, rules, false},
    {NULL, NULL, NULL, false},
};

/* One of several names for a setting. */
typedef struct {
    const char *name;
    int value;
} choice;

/* key or the older old_key: the value of its choice. *out holds what it is when the file has neither; null: `null`. */
static simile_status choose(json_from from, const char *key, const char *old_key, const choice *choices, int null,
                            int *out, simile_error *err)
{
    const json_t *value = json_object_get(from.object, key);
    if (!value) {
        key = old_key;
        value = json_object_get(from.object, key);
    }
    if (!value) return SIMILE_OK;
    const char *name = NULL;
    RETURN_IF_ERROR(json_get_string(from, key, &name, err));
    *out = null;
    for (; name && choices->name; choices++) {
        if (strcmp(choices->name, name) != 0) continue;
        *out = choices->value;
        return SIMILE_OK;
    }
    if (!name) return SIMILE_OK;
    return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': a text tower with \"%s\" of '%s' is not supported",
                   from.subject, key, name);
}

/* What the file says by name. A BERT has a pooler by default, others do not. */
static simile_status read_kinds(json_from from, bert_config *out, simile_error *err)
{
    static const choice poolings[] = {{"mean_pooler", BERT_POOL_MEAN},
                                      {"cls_pooler", BERT_POOL_DENSE},
                                      {"cls_last_hidden_state_pooler", BERT_POOL_FIRST},
                                      {NULL, 0}};
    static const choice projections[] = {{"mlp", BERT_PROJECT_MLP}, {"linear", BERT_PROJECT_LINEAR}, {NULL, 0}};
    int pooling = BERT_POOL_MEAN, projection = BERT_PROJECT_MLP;
    const int usual = out->first_place ? BERT_POOL_MEAN : BERT_POOL_DENSE;
    RETURN_IF_ERROR(choose(from, "hf_pooler_type", "pooler_type", poolings, usual, &pooling, err));
    RETURN_IF_ERROR(choose(from, "hf_proj_type", "proj", projections, BERT_PROJECT_NONE, &projection, err));
    out->pooling = (bert_pooling)pooling;
    out->projection = (bert_projection)projection;
    return SIMILE_OK;
}

static simile_status read_text(json_from from, const weights *w, int64_t dim, bert_config *out, simile_error *err)
{
    const char *name = "";
    int64_t context = 77;
    RETURN_IF_ERROR(json_get_string(from, "hf_model_name", &name, err));
    RETURN_IF_ERROR(json_get_int(from, "context_length", 2, CONFIG_MAX_PLACES, &context, err));
    RETURN_IF_ERROR(bert_config_named(w, name, from.subject, out, err));
    RETURN_IF_ERROR(read_kinds(from, out, err));
    out->hides_pad = true;
    out->hidden = (out->tower.width + dim) / 2;
    if (context < out->context) out->context = context;
    const bool joins = out->projection != BERT_PROJECT_NONE || out->tower.width == dim;
    return clip_check_sizes(bert_config_fits(out) && joins, from.subject, err);
}

static bool claims(const model_source *s)
{
    const json_t *model = s->config ? NULL : json_object_get(s->open_clip, "model_cfg");
    return json_is_string(json_object_get(json_object_get(model, "text_cfg"), "hf_model_name"));
}

static simile_status load(model_source *s, loader *l, model_parts *out, simile_error *err)
{
    clip_config c;
    bert_config t = {.projection = BERT_PROJECT_NONE};
    json_from text;
    RETURN_IF_ERROR(open_clip_read((json_from){s->open_clip, s->open_clip_path}, &c, &text, &out->prepare, err));
    RETURN_IF_ERROR(clip_check_sizes(clip_image_fits(&c), text.subject, err));
    RETURN_IF_ERROR(source_weights(s, NULL, l, err));
    RETURN_IF_ERROR(read_text(text, l->files, c.dim, &t, err));
    RETURN_IF_ERROR(open_clip_words(s, text, &out->words, err));
    RETURN_IF_ERROR(clip_image_load(s, l, &c, out, err));
    RETURN_IF_ERROR(bert_new(l, &t, NULL, c.dim, &out->text));
    return load_logit_scale(l, s->path, out, err);
}

const model_family family_open_clip_hf = {.name = "open_clip", .claims = claims, .load = load, .layouts = layouts};
