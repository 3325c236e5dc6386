/* SPDX-License-Identifier: Apache-2.0
 * family.c - the families there are, and what they share: see family.h. */
#include "model/family.h"

#include "base/file.h"
#include "model/bert.h"
#include "model/config.h"

#include <math.h>
#include <stdio.h>

extern const model_family family_chinese_clip, family_clip, family_clip_cpp, family_open_clip, family_open_clip_hf,
    family_openai, family_sentence, family_siglip, family_siglip_timm, family_mclip;

/* Files that describe themselves come first: they are believed before what lies beside them. A list of modules says
 * what a config.json beside it is a part of. */
const model_family *const model_families[] = {
    &family_clip_cpp, &family_siglip_timm,  &family_openai,    &family_sentence, &family_clip, &family_chinese_clip,
    &family_siglip,   &family_open_clip_hf, &family_open_clip, &family_mclip,    NULL,
};

const name_layout *const shared_layouts[] = {bert_layouts, NULL};

bool source_has_type(const model_source *s, const char *model_type)
{
    const char *type = s->config ? json_string_value(json_object_get(s->config, "model_type")) : NULL;
    return type && !strcmp(type, model_type);
}

bool source_describes_itself(const model_source *s, weights_format kind)
{
    const bool alone = s->single || !(s->config || s->open_clip || s->modules);
    return alone && s->n_files && weights_kind(s->files[0]) == kind;
}

simile_status source_weights(model_source *s, const char *subfolder, loader *l, simile_error *err)
{
    if (!subfolder && s->n_files) {
        l->files = s->files[0];
        return SIMILE_OK;
    }
    if (s->n_files == MAX_WEIGHTS)
        return err_set(err, SIMILE_E_LIMIT, "cannot open the model '%s': it has too many parts", s->path);
    char *path = subfolder ? path_join(s->folder, subfolder) : mem_strdup(s->path);
    if (!path) return err_nomem(err);
    const simile_status status = weights_open(path, &s->files[s->n_files], err);
    mem_free(path);
    if (!status) l->files = s->files[s->n_files++];
    return status;
}

enum { MAX_CONFIG = 4 << 20 };
typedef simile_status (*read_fn)(const char *path, size_t max, json_t **out, simile_error *err);

static simile_status read_document(const model_source *s, const char *name, read_fn read, char **path, json_t **out,
                                   simile_error *err)
{
    *out = NULL;
    *path = path_join(s->folder, name);
    if (!*path) return err_nomem(err);
    return file_exists(*path) ? read(*path, MAX_CONFIG, out, err) : SIMILE_OK;
}

simile_status source_json(const model_source *s, const char *name, char **path, json_t **out, simile_error *err)
{
    return read_document(s, name, json_read_object, path, out, err);
}

simile_status source_json_array(const model_source *s, const char *name, char **path, json_t **out, simile_error *err)
{
    return read_document(s, name, json_read_array, path, out, err);
}

simile_status source_preprocess(const model_source *s, image_prepare_spec defaults, int64_t image_size,
                                image_prepare_spec *out, simile_error *err)
{
    char *path;
    json_t *root;
    *out = defaults;
    simile_status status = source_json(s, "preprocessor_config.json", &path, &root, err);
    if (!status && root) status = config_preprocess((json_from){root, path}, image_size, out, err);
    json_decref(root);
    mem_free(path);
    return status;
}

simile_status take_logit_scale(float log_scale, const char *path, model_parts *out, simile_error *err)
{
    if (!(log_scale > -20 && log_scale < 20))
        return err_set(err, SIMILE_E_CORRUPT, "cannot open the model '%s': its logit_scale is out of range", path);
    out->logit_scale = expf(log_scale);
    return SIMILE_OK;
}

simile_status load_logit_scale(loader *l, const char *path, model_parts *out, simile_error *err)
{
    const float log_scale = loader_number(l, "logit_scale");
    return l->status ? l->status : take_logit_scale(log_scale, path, out, err);
}

static int64_t count_layers(const weights *w, const char *part)
{
    int64_t n = 0;
    for (;; n++) {
        char name[128];
        snprintf(name, sizeof name, "%s.encoder.layers.%lld.layer_norm1.weight", part, (long long)n);
        if (n == MAX_TENSORS || !weights_has(w, name)) return n;
    }
}

tower_config tower_of_shapes(const weights *w, const char *part, int64_t width)
{
    char name[128];
    snprintf(name, sizeof name, "%s.encoder.layers.0.mlp.fc1.weight", part);
    return (tower_config){.width = width, .layers = count_layers(w, part), .mlp = weights_size(w, name, 2, 0)};
}
