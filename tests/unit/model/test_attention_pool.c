/* SPDX-License-Identifier: Apache-2.0
 * test_attention_pool.c - attention with one query a picture, against its formula in double precision. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/attention_pool.h"

#include <math.h>

enum { MAX_ROWS = 300 };

typedef struct {
    int64_t pictures, rows, width, out, heads;
    double spread; /* of queries and rows */
} size;

static float *numbers(int64_t n, double spread, uint64_t seed)
{
    float *out = mem_array((size_t)n, sizeof *out);
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        out[i] = (float)(((double)(seed >> 40) / (1 << 24) - 0.5) * 2 * spread);
    }
    return out;
}

static nn_tensor random_tensor(int64_t rows, int64_t cols, double spread, uint64_t seed)
{
    nn_tensor t = {.data = numbers(rows * cols, spread, seed), .rank = cols > 1 ? 2 : 1, .dim = {rows, cols}};
    return t;
}

static attention_pool new_pool(const size *s)
{
    attention_pool p = {.heads = s->heads};
    const double spread = 1 / sqrt((double)s->width);
    for (int i = 0; i < POOL_LINEARS; i++) {
        const int64_t rows = i == POOL_OUT ? s->out : s->width;
        p.weight[i] = random_tensor(rows, s->width, 2 * spread, 10 + (uint64_t)i);
        p.bias[i] = random_tensor(rows, 1, 0.1, 20 + (uint64_t)i);
    }
    packer how = packer_for(NN_COMPUTE_F32);
    if (attention_pool_pack(&p, NN_COMPUTE_F32, NULL, &how, NULL)) fail_msg("cannot pack");
    packer_close(&how);
    return p;
}

static void release_pool(attention_pool *p)
{
    attention_pool_unpack(p);
    for (int i = 0; i < POOL_LINEARS; i++) {
        mem_free((void *)(uintptr_t)p->weight[i].data);
        mem_free((void *)(uintptr_t)p->bias[i].data);
    }
}

/* Component `row` of W x + b. */
static double linear(const attention_pool *p, int which, int64_t row, const double *x)
{
    const int64_t k = p->weight[POOL_Q].dim[0];
    const float *w = (const float *)p->weight[which].data + row * k;
    double sum = (double)((const float *)p->bias[which].data)[row];
    for (int64_t i = 0; i < k; i++) sum += (double)w[i] * x[i];
    return sum;
}

/* One head by the definition: all scores, their largest taken off, a quotient of sums. k, v: [rows, width]. */
static void attend(const size *s, int64_t head, const double *q, const double *k, const double *v, double *out)
{
    const int64_t dim = s->width / s->heads, first = head * dim;
    double scores[MAX_ROWS], most = -INFINITY, total = 0;
    for (int64_t r = 0; r < s->rows; r++) {
        scores[r] = 0;
        for (int64_t i = first; i < first + dim; i++) scores[r] += q[i] * k[r * s->width + i] / sqrt((double)dim);
        most = fmax(most, scores[r]);
    }
    for (int64_t r = 0; r < s->rows; r++) total += exp(scores[r] - most);
    for (int64_t i = first; i < first + dim; i++) {
        out[i] = 0;
        for (int64_t r = 0; r < s->rows; r++) out[i] += exp(scores[r] - most) / total * v[r * s->width + i];
    }
}

/* want: [out], of one picture. */
static void expect(const size *s, const attention_pool *p, const float *query, const float *x, double *want)
{
    const size_t d = (size_t)s->width;
    double *in = mem_zero_array(d, sizeof *in), *q = mem_array(d, sizeof *q), *mixed = mem_array(d, sizeof *mixed);
    double *k = mem_array((size_t)s->rows * d, sizeof *k), *v = mem_array((size_t)s->rows * d, sizeof *v);
    for (size_t i = 0; i < d; i++) in[i] = (double)query[i];
    for (int64_t i = 0; i < s->width; i++) q[i] = linear(p, POOL_Q, i, in);
    for (int64_t r = 0; r < s->rows; r++) {
        for (size_t i = 0; i < d; i++) in[i] = (double)x[(size_t)r * d + i];
        for (int64_t i = 0; i < s->width; i++) {
            k[r * s->width + i] = linear(p, POOL_K, i, in);
            v[r * s->width + i] = linear(p, POOL_V, i, in);
        }
    }
    for (int64_t h = 0; h < s->heads; h++) attend(s, h, q, k, v, mixed);
    for (int64_t i = 0; i < s->out; i++) want[i] = linear(p, POOL_OUT, i, mixed);
    mem_free(in);
    mem_free(q);
    mem_free(mixed);
    mem_free(k);
    mem_free(v);
}

static float *run(const size *s, const attention_pool *p, int threads, int64_t pictures, const float *queries,
                  const float *x)
{
    nn_context *ctx;
    arena memory;
    float *out = mem_array((size_t)(pictures * s->out), sizeof *out);
    assert_int_equal(nn_context_new(threads, &ctx, NULL), 0);
    assert_true(arena_init(&memory, attention_pool_memory(p, pictures, s->rows)));
    assert_int_equal(attention_pool_run(p, ctx, &memory, pictures, s->rows, queries, x, out, NULL), 0);
    assert_int_equal(memory.used, 0);
    arena_release(&memory);
    nn_context_free(ctx);
    return out;
}

static void check(size s)
{
    attention_pool p = new_pool(&s);
    float *queries = numbers(s.pictures * s.width, s.spread, 1);
    float *x = numbers(s.pictures * s.rows * s.width, s.spread, 2);
    float *out = run(&s, &p, 1, s.pictures, queries, x), *two = run(&s, &p, 2, s.pictures, queries, x);
    float *alone = run(&s, &p, 1, 1, queries, x);
    double *want = mem_array((size_t)s.out, sizeof *want);
    for (int64_t n = 0; n < s.pictures; n++) {
        expect(&s, &p, queries + n * s.width, x + n * s.rows * s.width, want);
        for (int64_t i = 0; i < s.out; i++) {
            const double got = (double)out[n * s.out + i];
            if (!(fabs(got - want[i]) < 1e-5 * s.spread)) fail_msg("[%lld] %g, not %g", (long long)i, got, want[i]);
            assert_float_equal(two[n * s.out + i], out[n * s.out + i], (float)(1e-6 * s.spread));
            if (n == 0) assert_float_equal(alone[i], out[i], (float)(1e-6 * s.spread));
        }
    }
    mem_free(queries);
    mem_free(x);
    mem_free(out);
    mem_free(two);
    mem_free(alone);
    mem_free(want);
    release_pool(&p);
}

static void equals_its_formula(void **state)
{
    check((size){.pictures = 3, .rows = 50, .width = 64, .out = 64, .heads = 4, .spread = 1});
    check((size){.pictures = 2, .rows = MAX_ROWS, .width = 48, .out = 20, .heads = 2, .spread = 3});
    check((size){.pictures = 5, .rows = 7, .width = 33, .out = 40, .heads = 11, .spread = 2});
    check((size){.pictures = 1, .rows = 1, .width = 2, .out = 3, .heads = 1, .spread = 1});
}

/* Scores of hundreds: nothing may overflow on the way. */
static void large_scores_stay_finite(void **state)
{
    check((size){.pictures = 2, .rows = 50, .width = 64, .out = 64, .heads = 1, .spread = 30});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_its_formula),
        cmocka_unit_test(large_scores_stay_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
