/* SPDX-License-Identifier: Apache-2.0
 * quantised.h - matrices of 8-bit integers with a factor for each row: see quantised.c for how they lie in a file. */
#ifndef SIMILE_MODEL_QUANTISED_H
#define SIMILE_MODEL_QUANTISED_H

#include "model/convert.h"

/* Behind the name of the integers. */
#define QUANTISED_SCALE   "_scale"
#define QUANTISED_COLUMNS "_columns"

/* The columns of the products that a network computes in 8-bit integers, when it is asked to; on failure too, *out is
 * for quantised_list_release(). */
simile_status quantised_list_make(const model_inside *in, quantised_list *out, simile_error *err);
void quantised_list_release(quantised_list *list);

/* Row i of t as integers, [k]; scratch: [k]. False: a number was changed. */
bool quantise_row(const nn_tensor *t, const quantised *q, int64_t i, float *scratch, int8_t *out);

#endif
