/* SPDX-License-Identifier: Apache-2.0
 * tower.h - what the two halves of a dual encoder have in common, whatever network is inside.
 *
 * A tower is loaded (names and shapes checked, nothing copied), packed once before its first use, and then immutable.
 * Each kind is a struct of its own that begins with `tower` and is reached through its table of operations. Forward
 * functions take their working memory from the caller's arena and leave its mark as they found it. */
#ifndef SIMILE_MODEL_TOWER_H
#define SIMILE_MODEL_TOWER_H

#include "base/digest.h"
#include "base/mem.h"
#include "model/packer.h"
#include "text/tokenizer.h"

#include <stdatomic.h>

typedef struct tower tower;

typedef struct {
    simile_status (*pack)(tower *t, packer *how, simile_error *err);
    void (*unpack)(tower *t); /* gives up what packing made, also after a packing that failed half-way */
    void (*free)(tower *t);
    size_t (*memory)(const tower *t); /* arena bytes of one call */
    /* Whatever decides a vector besides the parameters and the preprocessing. */
    void (*identify)(const tower *t, const tokenizer *words, digest *d);
    /* An image tower: pixels [n, 3, R, R], out [n, E], n <= chunk. */
    simile_status (*see)(const tower *t, nn_context *ctx, arena *memory, const float *pixels, int64_t n, float *out,
                         simile_error *err);
    /* A text tower: out [n, E], any n. */
    simile_status (*read)(const tower *t, nn_context *ctx, arena *memory, const token_list *texts, size_t n, float *out,
                          simile_error *err);
} tower_ops;

struct tower {
    const tower_ops *ops;
    int64_t dim;               /* E */
    int64_t image_size, chunk; /* of an image tower: R, and how many pictures are best encoded together */
    int64_t vocab, context;    /* of a text tower: ids are below vocab, a text has at most `context` of them */
    atomic_bool packed;
    packing *cache; /* where its matrices lie if they were taken from a file, or NULL */
};

/* NULL is accepted. */
static inline void tower_free(tower *t)
{
    if (!t) return;
    packing *cache = t->cache;
    t->ops->free(t);
    packing_free(cache);
}

/* Every id below vocab and no text longer than the context. */
simile_status tower_check_text(const tower *t, const token_list *text, simile_error *err);

#endif
