/* SPDX-License-Identifier: Apache-2.0
 * quantised.c - matrices of 8-bit integers: as they lie in a file, and which of a model become such.
 *
 *     NAME           I8   [n, ...]    integers q; k numbers a row
 *     NAME_scale     F32  [n]         a factor for each row
 *     NAME_columns   F32  [k]         may be missing: then all are 1
 *     value          q[i, j] x scale[i] / columns[j], both in float32
 *
 * The bytes are foreign: types and sizes are checked, and that no value can be anything but finite. Factors are copied
 * to aligned memory that the table owns. docs/weights.md is for those who write such files.
 *
 * Which matrices of a network become integers, and what their columns are divided by, the network says itself: a model
 * of its own is opened, and packed by a packer that only listens. One thread. */
#include "model/quantised.h"

#include "base/mem.h"
#include "model/packer.h"

#include <math.h>
#include <stdio.h>

enum { LARGEST = 127 };

/* ---- reading ---- */

static simile_status unfit(const char *subject, const char *name, const char *suffix, const char *why,
                           simile_error *err)
{
    return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': tensor '%s%s' %s", subject, name, suffix, why);
}

/* n numbers of a companion that is there, copied; *out stays NULL where there is none. least: none may be below. */
static simile_status factors(weight_table *t, const char *subject, const char *name, const char *suffix, int64_t n,
                             float least, const float **out, simile_error *err)
{
    char whole[MAX_TENSOR_NAME + 16];
    *out = NULL;
    if ((size_t)snprintf(whole, sizeof whole, "%s%s", name, suffix) >= sizeof whole) return SIMILE_OK;
    weight_entry *e = (weight_entry *)(uintptr_t)weight_table_find(t, whole);
    if (!e) return SIMILE_OK;
    const nn_tensor *f = &e->tensor;
    const bool flat = f->rank == 1 || (f->rank == 2 && f->dim[1] == 1);
    if (!e->usable || f->dtype != NN_F32 || !flat || f->dim[0] != n)
        return unfit(subject, name, suffix, "is not one number of F32 for each row or column", err);
    void *copy;
    RETURN_IF_ERROR(weight_table_copy(t, (size_t)n * sizeof(float), subject, whole, &copy, err));
    float *values = copy;
    nn_tensor_to_f32(f, 0, n, values);
    for (int64_t i = 0; i < n; i++) {
        if (!(values[i] >= least && values[i] <= 1e30f))
            return unfit(subject, name, suffix, "holds a number that cannot be a factor", err);
    }
    e->used = true;
    *out = values;
    return SIMILE_OK;
}

static simile_status read_entry(weight_table *t, weight_entry *e, const char *subject, simile_error *err)
{
    nn_tensor *q = &e->tensor;
    const int64_t n = q->dim[0], k = n > 0 ? (int64_t)(e->end - e->begin) / n : 0;
    if (n < 1 || k < 1) return SIMILE_OK;
    RETURN_IF_ERROR(factors(t, subject, e->name, QUANTISED_SCALE, n, 0, &q->scale, err));
    if (!q->scale) return SIMILE_OK; /* integers that mean something else */
    RETURN_IF_ERROR(factors(t, subject, e->name, QUANTISED_COLUMNS, k, 1e-30f, &q->columns, err));
    float most = 0, least = 1;
    for (int64_t i = 0; i < n; i++) most = fmaxf(most, q->scale[i]);
    for (int64_t j = 0; q->columns && j < k; j++) least = fminf(least, q->columns[j]);
    if (!isfinite(128 * most / least)) return unfit(subject, e->name, "", "holds numbers that are too large", err);
    q->dtype = NN_I8;
    e->usable = true;
    return SIMILE_OK;
}

simile_status quantised_read(weight_table *t, const char *subject, simile_error *err)
{
    for (size_t i = 0; i < t->n; i++) {
        weight_entry *e = &t->entries[i];
        if (e->usable || e->tensor.rank < 2 || strcmp(e->dtype, nn_dtype_name(NN_I8)) != 0) continue;
        RETURN_IF_ERROR(read_entry(t, e, subject, err));
    }
    return SIMILE_OK;
}

/* ---- making ---- */

void quantised_list_release(quantised_list *list)
{
    for (size_t i = 0; list->items && i < list->n; i++) {
        mem_free(list->items[i].scale);
        mem_free(list->items[i].columns);
    }
    mem_free(list->items);
    *list = (quantised_list){0};
}

