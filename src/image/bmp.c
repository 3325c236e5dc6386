/* SPDX-License-Identifier: Apache-2.0
 * bmp.c - Windows and OS/2 bitmaps: 1, 4, 8, 16, 24 and 32 bits, bit fields, run lengths.
 *
 *     0 "BM"  2 file size  10 offset of the pixels  14 size of the header that follows (12 or 40 to 124)
 *     18 width  22 height (below zero: top row first)  28 bits  30 compression  46 colours  54 masks
 * Rows are padded to 4 bytes and usually come bottom row first. 5 and 6 bits become v x 255 / 31 and / 63, alpha is
 * dropped and indices beyond the colour table are black, as in Pillow (PIL/BmpImagePlugin.py, libImaging/Unpack.c).
 * A run-length picture whose data ends before its last row is truncated: an error. Threads: pure. */
#include "image/parts.h"

#include "base/mem.h"

#include <string.h>

enum { BMP_RAW = 0, BMP_RLE8 = 1, BMP_RLE4 = 2, BMP_FIELDS = 3 };

typedef struct {
    int64_t width, height;
    bool top_down;
    uint32_t bits, compression;
    size_t pixels;     /* offset in the file */
    uint32_t masks[3]; /* red, green, blue; for 16 and 32 bits */
    uint8_t colours[256][3];
} bmp_head;

/* 0 when it lies outside; whether it does is checked where it matters. */
static uint32_t u16(const uint8_t *bytes, size_t len, size_t at)
{
    return at > len || len - at < 2 ? 0 : (uint32_t)bytes[at] | (uint32_t)bytes[at + 1] << 8;
}
static uint32_t u32(const uint8_t *bytes, size_t len, size_t at)
{
    return u16(bytes, len, at) | u16(bytes, len, at + 2) << 16;
}

static bool masks_known(const bmp_head *h)
{
    static const uint32_t known[][4] = {
        {32, 0xff0000, 0xff00, 0xff}, {32, 0xff000000, 0xff0000, 0xff00}, {32, 0xff000000, 0xff00, 0xff},
        {32, 0xff, 0xff00, 0xff0000}, {24, 0xff0000, 0xff00, 0xff},       {16, 0xf800, 0x7e0, 0x1f},
        {16, 0x7c00, 0x3e0, 0x1f},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i][0] == h->bits && !memcmp(known[i] + 1, h->masks, sizeof h->masks)) return true;
    return false;
}

static bool read_masks(const uint8_t *bytes, size_t len, bmp_head *h)
{
    static const uint32_t narrow[] = {0x7c00, 0x3e0, 0x1f}, wide[] = {0xff0000, 0xff00, 0xff};
    memcpy(h->masks, h->bits == 16 ? narrow : wide, sizeof h->masks);
    if (h->compression != BMP_FIELDS) return true;
    for (size_t i = 0; i < 3; i++) h->masks[i] = u32(bytes, len, 54 + 4 * i);
    if (h->bits == 32 && !(h->masks[0] | h->masks[1] | h->masks[2])) memcpy(h->masks, wide, sizeof wide);
    return masks_known(h);
}

/* The colour table lies behind the header; entry: bytes of one colour, blue first. */
static bool read_colours(const uint8_t *bytes, size_t len, size_t at, uint32_t n, size_t entry, bmp_head *h)
{
    if (n > 65536 || at > len || (len - at) / entry < n) return false;
    for (uint32_t i = 0; i < n && i < 256; i++)
        for (size_t c = 0; c < 3; c++) h->colours[i][c] = bytes[at + i * entry + 2 - c];
    return true;
}

static bool read_head(const uint8_t *bytes, size_t len, bmp_head *h)
{
    const size_t size = bytes[14];
    const bool old = size == 12;
    *h = (bmp_head){0};
    if (len < 14 + size) return false;
    h->width = old ? u16(bytes, len, 18) : u32(bytes, len, 18);
    const uint32_t height = old ? u16(bytes, len, 20) : u32(bytes, len, 22);
    h->top_down = !old && height >> 24 == 0xff;
    h->height = h->top_down ? 0x100000000 - height : height;
    h->bits = old ? u16(bytes, len, 24) : u16(bytes, len, 28);
    h->compression = old ? BMP_RAW : u32(bytes, len, 30);
    h->pixels = u32(bytes, len, 10);
    uint32_t n = old ? 0 : u32(bytes, len, 46);
    const size_t entry = old ? 3 : 4;
    if (h->bits <= 8) {
        if (!n) n = 1U << h->bits;
        if (!read_colours(bytes, len, 14 + size, n, entry, h)) return false;
        if (h->pixels == 14 + size) h->pixels += n * entry; /* some writers forget the table */
    }
    return h->pixels <= len && read_masks(bytes, len, h);
}

static bool head_supported(const bmp_head *h)
{
    const uint32_t bits = h->bits;
    if (h->compression == BMP_RLE8) return bits == 8;
    if (h->compression == BMP_RLE4) return bits == 4;
    if (h->compression == BMP_FIELDS) return bits == 16 || bits == 24 || bits == 32;
    return h->compression == BMP_RAW && (bits == 1 || bits == 4 || bits == 8 || bits == 16 || bits == 24 || bits == 32);
}

static uint8_t field(uint32_t pixel, uint32_t mask)
{
    const int shift = __builtin_ctz(mask);
    return (uint8_t)((pixel >> shift & mask >> shift) * 255 / (mask >> shift));
}

