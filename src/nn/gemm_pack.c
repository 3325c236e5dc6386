/* SPDX-License-Identifier: Apache-2.0
 * gemm_pack.c - the image of packed weights: made from float32 rows, or adopted as it was saved (gemm.h).
 *
 * An image is one block: a header of 64 bytes, the panels, the bias, and for 8-bit integers the factors and sums of the
 * columns and what columns of x are multiplied by. It holds no pointers, so it can be written to a file and mapped.
 *
 * Threads: a matrix is immutable. */
#include "nn/gemm.h"

#include "base/mem.h"

#include <stdatomic.h>

enum { ALIGNMENT = 64, CHUNK = 32 << 20 };

/* ---- stores ---- */

typedef struct chunk {
    struct chunk *next;
    uint8_t *base;
    size_t size, used;
} chunk;

/* Chunks of which only what is used becomes memory. Its maker and each matrix in it hold it. */
struct nn_store {
    chunk *first;
    atomic_long holders;
};

simile_status nn_store_new(nn_store **out, simile_error *err)
{
    *out = mem_new(nn_store);
    if (!*out) return err_nomem(err);
    atomic_init(&(*out)->holders, 1);
    return SIMILE_OK;
}

void nn_store_free(nn_store *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->holders, 1, memory_order_acq_rel) > 1) return;
    while (s->first) {
        chunk *c = s->first;
        s->first = c->next;
        mem_free(c->base);
        mem_free(c);
    }
    mem_free(s);
}

static chunk *add_chunk(nn_store *s, size_t bytes)
{
    chunk *c = mem_new(chunk);
    if (!c) return NULL;
    c->size = bytes > CHUNK ? bytes : CHUNK;
    c->base = mem_aligned(c->size);
    if (!c->base) {
        mem_free(c);
        return NULL;
    }
    c->next = s->first;
    s->first = c;
    return c;
}

/* bytes: a multiple of 64. */
static uint8_t *store_take(nn_store *s, size_t bytes)
{
    chunk *c = s->first;
    if (!c || c->size - c->used < bytes) c = add_chunk(s, bytes);
    if (!c) return NULL;
    uint8_t *at = c->base + c->used;
    c->used += bytes;
    atomic_fetch_add_explicit(&s->holders, 1, memory_order_relaxed);
    return at;
}

/* What an image begins with; numbers as the processor has them, so another kind of processor sees another id. */
typedef struct {
    uint64_t packing, bytes;
    int64_t n, k;
    uint64_t bias, columns; /* 1: there are such */
    uint64_t unused[2];
} image_header;
_Static_assert(sizeof(image_header) == ALIGNMENT, "sections begin at multiples of 64 bytes");

struct gemm_matrix {
    gemm_weights view;
    const uint8_t *image;
    uint8_t *owned;  /* NULL: the image is someone else's */
    nn_store *store; /* in which the image lies, or NULL */
    size_t bytes;
};

uint64_t gemm_packing_id(nn_precision precision)
{
    return 0x53494d474d4d3100u + (uint64_t)precision; /* "SIMGMM1" */
}

/* Where the sections of an image begin; false: too large. bias and column: whether there are such sections. */
typedef struct {
    size_t panels, bias, scale, sum, inverse, end;
} image_layout;

static bool section(size_t *end, size_t count, size_t size, size_t *at)
{
    size_t bytes;
    *at = *end;
    return mem_mul(count, size, &bytes) && mem_add(bytes, ALIGNMENT - 1, &bytes) &&
           mem_add(*end, bytes & ~(size_t)(ALIGNMENT - 1), end);
}

static bool layout_of(const gemm_weights *w, bool bias, bool column, image_layout *out)
{
    const size_t columns = (size_t)gemm_divide_up(w->n, GEMM_PANEL) * GEMM_PANEL, groups = (size_t)w->groups;
    const bool int8 = w->precision == NN_COMPUTE_INT8;
    size_t panel;
    *out = (image_layout){.end = sizeof(image_header)};
    return mem_mul(groups, GEMM_GROUP_BYTES, &panel) && section(&out->end, columns, panel, &out->panels) &&
           section(&out->end, bias ? columns : 0, sizeof(float), &out->bias) &&
           section(&out->end, int8 ? columns : 0, sizeof(float), &out->scale) &&
           section(&out->end, int8 ? columns : 0, sizeof(int32_t), &out->sum) &&
           section(&out->end, column ? groups * 4 : 0, sizeof(float), &out->inverse);
}

