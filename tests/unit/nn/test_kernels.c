/* SPDX-License-Identifier: Apache-2.0
 * test_kernels.c - layer norm, attention, 2^x, sums of exponentials and the team, in every set of kernels that this
 * processor runs.
 *
 * Bounds, against sums in double: layer norm 3e-6 of the largest normalised number; attention 3e-6 of the largest
 * value (scores of up to about 8, float32 sums over up to 577 keys), and where products are of bfloat16 half a step of
 * one more, as weights are rounded to it (the numbers given are such); 2^x 1.5e-7 of itself. */
#include "help.h"

static const char *const SETS[] = {"plain", "avx2", "avx512", "neon"};

/* A context that uses one set, or NULL where the processor does not have it. */
static nn_context *context_with(const char *set, int threads)
{
    const nn_kernels *kernels = nn_kernels_find(set);
    if (!kernels) return NULL;
    nn_context *ctx = context(threads);
    ctx->kernels = kernels;
    return ctx;
}

#define FOR_EACH_SET(ctx, threads)                                                                                     \
    for (size_t set_ = 0; set_ < sizeof SETS / sizeof *SETS; set_++)                                                   \
        for (nn_context *ctx = context_with(SETS[set_], threads); ctx; nn_context_free(ctx), ctx = NULL)

static void the_best_set_is_picked(void **state)
{
    const char *best = "plain";
    for (size_t i = 0; i < sizeof SETS / sizeof *SETS; i++)
        if (nn_kernels_find(SETS[i])) best = SETS[i];
    assert_string_equal(nn_kernels_name(), best);
    assert_null(nn_kernels_find("none"));
    assert_int_equal(strncmp(nn_products_name(), "oneDNN ", 7), 0);
}

/* ---- layer norm ---- */

static void check_norm(nn_context *ctx, int64_t rows, int64_t dim, float offset)
{
    float *x = numbers(rows * dim, (uint64_t)dim), *w = numbers(dim, 2), *b = numbers(dim, 3), *y = floats(rows * dim);
    for (int64_t i = 0; i < rows * dim; i++) x[i] += offset;
    nn_layer_norm(ctx, rows, dim, x, w, b, 1e-5f, y);
    for (int64_t r = 0; r < rows; r++) {
        double sum = 0, squares = 0, biggest = 1;
        for (int64_t i = 0; i < dim; i++) sum += (double)x[r * dim + i];
        for (int64_t i = 0; i < dim; i++) squares += pow((double)x[r * dim + i] - sum / (double)dim, 2);
        const double factor = 1 / sqrt(squares / (double)dim + 1e-5);
        for (int64_t i = 0; i < dim; i++) {
            const double z = ((double)x[r * dim + i] - sum / (double)dim) * factor;
            biggest = larger(biggest, fabs(z));
            const double want = z * (double)w[i] + (double)b[i], off = fabs((double)y[r * dim + i] - want);
            /* an offset costs digits before any kernel sees the number */
            if (!(off <= (3e-6 + 1e-7 * fabs((double)offset) * factor) * biggest))
                fail_msg("%s: dim %d: off by %.2g", ctx->kernels->name, (int)dim, off);
        }
    }
    nn_layer_norm(ctx, rows, dim, x, w, b, 1e-5f, x); /* in place */
    assert_memory_equal(x, y, (size_t)(rows * dim) * sizeof *x);
    mem_free(x);
    mem_free(w);
    mem_free(b);
    mem_free(y);
}

static void rows_are_normalised(void **state)
{
    static const int64_t dims[] = {1, 2, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 500, 768, 1027};
    for (int threads = 1; threads <= 3; threads++) FOR_EACH_SET(ctx, threads)
        {
            for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
                check_norm(ctx, 3, dims[d], 0);
                check_norm(ctx, 3, dims[d], 50);
            }
            check_norm(ctx, 101, 200, 1); /* enough for the team */
        }
}

/* ---- 2^x ---- */

