/* SPDX-License-Identifier: Apache-2.0
 * linear.c - matrices of weights and the products with them.
 *
 * A matrix is packed once, from stacked parts of any float dtype; nothing of the weight file is kept. Where the
 * processor has kernels of our own for a precision, they pack and multiply (gemm.c). What follows is about the product
 * library's matrices. A product is looked up in the context's cache by shape, rows and ending, and made when it is not
 * there, in place of the one that was not used for longest. The cache is small enough to be searched from end to end: a
 * miss costs a fifth of a millisecond, a search a tenth of a microsecond.
 *
 * Many rows are computed in even pieces of at most 256 (128 for each thread beyond two): their part of x stays in the
 * second cache while all of W passes by. On one thread at 1,576 rows that is 220 against 190 GFLOP/s (Zen 5, 1 MiB),
 * and it keeps the cache of plans small: any number of rows needs two.
 *
 * Threads: a matrix is immutable; everything else belongs to the context. */
#include "nn/context.h"

#include "base/mem.h"

#include <assert.h>

/* Rows for which the layout of a matrix is chosen. */
enum { TYPICAL_ROWS = 48 };

/* ---- matrices ---- */

static bool is_float(nn_dtype dtype)
{
    return nn_dtype_name(dtype)[0] != '?' && dtype != NN_I64;
}

static int64_t part_rows(const nn_matrix_spec *spec, int i)
{
    return spec->weights[i].dim[spec->transposed ? 1 : 0];
}

static int64_t part_cols(const nn_matrix_spec *spec, int i)
{
    return spec->weights[i].dim[spec->transposed ? 0 : 1];
}

/* Sizes come from files: every part is checked before anything is read. */
static simile_status check_spec(const nn_matrix_spec *spec, product_shape *shape, simile_error *err)
{
    *shape = (product_shape){.bias = spec->biases != NULL, .precision = spec->precision};
    if ((unsigned)spec->precision >= NN_PRECISIONS)
        return err_set(err, SIMILE_E_UNSUPPORTED, "unknown precision of a product");
    for (int i = 0; i < spec->n_parts; i++) {
        const nn_tensor *w = &spec->weights[i];
        if (w->rank != 2 || !is_float(w->dtype))
            return err_set(err, SIMILE_E_ARG, "a matrix needs two dimensions and a float type");
        const int64_t n = part_rows(spec, i), k = part_cols(spec, i);
        if (n < 1 || k < 1 || n > INT32_MAX || k > INT32_MAX || (i > 0 && k != shape->k))
            return err_set(err, SIMILE_E_ARG, "sizes of a matrix do not fit: [%lld, %lld]", (long long)n, (long long)k);
        if (spec->biases && (nn_tensor_count(&spec->biases[i]) != n || !is_float(spec->biases[i].dtype)))
            return err_set(err, SIMILE_E_ARG, "a bias does not fit its matrix of %lld rows", (long long)n);
        shape->k = k;
        shape->n += n;
    }
    if (shape->n < 1 || shape->n > INT32_MAX)
        return err_set(err, SIMILE_E_ARG, "a matrix cannot have %lld rows", (long long)shape->n);
    return SIMILE_OK;
}

/* Rows first .. first+count-1 of a part stored as [k, n]: each stored row gives one column of the piece. */
static void fill_transposed(const nn_tensor *t, int64_t first, int64_t count, float *out)
{
    enum { RUN = 64 };
    const int64_t k = t->dim[0], n = t->dim[1];
    float run[RUN];
    for (int64_t r = 0; r < count; r += RUN) {
        const int64_t len = count - r < RUN ? count - r : RUN;
        for (int64_t c = 0; c < k; c++) {
            nn_tensor_to_f32(t, c * n + first + r, len, run);
            for (int64_t i = 0; i < len; i++) out[(r + i) * k + c] = run[i];
        }
    }
}

/* product_fill_fn: rows of the stack, which may begin in one part and end in another. */
static void fill_rows(void *user, int64_t first, int64_t count, float *out)
{
    const nn_matrix_spec *spec = user;
    for (int i = 0; i < spec->n_parts && count > 0; i++) {
        const int64_t n = part_rows(spec, i), k = part_cols(spec, i);
        if (first >= n) {
            first -= n;
            continue;
        }
        const int64_t rows = n - first < count ? n - first : count;
        if (spec->transposed)
            fill_transposed(&spec->weights[i], first, rows, out);
        else
            nn_tensor_to_f32(&spec->weights[i], first * k, rows * k, out);
        out += rows * k;
        count -= rows;
        first = 0;
    }
}

