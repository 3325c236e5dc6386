/* SPDX-License-Identifier: Apache-2.0
 * show.h - numbers and lists the way people read them. */
#ifndef SIMILE_APPS_SHOW_H
#define SIMILE_APPS_SHOW_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

void show_float(buf *out, float value);                            /* the shortest text that reads back the same */
void show_vector_ends(buf *out, const float *vector, int32_t dim); /* [a, b, ..., y, z] */
void show_texts(buf *out, const char *const *texts, size_t n);     /* [one, two] */
void show_floats(buf *out, const float *values, size_t n);         /* [0.5, 0.5] */
void show_bytes(buf *out, int64_t n);                              /* 1.5 MB */
const char *show_score(int32_t score);                             /* "softmax" */
const char *show_stage(int32_t stage);                             /* of indexing, as JSON has it: "read"; -1: NULL */
void show_date(buf *out, int64_t seconds);                         /* 2023-05-17, UTC */

#endif
