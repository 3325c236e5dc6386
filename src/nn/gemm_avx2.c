/* SPDX-License-Identifier: Apache-2.0
 * gemm_avx2.c - own products in 8-bit integers for AVX2. Compiled with -mavx2 -mfma; entered only where the processor
 * has them (gemm_pick.c). In float32 such processors use the product library.
 *
 * The instruction that multiplies bytes would saturate its sums, so bytes become 16-bit integers first, whose products
 * are added in pairs to 32 bits: exact, and as fast as fused multiply-adds of float32. A sum is in two halves until the
 * end. A tile is cut into blocks of 2 rows and 16 columns: 8 of the 16 registers hold sums, two the rows of x. */
#include <immintrin.h>

#include "nn/gemm.h"
#include "nn/kernels.h"

#define INLINE static inline __attribute__((always_inline))

typedef __m256 vec;
enum { LANES = 8, BLOCK_ROWS = 2, BLOCK_COLUMNS = 16, PARTS = 4, PIECE = 512 };

/* ---- activations ---- */

INLINE vec set(float x)
{
    return _mm256_set1_ps(x);
}

/* 2^x for -125 <= x <= 126, by the polynomial of gemm_avx512.h; NaN stays NaN. */
INLINE vec exp2_of(vec x)
{
    const vec n = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), f = _mm256_sub_ps(x, n);
    vec p = set(0x1.5bba14p-10f);
    p = _mm256_fmadd_ps(p, f, set(0x1.3cea88p-7f));
    p = _mm256_fmadd_ps(p, f, set(0x1.c6b752p-5f));
    p = _mm256_fmadd_ps(p, f, set(0x1.ebf9bcp-3f));
    p = _mm256_fmadd_ps(p, f, set(0x1.62e42ap-1f));
    p = _mm256_fmadd_ps(p, f, set(1.0f));
    const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
}

/* min and max give the second of their operands when one is NaN. */
INLINE vec within_exp2(vec t)
{
    return _mm256_min_ps(set(126.0f), _mm256_max_ps(set(-125.0f), t));
}

/* x / (1 + 2^t), 0 where that is less than anyone can see. */
INLINE vec over_one_and_exp2(vec x, vec t)
{
    const vec seen = _mm256_cmp_ps(t, set(126.0f), _CMP_NGT_UQ);
    return _mm256_and_ps(seen, _mm256_div_ps(x, _mm256_add_ps(exp2_of(within_exp2(t)), set(1.0f))));
}

/* erf by 7.1.26 of Abramowitz and Stegun (error below 1.5e-7). */
INLINE vec gelu(vec x)
{
    const vec size = _mm256_andnot_ps(set(-0.0f), x);
    const vec t = _mm256_div_ps(set(1.0f), _mm256_fmadd_ps(size, set(0.3275911f * 0.70710678f), set(1.0f)));
    vec p = set(1.061405429f * 0.5f);
    p = _mm256_fmadd_ps(p, t, set(-1.453152027f * 0.5f));
    p = _mm256_fmadd_ps(p, t, set(1.421413741f * 0.5f));
    p = _mm256_fmadd_ps(p, t, set(-0.284496736f * 0.5f));
    p = _mm256_fmadd_ps(p, t, set(0.254829592f * 0.5f));
    p = _mm256_mul_ps(p, t);
    const vec power = _mm256_mul_ps(_mm256_mul_ps(x, x), set(-0.5f * 1.44269504f));
    const vec seen = _mm256_cmp_ps(power, set(-125.0f), _CMP_NLT_UQ);
    const vec tail = _mm256_and_ps(seen, _mm256_mul_ps(_mm256_mul_ps(p, exp2_of(within_exp2(power))), x));
    return _mm256_blendv_ps(tail, _mm256_sub_ps(x, tail), _mm256_cmp_ps(x, set(0), _CMP_GT_OQ));
}

INLINE vec gelu_tanh(vec x)
{
    const float log2e = 1.44269504f, c = 2 * 0.79788456f;
    const vec inner = _mm256_fmadd_ps(_mm256_mul_ps(x, x), set(-c * 0.044715f * log2e), set(-c * log2e));
    return over_one_and_exp2(x, _mm256_mul_ps(inner, x));
}

INLINE vec activate(vec x, nn_act act)
{
    switch (act) {
    case NN_ACT_GELU: return gelu(x);
    case NN_ACT_GELU_TANH: return gelu_tanh(x);
    case NN_ACT_QUICK_GELU: return over_one_and_exp2(x, _mm256_mul_ps(x, set(-1.702f * 1.44269504f)));
    case NN_ACT_SWISH: return over_one_and_exp2(x, _mm256_mul_ps(x, set(-1.44269504f)));
    case NN_ACT_RELU: return _mm256_max_ps(set(0), x);
    case NN_ACT_NONE:
    default: return x;
    }
}

/* ---- blocks ---- */

/* One group of a row as 16-bit integers, four times. */
INLINE __m256i spread(const uint8_t *x)
{
    int32_t group;
    memcpy(&group, x, sizeof group);
    return _mm256_cvtepu8_epi16(_mm_set1_epi32(group));
}

