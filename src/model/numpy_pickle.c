/* SPDX-License-Identifier: Apache-2.0
 * numpy_pickle.c - a linear layer as Python's pickle of two arrays of numpy, [W, b]: the last layers of the older
 * models of Multilingual-CLIP, which multiply from the right.
 *
 *     W    [in, out]    float32 or float64, little-endian, row by row
 *     b    [out]
 *
 * They become linear.weight [out, in] and linear.bias [out], float32. Reference: FreddeFrallan/Multilingual-CLIP,
 * multilingual_clip/legacy_multilingual_clip.py (_load_head). The bytes are hostile: pickle.c says what is refused, and
 * here no number is believed before it agrees with the bytes that there are. */
#include "base/mem.h"
#include "base/utf8.h"
#include "model/pickle.h"
#include "model/weights.h"

typedef struct {
    const pickle *p;
    const char *subject;
    weight_table *out;
    simile_error *err;
} reader;

typedef struct {
    size_t dim[2];      /* the second is 1 for one dimension */
    size_t count, size; /* elements, bytes of one */
    const pickle_value *data;
} array;

static simile_status refuse(const reader *r, simile_status status, const char *why)
{
    return err_set(r->err, status, "cannot read '%s': %s", r->subject, why);
}

static simile_status read_shape(const reader *r, uint32_t value, uint32_t rank, array *a)
{
    const pickle_value *shape = &r->p->values[value];
    if (shape->kind != PICKLE_TUPLE || shape->n != rank)
        return refuse(r, SIMILE_E_FORMAT, "its arrays are no matrix and no vector of a linear layer");
    a->dim[0] = a->dim[1] = 1;
    for (uint32_t i = 0; i < rank; i++) {
        const pickle_value *n = &r->p->values[shape->items[i]];
        if (n->kind != PICKLE_INT || n->number < 1 || n->number > UINT32_MAX)
            return refuse(r, SIMILE_E_CORRUPT, "an array in it has an impossible size");
        a->dim[i] = (size_t)n->number;
    }
    return mem_mul(a->dim[0], a->dim[1], &a->count)
               ? SIMILE_OK
               : refuse(r, SIMILE_E_CORRUPT, "an array in it has an impossible size");
}

static simile_status read_dtype(const reader *r, uint32_t value, array *a)
{
    const pickle_value *type = &r->p->values[value];
    if (type->kind != PICKLE_DTYPE || type->n != 2) return refuse(r, SIMILE_E_CORRUPT, "an array in it has no type");
    a->size = pickle_is_text(r->p, type->items[0], "f4") ? 4 : pickle_is_text(r->p, type->items[0], "f8") ? 8 : 0;
    if (!a->size || !pickle_is_text(r->p, type->items[1], "<"))
        return refuse(r, SIMILE_E_UNSUPPORTED, "its arrays are not of little-endian float32 or float64");
    return SIMILE_OK;
}

/* False and "C" mean row by row. */
static bool is_by_rows(const pickle *p, uint32_t value)
{
    const pickle_value *order = &p->values[value];
    return order->kind == PICKLE_BOOL || order->kind == PICKLE_INT ? order->number == 0 : pickle_is_text(p, value, "C");
}

static simile_status describe(const reader *r, uint32_t value, uint32_t rank, array *a)
{
    const pickle_value *v = &r->p->values[value];
    *a = (array){0};
    if (v->kind != PICKLE_ARRAY) return refuse(r, SIMILE_E_FORMAT, "its pickle does not hold two arrays");
    if (v->n != PICKLE_ARRAY_ITEMS) return refuse(r, SIMILE_E_CORRUPT, "an array in it has no numbers");
    RETURN_IF_ERROR(read_shape(r, v->items[PICKLE_SHAPE], rank, a));
    RETURN_IF_ERROR(read_dtype(r, v->items[PICKLE_ARRAY_DTYPE], a));
    if (!is_by_rows(r->p, v->items[PICKLE_ORDER]))
        return refuse(r, SIMILE_E_UNSUPPORTED, "its arrays do not lie row by row");
    a->data = &r->p->values[v->items[PICKLE_DATA]];
    size_t bytes;
    const bool fits = a->data->kind == PICKLE_BYTES && mem_mul(a->count, a->size, &bytes) &&
                      (a->data->code == PICKLE_LATIN1 ? bytes <= a->data->n : bytes == a->data->n);
    return fits ? SIMILE_OK : refuse(r, SIMILE_E_CORRUPT, "an array in it has another size than its bytes");
}

