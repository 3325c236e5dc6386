/* SPDX-License-Identifier: Apache-2.0
 * prepare.c - from 8-bit pixels to the tensor of a network, as Hugging Face's image processors over Pillow do.
 *
 * Reference: transformers, image_transforms.py (get_resize_output_image_size, resize, center_crop, rescale, normalize)
 * and the Pillow-backed CLIP processor. Shortest edge: the longer side is the truncated (not rounded) quotient. Crop:
 * offset floor(d / 2), zeros around a picture that is smaller. Rescale in double, then a float; normalise in floats.
 * Since a sample is one byte, those last steps are a table of 256 floats a channel. Only the pixels that survive the
 * crop are ever resized. Threads: pure. */
#include "image/image.h"

#include "base/mem.h"
#include "image/resample.h"

#include <string.h>

enum {
    MAX_SIDE = 1 << 14,
    ENOUGH = 2,       /* times what the network sees */
    ENOUGH_SIDE = 512 /* pixels: what is smaller is decoded quickly as it is, and small networks notice most */
};

static void tabulate(const image_prepare_spec *spec, float table[3][256])
{
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++) {
            float x = spec->rescale ? (float)((double)v * spec->rescale_factor) : (float)v;
            if (spec->normalize) x = (x - spec->mean[c]) / spec->std[c];
            table[c][v] = x;
        }
}

int32_t image_enough(const image_prepare_spec *spec)
{
    const int32_t largest = spec->width > spec->height ? spec->width : spec->height;
    const int32_t side = spec->fit == IMAGE_FIT_SHORTEST ? spec->resize_short : largest;
    if (spec->fit != IMAGE_FIT_SHORTEST && spec->fit != IMAGE_FIT_SQUASH) return 0; /* pixels as they are */
    if (side > MAX_SIDE) return 0;
    return ENOUGH * side > ENOUGH_SIDE ? ENOUGH * side : ENOUGH_SIDE;
}

/* The size after the resize step: that of the whole picture, also where fewer of its pixels were decoded. */
static void resized_size(const image *img, const image_prepare_spec *spec, int64_t *width, int64_t *height)
{
    const int32_t full_width = img->full_width ? img->full_width : img->width;
    const int32_t full_height = img->full_height ? img->full_height : img->height;
    *width = spec->fit == IMAGE_FIT_SQUASH ? spec->width : full_width;
    *height = spec->fit == IMAGE_FIT_SQUASH ? spec->height : full_height;
    if (spec->fit != IMAGE_FIT_SHORTEST) return;
    const bool portrait = full_width <= full_height;
    const int64_t shorter = portrait ? full_width : full_height, longer = portrait ? full_height : full_width;
    const int64_t grown = (int64_t)((double)(spec->resize_short * longer) / (double)shorter);
    *width = portrait ? spec->resize_short : grown;
    *height = portrait ? grown : spec->resize_short;
}

/* One axis of the centre crop: n pixels from `from` of the resized picture go to `to` of the tensor. */
typedef struct {
    int64_t from;
    int32_t to, n;
} crop_axis;

static crop_axis crop_of(int64_t size, int32_t wanted)
{
    if (size >= wanted) return (crop_axis){(size - wanted) / 2, 0, wanted};
    return (crop_axis){0, (int32_t)((wanted - size + 1) / 2), (int32_t)size};
}

static simile_status check_spec(const image *img, const image_prepare_spec *spec, simile_error *err)
{
    const bool sized = spec->width >= 1 && spec->height >= 1 && spec->width <= MAX_SIDE && spec->height <= MAX_SIDE;
    const bool short_ok =
        spec->fit != IMAGE_FIT_SHORTEST || (spec->resize_short >= 1 && spec->resize_short <= MAX_SIDE);
    if (!sized || !short_ok || (unsigned)spec->filter > IMAGE_FILTER_HAMMING)
        return err_set(err, SIMILE_E_ARG, "cannot prepare a picture for %d x %d, shortest edge %d, filter %d",
                       spec->width, spec->height, spec->resize_short, (int)spec->filter);
    if (!img->rgb || img->width < 1 || img->height < 1)
        return err_set(err, SIMILE_E_ARG, "cannot prepare a picture without pixels");
    return SIMILE_OK;
}

/* pixels: [down.n, across.n, 3]; out: [3, height, width] */
static void fill_tensor(const uint8_t *pixels, crop_axis across, crop_axis down, const image_prepare_spec *spec,
                        float *out)
{
    float table[3][256];
    const size_t width = (size_t)spec->width, area = width * (size_t)spec->height;
    tabulate(spec, table);
    if (across.n < spec->width || down.n < spec->height)
        for (size_t c = 0; c < 3; c++)
            for (size_t i = 0; i < area; i++) out[c * area + i] = table[c][0];
    for (int32_t y = 0; y < down.n; y++) {
        float *row = out + (size_t)(down.to + y) * width + (size_t)across.to;
        for (int32_t x = 0; x < across.n; x++, pixels += 3)
            for (size_t c = 0; c < 3; c++) row[c * area + (size_t)x] = table[c][pixels[c]];
    }
}

simile_status image_prepare(const image *img, const image_prepare_spec *spec, float *out, simile_error *err)
{
    RETURN_IF_ERROR(check_spec(img, spec, err));
    int64_t width, height;
    resized_size(img, spec, &width, &height);
    if (!spec->crop && (width != spec->width || height != spec->height))
        return err_set(err, SIMILE_E_ARG, "cannot prepare a picture of %lld x %lld for %d x %d without a crop",
                       (long long)width, (long long)height, spec->width, spec->height);
    const crop_axis across = crop_of(width, spec->width), down = crop_of(height, spec->height);
    const resample_window window = {across.from, down.from, across.n, down.n};
    uint8_t *pixels = mem_array((size_t)across.n * (size_t)down.n, 3);
    if (!pixels) return err_nomem(err);
    const simile_status status =
        resample(img, spec->filter, width, height, &window, resample_kernels_best(), pixels, err);
    if (!status) fill_tensor(pixels, across, down, spec, out);
    mem_free(pixels);
    return status;
}
