/* SPDX-License-Identifier: Apache-2.0
 * safetensors.c - the table of a safetensors file.
 *
 *     u64 n, little-endian          length of the header
 *     n bytes of JSON               {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
 *     tensors                       back to back, row-major, little-endian, up to the end of the file exactly
 *
 * Offsets count from the byte behind the header. Refused, as the reference reader refuses them: a header over
 * 100,000,000 bytes or beyond the file, JSON of another shape, a name twice, a size that overflows or does not match
 * its range, ranges with a hole or an overlap between them, bytes behind the last tensor. Allowed: rank 0, sizes of 0,
 * no tensors at all, white space around the JSON. Reference: huggingface/safetensors, README.md and
 * safetensors/src/tensor.rs.
 *
 * The bytes are hostile. Memory stays within a small multiple of the header: nothing is built but the table. */
#include "base/jscan.h"
#include "base/mem.h"
#include "model/weights.h"

enum { MAX_HEADER = 100000000, MAX_DTYPE = 12 };

typedef struct {
    char name[MAX_DTYPE];
    int bits;
    bool usable;
    nn_dtype dtype; /* when usable */
} dtype_row;

static const dtype_row dtypes[] = {
    {"F32", 32, true, NN_F32}, {"F16", 16, true, NN_F16}, {"BF16", 16, true, NN_BF16},  {"I64", 64, true, NN_I64},
    {"BOOL", 8, false, 0},     {"U8", 8, false, 0},       {"I8", 8, false, 0},          {"F8_E5M2", 8, false, 0},
    {"F8_E4M3", 8, false, 0},  {"F8_E8M0", 8, false, 0},  {"F8_E4M3FNUZ", 8, false, 0}, {"F8_E5M2FNUZ", 8, false, 0},
    {"F6_E2M3", 6, false, 0},  {"F6_E3M2", 6, false, 0},  {"F4", 4, false, 0},          {"I16", 16, false, 0},
    {"U16", 16, false, 0},     {"I32", 32, false, 0},     {"U32", 32, false, 0},        {"F64", 64, false, 0},
    {"U64", 64, false, 0},     {"C64", 64, false, 0},
};

static const dtype_row *find_dtype(const char *name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (!strcmp(dtypes[i].name, name)) return &dtypes[i];
    }
    return NULL;
}

/* What the three keys of an entry said. */
typedef struct {
    bool dtype, shape, offsets;
} seen_keys;

static void read_shape(jscan *s, nn_tensor *t)
{
    jscan_array(s);
    while (jscan_item(s)) {
        uint64_t n;
        if (!jscan_uint(s, &n)) return;
        if (t->rank == NN_MAX_RANK) {
            jscan_fail(s, "a tensor has more than 8 dimensions");
            return;
        }
        if (n > INT64_MAX) {
            jscan_fail(s, "a dimension is too large");
            return;
        }
        t->dim[t->rank++] = (int64_t)n;
    }
}

static void read_offsets(jscan *s, weight_entry *e)
{
    uint64_t value[2] = {0};
    int n = 0;
    jscan_array(s);
    while (jscan_item(s)) {
        uint64_t v;
        if (!jscan_uint(s, &v)) return;
        if (n == 2) {
            jscan_fail(s, "data_offsets has more than two numbers");
            return;
        }
        value[n++] = v;
    }
    if (n < 2) jscan_fail(s, "data_offsets has fewer than two numbers");
    e->begin = value[0];
    e->end = value[1];
}

static void read_key(jscan *s, const char *key, weight_entry *e, seen_keys *seen, buf *scratch)
{
    bool *flag = !strcmp(key, "dtype")          ? &seen->dtype
                 : !strcmp(key, "shape")        ? &seen->shape
                 : !strcmp(key, "data_offsets") ? &seen->offsets
                                                : NULL;
    if (!flag) {
        jscan_fail(s, "a tensor has a key that is not dtype, shape or data_offsets");
        return;
    }
    if (*flag) {
        jscan_fail(s, "a tensor has a key twice");
        return;
    }
    *flag = true;
    if (flag == &seen->shape) {
        read_shape(s, &e->tensor);
    } else if (flag == &seen->offsets) {
        read_offsets(s, e);
    } else if (jscan_string(s, scratch)) {
        if (scratch->len < sizeof e->dtype)
            memcpy(e->dtype, scratch->data, scratch->len + 1);
        else
            jscan_fail(s, "an unknown dtype");
    }
}

