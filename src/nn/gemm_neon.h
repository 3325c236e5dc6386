/* SPDX-License-Identifier: Apache-2.0
 * gemm_neon.h - own products over vectors of 16 bytes. Private to gemm_neon.c and gemm_dotprod.c, which define the
 * precision and then include this text once:
 *     vec_sum, vec_x, vec_w   vectors of sums, of four groups of a row of x, of four columns of one group of W
 *     load_x, spread_x        the groups from memory: four, or one in every lane
 *     load_w
 *     DOT(sum, w, x, lane)    sum + the products of group `lane` of x with w
 *     begin, end              a block's sums from, and to, what gemm_tile says
 *
 * A tile is cut into blocks of at most 5 rows and 16 columns: 20 of the 32 registers hold sums, four the panel's part
 * and five a row's next four groups, of which instructions pick one by themselves. For 80 of those there are 21 loads.
 */
#include "nn/gemm.h"

#include <arm_neon.h>

#define INLINE static inline __attribute__((always_inline))

typedef float32x4_t vec;
enum { LANES = 4, VECS = 4, BLOCK_ROWS = 5, BLOCK_COLUMNS = VECS * LANES, STEP = GEMM_PANEL * GEMM_GROUP_BYTES };

/* Rows from `row` on, and of the panel the columns from `column` on. y: its first number. */
typedef struct {
    const gemm_tile *t;
    int row, column;
    float *y;
    int64_t y_stride;
} block;

/* ---- activations ---- */

INLINE vec set(float x)
{
    return vdupq_n_f32(x);
}

/* -125 <= x <= 126: as in kernels_simd.h. NaN stays NaN. */
INLINE vec exp2_of(vec x)
{
    const vec n = vrndnq_f32(x), f = vsubq_f32(x, n);
    vec p = set(0x1.41fbbcp-13f);
    p = vfmaq_f32(set(0x1.5f3e52p-10f), p, f);
    p = vfmaq_f32(set(0x1.3b2d4cp-7f), p, f);
    p = vfmaq_f32(set(0x1.c6aee8p-5f), p, f);
    p = vfmaq_f32(set(0x1.ebfbdcp-3f), p, f);
    p = vfmaq_f32(set(0x1.62e430p-1f), p, f);
    p = vfmaq_f32(set(1.0f), p, f);
    const int32x4_t exponent = vshlq_n_s32(vcvtq_s32_f32(n), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), exponent));
}

/* x / (1 + 2^t), 0 where that is less than anyone can see. */
INLINE vec over_one_and_exp2(vec x, vec t)
{
    const uint32x4_t unseen = vcgtq_f32(t, set(126.0f));
    const vec e = exp2_of(vminq_f32(vmaxq_f32(set(-125.0f), t), set(126.0f)));
    const vec y = vdivq_f32(x, vaddq_f32(e, set(1.0f)));
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(y), unseen));
}

/* erf by 7.1.26 of Abramowitz and Stegun (error below 1.5e-7). */
INLINE vec gelu(vec x)
{
    const vec t = vdivq_f32(set(1.0f), vfmaq_f32(set(1.0f), vabsq_f32(x), set(0.3275911f * 0.70710678f)));
    vec p = set(1.061405429f * 0.5f);
    p = vfmaq_f32(set(-1.453152027f * 0.5f), p, t);
    p = vfmaq_f32(set(1.421413741f * 0.5f), p, t);
    p = vfmaq_f32(set(-0.284496736f * 0.5f), p, t);
    p = vfmaq_f32(set(0.254829592f * 0.5f), p, t);
    p = vmulq_f32(p, t);
    const vec power = vmulq_f32(vmulq_f32(x, x), set(-0.5f * 1.44269504f));
    const vec tail = vmulq_f32(vmulq_f32(p, exp2_of(vmaxq_f32(set(-125.0f), power))), x);
    return vbslq_f32(vcgtq_f32(x, set(0)), vsubq_f32(x, tail), tail);
}

INLINE vec gelu_tanh(vec x)
{
    const float log2e = 1.44269504f, c = 2 * 0.79788456f;
    const vec inner = vfmaq_f32(set(-c * log2e), vmulq_f32(x, x), set(-c * 0.044715f * log2e));
    return over_one_and_exp2(x, vmulq_f32(inner, x));
}

INLINE vec activate(vec x, nn_act act)
{
    switch (act) {
    case NN_ACT_GELU: return gelu(x);
    case NN_ACT_GELU_TANH: return gelu_tanh(x);
    case NN_ACT_QUICK_GELU: return over_one_and_exp2(x, vmulq_f32(x, set(-1.702f * 1.44269504f)));
    case NN_ACT_SWISH: return over_one_and_exp2(x, vmulq_f32(x, set(-1.44269504f)));
    case NN_ACT_RELU: return vmaxq_f32(set(0), x);
    case NN_ACT_NONE:
    default: return x;
    }
}

/* ---- y ---- */

INLINE vec y_load(const block *b, int row, int v)
{
    return vld1q_f32(b->y + row * b->y_stride + v * LANES);
}

INLINE void y_store(const block *b, int row, int v, vec sum)
{
    vst1q_f32(b->y + row * b->y_stride + v * LANES, sum);
}

