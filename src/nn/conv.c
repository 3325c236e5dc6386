/* SPDX-License-Identifier: Apache-2.0
 * conv.c - convolutions and pooling of pictures whose channels come last.
 *
 * One of a single pixel is a product of matrices over all pixels and runs as such. Of larger windows it is made of own
 * products (windows.c) where there are kernels for them; in float32 it is otherwise the product library's, with a
 * matrix of weights whose rows are [in, size, size]: packing, the cache of plans and the endings are those of linear.c.
 *
 * Threads: a convolution is immutable; everything else belongs to the context. */
#include "nn/context.h"

#include "base/mem.h"
#include "nn/windows.h"
#include "nn/winograd.h"

#include <assert.h>

struct nn_conv { /* one of them */
    nn_matrix *matrix;
    windows *own;
    winograd *squares;
};

static simile_status check_spec(const nn_conv_spec *spec, simile_error *err)
{
    const nn_tensor *w = &spec->weights;
    bool good = w->rank == 4 && w->dim[2] == w->dim[3] && w->dim[2] >= 1 && w->dim[2] <= NN_MAX_WINDOW;
    for (int i = 0; good && i < 2; i++) good = w->dim[i] >= 1 && w->dim[i] <= INT32_MAX / NN_MAX_WINDOW;
    good = good && w->dtype != NN_I64 && nn_dtype_name(w->dtype)[0] != '?';
    if ((unsigned)spec->precision >= NN_PRECISIONS)
        return err_set(err, SIMILE_E_UNSUPPORTED, "unknown precision of a convolution");
    if (!good)
        return err_set(err, SIMILE_E_ARG,
                       "a convolution's weights need a shape [out, in, size, size] and a float type");
    if (spec->stride < 1 || spec->stride > NN_MAX_WINDOW || spec->pad < 0 || spec->pad >= w->dim[2])
        return err_set(err, SIMILE_E_ARG, "a convolution cannot have a stride of %lld and %lld pixels around",
                       (long long)spec->stride, (long long)spec->pad);
    if (spec->height + 2 * spec->pad < w->dim[2] || spec->width + 2 * spec->pad < w->dim[2])
        return err_set(err, SIMILE_E_ARG, "a convolution of %lld pixels does not fit into pictures of %lld x %lld",
                       (long long)w->dim[2], (long long)spec->width, (long long)spec->height);
    return SIMILE_OK;
}

static simile_status pack_matrix(const nn_conv_spec *spec, bool pixels, nn_matrix **out, simile_error *err)
{
    nn_tensor rows = spec->weights;
    rows.rank = 2;
    rows.dim[1] *= rows.dim[2] * rows.dim[3];
    const nn_tensor bias = {.data = spec->bias, .dtype = NN_F32, .rank = 1, .dim = {rows.dim[0]}};
    const nn_window window = {spec->weights.dim[2], spec->stride, spec->pad, spec->height, spec->width};
    const nn_matrix_spec matrix = {.weights = &rows,
                                   .biases = spec->bias ? &bias : NULL,
                                   .n_parts = 1,
                                   .precision = spec->precision,
                                   .scale = spec->scale,
                                   .column_scale = pixels ? spec->column_scale : NULL};
    return nn_matrix_pack(&matrix, pixels ? NULL : &window, out, err);
}

typedef enum { LIBRARY, WINDOWS, SQUARES } maker; /* of windows larger than a pixel */

static simile_status conv_new(const nn_conv_spec *spec, maker by, nn_conv **out, simile_error *err)
{
    const bool pixels = spec->weights.dim[2] == 1 && spec->stride == 1 && spec->pad == 0;
    nn_conv *c = mem_new(nn_conv);
    *out = NULL;
    if (!c) return err_nomem(err);
    const simile_status status = pixels || by == LIBRARY ? pack_matrix(spec, pixels, &c->matrix, err)
                                 : by == SQUARES         ? winograd_new(spec, &c->squares, err)
                                                         : windows_new(spec, &c->own, err);
    if (status) {
        nn_conv_free(c);
        return status;
    }
    *out = c;
    return SIMILE_OK;
}

simile_status nn_conv_new(const nn_conv_spec *spec, nn_conv **out, simile_error *err)
{
    *out = NULL;
    RETURN_IF_ERROR(check_spec(spec, err));
    const maker other = spec->precision == NN_COMPUTE_F32 && !nn_team_is_own() ? LIBRARY : WINDOWS;
    return conv_new(spec, winograd_can(spec) && winograd_pays(spec) ? SQUARES : other, out, err);
}

simile_status nn_conv_new_library(const nn_conv_spec *spec, nn_conv **out, simile_error *err)
{
    *out = NULL;
    RETURN_IF_ERROR(check_spec(spec, err));
    return conv_new(spec, LIBRARY, out, err);
}

