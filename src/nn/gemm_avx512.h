/* SPDX-License-Identifier: Apache-2.0
 * gemm_avx512.h - own products over vectors of 64 bytes. Private to gemm_avx512*.c, which define the precision first
 * and then include this text once:
 *     vec_sum                 a vector of sums
 *     begin(rows, t, sum)     what the sums of a tile begin with
 *     dot(sum, x, w)          sum + the products of one group, x the same group in every lane
 *     end(rows, t, to, sum)   the sums as float32 go to y, or where they wait for an activation
 *
 * A tile of 14 x 2 vectors takes 28 of the 32 registers, two hold the panel's and one x: 28 instructions for 16 loads,
 * where two of either fit into a cycle. x is spread over its register by an instruction of its own: as an operand of
 * dot() it would be loaded twice.
 * The rows of x are reached from every third one, the two after it by the stride and twice that: six registers instead
 * of 14.
 *
 * Activations: 2^x by a polynomial of degree 5 for the fraction (least maximal relative error on [-1/2, 1/2] with
 * constant term 1: 1.1e-7 with coefficients rounded to float32) and the exponent for the rest; reciprocals by the
 * approximation to 14 bits and one step of Newton's; erf by 7.1.26 of Abramowitz and Stegun (error below 1.5e-7). */
#include "nn/gemm.h"

#define INLINE static inline __attribute__((always_inline))

typedef __m512 vec;
enum { LANES = 16, VECS = GEMM_PANEL / LANES };

INLINE __mmask16 lanes(int64_t n)
{
    const unsigned bits = n >= LANES ? 0xffffu : n > 0 ? (1u << n) - 1 : 0u;
    return (__mmask16)bits;
}

/* ---- activations ---- */

INLINE vec set(float x)
{
    return _mm512_set1_ps(x);
}

INLINE vec exp2_of(vec x)
{
    const vec n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), f = _mm512_sub_ps(x, n);
    vec p = set(0x1.5bba14p-10f);
    p = _mm512_fmadd_ps(p, f, set(0x1.3cea88p-7f));
    p = _mm512_fmadd_ps(p, f, set(0x1.c6b752p-5f));
    p = _mm512_fmadd_ps(p, f, set(0x1.ebf9bcp-3f));
    p = _mm512_fmadd_ps(p, f, set(0x1.62e42ap-1f));
    p = _mm512_fmadd_ps(p, f, set(1.0f));
    return _mm512_scalef_ps(p, n);
}

/* 1 / x for ordinary x */
INLINE vec inverse_of(vec x)
{
    const vec r = _mm512_rcp14_ps(x);
    return _mm512_fmadd_ps(r, _mm512_fnmadd_ps(x, r, set(1.0f)), r);
}

/* x / (1 + 2^t), 0 where that is less than anyone can see. max gives the second of its operands when one is NaN. */
INLINE vec over_one_and_exp2(vec x, vec t)
{
    const __mmask16 seen = _mm512_cmp_ps_mask(t, set(126.0f), _CMP_NGT_UQ);
    const vec e = exp2_of(_mm512_max_ps(set(-126.0f), t));
    return _mm512_maskz_mul_ps(seen, x, inverse_of(_mm512_add_ps(e, set(1.0f))));
}

INLINE vec gelu(vec x)
{
    const vec size = _mm512_abs_ps(x), t = inverse_of(_mm512_fmadd_ps(size, set(0.3275911f * 0.70710678f), set(1.0f)));
    vec p = set(1.061405429f * 0.5f);
    p = _mm512_fmadd_ps(p, t, set(-1.453152027f * 0.5f));
    p = _mm512_fmadd_ps(p, t, set(1.421413741f * 0.5f));
    p = _mm512_fmadd_ps(p, t, set(-0.284496736f * 0.5f));
    p = _mm512_fmadd_ps(p, t, set(0.254829592f * 0.5f));
    p = _mm512_mul_ps(p, t);
    const vec power = _mm512_mul_ps(_mm512_mul_ps(x, x), set(-0.5f * 1.44269504f));
    const vec tail = _mm512_mul_ps(_mm512_mul_ps(p, exp2_of(_mm512_max_ps(set(-150.0f), power))), x);
    const __mmask16 positive = _mm512_cmp_ps_mask(x, set(0), _CMP_GT_OQ);
    return _mm512_mask_sub_ps(tail, positive, x, tail);
}

INLINE vec gelu_tanh(vec x)
{
    const float log2e = 1.44269504f, c = 2 * 0.79788456f;
    const vec inner = _mm512_fmadd_ps(_mm512_mul_ps(x, x), set(-c * 0.044715f * log2e), set(-c * log2e));
    return over_one_and_exp2(x, _mm512_mul_ps(inner, x));
}

