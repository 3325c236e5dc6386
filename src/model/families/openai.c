/* SPDX-License-Identifier: Apache-2.0
 * openai.c - OpenAI's TorchScript archives, which nothing describes but the shapes of their tensors, and the names that
 * they share with OpenCLIP's checkpoints.
 *
 * Reference: openai/CLIP, clip/model.py (build_model): heads are of 64, the activation is QuickGELU, the end-of-text
 * token is the last of the vocabulary. mlfoundations/open_clip, src/open_clip/model.py: models with a text tower of
 * their own class put "text." before its names and may have a Linear as text projection. */
#include "model/families/open_clip.h"

#include <math.h>

static const name_rule vision_rules[] = {
    {"visual.class_embedding", "vision_model.embeddings.class_embedding", NAME_KEEP},
    {"visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight", NAME_KEEP},
    {"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight", NAME_KEEP},
    {"visual.ln_pre.*", "vision_model.pre_layrnorm.*", NAME_KEEP},
    {"visual.transformer.resblocks.#.attn.in_proj_*", "vision_model.encoder.layers.#.self_attn.?_proj.*", NAME_SPLIT},
    {"visual.transformer.resblocks.#.attn.out_proj.*", "vision_model.encoder.layers.#.self_attn.out_proj.*", NAME_KEEP},
    {"visual.transformer.resblocks.#.ln_1.*", "vision_model.encoder.layers.#.layer_norm1.*", NAME_KEEP},
    {"visual.transformer.resblocks.#.ln_2.*", "vision_model.encoder.layers.#.layer_norm2.*", NAME_KEEP},
    {"visual.transformer.resblocks.#.mlp.c_fc.*", "vision_model.encoder.layers.#.mlp.fc1.*", NAME_KEEP},
    {"visual.transformer.resblocks.#.mlp.c_proj.*", "vision_model.encoder.layers.#.mlp.fc2.*", NAME_KEEP},
    {"visual.ln_post.*", "vision_model.post_layernorm.*", NAME_KEEP},
    {"visual.proj", "visual_projection.weight", NAME_TRANSPOSE},
    {NULL, NULL, NAME_KEEP},
};

/* A ModifiedResNet: its names are kept as they are. */
static const name_rule resnet_rules[] = {
    {"visual.bn#.num_batches_tracked", NULL, NAME_IGNORE},
    {"visual.layer#.#.bn#.num_batches_tracked", NULL, NAME_IGNORE},
    {"visual.layer#.#.downsample.1.num_batches_tracked", NULL, NAME_IGNORE},
    {"visual.*", "vision_model.*", NAME_KEEP},
    {NULL, NULL, NAME_KEEP},
};

static const name_rule text_rules[] = {
    {"token_embedding.weight", "text_model.embeddings.token_embedding.weight", NAME_KEEP},
    {"positional_embedding", "text_model.embeddings.position_embedding.weight", NAME_KEEP},
    {"transformer.resblocks.#.attn.in_proj_*", "text_model.encoder.layers.#.self_attn.?_proj.*", NAME_SPLIT},
    {"transformer.resblocks.#.attn.out_proj.*", "text_model.encoder.layers.#.self_attn.out_proj.*", NAME_KEEP},
    {"transformer.resblocks.#.ln_1.*", "text_model.encoder.layers.#.layer_norm1.*", NAME_KEEP},
    {"transformer.resblocks.#.ln_2.*", "text_model.encoder.layers.#.layer_norm2.*", NAME_KEEP},
    {"transformer.resblocks.#.mlp.c_fc.*", "text_model.encoder.layers.#.mlp.fc1.*", NAME_KEEP},
    {"transformer.resblocks.#.mlp.c_proj.*", "text_model.encoder.layers.#.mlp.fc2.*", NAME_KEEP},
    {"ln_final.*", "text_model.final_layer_norm.*", NAME_KEEP},
    {"text_projection", "text_projection.weight", NAME_TRANSPOSE},
    {NULL, NULL, NAME_KEEP},
};