/* product_fill_fn: the same, each row times its factor. */
static void fill_scaled(void *user, int64_t first, int64_t count, float *out)
{
    const nn_matrix_spec *spec = user;
    const int64_t k = part_cols(spec, 0);
    fill_rows(user, first, count, out);
    for (int64_t r = 0; r < count; r++)
        for (int64_t c = 0; c < k; c++) out[r * k + c] *= spec->scale[first + r];
}

static float *stacked_bias(const nn_matrix_spec *spec, int64_t n)
{
    float *bias = mem_array((size_t)n, sizeof *bias);
    int64_t at = 0;
    for (int i = 0; bias && i < spec->n_parts; i++) {
        const int64_t rows = part_rows(spec, i);
        nn_tensor_to_f32(&spec->biases[i], 0, rows, bias + at);
        at += rows;
    }
    return bias;
}

/* float32 rows as the library packs them. */
static simile_status pack_library(nn_matrix *m, const product_key *typical, nn_matrix_spec *spec, const float *bias,
                                  simile_error *err)
{
    const int before = nn_library_enter(1);
    const simile_status status =
        product_weights_new(typical, spec->scale ? fill_scaled : fill_rows, spec, bias, &m->weights, err);
    nn_library_leave(before);
    return status;
}

/* `typical` holds the shape. */
static simile_status pack(const nn_matrix_spec *spec, const product_key *typical, bool own, nn_matrix **out,
                          simile_error *err)
{
    const product_shape *shape = &typical->weights;
    nn_matrix_spec source = *spec;
    float *bias = NULL;
    simile_status status = SIMILE_OK;
    nn_matrix *m = mem_new(nn_matrix);
    if (m && shape->bias) bias = stacked_bias(spec, shape->n);
    if (!m || (shape->bias && !bias)) {
        status = err_nomem(err);
        goto done;
    }
    m->shape = *shape;
    if (own)
        status = gemm_matrix_new_in(spec->store, shape, spec->scale ? fill_scaled : fill_rows, &source, bias,
                                    spec->column_scale, &m->own, err);
    else
        status = pack_library(m, typical, &source, bias, err);
    if (status) goto done;
    *out = m;
    m = NULL;
done:
    nn_matrix_free(m);
    mem_free(bias);
    return status;
}

/* Windows are the library's, and float32. */
static simile_status pack_window(const nn_matrix_spec *spec, const nn_window *window, nn_matrix **out,
                                 simile_error *err)
{
    product_key typical = {.rows = 1, .height = window->height, .width = window->width};
    product_shape *shape = &typical.weights;
    RETURN_IF_ERROR(check_spec(spec, shape, err));
    shape->precision = NN_COMPUTE_F32;
    shape->window = window->size;
    shape->stride = window->stride;
    shape->pad = window->pad;
    shape->k /= window->size * window->size;
    return pack(spec, &typical, false, out, err);
}

simile_status nn_matrix_new_library(const nn_matrix_spec *spec, nn_matrix **out, simile_error *err)
{
    *out = NULL;
    product_key typical = {.rows = TYPICAL_ROWS};
    RETURN_IF_ERROR(check_spec(spec, &typical.weights, err));
    assert(spec->precision == NN_COMPUTE_F32);
    return pack(spec, &typical, false, out, err);
}

simile_status nn_matrix_new_own(const nn_matrix_spec *spec, nn_matrix **out, simile_error *err)
{
    *out = NULL;
    product_key typical = {.rows = TYPICAL_ROWS};
    RETURN_IF_ERROR(check_spec(spec, &typical.weights, err));
    if (spec->precision == NN_COMPUTE_INT8 && typical.weights.k > NN_INT8_MOST_COLS)
        return err_set(err, SIMILE_E_UNSUPPORTED, "a matrix of %lld columns is too wide for 8-bit integers",
                       (long long)typical.weights.k);
    return pack(spec, &typical, true, out, err);
}

/* Without kernels for this processor the library is faster, where it knows the precision. */
static bool by_library(nn_precision precision)
{
    return precision == NN_COMPUTE_F32 && gemm_pick(NN_COMPUTE_F32) == gemm_plain(NN_COMPUTE_F32);
}

simile_status nn_matrix_pack(const nn_matrix_spec *spec, const nn_window *window, nn_matrix **out, simile_error *err)
{
    *out = NULL;
    return window ? pack_window(spec, window, out, err) : nn_matrix_new(spec, out, err);
}

simile_status nn_matrix_new(const nn_matrix_spec *spec, nn_matrix **out, simile_error *err)
{
    return by_library(spec->precision) ? nn_matrix_new_library(spec, out, err) : nn_matrix_new_own(spec, out, err);
}

uint64_t nn_packing_id(nn_precision precision)
{
    return by_library(precision) ? 0 : gemm_packing_id(precision);
}

size_t nn_matrix_image_bytes(const nn_matrix *m)
{
    return m->own ? gemm_matrix_bytes(m->own) : 0;
}

