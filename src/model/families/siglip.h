/* SPDX-License-Identifier: Apache-2.0
 * siglip.h - what the layouts in which SigLIPs are published share. */
#ifndef SIMILE_MODEL_FAMILIES_SIGLIP_H
#define SIMILE_MODEL_FAMILIES_SIGLIP_H

#include "model/family.h"
#include "model/textnet.h"
#include "model/vit.h"

typedef struct {
    vit_config vision;
    textnet_config text;
    int64_t text_dim; /* of the text tower's vectors; those of the pictures are as wide as their tower */
    bool bias;        /* there is a logit_bias, and a score stands for itself */
} siglip_config;

/* Towers without a size: what is not as in CLIP. */
siglip_config siglip_shape(void);

/* config.json of model_type "siglip", from bytes (a fuzz target's door). */
simile_status siglip_config_parse(const char *json, size_t len, const char *subject, siglip_config *out,
                                  simile_error *err);

/* open_clip_config.json, from bytes (likewise): all that it says, which is not how large the image tower is. */
simile_status siglip_timm_parse(const char *json, size_t len, const char *subject, siglip_config *out,
                                image_prepare_spec *prepare, simile_error *err);

/* The bounds that every configuration has to keep, wherever it comes from. */
simile_status siglip_config_check(const siglip_config *c, const char *subject, simile_error *err);

/* Loads both towers, logit_scale and logit_bias. Opens the tokenizer if need be, whose padding the text tower sees. */
simile_status siglip_load(model_source *s, loader *l, siglip_config *c, model_parts *out, simile_error *err);

#endif