/* sum + the products of pairs. Volatile: in this order the registers suffice, in a compiler's own they do not. */
INLINE __m256i add_pairs(__m256i sum, __m256i part, __m256i of_row)
{
    __m256i pairs;
    __asm__ volatile("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sum), "=&x"(pairs) : "x"(part), "x"(of_row));
    return sum;
}

INLINE void add_products(const int rows, const gemm_tile *t, int row, int column, __m256i sum[][PARTS])
{
    const uint8_t *w = t->panel + column * GEMM_GROUP_BYTES, *x = t->x + row * t->x_stride;
    for (int64_t g = 0; g < t->groups; g++, w += GEMM_PANEL * GEMM_GROUP_BYTES, x += GEMM_GROUP_BYTES) {
        __m256i of_row[BLOCK_ROWS];
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++) of_row[r] = spread(x + r * t->x_stride);
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++) { /* four columns */
            const __m256i part = _mm256_cvtepi8_epi16(_mm_load_si128((const __m128i *)(const void *)(w + 16 * p)));
#pragma GCC unroll 2
            for (int r = 0; r < rows; r++) sum[r][p] = add_pairs(sum[r][p], part, of_row[r]);
        }
    }
}

/* Eight numbers of y from their sums, `there` of them real. */
INLINE void end(const gemm_tile *t, int row, int column, __m256i sum)
{
    const int64_t at = t->column + column;
    const int there = t->columns - column;
    if (there <= 0) return;
    const __m256i first = _mm256_cmpgt_epi32(_mm256_set1_epi32(there), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    float *y = t->y + row * t->y_stride + at;
    const __m256i of_column = _mm256_loadu_si256((const __m256i *)(const void *)(t->w->sum + at));
    const __m256i shift = _mm256_mullo_epi32(of_column, _mm256_set1_epi32(t->x_zero[row]));
    const vec scale = _mm256_mul_ps(set(t->x_scale[row]), _mm256_loadu_ps(t->w->scale + at));
    vec start = t->w->bias ? _mm256_loadu_ps(t->w->bias + at) : set(0);
    if (t->accumulate) start = _mm256_add_ps(start, _mm256_maskload_ps(y, first));
    const vec whole = _mm256_cvtepi32_ps(_mm256_sub_epi32(sum, shift));
    _mm256_maskstore_ps(y, first, activate(_mm256_add_ps(_mm256_mul_ps(whole, scale), start), t->act));
}

INLINE void block_of(const int rows, const gemm_tile *t, int row, int column)
{
    __m256i sum[BLOCK_ROWS][PARTS];
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++) sum[r][p] = _mm256_setzero_si256();
    add_products(rows, t, row, column, sum);
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int p = 0; p < PARTS; p += 2) { /* columns 0 1 4 5 2 3 6 7 */
            const __m256i mixed = _mm256_hadd_epi32(sum[r][p], sum[r][p + 1]);
            end(t, row + r, column + 4 * p, _mm256_permute4x64_epi64(mixed, 0xd8));
        }
}

static void tile(const gemm_tile *t)
{
    for (int column = 0; column < t->columns; column += BLOCK_COLUMNS) {
        int row = 0;
        for (; row + BLOCK_ROWS <= t->rows; row += BLOCK_ROWS) block_of(BLOCK_ROWS, t, row, column);
        if (row < t->rows) block_of(1, t, row, column);
    }
}

/* ---- x ---- */

/* The numbers i .. i+count-1 of a row, in `scaled` where columns have factors. */
INLINE const float *piece_of(const gemm_weights *w, const float *x, int64_t i, int64_t count, float *scaled)
{
    if (!w->inverse) return x + i;
    for (int64_t c = 0; c < count; c++) scaled[c] = x[i + c] * w->inverse[i + c];
    return scaled;
}

static void narrow_row(const gemm_weights *w, const float *x, uint8_t *out, float *scale, int32_t *zero)
{
    const nn_kernels *kernels = nn_kernels_avx2();
    float scaled[PIECE], low = 0, high = 0, finite = 0;
    for (int64_t i = 0; i < w->k; i += PIECE) {
        const int64_t count = w->k - i < PIECE ? w->k - i : PIECE;
        const nn_extent e = kernels->extent(count, piece_of(w, x, i, count, scaled));
        low = e.low < low ? e.low : low;
        high = e.high > high ? e.high : high;
        finite += e.finite;
    }
    const gemm_range range = gemm_range_of(low, high, finite);
    *scale = range.scale;
    *zero = range.zero;
    for (int64_t i = 0; i < w->k; i += PIECE) {
        const int64_t count = w->k - i < PIECE ? w->k - i : PIECE;
        kernels->quantise(count, piece_of(w, x, i, count, scaled), range.inverse, range.zero, out + i);
    }
    for (int64_t i = w->k; i % 4; i++) out[i] = 0;
}

static void narrow(const gemm_weights *w, int64_t rows, const float *x, uint8_t *out, int64_t stride, float *scale,
                   int32_t *zero)
{
    for (int64_t r = 0; r < rows; r++) narrow_row(w, x + r * w->k, out + r * stride, &scale[r], &zero[r]);
}

const gemm_kernels *gemm_avx2_int8(void)
{
    static const gemm_kernels table = {"avx2", narrow, tile, false};
    return &table;
}
