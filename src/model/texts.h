/* SPDX-License-Identifier: Apache-2.0
 * texts.h - what towers of texts share: texts of different lengths lie packed behind one another, without padding, in
 * chunks that the encoder's memory holds. */
#ifndef SIMILE_MODEL_TEXTS_H
#define SIMILE_MODEL_TEXTS_H

#include "model/block.h"
#include "model/tower.h"

typedef struct {
    /* Rows that a text takes, 1 to the tower's context; *wanted: which of them the tower may go on with alone. */
    size_t (*length)(const tower *t, const token_list *text, size_t *wanted);
    /* x: [length, D] */
    void (*embed)(const tower *t, const token_list *text, size_t length, float *x);
    /* The chunk's texts are the sequences of r, embedded in r->x; rows: [sequences], the wanted ones, absolute; out:
     * [sequences, E]. */
    simile_status (*encode)(const tower *t, block_run *r, const int32_t *rows, float *out, simile_error *err);
} texts_ops;

/* Arena bytes of one call. */
size_t texts_memory(const tower *t, const tower_config *c);
/* r: context, configuration and kind of the blocks. */
simile_status texts_read(const texts_ops *ops, const tower *t, block_run *r, arena *memory, const token_list *texts,
                         size_t n, float *out, simile_error *err);

#endif
