/* SPDX-License-Identifier: Apache-2.0
 * taken.c - when a picture was taken, from the head of its file alone: nothing is decoded, and libvips is not asked.
 *
 * Where each format keeps its EXIF block:
 *
 *     JPEG        the first segment APP1 that begins with "Exif"; segments follow one another up to the scan (SOS)
 *     PNG         the chunk eXIf in front of the pixels (IDAT)
 *     WebP        the chunk EXIF of the RIFF file, behind the pixels
 *     HEIF, AVIF  box meta: iinf names the item of type Exif, iloc says where in the file its bytes are
 *                 (ISO/IEC 14496-12 8.11.3 and 8.11.6, ISO/IEC 23008-12 A.2.1)
 *     TIFF        the file itself is one
 *
 * Every step is bounded (STEPS pieces, BLOCK_MAX bytes read at once), every length comes from the file and is compared
 * with its size. What makes no sense has no date. Threads: pure but for the file. */
#include "base/file.h"
#include "base/mem.h"
#include "image/parts.h"

#include <unistd.h>

enum { STEPS = 256, BLOCK_MAX = 1 << 20, HEAD = 64 };

typedef struct {
    int fd;
    uint64_t size;
} source;

static bool get(const source *s, uint64_t at, void *out, size_t n)
{
    uint8_t *to = out;
    if (at > s->size || s->size - at < n) return false;
    while (n) {
        const ssize_t got = pread(s->fd, to, n, (off_t)at);
        if (got <= 0) return false;
        to += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

/* A block for mem_free; NULL: too large, not there, no memory. */
static uint8_t *get_block(const source *s, uint64_t at, uint64_t n)
{
    if (!n || n > BLOCK_MAX) return NULL;
    uint8_t *out = mem_alloc((size_t)n);
    if (out && get(s, at, out, (size_t)n)) return out;
    mem_free(out);
    return NULL;
}

static uint64_t big(const uint8_t *p, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) value = value << 8 | p[i];
    return value;
}

static int64_t taken_at(const source *s, uint64_t at, uint64_t n)
{
    uint8_t *block = get_block(s, at, n);
    const int64_t taken = block ? exif_read(block, (size_t)n).taken : INT64_MIN;
    mem_free(block);
    return taken;
}

static int64_t taken_jpeg(const source *s)
{
    uint8_t head[10]; /* FF, marker, length (2, counts itself), then what the segment holds */
    uint64_t at = 2;
    for (int i = 0; i < STEPS && get(s, at, head, sizeof head); i++) {
        const uint64_t len = big(head + 2, 2);
        if (head[0] != 0xff || head[1] == 0xda || head[1] == 0xd9) break;
        if (head[1] == 0xff) { /* a byte that fills */
            at++;
            continue;
        }
        if (len < 2) break;
        if (head[1] == 0xe1 && len > 8 && !memcmp(head + 4, "Exif\0", 5)) return taken_at(s, at + 4, len - 2);
        at += 2 + len;
    }
    return INT64_MIN;
}

static int64_t taken_png(const source *s)
{
    uint8_t head[8]; /* length, type */
    uint64_t at = 8;
    for (int i = 0; i < STEPS && get(s, at, head, sizeof head); i++) {
        const uint64_t len = big(head, 4);
        if (!memcmp(head + 4, "IDAT", 4)) break;
        if (!memcmp(head + 4, "eXIf", 4)) return taken_at(s, at + 8, len);
        at += 12 + len;
    }
    return INT64_MIN;
}

static int64_t taken_webp(const source *s)
{
    uint8_t head[8]; /* type, length in little-endian */
    uint64_t at = 12;
    for (int i = 0; i < STEPS && get(s, at, head, sizeof head); i++) {
        const uint64_t len =
            (uint64_t)head[4] | (uint64_t)head[5] << 8 | (uint64_t)head[6] << 16 | (uint64_t)head[7] << 24;
        if (!memcmp(head, "EXIF", 4)) return taken_at(s, at + 8, len);
        at += 8 + len + (len & 1);
    }
    return INT64_MIN;
}

/* ---- boxes of ISO base media files ---- */

typedef struct {
    const uint8_t *at, *end;
} view;

/* Takes n bytes as a number; false: they are not there. n is at most 8. */
static bool take(view *v, size_t n, uint64_t *out)
{
    if ((size_t)(v->end - v->at) < n) return false;
    *out = big(v->at, n);
    v->at += n;
    return true;
}

/* The next box of a block; *inside is what it holds. */
static bool next_box(view *v, uint32_t *type, view *inside)
{
    uint64_t len, name, head = 8;
    const uint8_t *const start = v->at;
    if (!take(v, 4, &len) || !take(v, 4, &name)) return false;
    if (len == 1) {
        if (!take(v, 8, &len)) return false;
        head = 16;
    }
    const uint64_t left = (uint64_t)(v->end - start);
    if (len == 0) len = left;
    if (len < head || len > left) return false;
    *type = (uint32_t)name;
    *inside = (view){start + head, start + len};
    v->at = start + len;
    return true;
}

enum {
    BOX_META = 0x6d657461,
    BOX_IINF = 0x69696e66,
    BOX_INFE = 0x696e6665,
    BOX_ILOC = 0x696c6f63,
    ITEM_EXIF = 0x45786966
};

static bool find_box(view in, uint32_t wanted, view *out)
{
    uint32_t type;
    for (int i = 0; i < STEPS && next_box(&in, &type, out); i++)
        if (type == wanted) return true;
    return false;
}

/* iinf: version and flags (4), count (2, or 4 from version 1 on), a box infe for each item. */
static bool find_exif_item(view iinf, uint64_t *id)
{
    uint64_t version, count, entry, protection, type;
    uint32_t box;
    view infe;
    if (!take(&iinf, 4, &version) || !take(&iinf, version >> 24 ? 4 : 2, &count)) return false;
    for (uint64_t i = 0; i < count && next_box(&iinf, &box, &infe); i++) {
        if (box != BOX_INFE || !take(&infe, 4, &entry) || entry >> 24 < 2) continue;
        if (!take(&infe, entry >> 24 > 2 ? 4 : 2, id) || !take(&infe, 2, &protection) || !take(&infe, 4, &type))
            continue;
        if (type == ITEM_EXIF) return true;
    }
    return false;
}

/* An entry of iloc: how long its fields are, in bytes. */
typedef struct {
    uint64_t version;
    size_t offset, length, base, index;
} iloc_shape;

/* One item: its id and where its first piece lies. In the file, that is: what lies in idat (method 1) is passed over.
 */
static bool take_location(view *v, const iloc_shape *shape, uint64_t *id, uint64_t *at, uint64_t *len)
{
    uint64_t method = 0, reference, base, pieces, index, offset;
    const size_t piece = shape->index + shape->offset + shape->length;
    if (!take(v, shape->version < 2 ? 2 : 4, id)) return false;
    if (shape->version && !take(v, 2, &method)) return false;
    if (!take(v, 2, &reference) || !take(v, shape->base, &base) || !take(v, 2, &pieces)) return false;
    *len = 0;
    if (!pieces) return true;
    if (!take(v, shape->index, &index) || !take(v, shape->offset, &offset) || !take(v, shape->length, len))
        return false;
    if ((size_t)(v->end - v->at) < (pieces - 1) * piece || __builtin_add_overflow(base, offset, at)) return false;
    v->at += (pieces - 1) * piece;
    if (method & 15) *len = 0;
    return true;
}

/* iloc: version and flags (4), four lengths of fields (4 bits each), count, an entry for each item. */
static bool find_location(view iloc, uint64_t wanted, uint64_t *at, uint64_t *len)
{
    uint64_t version, sizes, count, id;
    if (!take(&iloc, 4, &version) || !take(&iloc, 2, &sizes)) return false;
    iloc_shape shape = {version >> 24, sizes >> 12 & 15, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15};
    if (!shape.version) shape.index = 0;
    if (shape.version > 2 || shape.offset > 8 || shape.length > 8 || shape.base > 8 || shape.index > 8) return false;
    if (!take(&iloc, shape.version < 2 ? 2 : 4, &count)) return false;
    for (uint64_t i = 0; i < count && take_location(&iloc, &shape, &id, at, len); i++)
        if (id == wanted) return *len > 0;
    return false;
}

/* The item holds the distance (4) from behind itself to the TIFF header. */
static int64_t taken_item(const source *s, uint64_t at, uint64_t n)
{
    uint8_t *block = get_block(s, at, n);
    int64_t taken = INT64_MIN;
    const uint64_t skip = block && n > 4 ? 4 + big(block, 4) : 0;
    if (skip && skip < n) taken = exif_read(block + skip, (size_t)(n - skip)).taken;
    mem_free(block);
    return taken;
}

static int64_t taken_meta(const source *s, const uint8_t *block, size_t n)
{
    view meta = {block, block + n}, iinf, iloc;
    uint64_t version, id, at, len;
    if (!take(&meta, 4, &version) || !find_box(meta, BOX_IINF, &iinf) || !find_box(meta, BOX_ILOC, &iloc) ||
        !find_exif_item(iinf, &id) || !find_location(iloc, id, &at, &len))
        return INT64_MIN;
    return taken_item(s, at, len);
}

static int64_t taken_heif(const source *s)
{
    uint8_t head[8];
    uint64_t at = 0;
    for (int i = 0; i < STEPS && get(s, at, head, sizeof head); i++) {
        const uint64_t len = big(head, 4);
        if (len < 8) break; /* also 0 and 1, the last and the large ones: pixels, and meta stands in front of them */
        if (big(head + 4, 4) == BOX_META) {
            uint8_t *block = get_block(s, at + 8, len - 8);
            const int64_t taken = block ? taken_meta(s, block, (size_t)len - 8) : INT64_MIN;
            mem_free(block);
            return taken;
        }
        at += len;
    }
    return INT64_MIN;
}

static int64_t taken_from(const source *s)
{
    uint8_t head[HEAD];
    const char *name;
    const size_t n = s->size < HEAD ? (size_t)s->size : HEAD;
    if (!n || !get(s, 0, head, n)) return INT64_MIN;
    switch (sniff_format(head, n, &name)) {
    case FORMAT_JPEG: return taken_jpeg(s);
    case FORMAT_PNG: return taken_png(s);
    case FORMAT_WEBP: return taken_webp(s);
    case FORMAT_HEIF:
    case FORMAT_AVIF: return taken_heif(s);
    case FORMAT_TIFF: return taken_at(s, 0, s->size < BLOCK_MAX ? s->size : BLOCK_MAX);
    default: return INT64_MIN;
    }
}

int64_t image_taken(const char *path)
{
    size_t len;
    const int fd = file_open_regular(path, &len, NULL);
    if (fd < 0) return INT64_MIN;
    const source s = {.fd = fd, .size = len};
    const int64_t taken = taken_from(&s);
    close(fd);
    return taken;
}