void nn_matrix_image_write(const nn_matrix *m, void *out)
{
    if (m->own) memcpy(out, gemm_matrix_image(m->own), gemm_matrix_bytes(m->own));
}

simile_status nn_matrix_adopt(const void *image, size_t bytes, nn_matrix **out, simile_error *err)
{
    *out = NULL;
    nn_matrix *m = mem_new(nn_matrix);
    if (!m) return err_nomem(err);
    const simile_status status = gemm_matrix_adopt(image, bytes, &m->own, err);
    if (status) {
        nn_matrix_free(m);
        return status;
    }
    const gemm_weights *w = gemm_matrix_view(m->own);
    m->shape = (product_shape){.n = w->n, .k = w->k, .bias = w->bias != NULL, .precision = w->precision};
    *out = m;
    return SIMILE_OK;
}

simile_status nn_matrix_part(const nn_matrix *whole, int64_t first, int64_t n, nn_matrix **out, simile_error *err)
{
    gemm_matrix *part = NULL;
    *out = NULL;
    assert(first >= 0 && n > 0 && first + n <= whole->shape.n);
    if (whole->own) RETURN_IF_ERROR(gemm_matrix_part(whole->own, first, n, &part, err));
    if (!part) return SIMILE_OK;
    nn_matrix *m = mem_new(nn_matrix);
    if (!m) {
        gemm_matrix_free(part);
        return err_nomem(err);
    }
    m->shape = whole->shape;
    m->shape.n = n;
    m->own = part;
    *out = m;
    return SIMILE_OK;
}

void nn_matrix_free(nn_matrix *m)
{
    if (!m) return;
    product_weights_free(m->weights);
    gemm_matrix_free(m->own);
    mem_free(m);
}

int64_t nn_matrix_rows(const nn_matrix *m)
{
    return m->shape.n;
}

int64_t nn_matrix_cols(const nn_matrix *m)
{
    return m->shape.k;
}

nn_precision nn_matrix_precision(const nn_matrix *m)
{
    return m->shape.precision;
}

size_t nn_matrix_bytes(const nn_matrix *m)
{
    return m->own ? gemm_matrix_bytes(m->own) : product_weights_bytes(m->weights);
}

/* ---- products ---- */

static bool same_shape(const product_shape *a, const product_shape *b)
{
    return a->n == b->n && a->k == b->k && a->bias == b->bias && a->precision == b->precision &&
           a->window == b->window && a->stride == b->stride && a->pad == b->pad;
}

static bool same_key(const product_key *a, const product_key *b)
{
    return a->rows == b->rows && a->height == b->height && a->width == b->width && a->act == b->act &&
           a->accumulate == b->accumulate && same_shape(&a->weights, &b->weights);
}

simile_status nn_plan_find(nn_context *ctx, const nn_matrix *w, const product_key *key, const product_plan **out,
                           simile_error *err)
{
    nn_plan_slot *oldest = &ctx->plans[0];
    ctx->clock++;
    for (int i = 0; i < NN_PLANS; i++) {
        nn_plan_slot *slot = &ctx->plans[i];
        if (slot->plan && same_key(&slot->key, key)) {
            slot->used = ctx->clock;
            *out = slot->plan;
            return SIMILE_OK;
        }
        if (slot->used < oldest->used) oldest = slot;
    }
    product_plan *plan;
    RETURN_IF_ERROR(product_plan_new(ctx->products, w->weights, key, &plan, err));
    product_plan_free(oldest->plan);
    *oldest = (nn_plan_slot){*key, plan, ctx->clock};
    *out = plan;
    return SIMILE_OK;
}

int64_t nn_rows_at_once(int threads, int64_t rows)
{
    const int64_t most = threads <= 2 ? 256 : (int64_t)threads * 128;
    const int64_t pieces = (rows + most - 1) / most;
    return (rows + pieces - 1) / pieces;
}

/* By the library: rows of x and y are contiguous. */
static simile_status run_library(nn_context *ctx, const nn_product *p, simile_error *err)
{
    const nn_matrix *w = p->w;
    const float *x = p->x.data;
    float *y = p->y.data;
    const int64_t rows = p->rows, piece = nn_rows_at_once(ctx->threads, rows);
    simile_status status = SIMILE_OK;
    assert(p->x.stride == w->shape.k && p->y.stride == w->shape.n);
    assert(p->x.type == NN_ROWS_F32 && p->y.type == NN_ROWS_F32);
    nn_team_settle(ctx);
    const int before = nn_library_enter(ctx->threads);
    for (int64_t first = 0; first < rows && !status; first += piece) {
        const product_key key = {w->shape, rows - first < piece ? rows - first : piece, p->act, p->accumulate, 0, 0};
        const product_plan *plan;
        status = nn_plan_find(ctx, w, &key, &plan, err);
        if (!status)
            status = product_run(ctx->products, plan, w->weights, x + first * w->shape.k, y + first * w->shape.n, err);
    }
    nn_library_leave(before);
    return status;
}

