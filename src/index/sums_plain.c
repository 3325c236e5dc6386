/* SPDX-License-Identifier: Apache-2.0
 * sums_plain.c - sums of products of small numbers, and bounds by them, in plain C: the definition that the other
 * kernels equal, and what runs on processors without AVX2. */
#include "index/kernels.h"

#include <string.h>

static void heads(const uint8_t *rows, size_t n, size_t width, const int8_t *query, int32_t *out)
{
    for (size_t i = 0; i < n; i++, rows += width) {
        int32_t sum = 0;
        for (size_t j = 0; j < width; j++) sum += rows[j] * query[j];
        out[i] = sum;
    }
}

static void signs(const uint8_t *block, size_t bytes, const uint8_t (*tables)[16], int32_t *out)
{
    memset(out, 0, SIGN_ROWS * sizeof *out);
    for (size_t j = 0; j < bytes; j++, block += SIGN_ROWS)
        for (size_t i = 0; i < SIGN_ROWS; i++)
            out[i] += tables[2 * j][block[i] & 15] + tables[2 * j + 1][block[i] >> 4];
}

static int32_t sum_of_group(const uint8_t *group, const int8_t *query)
{
    int32_t sum = 0;
    for (size_t j = 0; j < CODE_GROUP; j++) sum += (group[j] & 15) * query[j] + (group[j] >> 4) * query[CODE_GROUP + j];
    return sum;
}

static void sums(const uint8_t *rows, const uint16_t *places, size_t n, size_t groups, const int8_t *query,
                 int32_t *out)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t *row = rows + places[i] * groups * CODE_GROUP;
        out[i] = 0;
        for (size_t g = 0; g < groups; g++) out[i] += sum_of_group(row + g * CODE_GROUP, query + 2 * g * CODE_GROUP);
    }
}

static void bits(const uint8_t *rows, const uint16_t *places, size_t n, size_t bytes, const int8_t *query, int32_t *out)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t *row = rows + places[i] * bytes;
        out[i] = 0;
        for (size_t j = 0; j < 8 * bytes; j++) {
            const bit_place at = bit_of(j, bytes);
            out[i] += (row[at.byte] >> at.bit & 1) * query[j];
        }
    }
}

static uint64_t bounds(const code_bounds *b, const float *base, const int32_t *sums, size_t first, size_t n, float bar,
                       float *known, float *most)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < n; i++) {
        const float scale = widen_half(b->scale[first + i]), reach = widen_half(b->reach[first + i]);
        const float sum = (float)(2 * sums[i] - b->less) * b->factor + b->of_scale;
        known[i] = base[i] + (sum * scale + b->of_reach * reach);
        most[i] = known[i] + b->of_error * widen_half(b->error[first + i]);
        mask |= (uint64_t) !(most[i] < bar) << i;
    }
    return mask;
}

const code_kernels code_kernels_plain = {
    .name = "plain", .heads = heads, .signs = signs, .sums = sums, .bits = bits, .bounds = bounds};
