/* SPDX-License-Identifier: Apache-2.0
 * kernels.h - the dot products of scan.h, one table an instruction set. Each table lives in a file that alone is
 * compiled with that set's flags, so that nothing else of the library can pick up its instructions. */
#ifndef SIMILE_INDEX_KERNELS_H
#define SIMILE_INDEX_KERNELS_H

#include "index/scan.h"

extern const scan_kernels kernels_plain;
#ifdef __x86_64__
extern const scan_kernels kernels_avx2;   /* needs AVX2 and FMA */
extern const scan_kernels kernels_avx512; /* needs AVX-512F */
#endif

#endif