static const name_layout layouts[] = {
    {"visual.class_embedding", NULL, vision_rules, false},
    {"visual.attnpool.c_proj.weight", NULL, resnet_rules, false},
    {"token_embedding.weight", NULL, text_rules, false},
    {"text.token_embedding.weight", "text.", text_rules, false},
    {NULL, NULL, NULL, false},
};

static tower_config describe_tower(const weights *w, const char *part, int64_t width)
{
    tower_config t = tower_of_shapes(w, part, width);
    t.heads = width / CLIP_HEAD;
    t.act = NN_ACT_QUICK_GELU;
    t.eps = 1e-5f;
    return t;
}

/* A side of the square of positions, of which one more is for the class token or the mean; 0: there is none. */
static int64_t grid_of(const weights *w, const char *positions)
{
    const int64_t grid = (int64_t)llround(sqrt((double)weights_size(w, positions, 2, 0) - 1));
    return grid > 0 && grid < 8192 ? grid : 0;
}

static vit_config describe_vit(const weights *w)
{
    static const char patch[] = "vision_model.embeddings.patch_embedding.weight";
    const int64_t side = weights_size(w, patch, 4, 3);
    return (vit_config){.tower = describe_tower(w, "vision_model", weights_size(w, patch, 4, 0)),
                        .patch = side,
                        .image_size = side * grid_of(w, "vision_model.embeddings.position_embedding.weight")};
}

static resnet_config describe_resnet(const weights *w)
{
    resnet_config c = {.width = weights_size(w, "vision_model.layer1.0.conv1.weight", 4, 0)};
    c.heads = c.width * RESNET_REDUCTION / CLIP_HEAD;
    c.image_size = RESNET_REDUCTION * grid_of(w, "vision_model.attnpool.positional_embedding");
    for (int i = 0; i < RESNET_LAYERS; i++) {
        char name[64];
        do {
            snprintf(name, sizeof name, "vision_model.layer%d.%lld.conv1.weight", i + 1, (long long)c.blocks[i]);
        } while (weights_has(w, name) && ++c.blocks[i] < MAX_TENSORS);
    }
    return c;
}

void clip_image_measure(const weights *w, clip_config *out)
{
    *out = (clip_config){.convolutional = weights_has(w, "vision_model.attnpool.positional_embedding")};
    const char *last = out->convolutional ? "vision_model.attnpool.c_proj.weight" : "visual_projection.weight";
    out->dim = weights_size(w, last, 2, 0);
    if (out->convolutional)
        out->resnet = describe_resnet(w);
    else
        out->vision = describe_vit(w);
}

static simile_status describe(const weights *w, clip_config *out, simile_error *err)
{
    static const char tokens[] = "text_model.embeddings.token_embedding.weight";
    clip_image_measure(w, out);
    out->text.tower = describe_tower(w, "text_model", weights_size(w, tokens, 2, 1));
    out->text.vocab = weights_size(w, tokens, 2, 0);
    out->text.context = weights_size(w, "text_model.embeddings.position_embedding.weight", 2, 0);
    out->text.eos = out->text.vocab - 1;
    return clip_config_check(out, weights_directory(w), err);
}

static bool claims(const model_source *s)
{
    return source_describes_itself(s, WEIGHTS_TORCHSCRIPT);
}

static simile_status load(model_source *s, loader *l, model_parts *out, simile_error *err)
{
    clip_config c;
    RETURN_IF_ERROR(describe(s->files[0], &c, err));
    out->prepare = clip_preprocess(clip_image_size(&c));
    return clip_load(s, l, &c, out, err);
}

static simile_status document(const model_source *s, const char **name, buf *out, simile_error *err)
{
    clip_config c;
    RETURN_IF_ERROR(describe(s->files[0], &c, err));
    if (c.convolutional) *name = "open_clip_config.json";
    (c.convolutional ? open_clip_write_resnet : clip_config_write)(&c, out);
    return SIMILE_OK;
}

const model_family family_openai = {
    .name = "openai", .claims = claims, .load = load, .layouts = layouts, .document = document};
