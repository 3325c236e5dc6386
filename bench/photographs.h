/* SPDX-License-Identifier: Apache-2.0
 * photographs.h - pictures with the statistics of photographs, drawn, for measuring what is done with large files. */
#ifndef SIMILE_BENCH_PHOTOGRAPHS_H
#define SIMILE_BENCH_PHOTOGRAPHS_H

#include "image/image.h"

enum { PHOTOGRAPH_QUALITY = 90 };

/* rgb: [height, width, 3]. The same seed gives the same pixels on every machine. */
simile_status photograph_draw(uint32_t seed, int32_t width, int32_t height, uint8_t *rgb, simile_error *err);
/* The same of a picture that there is: enlarged, with fine detail and grain that it does not have itself. */
simile_status photograph_enlarge(const image *from, uint32_t seed, int32_t width, int32_t height, uint8_t *rgb,
                                 simile_error *err);
/* A JPEG with 4:2:0 colour, as cameras write them; *bytes for mem_free. */
simile_status photograph_jpeg(const uint8_t *rgb, int32_t width, int32_t height, int quality, bool progressive,
                              void **bytes, size_t *len, simile_error *err);

#endif
