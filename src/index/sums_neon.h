/* SPDX-License-Identifier: Apache-2.0
 * sums_neon.h - what sums_neon.c and sums_dotprod.c have in common. Private to them. */
#ifndef SIMILE_INDEX_SUMS_NEON_H
#define SIMILE_INDEX_SUMS_NEON_H

#include "index/kernels.h"

#include <arm_neon.h>

uint64_t code_bounds_neon(const code_bounds *b, const float *base, const int32_t *sums, size_t first, size_t n,
                          float bar, float *known, float *most);
void code_signs_neon(const uint8_t *block, size_t bytes, const uint8_t (*tables)[16], int32_t *sums);
void code_bits_neon(const uint8_t *rows, const uint16_t *places, size_t n, size_t bytes, const int8_t *query,
                    int32_t *out);

#endif
