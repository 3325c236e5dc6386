/* SPDX-License-Identifier: Apache-2.0
 * rows.c - rows of any sample format to 8-bit RGB, and to their place under an EXIF orientation.
 *
 * The colour rules are those of Pillow's Image.convert("RGB") (libImaging/Convert.c, Unpack.c), because the published
 * weights were trained on its output: alpha is dropped and not composited, 16-bit grey saturates at 255 while 16-bit
 * colour keeps its high byte, and CMYK goes through nk = 255 - K, c = nk - C x nk / 255 without a colour profile.
 * Threads: pure. */
#include "image/parts.h"

#include <string.h>

static uint16_t sample16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint8_t clamp_int(const uint8_t *p, size_t size, bool is_signed)
{
    int64_t v = 0;
    if (size == 1) v = is_signed ? (int8_t)*p : *p;
    if (size == 2) v = is_signed ? (int16_t)sample16(p) : sample16(p);
    if (size == 4) {
        uint32_t u;
        memcpy(&u, p, sizeof u);
        v = is_signed ? (int64_t)(int32_t)u : (int64_t)u;
    }
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static uint8_t clamp_float(const uint8_t *p, size_t size)
{
    double v = 0;
    float f;
    if (size == sizeof v) {
        memcpy(&v, p, sizeof v);
    } else {
        memcpy(&f, p, sizeof f);
        v = (double)f;
    }
    return (uint8_t)(v >= 255 ? 255 : v > 0 ? (int)v : 0); /* NaN fails both comparisons */
}

static uint8_t grey_of(const row_layout *layout, const uint8_t *p)
{
    switch (layout->rule) {
    case ROW_GREY16_HIGH: return (uint8_t)(sample16(p) >> 8);
    case ROW_GREY16_CLAMP: return (uint8_t)(sample16(p) > 255 ? 255 : sample16(p));
    case ROW_GREY_INT_CLAMP: return clamp_int(p, layout->sample, layout->is_signed);
    case ROW_GREY_FLOAT_CLAMP: return clamp_float(p, layout->sample);
    default: return *p;
    }
}

static void grey_row(const row_layout *layout, const uint8_t *row, size_t width, uint8_t *rgb)
{
    const size_t step = layout->bands * layout->sample;
    for (size_t x = 0; x < width; x++) memset(rgb + 3 * x, grey_of(layout, row + x * step), 3);
}

/* Pillow's MULDIV255: a x b / 255, rounded. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    const uint32_t t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

static void cmyk_row(const row_layout *layout, const uint8_t *row, size_t width, uint8_t *rgb)
{
    const size_t step = layout->bands * layout->sample;
    const bool wide = layout->rule == ROW_CMYK16;
    for (size_t x = 0; x < width; x++) {
        uint32_t ink[4];
        for (size_t i = 0; i < 4; i++) {
            const uint8_t *p = row + x * step + i * layout->sample;
            ink[i] = wide ? sample16(p) >> 8 : *p;
        }
        const uint32_t light = 255 - ink[3];
        for (size_t i = 0; i < 3; i++) rgb[3 * x + i] = (uint8_t)(light - multiply(ink[i], light));
    }
}

static void rgb_row(const row_layout *layout, const uint8_t *row, size_t width, uint8_t *rgb)
{
    if (layout->rule == ROW_RGB8 && layout->bands == 3) {
        memcpy(rgb, row, width * 3);
        return;
    }
    const size_t bands = layout->bands;
    if (layout->rule == ROW_RGB8)
        for (size_t x = 0; x < width; x++) memcpy(rgb + 3 * x, row + bands * x, 3);
    else
        for (size_t x = 0; x < width; x++)
            for (size_t i = 0; i < 3; i++) rgb[3 * x + i] = (uint8_t)(sample16(row + 2 * (bands * x + i)) >> 8);
}

void rows_to_rgb(const row_layout *layout, const uint8_t *row, size_t width, uint8_t *rgb)
{
    switch (layout->rule) {
    case ROW_RGB8:
    case ROW_RGB16: rgb_row(layout, row, width, rgb); break;
    case ROW_CMYK8:
    case ROW_CMYK16: cmyk_row(layout, row, width, rgb); break;
    default: grey_row(layout, row, width, rgb); break;
    }
}

/* Orientations: 1 as is, 2 mirrored, 3 turned by half, 4 upside down, 5 transposed, 6 stored turned left (turn it
 * right), 7 transposed over the other diagonal, 8 stored turned right. */
static void place_turned(const uint8_t *rgb, size_t y, size_t n_rows, size_t width, size_t height, int orientation,
                         uint8_t *out)
{
    const bool from_bottom = orientation == 6 || orientation == 7; /* the stored row y becomes a column */
    const bool flipped = orientation == 7 || orientation == 8;     /* and column x becomes row width-1-x */
    for (size_t x = 0; x < width; x++) {
        uint8_t *row = out + (flipped ? width - 1 - x : x) * height * 3;
        for (size_t i = 0; i < n_rows; i++) {
            const size_t column = from_bottom ? height - 1 - (y + i) : y + i;
            memcpy(row + column * 3, rgb + (i * width + x) * 3, 3);
        }
    }
}

void rows_place(const uint8_t *rgb, size_t y, size_t n_rows, size_t width, size_t height, int orientation, uint8_t *out)
{
    if (orientation >= 5 && orientation <= 8) {
        place_turned(rgb, y, n_rows, width, height, orientation, out);
        return;
    }
    const bool mirrored = orientation == 2 || orientation == 3, upside_down = orientation == 3 || orientation == 4;
    for (size_t i = 0; i < n_rows; i++) {
        const uint8_t *from = rgb + i * width * 3;
        uint8_t *to = out + (upside_down ? height - 1 - (y + i) : y + i) * width * 3;
        if (!mirrored)
            memcpy(to, from, width * 3);
        else
            for (size_t x = 0; x < width; x++) memcpy(to + 3 * x, from + 3 * (width - 1 - x), 3);
    }
}
