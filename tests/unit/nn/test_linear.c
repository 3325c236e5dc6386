/* SPDX-License-Identifier: Apache-2.0
 * test_linear.c - matrices and products, against sums in double.
 *
 * Bound of a product: 2e-6 of the sum of the magnitudes that went into it (float32 sums over up to 3,073 terms), and
 * 2e-6 of what an activation approximates. */
#include "help.h"

typedef struct {
    int64_t n, k;
    float *w, *b; /* what the stored numbers widen to */
} dense;

static void check(const dense *m, int64_t rows, const float *x, const float *before, const float *y, nn_act act)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t n = 0; n < m->n; n++) {
            double sum = m->b ? (double)m->b[n] : 0, size = fabs(sum);
            for (int64_t k = 0; k < m->k; k++) {
                const double term = (double)x[r * m->k + k] * (double)m->w[n * m->k + k];
                sum += term;
                size += fabs(term);
            }
            const double start = before ? (double)before[r * m->n + n] : 0, want = activate(start + sum, act);
            const double got = (double)y[r * m->n + n], bound = 2e-6 * (size + fabs(start) + 1);
            if (!(fabs(got - want) <= bound))
                fail_msg("[%d, %d] x %d rows, activation %d: %.9g instead of %.9g", (int)m->n, (int)m->k, (int)rows,
                         (int)act, got, want);
        }
}

/* All tests run twice: with the matrices of nn_matrix_new(), which own kernels may take, and with the library's. */
static simile_status (*make)(const nn_matrix_spec *spec, nn_matrix **out, simile_error *err) = nn_matrix_new;

static nn_matrix *matrix(const nn_matrix_spec *spec)
{
    nn_matrix *m;
    simile_error err;
    if (make(spec, &m, &err)) fail_msg("%s", err.message);
    return m;
}

static nn_matrix *plain_matrix(const dense *m)
{
    const nn_tensor w = {.data = m->w, .dtype = NN_F32, .rank = 2, .dim = {m->n, m->k}};
    const nn_tensor b = {.data = m->b, .dtype = NN_F32, .rank = 1, .dim = {m->n}};
    return matrix(&(nn_matrix_spec){.weights = &w, .biases = m->b ? &b : NULL, .n_parts = 1});
}

static dense dense_new(int64_t n, int64_t k, bool bias)
{
    return (dense){n, k, numbers(n * k, (uint64_t)(n * 31 + k)), bias ? numbers(n, (uint64_t)n) : NULL};
}

static void dense_free(dense *m)
{
    mem_free(m->w);
    mem_free(m->b);
}

static void run(nn_context *ctx, const nn_matrix *w, int64_t rows, const float *x, float *y, nn_act act, bool add)
{
    simile_error err;
    if (nn_linear(ctx, w, rows, x, y, act, add, &err)) fail_msg("%s", err.message);
}

static void all_endings(nn_context *ctx, dense *m, int64_t rows)
{
    nn_matrix *w = plain_matrix(m);
    float *x = numbers(rows * m->k, 5), *y = floats(rows * m->n), *before = numbers(rows * m->n, 6);
    for (int act = NN_ACT_NONE; act <= NN_ACT_RELU; act++) {
        run(ctx, w, rows, x, y, (nn_act)act, false);
        check(m, rows, x, NULL, y, (nn_act)act);
        memcpy(y, before, (size_t)(rows * m->n) * sizeof *y);
        run(ctx, w, rows, x, y, (nn_act)act, true);
        check(m, rows, x, before, y, (nn_act)act);
    }
    mem_free(x);
    mem_free(y);
    mem_free(before);
    nn_matrix_free(w);
}

static void products_equal_sums(void **state)
{
    static const int64_t sizes[][2] = {{1, 1}, {1, 7}, {5, 1}, {16, 16}, {33, 48}, {64, 65}, {100, 37}, {192, 130}};
    static const int64_t rows[] = {1, 2, 3, 17, 64};
    for (int threads = 1; threads <= 2; threads++) {
        nn_context *ctx = context(threads);
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
                dense m = dense_new(sizes[s][0], sizes[s][1], (s + r) % 2);
                all_endings(ctx, &m, rows[r]);
                dense_free(&m);
            }
        nn_context_free(ctx);
    }
}

static void long_sums_stay_exact(void **state)
{
    nn_context *ctx = context(2);
    dense m = dense_new(40, 3073, true);
    all_endings(ctx, &m, 5);
    dense_free(&m);
    nn_context_free(ctx);
}

