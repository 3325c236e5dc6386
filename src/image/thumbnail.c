/* SPDX-License-Identifier: Apache-2.0
 * thumbnail.c - a decoded picture as a small WebP.
 *
 * Pillow's resize with the Hamming window, which for shrinking looks like bicubic and costs half; then libvips' WebP
 * writer, at its second fastest setting: a third of the time of its usual one for a sixth more bytes. Where the first
 * quality leaves too many bytes (noise, foliage) a lower one is taken: about 10 kB is what a page with a hundred of
 * them can bear, and the bound holds for every picture. A quality that is sure to leave too many is not even tried.
 *
 * Threads: any; libvips works on threads of its own meanwhile. */
#include "image/vips.h" /* before mem.h */

#include "base/mem.h"
#include "image/parts.h"

enum { ROOM = 20 << 10, EFFORT = 1 }; /* bytes; more, and the next quality is tried */
static const struct {
    int quality;
    double least; /* bytes for each step of brightness between neighbours: of 27 pictures none had fewer */
} tries[] = {{80, 0.0105}, {55, 0.007}, {30, 0}};

/* rgb: [height, width, 3]. *bytes: for g_free. */
static bool encode_webp(const uint8_t *rgb, int32_t width, int32_t height, int quality, void **bytes, size_t *len)
{
    const size_t n = (size_t)width * (size_t)height * 3;
    VipsImage *raw = vips_image_new_from_memory(rgb, n, width, height, 3, VIPS_FORMAT_UCHAR), *named = NULL;
    bool ok = raw && !vips_copy(raw, &named, "interpretation", VIPS_INTERPRETATION_sRGB, (const char *)NULL);
    if (ok)
        ok =
            !vips_webpsave_buffer(named, bytes, len, "Q", quality, "effort", EFFORT, "strip", TRUE, (const char *)NULL);
    if (named) g_object_unref(named);
    if (raw) g_object_unref(raw);
    return ok;
}

/* The sum of all steps of green from a pixel to the next one and to the one below. */
static double steps_of(const uint8_t *rgb, int32_t width, int32_t height)
{
    uint64_t sum = 0;
    const size_t row = (size_t)width * 3;
    for (int32_t y = 0; y + 1 < height; y++) {
        const uint8_t *p = rgb + (size_t)y * row + 1;
        for (int32_t x = 0; x + 1 < width; x++, p += 3) sum += (uint64_t)(abs(p[0] - p[3]) + abs(p[0] - p[row]));
    }
    return (double)sum;
}

static simile_status encode(const uint8_t *rgb, int32_t width, int32_t height, void **bytes, size_t *len,
                            simile_error *err)
{
    void *made = NULL;
    bool ok = true;
    *len = 0;
    const double steps = steps_of(rgb, width, height);
    for (size_t i = 0; i < sizeof tries / sizeof *tries && ok && (!made || *len > ROOM); i++) {
        if (steps * tries[i].least > ROOM) continue;
        g_free(made);
        made = NULL;
        ok = encode_webp(rgb, width, height, tries[i].quality, &made, len);
    }
    if (ok) *bytes = mem_alloc(*len);
    if (ok && *bytes) memcpy(*bytes, made, *len);
    g_free(made);
    if (!ok) vips_error_clear();
    vips_thread_shutdown(); /* frees what libvips keeps for this thread */
    if (!ok) return err_set(err, SIMILE_E_UNSUPPORTED, "cannot make a thumbnail: this libvips does not write WebP");
    return *bytes ? SIMILE_OK : err_nomem(err);
}

static int32_t shrunk(int32_t length, int32_t longest, int32_t side)
{
    if (longest <= side) return length;
    const int64_t wanted = ((int64_t)length * side + longest / 2) / longest;
    return wanted > 0 ? (int32_t)wanted : 1;
}

simile_status image_thumbnail(const image *img, int32_t side, void **bytes, size_t *len, simile_error *err)
{
    const int32_t longest = img->width > img->height ? img->width : img->height;
    const int32_t width = shrunk(img->width, longest, side), height = shrunk(img->height, longest, side);
    *bytes = NULL;
    RETURN_IF_ERROR(image_init(err));
    if (longest <= side) return encode(img->rgb, width, height, bytes, len, err);
    uint8_t *small = mem_array((size_t)width * (size_t)height, 3);
    if (!small) return err_nomem(err);
    simile_status status =
        image_resize(img->rgb, img->width, img->height, IMAGE_FILTER_HAMMING, width, height, small, err);
    if (!status) status = encode(small, width, height, bytes, len, err);
    mem_free(small);
    return status;
}
