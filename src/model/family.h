/* SPDX-License-Identifier: Apache-2.0
 * family.h - a model family: how it is recognised, what its files call their tensors, and how it is put together.
 *
 * A family is one file in families/ and one line in family.c. It reads the configuration, asks towers (vit.h,
 * textnet.h, ...) for its two halves, and fills in model_parts. model.c does all the rest. */
#ifndef SIMILE_MODEL_FAMILY_H
#define SIMILE_MODEL_FAMILY_H

#include "base/json.h"
#include "image/image.h"
#include "model/config.h"
#include "model/names.h"
#include "model/params.h"
#include "model/tower.h"

enum { MAX_WEIGHTS = 8 };

/* Where a model is opened from. */
typedef struct {
    const char *path;   /* as it was named: a directory or a single file */
    const char *folder; /* where its other files lie */
    bool single;        /* path is a file */
    int64_t image_size; /* the resolution that was asked for; 0: its own */
    char *config_path, *open_clip_path, *modules_path;
    json_t *config, *open_clip, *modules; /* config.json, open_clip_config.json, modules.json; NULL: not there */
    weights *files[MAX_WEIGHTS];          /* those that were opened; [0] is that of `path` */
    int n_files;
} model_source;

/* What a family makes; model.c owns it and gives it back, also after a failure. */
typedef struct {
    const char *family;  /* static: the same for all layouts of one network, because it is part of the identity */
    tower *image, *text; /* NULL: none */
    image_prepare_spec prepare;
    tokenizer *words;  /* NULL with a text tower: the one that lies in the folder */
    bool words_inside; /* they came out of the weight file */
    float logit_scale; /* exponentiated */
    float logit_bias;
    bool sigmoid; /* a score stands for itself: sigmoid(scale x cosine + bias); otherwise softmax */
} model_parts;

typedef struct {
    const char *name;
    bool (*claims)(const model_source *s);
    simile_status (*load)(model_source *s, loader *l, model_parts *out, simile_error *err);
    const name_layout *layouts; /* ends with an empty one; NULL: none of its own */
    /* What a conversion writes for weights that describe themselves, and in which file: *name is "config.json" unless
     * set otherwise. With it goes a preprocessor_config.json, unless the other file says what is in that. NULL: the
     * documents of the folder describe the model, and go with it as they are. */
    simile_status (*document)(const model_source *s, const char **name, buf *out, simile_error *err);
} model_family;

extern const model_family *const model_families[]; /* asked in this order; ends with NULL */
extern const name_layout *const shared_layouts[];  /* of towers that several families have; ends with NULL */

/* ---- what families use (family.c) ---- */

/* config.json's "model_type" is this. */
bool source_has_type(const model_source *s, const char *model_type);
/* The first weight file of the model describes itself and is of this kind. */
bool source_describes_itself(const model_source *s, weights_format kind);
/* Points the loader at the weights of the model, or of a folder in it ("2_Dense"), and opens them if need be. */
simile_status source_weights(model_source *s, const char *subfolder, loader *l, simile_error *err);
/* NAME of the folder as JSON; *out stays NULL when it is not there. *path is for messages; both are the caller's. */
simile_status source_json(const model_source *s, const char *name, char **path, json_t **out, simile_error *err);
simile_status source_json_array(const model_source *s, const char *name, char **path, json_t **out, simile_error *err);
/* preprocessor_config.json over `defaults`. */
simile_status source_preprocess(const model_source *s, image_prepare_spec defaults, int64_t image_size,
                                image_prepare_spec *out, simile_error *err);
/* exp(logit_scale), which has to be in range. */
simile_status load_logit_scale(loader *l, const char *path, model_parts *out, simile_error *err);
simile_status take_logit_scale(float log_scale, const char *path, model_parts *out, simile_error *err);
/* What the shapes of a transformer of that width say, by canonical names below PART ("vision_model"): layers and mlp;
 * 0 where a tensor is missing. */
tower_config tower_of_shapes(const weights *w, const char *part, int64_t width);

#endif