/* The result in each dtype is what the widened numbers give. */
static void *stored(const float *from, int64_t n, nn_dtype dtype, float *widened)
{
    uint8_t *data = mem_alloc((size_t)n * nn_dtype_size(dtype) + 1);
    assert_non_null(data);
    uint8_t *odd = data + 1; /* never aligned */
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &from[i], sizeof bits);
        uint16_t half = (uint16_t)(bits >> 16);
        if (dtype == NN_F16) half = (uint16_t)((bits >> 16 & 0x8000) | 0x3800 | (bits >> 13 & 0x3ff));
        if (dtype == NN_F32)
            memcpy(odd + 4 * i, &from[i], 4);
        else
            memcpy(odd + 2 * i, &half, 2);
    }
    const nn_tensor t = {.data = odd, .dtype = dtype, .rank = 1, .dim = {n}};
    nn_tensor_to_f32(&t, 0, n, widened);
    return data;
}

/* Three parts of different dtypes, stacked; rows of part i begin at starts[i]. */
static void stacked(bool transposed)
{
    enum { PARTS = 3, K = 70 };
    static const int64_t n[PARTS] = {24, 1, 900}, starts[PARTS] = {0, 24, 25};
    static const nn_dtype dtypes[PARTS] = {NN_F16, NN_F32, NN_BF16};
    dense m = {925, K, floats(925 * K), floats(925)};
    nn_tensor w[PARTS], b[PARTS];
    void *kept[2 * PARTS];
    for (int i = 0; i < PARTS; i++) {
        float *values = numbers(n[i] * K, (uint64_t)i + 40), *wide = floats(n[i] * K);
        kept[2 * i] = stored(values, n[i] * K, dtypes[i], wide);
        kept[2 * i + 1] = stored(values, n[i], dtypes[2 - i], m.b + starts[i]);
        for (int64_t r = 0; r < n[i]; r++)
            for (int64_t k = 0; k < K; k++)
                m.w[(starts[i] + r) * K + k] = transposed ? wide[k * n[i] + r] : wide[r * K + k];
        w[i] = (nn_tensor){(uint8_t *)kept[2 * i] + 1, dtypes[i], 2, {n[i], K}};
        if (transposed) w[i] = (nn_tensor){(uint8_t *)kept[2 * i] + 1, dtypes[i], 2, {K, n[i]}};
        b[i] = (nn_tensor){(uint8_t *)kept[2 * i + 1] + 1, dtypes[2 - i], 1, {n[i]}};
        mem_free(values);
        mem_free(wide);
    }
    nn_matrix *packed =
        matrix(&(nn_matrix_spec){.weights = w, .biases = b, .n_parts = PARTS, .transposed = transposed});
    for (int i = 0; i < 2 * PARTS; i++) mem_free(kept[i]); /* nothing of the file is kept */
    assert_int_equal(nn_matrix_rows(packed), 925);
    assert_int_equal(nn_matrix_cols(packed), K);
    assert_true(nn_matrix_bytes(packed) >= 925 * K * sizeof(float));
    nn_context *ctx = context(1);
    float *x = numbers(9 * K, 3), *y = floats(9 * 925);
    run(ctx, packed, 9, x, y, NN_ACT_GELU, false);
    check(&m, 9, x, NULL, y, NN_ACT_GELU);
    nn_context_free(ctx);
    nn_matrix_free(packed);
    dense_free(&m);
    mem_free(x);
    mem_free(y);
}

static void parts_of_any_type_are_stacked(void **state)
{
    stacked(false);
    stacked(true);
}

/* Factors of rows: as if the stored numbers had been multiplied; the bias is left alone. */
static void scaled(bool transposed)
{
    enum { N = 900, K = 70 };
    dense m = dense_new(N, K, true);
    float *scale = numbers(N, 77), *turned = floats(N * K), *x = numbers(3 * K, 3), *y = floats(3 * N);
    for (int64_t i = 0; i < N * K; i++) turned[i % K * N + i / K] = m.w[i];
    const nn_tensor w[2] = {{m.w, NN_F32, 2, {N, K}}, {turned, NN_F32, 2, {K, N}}}, b = {m.b, NN_F32, 1, {N}};
    nn_matrix *packed = matrix(&(nn_matrix_spec){
        .weights = &w[transposed], .biases = &b, .n_parts = 1, .transposed = transposed, .scale = scale});
    for (int64_t i = 0; i < N * K; i++) m.w[i] *= scale[i / K];
    nn_context *ctx = context(1);
    run(ctx, packed, 3, x, y, NN_ACT_NONE, false);
    check(&m, 3, x, NULL, y, NN_ACT_NONE);
    nn_context_free(ctx);
    nn_matrix_free(packed);
    dense_free(&m);
    mem_free(scale);
    mem_free(turned);
    mem_free(x);
    mem_free(y);
}

