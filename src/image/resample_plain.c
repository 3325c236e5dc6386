/* SPDX-License-Identifier: Apache-2.0
 * resample_plain.c - the sums of resample.c in plain C: the definition of correct, and the choice among kernels.
 *
 * The other kernels compute the same whole numbers in another order; sums are modulo 2^32, so they are equal by
 * construction and the tests demand equality. Threads: pure. */
#include "image/resample.h"

static uint32_t weight(int16_t low, int16_t high)
{
    return (uint32_t)((int32_t)high * (1 << RESAMPLE_LOW_BITS) + low);
}

static uint8_t finish(uint32_t sum)
{
    const int32_t v = (int32_t)sum >> RESAMPLE_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void plain_across(const resample_taps *taps, const uint8_t *const *rows, uint8_t *const *out)
{
    for (size_t i = 0; i < taps->n; i++) {
        const int16_t *low = taps->low + i * taps->stride, *high = taps->high + i * taps->stride;
        for (size_t r = 0; r < RESAMPLE_ROWS; r++) {
            const uint8_t *p = rows[r] + (size_t)taps->start[i] * 3;
            uint32_t sum[3] = {RESAMPLE_ROUND, RESAMPLE_ROUND, RESAMPLE_ROUND};
            for (int32_t t = 0; t < taps->count[i]; t++, p += 3) {
                const uint32_t k = weight(low[t], high[t]);
                for (int c = 0; c < 3; c++) sum[c] += k * p[c];
            }
            for (int c = 0; c < 3; c++) out[r][i * 3 + (size_t)c] = finish(sum[c]);
        }
    }
}

static void plain_down(const uint8_t *src, size_t stride, size_t n, const int16_t *low, const int16_t *high,
                       size_t bytes, uint8_t *out)
{
    for (size_t i = 0; i < bytes; i++) {
        uint32_t sum = RESAMPLE_ROUND;
        for (size_t t = 0; t < n; t++) sum += weight(low[t], high[t]) * src[t * stride + i];
        out[i] = finish(sum);
    }
}

const resample_kernels resample_plain = {"plain", plain_across, plain_down};

const resample_kernels *resample_kernels_at(int level)
{
    if (level == 0) return &resample_plain;
#if defined(__x86_64__) && defined(SIMILE_X86_KERNELS)
    if (level == 1 && __builtin_cpu_supports("sse4.1")) return &resample_sse4;
    if (level == 2 && __builtin_cpu_supports("avx2")) return &resample_avx2;
    if (level == 3 && __builtin_cpu_supports("avx512bw")) return &resample_avx512;
#endif
#ifdef __aarch64__
    if (level == 1) return &resample_neon;
#endif
    return NULL;
}

const resample_kernels *resample_kernels_best(void)
{
    const resample_kernels *best = NULL;
    for (int level = RESAMPLE_LEVELS - 1; !best; level--) best = resample_kernels_at(level);
    return best;
}
