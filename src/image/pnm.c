/* SPDX-License-Identifier: Apache-2.0
 * pnm.c - the Netpbm formats P1 to P6 (bitmap, grey map, pixel map; plain and raw).
 *
 * Samples are scaled to 0..255 by round(v / maxval x 255), halves to even; grey maps with more than 8 bits saturate
 * instead, as every 16-bit grey picture does under Pillow's convert("RGB"). Threads: pure. */
#include "image/parts.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

typedef struct {
    const uint8_t *bytes;
    size_t len, at;
} reader;

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_blanks(reader *r)
{
    while (r->at < r->len) {
        if (r->bytes[r->at] == '#') {
            while (r->at < r->len && r->bytes[r->at] != '\n' && r->bytes[r->at] != '\r') r->at++;
        } else if (is_space(r->bytes[r->at])) {
            r->at++;
        } else {
            return;
        }
    }
}

/* A decimal number of at most 9 digits; -1 when there is none. */
static int64_t next_number(reader *r)
{
    int64_t value = 0;
    int n = 0;
    skip_blanks(r);
    for (; r->at < r->len && r->bytes[r->at] >= '0' && r->bytes[r->at] <= '9'; n++) {
        if (n == 9) return -1;
        value = value * 10 + (r->bytes[r->at++] - '0');
    }
    if (r->at < r->len && !is_space(r->bytes[r->at]) && r->bytes[r->at] != '#') return -1;
    return n ? value : -1;
}

typedef struct {
    int kind; /* 1..6 */
    int64_t width, height, max;
    uint8_t *scaled; /* [max + 1] */
} pnm_head;

static bool read_head(reader *r, pnm_head *head)
{
    *head = (pnm_head){.kind = r->bytes[1] - '0', .max = 1};
    r->at = 2;
    head->width = next_number(r);
    head->height = next_number(r);
    if (head->kind != 1 && head->kind != 4) head->max = next_number(r);
    if (head->width < 1 || head->height < 1 || head->max < 1 || head->max > 65535) return false;
    r->at++; /* the single blank before the samples */
    return r->at <= r->len;
}

static bool make_scale(pnm_head *head)
{
    const bool grey = head->kind == 2 || head->kind == 5;
    const double top = grey && head->max > 255 ? 65535 : 255;
    head->scaled = mem_alloc((size_t)head->max + 1);
    for (int64_t v = 0; head->scaled && v <= head->max; v++) {
        const double scaled = rint((double)v / (double)head->max * top);
        head->scaled[v] = (uint8_t)(scaled > 255 ? 255 : scaled);
    }
    return head->scaled != NULL;
}

/* The next sample, -1 when the data ended or it is out of range. */
static int next_sample(reader *r, const pnm_head *head)
{
    if (head->kind <= 3) {
        const int64_t v = next_number(r);
        return v < 0 || v > head->max ? -1 : head->scaled[v];
    }
    const size_t size = head->max > 255 ? 2 : 1;
    if (r->len - r->at < size) return -1;
    const uint8_t *p = r->bytes + r->at;
    r->at += size;
    const int64_t v = size == 2 ? p[0] << 8 | p[1] : p[0];
    return head->scaled[v > head->max ? head->max : v];
}

/* P1: digits without blanks are allowed; P4: eight pixels a byte, each row begins a new one. 1 is black. */
static bool read_bits(reader *r, const pnm_head *head, uint8_t *rgb)
{
    for (int64_t y = 0; y < head->height; y++)
        for (int64_t x = 0; x < head->width; x++, rgb += 3) {
            if (head->kind == 1) skip_blanks(r);
            if (r->at >= r->len) return false;
            const uint8_t byte = r->bytes[r->at];
            const bool last = head->kind == 1 || x % 8 == 7 || x == head->width - 1;
            if (head->kind == 1 && byte != '0' && byte != '1') return false;
            const int bit = head->kind == 1 ? byte - '0' : byte >> (7 - x % 8) & 1;
            memset(rgb, bit ? 0 : 255, 3);
            if (last) r->at++;
        }
    return true;
}

static bool read_samples(reader *r, const pnm_head *head, uint8_t *rgb)
{
    const bool grey = head->kind == 2 || head->kind == 5;
    const size_t n = (size_t)head->width * (size_t)head->height * (grey ? 1 : 3);
    if (head->kind == 6 && head->max == 255) {
        if (r->len - r->at < n) return false;
        memcpy(rgb, r->bytes + r->at, n);
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        const int v = next_sample(r, head);
        if (v < 0) return false;
        if (grey)
            memset(rgb + 3 * i, v, 3);
        else
            rgb[i] = (uint8_t)v;
    }
    return true;
}

simile_status pnm_decode(const uint8_t *bytes, size_t len, const char *subject, int64_t max_pixels, image *out,
                         simile_error *err)
{
    reader r = {bytes, len, 0};
    pnm_head head;
    if (!read_head(&r, &head)) return picture_damaged("pnm", subject, err);
    RETURN_IF_ERROR(picture_allocate(out, head.width, head.height, max_pixels, subject, err));
    if (!make_scale(&head)) return err_nomem(err);
    const bool bits = head.kind == 1 || head.kind == 4;
    const bool ok = bits ? read_bits(&r, &head, out->rgb) : read_samples(&r, &head, out->rgb);
    mem_free(head.scaled);
    return ok ? SIMILE_OK : picture_damaged("pnm", subject, err);
}
