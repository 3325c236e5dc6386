/* SPDX-License-Identifier: Apache-2.0
 * kernels.h - the dot products of scan.h and the sums of the cascade, one table an instruction set. Each table lives in
 * a file that alone is compiled with that set's flags, so that nothing else of the library can pick up its
 * instructions.
 *
 * A new table of code_kernels needs the five functions below; the plain one (sums_plain.c) defines them, and
 * tests/unit/index/test_codes.c holds every table to it. `heads`, `signs`, `sums` and `bits` are sums of whole numbers,
 * hence equal whatever the order; in `bounds` the order of the operations is written down. */
#ifndef SIMILE_INDEX_KERNELS_H
#define SIMILE_INDEX_KERNELS_H

#include "index/scan.h"

#include <string.h>

extern const scan_kernels kernels_plain;

/* Numbers of 4 bits lie in groups of CODE_GROUP bytes: byte j of group g has number 2 x CODE_GROUP x g + j in its low
 * half, and the one CODE_GROUP further on in its high half. */
enum { CODE_GROUP = 64 };

/* The numbers of a head: at most so many, a multiple of HEAD_STEP. */
enum { HEAD_MOST = 64, HEAD_STEP = 16 };

/* Signs, a bit each, lie in blocks of so many rows: the first byte of each, the second byte of each ... */
enum { SIGN_ROWS = 64 };

/* Other bits lie in parts of BIT_GROUP bytes, the last of what is left: bit k of byte j of a part of n bytes is of its
 * number n x k + j. So the numbers of all k-th bits lie side by side. */
enum { BIT_GROUP = 64 };

/* A bfloat16 as the float that it is the upper half of. */
static inline float widen_half(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

typedef struct {
    size_t byte;
    unsigned bit;
} bit_place;

static inline bit_place bit_of(size_t number, size_t bytes)
{
    const size_t part = number / (8 * BIT_GROUP) * BIT_GROUP, at = number - 8 * part;
    const size_t n = bytes - part < BIT_GROUP ? bytes - part : BIT_GROUP;
    return (bit_place){part + at % n, (unsigned)(at / n)};
}

/* How sums become upper bounds of scores: cascade.c. scale, reach and error are of all rows, in bfloat16 (the upper
 * half of a float); those of a call begin at `first`. */
typedef struct {
    const uint16_t *scale, *reach, *error;
    int32_t less;
    float factor, of_scale, of_reach, of_error;
} code_bounds;

typedef struct {
    const char *name; /* "avx512vnni", "avx2", "dotprod", "neon", "plain" */
    /* sums[i] = sum over j < width of rows[i x width + j] (0..127) x query[j] (-127..127), i < n. width: a multiple of
     * HEAD_STEP up to HEAD_MOST; query: [HEAD_MOST], 0 behind the last, at a multiple of 64. */
    void (*heads)(const uint8_t *rows, size_t n, size_t width, const int8_t *query, int32_t *sums);
    /* Of SIGN_ROWS rows at once: byte j of row i is block[j x SIGN_ROWS + i], and
     *     sums[i] = sum over j < bytes of tables[2j][byte & 15] + tables[2j + 1][byte >> 4].
     * bytes: a multiple of 8. block and tables at multiples of 64. */
    void (*signs)(const uint8_t *block, size_t bytes, const uint8_t (*tables)[16], int32_t *sums);
    /* sums[i] = sum over j of number j of row places[i] (0..15) x query[j] (-127..127), i < n. rows: [.., groups x
     * CODE_GROUP]; query: [2 x groups x CODE_GROUP], at a multiple of 64. */
    void (*sums)(const uint8_t *rows, const uint16_t *places, size_t n, size_t groups, const int8_t *query,
                 int32_t *sums);
    /* sums[i] = sum over the numbers of query (-127..127) whose bits are set in row places[i], i < n. rows: [..,
     * bytes], bytes: a multiple of 8, with bits in the order of bit_of(); query: [8 x bytes], at a multiple of 64. */
    void (*bits)(const uint8_t *rows, const uint16_t *places, size_t n, size_t bytes, const int8_t *query,
                 int32_t *sums);
    /* For i < n <= 64, each operation rounded to a float by itself, so equal in each table bit for bit:
     *     known[i] = base[i] + (((float)(2 sums[i] - less) x factor + of_scale) x scale[i] + of_reach x reach[i])
     *     most[i] = known[i] + of_error x error[i]
     * Bit i of the result: most[i] is not below the bar, as what is no number is not. known and base may be one. */
    uint64_t (*bounds)(const code_bounds *b, const float *base, const int32_t *sums, size_t first, size_t n, float bar,
                       float *known, float *most);
} code_kernels;

extern const code_kernels code_kernels_plain;

#ifdef __x86_64__
extern const scan_kernels kernels_avx2;            /* needs AVX2 and FMA */
extern const scan_kernels kernels_avx512;          /* needs AVX-512F */
extern const code_kernels code_kernels_avx2;       /* needs AVX2 */
extern const code_kernels code_kernels_avx512vnni; /* needs AVX-512F, BW and VNNI */
#endif

#ifdef __aarch64__
extern const scan_kernels kernels_neon;
extern const code_kernels code_kernels_neon;
extern const code_kernels code_kernels_dotprod; /* needs the dot products of ARMv8.2 */
#endif

const code_kernels *code_kernels_best(void);
const code_kernels *code_kernels_named(const char *name); /* NULL when this processor lacks it */

struct codes;
void codes_use(struct codes *c, const code_kernels *kernels); /* instead of the best; for tests */

#endif
