/* SPDX-License-Identifier: Apache-2.0
 * fuzz_config.c - any bytes as config.json and as preprocessor_config.json. */
#include "model/families/clip.h"
#include "model/families/siglip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    if (!preprocess_parse((const char *)data, size, "fuzz", 224, &spec, &err)) {
        if (spec.width != 224 || spec.height != 224 || !(spec.std[0] > 0)) __builtin_trap();
    }
    return 0;
}
