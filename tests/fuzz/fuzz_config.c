/* SPDX-License-Identifier: Apache-2.0
 * fuzz_config.c - any bytes as config.json, as preprocessor_config.json and as open_clip_config.json. */
#include "model/bert.h"
#include "model/families/open_clip.h"
#include "model/families/siglip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_encoder(const uint8_t *data, size_t size)
{
    bert_config config = {.pooling = BERT_POOL_FIRST};
    simile_error err;
    json_t *root;
    if (json_parse_object((const char *)data, size, "fuzz", &root, &err)) return;
    const json_from from = {root, "fuzz"};
    if (!bert_config_read(from, NULL, &config, &err) && !bert_config_fits(&config)) __builtin_trap();
    json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clip_config config;
    siglip_config siglip;
    image_prepare_spec spec;
    simile_error err;
    if (!clip_config_parse((const char *)data, size, "fuzz", &config, &err)) {
        if (config.vision.patch < 1 || config.text.tower.width % config.text.tower.heads) __builtin_trap();
    }
    if (!siglip_config_parse((const char *)data, size, "fuzz", &siglip, &err)) {
        if (siglip.vision.patch < 1 || siglip.text.tower.width % siglip.text.tower.heads || siglip.text_dim < 1)
            __builtin_trap();
    }
    if (!siglip_timm_parse((const char *)data, size, "fuzz", &siglip, &spec, &err)) {
        if (siglip.vision.image_size != spec.width || siglip.vision.tower.heads < 1 || !(spec.std[0] > 0))
            __builtin_trap();
    }
    if (!preprocess_parse((const char *)data, size, "fuzz", 224, &spec, &err)) {
        if (spec.width != 224 || spec.height != 224 || !(spec.std[0] > 0)) __builtin_trap();
    }
    if (!open_clip_parse((const char *)data, size, "fuzz", &config, &spec, &err)) {
        const resnet_config *r = &config.resnet;
        if (config.convolutional && (r->width * RESNET_REDUCTION % r->heads || r->image_size % RESNET_REDUCTION))
            __builtin_trap();
        if (!config.convolutional && config.vision.tower.width % config.vision.tower.heads) __builtin_trap();
        if (spec.width != clip_image_size(&config) || !(spec.std[0] > 0)) __builtin_trap();
    }
    read_encoder(data, size);
    return 0;
}