static void unpack_row(const bmp_head *h, const uint8_t *row, uint8_t *rgb)
{
    for (size_t x = 0; x < (size_t)h->width; x++) {
        if (h->bits <= 8) {
            const size_t bit = x * h->bits;
            const uint32_t shift = 8 - h->bits - (uint32_t)(bit % 8);
            memcpy(rgb + 3 * x, h->colours[row[bit / 8] >> shift & ((1U << h->bits) - 1)], 3);
            continue;
        }
        uint32_t pixel = 0;
        for (size_t i = 0; i < h->bits / 8; i++) pixel |= (uint32_t)row[x * h->bits / 8 + i] << 8 * i;
        for (size_t c = 0; c < 3; c++) rgb[3 * x + c] = field(pixel, h->masks[c]);
    }
}

static bool unpack(const bmp_head *h, const uint8_t *bytes, size_t len, image *out)
{
    const size_t stride = ((size_t)h->width * h->bits + 31) / 32 * 4, height = (size_t)h->height;
    if ((len - h->pixels) / stride < height) {
        /* The padding of the very last row may be missing. */
        const size_t needed = stride * (height - 1) + ((size_t)h->width * h->bits + 7) / 8;
        if (len - h->pixels < needed) return false;
    }
    for (size_t y = 0; y < height; y++)
        unpack_row(h, bytes + h->pixels + y * stride,
                   out->rgb + (h->top_down ? y : height - 1 - y) * (size_t)h->width * 3);
    return true;
}

typedef struct {
    const uint8_t *bytes;
    size_t len, at;
    uint8_t *indices;
    size_t done, total, x, width;
    bool nibbles;
} runs;

static void put(runs *r, uint8_t index)
{
    if (r->done < r->total) r->indices[r->done++] = index;
}

/* n pixels of one byte: two alternating nibbles in the 4-bit kind. */
static void put_run(runs *r, size_t n, uint8_t byte)
{
    if (n > r->width - r->x) n = r->width - r->x;
    for (size_t i = 0; i < n; i++) put(r, !r->nibbles ? byte : i % 2 ? byte & 15 : byte >> 4);
    r->x += n;
}

/* n pixels one by one, the data padded to an even place in the file. */
static bool put_absolute(runs *r, size_t n)
{
    const size_t size = r->nibbles ? (n + 1) / 2 : n;
    if (r->len - r->at < size) return false;
    for (size_t i = 0; i < n; i++) {
        const uint8_t byte = r->bytes[r->at + (r->nibbles ? i / 2 : i)];
        put(r, !r->nibbles ? byte : i % 2 ? byte & 15 : byte >> 4);
    }
    r->at += size;
    if (r->at % 2 && r->at < r->len) r->at++;
    r->x = r->done % r->width;
    return true;
}

static void put_blanks(runs *r, size_t n)
{
    while (n-- && r->done < r->total) put(r, 0);
}

/* Code 0: the end of a row, of the picture, a jump, or pixels one by one. false: stop. */
static bool put_escape(runs *r, uint8_t code)
{
    if (code == 1) return false;
    if (code == 0) {
        if (r->done % r->width) put_blanks(r, r->width - r->done % r->width);
        r->x = 0;
        return true;
    }
    if (code > 2) return put_absolute(r, code);
    if (r->len - r->at < 2) return false;
    put_blanks(r, r->bytes[r->at] + r->bytes[r->at + 1] * r->width);
    r->at += 2;
    r->x = r->done % r->width;
    return true;
}

static simile_status unpack_runs(const bmp_head *h, const uint8_t *bytes, size_t len, const char *subject, image *out,
                                 simile_error *err)
{
    const size_t width = (size_t)h->width, height = (size_t)h->height;
    runs r = {bytes, len, h->pixels, mem_alloc(width * height), 0, width * height, 0, width, h->bits == 4};
    if (!r.indices) return err_nomem(err);
    bool going = true;
    while (going && r.done < r.total && r.len - r.at >= 2) {
        const uint8_t n = bytes[r.at], byte = bytes[r.at + 1];
        r.at += 2;
        if (n)
            put_run(&r, n, byte);
        else
            going = put_escape(&r, byte);
    }
    const bool complete = r.done == r.total;
    for (size_t i = 0; complete && i < r.total; i++) {
        const size_t y = i / width, row = h->top_down ? y : height - 1 - y;
        memcpy(out->rgb + 3 * (row * width + i % width), h->colours[r.indices[i]], 3);
    }
    mem_free(r.indices);
    return complete ? SIMILE_OK : picture_damaged("bmp", subject, err);
}

uint64_t bmp_pixels(const uint8_t *bytes, size_t len)
{
    bmp_head head;
    const bool read = len > 14 && read_head(bytes, len, &head);
    return read && head.width <= INT32_MAX && head.height <= INT32_MAX ? (uint64_t)(head.width * head.height) : 0;
}

simile_status bmp_decode(const uint8_t *bytes, size_t len, const char *subject, int64_t max_pixels, image *out,
                         simile_error *err)
{
    bmp_head head;
    if (!read_head(bytes, len, &head)) return picture_damaged("bmp", subject, err);
    if (!head_supported(&head))
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': a bmp of an unusual kind", subject);
    RETURN_IF_ERROR(picture_allocate(out, head.width, head.height, max_pixels, subject, err));
    if (head.compression == BMP_RLE8 || head.compression == BMP_RLE4)
        return unpack_runs(&head, bytes, len, subject, out, err);
    return unpack(&head, bytes, len, out) ? SIMILE_OK : picture_damaged("bmp", subject, err);
}