static void powers_of_two_are_close(void **state)
{
    enum { N = 1003 };
    FOR_EACH_SET(ctx, 1)
    {
        float x[N], y[N];
        uint64_t seed = 1;
        for (int round = 0; round < 200; round++) {
            for (int i = 0; i < N; i++) y[i] = x[i] = -63 * (1 + next_number(&seed)) * (round % 2 ? 1.0f : 0.02f);
            y[0] = x[0] = 0;
            y[1] = x[1] = -0.5f;
            y[2] = x[2] = -124.5f;
            ctx->kernels->exp2(y, N);
            for (int i = 0; i < N; i++) {
                const double want = exp2((double)x[i]), slack = x[i] < -124.9f ? 0x1p-125 : 0;
                if (!(fabs((double)y[i] - want) <= 1.5e-7 * want + slack))
                    fail_msg("%s: 2^%.9g is off by %.3g of itself", ctx->kernels->name, (double)x[i],
                             (double)y[i] / want - 1);
            }
        }
        float low[] = {-126, -127, -1000, -1e30f};
        ctx->kernels->exp2(low, 4);
        for (int i = 0; i < 4; i++) assert_true(low[i] >= 0 && low[i] <= 0x1p-125f);
    }
}

/* ---- bytes ---- */

/* Every set gives what the plain one gives; beyond the range a number is the nearest end of it. */
static void bytes_are_equal_in_every_set(void **state)
{
    enum { N = 1003 };
    float *x = numbers(N, 5);
    const nn_kernels *plain = nn_kernels_plain();
    x[700] = 3;
    FOR_EACH_SET(ctx, 1)
    for (int64_t n = 0; n <= N; n += n < 130 ? 1 : 97) {
        const nn_extent want = plain->extent(n, x), got = ctx->kernels->extent(n, x);
        uint8_t a[N + 1], b[N + 1];
        assert_memory_equal(&got, &want, sizeof got);
        assert_true(got.low <= 0 && got.high == (n > 700 ? 3 : got.high) && got.finite == 0);
        a[n] = b[n] = 77;
        plain->quantise(n, x, 100, 90, a);
        ctx->kernels->quantise(n, x, 100, 90, b);
        assert_memory_equal(a, b, (size_t)n + 1);
        for (int64_t i = 0; i < n; i++) {
            const float q = rintf(x[i] * 100) + 90;
            assert_int_equal(a[i], q < 0 ? 0 : q > 255 ? 255 : (int)q);
        }
        x[n ? n / 2 : 0] *= -1;
    }
    x[300] = NAN;
    FOR_EACH_SET(ctx, 1) assert_true(isnan(ctx->kernels->extent(N, x).finite));
    mem_free(x);
}

/* ---- attention ---- */

typedef struct {
    int32_t sequences, heads, head_dim;
    int32_t starts[8];
    bool causal;
} setting;

static nn_precision attention_in; /* what the tests below ask for */

static int64_t tokens_of(const setting *s)
{
    return s->starts[s->sequences];
}

static void attend(nn_context *ctx, const setting *s, const float *qkv, float *out)
{
    const nn_attention_args args = {
        qkv,       out,         s->starts, s->sequences, s->heads, s->head_dim, 1 / sqrtf((float)s->head_dim),
        s->causal, attention_in};
    simile_error err;
    if (nn_attention(ctx, &args, &err)) fail_msg("%s", err.message);
}

/* One query of one head. weights: room for one number per token. */
static void naive_query(const setting *s, const float *qkv, int64_t first, int64_t i, int64_t end, int head,
                        double *weights, double *out)
{
    const int64_t width = (int64_t)s->heads * s->head_dim, dim = s->head_dim;
    const float *q = qkv + i * 3 * width + head * dim;
    double max = -INFINITY, sum = 0;
    for (int64_t j = first; j < end; j++) {
        const float *k = qkv + j * 3 * width + width + head * dim;
        double dot = 0;
        for (int64_t d = 0; d < dim; d++) dot += (double)q[d] * (double)k[d];
        weights[j] = dot / sqrt((double)dim);
        max = larger(max, weights[j]);
    }
    for (int64_t j = first; j < end; j++) sum += weights[j] = exp(weights[j] - max);
    for (int64_t d = 0; d < dim; d++) out[d] = 0;
    for (int64_t j = first; j < end; j++)
        for (int64_t d = 0; d < dim; d++)
            out[d] += weights[j] / sum * (double)qkv[j * 3 * width + 2 * width + head * dim + d];
}

