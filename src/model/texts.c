/* SPDX-License-Identifier: Apache-2.0
 * texts.c - see texts.h.
 *
 * A text's vector does not depend on what else is in its chunk: attention keeps to the rows of one sequence, and a row
 * of a product does not depend on the others (nn.h). */
#include "model/texts.h"

enum { CHUNK_ROWS = 1024, CHUNK_TEXTS = 256 };

static int64_t chunk_rows(const tower *t)
{
    return t->context > CHUNK_ROWS ? t->context : CHUNK_ROWS;
}

size_t texts_memory(const tower *t, const tower_config *c)
{
    return block_run_bytes(c, chunk_rows(t)) + (2 * CHUNK_TEXTS + 1) * sizeof(int32_t) + 4 * 64;
}

/* Takes texts from the front as long as they fit; returns how many, with starts[], rows[] and r->x filled in. */
static size_t pack_texts(const texts_ops *ops, const tower *t, const token_list *texts, size_t n, const block_run *r,
                         int32_t *starts, int32_t *rows)
{
    size_t taken = 0;
    starts[0] = 0;
    while (taken < n && taken < CHUNK_TEXTS) {
        size_t wanted = 0;
        const size_t length = ops->length(t, &texts[taken], &wanted);
        if ((int64_t)starts[taken] + (int64_t)length > chunk_rows(t)) break;
        ops->embed(t, &texts[taken], length, r->x + (size_t)starts[taken] * (size_t)r->config->width);
        rows[taken] = starts[taken] + (int32_t)wanted;
        starts[taken + 1] = starts[taken] + (int32_t)length;
        taken++;
    }
    return taken;
}

static simile_status read_chunks(const texts_ops *ops, const tower *t, block_run *r, arena *memory,
                                 const token_list *texts, size_t n, float *out, simile_error *err)
{
    int32_t *starts = arena_take(memory, (CHUNK_TEXTS + 1) * sizeof *starts);
    int32_t *rows = arena_take(memory, CHUNK_TEXTS * sizeof *rows);
    if (!block_run_place(r, memory, chunk_rows(t)) || !starts || !rows)
        return err_set(err, SIMILE_E_INTERNAL, "the encoder's memory is too small");
    r->starts = starts;
    for (size_t i = 0; i < n; i++) RETURN_IF_ERROR(tower_check_text(t, &texts[i], err));
    for (size_t done = 0; done < n;) {
        const size_t taken = pack_texts(ops, t, texts + done, n - done, r, starts, rows);
        r->sequences = (int32_t)taken;
        RETURN_IF_ERROR(ops->encode(t, r, rows, out + done * (size_t)t->dim, err));
        done += taken;
    }
    return SIMILE_OK;
}

simile_status texts_read(const texts_ops *ops, const tower *t, block_run *r, arena *memory, const token_list *texts,
                         size_t n, float *out, simile_error *err)
{
    const size_t mark = arena_mark(memory);
    const simile_status status = read_chunks(ops, t, r, memory, texts, n, out, err);
    arena_reset(memory, mark);
    return status;
}
