/* SPDX-License-Identifier: Apache-2.0
 * balance.c - see balance.h. One pass over the weights in front, one over the product's own. Threads: any. */
#include "model/balance.h"

#include "base/mem.h"

#include <math.h>

enum { LANES = 8, DEVIATIONS = 4 };
/* A column below this part of the largest counts as large as that: it may be anything, or nothing. */
static const float least_part = 1e-4f;

/* As far as sizes go, the gated activations are one. */
static float activated(nn_act act, float x)
{
    if (act == NN_ACT_NONE) return fabsf(x);
    return act == NN_ACT_RELU ? fmaxf(x, 0) : fabsf(x / (1 + expf(-1.702f * x)));
}

/* Mean and variance of w n, where n[j] has the mean bias[j] and the deviation gain[j]. Lanes keep one order of
 * additions whatever the compiler makes of them. */
static void moments(const balance_input *x, const float *w, int64_t d, float *mean, float *variance)
{
    float m[LANES] = {0}, v[LANES] = {0};
    int64_t j = 0;
    for (; j + LANES <= d; j += LANES) {
        for (int i = 0; i < LANES; i++) {
            const float spread = w[j + i] * x->gain[j + i];
            m[i] += w[j + i] * x->bias[j + i];
            v[i] += spread * spread;
        }
    }
    for (; j < d; j++) {
        m[0] += w[j] * x->bias[j];
        v[0] += w[j] * x->gain[j] * w[j] * x->gain[j];
    }
    *mean = *variance = 0;
    for (int i = 0; i < LANES; i++) *mean += m[i], *variance += v[i];
}

/* How large x gets, [k]; row: [d]. */
static void sizes(const balance_input *x, int64_t k, float *row, float *out)
{
    const int64_t d = x->weight ? x->weight->dim[1] : k;
    if (x->sizes) {
        memcpy(out, x->sizes, (size_t)k * sizeof *out);
        return;
    }
    for (int64_t i = 0; i < k && !x->weight; i++) out[i] = fabsf(x->bias[i]) + DEVIATIONS * fabsf(x->gain[i]);
    for (int64_t i = 0; i < k && x->weight; i++) {
        float mean, variance, offset = 0;
        nn_tensor_to_f32(x->weight, i * d, d, row);
        if (x->offset) nn_tensor_to_f32(x->offset, i, 1, &offset);
        moments(x, row, d, &mean, &variance);
        const float middle = mean + offset, spread = DEVIATIONS * sqrtf(variance);
        out[i] = fmaxf(activated(x->act, middle + spread), activated(x->act, middle - spread));
    }
}

/* The largest magnitude in each column of the stack, [k]. */
static void largest(const nn_matrix_spec *spec, int64_t k, float *row, float *out)
{
    for (int64_t j = 0; j < k; j++) out[j] = 0;
    for (int p = 0; p < spec->n_parts; p++) {
        for (int64_t i = 0; i < spec->weights[p].dim[0]; i++) {
            nn_tensor_to_f32(&spec->weights[p], i * k, k, row);
            for (int64_t j = 0; j < k; j++) {
                const float size = fabsf(row[j]);
                out[j] = size > out[j] ? size : out[j];
            }
        }
    }
}

static float floor_of(const float *x, int64_t n)
{
    float most = 0;
    for (int64_t i = 0; i < n; i++) most = x[i] > most ? x[i] : most;
    return most * least_part;
}

/* Weights are foreign: what is not finite, or 0 throughout, gets factors of 1. */
static float factor(float size, float weight)
{
    const float power = roundf(0.5f * (log2f(size) - log2f(weight)));
    return isfinite(power) && fabsf(power) < 60 ? ldexpf(1, (int)power) : 1;
}

float *balance_columns(const balance_input *x, const nn_matrix_spec *spec)
{
    const int64_t k = spec->weights[0].dim[1], d = x->weight ? x->weight->dim[1] : k;
    float *out = mem_array((size_t)k, sizeof *out), *weight = mem_array((size_t)k, sizeof *weight);
    float *row = mem_array((size_t)(d > k ? d : k), sizeof *row);
    if (out && weight && row) {
        sizes(x, k, row, out);
        largest(spec, k, row, weight);
        const float least_size = floor_of(out, k), least_weight = floor_of(weight, k);
        for (int64_t j = 0; j < k; j++) out[j] = factor(fmaxf(out[j], least_size), fmaxf(weight[j], least_weight));
    }
    mem_free(weight);
    mem_free(row);
    if (weight && row) return out;
    mem_free(out);
    return NULL;
}