static void rows_are_scaled(void **state)
{
    scaled(false);
    scaled(true);
}

/* More than one piece when packing: 4 MB of float32 hold 1,152 rows of 700. */
static void large_matrices_are_packed_in_pieces(void **state)
{
    dense m = dense_new(2500, 700, true);
    nn_context *ctx = context(2);
    nn_matrix *w = plain_matrix(&m);
    float *x = numbers(2 * m.k, 8), *y = floats(2 * m.n);
    run(ctx, w, 2, x, y, NN_ACT_NONE, false);
    check(&m, 2, x, NULL, y, NN_ACT_NONE);
    nn_matrix_free(w);
    nn_context_free(ctx);
    mem_free(x);
    mem_free(y);
    dense_free(&m);
}

static void same_rows_with_any_company(const dense *m, nn_act act)
{
    enum { MOST = 600 };
    static const int64_t counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 31, 33, 48, 50, 64, 77, 100, 129, 200, 257, 513};
    nn_matrix *w = plain_matrix(m);
    float *x = numbers(MOST * m->k, 9), *want = floats(MOST * m->n), *got = floats(MOST * m->n);
    nn_context *one = context(1);
    for (int64_t r = 0; r < MOST; r += 100) run(one, w, 100, x + r * m->k, want + r * m->n, act, false);
    nn_context_free(one);
    for (int threads = 1; threads <= 4; threads++) {
        nn_context *ctx = context(threads);
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            const int64_t first = (MOST - counts[c]) / 2;
            run(ctx, w, counts[c], x + first * m->k, got, act, false);
            const double off = difference(got, want + first * m->n, counts[c], m->n);
            if (off > 1e-6)
                fail_msg("[%d, %d]: %d rows on %d threads differ by %.2g", (int)m->n, (int)m->k, (int)counts[c],
                         threads, off);
        }
        nn_context_free(ctx);
    }
    nn_matrix_free(w);
    mem_free(x);
    mem_free(want);
    mem_free(got);
}

static void results_do_not_depend_on_rows_or_threads(void **state)
{
    static const int64_t sizes[][2] = {{512, 768}, {128, 2048}, {70, 333}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        dense m = dense_new(sizes[s][0], sizes[s][1], true);
        same_rows_with_any_company(&m, s == 0 ? NN_ACT_QUICK_GELU : NN_ACT_NONE);
        dense_free(&m);
    }
}

static void no_shape_falls_back_to_reference_code(void **state)
{
    static const int64_t sizes[][2] = {{768, 768}, {64, 80}, {100, 37}, {1, 64}, {33, 48}};
    nn_context *ctx = context(2);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        dense m = dense_new(sizes[s][0], sizes[s][1], true);
        nn_matrix *w = plain_matrix(&m);
        for (int64_t rows = 1; rows <= 600; rows += rows < 80 ? 1 : 37)
            for (int ending = 0; ending <= 2 * NN_ACT_RELU + 1; ending++) {
                const char *name;
                simile_error err;
                if (nn_linear_name(ctx, w, rows, (nn_act)(ending / 2), ending % 2, &name, &err))
                    fail_msg("%s", err.message);
#if defined(__x86_64__)
                if (strstr(name, "ref")) fail_msg("[%d, %d] x %d rows: %s", (int)m.n, (int)m.k, (int)rows, name);
#endif
            }
        nn_matrix_free(w);
        dense_free(&m);
    }
    nn_context_free(ctx);
}

/* More shapes than the cache holds, twice: those that were thrown out are made again. */
static void forgotten_plans_are_made_again(void **state)
{
    dense m = dense_new(16, 16, true);
    nn_matrix *w = plain_matrix(&m);
    nn_context *ctx = context(1);
    assert_true(nn_rows_at_once(1, NN_PLANS + 9) == NN_PLANS + 9);
    float *x = numbers((NN_PLANS + 9) * m.k, 2), *y = floats((NN_PLANS + 9) * m.n);
    for (int round = 0; round < 2; round++)
        for (int64_t rows = 1; rows <= NN_PLANS + 9; rows += round == 0 ? 1 : 7) {
            run(ctx, w, rows, x, y, NN_ACT_RELU, false);
            check(&m, rows, x, NULL, y, NN_ACT_RELU);
        }
    run(ctx, w, 0, x, y, NN_ACT_NONE, false);
    nn_context_free(ctx);
    nn_matrix_free(w);
    mem_free(x);
    mem_free(y);
    dense_free(&m);
}

