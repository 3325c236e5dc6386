/* SPDX-License-Identifier: Apache-2.0
 * layers.h - what codes.c writes and cascade.c reads. Private to index/.
 *
 * A row x is mean + basis' h + r; r is turned (frame_turn) before it is coded. With whole numbers u, and one factor a
 * row in front of each layer:
 *
 *     head    h' = scale (u - 63.5), u in 0..127
 *     signs   r1 = SIGN_STEP length / sqrt(dim) (2 bit - 1)
 *     second  r2 = SECOND_STEP length / sqrt(dim) (2 bit of signs + bit - 1.5)
 *     high    r4 = 16 scale (u / 16 - 7.5), the upper halves of u in 0..255
 *     low     r8 = scale (u - 127.5), the lower halves
 *
 * All factors and errors are bfloat16; errors are rounded up. An error bounds the length of what its layer leaves out
 * of the exact r, all roundings of coding included: |basis r| of the head, |r| where nothing is known of it but that,
 * |r - r1|, |r - r2|, |r - r4| and |r - r8|. */
#ifndef SIMILE_INDEX_LAYERS_H
#define SIMILE_INDEX_LAYERS_H

#include "index/codes.h"
#include "index/frame.h"
#include "index/kernels.h"

#include <math.h>
#include <stdatomic.h>

enum {
    WORD = 64,       /* rows that are looked at together: a word of the bitmap */
    LARGEST_PART = 8 /* where more than an eighth of the rows is wanted, floats are as fast */
};

enum {
    LAYER_HEAD,       /* [capacity, head] */
    LAYER_SIGNS,      /* [capacity / SIGN_ROWS rounded up, words x 8, SIGN_ROWS] */
    LAYER_HIGH,       /* [capacity, groups x CODE_GROUP] */
    LAYER_LOW,        /* [capacity, groups x CODE_GROUP] */
    LAYER_SECOND,     /* [capacity, words x 8], in the order of bit_of() */
    LAYER_HEAD_SCALE, /* [capacity], as all that follow */
    LAYER_HEAD_ERROR,
    LAYER_LENGTH,
    LAYER_SIGN_ERROR,
    LAYER_SECOND_ERROR,
    LAYER_SCALE,
    LAYER_ERROR_4,
    LAYER_ERROR_8
};

/* Memory that a search leaves to the next one: from a system it comes page by page, which takes as long as the search.
 * Searches at once each have their own, and the last to end leaves its. */
typedef struct {
    _Atomic(void *) idle; /* begins with its size_t of bytes */
} spare_room;

struct codes {
    frame f;
    spare_room *room;
    void *layers[CODES_LAYERS];
    bool borrowed;
    size_t capacity, words, groups;
    const code_kernels *kernels;
};

/* Numbers of -63..63 as the tables of code_kernels.signs: with `sums` those that it gives, the sum over the bits that
 * are set is sums + least. */
typedef struct {
    uint8_t (*tables)[16]; /* [words x 16] */
    int32_t least, sum;    /* sum: of all numbers */
} sign_query;

/* False: out of memory. */
bool sign_query_init(sign_query *q, const int8_t *v, size_t words);

/* Numbers of a query as whole ones: v = number / t. */
typedef struct {
    int8_t *v; /* 0 behind the last */
    float t;
    int32_t sum;      /* of all v */
    double norm, off; /* of the numbers; of what v leaves out */
} coded;

/* Only such queries can be coded: others are no numbers, or too long or short for what is said of their roundings. */
bool query_is_codable(const float *query, size_t dim);
/* The parts of a query: [head] and [dim], turned. Returns the share of the mean. */
double query_split(const frame *f, const float *query, double *head, double *left);
/* out->v: of 0, to be filled in with -most_v..most_v. */
void query_code(const double *x, size_t n, int most_v, coded *out);

struct habit {
    size_t n;          /* rows */
    double *direction; /* [dim], of length 1, turned */
    uint16_t *along;   /* [n]: bfloat16, how far r reaches along it */
    double off;        /* what that may be off by */
};

enum { GROUP_NUMBERS = 2 * CODE_GROUP };
enum { ROWS_AT_ONCE = 1024 }; /* of a task */

/* What leaves least of numbers that are spread normally, as turned ones are. */
static const double SIGN_STEP = 0.7979, SECOND_STEP = 0.9957;

static inline double step_of(double step, size_t dim)
{
    return step / sqrt((double)dim);
}

/* Longer rows, and what is no number, are not coded: they are always scored. */
static const float LONGEST_ROW = 2;

/* u of a float32: a sum of n products, in any order, is off by n u / (1 - n u) of the sum of their absolute values
 * (Higham, "Accuracy and Stability of Numerical Algorithms", 3.1). */
static inline double rounding_of(size_t n)
{
    const double u = 0x1p-24 * (double)(n + 2);
    return u / (1 - u);
}

/* What scores and their bounds may be off by, being float32, in lengths of the query: see cascade.c. */
static inline double query_slack(size_t dim)
{
    return 0x1p-15 + rounding_of(dim) * (double)LONGEST_ROW;
}

#endif
