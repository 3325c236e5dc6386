/* SPDX-License-Identifier: Apache-2.0
 * clip.h - what the layouts in which CLIPs are published share: the two usual towers and one logit_scale. */
#ifndef SIMILE_MODEL_FAMILIES_CLIP_H
#define SIMILE_MODEL_FAMILIES_CLIP_H

#include "model/family.h"
#include "model/resnet.h"
#include "model/textnet.h"
#include "model/vit.h"

typedef struct {
    vit_config vision;
    textnet_config text;
    int64_t dim;
    bool convolutional; /* the image tower is `resnet`, and `vision` means nothing */
    resnet_config resnet;
} clip_config;

/* For layouts that wrap a whole folder of this one. */
extern const model_family family_clip;

/* config.json of model_type "clip", from bytes (a fuzz target's door). */
simile_status clip_config_parse(const char *json, size_t len, const char *subject, clip_config *out, simile_error *err);

/* A config.json of model_type "clip" that says the same. */
void clip_config_write(const clip_config *c, buf *out);

/* The bounds that every configuration has to keep, wherever it comes from. */
simile_status clip_config_check(const clip_config *c, const char *subject, simile_error *err);

/* ---- the image tower, for families that have it beside another text tower: of clip_config, all but `text` ---- */

/* "vision_config"; the part NAME of config.json, or the older OLD_NAME, which goes before it. */
simile_status clip_vision_read(json_from from, vit_config *out, simile_error *err);
simile_status clip_part_read(json_from root, const char *name, const char *old_name, json_from *out, simile_error *err);
/* What the shapes of the tensors say (openai.c). */
void clip_image_measure(const weights *w, clip_config *out);
bool clip_image_fits(const clip_config *c);
/* What to say when it does not, or another tower. */
simile_status clip_check_sizes(bool fit, const char *subject, simile_error *err);
int64_t clip_image_size(const clip_config *c);
/* out->prepare has been filled in for c, and follows the resolution that was asked for. */
simile_status clip_image_load(const model_source *s, loader *l, const clip_config *c, model_parts *out,
                              simile_error *err);

/* Loads both towers and logit_scale; out->prepare as for clip_image_load(). */
simile_status clip_load(model_source *s, loader *l, const clip_config *c, model_parts *out, simile_error *err);

/* The width of a head in all that OpenAI published. */
enum { CLIP_HEAD = 64 };

#endif
