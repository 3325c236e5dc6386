/* SPDX-License-Identifier: Apache-2.0
 * score.c - what vectors are worth: unit length, similarity, confidence. Sums are double and in order, so that a
 * result depends on nothing but its arguments.
 *
 * Confidence: softmax as in CLIP (Radford et al. 2021, arXiv 2103.00020), or the sigmoid of each score as in SigLIP
 * (Zhai et al. 2023, arXiv 2303.15343). */
#include "engine/internal.h"

#include <math.h>

static double dot(const float *a, const float *b, int32_t dim)
{
    double sum = 0;
    for (int32_t i = 0; i < dim; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

void simile_normalize(float *vector, int32_t dim)
{
    const double length = sqrt(dot(vector, vector, dim));
    if (length == 0) return;
    for (int32_t i = 0; i < dim; i++) vector[i] = (float)((double)vector[i] / length);
}

float simile_similarity(const float *a, const float *b, int32_t dim)
{
    const double lengths = sqrt(dot(a, a, dim)) * sqrt(dot(b, b, dim));
    return lengths == 0 ? 0.0f : (float)(100 * (dot(a, b, dim) / lengths));
}

void simile_softmax(const float *similarity, size_t n, float logit_scale, float *out)
{
    const double scale = (double)logit_scale / 100;
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) { /* not fmax(): GCC 12 for arm64 fails on a reduction of it */
        const double scaled = scale * (double)similarity[i];
        if (scaled > largest) largest = scaled;
    }
    for (size_t i = 0; i < n; i++) sum += exp(scale * (double)similarity[i] - largest);
    for (size_t i = 0; i < n; i++) out[i] = (float)(exp(scale * (double)similarity[i] - largest) / sum);
}

void simile_sigmoid(const float *similarity, size_t n, float logit_scale, float logit_bias, float *out)
{
    const double scale = (double)logit_scale / 100;
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(1 / (1 + exp(-(scale * (double)similarity[i] + (double)logit_bias))));
}

void simile_confidence(const simile_model *handle, const float *similarity, size_t n, float *out)
{
    const simile_model_info *info = model_info(handle->m);
    if (info->score == SIMILE_SCORE_SIGMOID)
        simile_sigmoid(similarity, n, info->logit_scale, info->logit_bias, out);
    else
        simile_softmax(similarity, n, info->logit_scale, out);
}