/* Bytes that were written as characters: one each, all below 256. */
static bool decode(const pickle_value *v, uint8_t *out, size_t n)
{
    size_t at = 0, made = 0;
    while (at < v->n && made < n) {
        const uint32_t c = utf8_next(v->text, v->n, &at);
        if (c > 0xff) return false;
        out[made++] = (uint8_t)c;
    }
    return at == v->n && made == n;
}

static float element(const array *a, const uint8_t *bytes, size_t i)
{
    float single;
    double twice;
    memcpy(&single, bytes + i * a->size, sizeof single);
    if (a->size == sizeof single) return single;
    memcpy(&twice, bytes + i * a->size, sizeof twice);
    return (float)twice;
}

/* out: [columns, rows] */
static void transpose(const array *a, const uint8_t *bytes, float *out)
{
    for (size_t i = 0; i < a->dim[0]; i++) {
        for (size_t k = 0; k < a->dim[1]; k++) out[k * a->dim[0] + i] = element(a, bytes, i * a->dim[1] + k);
    }
}

static simile_status copy_numbers(const reader *r, const array *a, float *out)
{
    if (a->data->code != PICKLE_LATIN1) {
        transpose(a, (const uint8_t *)a->data->text, out);
        return SIMILE_OK;
    }
    uint8_t *bytes = mem_array(a->count, a->size);
    if (!bytes) return err_nomem(r->err);
    const bool whole = decode(a->data, bytes, a->count * a->size);
    if (whole) transpose(a, bytes, out);
    mem_free(bytes);
    return whole ? SIMILE_OK : refuse(r, SIMILE_E_CORRUPT, "an array in it has another size than its bytes");
}

static simile_status add(const reader *r, const char *name, const array *a, int rank)
{
    void *copy;
    RETURN_IF_ERROR(weight_table_copy(r->out, a->count * sizeof(float), r->subject, name, &copy, r->err));
    RETURN_IF_ERROR(copy_numbers(r, a, copy));
    weight_entry *e = weight_table_add(r->out, name, strlen(name));
    if (!e) return err_nomem(r->err);
    memcpy(e->dtype, "F32", 4);
    e->usable = true;
    e->end = a->count * sizeof(float);
    e->tensor = (nn_tensor){.data = copy, .dtype = NN_F32, .rank = rank};
    for (int i = 0; i < rank; i++) e->tensor.dim[i] = (int64_t)a->dim[rank - 1 - i];
    return SIMILE_OK;
}

static simile_status read_layer(const reader *r)
{
    const pickle_value *root = &r->p->values[r->p->root];
    array weight, bias;
    if ((root->kind != PICKLE_LIST && root->kind != PICKLE_TUPLE) || root->n != 2)
        return refuse(r, SIMILE_E_FORMAT, "its pickle does not hold two arrays");
    RETURN_IF_ERROR(describe(r, root->items[0], 2, &weight));
    RETURN_IF_ERROR(describe(r, root->items[1], 1, &bias));
    if (weight.dim[1] != bias.dim[0])
        return refuse(r, SIMILE_E_FORMAT, "its arrays are no matrix and no vector of a linear layer");
    RETURN_IF_ERROR(add(r, "linear.weight", &weight, 2));
    RETURN_IF_ERROR(add(r, "linear.bias", &bias, 1));
    return weight_table_sort(r->out, r->subject, r->err);
}

simile_status numpy_pickle_read(const uint8_t *data, size_t len, const char *subject, weight_table *out,
                                simile_error *err)
{
    pickle p;
    size_t used;
    const reader r = {&p, subject, out, err};
    *out = (weight_table){.copy_max = len + COPY_ROOM};
    RETURN_IF_ERROR(pickle_read(PICKLE_OF_NUMPY, data, len, subject, &p, &used, err));
    simile_status status = used == len ? read_layer(&r) : refuse(&r, SIMILE_E_CORRUPT, "bytes follow its pickle");
    pickle_release(&p);
    if (status) weight_table_release(out);
    return status;
}
