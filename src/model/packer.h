/* SPDX-License-Identifier: Apache-2.0
 * packer.h - how a network packs its weights: in what precision, and the one door through which all of its matrices go.
 *
 * A tower asks for its matrices in an order that its configuration decides. */
#ifndef SIMILE_MODEL_PACKER_H
#define SIMILE_MODEL_PACKER_H

#include "nn/nn.h"

typedef struct {
    nn_precision precision; /* of the products where most of the work is; a few others are always in float32 */
} packer;

/* As nn_matrix_new(). */
simile_status packer_matrix(packer *how, const nn_matrix_spec *spec, nn_matrix **out, simile_error *err);

#endif
