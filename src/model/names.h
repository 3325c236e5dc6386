/* SPDX-License-Identifier: Apache-2.0
 * names.h - one name for each tensor, whatever layout its file has: that of Hugging Face. */
#ifndef SIMILE_MODEL_NAMES_H
#define SIMILE_MODEL_NAMES_H

#include "model/weights.h"

/* Recognises the layout of a table by its names and rewrites it: names, tensors that hold several, tensors that are
 * stored transposed. A network that no layout here has is refused by what it is. `len`: of the file. */
simile_status names_canonical(weight_table *t, const char *subject, size_t len, simile_error *err);

/* Tensors that are no weights: a counter of positions, a mask, sizes. */
bool names_ignored(const char *name);

#endif
