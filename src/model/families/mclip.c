/* SPDX-License-Identifier: Apache-2.0
 * mclip.c - Multilingual-CLIP: encoders of texts in many languages, taught to give the vectors of OpenAI's text towers.
 *
 *     out = W mean(rows of the encoder) + b        [E]
 *
 * config.json says {"modelBase": "xlm-roberta-large", "transformerDimensions": D, "numDims": E}: which encoder, not how
 * large it is. What its name stands for is known in bert_config.c, all sizes are those of the tensors.
 * In older models (M-BERT-Base-ViT-B, M-BERT-Distil-40) config.json is that of a plain BERT or DistilBERT, and the last
 * layer is a pickle of numpy from another place, which has to be put beside it or into "heads"; a conversion puts it
 * among the other weights. There is no image tower, and no logit_scale in the files.
 *
 * Reference: FreddeFrallan/Multilingual-CLIP, multilingual_clip/{pt_multilingual_clip,legacy_multilingual_clip}.py. */
#include "base/file.h"
#include "model/bert.h"
#include "model/family.h"

static const name_rule rules[] = {
    {"LinearTransformation.*", "text_projection.*", NAME_KEEP},
    {NULL, NULL, NAME_KEEP},
};

static const name_layout layouts[] = {
    {"LinearTransformation.weight", NULL, rules, false},
    {NULL, NULL, NULL, false},
};

/* ---- the last layer of older models ---- */

typedef struct {
    const char *folder;
    char *found; /* within the folder */
    bool several, no_memory;
} search;

static int look_at(void *user, const char *path, const file_facts *facts)
{
    static const char end[] = ".pkl", heads[] = "heads/";
    search *s = user;
    const char *name = path + strlen(s->folder) + 1;
    const char *own = strncmp(name, heads, sizeof heads - 1) ? name : name + sizeof heads - 1;
    const size_t n = strlen(own);
    if (strchr(own, '/') || n < sizeof end || strcmp(own + n - (sizeof end - 1), end) != 0) return 0;
    s->several = s->found;
    if (!s->found) s->found = mem_strdup(name);
    s->no_memory = !s->found;
    return s->several || s->no_memory;
}

/* *name: the only pickle beside the model or in its "heads"; for mem_free. */
static simile_status find_head(const model_source *s, char **name, simile_error *err)
{
    search found = {.folder = s->folder};
    const simile_status status = file_walk(s->folder, look_at, NULL, &found, err);
    *name = found.found;
    if (found.no_memory) return err_nomem(err);
    if (found.several)
        return err_set(err, SIMILE_E_FORMAT, "cannot open the model '%s': '%s' is not the only .pkl in it", s->path,
                       found.found);
    if (status || found.found) return status;
    return err_set(err, SIMILE_E_NOT_FOUND,
                   "cannot open the model '%s': its last layer is not in it: put '%s', which legacy_get-weights.sh of "
                   "FreddeFrallan/Multilingual-CLIP fetches, beside it",
                   s->path,
                   source_has_type(s, "bert") ? "M-BERT-Base-69-ViT Linear Weights.pkl"
                                              : "M-BERT Distil 40 Linear Weights.pkl");
}

/* l: becomes where the layer is. */
static simile_status load_head(model_source *s, loader *l, simile_error *err)
{
    char *name;
    simile_status status = find_head(s, &name, err);
    if (!status) status = source_weights(s, name, l, err);
    mem_free(name);
    return status;
}

/* ---- the models ---- */

static const char *base_name(const model_source *s)
{
    return s->config ? json_string_value(json_object_get(s->config, "modelBase")) : NULL;
}

static simile_status check_width(json_from config, int64_t width, simile_error *err)
{
    int64_t said = width;
    RETURN_IF_ERROR(json_get_int(config, "transformerDimensions", 1, CONFIG_MAX_WIDTH, &said, err));
    if (said == width) return SIMILE_OK;
    return err_set(err, SIMILE_E_FORMAT,
                   "cannot read '%s': \"transformerDimensions\" is %lld, but its tensors have %lld", config.subject,
                   (long long)said, (long long)width);
}

static simile_status load_named(model_source *s, loader *l, bert_config *c, int64_t *dim, simile_error *err)
{
    const json_from config = {s->config, s->config_path};
    RETURN_IF_ERROR(json_get_int(config, "numDims", 1, CONFIG_MAX_WIDTH, dim, err));
    RETURN_IF_ERROR(source_weights(s, NULL, l, err));
    RETURN_IF_ERROR(bert_config_named(l->files, base_name(s), s->config_path, c, err));
    return check_width(config, c->tower.width, err);
}

static simile_status load_older(model_source *s, loader *l, loader *head, bert_config *c, int64_t *dim,
                                simile_error *err)
{
    static const char weight[] = "text_projection.weight";
    RETURN_IF_ERROR(bert_config_read((json_from){s->config, s->config_path}, NULL, c, err));
    RETURN_IF_ERROR(source_weights(s, NULL, l, err));
    if (weights_has(l->files, weight))
        head->files = l->files;
    else
        RETURN_IF_ERROR(load_head(s, head, err));
    *dim = weights_size(head->files, weight, 2, 0);
    return SIMILE_OK;
}

static bool claims(const model_source *s)
{
    return base_name(s) || source_has_type(s, "bert") || source_has_type(s, "distilbert");
}

static simile_status load(model_source *s, loader *l, model_parts *out, simile_error *err)
{
    bert_config c = {.pooling = BERT_POOL_MEAN, .projection = BERT_PROJECT_BIASED};
    loader head = *l;
    int64_t dim = 0;
    RETURN_IF_ERROR(base_name(s) ? load_named(s, l, &c, &dim, err) : load_older(s, l, &head, &c, &dim, err));
    if (dim < 1 || dim > CONFIG_MAX_WIDTH)
        return err_set(err, SIMILE_E_FORMAT, "cannot open the model '%s': nothing says how long its vectors are",
                       s->path);
    out->family = "bert"; /* as in any other layout of such a network */
    return bert_new(l, &c, head.files, dim, &out->text);
}

const model_family family_mclip = {.name = "mclip", .claims = claims, .load = load, .layouts = layouts};
