/* SPDX-License-Identifier: Apache-2.0
 * products_avx2.c - products of the codes of rows with those of many queries with AVX2.
 *
 * Bytes are widened to 16 bits, as products of bytes added in pairs would not fit: vpmaddwd multiplies sixteen of
 * them, four numbers of a row by those of four queries, and leaves two sums for each. Two rows by a panel are eight
 * registers for sums. */
#include "index/products.h"

#include "index/kernels.h"

#include <immintrin.h>

static void join(const uint8_t *high, const uint8_t *low, size_t groups, uint8_t *numbers)
{
    enum { STEP = 32 };
    const __m256i mask = _mm256_set1_epi8(15);
    for (size_t g = 0; g < groups; g++, high += CODE_GROUP, low += CODE_GROUP, numbers += 2 * CODE_GROUP)
        for (size_t j = 0; j < CODE_GROUP; j += STEP) {
            const __m256i h = _mm256_loadu_si256((const __m256i *)(const void *)(high + j));
            const __m256i l = _mm256_loadu_si256((const __m256i *)(const void *)(low + j));
            const __m256i even = _mm256_slli_epi16(_mm256_and_si256(h, mask), 4);
            const __m256i odd = _mm256_and_si256(_mm256_srli_epi16(l, 4), mask);
            _mm256_storeu_si256((__m256i *)(void *)(numbers + j), _mm256_or_si256(even, _mm256_and_si256(l, mask)));
            _mm256_storeu_si256((__m256i *)(void *)(numbers + CODE_GROUP + j),
                                _mm256_or_si256(_mm256_andnot_si256(mask, h), odd));
        }
}

enum { ROWS = 2, QUARTERS = 4, LANES = 8 };

/* Four numbers of a row, four times over. */
static inline __m256i four_of(const uint8_t *row)
{
    int32_t four;
    __builtin_memcpy(&four, row, sizeof four);
    return _mm256_cvtepu8_epi16(_mm_set1_epi32(four));
}

/* sum + the products of four numbers in each pair of lanes. As instructions that are written down, because compilers
 * would do all multiplications first, and run out of registers. */
static inline __m256i dot(__m256i sum, __m256i row, __m256i queries)
{
    __m256i products;
    __asm__ volatile("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sum), "=&x"(products) : "x"(row), "x"(queries));
    return sum;
}

#define UNROLLED _Pragma("GCC unroll 4")

/* sums[r][j]: of row r with query j of a panel. */
static inline void multiply(const uint8_t *row, size_t width, const int8_t *panel, int32_t sums[ROWS][PANEL])
{
    __m256i acc[ROWS][QUARTERS];
    UNROLLED for (int r = 0; r < ROWS; r++) UNROLLED for (int p = 0; p < QUARTERS; p++) acc[r][p] =
        _mm256_setzero_si256();
    for (size_t j = 0; j < width; j += 4, panel += 4 * PANEL) {
        __m256i x[ROWS];
        UNROLLED for (int r = 0; r < ROWS; r++) x[r] = four_of(row + (size_t)r * width + j);
        UNROLLED for (int p = 0; p < QUARTERS; p++)
        {
            const __m256i q = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(panel + 16 * p)));
            UNROLLED for (int r = 0; r < ROWS; r++) acc[r][p] = dot(acc[r][p], x[r], q);
        }
    }
    UNROLLED for (int r = 0; r < ROWS; r++) UNROLLED for (int p = 0; p < QUARTERS; p += 2)
    { /* pairs of sums, in the order that hadd leaves them in, put right */
        const __m256i pairs = _mm256_hadd_epi32(acc[r][p], acc[r][p + 1]);
        _mm256_storeu_si256((__m256i *)(void *)(sums[r] + 4 * p), _mm256_permute4x64_epi64(pairs, 0xd8));
    }
}

/* (float)(2 sum - less) x factor */
static inline __m256 scaled(const int32_t *sum, const int32_t *less, const float *factor)
{
    const __m256i twice = _mm256_slli_epi32(_mm256_loadu_si256((const __m256i *)(const void *)sum), 1);
    const __m256i whole = _mm256_sub_epi32(twice, _mm256_loadu_si256((const __m256i *)(const void *)less));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(whole), _mm256_loadu_ps(factor));
}

static inline __m256 times(const float *of_queries, float of_row)
{
    return _mm256_mul_ps(_mm256_loadu_ps(of_queries), _mm256_set1_ps(of_row));
}

/* The bounds of LANES queries from `at` on. */
static inline __m256 bound(const batch_queries *q, const row_facts *f, const int32_t *head, const int32_t *sum,
                           size_t at)
{
    const __m256 of_head =
        _mm256_add_ps(scaled(head, q->head_less + at, q->head_factor + at), _mm256_loadu_ps(q->of_head_scale + at));
    const __m256 share = _mm256_mul_ps(of_head, _mm256_set1_ps(f->head_scale));
    const __m256 more = _mm256_add_ps(share, times(q->of_head_error + at, f->head_error));
    const __m256 known = _mm256_add_ps(_mm256_loadu_ps(q->base + at), more);
    const __m256 rest = _mm256_mul_ps(scaled(sum, q->less + at, q->factor + at), _mm256_set1_ps(f->scale));
    const __m256 sure = _mm256_add_ps(known, _mm256_add_ps(rest, times(q->of_length + at, f->length)));
    return _mm256_add_ps(sure, times(q->of_error + at, f->error));
}

/* ROWS rows from `row` on by a panel. */
static void bound_tile(const batch_tile *t, size_t row, size_t panel)
{
    const batch_queries *q = t->q;
    int32_t heads[ROWS][PANEL], sums[ROWS][PANEL];
    multiply(t->heads + row * q->head, q->head, q->heads + panel * q->head * PANEL, heads);
    multiply(t->numbers + row * q->width, q->width, q->numbers + panel * q->width * PANEL, sums);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t j = 0; j < PANEL; j += LANES) {
            const size_t at = panel * PANEL + j;
            const __m256 most = bound(q, t->facts + row + r, heads[r] + j, sums[r] + j, at);
            const __m256 kept = _mm256_cmp_ps(most, _mm256_loadu_ps(t->bars + at), _CMP_NLT_UQ);
            _mm256_storeu_ps(t->most + (row + r) * BATCH_QUERIES + at, most);
            t->masks[row + r] |= (uint64_t)(uint32_t)_mm256_movemask_ps(kept) << at;
        }
}

static void bounds(const batch_tile *t)
{
    for (size_t row = 0; row < t->n; row += ROWS) {
        for (size_t r = 0; r < ROWS; r++) t->masks[row + r] = 0;
        for (size_t panel = 0; panel < t->q->panels; panel++) bound_tile(t, row, panel);
    }
}

const batch_kernels batch_kernels_avx2 = {.name = "avx2", .row_bytes = 1200, .join = join, .bounds = bounds};
