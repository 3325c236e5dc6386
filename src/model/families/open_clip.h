/* SPDX-License-Identifier: Apache-2.0
 * open_clip.h - what the directories of OpenCLIP have in common, whatever towers they describe. */
#ifndef SIMILE_MODEL_FAMILIES_OPEN_CLIP_H
#define SIMILE_MODEL_FAMILIES_OPEN_CLIP_H

#include "model/families/clip.h"

/* An option that must be absent, null, {} or have this value. */
typedef struct {
    const char *key; /* NULL ends a list */
    enum { MUST_BE_FALSE, MUST_BE_ABSENT, MUST_BE_TEXT } rule;
    const char *text;
} open_clip_rule;
simile_status open_clip_check(json_from from, const open_clip_rule *rules, simile_error *err);

/* width and mlp_ratio; epsilon as torch has it. */
simile_status open_clip_tower(json_from from, tower_config *t, simile_error *err);

/* "preprocess_cfg" */
simile_status open_clip_prepare(json_from from, int64_t size, image_prepare_spec *out, simile_error *err);

/* The whole of it but the text tower: dimension, image tower and preprocessing; *text: "text_cfg", for the caller. */
simile_status open_clip_read(json_from root, clip_config *out, json_from *text, image_prepare_spec *prepare,
                             simile_error *err);

/* A whole file whose text tower is CLIP's own, from bytes (a fuzz target's door). */
simile_status open_clip_parse(const char *json, size_t len, const char *subject, clip_config *out,
                              image_prepare_spec *prepare, simile_error *err);

/* The tokenizer of the folder behind the cleaning that "tokenizer_kwargs" of `text` names. */
simile_status open_clip_words(const model_source *s, json_from text, tokenizer **out, simile_error *err);

/* An open_clip_config.json for a ModifiedResNet of OpenAI's: Hugging Face has no layout for one. */
void open_clip_write_resnet(const clip_config *c, buf *out);

#endif
