/* SPDX-License-Identifier: Apache-2.0
 * npy.h - arrays of float32 as numpy's .npy files, version 1.0. */
#ifndef SIMILE_APPS_NPY_H
#define SIMILE_APPS_NPY_H

#include "base/buf.h"

#include <stddef.h>

enum { NPY_HEADER = 128 };

/* Leaves room for the header; the numbers are appended behind it as they are in memory. */
bool npy_begin(buf *out);
bool npy_add(buf *out, const float *values, size_t n);
/* Writes the header for this shape, whose product is the number of values that were added. n_axes: 2 or 3. */
void npy_end(buf *out, const size_t *shape, int n_axes);

#endif
