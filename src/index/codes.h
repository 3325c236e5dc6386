/* SPDX-License-Identifier: Apache-2.0
 * codes.h - rows in few bits a number, in several layers, and a scan over them that answers exactly as scan_top() does.
 *
 * A search reads an eighth of a byte a number, a few bytes a row, and more only of what that cannot rule out. All
 * layers together take about a third of the rows' own memory, and searches up to 18 bytes a row. */
#ifndef SIMILE_INDEX_CODES_H
#define SIMILE_INDEX_CODES_H

#include "index/scan.h"

typedef struct codes codes;

enum { CODES_MOST_DIM = 16384 }; /* what the sums of the kernels hold */

/* Codes for such rows as the first n are (there may be none), with room for `capacity`; nothing is coded yet. NULL: out
 * of memory, or rows longer than that. */
codes *codes_new(const float *rows, size_t stride, size_t n, size_t capacity, size_t dim);
/* As those are, with other room, and the first n rows of them. */
codes *codes_larger(const codes *from, size_t capacity, size_t n);
void codes_free(codes *c);
size_t codes_bytes(const codes *c); /* of its memory */

/* Codes one row, of `dim` numbers. Different rows may be put at once, and while others are scanned. */
void codes_put(codes *c, size_t row, const float *x);
/* Codes the rows first..end-1 of a set of floats; threads may be NULL. */
void codes_put_rows(codes *c, const float *rows, size_t stride, size_t first, size_t end, pool *threads);

/* Of the rows that passed the filter, how many were looked at in which layer, and what that came to in bytes; the bytes
 * of the pass that comes first, over the heads of all rows, or over their signs where there are no heads, and its time.
 */
typedef struct {
    size_t rows, in_signs, in_2_bits, in_4_bits, in_8_bits, in_floats;
    size_t bytes, scan_bytes;
    double scan_ms;
} codes_work;

/* Which way queries lean: the direction of their mean, and how much of each row's first codes is off that way. It makes
 * searches by such queries cheaper, and never shows in an answer. Takes about as long as a scan of floats. NULL: out of
 * memory, or no direction. */
typedef struct habit habit;
habit *habit_new(const codes *c, const scan_set *set, const double *mean_query, pool *threads);
void habit_free(habit *h);

/* As scan_top(): equal ids and equal scores, bit for bit. c: the codes of at least the rows of the set; h: of some of
 * the first rows of these codes, or NULL. work may be NULL. */
simile_status codes_top(const scan_set *set, const codes *c, const habit *h, const float *query, size_t k,
                        pool *threads, scan_hit *out, size_t *found, codes_work *work, simile_error *err);

/* ---- layers in memory that is another's, such as a mapped file ---- */

enum { CODES_LAYERS = 13 };

size_t codes_head(const codes *c);        /* how many of the main directions have numbers of their own */
const float *codes_mean(const codes *c);  /* [dim] */
const float *codes_basis(const codes *c); /* [codes_head(c), dim] */
const void *codes_layer(const codes *c, size_t layer);
/* Bytes of a row in a layer. */
size_t codes_layer_bytes(size_t layer, size_t dim, size_t head);
/* Rows as codes_put() left them there; layers: each [capacity, codes_layer_bytes()], at a multiple of 64, borrowed.
 * Whatever their bytes are, scans stay within them. NULL: out of memory, or no mean and no basis. */
codes *codes_over(const float *mean, const float *basis, size_t head, size_t dim, size_t capacity,
                  void *const layers[CODES_LAYERS]);

#endif
