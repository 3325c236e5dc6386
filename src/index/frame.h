/* SPDX-License-Identifier: Apache-2.0
 * frame.h - what the rows of a set have in common: their mean, and the few directions in which they differ most.
 * Private to index/.
 *
 *     x = mean + basis' h + r        h: `head` numbers, the row's share of each direction; r: what is left
 *
 * Nothing that is built on it relies on the mean being the mean or on the directions being good ones: r is whatever is
 * left of x once a rounded h is taken off, and how far the basis is from orthonormal is part of every bound. */
#ifndef SIMILE_INDEX_FRAME_H
#define SIMILE_INDEX_FRAME_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    size_t dim, head;      /* head: 0..HEAD_MOST, a multiple of HEAD_STEP */
    float *mean;           /* [dim] */
    float *basis;          /* [head, dim] */
    float *columns;        /* [dim, head], the same transposed */
    float *flips;          /* [dim]: 1 or -1, for frame_turn */
    double length, defect; /* |mean|; Frobenius norm of basis basis' - 1 */
} frame;

/* With a mean and a basis of zero. False: out of memory. */
bool frame_init(frame *f, size_t dim, size_t head);
void frame_release(frame *f);
bool frame_copy(frame *to, const frame *from);
/* Once mean and basis are there: the rest. False: they are no numbers, or no frame. */
bool frame_finish(frame *f);
/* Of some of these rows. False: out of memory. */
bool frame_fit(frame *f, const float *rows, size_t stride, size_t n, size_t dim);

/* An orthogonal map of [dim] onto itself that spreads what is concentrated in a few numbers over all: signs, then
 * Hadamard transforms of the largest powers of two. Its rounding is at most (log2(dim) + 3) 2^-23 of the length. */
void frame_turn(const frame *f, float *x);
void frame_turn_doubles(const frame *f, double *x);
void frame_turn_back(const frame *f, double *x);

#endif
