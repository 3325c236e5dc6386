/* SPDX-License-Identifier: Apache-2.0
 * sentence.c - models of sentence-transformers: modules.json lists what a text goes through, each with a folder.
 *
 *     Transformer    "" or "0_Transformer": config.json of BERT or its kin, weights, a tokenizer, and
 *                    sentence_bert_config.json {"max_seq_length", "do_lower_case"}
 *     Pooling        first row, mean or largest of each column
 *     Dense          linear.weight [out, in], perhaps linear.bias [out], perhaps tanh behind them
 *     Normalize      changes the length of a vector alone, which nobody here looks at: only directions are compared
 *
 * or a CLIP alone, as "CLIPModel" in "0_CLIPModel": then this is that folder under another name, with the same vectors
 * and the same identity. There is no image tower otherwise, and no logit_scale in the files.
 *
 * Other modules, and options that would change a vector and are not known here, are refused by name.
 * Reference: UKPLab/sentence-transformers, base/modules/{transformer,dense}.py and
 * sentence_transformer/modules/{pooling,clip_model}.py. */
#include "model/bert.h"
#include "model/families/clip.h"

static const name_rule rules[] = {
    {"linear.*", "text_projection.*", NAME_KEEP},
    {NULL, NULL, NAME_KEEP},
};

static const name_layout layouts[] = {
    {"linear.weight", NULL, rules, false},
    {NULL, NULL, NULL, false},
};

/* ---- modules.json ---- */

enum { POOLING, DENSE, NORMALIZE, FOLLOWERS };

typedef struct {
    const char *first;             /* folder of the Transformer or CLIPModel */
    bool clip;                     /* it is the latter */
    const char *folder[FOLLOWERS]; /* NULL: there is no such module */
} plan;

/* "sentence_transformers.models.Dense": what it is called, wherever it lies in which version. */
static simile_status read_module(const model_source *s, size_t i, const char **type, const char **folder,
                                 simile_error *err)
{
    const json_from from = {json_array_get(s->modules, i), s->modules_path};
    if (!json_is_object(from.object))
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': a module is no object", from.subject);
    *type = *folder = "";
    RETURN_IF_ERROR(json_get_string(from, "type", type, err));
    RETURN_IF_ERROR(json_get_string(from, "path", folder, err));
    const char *dot = strrchr(*type, '.');
    if (dot) *type = dot + 1;
    if (**folder && !path_is_plain_name(*folder))
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': '%s' is not the name of a folder", from.subject,
                       *folder);
    return SIMILE_OK;
}

static simile_status refuse_module(const model_source *s, const char *type, simile_error *err)
{
    return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': a module '%s' in this place is not supported",
                   s->modules_path, type);
}

/* They come in this order here, each once at most. */
static simile_status read_plan(const model_source *s, plan *out, simile_error *err)
{
    static const char *const followers[FOLLOWERS] = {"Pooling", "Dense", "Normalize"};
    const char *type = "", *folder = "";
    size_t next = POOLING;
    *out = (plan){.first = ""};
    for (size_t i = 0; i < json_array_size(s->modules); i++) {
        RETURN_IF_ERROR(read_module(s, i, &type, &folder, err));
        size_t k = next;
        while (i > 0 && k < FOLLOWERS && strcmp(followers[k], type) != 0) k++;
        out->clip |= i == 0 && !strcmp(type, "CLIPModel");
        if (k == FOLLOWERS || (i == 0 && !out->clip && strcmp(type, "Transformer") != 0))
            return refuse_module(s, type, err);
        *(i ? &out->folder[k] : &out->first) = folder;
        if (i) next = k + 1;
    }
    return json_array_size(s->modules)
               ? SIMILE_OK
               : err_set(err, SIMILE_E_FORMAT, "cannot read '%s': it lists no modules", s->modules_path);
}

/* ---- the folder of the first module, as a source of its own ---- */

typedef struct {
    model_source source;
    int shared; /* of its files, those that the model has as well and gives back */
} entered;

static void hand_over(entered *e, model_source *s)
{
    while (e->shared < e->source.n_files) s->files[s->n_files++] = e->source.files[e->shared++];
}

static void leave(entered *e, model_source *s)
{
    hand_over(e, s);
    mem_free((char *)(uintptr_t)e->source.folder);
    mem_free(e->source.config_path);
    json_decref(e->source.config);
}

/* A single file that was named counts if the folder is its own. */
static simile_status enter(const model_source *s, const char *folder, entered *out, simile_error *err)
{
    model_source *inner = &out->source;
    *out = (entered){.source.image_size = s->image_size};
    if (*folder && s->n_files)
        return err_set(err, SIMILE_E_FORMAT, "cannot open the model '%s': name the folder with its modules.json",
                       s->path);
    inner->folder = inner->path = *folder ? path_join(s->folder, folder) : mem_strdup(s->folder);
    if (!inner->folder) return err_nomem(err);
    memcpy(inner->files, s->files, sizeof inner->files);
    inner->n_files = out->shared = s->n_files;
    return source_json(inner, "config.json", &inner->config_path, &inner->config, err);
}

/* ---- options of the modules ---- */

