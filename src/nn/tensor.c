/* SPDX-License-Identifier: Apache-2.0
 * tensor.c - tensors as they lie in a weight file: sizes, names, widening to float32 and back.
 *
 * Data may begin at any byte, so every element is read through memcpy(); compilers turn that into plain loads.
 * binary16 is widened with integer arithmetic and one subtraction: subnormals are rebuilt as the difference of two
 * normal numbers, which is exact, and NaN keeps its payload bits. bfloat16 is the upper half of a float32. On the way
 * back, half of the last kept bit less one is added, and the last kept bit itself: to the nearest, or to even.
 *
 * Blocks of 32 values (ggml-org/ggml, src/ggml-common.h and src/ggml-quants.c); d and m are binary16, q are nibbles of
 * which the lower halves of the bytes are values 0 to 15 and the upper ones 16 to 31, h holds a fifth bit for each:
 *     Q4_0  d q[16]          (q - 8) d                Q5_0  d h[4] q[16]      (q + 16h - 16) d
 *     Q4_1  d m q[16]        q d + m                  Q5_1  d m h[4] q[16]    (q + 16h) d + m
 *     Q8_0  d q[32]          q d, signed bytes
 * Everything here only reads its arguments: any thread. */
#include "nn/nn.h"

#include <string.h>

size_t nn_dtype_size(nn_dtype dtype)
{
    switch (dtype) {
    case NN_F32: return 4;
    case NN_F16:
    case NN_BF16: return 2;
    case NN_I64: return 8;
    case NN_I8: return 1;
    case NN_Q4_0: return 2 + 16;
    case NN_Q4_1: return 4 + 16;
    case NN_Q5_0: return 2 + 4 + 16;
    case NN_Q5_1: return 4 + 4 + 16;
    case NN_Q8_0: return 2 + 32;
    default: return 0;
    }
}

int64_t nn_dtype_block(nn_dtype dtype)
{
    return dtype >= NN_Q4_0 ? NN_BLOCK : 1;
}

const char *nn_dtype_name(nn_dtype dtype)
{
    switch (dtype) {
    case NN_F32: return "F32";
    case NN_F16: return "F16";
    case NN_BF16: return "BF16";
    case NN_I64: return "I64";
    case NN_I8: return "I8";
    case NN_Q4_0: return "Q4_0";
    case NN_Q4_1: return "Q4_1";
    case NN_Q5_0: return "Q5_0";
    case NN_Q5_1: return "Q5_1";
    case NN_Q8_0: return "Q8_0";
    default: return "?";
    }
}

int64_t nn_tensor_count(const nn_tensor *t)
{
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++) count *= t->dim[i];
    return count;
}

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Exponent and fraction move up by 13 bits; the exponent's bias grows from 15 to 127, by 224 for infinity and NaN. */
static float widen_half(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t magnitude = (uint32_t)(half & 0x7fffu) << 13;
    const uint32_t exponent = half & 0x7c00u;
    if (exponent == 0x7c00u) return from_bits(sign | (magnitude + (224u << 23)));
    if (exponent) return from_bits(sign | (magnitude + (112u << 23)));
    const float subnormal = from_bits(magnitude + (113u << 23)) - from_bits(113u << 23); /* 113: 2^-14 */
    return sign ? -subnormal : subnormal;
}

static void widen_f16(const uint8_t *in, int64_t count, float *out)
{
    for (int64_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, in + 2 * i, sizeof half);
        out[i] = widen_half(half);
    }
}

static void widen_bf16(const uint8_t *in, int64_t count, float *out)
{
    for (int64_t i = 0; i < count; i++) {
        uint16_t upper;
        memcpy(&upper, in + 2 * i, sizeof upper);
        out[i] = from_bits((uint32_t)upper << 16);
    }
}

static void round_i64(const uint8_t *in, int64_t count, float *out)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t value;
        memcpy(&value, in + 8 * i, sizeof value);
        out[i] = (float)value;
    }
}

/* Row by row: one factor each, and the columns' own where there are such. */
static void widen_rows(const nn_tensor *t, int64_t first, int64_t count, float *out)
{
    const int8_t *in = t->data;
    const int64_t k = t->rank && t->dim[0] ? nn_tensor_count(t) / t->dim[0] : 1;
    int64_t row = first / k, j = first % k;
    for (int64_t i = 0; i < count; row++, j = 0) {
        const float scale = t->scale[row];
        for (; j < k && i < count; i++, j++) {
            const float value = (float)in[first + i] * scale;
            out[i] = t->columns ? value / t->columns[j] : value;
        }
    }
}

static float read_half(const uint8_t *at)
{
    uint16_t half;
    memcpy(&half, at, sizeof half);
    return widen_half(half);
}

