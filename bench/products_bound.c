/* SPDX-License-Identifier: Apache-2.0
 * products_bound.c - see products_bound.h.
 *
 * The products, in the order of the tower (rows: batch x tokens): patches, then per layer q|k|v, output, two of the
 * MLP, at the end the projection of the class tokens. Their results feed one another through two buffers, as in the
 * tower, so that caches are as warm as there. Weights are uniform with variance 1/k: numbers keep their size. */
#include "products_bound.h"

#include "base/mem.h"
#include "nn/context.h"

#include <math.h>

/* One product's plans: for all rows at once, and for the pieces that nn_linear() cuts them into with what is left
 * over (NULL: nothing is). */
typedef struct {
    product_plan *whole, *piece, *rest;
} plans;

typedef struct {
    product_weights *weights;
    plans plans; /* shared by the layers: owned by the first step that has them */
    bool owner;
    bool back; /* reads the second buffer and writes the first */
    int64_t rows, n, k;
} step;

struct products_bound {
    nn_context *ctx;
    step *steps;
    int64_t n_steps;
    float *buffer[2];
};

static void noise(float *out, int64_t count, uint64_t state, float size)
{
    for (int64_t i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        out[i] = (float)(int32_t)(state >> 32) * 0x1p-31f * size;
    }
}

static void fill(void *user, int64_t first, int64_t count, float *out)
{
    const int64_t k = *(const int64_t *)user;
    noise(out, count * k, (uint64_t)(first * k), sqrtf(3.0f / (float)k));
}

double products_bound_flop(const tower_shape *s)
{
    const double rows = (double)(s->batch * s->tokens), w = (double)s->width;
    const double layer = rows * w * (4 * w + 2 * (double)s->mlp);
    return 2 * ((double)s->layers * layer + (double)(s->batch * (s->tokens - 1) * s->patch) * w +
                (double)(s->batch * s->projection) * w);
}

static simile_status make_plans(products_bound *b, step *s, simile_error *err)
{
    product_key key = {.weights = {.n = s->n, .k = s->k}, .rows = s->rows};
    RETURN_IF_ERROR(product_plan_new(b->ctx->products, s->weights, &key, &s->plans.whole, err));
    key.rows = nn_rows_at_once(b->ctx->threads, s->rows);
    RETURN_IF_ERROR(product_plan_new(b->ctx->products, s->weights, &key, &s->plans.piece, err));
    key.rows = s->rows % key.rows;
    return key.rows ? product_plan_new(b->ctx->products, s->weights, &key, &s->plans.rest, err) : SIMILE_OK;
}

/* Adds one product; `like` is an earlier step of the same shape, or NULL. */
static simile_status add(products_bound *b, int64_t rows, int64_t n, int64_t k, const step *like, simile_error *err)
{
    const product_key typical = {.weights = {.n = n, .k = k}, .rows = 48};
    step *s = &b->steps[b->n_steps];
    *s = (step){.owner = !like, .back = b->n_steps % 2, .rows = rows, .n = n, .k = k};
    b->n_steps++;
    RETURN_IF_ERROR(product_weights_new(&typical, fill, &k, NULL, &s->weights, err));
    if (!like) return make_plans(b, s, err);
    s->plans = like->plans;
    return SIMILE_OK;
}

static simile_status add_all(products_bound *b, const tower_shape *s, simile_error *err)
{
    const int64_t rows = s->batch * s->tokens, w = s->width;
    RETURN_IF_ERROR(add(b, s->batch * (s->tokens - 1), w, s->patch, NULL, err));
    for (int64_t l = 0; l < s->layers; l++) {
        const step *like = l ? b->steps + b->n_steps - 4 : NULL;
        RETURN_IF_ERROR(add(b, rows, 3 * w, w, like, err));
        RETURN_IF_ERROR(add(b, rows, w, w, like ? like + 1 : NULL, err));
        RETURN_IF_ERROR(add(b, rows, s->mlp, w, like ? like + 2 : NULL, err));
        RETURN_IF_ERROR(add(b, rows, w, s->mlp, like ? like + 3 : NULL, err));
    }
    return add(b, s->batch, s->projection, w, NULL, err);
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

simile_status products_bound_new(const tower_shape *shape, int threads, products_bound **out, simile_error *err)
{
    *out = NULL;
    products_bound *b = mem_new(products_bound);
    if (!b) return err_nomem(err);
    const int64_t widest = most(most(3 * shape->width, shape->mlp), most(shape->patch, shape->projection));
    const int64_t numbers = shape->batch * shape->tokens * widest;
    simile_status status = nn_context_new(threads, &b->ctx, err);
    b->steps = mem_zero_array((size_t)(4 * shape->layers + 2), sizeof *b->steps);
    for (int i = 0; i < 2; i++) {
        b->buffer[i] = mem_aligned((size_t)numbers * sizeof(float));
        if (b->buffer[i]) noise(b->buffer[i], numbers, 1, 1.0f);
    }
    if (!status && !(b->steps && b->buffer[0] && b->buffer[1])) status = err_nomem(err);
    if (!status) {
        const int before = nn_library_enter(threads);
        status = add_all(b, shape, err);
        nn_library_leave(before);
    }
    if (status) {
        products_bound_free(b);
        return status;
    }
    *out = b;
    return SIMILE_OK;
}

void products_bound_free(products_bound *b)
{
    if (!b) return;
    for (int64_t i = 0; i < b->n_steps; i++) {
        step *s = &b->steps[i];
        product_weights_free(s->weights);
        if (!s->owner) continue;
        product_plan_free(s->plans.whole);
        product_plan_free(s->plans.piece);
        product_plan_free(s->plans.rest);
    }
    mem_free(b->steps);
    mem_free(b->buffer[0]);
    mem_free(b->buffer[1]);
    nn_context_free(b->ctx);
    mem_free(b);
}

static simile_status run_step(products_bound *b, const step *s, bool cut, simile_error *err)
{
    const float *x = b->buffer[s->back];
    float *y = b->buffer[!s->back];
    if (!cut) return product_run(b->ctx->products, s->plans.whole, s->weights, x, y, err);
    const int64_t piece = nn_rows_at_once(b->ctx->threads, s->rows);
    for (int64_t first = 0; first < s->rows; first += piece) {
        const product_plan *plan = s->rows - first < piece ? s->plans.rest : s->plans.piece;
        RETURN_IF_ERROR(product_run(b->ctx->products, plan, s->weights, x + first * s->k, y + first * s->n, err));
    }
    return SIMILE_OK;
}

static simile_status run_all(products_bound *b, bool cut, double *seconds, simile_error *err)
{
    simile_status status = SIMILE_OK;
    nn_team_settle(b->ctx);
    const int before = nn_library_enter(b->ctx->threads);
    const double start = bench_now();
    for (int64_t i = 0; i < b->n_steps && !status; i++) status = run_step(b, &b->steps[i], cut, err);
    *seconds = bench_now() - start;
    nn_library_leave(before);
    return status;
}

simile_status products_bound_run(products_bound *b, double *seconds, simile_error *err)
{
    double whole, cut;
    RETURN_IF_ERROR(run_all(b, false, &whole, err));
    RETURN_IF_ERROR(run_all(b, true, &cut, err));
    *seconds = whole < cut ? whole : cut;
    return SIMILE_OK;
}
