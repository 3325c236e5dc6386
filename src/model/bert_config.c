/* SPDX-License-Identifier: Apache-2.0
 * bert_config.c - what is known of a BERT-like encoder besides its tensors: see bert.h.
 *
 * References: transformers, models/{bert,roberta,xlm_roberta,distilbert}/configuration_*.py for the names and defaults
 * of config.json. What would change a vector and is not known here is refused by name. */
#include "model/bert.h"

#include <stdio.h>

/* transformers' defaults. */
typedef struct {
    const char *type;
    int64_t vocab, places, types, pad;
    bool after_pad; /* places are counted from behind that of the padding token */
} kind;

static const kind kinds[] = {{"bert", 30522, 512, 2, 0, false},
                             {"distilbert", 30522, 512, 0, 0, false},
                             {"roberta", 50265, 512, 2, 1, true},
                             {"xlm-roberta", 30522, 512, 2, 1, true}};

static const kind *find_kind(const char *type)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!strcmp(kinds[i].type, type)) return &kinds[i];
    }
    return NULL;
}

static void count_places(const kind *k, bert_config *c)
{
    c->first_place = k->after_pad ? c->pad + 1 : 0;
    c->context = c->places - c->first_place;
}

static simile_status check_sizes(const bert_config *c, const char *subject, simile_error *err)
{
    if (bert_config_fits(c)) return SIMILE_OK;
    return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': it describes a text tower of impossible sizes", subject);
}

/* ---- config.json ---- */

static simile_status refuse(json_from from, const char *what, simile_error *err)
{
    return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': a text tower with \"%s\" is not supported",
                   from.subject, what);
}

static simile_status check_options(json_from from, simile_error *err)
{
    static const char *const must_be_false[] = {"is_decoder", "add_cross_attention"};
    const char *places = "absolute";
    for (size_t i = 0; i < sizeof must_be_false / sizeof *must_be_false; i++) {
        bool set = false;
        RETURN_IF_ERROR(json_get_bool(from, must_be_false[i], &set, err));
        if (set) return refuse(from, must_be_false[i], err);
    }
    RETURN_IF_ERROR(json_get_string(from, "position_embedding_type", &places, err));
    if (strcmp(places, "absolute") != 0) return refuse(from, places, err);
    return SIMILE_OK;
}

/* DistilBERT has names of its own for what config_tower() reads. */
static simile_status read_distilled(json_from from, tower_config *t, simile_error *err)
{
    RETURN_IF_ERROR(json_get_int(from, "dim", 1, CONFIG_MAX_WIDTH, &t->width, err));
    RETURN_IF_ERROR(json_get_int(from, "n_layers", 1, CONFIG_MAX_LAYERS, &t->layers, err));
    RETURN_IF_ERROR(json_get_int(from, "n_heads", 1, CONFIG_MAX_WIDTH, &t->heads, err));
    RETURN_IF_ERROR(json_get_int(from, "hidden_dim", 1, 4 * CONFIG_MAX_WIDTH, &t->mlp, err));
    return config_act(from, "activation", &t->act, err);
}

simile_status bert_config_read(json_from from, const char *type, bert_config *out, simile_error *err)
{
    const char *named = "";
    if (!type) RETURN_IF_ERROR(json_get_string(from, "model_type", &named, err));
    const kind *k = find_kind(type ? type : named);
    if (!k)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': no text tower here has the model_type '%s'",
                       from.subject, named);
    const bool distilled = !strcmp(k->type, "distilbert");
    out->tower = (tower_config){768, distilled ? 6 : 12, 12, 3072, NN_ACT_GELU, 1e-12f};
    out->vocab = k->vocab;
    out->places = k->places;
    out->types = k->types;
    out->pad = k->pad;
    RETURN_IF_ERROR(check_options(from, err));
    RETURN_IF_ERROR(distilled ? read_distilled(from, &out->tower, err) : config_tower(from, &out->tower, err));
    RETURN_IF_ERROR(json_get_int(from, "vocab_size", 1, CONFIG_MAX_VOCAB, &out->vocab, err));
    RETURN_IF_ERROR(json_get_int(from, "max_position_embeddings", 2, CONFIG_MAX_PLACES, &out->places, err));
    RETURN_IF_ERROR(json_get_int(from, "pad_token_id", 0, CONFIG_MAX_VOCAB, &out->pad, err));
    if (k->types) RETURN_IF_ERROR(json_get_int(from, "type_vocab_size", 1, CONFIG_MAX_VOCAB, &out->types, err));
    count_places(k, out);
    return check_sizes(out, from.subject, err);
}

/* ---- shapes ---- */

static int64_t count_layers(const weights *w)
{
    for (int64_t n = 0;; n++) {
        char name[96];
        snprintf(name, sizeof name, "text_model.encoder.layer.%lld.output.LayerNorm.weight", (long long)n);
        if (n == MAX_TENSORS || !weights_has(w, name)) return n;
    }
}

void bert_config_measure(const weights *w, bert_config *out)
{
    enum { HEAD = 64 };
    static const char words[] = "text_model.embeddings.word_embeddings.weight";
    const int64_t width = weights_size(w, words, 2, 1);
    out->tower.width = width;
    out->tower.heads = width / HEAD;
    out->tower.layers = count_layers(w);
    out->tower.mlp = weights_size(w, "text_model.encoder.layer.0.intermediate.dense.weight", 2, 0);
    out->vocab = weights_size(w, words, 2, 0);
    out->places = weights_size(w, "text_model.embeddings.position_embeddings.weight", 2, 0);
    out->types = weights_size(w, "text_model.embeddings.token_type_embeddings.weight", 2, 0);
}

simile_status bert_config_named(const weights *w, const char *name, const char *subject, bert_config *out,
                                simile_error *err)
{
    static const struct {
        const char *begins, *type;
        float eps;
    } known[] = {{"xlm-roberta-base", "xlm-roberta", 1e-5f},
                 {"xlm-roberta-large", "xlm-roberta", 1e-5f},
                 {"roberta-base", "roberta", 1e-5f},
                 {"roberta-large", "roberta", 1e-5f},
                 {"distilroberta-base", "roberta", 1e-5f},
                 {"distilbert-base-", "distilbert", 1e-12f},
                 {"bert-base-", "bert", 1e-12f},
                 {"bert-large-", "bert", 1e-12f},
                 {"LaBSE", "bert", 1e-12f}};
    const char *slash = strrchr(name, '/'), *own = slash ? slash + 1 : name;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strncmp(own, known[i].begins, strlen(known[i].begins)) != 0) continue;
        const kind *k = find_kind(known[i].type);
        bert_config_measure(w, out);
        out->tower.act = NN_ACT_GELU;
        out->tower.eps = known[i].eps;
        out->pad = k->pad;
        count_places(k, out);
        return check_sizes(out, subject, err);
    }
    return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': the text tower '%s' is not known here", subject, name);
}