typedef struct {
    int64_t longest; /* tokens; 0: nobody says */
    bool lower;
} reading;

/* The name of this file was once that of the network. */
static simile_status find_options(const model_source *inner, char **path, json_t **out, simile_error *err)
{
    static const char *const names[] = {"sentence_bert_config.json", "sentence_roberta_config.json",
                                        "sentence_distilbert_config.json", "sentence_xlm-roberta_config.json"};
    simile_status status = SIMILE_OK;
    *out = NULL;
    *path = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !status && !*out; i++) {
        mem_free(*path);
        status = source_json(inner, names[i], path, out, err);
    }
    return status;
}

static simile_status read_options(json_from from, reading *out, simile_error *err)
{
    const char *task = "feature-extraction";
    RETURN_IF_ERROR(json_get_int(from, "max_seq_length", 2, CONFIG_MAX_PLACES, &out->longest, err));
    RETURN_IF_ERROR(json_get_bool(from, "do_lower_case", &out->lower, err));
    RETURN_IF_ERROR(json_get_string(from, "transformer_task", &task, err));
    if (strcmp(task, "feature-extraction") != 0)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': the task '%s' is not supported", from.subject,
                       task);
    return SIMILE_OK;
}

/* How long a text may be unless that is said elsewhere; 10^30 stands for no bound. */
static simile_status read_tokenizer_bound(const model_source *inner, reading *out, simile_error *err)
{
    char *path;
    json_t *root;
    double longest = 0;
    simile_status status = source_json(inner, "tokenizer_config.json", &path, &root, err);
    if (!status) status = json_get_double((json_from){root, path}, "model_max_length", &longest, err);
    if (!status && longest >= 2 && longest <= CONFIG_MAX_PLACES) out->longest = (int64_t)longest;
    json_decref(root);
    mem_free(path);
    return status;
}

static simile_status read_reading(const model_source *inner, reading *out, simile_error *err)
{
    char *path;
    json_t *root;
    *out = (reading){.longest = 0};
    simile_status status = find_options(inner, &path, &root, err);
    if (!status) status = read_options((json_from){root, path}, out, err);
    json_decref(root);
    mem_free(path);
    return status || out->longest ? status : read_tokenizer_bound(inner, out, err);
}

/* A prompt that stands before every text. */
static simile_status refuse_prompt(const model_source *s, simile_error *err)
{
    char *path;
    json_t *root;
    const char *name = NULL;
    simile_status status = source_json(s, "config_sentence_transformers.json", &path, &root, err);
    if (!status) status = json_get_string((json_from){root, path}, "default_prompt_name", &name, err);
    if (!status && name)
        status =
            err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': a prompt before all texts is not supported", path);
    json_decref(root);
    mem_free(path);
    return status;
}

/* FOLDER/config.json, which has to be there. */
static simile_status module_json(const model_source *s, const char *folder, char **path, json_t **out,
                                 simile_error *err)
{
    enum { MAX_CONFIG = 1 << 20 };
    *out = NULL;
    *path = mem_printf("%s/%s%sconfig.json", s->folder, folder, *folder ? "/" : "");
    return *path ? json_read_object(*path, MAX_CONFIG, out, err) : err_nomem(err);
}

static const struct {
    const char *name, *flag; /* as one text, and as one of many switches in older files */
    bert_pooling pooling;
    bool known;
} poolings[] = {{"cls", "pooling_mode_cls_token", BERT_POOL_FIRST, true},
                {"mean", "pooling_mode_mean_tokens", BERT_POOL_MEAN, true},
                {"max", "pooling_mode_max_tokens", BERT_POOL_MAX, true},
                {"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", BERT_POOL_MEAN, false},
                {"weightedmean", "pooling_mode_weightedmean_tokens", BERT_POOL_MEAN, false},
                {"lasttoken", "pooling_mode_lasttoken", BERT_POOL_MEAN, false}};
enum { POOLINGS = sizeof poolings / sizeof *poolings };

static simile_status choose_pooling(json_from from, const char *name, bert_pooling *out, simile_error *err)
{
    for (size_t i = 0; i < POOLINGS; i++) {
        *out = poolings[i].pooling;
        if (poolings[i].known && !strcmp(poolings[i].name, name)) return SIMILE_OK;
    }
    return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': the pooling '%s' is not supported", from.subject,
                   name);
}

/* One pooling; several would be put behind one another. */
static simile_status read_pooling(json_from from, bert_pooling *out, simile_error *err)
{
    const json_t *named = json_object_get(from.object, "pooling_mode");
    const char *name = NULL;
    if (json_is_array(named) && json_array_size(named) == 1) named = json_array_get(named, 0);
    if (json_is_string(named)) return choose_pooling(from, json_string_value(named), out, err);
    if (named) return choose_pooling(from, "of several kinds", out, err);
    for (size_t i = 0; i < POOLINGS; i++) {
        bool set = false;
        RETURN_IF_ERROR(json_get_bool(from, poolings[i].flag, &set, err));
        if (set && name) return choose_pooling(from, "of several kinds", out, err);
        if (set) name = poolings[i].name;
    }
    return choose_pooling(from, name ? name : "mean", out, err);
}

