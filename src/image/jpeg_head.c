/* SPDX-License-Identifier: Apache-2.0
 * jpeg_head.c - the size of a JPEG, and whether decoding holds all of its frequencies, from its markers (ITU-T T.81,
 * annex B) up to the first scan. Nothing is decided by it but how much memory to set aside and at which scale to open:
 * libjpeg reads the same markers again. Threads: pure. */
#include "image/parts.h"

enum { SOI = 0xd8, EOI = 0xd9, SOS = 0xda, TEM = 0x01, RST0 = 0xd0, RST7 = 0xd7, SOF0 = 0xc0, SOF15 = 0xcf };
enum { DHT = 0xc4, JPG = 0xc8, DAC = 0xcc, SOF2 = 0xc2, SOF10 = 0xca, MOST_COMPONENTS = 4 };

static uint32_t read16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static bool is_frame(int marker)
{
    return marker >= SOF0 && marker <= SOF15 && marker != DHT && marker != JPG && marker != DAC;
}

/* body: behind the length. Samples: of all components at their own resolution. */
static bool read_frame(int marker, const uint8_t *body, size_t len, jpeg_head *out)
{
    uint32_t most_across = 1, most_down = 1;
    if (len < 6 || len < 6 + 3 * (size_t)body[5] || body[5] < 1 || body[5] > MOST_COMPONENTS) return false;
    out->height = (int32_t)read16(body + 1);
    out->width = (int32_t)read16(body + 3);
    out->components = body[5];
    out->whole = marker == SOF2 || marker == SOF10;
    for (int i = 0; i < out->components; i++) {
        const uint32_t across = body[7 + 3 * i] >> 4, down = body[7 + 3 * i] & 15;
        if (across < 1 || across > 4 || down < 1 || down > 4) return false;
        if (across > most_across) most_across = across;
        if (down > most_down) most_down = down;
    }
    uint64_t parts = 0;
    for (int i = 0; i < out->components; i++)
        parts += (uint64_t)(body[7 + 3 * i] >> 4) * (uint64_t)(body[7 + 3 * i] & 15);
    out->samples = (uint64_t)out->width * (uint64_t)out->height * parts / (most_across * most_down);
    return out->width > 0 && out->height > 0;
}

bool jpeg_head_read(const uint8_t *bytes, size_t len, jpeg_head *out)
{
    bool framed = false;
    *out = (jpeg_head){0};
    for (size_t at = 0; at + 4 <= len;) {
        const int marker = bytes[at + 1];
        if (bytes[at] != 0xff) return false;
        if (marker == 0xff) { /* padding */
            at++;
            continue;
        }
        if (marker == SOI || marker == TEM || (marker >= RST0 && marker <= RST7)) {
            at += 2;
            continue;
        }
        const size_t length = read16(bytes + at + 2);
        if (marker == EOI || length < 2 || length > len - at - 2) return false;
        if (is_frame(marker)) {
            if (framed || !read_frame(marker, bytes + at + 4, length - 2, out)) return false;
            framed = true;
        }
        if (marker == SOS) { /* a scan of some components alone: the others come later */
            if (framed && length > 2 && bytes[at + 4] < out->components) out->whole = true;
            return framed;
        }
        at += 2 + length;
    }
    return false;
}
