/* SPDX-License-Identifier: Apache-2.0
 * help.h - what the tests of src/nn share: numbers that look random and never change, memory, contexts. */
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

#endif
