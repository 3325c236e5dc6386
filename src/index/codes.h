/* SPDX-License-Identifier: Apache-2.0
 * codes.h - rows in 4 and 8 bits a number, and a scan over them that answers exactly as scan_top() does.
 *
 * A quarter of the rows' own memory and 16 bytes a row more; a search reads an eighth of what scan_top() reads, and
 * what it cannot rule out. */
#ifndef SIMILE_INDEX_CODES_H
#define SIMILE_INDEX_CODES_H

#include "index/scan.h"

typedef struct codes codes;

enum { CODES_MOST_DIM = 16384 }; /* what the sums of the kernels hold */

/* NULL: out of memory, or rows longer than that. */
codes *codes_new(size_t capacity, size_t dim);
void codes_free(codes *c);
size_t codes_bytes(const codes *c); /* of its memory */

/* Codes one row, of `dim` numbers. Different rows may be put at once, and while others are scanned. */
void codes_put(codes *c, size_t row, const float *x);
/* Codes the rows first..end-1 of a set of floats; threads may be NULL. */
void codes_put_rows(codes *c, const float *rows, size_t stride, size_t first, size_t end, pool *threads);
/* The first n rows; of equal dim, room for n. */
void codes_copy(codes *to, const codes *from, size_t n);

/* Of the rows that passed the filter, how many were looked at again. */
typedef struct {
    size_t in_8_bits, in_floats;
} codes_work;

/* As scan_top(): equal ids and equal scores, bit for bit. c: the codes of at least the rows of the set. work may be
 * NULL. */
simile_status codes_top(const scan_set *set, const codes *c, const float *query, size_t k, pool *threads, scan_hit *out,
                        size_t *found, codes_work *work, simile_error *err);

#endif