static void view_image(gemm_weights *w, const uint8_t *image, const image_layout *at)
{
    w->panels = image + at->panels;
    w->bias = at->scale > at->bias ? (const float *)(const void *)(image + at->bias) : NULL;
    w->scale = at->sum > at->scale ? (const float *)(const void *)(image + at->scale) : NULL;
    w->sum = at->inverse > at->sum ? (const int32_t *)(const void *)(image + at->sum) : NULL;
    w->inverse = at->end > at->inverse ? (const float *)(const void *)(image + at->inverse) : NULL;
}

/* ---- packing ---- */

/* Where one panel goes. */
typedef struct {
    int64_t k, groups;
    uint8_t *panel;
    float *scale; /* int8 */
    int32_t *sum;
} packing;

static void pack_f32(const packing *p, int column, const float *row)
{
    float *to = (float *)(void *)p->panel + column;
    for (int64_t i = 0; i < p->k; i++) to[i * GEMM_PANEL] = row[i];
}

static void pack_bf16(const packing *p, int column, const float *row)
{
    uint16_t *to = (uint16_t *)(void *)p->panel + 2 * column;
    for (int64_t i = 0; i < p->k; i++) to[i / 2 * 2 * GEMM_PANEL + i % 2] = gemm_bf16(row[i]);
}

/* The factor is NaN where a weight is not finite. */
static void pack_int8(const packing *p, int column, const float *row)
{
    int8_t *to = (int8_t *)p->panel + 4 * column;
    float most = 0, finite = 0;
    int32_t sum = 0;
    for (int64_t i = 0; i < p->k; i++) {
        most = fabsf(row[i]) > most ? fabsf(row[i]) : most;
        finite += row[i] * 0.0f;
    }
    const float inverse = finite == 0.0f && most >= FLT_MIN * 127.0f ? 127.0f / most : 0.0f;
    for (int64_t i = 0; inverse > 0 && i < p->k; i++) {
        const int8_t q = (int8_t)rintf(row[i] * inverse);
        to[i / 4 * 4 * GEMM_PANEL + i % 4] = q;
        sum += q;
    }
    p->scale[column] = finite == 0.0f ? (inverse > 0 ? most / 127.0f : 0.0f) : finite;
    p->sum[column] = sum;
}

static void pack_row(nn_precision precision, const packing *p, int column, const float *row)
{
    if (precision == NN_COMPUTE_F32) pack_f32(p, column, row);
    if (precision == NN_COMPUTE_BF16) pack_bf16(p, column, row);
    if (precision == NN_COMPUTE_INT8) pack_int8(p, column, row);
}

/* Fills an image that is all zeros. */
static void pack_image(const gemm_weights *w, uint8_t *image, const image_layout *at, product_fill_fn fill, void *user,
                       const float *column_scale, float *rows)
{
    const int64_t k = w->k;
    for (int64_t first = 0; first < w->n; first += GEMM_PANEL) {
        const int count = (int)(w->n - first < GEMM_PANEL ? w->n - first : GEMM_PANEL);
        const packing p = {k, w->groups, image + at->panels + (size_t)first * (size_t)w->groups * GEMM_GROUP_BYTES,
                           (float *)(void *)(image + at->scale) + first, (int32_t *)(void *)(image + at->sum) + first};
        fill(user, first, count, rows);
        for (int c = 0; c < count; c++) {
            for (int64_t i = 0; column_scale && i < k; i++) rows[c * k + i] *= column_scale[i];
            pack_row(w->precision, &p, c, rows + c * k);
        }
    }
}

static gemm_weights weights_of(int64_t n, int64_t k, nn_precision precision)
{
    return (gemm_weights){.n = n, .k = k, .groups = gemm_divide_up(k, gemm_group(precision)), .precision = precision};
}

/* Memory for an image, in the store or of its own. */
static uint8_t *place_image(gemm_matrix *m, nn_store *store, size_t bytes)
{
    uint8_t *image = store ? store_take(store, bytes) : mem_aligned(bytes);
    if (!image) return NULL;
    if (store)
        m->store = store;
    else
        m->owned = image;
    m->image = image;
    m->bytes = bytes;
    return memset(image, 0, bytes);
}

