/* SPDX-License-Identifier: Apache-2.0
 * score.c - what vectors are worth: unit length, similarity, confidence. Sums are double and in order, so that a
 * result depends on nothing but its arguments. */
#include "simile.h"

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
    for (size_t i = 0; i < n; i++) largest = fmax(largest, scale * (double)similarity[i]);
    for (size_t i = 0; i < n; i++) sum += exp(scale * (double)similarity[i] - largest);
    for (size_t i = 0; i < n; i++) out[i] = (float)(exp(scale * (double)similarity[i] - largest) / sum);
}