static void check_attention(const setting *s, const float *qkv, const float *out, const char *name)
{
    double *weights = mem_array((size_t)tokens_of(s), sizeof *weights);
    double *want = mem_array((size_t)s->head_dim, sizeof *want);
    assert_true(weights && want);
    for (int32_t q = 0; q < s->sequences; q++)
        for (int64_t i = s->starts[q]; i < s->starts[q + 1]; i++)
            for (int h = 0; h < s->heads; h++) {
                naive_query(s, qkv, s->starts[q], i, s->causal ? i + 1 : s->starts[q + 1], h, weights, want);
                for (int64_t d = 0; d < s->head_dim; d++) {
                    const double got = (double)out[(i * s->heads + h) * s->head_dim + d];
                    if (!(fabs(got - want[d]) <= 3e-6 + (attention_in == NN_COMPUTE_F32 ? 0 : 0x1p-9)))
                        fail_msg("%s: head_dim %d, token %d of %d: %.9g instead of %.9g", name, s->head_dim,
                                 (int)(i - s->starts[q]), s->starts[q + 1] - s->starts[q], got, want[d]);
                }
            }
    mem_free(weights);
    mem_free(want);
}

static float *qkv_of(const setting *s)
{
    const int64_t n = tokens_of(s) * 3 * s->heads * s->head_dim;
    float *qkv = numbers(n, (uint64_t)n);
    for (int64_t i = 0; i < n; i++)
        if (i / (s->heads * s->head_dim) % 3 < 2) qkv[i] *= 2; /* sharper weights; values stay below 1 */
    if (attention_in == NN_COMPUTE_F32) return qkv;
    uint16_t *narrow = mem_array((size_t)n, sizeof *narrow);
    assert_non_null(narrow);
    nn_tensor_from_f32(NN_BF16, qkv, n, narrow);
    nn_tensor_to_f32(&(nn_tensor){narrow, NN_BF16, 1, {n}}, 0, n, qkv);
    mem_free(narrow);
    return qkv;
}

/* From and to bfloat16 in memory, rows further apart: what float32 gave, rounded; nothing beside it is written. */
static void halves_give_the_same(nn_context *ctx, const setting *s, const float *qkv, const float *out)
{
    enum { APART = 3 };
    const int64_t width = s->heads * s->head_dim, rows = tokens_of(s), in = 3 * width + 2 * APART, to = width + APART;
    uint16_t *from = mem_array((size_t)(rows * in), sizeof *from), *got = mem_array((size_t)(rows * to), sizeof *got);
    assert_true(from && got);
    for (int64_t i = 0; i < rows * to; i++) got[i] = 17;
    for (int64_t r = 0; r < rows; r++) nn_tensor_from_f32(NN_BF16, qkv + r * 3 * width, 3 * width, from + r * in);
    const nn_attention_args args = {.qkv = from,
                                    .out = got,
                                    .starts = s->starts,
                                    .sequences = s->sequences,
                                    .heads = s->heads,
                                    .head_dim = s->head_dim,
                                    .scale = 1 / sqrtf((float)s->head_dim),
                                    .causal = s->causal,
                                    .precision = attention_in,
                                    .qkv_stride = in,
                                    .out_stride = to,
                                    .qkv_type = NN_ROWS_BF16,
                                    .out_type = NN_ROWS_BF16};
    simile_error err;
    assert_int_equal(nn_attention(ctx, &args, &err), SIMILE_OK);
    for (int64_t i = 0; i < rows * to; i++)
        assert_int_equal(got[i], i % to < width ? gemm_bf16(out[i / to * width + i % to]) : 17);
    mem_free(from);
    mem_free(got);
}

static void one_attention(nn_context *ctx, const setting *s)
{
    const int64_t size = tokens_of(s) * s->heads * s->head_dim;
    float *qkv = qkv_of(s), *out = floats(size + 1);
    out[size] = 77;
    attend(ctx, s, qkv, out);
    assert_true(out[size] == 77);
    check_attention(s, qkv, out, ctx->kernels->name);
    if (attention_in != NN_COMPUTE_F32 && ctx->attention_bf16 && s->head_dim % 2 == 0)
        halves_give_the_same(ctx, s, qkv, out);
    mem_free(qkv);
    mem_free(out);
}

static void attention_equals_sums(void **state)
{
    static const int32_t dims[] = {1, 3, 8, 13, 16, 24, 33, 64, 72, 80, 100};
    for (int threads = 1; threads <= 2; threads++) FOR_EACH_SET(ctx, threads)
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
        for (int causal = 0; causal < 2; causal++) {
            one_attention(ctx, &(setting){6, 2, dims[d], {0, 1, 3, 3, 10, 60, 127}, causal});
            one_attention(ctx, &(setting){2, 3, dims[d], {0, 17, 50}, causal});
        }
}

