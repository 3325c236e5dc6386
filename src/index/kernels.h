/* SPDX-License-Identifier: Apache-2.0
 * kernels.h - the dot products of scan.h and the sums of codes.c, one table an instruction set. Each table lives in a
 * file that alone is compiled with that set's flags, so that nothing else of the library can pick up its
 * instructions. */
#ifndef SIMILE_INDEX_KERNELS_H
#define SIMILE_INDEX_KERNELS_H

#include "index/scan.h"

extern const scan_kernels kernels_plain;

/* Numbers of 4 bits lie in groups of CODE_GROUP bytes: byte j of group g has number 2 x CODE_GROUP x g + j in its low
 * half, and the one CODE_GROUP further on in its high half. */
enum { CODE_GROUP = 64 };

/* How sums become upper bounds of scores: codes.c. */
typedef struct {
    const float *scale, *norm, *error; /* of all rows; those of a call begin at `first` */
    int32_t less;
    float factor, of_error, of_reach;
} code_bounds;

typedef struct {
    const char *name; /* "avx512vnni", "avx2", "dotprod", "neon", "plain" */
    /* sums[i] = sum over j of number j of row i (0..15) x query[j] (-127..127), i < n. rows: [n, groups x CODE_GROUP];
     * query: [2 x groups x CODE_GROUP], at a multiple of 64. Whole numbers: equal in each table. */
    void (*sums)(const uint8_t *rows, size_t n, size_t groups, const int8_t *query, int32_t *sums);
    /* most[i] = (float)(2 sums[i] - b->less) x scale[i] x b->factor + (b->of_error x error[i] + b->of_reach x (norm[i]
     * + error[i])), i < n <= 64, each operation rounded by itself, so equal in each table bit for bit. Bit i of the
     * result: not below the bar, as what is no number is not. */
    uint64_t (*bounds)(const code_bounds *b, const int32_t *sums, size_t first, size_t n, float bar, float *most);
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
uint64_t code_bounds_neon(const code_bounds *b, const int32_t *sums, size_t first, size_t n, float bar, float *most);
#endif

const code_kernels *code_kernels_best(void);
const code_kernels *code_kernels_named(const char *name); /* NULL when this processor lacks it */

struct codes;
void codes_use(struct codes *c, const code_kernels *kernels); /* instead of the best; for tests */

#endif
