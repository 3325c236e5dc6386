/* SPDX-License-Identifier: Apache-2.0
 * packer.c - see packer.h. */
#include "model/packer.h"

simile_status packer_matrix(packer *how, const nn_matrix_spec *spec, nn_matrix **out, simile_error *err)
{
    return nn_matrix_new(spec, out, err);
}
