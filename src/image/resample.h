/* SPDX-License-Identifier: Apache-2.0
 * resample.h - the inside of image_resize(): windows of a resized picture, and the kernels that do the sums. */
#ifndef SIMILE_IMAGE_RESAMPLE_H
#define SIMILE_IMAGE_RESAMPLE_H

#include "image/image.h"

/* A weight k (22 fractional bits) is kept as k = high x 2^15 + low, 0 <= low < 2^15, so that 16-bit multiply-add
 * instructions can work on it. Sums are taken modulo 2^32, in any order: the end fits, so every kernel agrees. */
enum {
    RESAMPLE_BITS = 22,
    RESAMPLE_LOW_BITS = 15,
    RESAMPLE_GROUP = 16,  /* weights come in multiples of this, zeros at the end */
    RESAMPLE_ROWS = 4,    /* rows that `across` works on at once */
    RESAMPLE_SLACK = 128, /* bytes that must be readable behind a row given to `across` */
    RESAMPLE_ROUND = 1 << (RESAMPLE_BITS - 1)
};

/* The weights of n neighbouring output pixels. */
typedef struct {
    size_t n, stride;
    const int32_t *start;      /* [n] first source pixel */
    const int32_t *count;      /* [n] source pixels, rounded up to RESAMPLE_GROUP */
    const int16_t *low, *high; /* [n, stride] */
} resample_taps;

typedef struct {
    const char *name;
    /* rows: RESAMPLE_ROWS source rows of RGB pixels; out: as many rows of n RGB pixels. */
    void (*across)(const resample_taps *taps, const uint8_t *const *rows, uint8_t *const *out);
    /* out[i] = sum over t < n of weight t x src[t x stride + i], for i < bytes. low, high: zero behind n. */
    void (*down)(const uint8_t *src, size_t stride, size_t n, const int16_t *low, const int16_t *high, size_t bytes,
                 uint8_t *out);
} resample_kernels;

extern const resample_kernels resample_plain, resample_sse4, resample_avx2, resample_avx512, resample_neon;

/* level 0: plain C, then SSE4.1, AVX2, AVX-512BW; on arm64 1 is NEON. NULL when this processor or build lacks it. */
enum { RESAMPLE_LEVELS = 4 };
const resample_kernels *resample_kernels_at(int level);
const resample_kernels *resample_kernels_best(void);

typedef struct {
    int64_t x, y;
    int32_t width, height;
} resample_window;

/* The part `window` of the picture resized to out_width x out_height; out: [window.height, window.width, 3]. */
simile_status resample(const image *from, image_filter filter, int64_t out_width, int64_t out_height,
                       const resample_window *window, const resample_kernels *kernels, uint8_t *out, simile_error *err);

#endif
