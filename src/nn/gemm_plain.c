/* SPDX-License-Identifier: Apache-2.0
 * gemm_plain.c - own products in plain C: the definition of correct, and what runs where nothing faster can.
 *
 * bfloat16: the sums are those of AVX512-BF16: of the two products of a group the second is added first, each sum is
 * rounded to nearest even, and subnormal numbers are 0 wherever they appear. Products of two bfloat16 are exact in
 * float32. */
#include "nn/gemm.h"

/* ---- x, narrowed ---- */

static void narrow_bf16(const gemm_weights *w, int64_t rows, const float *x, uint8_t *out, int64_t stride, float *scale,
                        int32_t *zero)
{
    for (int64_t r = 0; r < rows; r++, x += w->k, out += stride) {
        uint16_t *to = (uint16_t *)(void *)out;
        for (int64_t i = 0; i < w->k; i++) to[i] = gemm_bf16(x[i]);
        if (w->k % 2) to[w->k] = 0;
    }
}

/* One row: 0 lies between its least and its greatest number, both of which it can hold. */
static void quantize_row(const gemm_weights *w, const float *x, uint8_t *out, float *scale, int32_t *zero)
{
    float low = 0, high = 0, finite = 0;
    for (int64_t i = 0; i < w->k; i++) {
        const float v = w->inverse ? x[i] * w->inverse[i] : x[i];
        if (v < low) low = v;
        if (v > high) high = v;
        finite += v * 0.0f; /* NaN where v is none or infinite */
    }
    const gemm_range range = gemm_range_of(low, high, finite);
    *scale = range.scale;
    *zero = range.zero;
    for (int64_t i = 0; i < w->k; i++) {
        const float v = w->inverse ? x[i] * w->inverse[i] : x[i];
        const float q = rintf(v * range.inverse) + (float)range.zero;
        out[i] = q >= 255.0f ? 255 : q > 0.0f ? (uint8_t)q : 0; /* NaN is 0: the factor says it */
    }
}

static void narrow_int8(const gemm_weights *w, int64_t rows, const float *x, uint8_t *out, int64_t stride, float *scale,
                        int32_t *zero)
{
    for (int64_t r = 0; r < rows; r++, out += stride) {
        quantize_row(w, x + r * w->k, out, &scale[r], &zero[r]);
        memset(out + w->k, 0, (size_t)(gemm_divide_up(w->k, 4) * 4 - w->k));
    }
}

/* ---- activations ---- */

static float activate(float x, nn_act act)
{
    switch (act) {
    case NN_ACT_GELU: return 0.5f * x * (1.0f + erff(x * 0.70710678f));
    case NN_ACT_GELU_TANH: return 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    case NN_ACT_QUICK_GELU: return x / (1.0f + expf(-1.702f * x));
    case NN_ACT_SWISH: return x / (1.0f + expf(-x));
    case NN_ACT_RELU: return x > 0 ? x : x != x ? x : 0.0f;
    case NN_ACT_NONE:
    default: return x;
    }
}

static void finish(const gemm_tile *t, int row, const float *sum)
{
    const int64_t at = row * t->y_stride + t->column;
    uint16_t *half = (uint16_t *)(void *)t->y + at;
    for (int c = 0; c < t->columns; c++) {
        const float y = t->last ? activate(sum[c], t->act) : sum[c];
        if (t->half)
            half[c] = gemm_bf16(y);
        else
            t->y[at + c] = y;
    }
}

/* ---- tiles ---- */

/* What the sums of a row begin with. */
static void begin(const gemm_tile *t, int row, float *sum)
{
    const float *y = t->y + row * t->y_stride + t->column, *bias = t->w->bias;
    for (int c = 0; c < GEMM_PANEL; c++) {
        sum[c] = t->first && bias ? bias[t->column + c] : 0.0f;
        if (c < t->columns && (t->accumulate || !t->first)) sum[c] += y[c];
    }
}

static void tile_f32(const gemm_tile *t)
{
    for (int r = 0; r < t->rows; r++) {
        const float *x = (const float *)(const void *)(t->x + r * t->x_stride);
        const float *w = (const float *)(const void *)t->panel;
        float sum[GEMM_PANEL];
        begin(t, r, sum);
        for (int64_t g = 0; g < t->groups; g++, w += GEMM_PANEL)
            for (int c = 0; c < GEMM_PANEL; c++) sum[c] += x[g] * w[c];
        finish(t, r, sum);
    }
}

static float widen(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float no_subnormal(float x)
{
    return fabsf(x) < FLT_MIN ? copysignf(0.0f, x) : x;
}

static void tile_bf16(const gemm_tile *t)
{
    for (int r = 0; r < t->rows; r++) {
        const uint16_t *x = (const uint16_t *)(const void *)(t->x + r * t->x_stride);
        const uint16_t *w = (const uint16_t *)(const void *)t->panel;
        float sum[GEMM_PANEL];
        begin(t, r, sum);
        for (int64_t g = 0; g < t->groups; g++, w += 2 * GEMM_PANEL) {
            const float x0 = widen(x[2 * g]), x1 = widen(x[2 * g + 1]);
            for (int c = 0; c < GEMM_PANEL; c++) {
                const float first = no_subnormal(no_subnormal(sum[c]) + x1 * widen(w[2 * c + 1]));
                sum[c] = no_subnormal(first + x0 * widen(w[2 * c]));
            }
        }
        finish(t, r, sum);
    }
}

static void tile_int8(const gemm_tile *t)
{
    for (int r = 0; r < t->rows; r++) {
        const uint8_t *x = t->x + r * t->x_stride;
        const int8_t *w = (const int8_t *)t->panel;
        int32_t exact[GEMM_PANEL] = {0};
        float sum[GEMM_PANEL];
        for (int64_t g = 0; g < t->groups; g++, w += 4 * GEMM_PANEL)
            for (int c = 0; c < GEMM_PANEL; c++)
                for (int i = 0; i < 4; i++) exact[c] += (int32_t)x[4 * g + i] * w[4 * c + i];
        begin(t, r, sum);
        for (int c = 0; c < GEMM_PANEL; c++) {
            const uint32_t shift = (uint32_t)t->x_zero[r] * (uint32_t)t->w->sum[t->column + c];
            const float whole = (float)(int32_t)((uint32_t)exact[c] - shift);
            sum[c] = whole * (t->x_scale[r] * t->w->scale[t->column + c]) + sum[c];
        }
        finish(t, r, sum);
    }
}

const gemm_kernels *gemm_plain(nn_precision precision)
{
    static const gemm_kernels tables[NN_PRECISIONS] = {{"plain", NULL, tile_f32, true},
                                                       {"plain", narrow_bf16, tile_bf16, true},
                                                       {"plain", narrow_int8, tile_int8, true}};
    return &tables[precision];
}