simile_status gemm_matrix_new_in(nn_store *store, const product_shape *shape, product_fill_fn fill, void *user,
                                 const float *bias, const float *column_scale, gemm_matrix **out, simile_error *err)
{
    *out = NULL;
    if (shape->precision != NN_COMPUTE_INT8) column_scale = NULL;
    gemm_matrix *m = mem_new(gemm_matrix);
    float *rows = mem_array((size_t)shape->k * GEMM_PANEL, sizeof *rows);
    image_layout at;
    if (!m || !rows) goto failed;
    m->view = weights_of(shape->n, shape->k, shape->precision);
    if (!layout_of(&m->view, bias != NULL, column_scale != NULL, &at)) goto failed;
    uint8_t *image = place_image(m, store, at.end);
    if (!image) goto failed;
    const image_header header = {.packing = gemm_packing_id(shape->precision),
                                 .bytes = at.end,
                                 .n = shape->n,
                                 .k = shape->k,
                                 .bias = bias != NULL,
                                 .columns = column_scale != NULL};
    memcpy(image, &header, sizeof header);
    view_image(&m->view, image, &at);
    pack_image(&m->view, image, &at, fill, user, column_scale, rows);
    if (bias) memcpy(image + at.bias, bias, (size_t)shape->n * sizeof *bias);
    float *inverse = (float *)(void *)(image + at.inverse);
    for (int64_t i = 0; column_scale && i < shape->k; i++) inverse[i] = 1.0f / column_scale[i];
    mem_free(rows);
    *out = m;
    return SIMILE_OK;
failed:
    gemm_matrix_free(m);
    mem_free(rows);
    return err_nomem(err);
}

simile_status gemm_matrix_new(const product_shape *shape, product_fill_fn fill, void *user, const float *bias,
                              const float *column_scale, gemm_matrix **out, simile_error *err)
{
    return gemm_matrix_new_in(NULL, shape, fill, user, bias, column_scale, out, err);
}

void gemm_matrix_free(gemm_matrix *m)
{
    if (!m) return;
    nn_store_free(m->store);
    mem_free(m->owned);
    mem_free(m);
}

simile_status gemm_matrix_part(const gemm_matrix *m, int64_t first, int64_t n, gemm_matrix **out, simile_error *err)
{
    const gemm_weights *w = &m->view;
    *out = NULL;
    if (first % GEMM_PANEL || (n % GEMM_PANEL && first + n < w->n)) return SIMILE_OK;
    gemm_matrix *part = mem_new(gemm_matrix);
    if (!part) return err_nomem(err);
    part->view = *w;
    part->view.n = n;
    part->view.panels += first * w->groups * GEMM_GROUP_BYTES;
    if (w->bias) part->view.bias += first;
    if (w->scale) part->view.scale += first;
    if (w->sum) part->view.sum += first;
    *out = part;
    return SIMILE_OK;
}

const gemm_weights *gemm_matrix_view(const gemm_matrix *m)
{
    return &m->view;
}

size_t gemm_matrix_bytes(const gemm_matrix *m)
{
    return m->bytes;
}

const void *gemm_matrix_image(const gemm_matrix *m)
{
    return m->image;
}

/* ---- images from elsewhere ---- */

/* Any numbers in the sections are safe: they are multiplied and added, and integers wrap. */
static bool read_header(const image_header *h, size_t bytes, gemm_weights *w, image_layout *at)
{
    const uint64_t precision = h->packing - gemm_packing_id(NN_COMPUTE_F32);
    if (precision >= NN_PRECISIONS || h->bytes != bytes || h->bias > 1 || h->columns > 1) return false;
    const int64_t most = precision == NN_COMPUTE_INT8 ? NN_INT8_MOST_COLS : INT32_MAX;
    if (h->n < 1 || h->n > INT32_MAX || h->k < 1 || h->k > most) return false;
    *w = weights_of(h->n, h->k, (nn_precision)precision);
    return (precision == NN_COMPUTE_INT8 || !h->columns) && layout_of(w, h->bias, h->columns, at) && at->end == bytes;
}

simile_status gemm_matrix_adopt(const void *image, size_t bytes, gemm_matrix **out, simile_error *err)
{
    *out = NULL;
    image_header header;
    gemm_weights w;
    image_layout at;
    if (bytes < sizeof header || (uintptr_t)image % ALIGNMENT != 0)
        return err_set(err, SIMILE_E_FORMAT, "packed weights are too short or not aligned");
    memcpy(&header, image, sizeof header);
    if (!read_header(&header, bytes, &w, &at))
        return err_set(err, SIMILE_E_FORMAT, "packed weights are not of this version, or damaged");
    gemm_matrix *m = mem_new(gemm_matrix);
    if (!m) return err_nomem(err);
    *m = (gemm_matrix){.view = w, .image = image, .bytes = bytes};
    view_image(&m->view, m->image, &at);
    *out = m;
    return SIMILE_OK;
}
