/* SPDX-License-Identifier: Apache-2.0
 * packer.c - see packer.h.
 *
 * A product of 8-bit integers gets the factors of its columns here, unless its weights were stored as such: then they
 * have their own, and packing finds the same integers again. */
#include "model/packer.h"

#include "base/file.h"
#include "base/mem.h"

enum { FORGET = 1 << 25 }; /* bytes of weights */

packer packer_for(nn_precision precision)
{
    const nn_precision fine = nn_precision_native(NN_COMPUTE_BF16) ? NN_COMPUTE_BF16 : NN_COMPUTE_F32;
    return (packer){.precision = precision, .careful = precision == NN_COMPUTE_INT8 ? fine : precision};
}

void packer_close(packer *how)
{
    nn_store_free(how->store);
    how->store = NULL;
}

static size_t stored_bytes(const nn_tensor *t)
{
    return (size_t)nn_tensor_count(t) / (size_t)nn_dtype_block(t->dtype) * nn_dtype_size(t->dtype);
}

static void forget(packer *how, const nn_tensor *weights, int n)
{
    for (int i = 0; i < n; i++) how->unforgotten += stored_bytes(&weights[i]);
    if (!how->forget || how->unforgotten < FORGET) return;
    how->forget(how->weights);
    how->unforgotten = 0;
}

static simile_status pack(packer *how, const nn_matrix_spec *spec, nn_matrix **out, simile_error *err)
{
    if (how->listen) {
        if (spec->precision != NN_COMPUTE_INT8) return SIMILE_OK;
        return how->listen(how->user, spec->weights, spec->n_parts, spec->column_scale, err);
    }
    nn_matrix_spec stored = *spec;
    if (!how->store) RETURN_IF_ERROR(nn_store_new(&how->store, err));
    stored.store = how->store;
    RETURN_IF_ERROR(nn_matrix_new(&stored, out, err));
    packing_keep(how->cache, *out);
    how->bytes += nn_matrix_bytes(*out);
    forget(how, spec->weights, spec->n_parts);
    return SIMILE_OK;
}

simile_status packer_matrix(packer *how, const nn_matrix_spec *spec, nn_matrix **out, simile_error *err)
{
    return packer_balanced(how, spec, NULL, out, err);
}

/* Out of a file, which knows its columns. */
static simile_status take(packer *how, const nn_matrix_spec *spec, nn_matrix **out, simile_error *err)
{
    RETURN_IF_ERROR(packing_take(how->cache, spec, out, err));
    how->bytes += nn_matrix_bytes(*out);
    return SIMILE_OK;
}

/* The columns of a product of 8-bit integers: those that its weights were stored with, or new ones, which are also
 * *own. NULL without an error: none. */
static const float *columns_for(const packer *how, const nn_matrix_spec *spec, const balance_input *x, float **own,
                                bool *failed)
{
    *own = NULL;
    if (spec->precision != NN_COMPUTE_INT8) return NULL;
    if (spec->weights[0].columns) return spec->weights[0].columns;
    if (!x || how->unbalanced) return NULL;
    *own = balance_columns(x, spec);
    *failed = !*own;
    return *own;
}

simile_status packer_balanced(packer *how, const nn_matrix_spec *spec, const balance_input *x, nn_matrix **out,
                              simile_error *err)
{
    nn_matrix_spec scaled = *spec;
    float *own;
    bool failed = false;
    *out = NULL;
    if (packing_reads(how->cache)) return take(how, spec, out, err);
    scaled.column_scale = columns_for(how, spec, x, &own, &failed);
    const simile_status status = failed ? err_nomem(err) : pack(how, &scaled, out, err);
    mem_free(own);
    return status;
}

static simile_status pack_conv(packer *how, const nn_conv_spec *spec, nn_conv **out, simile_error *err)
{
    if (how->listen) {
        if (spec->precision != NN_COMPUTE_INT8 || spec->weights.dim[2] > 1) return SIMILE_OK;
        return how->listen(how->user, &spec->weights, 1, spec->column_scale, err);
    }
    RETURN_IF_ERROR(nn_conv_new(spec, out, err));
    how->bytes += nn_conv_bytes(*out);
    forget(how, &spec->weights, 1);
    return SIMILE_OK;
}

simile_status packer_conv(packer *how, const nn_conv_spec *spec, const float *sizes, nn_conv **out, simile_error *err)
{
    nn_tensor rows = spec->weights; /* of one pixel: [out, in] */
    rows.rank = 2;
    const bool pixel = rows.dim[2] * rows.dim[3] == 1;
    const nn_matrix_spec matrix = {.weights = &rows, .n_parts = 1, .precision = spec->precision};
    const balance_input x = {.sizes = sizes};
    nn_conv_spec scaled = *spec;
    float *own = NULL;
    bool failed = false;
    *out = NULL;
    if (pixel) scaled.column_scale = columns_for(how, &matrix, sizes ? &x : NULL, &own, &failed);
    const simile_status status = failed ? err_nomem(err) : pack_conv(how, &scaled, out, err);
    mem_free(own);
    return status;
}

float *packer_floats(packer *how, const nn_tensor *t)
{
    const int64_t n = nn_tensor_count(t);
    float *out = mem_array((size_t)n, sizeof *out);
    if (!out) return NULL;
    if (packing_reads(how->cache)) {
        if (packing_take_floats(how->cache, (size_t)n, out)) return out;
        mem_free(out);
        return NULL;
    }
    nn_tensor_to_f32(t, 0, n, out);
    packing_keep_floats(how->cache, out, (size_t)n);
    return out;
}

void packer_rows(const packer *how, const nn_tensor *table)
{
    if (packing_reads(how->cache)) file_map_scattered(table->data, stored_bytes(table));
}
