/* SPDX-License-Identifier: Apache-2.0
 * gif.c - the first frame of a GIF, with the colours that lie below transparent pixels.
 *
 * Format: GIF89a (CompuServe, 1990). The result follows Pillow's convert("RGB") of the first frame: transparency is
 * dropped, what the frame does not cover has the colour of the transparent index (or of index 0), indices beyond the
 * colour table are black, a colour table that is the grey ramp counts as no table, and a frame that reaches over the
 * edge widens the canvas. Data that ends without an end code is truncated: an error. Threads: pure. */
#include "image/parts.h"

#include "base/mem.h"

#include <string.h>

enum { CODES = 4096, CODE_BITS = 12 };

typedef struct {
    const uint8_t *bytes;
    size_t len, at;
} reader;

typedef struct {
    uint8_t colours[256][3];
    uint32_t width, height; /* canvas */
    uint32_t x, y, w, h;    /* the frame on it */
    bool interlaced;
    int transparent;    /* index or -1 */
    uint32_t code_bits; /* smallest code size */
} gif_frame;

static bool take(reader *r, size_t n, const uint8_t **out)
{
    if (r->len - r->at < n) return false;
    *out = r->bytes + r->at;
    r->at += n;
    return true;
}

static uint32_t u16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static void grey_ramp(uint8_t colours[256][3])
{
    for (int i = 0; i < 256; i++) memset(colours[i], i, 3);
}

static bool read_colours(reader *r, uint32_t flags, uint8_t colours[256][3])
{
    if (!(flags & 0x80)) return true;
    const uint8_t *table;
    const size_t n = (size_t)2 << (flags & 7);
    bool is_ramp = true;
    if (!take(r, n * 3, &table)) return false;
    for (size_t i = 0; i < n * 3; i++) is_ramp &= table[i] == i / 3;
    grey_ramp(colours);
    if (is_ramp) return true;
    memset(colours, 0, 256 * 3);
    memcpy(colours, table, n * 3);
    return true;
}

static bool read_extension(reader *r, gif_frame *frame)
{
    const uint8_t *label, *size, *block;
    if (!take(r, 1, &label)) return false;
    for (bool first = true; take(r, 1, &size); first = false) {
        if (!*size) return true;
        if (!take(r, *size, &block)) return false;
        if (first && *label == 0xf9 && *size >= 4 && block[0] & 1) frame->transparent = block[3];
    }
    return false;
}

static bool read_descriptor(reader *r, gif_frame *frame)
{
    const uint8_t *p;
    if (!take(r, 9, &p)) return false;
    frame->x = u16(p);
    frame->y = u16(p + 2);
    frame->w = u16(p + 4);
    frame->h = u16(p + 6);
    frame->interlaced = p[8] & 0x40;
    if (frame->x + frame->w > frame->width) frame->width = frame->x + frame->w;
    if (frame->y + frame->h > frame->height) frame->height = frame->y + frame->h;
    if (!read_colours(r, p[8], frame->colours) || !take(r, 1, &p)) return false;
    frame->code_bits = *p;
    return frame->code_bits < CODE_BITS;
}

/* Up to the first byte of the first frame's data. */
static bool read_head(reader *r, gif_frame *frame)
{
    const uint8_t *p;
    *frame = (gif_frame){.transparent = -1};
    if (!take(r, 13, &p)) return false;
    frame->width = u16(p + 6);
    frame->height = u16(p + 8);
    grey_ramp(frame->colours);
    if (!read_colours(r, p[10], frame->colours)) return false;
    while (take(r, 1, &p)) {
        if (*p == 0x2c) return read_descriptor(r, frame);
        if (*p == 0x3b) return false;
        if (*p == 0x21 && !read_extension(r, frame)) return false;
    }
    return false;
}

typedef struct {
    reader *in;
    uint32_t block_left, bits, n_bits;
} bit_reader;

/* -1: the data ended */
static int next_code(bit_reader *b, uint32_t size)
{
    const uint8_t *p;
    while (b->n_bits < size) {
        if (!b->block_left) {
            if (!take(b->in, 1, &p) || !*p) return -1;
            b->block_left = *p;
        }
        if (!take(b->in, 1, &p)) return -1;
        b->block_left--;
        b->bits |= (uint32_t)*p << b->n_bits;
        b->n_bits += 8;
    }
    const uint32_t code = b->bits & ((1U << size) - 1);
    b->bits >>= size;
    b->n_bits -= size;
    return (int)code;
}