static simile_status load_pooling(const model_source *s, const char *folder, bert_pooling *out, simile_error *err)
{
    char *path;
    json_t *root;
    simile_status status = module_json(s, folder, &path, &root, err);
    if (!status) status = read_pooling((json_from){root, path}, out, err);
    json_decref(root);
    mem_free(path);
    return status;
}

static simile_status read_dense(json_from from, bert_config *out, int64_t *dim, simile_error *err)
{
    const char *act = "torch.nn.modules.activation.Tanh", *input = "sentence_embedding", *output = input;
    bool bias = true, residual = false;
    RETURN_IF_ERROR(json_get_int(from, "out_features", 1, CONFIG_MAX_WIDTH, dim, err));
    RETURN_IF_ERROR(json_get_bool(from, "bias", &bias, err));
    RETURN_IF_ERROR(json_get_bool(from, "use_residual", &residual, err));
    RETURN_IF_ERROR(json_get_string(from, "activation_function", &act, err));
    RETURN_IF_ERROR(json_get_string(from, "module_input_name", &input, err));
    RETURN_IF_ERROR(json_get_string(from, "module_output_name", &output, err));
    const char *dot = strrchr(act, '.');
    if (dot) act = dot + 1;
    out->projection = bias ? BERT_PROJECT_BIASED : BERT_PROJECT_LINEAR;
    out->tanh = !strcmp(act, "Tanh");
    if (!out->tanh && strcmp(act, "Identity") != 0)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': the activation '%s' is not supported",
                       from.subject, act);
    if (residual || strcmp(input, "sentence_embedding") != 0 || strcmp(output, input) != 0)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': a layer beside others is not supported",
                       from.subject);
    if (!*dim) return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': \"out_features\" is missing", from.subject);
    return SIMILE_OK;
}

static simile_status load_dense(const model_source *s, const char *folder, bert_config *out, int64_t *dim,
                                simile_error *err)
{
    char *path;
    json_t *root;
    simile_status status = module_json(s, folder, &path, &root, err);
    if (!status) status = read_dense((json_from){root, path}, out, dim, err);
    json_decref(root);
    mem_free(path);
    return status;
}

/* ---- the models ---- */

static bool is_clip(const plan *p, const entered *e)
{
    return p->clip || family_clip.claims(&e->source);
}

static simile_status load_clip(const plan *p, entered *e, loader *l, model_parts *out, simile_error *err)
{
    if (p->folder[POOLING] || p->folder[DENSE] || !family_clip.claims(&e->source))
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot open the model '%s': it is no CLIP alone", e->source.path);
    return family_clip.load(&e->source, l, out, err);
}

static simile_status load_text(model_source *s, const plan *p, entered *e, int64_t longest, loader *l, model_parts *out,
                               simile_error *err)
{
    bert_config c = {.projection = BERT_PROJECT_NONE};
    const json_from config = {e->source.config, e->source.config_path};
    loader head = *l;
    int64_t dim = 0;
    if (!p->folder[POOLING])
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': a Transformer without a Pooling is not supported",
                       s->modules_path);
    if (!config.object)
        return err_set(err, SIMILE_E_NOT_FOUND, "cannot read '%s': no such file or directory", config.subject);
    RETURN_IF_ERROR(bert_config_read(config, NULL, &c, err));
    if (longest && longest < c.context) c.context = longest;
    RETURN_IF_ERROR(load_pooling(s, p->folder[POOLING], &c.pooling, err));
    RETURN_IF_ERROR(source_weights(&e->source, NULL, l, err));
    hand_over(e, s);
    if (p->folder[DENSE]) {
        RETURN_IF_ERROR(load_dense(s, p->folder[DENSE], &c, &dim, err));
        RETURN_IF_ERROR(source_weights(s, p->folder[DENSE], &head, err));
    }
    out->family = "bert"; /* the same network in another layout is the same model */
    return bert_new(l, &c, head.files, dim, &out->text);
}

static simile_status load_modules(model_source *s, const plan *p, entered *e, loader *l, model_parts *out,
                                  simile_error *err)
{
    reading how = {.longest = 0};
    RETURN_IF_ERROR(refuse_prompt(s, err));
    RETURN_IF_ERROR(read_reading(&e->source, &how, err));
    RETURN_IF_ERROR(is_clip(p, e) ? load_clip(p, e, l, out, err) : load_text(s, p, e, how.longest, l, out, err));
    RETURN_IF_ERROR(tokenizer_open(e->source.folder, &out->words, err));
    return how.lower ? tokenizer_lower_case(out->words, err) : SIMILE_OK;
}

static bool claims(const model_source *s)
{
    return s->modules;
}

static simile_status load(model_source *s, loader *l, model_parts *out, simile_error *err)
{
    plan p;
    entered e;
    RETURN_IF_ERROR(read_plan(s, &p, err));
    simile_status status = enter(s, p.first, &e, err);
    if (!status) status = load_modules(s, &p, &e, l, out, err);
    leave(&e, s);
    return status;
}

const model_family family_sentence = {
    .name = "sentence-transformers", .claims = claims, .load = load, .layouts = layouts};
