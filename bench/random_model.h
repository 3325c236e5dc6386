/* SPDX-License-Identifier: Apache-2.0
 * random_model.h - a checkpoint of a published shape with random weights, for measuring speed without the real one. */
#ifndef SIMILE_BENCH_RANDOM_MODEL_H
#define SIMILE_BENCH_RANDOM_MODEL_H

#include "model/families/clip.h"
#include "model/marian.h"

typedef struct {
    const char *name; /* "vit-b-32" */
    clip_config config;
} model_shape;

const model_shape *model_shape_named(const char *name); /* NULL: unknown */
extern const model_shape model_shapes[];
extern const int model_shapes_count;

/* Writes config.json or open_clip_config.json, a byte-level tokenizer and model.safetensors (F16) into an existing
 * directory. */
simile_status random_model_write(const model_shape *shape, const char *directory, simile_error *err);
/* config.json of a translator with swish, and its model.safetensors (F16); no tokenizer. */
simile_status random_translator_write(const marian_config *c, const char *directory, simile_error *err);
void random_model_remove(const char *directory); /* those files and the directory */

#endif