static void long_sequences_attend(void **state)
{
    FOR_EACH_SET(ctx, 2)
    for (int causal = 0; causal < 2; causal++) {
        one_attention(ctx, &(setting){1, 2, 64, {0, 577}, causal});
        one_attention(ctx, &(setting){1, 1, 64, {0, 256}, causal});
        one_attention(ctx, &(setting){1, 1, 40, {0, 197}, causal});
    }
}

/* Weights that leave only one key, and scores so far apart that their powers vanish. */
static void sharp_scores_pick_one_key(void **state)
{
    enum { T = 40, D = 8 };
    FOR_EACH_SET(ctx, 1)
    {
        float qkv[T * 3 * D], out[T * D];
        for (int i = 0; i < T; i++)
            for (int d = 0; d < D; d++) {
                qkv[i * 3 * D + d] = 200;
                qkv[i * 3 * D + D + d] = i == 29 ? 30.0f : -(float)i;
                qkv[i * 3 * D + 2 * D + d] = (float)(i * D + d);
            }
        const setting s = {1, 1, D, {0, T}, false};
        attend(ctx, &s, qkv, out);
        for (int i = 0; i < T * D; i++) assert_true(fabsf(out[i] / (float)(29 * D + i % D) - 1) <= 3e-7f);
    }
}

/* A sequence gives the same numbers, bit for bit, alone and in company, on any team; a causal query the same as the
 * last of a shorter sequence, but for how the sum of the weights is ordered. */
static void company_and_team_change_nothing(void **state)
{
    const setting together = {5, 3, 64, {0, 50, 51, 128, 140, 217}, false};
    const int64_t width = 3 * 64;
    FOR_EACH_SET(ctx, 1)
    {
        float *qkv = qkv_of(&together), *want = floats(tokens_of(&together) * width);
        float *got = floats(tokens_of(&together) * width);
        attend(ctx, &together, qkv, want);
        for (int threads = 2; threads <= 4; threads++) {
            nn_context *team = context_with(ctx->kernels->name, threads);
            attend(team, &together, qkv, got);
            assert_memory_equal(got, want, (size_t)(tokens_of(&together) * width) * sizeof *got);
            nn_context_free(team);
        }
        for (int q = 0; q < together.sequences; q++) {
            const int32_t first = together.starts[q], length = together.starts[q + 1] - first;
            attend(ctx, &(setting){1, 3, 64, {0, length}, false}, qkv + first * 3 * width, got);
            assert_memory_equal(got, want + first * width, (size_t)(length * width) * sizeof *got);
        }
        mem_free(qkv);
        mem_free(want);
        mem_free(got);
    }
}

static void a_causal_query_sees_no_further(void **state)
{
    enum { T = 77 };
    const setting whole = {1, 2, 32, {0, T}, true};
    FOR_EACH_SET(ctx, 2)
    {
        float *qkv = qkv_of(&whole), *want = floats(T * 64), *got = floats(T * 64);
        attend(ctx, &whole, qkv, want);
        for (int32_t length = 1; length < T; length += 5) {
            attend(ctx, &(setting){1, 2, 32, {0, length}, true}, qkv, got);
            assert_memory_equal(got, want, (size_t)(length * 64) * sizeof *got);
        }
        mem_free(qkv);
        mem_free(want);
        mem_free(got);
    }
}

/* All of that where products are of bfloat16, if this processor has such. */
static void products_may_be_narrow(void **state)
{
    for (int i = NN_COMPUTE_BF16; i < NN_PRECISIONS; i++) {
        attention_in = (nn_precision)i;
        attention_equals_sums(state);
        long_sequences_attend(state);
        company_and_team_change_nothing(state);
        a_causal_query_sees_no_further(state);
    }
    attention_in = NN_COMPUTE_F32;
}

static void nothing_to_attend_to(void **state)
{
    nn_context *ctx = context(2);
    const int32_t starts[] = {0, 0, 0};
    const nn_attention_args args = {NULL, NULL, starts, 2, 4, 64, 0.125f, true, NN_COMPUTE_F32};
    assert_int_equal(nn_attention(ctx, &args, NULL), SIMILE_OK);
    nn_context_free(ctx);
}

/* ---- memory and the team ---- */

