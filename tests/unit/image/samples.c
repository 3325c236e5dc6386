/* SPDX-License-Identifier: Apache-2.0
 * samples.c - see samples.h. */
#include "samples.h"

#include "base/digest.h"
#include "base/mem.h"

void hash_of(const void *bytes, size_t len, char out[65])
{
    uint8_t raw[DIGEST_SIZE];
    digest_bytes(bytes, len, raw);
    digest_hex(raw, out);
}

uint8_t *noise_new(int width, int height)
{
    const size_t n = (size_t)width * (size_t)height * 3;
    uint8_t *out = mem_alloc(n);
    uint32_t value = (uint32_t)(width * 31 + height);
    for (size_t i = 0; out && i < n; i++) {
        value = value * 1664525U + 1013904223U;
        out[i] = (uint8_t)(value >> 24);
    }
    return out;
}

image_prepare_spec spec_of(int edge, int filter, int width, int height)
{
    image_prepare_spec spec = {.fit = edge ? IMAGE_FIT_SHORTEST : IMAGE_FIT_SQUASH,
                               .filter = (image_filter)filter,
                               .resize_short = edge,
                               .width = width,
                               .height = height,
                               .crop = edge != 0,
                               .rescale = true,
                               .normalize = true,
                               .rescale_factor = 0.00392156862745098,
                               .mean = {0.48145466F, 0.4578275F, 0.40821073F},
                               .std = {0.26862954F, 0.26130258F, 0.27577711F}};
    for (int c = 0; !edge && c < 3; c++) spec.mean[c] = spec.std[c] = 0.5F;
    return spec;
}
