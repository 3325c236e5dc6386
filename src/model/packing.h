/* SPDX-License-Identifier: Apache-2.0
 * packing.h - the packed matrices and small vectors of one tower between its packer and a file (packed.h).
 *
 * Either there is a file, and each that the tower asks for is the next one in it; or there is none, and those
 * that were made are remembered until the tower has all of them, and then written. */
#ifndef SIMILE_MODEL_PACKING_H
#define SIMILE_MODEL_PACKING_H

#include "model/packed.h"

#include <stdbool.h>

/* All files of packed weights together take at most this much. */
#define PACKING_LIMIT ((uint64_t)4 << 30)

typedef struct packing packing;

/* Of this processor, this version of the library, and for the tower `name`. more: whatever else decides how a tower of
 * this identity is packed. */
packed_key packing_key(const char *model, const char *name, nn_precision precision, uint64_t more);

/* folder: where such files lie. NULL: memory is short, and one goes without. */
packing *packing_new(const char *folder, const packed_key *key);
void packing_free(packing *p); /* NULL is accepted */

/* Is there a file that is good? Then packing_take() follows for each matrix. */
bool packing_open(packing *p);
/* After a packing from the file failed: from now on matrices are made, and the file is replaced. */
void packing_doubt(packing *p);

bool packing_reads(const packing *p); /* false for NULL */
/* The next matrix of the file, if it has the shape that is asked for. It lies in the file. */
simile_status packing_take(packing *p, const nn_matrix_spec *spec, nn_matrix **out, simile_error *err);
/* A matrix that was made; it stays until packing_write(). Nothing happens for NULL. */
void packing_keep(packing *p, const nn_matrix *m);

/* The same for n plain numbers; false: the next block is something else. */
bool packing_take_floats(packing *p, size_t n, float *out);
void packing_keep_floats(packing *p, const float *floats, size_t n);

/* Were all matrices of the file asked for? */
bool packing_complete(const packing *p);
/* Writes what was kept. A failure is told to the log alone: whoever cannot write goes without. */
void packing_write(packing *p);

#endif