/* What a number begins with: bias, and y where the sums go on from it. */
INLINE vec start_of(const block *b, int row, int v)
{
    const gemm_tile *t = b->t;
    const vec bias = t->first && t->w->bias ? vld1q_f32(t->w->bias + t->column + b->column + v * LANES) : set(0);
    return t->accumulate || !t->first ? vaddq_f32(bias, y_load(b, row, v)) : bias;
}

INLINE void activate_rows(const block *b, int rows, nn_act act)
{
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < VECS; v++) y_store(b, r, v, activate(y_load(b, r, v), act));
}

/* The block's results, which lie in the first cache. */
static void activate_block(const block *b, int rows)
{
    switch (b->t->act) {
    case NN_ACT_GELU: activate_rows(b, rows, NN_ACT_GELU); break;
    case NN_ACT_GELU_TANH: activate_rows(b, rows, NN_ACT_GELU_TANH); break;
    case NN_ACT_QUICK_GELU: activate_rows(b, rows, NN_ACT_QUICK_GELU); break;
    case NN_ACT_SWISH: activate_rows(b, rows, NN_ACT_SWISH); break;
    case NN_ACT_RELU: activate_rows(b, rows, NN_ACT_RELU); break;
    case NN_ACT_NONE:
    default: break;
    }
}

/* ---- the block ---- */

INLINE vec_x load_x(const uint8_t *x);
INLINE vec_x spread_x(const uint8_t *x);
INLINE vec_w load_w(const uint8_t *w);
INLINE void begin(int rows, const block *b, vec_sum sum[][VECS]);
INLINE void end(int rows, const block *b, vec_sum sum[][VECS]);

/* One group of each row, `lane` of its vector. The loads of one group do not mix with those of the next: in this order
 * the registers suffice, in a compiler's own they do not. */
#define ADD_GROUP(lane)                                                                                                \
    do {                                                                                                               \
        vec_w part[VECS];                                                                                              \
        __asm__ volatile("" ::: "memory");                                                                             \
        _Pragma("GCC unroll 4") for (int v = 0; v < VECS; v++) part[v] = load_w(w + (lane)*STEP + v * 16);             \
        _Pragma("GCC unroll 5") for (int r = 0; r < rows; r++) _Pragma("GCC unroll 4") for (int v = 0; v < VECS; v++)  \
            sum[r][v] = DOT(sum[r][v], part[v], x[r], lane);                                                           \
    } while (0)

INLINE void add_products(const int rows, const block *b, vec_sum sum[][VECS])
{
    const gemm_tile *t = b->t;
    const uint8_t *w = t->panel + b->column * GEMM_GROUP_BYTES, *from[BLOCK_ROWS];
    int64_t g = t->groups;
    vec_x x[BLOCK_ROWS];
#pragma GCC unroll 5
    for (int r = 0; r < rows; r++) from[r] = t->x + (b->row + r) * t->x_stride;
    for (; g >= 4; g -= 4, w += 4 * STEP) {
#pragma GCC unroll 5
        for (int r = 0; r < rows; r++) {
            x[r] = load_x(from[r]);
            from[r] += 4 * GEMM_GROUP_BYTES;
        }
        ADD_GROUP(0);
        ADD_GROUP(1);
        ADD_GROUP(2);
        ADD_GROUP(3);
    }
    for (; g > 0; g--, w += STEP) {
#pragma GCC unroll 5
        for (int r = 0; r < rows; r++) {
            x[r] = spread_x(from[r]);
            from[r] += GEMM_GROUP_BYTES;
        }
        ADD_GROUP(0);
    }
}

INLINE void block_of(const int rows, const block *b)
{
    vec_sum sum[BLOCK_ROWS][VECS];
    begin(rows, b, sum);
    add_products(rows, b, sum);
    end(rows, b, sum);
    if (b->t->last && b->t->act != NN_ACT_NONE) activate_block(b, rows);
}

static void run_block(int rows, const block *b)
{
    switch (rows) {
    case 1: block_of(1, b); break;
    case 2: block_of(2, b); break;
    case 3: block_of(3, b); break;
    case 4: block_of(4, b); break;
    default: block_of(BLOCK_ROWS, b); break;
    }
}

/* A block of which the matrix has only some columns: y is a copy. */
static void run_edge(int rows, const block *b, int columns)
{
    float copy[BLOCK_ROWS * BLOCK_COLUMNS] = {0};
    const block inside = {b->t, b->row, b->column, copy, BLOCK_COLUMNS};
    const size_t bytes = (size_t)columns * sizeof *copy;
    const bool goes_on = b->t->accumulate || !b->t->first;
    for (int r = 0; goes_on && r < rows; r++) memcpy(copy + r * BLOCK_COLUMNS, b->y + r * b->y_stride, bytes);
    run_block(rows, &inside);
    for (int r = 0; r < rows; r++) memcpy(b->y + r * b->y_stride, copy + r * BLOCK_COLUMNS, bytes);
}

static void tile(const gemm_tile *t)
{
    const int blocks = (t->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    for (int column = 0; column < t->columns; column += BLOCK_COLUMNS)
        for (int i = 0; i < blocks; i++) {
            const int first = t->rows * i / blocks, rows = t->rows * (i + 1) / blocks - first;
            const block b = {t, first, column, t->y + first * t->y_stride + t->column + column, t->y_stride};
            if (t->columns - column >= BLOCK_COLUMNS)
                run_block(rows, &b);
            else
                run_edge(rows, &b, t->columns - column);
        }
}
