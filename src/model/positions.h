/* SPDX-License-Identifier: Apache-2.0
 * positions.h - vision transformers at another resolution than the one they were trained at.
 *
 * A learned position belongs to a patch of a square grid. For another grid the table is interpolated between its
 * neighbours, bicubically; rows before those of the grid (the class token's) stay as they are. */
#ifndef SIMILE_MODEL_POSITIONS_H
#define SIMILE_MODEL_POSITIONS_H

#include "model/vit.h"

/* Makes *c and *prepare those for pictures of size x size pixels; size 0 leaves them alone. The margin around a crop
 * grows with it. path: of the model, for messages. */
simile_status vit_take_size(vit_config *c, image_prepare_spec *prepare, int64_t size, const char *path,
                            simile_error *err);

/* table: [E + grid x grid, D], any E. Returns [E + wanted x wanted, D] for mem_free; NULL when memory is short. */
float *positions_on_grid(const nn_tensor *table, int64_t grid, int64_t wanted);

#endif