static void scratch_may_be_refused(void **state)
{
    const setting s = {1, 2, 16, {0, 30}, false};
    float *qkv = qkv_of(&s), *out = floats(30 * 32);
    nn_context *ctx = context(2);
    const nn_attention_args args = {qkv, out, s.starts, 1, 2, 16, 0.25f, false, NN_COMPUTE_F32};
    simile_error err;
    mem_fault_after(1, false);
    assert_int_equal(nn_attention(ctx, &args, &err), SIMILE_E_NOMEM);
    mem_fault_after(1, true); /* the second call allocates, the third does not */
    assert_int_equal(nn_attention(ctx, &args, &err), SIMILE_E_NOMEM);
    mem_fault_after(0, false);
    assert_int_equal(nn_attention(ctx, &args, &err), SIMILE_OK);
    mem_fault_after(1, true);
    assert_int_equal(nn_attention(ctx, &args, &err), SIMILE_OK);
    mem_fault_after(0, false);
    check_attention(&s, qkv, out, ctx->kernels->name);
    nn_context_free(ctx);
    mem_free(qkv);
    mem_free(out);
}

static void count_item(void *user, int64_t item)
{
    ((int *)user)[item]++;
}

static void every_item_is_visited_once(void **state)
{
    for (int threads = 1; threads <= 5; threads++) {
        nn_context *ctx = context(threads);
        assert_int_equal(nn_context_threads(ctx), threads);
        for (int items = 0; items < 40; items++) {
            int seen[40] = {0};
            nn_parallel(ctx, items, count_item, seen);
            for (int i = 0; i < 40; i++) assert_int_equal(seen[i], i < items);
        }
        nn_context_free(ctx);
    }
}

/* ---- log of the sum of exponentials ---- */

static void check_log_sum(nn_context *ctx, int64_t rows, int64_t dim, float spread, float offset)
{
    float *x = numbers(rows * dim, (uint64_t)dim), *out = floats(rows);
    for (int64_t i = 0; i < rows * dim; i++) x[i] = x[i] * spread + offset;
    nn_log_sum_exp(ctx, rows, dim, x, out);
    for (int64_t r = 0; r < rows; r++) {
        double largest = -INFINITY, sum = 0;
        for (int64_t i = 0; i < dim; i++) largest = larger(largest, (double)x[r * dim + i]);
        for (int64_t i = 0; i < dim; i++) sum += exp((double)x[r * dim + i] - largest);
        const double want = largest + log(sum), off = fabs((double)out[r] - want);
        if (!(off <= 5e-7 * larger(1, fabs(want))))
            fail_msg("%s: dim %d: off by %.2g", ctx->kernels->name, (int)dim, off);
    }
    mem_free(x);
    mem_free(out);
}

static void exponentials_are_summed(void **state)
{
    static const int64_t dims[] = {1, 2, 15, 16, 17, 33, 2047, 2048, 2049, 65001};
    for (int threads = 1; threads <= 3; threads += 2) {
        FOR_EACH_SET(ctx, threads)
        {
            for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
                check_log_sum(ctx, 3, dims[i], 8, 0);
                check_log_sum(ctx, 2, dims[i], 60, -500);
                check_log_sum(ctx, 1, dims[i], 0, 90);
            }
        }
    }
}

/* The largest stands at each place in turn, alone in its weight. */
static void the_largest_is_found_wherever_it_is(void **state)
{
    enum { DIM = 70 };
    nn_context *ctx = context(1);
    for (int at = 0; at < DIM; at++) {
        float x[DIM], out;
        for (int i = 0; i < DIM; i++) x[i] = i == at ? 300.0f : -300.0f;
        nn_log_sum_exp(ctx, 1, DIM, x, &out);
        assert_true(out == 300.0f);
    }
    nn_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_set_is_picked),
        cmocka_unit_test(rows_are_normalised),
        cmocka_unit_test(powers_of_two_are_close),
        cmocka_unit_test(bytes_are_equal_in_every_set),
        cmocka_unit_test(attention_equals_sums),
        cmocka_unit_test(long_sequences_attend),
        cmocka_unit_test(sharp_scores_pick_one_key),
        cmocka_unit_test(company_and_team_change_nothing),
        cmocka_unit_test(a_causal_query_sees_no_further),
        cmocka_unit_test(products_may_be_narrow),
        cmocka_unit_test(nothing_to_attend_to),
        cmocka_unit_test(scratch_may_be_refused),
        cmocka_unit_test(every_item_is_visited_once),
        cmocka_unit_test(exponentials_are_summed),
        cmocka_unit_test(the_largest_is_found_wherever_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
