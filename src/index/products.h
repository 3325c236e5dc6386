/* SPDX-License-Identifier: Apache-2.0
 * products.h - the kernels of batch.c: products of the codes of rows with those of many queries. Private to index/.
 *
 * As with code_kernels, a table lives in a file with its own flags, the plain one (products_plain.c) is the definition,
 * and tests/unit/index/test_batch.c holds every table to it. Sums are of whole numbers; in bounds the order of the
 * operations is written down. */
#ifndef SIMILE_INDEX_PRODUCTS_H
#define SIMILE_INDEX_PRODUCTS_H

#include "index/batch.h"

enum {
    PANEL = 16, /* queries whose numbers lie side by side */
    PANELS = 4,
    BATCH_QUERIES = PANEL * PANELS, /* of a table's call: as many as a mask has bits */
    BATCH_STEP = 24                 /* a table may look at rows up to a multiple of this */
};

/* Queries, and what their bounds are made of. The numbers of a panel lie by fours: those of the first query, of the
 * second ... of the last, then the next four of each. Behind the last query are zeros. */
typedef struct {
    size_t panels, head, width;    /* head and width: numbers, multiples of 16 and of 128 */
    const int8_t *heads, *numbers; /* [panels, head x PANEL], [panels, width x PANEL]: -127..127 */
    int32_t head_less[BATCH_QUERIES], less[BATCH_QUERIES];
    int32_t head_sum[BATCH_QUERIES], sum[BATCH_QUERIES]; /* of the numbers of a query */
    float base[BATCH_QUERIES];
    float head_factor[BATCH_QUERIES], of_head_scale[BATCH_QUERIES], of_head_error[BATCH_QUERIES];
    float factor[BATCH_QUERIES], of_length[BATCH_QUERIES], of_error[BATCH_QUERIES];
} batch_queries;

/* Of a row. */
typedef struct {
    float head_scale, head_error, scale, length, error;
} row_facts;

/* Rows whose products with all queries are wanted. heads: [n, head]; numbers: [n, width]; most: [n, BATCH_QUERIES]; all
 * at multiples of 64. Rows up to the next multiple of BATCH_STEP can be read and are written, with whatever comes of
 * them. */
typedef struct {
    const batch_queries *q;
    const uint8_t *heads, *numbers;
    const row_facts *facts;
    size_t n;
    const float *bars; /* [BATCH_QUERIES] */
    float *most;
    uint64_t *masks;        /* [n] */
    const uint8_t *soon[2]; /* the halves of the numbers that as many rows will be made of next: may be asked for */
} batch_tile;

typedef struct {
    const char *name; /* "avx512vnni", "avx2", "plain" */
    size_t row_bytes; /* what a row costs it with few queries, in the bytes that a query alone reads in that time */
    /* The numbers of a row, 0..255, from the layers of their upper and lower halves: [groups x CODE_GROUP] each. */
    void (*join)(const uint8_t *high, const uint8_t *low, size_t groups, uint8_t *numbers);
    /* For i < n and j < panels x PANEL, each operation rounded to a float by itself: with the sums a and b over the
     * products of the numbers of row i and query j, of their heads (0..127) and of the rest (0..255),
     *     known = base + (((float)(2 a - head_less) x head_factor + of_head_scale) x head_scale
     *                     + of_head_error x head_error)
     *     most[i, j] = (known + ((float)(2 b - less) x factor x scale + of_length x length)) + of_error x error
     * and bit j of masks[i]: most[i, j] is not below bars[j], as what is no number is not. */
    void (*bounds)(const batch_tile *t);
} batch_kernels;

extern const batch_kernels batch_kernels_plain;
#ifdef __x86_64__
extern const batch_kernels batch_kernels_avx2;       /* needs AVX2 */
extern const batch_kernels batch_kernels_avx512vnni; /* needs AVX-512F, BW and VNNI */
#endif

const batch_kernels *batch_kernels_best(void);              /* NULL: none is faster than one query after the other */
const batch_kernels *batch_kernels_named(const char *name); /* NULL when this processor lacks it */

/* As batch_top(), by these kernels however few the requests are; NULL: by floats. For tests. */
simile_status batch_top_with(const batch_kernels *kernels, const scan_set *set, const codes *c, const habit *h,
                             batch_request *requests, size_t n, pool *threads, batch_work *work, simile_error *err);

#endif