static nn_rows rows_of(int64_t numbers, nn_row_type type, void *memory)
{
    const int64_t bytes = type == NN_ROWS_BF16 ? sizeof(uint16_t) : sizeof(float);
    return (nn_rows){memory, gemm_row_stride(numbers * bytes) / bytes, type};
}

/* Products with these two are of bfloat16, of pairs. */
static bool reads_bf16(const nn_matrix *to)
{
    return to->own && to->shape.precision == NN_COMPUTE_BF16 && to->shape.k % 2 == 0;
}

nn_rows nn_rows_between(const nn_context *ctx, const nn_matrix *from, const nn_matrix *to, void *memory)
{
    if (!to->own || (from && !from->own)) return (nn_rows){memory, to->shape.k, NN_ROWS_F32};
    const bool half = from && from->shape.precision == NN_COMPUTE_BF16 && ctx->gemm[NN_COMPUTE_BF16]->halves;
    return rows_of(to->shape.k, half && reads_bf16(to) ? NN_ROWS_BF16 : NN_ROWS_F32, memory);
}

nn_rows nn_rows_to_attention(const nn_context *ctx, const nn_matrix *from, int64_t head_dim, void *memory)
{
    if (!from->own) return (nn_rows){memory, from->shape.n, NN_ROWS_F32};
    const bool half = from->shape.precision != NN_COMPUTE_F32 && ctx->attention_bf16 && head_dim % 2 == 0 &&
                      ctx->gemm[from->shape.precision]->halves;
    return rows_of(from->shape.n, half ? NN_ROWS_BF16 : NN_ROWS_F32, memory);
}

nn_rows nn_rows_from_attention(const nn_context *ctx, const nn_matrix *to, void *memory)
{
    if (!ctx->attention_bf16 || !reads_bf16(to)) return (nn_rows){memory, to->shape.k, NN_ROWS_F32};
    return rows_of(to->shape.k, NN_ROWS_BF16, memory);
}

simile_status nn_product_run(nn_context *ctx, const nn_product *p, simile_error *err)
{
    const nn_matrix *w = p->w;
    const nn_norm *norm = p->norm;
    if (p->rows <= 0) return SIMILE_OK;
    if (norm && (!w->own || w->shape.precision == NN_COMPUTE_F32)) {
        nn_product q = *p;
        assert(p->x.stride == w->shape.k);
        nn_layer_norm(ctx, p->rows, w->shape.k, p->x.data, norm->weight, norm->bias, norm->eps, p->normed);
        q.x.data = p->normed;
        q.norm = NULL;
        return nn_product_run(ctx, &q, err);
    }
    return w->own ? gemm_run(ctx, ctx->gemm[w->shape.precision], w->own, p, err) : run_library(ctx, p, err);
}

/* x is only read. */
static nn_rows contiguous(const float *x, int64_t stride)
{
    return (nn_rows){(void *)(uintptr_t)x, stride, NN_ROWS_F32};
}

simile_status nn_linear(nn_context *ctx, const nn_matrix *w, int64_t rows, const float *x, float *y, nn_act act,
                        bool accumulate, simile_error *err)
{
    const nn_product p = {.w = w,
                          .rows = rows,
                          .x = contiguous(x, w->shape.k),
                          .y = contiguous(y, w->shape.n),
                          .act = act,
                          .accumulate = accumulate};
    return nn_product_run(ctx, &p, err);
}

simile_status nn_linear_normed(nn_context *ctx, const nn_matrix *w, int64_t rows, const nn_norm *norm, const float *x,
                               float *normed, float *y, nn_act act, simile_error *err)
{
    const nn_product p = {.w = w,
                          .rows = rows,
                          .x = contiguous(x, w->shape.k),
                          .y = contiguous(y, w->shape.n),
                          .norm = norm,
                          .normed = normed,
                          .act = act};
    return nn_product_run(ctx, &p, err);
}

simile_status nn_linear_name(nn_context *ctx, const nn_matrix *w, int64_t rows, nn_act act, bool accumulate,
                             const char **out, simile_error *err)
{
    *out = w->own ? ctx->gemm[w->shape.precision]->name : "";
    if (w->own) return SIMILE_OK;
    const product_key key = {w->shape, rows, act, accumulate, 0, 0};
    const product_plan *plan;
    const int before = nn_library_enter(ctx->threads);
    const simile_status status = nn_plan_find(ctx, w, &key, &plan, err);
    if (!status) *out = product_plan_name(plan);
    nn_library_leave(before);
    return status;
}
