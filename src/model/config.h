/* SPDX-License-Identifier: Apache-2.0
 * config.h - what a network is made of, from whatever file says so, checked and with defaults filled in. */
#ifndef SIMILE_MODEL_CONFIG_H
#define SIMILE_MODEL_CONFIG_H

#include "base/err.h"
#include "image/image.h"
#include "model/weights.h"
#include "nn/nn.h"

typedef struct { /* what all transformers have */
    int64_t width, layers, heads, mlp;
    nn_act act;
    float eps; /* of the layer norms */
} tower_config;

typedef struct {
    tower_config tower;
    int64_t image_size, patch; /* grid = image_size / patch, rounded down */
} vision_config;

typedef struct {
    tower_config tower;
    int64_t vocab, context;
    int64_t eos; /* pooling: the first token with this id; 2: the first largest id (old configurations) */
} text_config;

typedef struct {
    vision_config vision;
    text_config text;
    int64_t dim;
} clip_config;

/* config.json of model_type "clip". */
simile_status clip_config_read(const char *directory, clip_config *out, simile_error *err);
/* The same from bytes (a fuzz target's door). */
simile_status clip_config_parse(const char *json, size_t len, const char *subject, clip_config *out, simile_error *err);

/* open_clip_config.json: the network and its preprocessing. */
simile_status open_clip_read(const char *directory, clip_config *out, image_prepare_spec *prepare, simile_error *err);
simile_status open_clip_parse(const char *json, size_t len, const char *subject, clip_config *out,
                              image_prepare_spec *prepare, simile_error *err);

/* What OpenAI's archives and clip.cpp's files say of themselves: by the shapes of tensors, by their keys. */
simile_status describe_openai(const weights *w, clip_config *out, simile_error *err);
simile_status describe_gguf(const weights *w, clip_config *out, image_prepare_spec *prepare, simile_error *err);

/* The bounds that every configuration has to keep, wherever it comes from. */
simile_status clip_config_check(const clip_config *c, const char *subject, simile_error *err);
image_prepare_spec clip_preprocess(int64_t image_size);

/* preprocessor_config.json; where it is absent or silent, CLIP's own values with this image size. */
simile_status preprocess_read(const char *directory, int64_t image_size, image_prepare_spec *out, simile_error *err);
simile_status preprocess_parse(const char *json, size_t len, const char *subject, int64_t image_size,
                               image_prepare_spec *out, simile_error *err);

#endif
