/* SPDX-License-Identifier: Apache-2.0
 * rows.h - rows that are easy, hard or hostile to scans over codes, for the tests of src/index: the same in each run.
 */
#ifndef TEST_INDEX_ROWS_H
#define TEST_INDEX_ROWS_H

#include "base/mem.h"
#include "base/pool.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static simile_error err;
static uint64_t random_state = 1;

/* Knuth's MMIX linear congruence. */
static inline uint64_t next_random(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return random_state >> 33;
}

static inline float random_float(void)
{
    return (float)next_random() / (float)(UINT64_C(1) << 30) - 1.0f;
}

typedef enum {
    UNIFORM,
    CLUSTERED,
    DUPLICATES,
    ALL_EQUAL,
    ZEROS,
    DENORMALS,
    NEAR_TIES, /* one row, and neighbours of it a bit or two away */
    ONE_HOT,
    HALF_STEPS,     /* values at the edges of codes */
    FEW_DIRECTIONS, /* far from zero, and apart in eight directions: rows with a head */
    WIDE_RESTS,     /* the same, and in every second stretch as far apart in all other directions */
    LONG_ROWS,      /* some, that are never ruled out */
    MAGNITUDES,     /* from 2^-120 to 2^60, with rows of infinity and NaN */
    KINDS
} data_kind;

static inline float *row_of(float *rows, size_t stride, size_t i)
{
    return rows + i * stride;
}

static inline void make_unit(float *x, size_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++) sum += (double)x[i] * (double)x[i];
    for (size_t i = 0; i < dim && sum > 0; i++) x[i] /= (float)sqrt(sum);
}

static inline void flip_bits(float *x)
{
    uint32_t bits;
    memcpy(&bits, x, sizeof bits);
    bits ^= (uint32_t)(next_random() % 4);
    memcpy(x, &bits, sizeof bits);
}

static inline float odd_magnitude(size_t row)
{
    if (row % 97 == 3) return INFINITY;
    if (row % 97 == 5) return NAN;
    if (row % 97 == 7) return 0x1p120f;
    return ldexpf(random_float(), (int)(row % 180) - 120);
}

static inline float direction(size_t j, size_t which)
{
    uint64_t x = (j + 1) * (which + 1) * UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 31) * UINT64_C(0xBF58476D1CE4E5B9);
    return (float)(int64_t)x * 0x1p-63f;
}

static inline float few_shares(size_t row, size_t j)
{
    float sum = 0;
    for (size_t which = 0; which < 8; which++) sum += direction(row, which) * direction(j, which);
    return sum;
}

static inline void fill_row(float *rows, size_t stride, size_t i, size_t dim, data_kind kind)
{
    float *x = row_of(rows, stride, i);
    const float *early = row_of(rows, stride, i % 7);
    for (size_t j = 0; j < dim; j++) x[j] = random_float();
    make_unit(x, dim);
    if (i < 7 && (kind == CLUSTERED || kind == DUPLICATES)) return;
    for (size_t j = 0; j < dim; j++) switch (kind) {
        case CLUSTERED: x[j] = early[j] + 0.2f * x[j]; break;
        case DUPLICATES: x[j] = early[j]; break;
        case ALL_EQUAL: x[j] = rows[j]; break;
        case ZEROS: x[j] = i % 3 ? 0.0f : -0.0f; break;
        case DENORMALS: x[j] *= 0x1p-130f; break;
        case NEAR_TIES:
            x[j] = rows[j];
            if (i) flip_bits(x + j);
            break;
        case ONE_HOT: x[j] = j == i % dim ? 1 : 0; break;
        case HALF_STEPS: x[j] = (float)((int)(next_random() % 33) - 16) / 16; break;
        case FEW_DIRECTIONS: x[j] = direction(j, 99) + few_shares(i, j) + 0.1f * x[j]; break;
        case WIDE_RESTS: x[j] = direction(j, 99) + few_shares(i, j) + (i / 2048 % 2 ? 0.1f : 1.5f) * x[j]; break;
        case LONG_ROWS: x[j] *= i % 5 ? 1 : (float)(i % 17); break;
        case MAGNITUDES: x[j] = odd_magnitude(i); break;
        default: break;
        }
    if (kind == CLUSTERED || kind == FEW_DIRECTIONS || kind == WIDE_RESTS) make_unit(x, dim);
}

/* So many of a hundred rows pass the filter. */
static inline void let_some_pass(uint64_t *allow, size_t row, unsigned percent)
{
    if (next_random() % 100 < percent) allow[row / 64] |= UINT64_C(1) << row % 64;
}

/* ---- threads, for a group of tests ---- */

static pool *some_threads;

static inline int start_threads(void **state)
{
    return pool_new(3, &some_threads, &err) != SIMILE_OK;
}

static inline int stop_threads(void **state)
{
    pool_free(some_threads);
    return 0;
}

#endif
