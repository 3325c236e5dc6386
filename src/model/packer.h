/* SPDX-License-Identifier: Apache-2.0
 * packer.h - how a network packs its weights: in what precision, and the one door through which all of its matrices go.
 *
 * A tower asks for its matrices in an order that its configuration decides. */
#ifndef SIMILE_MODEL_PACKER_H
#define SIMILE_MODEL_PACKER_H

#include "model/balance.h"
#include "model/packing.h"

typedef struct {
    nn_precision precision; /* of the products where most of the work is; a few others are always in float32 */
    nn_precision careful;   /* of those whose input is uneven, or whose errors grow; a smaller part of the work */
    size_t bytes;           /* of all that was packed */
    packing *cache;         /* a file of packed matrices, or NULL */
    nn_store *store;        /* where those that are made lie; NULL: none was yet */
    bool unbalanced;        /* columns are left as they are: to see what that costs */
    /* When it is set, nothing is packed: each product of 8-bit integers goes to it instead. columns: [k], or NULL. */
    simile_status (*listen)(void *user, const nn_tensor *weights, int n_parts, const float *columns, simile_error *err);
    void *user;
    /* When it is set, it is called now and then: weights that were packed are not looked at again soon. */
    void (*forget)(void *weights);
    void *weights;
    size_t unforgotten; /* bytes */
} packer;

packer packer_for(nn_precision precision);
void packer_close(packer *how); /* what it made stays */

/* As nn_matrix_new() and nn_conv_new(); matrices out of the cache if they can be. */
simile_status packer_matrix(packer *how, const nn_matrix_spec *spec, nn_matrix **out, simile_error *err);
/* sizes: [in], how large the channels get, or NULL. */
simile_status packer_conv(packer *how, const nn_conv_spec *spec, const float *sizes, nn_conv **out, simile_error *err);
/* The same for a product of whose input more is known. Columns that the weights were stored with come first. */
simile_status packer_balanced(packer *how, const nn_matrix_spec *spec, const balance_input *x, nn_matrix **out,
                              simile_error *err);

/* The whole tensor as float32, for mem_free: out of the cache if it can be, so that the weights are not touched. What
 * is given back must stay as it is until the tower is packed. NULL: memory is short, or the cache has something else.
 */
float *packer_floats(packer *how, const nn_tensor *t);
/* Of a table of which rows are read by and by: where there is a cache, nothing else of the weights will be read. */
void packer_rows(const packer *how, const nn_tensor *table);

#endif
