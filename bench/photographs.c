/* SPDX-License-Identifier: Apache-2.0
 * photographs.c - see photographs.h.
 *
 * A drawn picture is a backdrop and LAYERS shapes in front of one another. Each shape is where a sum of smooth random
 * fields is above a level, so its outlines are sharp and irregular, with a colour that varies over it and a strength of
 * its own with which it shows texture. The texture is one tile of noise whose octaves fall as in photographs (amplitude
 * about with the wavelength); the grain of a sensor lies over all. At 4,000 x 3,000 and quality 90 that makes JPEGs of
 * 3 to 5 MB, as those of telephones are.
 *
 * All arithmetic is of whole numbers, row by row. Threads: pure, but for libvips in photograph_jpeg(). */
#include <vips/vips.h> /* before mem.h, which poisons names that GLib's headers use */

#include "photographs.h"

#include "base/mem.h"

enum { LAYERS = 4, OCTAVES = 4, TILE = 512, TILE_OCTAVES = 6, COARSEST = 10 /* its logarithm */, ONE = 256 };

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    uint32_t x = *state;
    x ^= x >> 16;
    x *= 0x7feb352du;
    return x ^ x >> 15;
}

/* -128 .. 127 at a point of a lattice. */
static int32_t lattice(uint32_t seed, int32_t x, int32_t y)
{
    uint32_t s = seed ^ ((uint32_t)x * 0x9e3779b1u) ^ ((uint32_t)y * 0x85ebca6bu);
    return (int32_t)(next_random(&s) >> 24) - 128;
}

/* row[x] += weight x a smooth field whose random values are 2^bits pixels apart. */
static void add_field(uint32_t seed, int bits, int32_t weight, int32_t y, int32_t width, int32_t *row)
{
    const int32_t cell = 1 << bits, down = y >> bits, part = ((y & (cell - 1)) << 8) >> bits;
    for (int32_t x = 0, at = 0; x < width; x += cell, at++) {
        const int32_t left = lattice(seed, at, down) * (ONE - part) + lattice(seed, at, down + 1) * part;
        const int32_t right = lattice(seed, at + 1, down) * (ONE - part) + lattice(seed, at + 1, down + 1) * part;
        const int32_t n = width - x < cell ? width - x : cell, step = (right - left) * (ONE >> 5) / cell;
        for (int32_t i = 0; i < n; i++) row[x + i] += (left * (ONE >> 5) + step * i) / ONE * weight / (ONE >> 5);
    }
}

/* Fields of `octaves` sizes from 2^bits down, each of a quarter of the size and half the strength of the one before, in
 * 1 / ONE. */
static void smooth_row(uint32_t seed, int bits, int octaves, int32_t y, int32_t width, int32_t *row)
{
    memset(row, 0, (size_t)width * sizeof *row);
    for (int i = 0; i < octaves; i++) add_field(seed + (uint32_t)i * 7919u, bits - 2 * i, ONE >> i, y, width, row);
}

/* tile: [TILE, TILE], which fits to itself on all sides. */
static void draw_tile(uint32_t seed, int8_t *tile)
{
    for (int32_t y = 0; y < TILE; y++)
        for (int32_t x = 0; x < TILE; x++) {
            int32_t sum = 0;
            for (int i = 0; i < TILE_OCTAVES; i++) {
                const int32_t cell = 1 << i, n = TILE / cell, at = x / cell, down = y / cell;
                const int32_t across = x % cell, part = y % cell;
                const int32_t top = lattice(seed + (uint32_t)i, at, down) * (cell - across) +
                                    lattice(seed + (uint32_t)i, (at + 1) % n, down) * across;
                const int32_t bottom = lattice(seed + (uint32_t)i, at, (down + 1) % n) * (cell - across) +
                                       lattice(seed + (uint32_t)i, (at + 1) % n, (down + 1) % n) * across;
                sum += (top * (cell - part) + bottom * part) / (cell * cell) * (4 + 3 * i);
            }
            sum /= 26;
            tile[y * TILE + x] = (int8_t)(sum < -128 ? -128 : sum > 127 ? 127 : sum);
        }
}

typedef struct {
    uint32_t seed;
    int32_t level;               /* the shape is where its field is above */
    int32_t colour[3], sheen[3]; /* and how much the colour varies */
    int32_t texture;
} layer;

typedef struct {
    layer layers[LAYERS];
    int8_t *tile;                           /* [TILE, TILE] */
    int32_t *field, *shade, *texture, *sum; /* [width], [width], [width], [3, width] */
    uint32_t grain;
} scene;

static void draw_layers(uint32_t seed, scene *s)
{
    for (int i = 0; i < LAYERS; i++) {
        layer *l = &s->layers[i];
        l->seed = next_random(&seed);
        l->level = (int32_t)(next_random(&seed) % 40) * ONE;
        for (int c = 0; c < 3; c++) {
            l->colour[c] = 30 + (int32_t)(next_random(&seed) % 190);
            l->sheen[c] = 20 + (int32_t)(next_random(&seed) % 50);
        }
        l->texture = i == 0 ? 8 : 12 + (int32_t)(next_random(&seed) % 70);
    }
    s->grain = next_random(&seed);
}

