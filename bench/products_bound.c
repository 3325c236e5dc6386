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
    bound_product product;
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

static product_key key_of(const bound_product *p)
{
    const product_shape weights = {.n = p->n, .k = p->k, .window = p->window, .stride = p->stride, .pad = p->pad};
    return (product_key){.weights = weights, .rows = p->rows, .height = p->height, .width = p->width};
}

static simile_status make_plans(products_bound *b, step *s, simile_error *err)
{
    product_key key = key_of(&s->product);
    RETURN_IF_ERROR(product_plan_new(b->ctx->products, s->weights, &key, &s->plans.whole, err));
    if (s->product.window) return SIMILE_OK;
    key.rows = nn_rows_at_once(b->ctx->threads, key.rows);
    RETURN_IF_ERROR(product_plan_new(b->ctx->products, s->weights, &key, &s->plans.piece, err));
    key.rows = s->product.rows % key.rows;
    return key.rows ? product_plan_new(b->ctx->products, s->weights, &key, &s->plans.rest, err) : SIMILE_OK;
}

/* Adds one product; steps of the same shape share their plans. */
static simile_status add(products_bound *b, const bound_product *p, simile_error *err)
{
    product_key typical = key_of(p);
    int64_t inputs = product_row(&typical.weights);
    typical.rows = p->window ? 1 : 48;
    step *s = &b->steps[b->n_steps];
    *s = (step){.owner = true, .back = b->n_steps % 2, .product = *p};
    b->n_steps++;
    RETURN_IF_ERROR(product_weights_new(&typical, fill, &inputs, NULL, &s->weights, err));
    for (const step *like = b->steps; like < s && s->owner; like++) {
        if (memcmp(&like->product, p, sizeof *p) != 0) continue;
        s->plans = like->plans;
        s->owner = false;
    }
    return s->owner ? make_plans(b, s, err) : SIMILE_OK;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Numbers that a product reads or writes, whichever are more. */
static int64_t numbers_of(const bound_product *p)
{
    const product_key key = key_of(p);
    if (!p->window) return p->rows * most(p->n, p->k);
    const int64_t out = product_steps(&key.weights, p->height) * product_steps(&key.weights, p->width);
    return p->rows * most(p->height * p->width * p->k, out * p->n);
}

static simile_status add_all(products_bound *b, const bound_product *list, int64_t count, int threads,
                             simile_error *err)
{
    simile_status status = SIMILE_OK;
    const int before = nn_library_enter(threads);
    for (int64_t i = 0; i < count && !status; i++) status = add(b, &list[i], err);
    nn_library_leave(before);
    return status;
}

simile_status products_bound_of(const bound_product *list, int64_t count, int threads, products_bound **out,
                                simile_error *err)
{
    *out = NULL;
    products_bound *b = mem_new(products_bound);
    if (!b) return err_nomem(err);
    int64_t numbers = 1;
    for (int64_t i = 0; i < count; i++) numbers = most(numbers, numbers_of(&list[i]));
    simile_status status = nn_context_new(threads, &b->ctx, err);
    b->steps = mem_zero_array((size_t)count, sizeof *b->steps);
    for (int i = 0; i < 2; i++) {
        b->buffer[i] = mem_aligned((size_t)numbers * sizeof(float));
        if (b->buffer[i]) noise(b->buffer[i], numbers, 1, 1.0f);
    }
    if (!status && !(b->steps && b->buffer[0] && b->buffer[1])) status = err_nomem(err);
    if (!status) status = add_all(b, list, count, threads, err);
    if (status) {
        products_bound_free(b);
        return status;
    }
    *out = b;
    return SIMILE_OK;
}

simile_status products_bound_new(const tower_shape *s, int threads, products_bound **out, simile_error *err)
{
    const int64_t rows = s->batch * s->tokens, w = s->width;
    const bound_product layer[] = {{rows, 3 * w, w}, {rows, w, w}, {rows, s->mlp, w}, {rows, w, s->mlp}};
    enum { A_LAYER = sizeof layer / sizeof *layer };
    const int64_t count = A_LAYER * s->layers + 2;
    *out = NULL;
    bound_product *list = mem_array((size_t)count, sizeof *list);
    if (!list) return err_nomem(err);
    list[0] = (bound_product){s->batch * (s->tokens - 1), w, s->patch};
    for (int64_t l = 0; l < s->layers; l++) memcpy(list + 1 + l * A_LAYER, layer, sizeof layer);
    list[count - 1] = (bound_product){s->batch, s->projection, w};
    const simile_status status = products_bound_of(list, count, threads, out, err);
    mem_free(list);
    return status;
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
    const bound_product *p = &s->product;
    if (!cut || p->window) return product_run(b->ctx->products, s->plans.whole, s->weights, x, y, err);
    const int64_t piece = nn_rows_at_once(b->ctx->threads, p->rows);
    for (int64_t first = 0; first < p->rows; first += piece) {
        const product_plan *plan = p->rows - first < piece ? s->plans.rest : s->plans.piece;
        RETURN_IF_ERROR(product_run(b->ctx->products, plan, s->weights, x + first * p->k, y + first * p->n, err));
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
