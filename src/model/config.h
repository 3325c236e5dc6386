/* SPDX-License-Identifier: Apache-2.0
 * config.h - what configurations of all families share: numbers of transformers, and preprocessor_config.json.
 *
 * Every number is bounded when it is read, so that no size computed from a configuration can overflow later. What is
 * not known is refused: a wrong guess would cost accuracy in silence. */
#ifndef SIMILE_MODEL_CONFIG_H
#define SIMILE_MODEL_CONFIG_H

#include "base/err.h"
#include "base/json.h"
#include "image/image.h"
#include "nn/nn.h"

enum { CONFIG_MAX_WIDTH = 16384, CONFIG_MAX_LAYERS = 512, CONFIG_MAX_VOCAB = 4000000, CONFIG_MAX_PLACES = 65536 };

typedef struct { /* what all transformers have */
    int64_t width, layers, heads, mlp;
    nn_act act;
    float eps; /* of the layer norms */
} tower_config;

bool tower_config_fits(const tower_config *c);

/* By the names that transformers gives to activations; *out holds the default. */
simile_status config_act(json_from from, const char *key, nn_act *out, simile_error *err);

const char *config_act_name(nn_act act);

/* hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, layer_norm_eps, hidden_act; *out holds the
 * defaults. */
simile_status config_tower(json_from from, tower_config *out, simile_error *err);

/* ---- preprocessing ---- */

image_prepare_spec clip_preprocess(int64_t image_size);
/* root: preprocessor_config.json, or NULL; what is absent keeps its value of *out. A picture must end up with
 * image_size x image_size pixels. */
simile_status config_preprocess(json_from root, int64_t image_size, image_prepare_spec *out, simile_error *err);
/* A preprocessor_config.json that says the same. */
void preprocess_write(const image_prepare_spec *spec, buf *out);
/* The same from bytes, over clip_preprocess() (a fuzz target's door). */
simile_status preprocess_parse(const char *json, size_t len, const char *subject, int64_t image_size,
                               image_prepare_spec *out, simile_error *err);
/* mean and std above 0 */
simile_status config_check_std(const image_prepare_spec *spec, const char *subject, simile_error *err);

#endif
