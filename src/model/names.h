/* SPDX-License-Identifier: Apache-2.0
 * names.h - one name for each tensor, whatever layout its file has: that of Hugging Face.
 *
 * A layout is a table of rules, tried in order, and belongs to a family. In a pattern '#' stands for a number and '*'
 * for whatever is left; both are put where they stand in the canonical name. '?' there is q, k or v, and '@' query, key
 * or value: the tensor holds these three on top of one another, as PyTorch's MultiheadAttention keeps them. A name that
 * no rule fits stays as it is, and is reported when no network asks for it. */
#ifndef SIMILE_MODEL_NAMES_H
#define SIMILE_MODEL_NAMES_H

#include "model/weights.h"

typedef enum {
    NAME_KEEP,
    NAME_SPLIT,
    NAME_TRANSPOSE,
    NAME_FLAT, /* without its first dimension, which is 1 */
    NAME_JOIN, /* on top of the tensor that the next rule is for, and is to ignore */
    NAME_IGNORE
} name_action;

typedef struct {
    const char *from, *to;
    name_action action;
} name_rule;

/* Recognised by a tensor that each of its files has. Several may apply: one to the image tower, one to the text. */
typedef struct {
    const char *mark;
    const char *before; /* taken off names that begin with it; may be NULL */
    const name_rule *rules;
    bool adds_scale; /* leaves logit_scale out, which is ln 100 */
} name_layout;

/* The tables of a checkpoint, one for each of its files. */
typedef struct {
    weight_table *table;
    const char *subject; /* the file, for messages */
    size_t len;          /* of the file */
} named_table;

/* Rewrites names, tensors that hold several, tensors that are stored transposed. A network that no layout here has is
 * refused by what it is. */
simile_status names_canonical(const named_table *tables, size_t n, simile_error *err);

/* Tensors that are no weights: a counter of positions, a mask, sizes. */
bool names_ignored(const char *name);

#endif