static void many_rows_are_cut_evenly(void **state)
{
    assert_int_equal(nn_rows_at_once(1, 1), 1);
    assert_int_equal(nn_rows_at_once(2, 256), 256);
    assert_int_equal(nn_rows_at_once(2, 257), 129);
    assert_int_equal(nn_rows_at_once(1, 400), 200);
    assert_int_equal(nn_rows_at_once(4, 400), 400);
    dense m = dense_new(20, 30, true);
    nn_context *ctx = context(2);
    all_endings(ctx, &m, 515); /* 172 + 172 + 171 */
    nn_context_free(ctx);
    dense_free(&m);
}

static void impossible_parts_are_refused(void **state)
{
    static const float data[64];
    const nn_tensor good = {data, NN_F32, 2, {4, 4}}, other = {data, NN_F32, 2, {4, 5}}, flat = {data, NN_F32, 1, {4}};
    const nn_tensor numbers64 = {data, NN_I64, 2, {4, 4}}, bias = {data, NN_F32, 1, {4}},
                    none = {data, NN_F32, 2, {0, 4}};
    const nn_tensor mixed[] = {good, other}, short_bias = {data, NN_F32, 1, {3}};
    const nn_matrix_spec wrong[] = {
        {.weights = mixed, .n_parts = 2},
        {.weights = &flat, .n_parts = 1},
        {.weights = &numbers64, .n_parts = 1},
        {.weights = &good, .biases = &short_bias, .n_parts = 1},
        {.weights = &good, .n_parts = 0},
        {.weights = &none, .n_parts = 1},
        {.weights = &good, .biases = &bias, .n_parts = 1, .precision = (nn_precision)99},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        nn_matrix *m = (nn_matrix *)&data;
        simile_error err;
        assert_int_not_equal(make(&wrong[i], &m, &err), SIMILE_OK);
        assert_null(m);
    }
    nn_context *ctx;
    simile_error err;
    assert_int_equal(nn_context_new(0, &ctx, &err), SIMILE_E_ARG);
}

static simile_status whole_life(const dense *m, const float *x, float *y)
{
    simile_error err;
    const nn_tensor w = {.data = m->w, .dtype = NN_F32, .rank = 2, .dim = {m->n, m->k}};
    const nn_tensor b = {.data = m->b, .dtype = NN_F32, .rank = 1, .dim = {m->n}};
    const nn_matrix_spec spec = {.weights = &w, .biases = &b, .n_parts = 1};
    nn_matrix *packed = NULL;
    nn_context *ctx = NULL;
    simile_status status = nn_context_new(2, &ctx, &err);
    if (!status) status = make(&spec, &packed, &err);
    if (!status) status = nn_linear(ctx, packed, 3, x, y, NN_ACT_GELU, false, &err);
    nn_matrix_free(packed);
    nn_context_free(ctx);
    return status;
}

static void each_allocation_may_fail(void **state)
{
    dense m = dense_new(70, 33, true);
    float *x = numbers(3 * m.k, 1), *y = floats(3 * m.n);
    int failures = 0;
    for (long n = 1;; n++) {
        mem_fault_after(n, false);
        const simile_status status = whole_life(&m, x, y);
        const bool hit = mem_fault_hit();
        mem_fault_after(0, false);
        assert_int_equal(status, hit ? SIMILE_E_NOMEM : SIMILE_OK);
        if (!hit) break;
        failures++;
    }
    assert_true(failures > 5);
    check(&m, 3, x, NULL, y, NN_ACT_GELU);
    mem_free(x);
    mem_free(y);
    dense_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_equal_sums),
        cmocka_unit_test(long_sums_stay_exact),
        cmocka_unit_test(parts_of_any_type_are_stacked),
        cmocka_unit_test(rows_are_scaled),
        cmocka_unit_test(large_matrices_are_packed_in_pieces),
        cmocka_unit_test(results_do_not_depend_on_rows_or_threads),
        cmocka_unit_test(no_shape_falls_back_to_reference_code),
        cmocka_unit_test(forgotten_plans_are_made_again),
        cmocka_unit_test(many_rows_are_cut_evenly),
        cmocka_unit_test(impossible_parts_are_refused),
        cmocka_unit_test(each_allocation_may_fail),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    make = nn_matrix_new_library;
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
