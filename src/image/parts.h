/* SPDX-License-Identifier: Apache-2.0
 * parts.h - what the files of this room tell one another. Nobody outside includes it.
 *
 * sniff.c  which format the first bytes announce        exif.c  orientation and date
 * jpeg_head.c  the size of a JPEG
 * rows.c   raw rows of any sample format to RGB         gif.c, bmp.c, pnm.c  decoders of our own */
#ifndef SIMILE_IMAGE_PARTS_H
#define SIMILE_IMAGE_PARTS_H

#include "image/image.h"

typedef enum {
    FORMAT_UNKNOWN,
    FORMAT_JPEG,
    FORMAT_PNG,
    FORMAT_WEBP,
    FORMAT_GIF,
    FORMAT_TIFF,
    FORMAT_HEIF,
    FORMAT_AVIF,
    FORMAT_BMP,
    FORMAT_PNM,
    FORMAT_REFUSED /* known, but no decoder that is safe for foreign files */
} picture_format;

/* *name is a constant: "jpeg", ... ; for FORMAT_REFUSED the full name for a message. */
picture_format sniff_format(const uint8_t *bytes, size_t len, const char **name);

typedef struct {
    int32_t orientation; /* 1..8; 1 when absent or nonsense */
    int64_t taken;       /* INT64_MIN when absent or nonsense */
} exif_facts;
/* bytes: "Exif\0\0" or nothing, then a TIFF structure; a whole TIFF file will do. Never fails: what makes no sense is
 * absent. */
exif_facts exif_read(const uint8_t *bytes, size_t len);
/* Pixels of one tile of a classic TIFF file, 0 when it has no tiles. */
uint64_t exif_tile_pixels(const uint8_t *bytes, size_t len);
/* "2021:03:04 05:06:07" and its common variants; INT64_MIN for anything else. */
int64_t exif_date(const char *text, size_t len);

typedef struct {
    int32_t width, height, components;
    uint64_t samples; /* of all components */
    bool whole;       /* decoding holds all frequencies at once, two bytes each: progressive, or a scan a component */
} jpeg_head;
/* False: something is unusual, which libjpeg may well read. */
bool jpeg_head_read(const uint8_t *bytes, size_t len, jpeg_head *out);

/* How the samples of a row become RGB: the rules of Pillow's convert("RGB"). 16 bits are in the machine's order. */
typedef enum {
    ROW_GREY8,          /* replicate */
    ROW_GREY16_HIGH,    /* the high byte: 16-bit grey with alpha */
    ROW_GREY16_CLAMP,   /* saturates: 16-bit grey alone */
    ROW_GREY_INT_CLAMP, /* signed and 32-bit whole numbers saturate too */
    ROW_GREY_FLOAT_CLAMP,
    ROW_RGB8,
    ROW_RGB16, /* the high bytes */
    ROW_CMYK8,
    ROW_CMYK16
} row_rule;
typedef struct {
    row_rule rule;
    size_t bands;  /* samples a pixel; what the rule does not name (alpha) is passed over */
    size_t sample; /* bytes of one */
    bool is_signed;
} row_layout;
void rows_to_rgb(const row_layout *layout, const uint8_t *row, size_t width, uint8_t *rgb);

/* Puts n_rows rows of a picture whose stored size is width x height, from row y on, where the orientation wants them.
 * rgb: [n_rows, width, 3]; out: the whole picture, [height, width, 3] or transposed. */
void rows_place(const uint8_t *rgb, size_t y, size_t n_rows, size_t width, size_t height, int orientation,
                uint8_t *out);

/* Checks the size against the limit, then allocates. The pixels are zero. */
simile_status picture_allocate(image *out, int64_t width, int64_t height, int64_t max_pixels, const char *subject,
                               simile_error *err);
simile_status picture_damaged(const char *name, const char *subject, simile_error *err);

simile_status gif_decode(const uint8_t *bytes, size_t len, const char *subject, int64_t max_pixels, image *out,
                         simile_error *err);
simile_status bmp_decode(const uint8_t *bytes, size_t len, const char *subject, int64_t max_pixels, image *out,
                         simile_error *err);
uint64_t bmp_pixels(const uint8_t *bytes, size_t len); /* by its header; 0: it will be refused */
simile_status pnm_decode(const uint8_t *bytes, size_t len, const char *subject, int64_t max_pixels, image *out,
                         simile_error *err);

#endif