INLINE vec activate(vec x, nn_act act)
{
    switch (act) {
    case NN_ACT_GELU: return gelu(x);
    case NN_ACT_GELU_TANH: return gelu_tanh(x);
    case NN_ACT_QUICK_GELU: return over_one_and_exp2(x, _mm512_mul_ps(x, set(-1.702f * 1.44269504f)));
    case NN_ACT_SWISH: return over_one_and_exp2(x, _mm512_mul_ps(x, set(-1.44269504f)));
    case NN_ACT_RELU: return _mm512_max_ps(set(0), x);
    case NN_ACT_NONE:
    default: return x;
    }
}

/* ---- float32 sums: where they come from and go to ---- */

/* The panel's part of y: rows of two vectors, whole ones as a rule. */
typedef enum { PART, WHOLE, WHOLE_HALVES } y_form;
typedef struct {
    float *y;       /* or bfloat16 */
    int64_t stride; /* in float32 */
    y_form form;
    bool half;
    __mmask16 there[VECS];
} target;

INLINE target target_of(const gemm_tile *t)
{
    const bool whole = t->columns == GEMM_PANEL;
    float *y = t->half ? (float *)(void *)((uint16_t *)(void *)t->y + t->column) : t->y + t->column;
    return (target){y,
                    t->half ? t->y_stride / 2 : t->y_stride,
                    !whole    ? PART
                    : t->half ? WHOLE_HALVES
                              : WHOLE,
                    t->half,
                    {lanes(t->columns), lanes(t->columns - LANES)}};
}

/* The next row. The empty statement hides where it came from: rows are reached one by one, not through a register each.
 */
INLINE void next_row(target *to)
{
    to->y += to->stride;
    __asm__("" : "+r"(to->y));
}

INLINE vec y_load(const target *to, const y_form form, int v)
{
    const float *y = to->y + v * LANES;
    return form != PART ? _mm512_loadu_ps(y) : _mm512_maskz_loadu_ps(to->there[v], y);
}

/* As bfloat16, the first vector in the lower half. */
INLINE __m512i halves_of(vec v0, vec v1)
{
    __m512i both;
    __asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(both) : "v"(v0), "v"(v1));
    return both;
}

INLINE void y_store(const target *to, const y_form form, vec v0, vec v1)
{
    if (form == WHOLE_HALVES) {
        _mm512_storeu_si512(to->y, halves_of(v0, v1));
    } else if (form == WHOLE) {
        _mm512_storeu_ps(to->y, v0);
        _mm512_storeu_ps(to->y + LANES, v1);
    } else if (to->half) {
        const __mmask32 there = (__mmask32)to->there[1] << LANES | to->there[0];
        _mm512_mask_storeu_epi16(to->y, there, halves_of(v0, v1));
    } else {
        _mm512_mask_storeu_ps(to->y, to->there[0], v0);
        _mm512_mask_storeu_ps(to->y + LANES, to->there[1], v1);
    }
}

INLINE void bias_of(const gemm_tile *t, vec b[VECS])
{
    const bool there = t->first && t->w->bias;
    b[0] = there ? _mm512_load_ps(t->w->bias + t->column) : set(0);
    b[1] = there ? _mm512_load_ps(t->w->bias + t->column + LANES) : set(0);
}

INLINE void add_y(const int rows, target to, const y_form form, vec sum[][VECS])
{
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++, next_row(&to)) {
        sum[r][0] = _mm512_add_ps(sum[r][0], y_load(&to, form, 0));
        sum[r][1] = _mm512_add_ps(sum[r][1], y_load(&to, form, 1));
    }
}

/* Bias, and y where the sums go on from it. */
INLINE void begin_float(const int rows, const gemm_tile *t, vec sum[][VECS])
{
    const target to = target_of(t);
    vec b[VECS];
    bias_of(t, b);
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) {
        sum[r][0] = b[0];
        sum[r][1] = b[1];
    }
    if (t->first && !t->accumulate) return;
    if (to.form == WHOLE)
        add_y(rows, to, WHOLE, sum);
    else
        add_y(rows, to, PART, sum);
}

INLINE void store_rows(const int rows, target to, const y_form form, vec sum[][VECS])
{
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++, next_row(&to)) y_store(&to, form, sum[r][0], sum[r][1]);
}

INLINE void end_float(const int rows, target to, vec sum[][VECS])
{
    if (to.form == WHOLE)
        store_rows(rows, to, WHOLE, sum);
    else if (to.form == WHOLE_HALVES)
        store_rows(rows, to, WHOLE_HALVES, sum);
    else
        store_rows(rows, to, PART, sum);
}

/* Sums that an activation follows wait in memory of their own: rows of y may lie so that they drive each other out of
 * the first cache. */
INLINE void activate_rows(const gemm_tile *t, const float *sums, nn_act act)
{
    target to = target_of(t);
    for (int r = 0; r < t->rows; r++, sums += GEMM_PANEL, next_row(&to))
        y_store(&to, to.form, activate(_mm512_load_ps(sums), act), activate(_mm512_load_ps(sums + LANES), act));
}

