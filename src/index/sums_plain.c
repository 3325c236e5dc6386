/* SPDX-License-Identifier: Apache-2.0
 * sums_plain.c - sums of products of 4-bit numbers, and bounds by them, in plain C: the definition that the other
 * kernels equal, and what runs on processors without AVX2. */
#include "index/kernels.h"

static int32_t sum_of_group(const uint8_t *group, const int8_t *query)
{
    int32_t sum = 0;
    for (size_t j = 0; j < CODE_GROUP; j++) sum += (group[j] & 15) * query[j] + (group[j] >> 4) * query[CODE_GROUP + j];
    return sum;
}

static void sums(const uint8_t *rows, size_t n, size_t groups, const int8_t *query, int32_t *out)
{
    for (size_t i = 0; i < n; i++, rows += groups * CODE_GROUP) {
        out[i] = 0;
        for (size_t g = 0; g < groups; g++) out[i] += sum_of_group(rows + g * CODE_GROUP, query + 2 * g * CODE_GROUP);
    }
}

static uint64_t bounds(const code_bounds *b, const int32_t *sums, size_t first, size_t n, float bar, float *most)
{
    const float *scale = b->scale + first, *norm = b->norm + first, *error = b->error + first;
    uint64_t mask = 0;
    for (size_t i = 0; i < n; i++) {
        const float score = (float)(2 * sums[i] - b->less) * scale[i] * b->factor;
        most[i] = score + (b->of_error * error[i] + b->of_reach * (norm[i] + error[i]));
        mask |= (uint64_t) !(most[i] < bar) << i;
    }
    return mask;
}

const code_kernels code_kernels_plain = {.name = "plain", .sums = sums, .bounds = bounds};
