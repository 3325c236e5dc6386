/* SPDX-License-Identifier: Apache-2.0
 * help.h - what the tests of src/nn share: numbers that look random and never change, memory, contexts, activations in
 * double. */
#ifndef TEST_NN_HELP_H
#define TEST_NN_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "nn/context.h"

#include <math.h>

/* Uniform in [-1, 1); the generator is Knuth's MMIX linear congruence. */
static inline float next_number(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(*state >> 32) * 0x1p-31f;
}

static inline float *floats(int64_t n)
{
    float *p = mem_array((size_t)n, sizeof *p);
    assert_non_null(p);
    return p;
}

static inline float *numbers(int64_t n, uint64_t seed)
{
    float *p = floats(n);
    for (int64_t i = 0; i < n; i++) p[i] = next_number(&seed);
    return p;
}

static inline nn_context *context(int threads)
{
    nn_context *ctx;
    simile_error err;
    if (nn_context_new(threads, &ctx, &err)) fail_msg("%s", err.message);
    return ctx;
}

static inline double larger(double a, double b)
{
    return a > b ? a : b;
}

static inline double activate(double x, nn_act act)
{
    switch (act) {
    case NN_ACT_GELU: return 0.5 * x * (1 + erf(x / sqrt(2)));
    case NN_ACT_GELU_TANH: return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    case NN_ACT_QUICK_GELU: return x / (1 + exp(-1.702 * x));
    case NN_ACT_SWISH: return x / (1 + exp(-x));
    case NN_ACT_RELU: return x > 0 ? x : 0;
    case NN_ACT_NONE:
    default: return x;
    }
}

/* Largest difference to the same rows computed together, once rows have length 1. */
static inline double difference(const float *got, const float *want, int64_t rows, int64_t n)
{
    double worst = 0;
    for (int64_t r = 0; r < rows; r++) {
        double squares = 0, off = 0;
        for (int64_t i = 0; i < n; i++) {
            squares += (double)want[r * n + i] * (double)want[r * n + i];
            off = larger(off, fabs((double)got[r * n + i] - (double)want[r * n + i]));
        }
        worst = larger(worst, off / sqrt(squares));
    }
    return worst;
}

#endif