/* One "name": {...}; the name is in *key and is copied. */
static void read_entry(jscan *s, weight_table *out, buf *key, buf *scratch)
{
    weight_entry *e = weight_table_add(out, key->data, key->len);
    if (!e) {
        s->no_memory = true;
        jscan_fail(s, "out of memory");
        return;
    }
    seen_keys seen = {0};
    jscan_object(s);
    while (jscan_key(s, key)) read_key(s, key->data, e, &seen, scratch);
    if (s->problem) return;
    if (!seen.dtype || !seen.shape || !seen.offsets) jscan_fail(s, "a tensor lacks dtype, shape or data_offsets");
}

/* "__metadata__": an object of strings; nothing in it matters to us. */
static void read_metadata(jscan *s, buf *key, buf *scratch)
{
    jscan_object(s);
    while (jscan_key(s, key)) {
        if (!jscan_string(s, scratch)) return;
    }
}

static simile_status read_header(const char *text, size_t len, const char *subject, weight_table *out,
                                 simile_error *err)
{
    jscan s;
    buf key, scratch;
    buf_init(&key, len);
    buf_init(&scratch, len);
    bool metadata = false;
    jscan_init(&s, text, len);
    jscan_object(&s);
    while (jscan_key(&s, &key)) {
        if (strcmp(key.data, "__metadata__")) {
            read_entry(&s, out, &key, &scratch);
        } else if (metadata) {
            jscan_fail(&s, "__metadata__ stands twice");
        } else {
            metadata = true;
            read_metadata(&s, &key, &scratch);
        }
    }
    const simile_status status = jscan_end(&s) ? SIMILE_OK : jscan_error(&s, subject, err);
    buf_release(&key);
    buf_release(&scratch);
    return status;
}

/* Fills in dtype and checks that the byte range is as long as shape and dtype say. */
static simile_status check_entry(weight_entry *e, const char *subject, simile_error *err)
{
    const dtype_row *row = find_dtype(e->dtype);
    if (!row)
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': tensor '%s' has the unknown dtype '%s'", subject,
                       e->name, e->dtype);
    e->usable = row->usable;
    e->tensor.dtype = row->dtype;
    uint64_t bits = (uint64_t)row->bits;
    for (int i = 0; i < e->tensor.rank; i++) {
        if (__builtin_mul_overflow(bits, (uint64_t)e->tensor.dim[i], &bits))
            return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': the size of tensor '%s' overflows", subject,
                           e->name);
    }
    if (bits % 8)
        return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': tensor '%s' does not end on a byte", subject, e->name);
    if (e->end < e->begin || e->end - e->begin != bits / 8)
        return err_set(err, SIMILE_E_CORRUPT,
                       "cannot read '%s': tensor '%s' has a range that does not match its shape and dtype", subject,
                       e->name);
    return SIMILE_OK;
}

static int by_begin(const void *a, const void *b)
{
    const weight_entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Tensors must cover the data behind the header without a hole or an overlap. `total` bytes at `data`. */
static simile_status place_entries(weight_table *t, const uint8_t *data, uint64_t total, const char *subject,
                                   simile_error *err)
{
    uint64_t at = 0;
    if (t->n) qsort(t->entries, t->n, sizeof *t->entries, by_begin);
    for (size_t i = 0; i < t->n; i++) {
        weight_entry *e = &t->entries[i];
        if (e->begin != at)
            return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': tensor '%s' leaves a hole or overlaps another",
                           subject, e->name);
        if (e->end > total)
            return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': tensor '%s' lies beyond the end of the file",
                           subject, e->name);
        e->tensor.data = data + e->begin;
        at = e->end;
    }
    if (at != total)
        return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': %llu bytes follow the last tensor", subject,
                       (unsigned long long)(total - at));
    return SIMILE_OK;
}

simile_status safetensors_read(const uint8_t *data, size_t len, const char *subject, weight_table *out,
                               simile_error *err)
{
    *out = (weight_table){0};
    if (len < 8) return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': too short for safetensors", subject);
    uint64_t header = 0;
    for (int i = 0; i < 8; i++) header |= (uint64_t)data[i] << (8 * i);
    if (header > MAX_HEADER)
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': its header is longer than %d bytes", subject,
                       MAX_HEADER);
    if (header > len - 8)
        return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': its header is longer than the file", subject);

    simile_status status = read_header((const char *)data + 8, (size_t)header, subject, out, err);
    for (size_t i = 0; !status && i < out->n; i++) status = check_entry(&out->entries[i], subject, err);
    if (!status) status = place_entries(out, data + 8 + header, len - 8 - header, subject, err);
    if (!status) status = weight_table_sort(out, subject, err);
    if (status) weight_table_release(out);
    return status;
}