simile_status nn_conv_new_own(const nn_conv_spec *spec, nn_conv **out, simile_error *err)
{
    *out = NULL;
    RETURN_IF_ERROR(check_spec(spec, err));
    return conv_new(spec, WINDOWS, out, err);
}

simile_status nn_conv_new_squares(const nn_conv_spec *spec, nn_conv **out, simile_error *err)
{
    *out = NULL;
    RETURN_IF_ERROR(check_spec(spec, err));
    return conv_new(spec, winograd_can(spec) ? SQUARES : WINDOWS, out, err);
}

void nn_conv_free(nn_conv *c)
{
    if (!c) return;
    nn_matrix_free(c->matrix);
    windows_free(c->own);
    winograd_free(c->squares);
    mem_free(c);
}

size_t nn_conv_bytes(const nn_conv *c)
{
    if (c->squares) return winograd_bytes(c->squares);
    return c->own ? windows_bytes(c->own) : nn_matrix_bytes(c->matrix);
}

nn_pictures nn_conv_size(const nn_conv *c, const nn_pictures *x)
{
    if (c->squares) return *x;
    if (c->own) return windows_size(c->own, x);
    const product_shape *s = &c->matrix->shape;
    if (!s->window) return *x;
    assert(x->height + 2 * s->pad >= s->window && x->width + 2 * s->pad >= s->window);
    return (nn_pictures){x->n, product_steps(s, x->height), product_steps(s, x->width)};
}

simile_status nn_conv_run(nn_context *ctx, const nn_conv *c, const nn_pictures *size, const float *x, float *y,
                          nn_act act, bool accumulate, simile_error *err)
{
    if (c->squares) return winograd_run(ctx, c->squares, size, x, y, act, accumulate, err);
    if (c->own) return windows_run(ctx, c->own, size, x, y, act, accumulate, err);
    const nn_matrix *m = c->matrix;
    if (!m->shape.window) return nn_linear(ctx, m, size->n * size->height * size->width, x, y, act, accumulate, err);
    if (size->n <= 0) return SIMILE_OK;
    const product_key key = {m->shape, size->n, act, accumulate, size->height, size->width};
    const product_plan *plan;
    nn_team_settle(ctx);
    const int before = nn_library_enter(ctx->threads);
    simile_status status = nn_plan_find(ctx, m, &key, &plan, err);
    if (!status) status = product_run(ctx->products, plan, m->weights, x, y, err);
    nn_library_leave(before);
    return status;
}

simile_status nn_conv_name(nn_context *ctx, const nn_conv *c, const nn_pictures *size, nn_act act, bool accumulate,
                           const char **out, simile_error *err)
{
    *out = c->own ? "own" : c->squares ? "squares" : "";
    if (!c->matrix) return SIMILE_OK;
    const product_key key = {c->matrix->shape, size->n, act, accumulate, size->height, size->width};
    const product_plan *plan;
    const int before = nn_library_enter(ctx->threads);
    const simile_status status = nn_plan_find(ctx, c->matrix, &key, &plan, err);
    if (!status) *out = product_plan_name(plan);
    nn_library_leave(before);
    return status;
}

/* ---- pooling ---- */

typedef struct {
    int64_t width, channels, k, rows; /* width of x, rows of y in one picture */
    int64_t skipped;                  /* rows of x below a picture's last row of y */
    const float *x;
    float *y;
} pool_job;

/* One row of pixels of y. */
static void pool_row(void *user, int64_t item)
{
    const pool_job *j = user;
    const int64_t across = j->width / j->k, c = j->channels, line = j->width * c;
    const float share = 1.0f / (float)(j->k * j->k);
    const float *x = j->x + (item * j->k + item / j->rows * j->skipped) * line;
    float *y = j->y + item * across * c;
    for (int64_t i = 0; i < across; i++, y += c, x += j->k * c) {
        for (int64_t d = 0; d < c; d++) y[d] = x[d];
        for (int64_t p = 1; p < j->k * j->k; p++) {
            const float *from = x + p / j->k * line + p % j->k * c;
            for (int64_t d = 0; d < c; d++) y[d] += from[d];
        }
        for (int64_t d = 0; d < c; d++) y[d] *= share;
    }
}

void nn_avg_pool(nn_context *ctx, const nn_pictures *size, int64_t channels, int64_t k, const float *x, float *y)
{
    assert(k >= 1 && size->height >= k && size->width >= k);
    pool_job job = {.width = size->width, .channels = channels, .k = k, .rows = size->height / k, .x = x, .y = y};
    job.skipped = size->height - job.rows * k;
    nn_parallel(ctx, size->n * job.rows, pool_row, &job);
}
