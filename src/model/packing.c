/* SPDX-License-Identifier: Apache-2.0
 * packing.c - see packing.h. One thread at a time: that which packs the tower.
 *
 * That matrices come in the order in which they were written is what a tower's configuration decides, and so does the
 * identity of the model in the key. ORDER is to be raised when a tower comes to ask for other matrices, or for the same
 * in another order, or to change them in another way before they are packed. */
#include "model/packing.h"

#include "base/file.h"
#include "base/mem.h"

enum { ORDER = 3 }; /* raised when a tower packs other matrices, or one in another precision */
#define MIX UINT64_C(0x9E3779B97F4A7C15)

typedef struct {
    const nn_matrix *matrix; /* or NULL, and */
    const float *floats;
    size_t bytes;
} part;

struct packing {
    packed_key key;
    char *path;
    packed *file; /* NULL: matrices are made */
    size_t taken;
    part *made; /* [n] */
    size_t n, capacity;
    bool incomplete; /* one of them was not remembered, or nothing is to be */
};

packed_key packing_key(const char *model, const char *name, nn_precision precision, uint64_t more)
{
    packed_key key = {.tower = name, .precision = precision, .packing = ORDER + more * MIX};
    memcpy(key.model, model, strnlen(model, DIGEST_HEX - 1));
    for (int i = 0; i < NN_PRECISIONS; i++) key.packing = key.packing * MIX + nn_packing_id((nn_precision)i);
    return key;
}

packing *packing_new(const char *folder, const packed_key *key)
{
    packing *p = mem_new(packing);
    if (!p) return NULL;
    p->key = *key;
    p->path = packed_path(folder, key);
    if (p->path) return p;
    packing_free(p);
    return NULL;
}

void packing_free(packing *p)
{
    if (!p) return;
    packed_close(p->file);
    mem_free(p->path);
    mem_free(p->made);
    mem_free(p);
}

bool packing_open(packing *p)
{
    simile_error err;
    const simile_status status = packed_open(p->path, &p->key, &p->file, &err);
    if (status && status != SIMILE_E_NOT_FOUND) log_message(LOG_INFO, "%s", err.message);
    /* Whose modes or owner are no good is not made anew each time: on some disks every file has such modes. */
    p->incomplete = status == SIMILE_E_IO;
    return !status;
}

void packing_doubt(packing *p)
{
    packed_close(p->file);
    p->file = NULL;
    p->taken = 0;
}

bool packing_reads(const packing *p)
{
    return p && p->file;
}

/* n and k of the stack that a specification asks for. */
static void shape_of(const nn_matrix_spec *spec, int64_t *n, int64_t *k)
{
    *n = 0;
    *k = spec->weights[0].dim[spec->transposed ? 0 : 1];
    for (int i = 0; i < spec->n_parts; i++) *n += spec->weights[i].dim[spec->transposed ? 1 : 0];
}

simile_status packing_take(packing *p, const nn_matrix_spec *spec, nn_matrix **out, simile_error *err)
{
    int64_t n, k;
    size_t bytes;
    *out = NULL;
    if (p->taken == packed_count(p->file))
        return err_set(err, SIMILE_E_CORRUPT, "cannot use '%s': it has too few matrices", p->path);
    const void *const image = packed_block(p->file, p->taken++, &bytes);
    RETURN_IF_ERROR(nn_matrix_adopt(image, bytes, out, err));
    shape_of(spec, &n, &k);
    const bool fits = nn_matrix_rows(*out) == n && nn_matrix_cols(*out) == k;
    if (fits && nn_matrix_precision(*out) == spec->precision) return SIMILE_OK;
    nn_matrix_free(*out);
    *out = NULL;
    return err_set(err, SIMILE_E_CORRUPT, "cannot use '%s': matrix %zu has another %s", p->path, p->taken,
                   fits ? "precision" : "shape");
}

bool packing_take_floats(packing *p, size_t n, float *out)
{
    size_t bytes;
    if (p->taken == packed_count(p->file)) return false;
    const void *const block = packed_block(p->file, p->taken++, &bytes);
    if (bytes != n * sizeof *out) return false;
    memcpy(out, block, bytes);
    return true;
}

static void keep(packing *p, part made)
{
    if (!p || p->incomplete) return;
    if (p->n == p->capacity) {
        const size_t capacity = p->capacity ? 2 * p->capacity : 256;
        part *grown = mem_grow(p->made, capacity, sizeof *grown);
        p->incomplete = !grown;
        if (!grown) return;
        p->made = grown;
        p->capacity = capacity;
    }
    p->made[p->n++] = made;
    p->incomplete = made.bytes == 0; /* a matrix that the product library packed */
}

void packing_keep(packing *p, const nn_matrix *m)
{
    if (p) keep(p, (part){.matrix = m, .bytes = nn_matrix_image_bytes(m)});
}

void packing_keep_floats(packing *p, const float *floats, size_t n)
{
    keep(p, (part){.floats = floats, .bytes = n * sizeof *floats});
}

bool packing_complete(const packing *p)
{
    return p->taken == packed_count(p->file);
}

static size_t part_bytes(const void *user, size_t i)
{
    return ((const packing *)user)->made[i].bytes;
}

static void part_make(const void *user, size_t i, void *out)
{
    const part *made = &((const packing *)user)->made[i];
    if (made->matrix)
        nn_matrix_image_write(made->matrix, out);
    else
        memcpy(out, made->floats, made->bytes);
}

void packing_write(packing *p)
{
    simile_error err;
    const packed_blocks blocks = {.n = p->n, .bytes = part_bytes, .make = part_make, .user = p};
    if (p->n && !p->incomplete && packed_write(p->path, &p->key, &blocks, PACKING_LIMIT, &err))
        log_message(LOG_INFO, "%s", err.message);
    mem_free(p->made);
    p->made = NULL;
    p->n = p->capacity = 0;
}
