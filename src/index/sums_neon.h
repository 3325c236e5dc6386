/* SPDX-License-Identifier: Apache-2.0
 * sums_neon.h - what sums_neon.c and sums_dotprod.c have in common. Private to them. */
#ifndef SIMILE_INDEX_SUMS_NEON_H
#define SIMILE_INDEX_SUMS_NEON_H

#include "index/kernels.h"

#include <arm_neon.h>

uint64_t code_bounds_neon(const code_bounds *b, const float *base, const int32_t *sums, size_t first, size_t n,
                          float bar, float *known, float *most);

/* Of 16 numbers of the query those whose bits are set: bits 16 x part and on of a word of signs. */
static inline int8x16_t chosen(uint8x8_t word, unsigned part, const int8_t *query)
{
    static const uint8_t spread[16] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
    static const uint8_t each[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t from = vaddq_u8(vld1q_u8(spread), vdupq_n_u8((uint8_t)(2 * part)));
    const uint8x16_t set = vtstq_u8(vqtbl1q_u8(vcombine_u8(word, word), from), vld1q_u8(each));
    return vandq_s8(vld1q_s8(query + 16 * part), vreinterpretq_s8_u8(set));
}

#endif
