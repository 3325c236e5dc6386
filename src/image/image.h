/* SPDX-License-Identifier: Apache-2.0
 * image.h - from a picture file to the tensor that a network sees. Knows no model, only sizes and numbers.
 *
 * decode.c   libvips: first frame, 8-bit RGB by the rules of Pillow's convert("RGB"), EXIF orientation and date
 * taken.c    the EXIF date alone, from the head of a file
 * thumbnail.c  small copies as WebP
 * resample.c Pillow's resize, bit for bit
 * prepare.c  resize, crop, rescale, normalise as Hugging Face's image processors do */
#ifndef SIMILE_IMAGE_IMAGE_H
#define SIMILE_IMAGE_IMAGE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *rgb;                    /* [height, width, 3], owned */
    int32_t width, height;           /* of these pixels */
    int32_t full_width, full_height; /* of the picture; 0: the same */
    int32_t shrink;                  /* full pixels to one of these: 0 or 1, or 2, 4, 8 where `enough` allowed it */
    bool cut_left, cut_top;          /* full pixels that made no whole one are missing there, not right or below */
    int32_t orientation;             /* EXIF 1..8 as stored in the file */
    int64_t taken;                   /* seconds since 1970 (EXIF date read as UTC); INT64_MIN: none */
    char format[12];                 /* "jpeg", "png", ... */
} image;

typedef struct {
    bool ignore_orientation;
    int64_t max_pixels; /* 0: the default of simile.h; of the picture as stored */
    int32_t enough; /* a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as no side is shorter; 0: whole */
} image_options;

/* Starts libvips once for the process (thread-safe, idempotent); decode calls it by itself. */
simile_status image_init(simile_error *err);

simile_status image_open(const char *path, const image_options *options, image *out, simile_error *err);
/* subject names the bytes in messages. */
simile_status image_decode(const void *bytes, size_t len, const char *subject, const image_options *options, image *out,
                           simile_error *err);
void image_release(image *img);
/* About how many bytes image_decode() takes for this picture beside the file's own; 0: it will refuse it at once. */
size_t image_cost(const void *bytes, size_t len, const image_options *options);

/* The format that the first bytes announce: "jpeg"; NULL: none that is decoded. */
const char *image_sniff(const void *bytes, size_t len);

/* The date on which a picture was taken, out of the head of its file, without decoding: INT64_MIN when there is none,
 * or when it does not stand where the format usually has it. Where there is one, image_decode finds the same. */
int64_t image_taken(const char *path);

/* A small copy as WebP, its longest side at most `side` pixels, rarely more than 20 KiB. *bytes is for mem_free.
 * UNSUPPORTED: this libvips does not write WebP. */
simile_status image_thumbnail(const image *img, int32_t side, void **bytes, size_t *len, simile_error *err);

/* Does a file of this name look like a picture (by its ending)? */
bool image_has_known_ending(const char *path);

typedef enum {
    IMAGE_FILTER_NEAREST = 0,
    IMAGE_FILTER_LANCZOS = 1,
    IMAGE_FILTER_BILINEAR = 2,
    IMAGE_FILTER_BICUBIC = 3,
    IMAGE_FILTER_BOX = 4,
    IMAGE_FILTER_HAMMING = 5
} image_filter; /* Pillow's numbers, as in preprocessor_config.json */

/* out: [out_height, out_width, 3]. Equal to Pillow's Image.resize on RGB, bit for bit. */
simile_status image_resize(const uint8_t *rgb, int32_t width, int32_t height, image_filter filter, int32_t out_width,
                           int32_t out_height, uint8_t *out, simile_error *err);

typedef enum {
    IMAGE_FIT_SHORTEST /* shortest edge to resize_short, then crop */,
    IMAGE_FIT_SQUASH /* straight to the crop size */,
    IMAGE_FIT_NONE /* crop only */
} image_fit;

typedef struct {
    image_fit fit;
    image_filter filter;
    int32_t resize_short;  /* for FIT_SHORTEST */
    int32_t width, height; /* of the tensor (crop size) */
    bool crop, rescale, normalize;
    double rescale_factor; /* 1/255 */
    float mean[3], std[3];
} image_prepare_spec;

/* The `enough` with which a decoded picture still gives, within what bench/bench_reduced.c measures, the vector that
 * the whole one gives. */
int32_t image_enough(const image_prepare_spec *spec);

/* out: [3, height, width] float32, equal to Hugging Face's CLIPImageProcessor (the Pillow one) bit for bit. */
simile_status image_prepare(const image *img, const image_prepare_spec *spec, float *out, simile_error *err);

#endif