static void widen_block(nn_dtype dtype, const uint8_t *in, float out[NN_BLOCK])
{
    const float scale = read_half(in);
    if (dtype == NN_Q8_0) {
        for (int i = 0; i < NN_BLOCK; i++) out[i] = (float)(int8_t)in[2 + i] * scale;
        return;
    }
    const bool least = dtype == NN_Q4_1 || dtype == NN_Q5_1, fifth = dtype == NN_Q5_0 || dtype == NN_Q5_1;
    const float minimum = least ? read_half(in + 2) : 0;
    const uint8_t *at = in + (least ? 4 : 2);
    uint32_t high = 0;
    if (fifth) memcpy(&high, at, sizeof high);
    if (fifth) at += sizeof high;
    const int middle = least ? 0 : fifth ? 16 : 8;
    for (int i = 0; i < NN_BLOCK; i++) {
        const int nibble = i < 16 ? at[i] & 15 : at[i - 16] >> 4;
        const int q = (nibble | (int)(high >> i & 1) << 4) - middle;
        out[i] = least ? (float)q * scale + minimum : (float)q * scale;
    }
}

static void widen_blocks(const nn_tensor *t, int64_t first, int64_t count, float *out)
{
    const uint8_t *in = (const uint8_t *)t->data + (size_t)(first / NN_BLOCK) * nn_dtype_size(t->dtype);
    int64_t skip = first % NN_BLOCK;
    while (count > 0) {
        float values[NN_BLOCK];
        const int64_t len = NN_BLOCK - skip < count ? NN_BLOCK - skip : count;
        widen_block(t->dtype, in, values);
        memcpy(out, values + skip, (size_t)len * sizeof *out);
        in += nn_dtype_size(t->dtype);
        out += len;
        count -= len;
        skip = 0;
    }
}

void nn_tensor_to_f32(const nn_tensor *t, int64_t first, int64_t count, float *out)
{
    if (count <= 0) return;
    if (nn_dtype_block(t->dtype) > 1) {
        widen_blocks(t, first, count, out);
        return;
    }
    const uint8_t *in = (const uint8_t *)t->data + (size_t)first * nn_dtype_size(t->dtype);
    switch (t->dtype) {
    case NN_F32: memcpy(out, in, (size_t)count * sizeof *out); break;
    case NN_F16: widen_f16(in, count, out); break;
    case NN_BF16: widen_bf16(in, count, out); break;
    case NN_I64: round_i64(in, count, out); break;
    case NN_I8: widen_rows(t, first, count, out); break;
    default: break;
    }
}

/* ---- narrowing ---- */

static uint32_t to_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Below 2^-14 a half counts in steps of 2^-24, and so does a float32 between 0.5 and 1: the sum does the rounding. */
static uint16_t narrow_half(float value)
{
    const uint32_t bits = to_bits(value), magnitude = bits & 0x7fffffffu, sign = bits >> 16 & 0x8000u;
    uint32_t out;
    if (magnitude > 0x7f800000u)
        out = 0x7e00u | (magnitude >> 13 & 0x3ffu);
    else if (magnitude >= 0x47800000u) /* 2^16 */
        out = 0x7c00u;
    else if (magnitude >= 113u << 23) /* 2^-14 */
        out = (magnitude + 0xfffu + (magnitude >> 13 & 1u) - (112u << 23)) >> 13;
    else
        out = to_bits(from_bits(magnitude) + 0.5f) - to_bits(0.5f);
    return (uint16_t)(sign | out);
}

static uint16_t narrow_bfloat(float value)
{
    const uint32_t bits = to_bits(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

static nn_narrowing judge(float before, float after)
{
    const uint32_t infinite = 0x7f800000u;
    if (to_bits(before) == to_bits(after)) return NN_EXACT;
    const bool overflow = (to_bits(after) & 0x7fffffffu) == infinite && (to_bits(before) & 0x7fffffffu) < infinite;
    return overflow ? NN_OVERFLOWED : NN_ROUNDED;
}

nn_narrowing nn_tensor_from_f32(nn_dtype dtype, const float *in, int64_t count, void *out)
{
    nn_narrowing worst = NN_EXACT;
    if (dtype == NN_F32 && count > 0) memcpy(out, in, (size_t)count * sizeof *in);
    for (int64_t i = 0; i < count && dtype != NN_F32; i++) {
        const bool half = dtype == NN_F16;
        const uint16_t narrow = half ? narrow_half(in[i]) : narrow_bfloat(in[i]);
        const nn_narrowing what = judge(in[i], half ? widen_half(narrow) : from_bits((uint32_t)narrow << 16));
        memcpy((uint8_t *)out + 2 * i, &narrow, sizeof narrow);
        if (what > worst) worst = what;
    }
    return worst;
}
