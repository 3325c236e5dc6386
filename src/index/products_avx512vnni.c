/* SPDX-License-Identifier: Apache-2.0
 * products_avx512vnni.c - products of the codes of rows with those of many queries with AVX-512 VNNI.
 *
 * A tile is some rows by all panels, a register each, so that four numbers of a row, broadcast, and of sixteen queries
 * make one vpdpbusd: the numbers of all queries stay in the first cache, and those of a row are read once for all. */
#include "index/products.h"

#include "index/kernels.h"

#include <immintrin.h>

static void join(const uint8_t *high, const uint8_t *low, size_t groups, uint8_t *numbers)
{
    const __m512i mask = _mm512_set1_epi8(15);
    for (size_t g = 0; g < groups; g++, high += CODE_GROUP, low += CODE_GROUP, numbers += 2 * CODE_GROUP) {
        const __m512i h = _mm512_loadu_si512(high), l = _mm512_loadu_si512(low);
        const __m512i even = _mm512_slli_epi16(_mm512_and_si512(h, mask), 4);
        const __m512i odd = _mm512_and_si512(_mm512_srli_epi16(l, 4), mask);
        _mm512_store_si512(numbers, _mm512_or_si512(even, _mm512_and_si512(l, mask)));
        _mm512_store_si512(numbers + CODE_GROUP, _mm512_or_si512(_mm512_andnot_si512(mask, h), odd));
    }
}

enum { MOST_ROWS = 12 };
#define UNROLLED _Pragma("GCC unroll 12")

/* sum + four products in each lane. As an instruction that is written down, because compilers keep the sums of a whole
 * tile in registers only when nothing else can be made of it. */
static inline __m512i dot(__m512i sum, __m512i row, __m512i queries)
{
    __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(row), "v"(queries));
    return sum;
}

/* acc[r][p]: sums of row r with the queries of panel p. rows x panels is at most 24. With soon: asks for as many bytes
 * of either half as the rows have, as the processor would not know where a row's halves are. */
static inline __attribute__((always_inline)) void multiply(const uint8_t *row, size_t width, const int8_t *queries,
                                                           const uint8_t *const soon[2], int rows, int panels,
                                                           __m512i acc[MOST_ROWS][PANELS])
{
    UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int p = 0; p < panels; p++) acc[r][p] =
        _mm512_setzero_si512();
    for (size_t j = 0; j < width; j += 4) {
        __m512i q[PANELS];
        for (int half = 0; soon && half < 2; half++) __builtin_prefetch(soon[half] + j * (size_t)rows / 2, 0, 2);
        UNROLLED for (int p = 0; p < panels; p++) q[p] =
            _mm512_load_si512(queries + (size_t)p * width * PANEL + j * PANEL);
        UNROLLED for (int r = 0; r < rows; r++)
        {
            int32_t four;
            __builtin_memcpy(&four, row + (size_t)r * width + j, sizeof four);
            const __m512i x = _mm512_set1_epi32(four);
            UNROLLED for (int p = 0; p < panels; p++) acc[r][p] = dot(acc[r][p], x, q[p]);
        }
    }
}

/* (float)(2 sum - less) x factor */
static inline __m512 scaled(__m512i sum, const int32_t *less, const float *factor)
{
    const __m512i whole = _mm512_sub_epi32(_mm512_slli_epi32(sum, 1), _mm512_loadu_si512(less));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(whole), _mm512_loadu_ps(factor));
}

static inline __m512 times(const float *of_queries, float of_row)
{
    return _mm512_mul_ps(_mm512_loadu_ps(of_queries), _mm512_set1_ps(of_row));
}

static inline __m512 known_of(const batch_queries *q, __m512i sum, const row_facts *f, size_t at)
{
    const __m512 head = scaled(sum, q->head_less + at, q->head_factor + at);
    const __m512 all = _mm512_add_ps(head, _mm512_loadu_ps(q->of_head_scale + at));
    const __m512 share = _mm512_mul_ps(all, _mm512_set1_ps(f->head_scale));
    const __m512 more = _mm512_add_ps(share, times(q->of_head_error + at, f->head_error));
    return _mm512_add_ps(_mm512_loadu_ps(q->base + at), more);
}

static inline __m512 most_of(const batch_queries *q, __m512 known, __m512i sum, const row_facts *f, size_t at)
{
    const __m512 rest = _mm512_mul_ps(scaled(sum, q->less + at, q->factor + at), _mm512_set1_ps(f->scale));
    const __m512 sure = _mm512_add_ps(known, _mm512_add_ps(rest, times(q->of_length + at, f->length)));
    return _mm512_add_ps(sure, times(q->of_error + at, f->error));
}

/* What heads tell goes to `most` first, as the sums of the rest need all registers. */
static inline __attribute__((always_inline)) void bound_tile(const batch_tile *t, int rows, int panels)
{
    const batch_queries *q = t->q;
    __m512i acc[MOST_ROWS][PANELS];
    multiply(t->heads, q->head, q->heads, NULL, rows, panels, acc);
    UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int p = 0; p < panels; p++) _mm512_store_ps(
        t->most + r * BATCH_QUERIES + p * PANEL, known_of(q, acc[r][p], t->facts + r, (size_t)p * PANEL));
    multiply(t->numbers, q->width, q->numbers, t->soon, rows, panels, acc);
    UNROLLED for (int r = 0; r < rows; r++)
    {
        uint64_t mask = 0;
        UNROLLED for (int p = 0; p < panels; p++)
        {
            float *at = t->most + r * BATCH_QUERIES + p * PANEL;
            const __m512 most = most_of(q, _mm512_load_ps(at), acc[r][p], t->facts + r, (size_t)p * PANEL);
            _mm512_store_ps(at, most);
            mask |= (uint64_t)_mm512_cmp_ps_mask(most, _mm512_loadu_ps(t->bars + p * PANEL), _CMP_NLT_UQ) << p * PANEL;
        }
        t->masks[r] = mask;
    }
}

static void one_panel(const batch_tile *t)
{
    bound_tile(t, 12, 1);
}

static void two_panels(const batch_tile *t)
{
    bound_tile(t, 12, 2);
}

static void three_panels(const batch_tile *t)
{
    bound_tile(t, 8, 3);
}

static void four_panels(const batch_tile *t)
{
    bound_tile(t, 6, 4);
}

static void bounds(const batch_tile *t)
{
    static void (*const tiles[PANELS])(const batch_tile *) = {one_panel, two_panels, three_panels, four_panels};
    static const size_t rows[PANELS] = {12, 12, 8, 6}; /* of a tile; BATCH_STEP is a multiple of each */
    const size_t step = rows[t->q->panels - 1];
    batch_tile some = *t;
    for (size_t i = 0; i < t->n; i += step) {
        tiles[t->q->panels - 1](&some);
        some.heads += step * t->q->head;
        some.numbers += step * t->q->width;
        some.facts += step;
        some.most += step * BATCH_QUERIES;
        some.masks += step;
        for (int half = 0; half < 2; half++) some.soon[half] += step * t->q->width / 2;
    }
}

const batch_kernels batch_kernels_avx512vnni = {.name = "avx512vnni", .row_bytes = 700, .join = join, .bounds = bounds};
