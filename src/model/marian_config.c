/* SPDX-License-Identifier: Apache-2.0
 * marian_config.c - config.json and generation_config.json of Marian models; defaults are those of
 * transformers' configuration_marian.py. What would change an answer and is not known here is refused by name. */
#include "model/marian.h"

#include <stdio.h>

enum { MAX_BEAMS = 64, MAX_LONGEST = 4096 };

static simile_status refuse_options(json_from from, simile_error *err)
{
    static const char *const must_be_false[] = {"normalize_before", "normalize_embedding", "add_final_layer_norm",
                                                "add_bias_logits"};
    bool value;
    for (size_t i = 0; i < sizeof must_be_false / sizeof *must_be_false; i++) {
        value = false;
        RETURN_IF_ERROR(json_get_bool(from, must_be_false[i], &value, err));
        if (value)
            return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': a network with \"%s\" is not supported",
                           from.subject, must_be_false[i]);
    }
    value = true;
    RETURN_IF_ERROR(json_get_bool(from, "share_encoder_decoder_embeddings", &value, err));
    if (!value)
        return err_set(err, SIMILE_E_UNSUPPORTED,
                       "cannot read '%s': embeddings of their own for the decoder are not supported", from.subject);
    return SIMILE_OK;
}

static simile_status read_side(json_from from, const char *side, tower_config *t, simile_error *err)
{
    char layers[32], heads[40], mlp[32];
    snprintf(layers, sizeof layers, "%s_layers", side);
    snprintf(heads, sizeof heads, "%s_attention_heads", side);
    snprintf(mlp, sizeof mlp, "%s_ffn_dim", side);
    RETURN_IF_ERROR(json_get_int(from, layers, 1, CONFIG_MAX_LAYERS, &t->layers, err));
    RETURN_IF_ERROR(json_get_int(from, heads, 1, CONFIG_MAX_WIDTH, &t->heads, err));
    RETURN_IF_ERROR(json_get_int(from, mlp, 1, 4 * CONFIG_MAX_WIDTH, &t->mlp, err));
    if (!tower_config_fits(t))
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': a width of %lld does not divide into %lld heads",
                       from.subject, (long long)t->width, (long long)t->heads);
    return SIMILE_OK;
}

static simile_status read_id(json_from from, const char *key, int64_t vocab, int32_t *out, simile_error *err)
{
    int64_t id = *out;
    if (json_is_null(json_object_get(from.object, key))) return SIMILE_OK;
    RETURN_IF_ERROR(json_get_int(from, key, 0, vocab - 1, &id, err));
    *out = (int32_t)id;
    return SIMILE_OK;
}

/* Of words that must not be said only the padding token alone is known: [[pad]]. */
static simile_status read_banned(json_from from, marian_config *c, simile_error *err)
{
    const json_t *list = json_object_get(from.object, "bad_words_ids");
    if (!list || json_is_null(list)) return SIMILE_OK;
    const json_t *word = json_array_get(list, 0);
    c->bans_pad = json_array_size(list) == 1 && json_array_size(word) == 1 &&
                  json_integer_value(json_array_get(word, 0)) == c->pad;
    if (c->bans_pad) return SIMILE_OK;
    return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': \"bad_words_ids\" other than [[pad_token_id]]",
                   from.subject);
}

/* What says how texts are made stands in either file. */
static simile_status read_generation(json_from from, marian_config *c, simile_error *err)
{
    if (json_is_null(json_object_get(from.object, "forced_eos_token_id"))) c->forced_eos = -1;
    RETURN_IF_ERROR(read_id(from, "decoder_start_token_id", c->vocab, &c->start, err));
    RETURN_IF_ERROR(read_id(from, "forced_eos_token_id", c->vocab, &c->forced_eos, err));
    RETURN_IF_ERROR(json_get_int(from, "num_beams", 1, MAX_BEAMS, &c->beams, err));
    RETURN_IF_ERROR(json_get_int(from, "max_length", 2, MAX_LONGEST, &c->longest, err));
    RETURN_IF_ERROR(json_get_double(from, "length_penalty", &c->length_penalty, err));
    RETURN_IF_ERROR(json_get_bool(from, "early_stopping", &c->early, err));
    RETURN_IF_ERROR(json_get_bool(from, "renormalize_logits", &c->renormalize, err));
    if (!(c->length_penalty >= -8 && c->length_penalty <= 8))
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': \"length_penalty\" is out of range", from.subject);
    return read_banned(from, c, err);
}

simile_status marian_config_read(json_from config, const json_from *generation, marian_config *out, simile_error *err)
{
    int64_t width = 1024;
    tower_config tower = {.layers = 12, .heads = 16, .mlp = 4096, .act = NN_ACT_GELU, .eps = 1e-5f};
    *out = (marian_config){.vocab = 58101, .places = 1024, .scale_embedding = false, .beams = 1, .longest = 20};
    RETURN_IF_ERROR(refuse_options(config, err));
    RETURN_IF_ERROR(json_get_int(config, "vocab_size", 2, CONFIG_MAX_VOCAB, &out->vocab, err));
    RETURN_IF_ERROR(json_get_int(config, "d_model", 2, CONFIG_MAX_WIDTH, &width, err));
    RETURN_IF_ERROR(json_get_int(config, "max_position_embeddings", 2, CONFIG_MAX_PLACES, &out->places, err));
    RETURN_IF_ERROR(json_get_bool(config, "scale_embedding", &out->scale_embedding, err));
    RETURN_IF_ERROR(config_act(config, "activation_function", &tower.act, err));
    tower.width = width;
    out->encoder = out->decoder = tower;
    RETURN_IF_ERROR(read_side(config, "encoder", &out->encoder, err));
    RETURN_IF_ERROR(read_side(config, "decoder", &out->decoder, err));
    out->pad = (int32_t)out->vocab - 1;
    out->start = out->pad;
    RETURN_IF_ERROR(read_id(config, "pad_token_id", out->vocab, &out->pad, err));
    RETURN_IF_ERROR(read_id(config, "eos_token_id", out->vocab, &out->eos, err));
    out->start = out->pad;
    out->forced_eos = 0; /* the default of the configuration's class, where the file is silent */
    out->length_penalty = 1;
    RETURN_IF_ERROR(read_generation(config, out, err));
    if (generation) RETURN_IF_ERROR(read_generation(*generation, out, err));
    if (out->longest > out->places) out->longest = out->places;
    return SIMILE_OK;
}
