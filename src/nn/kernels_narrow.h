/* SPDX-License-Identifier: Apache-2.0
 * kernels_narrow.h - how far numbers reach, and making bytes of them. Private to the files of kernels, each of which
 * includes this text: loops that compilers turn into whatever vectors they may use. Equal in every set. */
#include "nn/kernels.h"

#include <math.h>

static nn_extent extent(int64_t n, const float *x)
{
    enum { SIDE_BY_SIDE = 64 };
    float low[SIDE_BY_SIDE] = {0}, high[SIDE_BY_SIDE] = {0}, finite[SIDE_BY_SIDE] = {0};
    int64_t i = 0;
    for (; i + SIDE_BY_SIDE <= n; i += SIDE_BY_SIDE)
        for (int k = 0; k < SIDE_BY_SIDE; k++) {
            low[k] = x[i + k] < low[k] ? x[i + k] : low[k];
            high[k] = x[i + k] > high[k] ? x[i + k] : high[k];
            finite[k] += x[i + k] * 0.0f;
        }
    nn_extent all = {0, 0, 0};
    for (; i < n; i++) {
        all.low = x[i] < all.low ? x[i] : all.low;
        all.high = x[i] > all.high ? x[i] : all.high;
        all.finite += x[i] * 0.0f;
    }
    for (int k = 0; k < SIDE_BY_SIDE; k++) {
        all.low = low[k] < all.low ? low[k] : all.low;
        all.high = high[k] > all.high ? high[k] : all.high;
        all.finite += finite[k];
    }
    return all;
}

static void quantise(int64_t n, const float *x, float inverse, int32_t zero, uint8_t *out)
{
    const float shift = (float)zero;
    for (int64_t i = 0; i < n; i++) {
        const float q = rintf(x[i] * inverse) + shift;
        out[i] = (uint8_t)(int32_t)(q < 0.0f ? 0.0f : q > 255.0f ? 255.0f : q);
    }
}