static int64_t row_length(const nn_tensor *t)
{
    return nn_tensor_count(t) / t->dim[0];
}

/* Row i as it is rounded: times its columns' factors. */
static void scaled_row(const nn_tensor *t, const float *columns, int64_t i, float *out)
{
    const int64_t k = row_length(t);
    nn_tensor_to_f32(t, i * k, k, out);
    for (int64_t j = 0; columns && j < k; j++) out[j] *= columns[j];
}

static simile_status make_scales(const nn_tensor *t, quantised *q, simile_error *err)
{
    const int64_t n = t->dim[0], k = row_length(t);
    float *row = mem_array((size_t)k, sizeof *row);
    q->scale = mem_array((size_t)n, sizeof *q->scale);
    if (!row || !q->scale) {
        mem_free(row);
        return err_nomem(err);
    }
    for (int64_t i = 0; i < n; i++) {
        float most = 0;
        scaled_row(t, q->columns, i, row);
        for (int64_t j = 0; j < k; j++) most = fmaxf(most, fabsf(row[j]));
        q->scale[i] = most / LARGEST;
        q->possible &= isfinite(most) && (most == 0 || q->scale[i] > 1e-30f);
    }
    mem_free(row);
    return SIMILE_OK;
}

bool quantise_row(const nn_tensor *t, const quantised *q, int64_t i, float *scratch, int8_t *out)
{
    const int64_t k = row_length(t);
    const float scale = q->scale[i], inverse = scale > 0 ? 1 / scale : 0;
    bool exact = true;
    scaled_row(t, q->columns, i, scratch);
    for (int64_t j = 0; j < k; j++) {
        const float step = fmaxf(fminf(rintf(scratch[j] * inverse), LARGEST), -LARGEST);
        out[j] = (int8_t)step;
        exact &= step * scale == scratch[j];
    }
    return exact;
}

typedef struct {
    const param_list *own, *listened; /* the same parameters, mapped twice */
    quantised_list *list;
} listener;

/* The parameter whose numbers these are; n: there is none, only a part of one. */
static size_t find(const param_list *list, const nn_tensor *t)
{
    for (size_t i = 0; i < list->n; i++) {
        const nn_tensor *p = &list->items[i].tensor;
        if (p->data == t->data && nn_tensor_count(p) == nn_tensor_count(t)) return i;
    }
    return list->n;
}

static simile_status on_product(void *user, const nn_tensor *parts, int n_parts, const float *columns,
                                simile_error *err)
{
    const listener *l = user;
    for (int i = 0; i < n_parts; i++) {
        const size_t at = find(l->listened, &parts[i]);
        if (at == l->listened->n || l->own->items[at].tensor.dtype == NN_I8) continue;
        quantised *q = &l->list->items[at];
        const nn_tensor *t = &l->own->items[at].tensor;
        const size_t k = (size_t)row_length(t);
        if (q->scale) continue; /* asked for twice */
        q->possible = true;
        q->columns = columns ? mem_array(k, sizeof *q->columns) : NULL;
        if (columns && !q->columns) return err_nomem(err);
        if (columns) memcpy(q->columns, columns, k * sizeof *columns);
        RETURN_IF_ERROR(make_scales(t, q, err));
    }
    return SIMILE_OK;
}

static simile_status listen_to(tower *t, listener *l, simile_error *err)
{
    if (!t) return SIMILE_OK;
    packer how = packer_for(NN_COMPUTE_INT8);
    how.listen = on_product;
    how.user = l;
    const simile_status status = t->ops->pack(t, &how, err);
    t->ops->unpack(t);
    return status;
}

simile_status quantised_list_make(const model_inside *in, quantised_list *out, simile_error *err)
{
    model *other;
    *out = (quantised_list){.n = in->params->n, .items = mem_zero_array(in->params->n + 1, sizeof *out->items)};
    if (!out->items) return err_nomem(err);
    RETURN_IF_ERROR(model_open(in->source->path, NULL, &other, err));
    const model_inside heard = model_look_inside(other);
    listener l = {.own = in->params, .listened = heard.params, .list = out};
    simile_status status = SIMILE_OK;
    if (heard.params->n != in->params->n)
        status = err_set(err, SIMILE_E_CORRUPT, "cannot convert the model '%s': its files changed", in->name);
    if (!status) status = listen_to(heard.parts->image, &l, err);
    if (!status) status = listen_to(heard.parts->text, &l, err);
    model_close(other);
    return status;
}