typedef struct {
    uint16_t prefix[CODES];
    uint8_t last[CODES], stack[CODES + 1];
} lzw;

/* Unrolls the chain of a code onto the stack, last index first; prefixes are smaller than the code, so it ends. */
static size_t unroll(lzw *t, uint32_t code, uint32_t clear, size_t n)
{
    while (code > clear) {
        t->stack[n++] = t->last[code];
        code = t->prefix[code];
    }
    t->stack[n++] = (uint8_t)code;
    return n;
}

/* Fills indices [w x h] as they come. false: damaged or truncated. */
static bool decode_indices(reader *r, const gif_frame *frame, lzw *t, uint8_t *indices)
{
    const uint32_t clear = 1U << frame->code_bits;
    const size_t total = (size_t)frame->w * frame->h;
    bit_reader b = {.in = r};
    uint32_t size = frame->code_bits + 1, next = clear + 2;
    int previous = -1;
    uint8_t first = 0;
    for (size_t done = 0; done < total;) {
        const int got = next_code(&b, size);
        if (got < 0) return false;
        const uint32_t code = (uint32_t)got;
        if (code == clear) {
            size = frame->code_bits + 1;
            next = clear + 2;
            previous = -1;
            continue;
        }
        if (code == clear + 1) return true;
        if (code > next || (previous < 0 && code > clear) || (code == next && next >= CODES)) return false;
        size_t n = 0;
        if (code == next) t->stack[n++] = first; /* the code that is being defined: previous + its first */
        n = unroll(t, code == next ? (uint32_t)previous : code, clear, n);
        first = t->stack[n - 1];
        while (n && done < total) indices[done++] = t->stack[--n];
        if (previous >= 0 && next < CODES) {
            t->prefix[next] = (uint16_t)previous;
            t->last[next++] = first;
            if (next == 1U << size && size < CODE_BITS) size++;
        }
        previous = got;
    }
    return true;
}

/* The row of the frame that comes i-th: an interlaced one has rows 0, 8, ... then 4, 12, ... 2, 6, ... 1, 3, ... */
static uint32_t row_of(const gif_frame *frame, uint32_t i)
{
    static const uint8_t offset[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
    if (!frame->interlaced) return i;
    for (int pass = 0; pass < 4; pass++) {
        const uint32_t n = frame->h > offset[pass] ? (frame->h - offset[pass] + step[pass] - 1U) / step[pass] : 0;
        if (i < n) return offset[pass] + i * step[pass];
        i -= n;
    }
    return 0;
}

static void paint(const gif_frame *frame, const uint8_t *indices, image *out)
{
    const uint8_t *ground = frame->colours[frame->transparent < 0 ? 0 : frame->transparent];
    const size_t n = (size_t)out->width * (size_t)out->height;
    if (frame->w != frame->width || frame->h != frame->height)
        for (size_t i = 0; i < n; i++) memcpy(out->rgb + 3 * i, ground, 3);
    for (uint32_t i = 0; i < frame->h; i++) {
        uint8_t *to = out->rgb + 3 * ((size_t)(frame->y + row_of(frame, i)) * frame->width + frame->x);
        for (uint32_t x = 0; x < frame->w; x++)
            memcpy(to + 3 * x, frame->colours[indices[(size_t)i * frame->w + x]], 3);
    }
}

simile_status gif_decode(const uint8_t *bytes, size_t len, const char *subject, int64_t max_pixels, image *out,
                         simile_error *err)
{
    reader r = {bytes, len, 0};
    gif_frame frame;
    if (!read_head(&r, &frame)) return picture_damaged("gif", subject, err);
    RETURN_IF_ERROR(picture_allocate(out, frame.width, frame.height, max_pixels, subject, err));
    simile_status status = SIMILE_OK;
    lzw *table = mem_new(lzw);
    uint8_t *indices = mem_alloc((size_t)frame.w * frame.h);
    if (!table || !indices) {
        status = err_nomem(err);
        goto done;
    }
    memset(indices, frame.transparent < 0 ? 0 : frame.transparent, (size_t)frame.w * frame.h);
    if (!decode_indices(&r, &frame, table, indices)) {
        status = picture_damaged("gif", subject, err);
        goto done;
    }
    paint(&frame, indices, out);
done:
    mem_free(table);
    mem_free(indices);
    return status;
}