static bool scene_init(scene *s, uint32_t seed, int32_t width)
{
    const size_t n = (size_t)width;
    *s = (scene){.tile = mem_alloc((size_t)TILE * TILE)};
    s->field = mem_array(n, sizeof *s->field);
    s->shade = mem_array(n, sizeof *s->shade);
    s->texture = mem_array(n, sizeof *s->texture);
    s->sum = mem_array(3 * n, sizeof *s->sum);
    if (!s->tile || !s->field || !s->shade || !s->texture || !s->sum) return false;
    draw_layers(seed, s);
    draw_tile(seed ^ 0x5bd1e995u, s->tile);
    return true;
}

static void scene_release(scene *s)
{
    mem_free(s->tile);
    mem_free(s->field);
    mem_free(s->shade);
    mem_free(s->texture);
    mem_free(s->sum);
}

/* Lays one shape over a row of what lies behind it. */
static void lay(scene *s, const layer *l, bool behind_all, int32_t y, int32_t width)
{
    smooth_row(l->seed, COARSEST, OCTAVES, y, width, s->field);
    smooth_row(l->seed ^ 0x1234567u, COARSEST - 1, 2, y, width, s->shade);
    for (int32_t x = 0; x < width; x++) { /* how much of the pixel it covers, in 1 / ONE */
        const int32_t over = behind_all ? ONE : (s->field[x] - l->level) / 4;
        s->field[x] = over < 0 ? 0 : over > ONE ? ONE : over;
        s->texture[x] += (l->texture - s->texture[x]) * s->field[x] / ONE;
    }
    for (int c = 0; c < 3; c++) {
        int32_t *sum = s->sum + c * width;
        for (int32_t x = 0; x < width; x++) {
            const int32_t wanted = l->colour[c] * ONE + s->shade[x] * l->sheen[c] / 128;
            sum[x] += (wanted - sum[x]) / ONE * s->field[x];
        }
    }
}

/* sum: [3, width] of colours in 1 / ONE, with texture and grain laid over, to RGB. */
static void finish_row(scene *s, int32_t y, int32_t width, uint8_t *rgb)
{
    const int8_t *tile = s->tile + (y % TILE) * TILE;
    uint32_t grain = s->grain + (uint32_t)y * 0x9e3779b1u;
    for (int32_t x = 0; x < width; x++) {
        const uint32_t noise = next_random(&grain);
        const int32_t relief = tile[x % TILE] * s->texture[x] * 2;
        for (int c = 0; c < 3; c++) {
            const int32_t speck = (int32_t)(noise >> (8 * c) & 7) + (int32_t)(noise >> (8 * c + 3) & 7) - 7;
            const int32_t v = (s->sum[c * width + x] + relief + speck * ONE / 2) / ONE;
            rgb[3 * x + c] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
    }
}

simile_status photograph_draw(uint32_t seed, int32_t width, int32_t height, uint8_t *rgb, simile_error *err)
{
    scene s;
    const bool ok = scene_init(&s, seed, width);
    for (int32_t y = 0; ok && y < height; y++) {
        memset(s.sum, 0, 3 * (size_t)width * sizeof *s.sum);
        memset(s.texture, 0, (size_t)width * sizeof *s.texture);
        for (int i = 0; i < LAYERS; i++) lay(&s, &s.layers[i], i == 0, y, width);
        finish_row(&s, y, width, rgb + (size_t)y * (size_t)width * 3);
    }
    scene_release(&s);
    return ok ? SIMILE_OK : err_nomem(err);
}

simile_status photograph_enlarge(const image *from, uint32_t seed, int32_t width, int32_t height, uint8_t *rgb,
                                 simile_error *err)
{
    scene s;
    RETURN_IF_ERROR(image_resize(from->rgb, from->width, from->height, IMAGE_FILTER_BICUBIC, width, height, rgb, err));
    const bool ok = scene_init(&s, seed, width);
    for (int32_t y = 0; ok && y < height; y++) {
        uint8_t *row = rgb + (size_t)y * (size_t)width * 3;
        smooth_row(seed, COARSEST - 1, 2, y, width, s.shade);
        for (int32_t x = 0; x < width; x++) {
            const int32_t strength = 20 + s.shade[x] / (4 * ONE);
            s.texture[x] = strength < 2 ? 2 : strength;
            for (int c = 0; c < 3; c++) s.sum[c * width + x] = row[3 * x + c] * ONE;
        }
        finish_row(&s, y, width, row);
    }
    scene_release(&s);
    return ok ? SIMILE_OK : err_nomem(err);
}

simile_status photograph_jpeg(const uint8_t *rgb, int32_t width, int32_t height, int quality, bool progressive,
                              void **bytes, size_t *len, simile_error *err)
{
    void *made = NULL;
    *bytes = NULL;
    RETURN_IF_ERROR(image_init(err));
    VipsImage *raw = vips_image_new_from_memory(rgb, (size_t)width * (size_t)height * 3, width, height, 3,
                                                VIPS_FORMAT_UCHAR),
              *named = NULL;
    bool ok = raw && !vips_copy(raw, &named, "interpretation", VIPS_INTERPRETATION_sRGB, (const char *)NULL);
    if (ok)
        ok = !vips_jpegsave_buffer(named, &made, len, "Q", quality, "interlace", progressive, "subsample_mode",
                                   VIPS_FOREIGN_SUBSAMPLE_ON, (const char *)NULL);
    if (named) g_object_unref(named);
    if (raw) g_object_unref(raw);
    if (ok) *bytes = mem_alloc(*len);
    if (*bytes) memcpy(*bytes, made, *len);
    g_free(made);
    if (!ok) return err_set(err, SIMILE_E_INTERNAL, "cannot write a JPEG of %d x %d", width, height);
    return *bytes ? SIMILE_OK : err_nomem(err);
}