static void activate_tile(const gemm_tile *t, const float *sums)
{
    switch (t->act) {
    case NN_ACT_GELU: activate_rows(t, sums, NN_ACT_GELU); break;
    case NN_ACT_GELU_TANH: activate_rows(t, sums, NN_ACT_GELU_TANH); break;
    case NN_ACT_QUICK_GELU: activate_rows(t, sums, NN_ACT_QUICK_GELU); break;
    case NN_ACT_SWISH: activate_rows(t, sums, NN_ACT_SWISH); break;
    case NN_ACT_RELU: activate_rows(t, sums, NN_ACT_RELU); break;
    case NN_ACT_NONE:
    default: break;
    }
}

/* ---- the tile ---- */

INLINE void begin(const int rows, const gemm_tile *t, vec_sum sum[][VECS]);
INLINE vec_sum dot(vec_sum sum, __m512i x, __m512i w);
INLINE void end(const int rows, const gemm_tile *t, target to, vec_sum sum[][VECS]);

/* The group of a row in every lane. Volatile, as dot() is: in this order the registers suffice; a compiler that
 * reorders them to its liking runs out and keeps sums in memory. */
INLINE __m512i spread(const uint8_t *x)
{
    __m512i all;
    __asm__ volatile("vpbroadcastd %1, %0" : "=v"(all) : "m"(*(const int32_t *)(const void *)x));
    return all;
}

INLINE void step(const int rows, const uint8_t *const *third, int64_t stride, int64_t at, const uint8_t *w,
                 vec_sum sum[][VECS])
{
    const __m512i w0 = _mm512_load_si512(w), w1 = _mm512_load_si512(w + 64);
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) {
        const __m512i x = spread(third[r / 3] + r % 3 * stride + at);
        sum[r][0] = dot(sum[r][0], x, w0);
        sum[r][1] = dot(sum[r][1], x, w1);
    }
}

/* The products of all groups, `unroll` at a time; meanwhile what comes next is fetched, all the way:
 * asked for in the second cache alone it arrives too late where rows are few. */
INLINE void add_products(const int rows, const gemm_tile *t, vec_sum sum[][VECS])
{
    enum { UNROLL = 4, STEP = GEMM_PANEL * GEMM_GROUP_BYTES };
    const uint8_t *third[5], *w = t->panel, *next = t->next;
    int64_t stride = t->x_stride, g = t->groups;
    __asm__("" : "+r"(stride));
#pragma GCC unroll 5
    for (int i = 0; i < (rows + 2) / 3; i++) {
        third[i] = t->x + 3 * i * t->x_stride;
        __asm__("" : "+r"(third[i])); /* or it would be reckoned from the others */
    }
    for (; g >= UNROLL; g -= UNROLL, w += UNROLL * STEP) {
        for (const uint8_t *stop = next + t->next_step; next < stop; next += 64)
            _mm_prefetch((const char *)next, _MM_HINT_T0);
#pragma GCC unroll 4
        for (int u = 0; u < UNROLL; u++) step(rows, third, stride, u * GEMM_GROUP_BYTES, w + u * STEP, sum);
#pragma GCC unroll 5
        for (int i = 0; i < (rows + 2) / 3; i++) third[i] += UNROLL * GEMM_GROUP_BYTES;
    }
    for (; g > 0; g--, w += STEP) {
        step(rows, third, stride, 0, w, sum);
#pragma GCC unroll 5
        for (int i = 0; i < (rows + 2) / 3; i++) third[i] += GEMM_GROUP_BYTES;
    }
}

/* Before the sums are formed: meanwhile there is time. */
INLINE void fetch_y(const int rows, target to)
{
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++, next_row(&to)) {
        __asm__ volatile("prefetchw %0" : : "m"(*to.y));
        if (!to.half) __asm__ volatile("prefetchw %0" : : "m"(to.y[LANES]));
    }
}

INLINE void tile_of(const int rows, const gemm_tile *t)
{
    vec_sum sum[GEMM_TILE][VECS];
    float sums[GEMM_TILE * GEMM_PANEL] __attribute__((aligned(64)));
    const bool waits = t->last && t->act != NN_ACT_NONE;
    if (t->far) fetch_y(rows, target_of(t));
    begin(rows, t, sum);
    add_products(rows, t, sum);
    end(rows, t, waits ? (target){.y = sums, .stride = GEMM_PANEL, .form = WHOLE} : target_of(t), sum);
    if (waits) activate_tile(t, sums);
}

#define TILE(n)                                                                                                        \
    static void tile_##n(const gemm_tile *t)                                                                           \
    {                                                                                                                  \
        tile_of(n, t);                                                                                                 \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
TILE(7)
TILE(8)
TILE(9)
TILE(10)
TILE(11)
TILE(12)
TILE(13)
TILE(14)

static void tile(const gemm_tile *t)
{
    static void (*const tiles[GEMM_TILE])(const gemm_tile *t) = {tile_1,  tile_2,  tile_3,  tile_4, tile_5,
                                                                 tile_6,  tile_7,  tile_8,  tile_9, tile_10,
                                                                 tile_11, tile_12, tile_13, tile_14};
    tiles[t->rows - 1](t);
}
