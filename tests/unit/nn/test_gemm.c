/* SPDX-License-Identifier: Apache-2.0
 * test_gemm.c - own products: plain kernels against sums in double, every other set against the plain one.
 *
 * Bounds, in parts of the sum of the magnitudes that went into a number (float32 sums over up to 1,100 terms):
 *   float32    2e-6 against sums in double
 *   bfloat16   the same, of weights and x that were rounded by the test; sets of kernels are equal bit for bit
 *   int8       2e-6 of the integers' product and its factors; sets of kernels are equal bit for bit
 * Activations: 2e-6 more. Sets are compared with each of them to 4e-6, without any as said. */
#include "help.h"

#include <sys/mman.h>
#include <unistd.h>

typedef struct {
    int64_t n, k;
    float *w, *b, *columns;
} dense;

static dense dense_new(int64_t n, int64_t k, bool bias, bool columns)
{
    dense d = {n, k, numbers(n * k, (uint64_t)(n * 37 + k)), bias ? numbers(n, 11) : NULL, NULL};
    if (!columns) return d;
    d.columns = numbers(k, 12);
    for (int64_t i = 0; i < k; i++) d.columns[i] = 0.1f + fabsf(d.columns[i]);
    return d;
}

static void dense_free(dense *d)
{
    mem_free(d->w);
    mem_free(d->b);
    mem_free(d->columns);
}

static nn_matrix *pack(const dense *d, nn_precision precision)
{
    const nn_tensor w = {.data = d->w, .dtype = NN_F32, .rank = 2, .dim = {d->n, d->k}};
    const nn_tensor b = {.data = d->b, .dtype = NN_F32, .rank = 1, .dim = {d->n}};
    const nn_matrix_spec spec = {
        .weights = &w, .biases = d->b ? &b : NULL, .n_parts = 1, .precision = precision, .column_scale = d->columns};
    nn_matrix *m;
    simile_error err;
    if (nn_matrix_new_own(&spec, &m, &err)) fail_msg("%s", err.message);
    return m;
}

/* A context whose products of one precision run on one set of kernels; NULL: there is none here. */
static nn_context *context_with(const char *kernels, nn_precision precision, int threads)
{
    const gemm_kernels *table = gemm_find(kernels, precision);
    if (!table) return NULL;
    nn_context *ctx = context(threads);
    ctx->gemm[precision] = table;
    return ctx;
}

static void run(nn_context *ctx, const nn_matrix *w, int64_t rows, const float *x, float *y, nn_act act, bool add)
{
    simile_error err;
    if (nn_linear(ctx, w, rows, x, y, act, add, &err)) fail_msg("%s", err.message);
}

static bool same(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* ---- what the plain kernels should give ---- */

static double rounded(float x)
{
    const double unit = ldexp(1, ilogb((double)x) - 7);
    return x == 0 ? 0 : nearbyint((double)x / unit) * unit;
}

/* A row of x, and of W, as the numbers that are really multiplied. */
static void real_row(const dense *d, nn_precision precision, bool weights, const float *from, double *to)
{
    double low = 0, high = 0;
    for (int64_t i = 0; i < d->k; i++) {
        to[i] = (double)from[i];
        if (precision == NN_COMPUTE_BF16) to[i] = rounded(from[i]);
        if (precision == NN_COMPUTE_INT8 && d->columns) to[i] *= weights ? d->columns[i] : 1 / (double)d->columns[i];
        low = to[i] < low ? to[i] : low;
        high = to[i] > high ? to[i] : high;
    }
    if (precision != NN_COMPUTE_INT8) return;
    const double unit = weights ? larger(high, -low) / 127 : (high - low) / 255;
    const double zero = weights ? 0 : nearbyint(-low / unit);
    for (int64_t i = 0; i < d->k; i++) {
        const double q = nearbyint(to[i] / unit) + zero, most = weights ? 127 : 255;
        to[i] = unit == 0 ? 0 : ((q > most ? most : q) - zero) * unit;
    }
}

/* int8: a number that lies between two integers up to float32's precision may become either. */
static double may_differ(const dense *d, nn_precision precision, const double *x, const double *w)
{
    if (precision != NN_COMPUTE_INT8) return 0;
    double most_x = 0, most_w = 0;
    for (int64_t i = 0; i < d->k; i++) {
        most_x = larger(most_x, fabs(x[i]));
        most_w = larger(most_w, fabs(w[i]));
    }
    return 2 * most_x * most_w / 127; /* one number of each */
}

static void check(const dense *d, nn_precision precision, int64_t rows, const float *x, const float *before,
                  const float *y, nn_act act)
{
    double *xs = mem_array((size_t)d->k, sizeof *xs), *ws = mem_array((size_t)(d->k * d->n), sizeof *ws);
    assert_true(xs && ws);
    for (int64_t n = 0; n < d->n; n++) real_row(d, precision, true, d->w + n * d->k, ws + n * d->k);
    for (int64_t r = 0; r < rows; r++) {
        real_row(d, precision, false, x + r * d->k, xs);
        for (int64_t n = 0; n < d->n; n++) {
            const double start = (d->b ? (double)d->b[n] : 0) + (before ? (double)before[r * d->n + n] : 0);
            double sum = start, size = fabs(start) + 1;
            for (int64_t k = 0; k < d->k; k++) {
                sum += xs[k] * ws[n * d->k + k];
                size += fabs(xs[k] * ws[n * d->k + k]);
            }
            const double got = (double)y[r * d->n + n], want = activate(sum, act);
            const double bound = 4e-6 * size + may_differ(d, precision, xs, ws + n * d->k);
            if (!(fabs(got - want) <= bound))
                fail_msg("%s [%d, %d] x %d rows, activation %d: %.9g instead of %.9g", nn_precision_name(precision),
                         (int)d->n, (int)d->k, (int)rows, (int)act, got, want);
        }
    }
    mem_free(xs);
    mem_free(ws);
}

static void all_endings(const dense *d, nn_precision precision, int64_t rows)
{
    nn_matrix *m = pack(d, precision);
    nn_context *ctx = context_with("plain", precision, 1);
    float *x = numbers(rows * d->k, 5), *y = floats(rows * d->n), *before = numbers(rows * d->n, 6);
    for (int act = NN_ACT_NONE; act <= NN_ACT_SWISH; act++) {
        run(ctx, m, rows, x, y, (nn_act)act, false);
        check(d, precision, rows, x, NULL, y, (nn_act)act);
        memcpy(y, before, (size_t)(rows * d->n) * sizeof *y);
        run(ctx, m, rows, x, y, (nn_act)act, true);
        check(d, precision, rows, x, before, y, (nn_act)act);
    }
    mem_free(x);
    mem_free(y);
    mem_free(before);
    nn_context_free(ctx);
    nn_matrix_free(m);
}

static void plain_products_equal_sums(void **state)
{
    static const int64_t sizes[][2] = {{1, 1}, {1, 7}, {5, 1}, {33, 48}, {64, 65}, {40, 1100}};
    static const int64_t rows[] = {1, 2, 15};
    for (int p = 0; p < NN_PRECISIONS; p++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
                dense d = dense_new(sizes[s][0], sizes[s][1], (s + r) % 2, s % 2);
                all_endings(&d, (nn_precision)p, rows[r]);
                dense_free(&d);
            }
}

/* ---- sets of kernels against the plain one ---- */

static const char *const tables[] = {"avx2", "avx512", "neon", "dotprod"};

static void compare(const dense *d, const float *x, int64_t rows, nn_precision precision, const float *want,
                    const float *got, nn_act act)
{
    for (int64_t i = 0; i < rows * d->n; i++) {
        if (same(want[i], got[i])) continue;
        double size = 1 + fabs((double)want[i]);
        for (int64_t k = 0; k < d->k; k++)
            size += fabs((double)x[i / d->n * d->k + k] * (double)d->w[i % d->n * d->k + k]);
        const bool exact = act == NN_ACT_NONE && precision != NN_COMPUTE_F32;
        if (exact || !(fabs((double)want[i] - (double)got[i]) <= 4e-6 * size))
            fail_msg("%s [%d, %d], %d rows, activation %d: row %d, column %d: %.9g instead of %.9g",
                     nn_precision_name(precision), (int)d->n, (int)d->k, (int)rows, (int)act, (int)(i / d->n),
                     (int)(i % d->n), (double)got[i], (double)want[i]);
    }
}

static void compare_sets(const char *name, const dense *d, nn_precision precision, int64_t rows, int threads)
{
    nn_context *plain = context_with("plain", precision, 1), *ctx = context_with(name, precision, threads);
    nn_matrix *m = pack(d, precision);
    float *x = numbers(rows * d->k, 5), *want = floats(rows * d->n), *got = floats(rows * d->n);
    for (int i = 0; i < 2 * (NN_ACT_SWISH + 1); i++) {
        for (int64_t j = 0; j < rows * d->n; j++) want[j] = got[j] = 0.5f;
        run(plain, m, rows, x, want, (nn_act)(i / 2), i % 2);
        run(ctx, m, rows, x, got, (nn_act)(i / 2), i % 2);
        compare(d, x, rows, precision, want, got, (nn_act)(i / 2));
    }
    mem_free(x);
    mem_free(want);
    mem_free(got);
    nn_matrix_free(m);
    nn_context_free(plain);
    nn_context_free(ctx);
}

static void every_set_equals_the_plain_one(void **state)
{
    static const int64_t sizes[][2] = {{1, 1}, {31, 5}, {32, 64}, {65, 130}, {97, 1027}, {64, 2048}};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (int p = 0; p < NN_PRECISIONS; p++) {
            if (!gemm_find(tables[i], (nn_precision)p)) continue;
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
                for (int64_t rows = 1; rows <= 33; rows += s == 3 ? 1 : 8) {
                    dense d = dense_new(sizes[s][0], sizes[s][1], s % 2, s % 3 == 0);
                    compare_sets(tables[i], &d, (nn_precision)p, rows, 1 + (int)(s % 3));
                    dense_free(&d);
                }
        }
}

/* ---- properties that every set has ---- */

/* Any number of rows, anywhere, on any number of threads: the same bits. */
static void company(const char *name, nn_precision precision)
{
    enum { MOST = 400 };
    static const int64_t counts[] = {1, 2, 5, 7, 12, 13, 14, 15, 29, 50, 169, 337};
    static const int64_t sizes[][2] = {{96, 2048}, {70, 333}};
    for (size_t s = 0; s < 2; s++) {
        dense d = dense_new(sizes[s][0], sizes[s][1], true, true);
        nn_matrix *m = pack(&d, precision);
        float *x = numbers(MOST * d.k, 9), *want = floats(MOST * d.n), *got = floats(MOST * d.n);
        for (int threads = 1; threads <= 3; threads++) {
            nn_context *ctx = context_with(name, precision, threads);
            if (threads == 1) run(ctx, m, MOST, x, want, NN_ACT_GELU, false);
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
                const int64_t first = (MOST - counts[c]) / 2;
                run(ctx, m, counts[c], x + first * d.k, got, NN_ACT_GELU, false);
                assert_memory_equal(got, want + first * d.n, (size_t)(counts[c] * d.n) * sizeof *got);
            }
            nn_context_free(ctx);
        }
        nn_matrix_free(m);
        mem_free(x);
        mem_free(want);
        mem_free(got);
        dense_free(&d);
    }
}

static void each_set(void (*test)(const char *name, nn_precision precision))
{
    for (int p = 0; p < NN_PRECISIONS; p++) {
        test("plain", (nn_precision)p);
        for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
            if (gemm_find(tables[i], (nn_precision)p)) test(tables[i], (nn_precision)p);
    }
}

static void results_do_not_depend_on_rows_or_threads(void **state)
{
    each_set(company);
}

/* ---- what lies behind ---- */

/* Memory whose last byte is the last of a page; whoever touches what follows dies. */
typedef struct {
    uint8_t *pages, *at;
    size_t len;
} cliff;

static cliff cliff_of(const void *bytes, size_t n)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), inside = (n + page - 1) / page * page;
    cliff c = {.len = inside + page};
    c.pages = mmap(NULL, c.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(c.pages != MAP_FAILED);
    assert_int_equal(mprotect(c.pages + inside, page, PROT_NONE), 0);
    c.at = c.pages + inside - n;
    if (bytes) memcpy(c.at, bytes, n);
    return c;
}

static void cliff_free(const cliff *c)
{
    munmap(c->pages, c->len);
}

static void at_the_edge(const char *name, nn_precision precision, const dense *d, int64_t rows)
{
    simile_error err;
    nn_context *ctx = context_with(name, precision, 1);
    nn_matrix *m = pack(d, precision), *edge;
    const size_t bytes = nn_matrix_image_bytes(m), x_bytes = (size_t)(rows * d->k) * sizeof(float);
    void *image = mem_aligned(bytes);
    nn_matrix_image_write(m, image);
    float *x = numbers(rows * d->k, 71), *want = numbers(rows * d->n, 72), *start = numbers(rows * d->n, 72);
    const cliff w = cliff_of(image, bytes), from = cliff_of(x, x_bytes);
    const cliff to = cliff_of(start, (size_t)(rows * d->n) * sizeof(float));
    if (nn_matrix_adopt(w.at, bytes, &edge, &err)) fail_msg("%s", err.message);
    for (int again = 0; again < 3; again++) { /* in y's place, on top of it, and with an activation */
        const nn_act act = again == 2 ? NN_ACT_GELU : NN_ACT_NONE;
        run(ctx, m, rows, x, want, act, again == 1);
        run(ctx, edge, rows, (const float *)(const void *)from.at, (float *)(void *)to.at, act, again == 1);
        assert_memory_equal(want, to.at, (size_t)(rows * d->n) * sizeof *want);
    }
    nn_matrix_free(m);
    nn_matrix_free(edge);
    nn_context_free(ctx);
    cliff_free(&w), cliff_free(&from), cliff_free(&to);
    mem_free(image);
    mem_free(x);
    mem_free(want);
    mem_free(start);
}

static void edges(const char *name, nn_precision precision)
{
    static const int64_t widths[] = {1, 2, 3, 5, 15, 17, 31, 33, 63, 65, 127, 1025};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        for (size_t k = 0; k < sizeof widths / sizeof *widths; k++) {
            if (widths[i] * widths[k] > 1 << 17) continue;
            const bool more = (i + k) % 2;
            dense d = dense_new(widths[i], widths[k], more, more && precision == NN_COMPUTE_INT8);
            for (int64_t rows = 1; rows <= 15; rows += 7) at_the_edge(name, precision, &d, rows);
            dense_free(&d);
        }
}

static void nothing_behind_is_touched(void **state)
{
    each_set(edges);
}

/* Five rows: zeros, NaN, infinity, one so small that it is as good as nothing, and one of ordinary numbers. */
static void strange_rows(const char *name, nn_precision precision)
{
    enum { ROWS = 5, N = 35, K = 70 };
    dense d = dense_new(N, K, true, false);
    nn_matrix *m = pack(&d, precision);
    nn_context *ctx = context_with(name, precision, 1);
    float *x = numbers(ROWS * K, 3), *y = floats(ROWS * N), *alone = floats(N);
    for (int64_t i = 0; i < K; i++) x[i] = 0;
    x[K + 40] = NAN;
    x[2 * K + 69] = INFINITY;
    for (int64_t i = 0; i < K; i++) x[3 * K + i] *= 1e-37f;
    run(ctx, m, ROWS, x, y, NN_ACT_NONE, false);
    run(ctx, m, 1, x + 4 * K, alone, NN_ACT_NONE, false);
    for (int64_t c = 0; c < N; c++) {
        assert_true(y[c] == d.b[c]);
        assert_true(isnan(y[N + c]));
        assert_true(precision == NN_COMPUTE_INT8 ? isnan(y[2 * N + c]) : !isfinite(y[2 * N + c]));
        assert_true(fabsf(y[3 * N + c] - d.b[c]) < 1e-6f);
    }
    assert_memory_equal(y + 4 * N, alone, N * sizeof *y);
    for (int act = NN_ACT_GELU; act <= NN_ACT_SWISH; act++) { /* NaN stays NaN */
        run(ctx, m, ROWS, x, y, (nn_act)act, false);
        for (int64_t c = 0; c < N; c++) assert_true(isnan(y[N + c]) && isfinite(y[c]));
    }
    nn_context_free(ctx);
    nn_matrix_free(m);
    mem_free(x);
    mem_free(y);
    mem_free(alone);
    dense_free(&d);
}

static void strange_numbers_stay_in_their_row(void **state)
{
    each_set(strange_rows);
}

/* x so large that activations meet their ends. */
static void far_out(const char *name, nn_precision precision)
{
    dense d = dense_new(1, 1, false, false);
    d.w[0] = 1;
    nn_matrix *m = pack(&d, precision);
    nn_context *ctx = context_with(name, precision, 1);
    static const float x[] = {-3e38f, -1e10f, -200, -90, -20, -12, 12, 20, 90, 200, 1e10f, 3e38f};
    enum { ROWS = sizeof x / sizeof *x };
    float y[ROWS];
    for (int act = NN_ACT_NONE; act <= NN_ACT_SWISH; act++) {
        run(ctx, m, ROWS, x, y, (nn_act)act, false);
        for (int i = 0; i < ROWS; i++) {
            const double want = act == NN_ACT_NONE || x[i] > 0 ? (double)x[i] : 0;
            const double bound = fabs(want) * 0.01 + (fabs(x[i]) < 100 && x[i] < 0 ? 2e-4 : 1e-30);
            if (!(fabs((double)y[i] - want) <= bound))
                fail_msg("%s %s, activation %d of %g: %g", name, nn_precision_name(precision), act, (double)x[i],
                         (double)y[i]);
        }
    }
    nn_context_free(ctx);
    nn_matrix_free(m);
    dense_free(&d);
}

static void activations_have_ends(void **state)
{
    each_set(far_out);
}

/* ---- int8: what scaling of columns is for ---- */

static double int8_error(const dense *d, int64_t rows, const float *x)
{
    nn_matrix *m = pack(d, NN_COMPUTE_INT8);
    nn_context *ctx = context(1);
    float *y = floats(rows * d->n);
    double error = 0, size = 0;
    run(ctx, m, rows, x, y, NN_ACT_NONE, false);
    for (int64_t i = 0; i < rows * d->n; i++) {
        double want = 0;
        for (int64_t k = 0; k < d->k; k++) want += (double)x[i / d->n * d->k + k] * (double)d->w[i % d->n * d->k + k];
        error += (want - (double)y[i]) * (want - (double)y[i]);
        size += want * want;
    }
    nn_context_free(ctx);
    nn_matrix_free(m);
    mem_free(y);
    return sqrt(error / size);
}

/* Normalised on the way or before: bit for bit the same, in every precision. */
static void rows_are_normalised_on_the_way(void **state)
{
    enum { N = 40, ROWS = 33 };
    static const int64_t widths[] = {7, 64, 200};
    for (int p = 0; p < NN_PRECISIONS; p++)
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
            const int64_t k = widths[i];
            float *weights = numbers(N * k, 1), *gain = numbers(k, 2), *offset = numbers(k, 3),
                  *x = numbers(ROWS * k, 4);
            float *normed = floats(ROWS * k), *want = floats(ROWS * N), *got = floats(ROWS * N);
            const nn_tensor w = {weights, NN_F32, 2, {N, k}};
            const nn_matrix_spec spec = {.weights = &w, .n_parts = 1, .precision = (nn_precision)p};
            const nn_norm norm = {gain, offset, 1e-5f};
            nn_matrix *m;
            simile_error err;
            assert_int_equal(nn_matrix_new(&spec, &m, &err), SIMILE_OK);
            for (int threads = 1; threads <= 3; threads++) {
                nn_context *ctx = context(threads);
                nn_layer_norm(ctx, ROWS, k, x, gain, offset, norm.eps, normed);
                run(ctx, m, ROWS, normed, want, NN_ACT_GELU, false);
                assert_int_equal(nn_linear_normed(ctx, m, ROWS, &norm, x, normed, got, NN_ACT_GELU, &err), SIMILE_OK);
                assert_memory_equal(got, want, ROWS * N * sizeof *got);
                nn_context_free(ctx);
            }
            nn_matrix_free(m);
            float *all[] = {weights, gain, offset, x, normed, want, got};
            for (size_t a = 0; a < sizeof all / sizeof *all; a++) mem_free(all[a]);
        }
}

/* Rows that lie apart give what contiguous ones do, and what is between them stays as it was. */
static void rows_may_lie_apart(void **state)
{
    enum { N = 1024, K = 1024, ROWS = 40 };
    float *weights = numbers(N * K, 1), *x = numbers(ROWS * K, 2), *want = floats(ROWS * N);
    float *apart = floats(ROWS * (K + NN_ROW_SLACK)), *got = floats(ROWS * (N + NN_ROW_SLACK));
    const nn_tensor w = {weights, NN_F32, 2, {N, K}};
    for (int p = 0; p < NN_PRECISIONS; p++)
        for (int threads = 1; threads <= 2; threads++) {
            const nn_matrix_spec spec = {.weights = &w, .n_parts = 1, .precision = (nn_precision)p};
            nn_context *ctx = context(threads);
            nn_matrix *m;
            simile_error err;
            assert_int_equal(nn_matrix_new(&spec, &m, &err), SIMILE_OK);
            const nn_product how = {.w = m,
                                    .rows = ROWS,
                                    .x = nn_rows_between(ctx, NULL, m, apart),
                                    .y = nn_rows_between(ctx, NULL, m, got),
                                    .act = NN_ACT_GELU};
            const int64_t stride = how.x.stride;
            assert_true(stride >= K && stride <= K + NN_ROW_SLACK);
            for (int64_t r = 0; r < ROWS; r++) memcpy(apart + r * stride, x + r * K, K * sizeof *x);
            for (int64_t i = 0; i < ROWS * stride; i++) got[i] = 17;
            run(ctx, m, ROWS, x, want, NN_ACT_GELU, false);
            assert_int_equal(nn_product_run(ctx, &how, &err), SIMILE_OK);
            for (int64_t r = 0; r < ROWS; r++) {
                assert_memory_equal(got + r * stride, want + r * N, N * sizeof *got);
                for (int64_t i = N; i < stride; i++) assert_true(got[r * stride + i] == 17);
            }
            nn_context_free(ctx);
            nn_matrix_free(m);
        }
    float *all[] = {weights, x, want, apart, got};
    for (size_t a = 0; a < sizeof all / sizeof *all; a++) mem_free(all[a]);
}

/* Two products, one after the other, by some kernels: through float32 and through rows as the second reads them. */
static void hand_on(const gemm_kernels *kernels, int64_t rows, int64_t k, int64_t between, nn_act act)
{
    enum { N = 70 };
    float *first = numbers(between * k, 1), *second = numbers(N * between, 2), *x = numbers(rows * k, 3);
    float *wide = floats(rows * between), *memory = floats(rows * (between + NN_ROW_SLACK));
    float *want = floats(rows * N), *got = floats(rows * N);
    const nn_tensor w[2] = {{first, NN_F32, 2, {between, k}}, {second, NN_F32, 2, {N, between}}};
    nn_matrix *m[2];
    simile_error err;
    for (int i = 0; i < 2; i++) {
        const nn_matrix_spec spec = {.weights = &w[i], .n_parts = 1, .precision = NN_COMPUTE_BF16};
        assert_int_equal(nn_matrix_new(&spec, &m[i], &err), SIMILE_OK);
    }
    for (int threads = 1; threads <= 2; threads++) {
        nn_context *ctx = context(threads);
        ctx->gemm[NN_COMPUTE_BF16] = kernels;
        const nn_rows h = nn_rows_between(ctx, m[0], m[1], memory);
        assert_int_equal(h.type, between % 2 || !kernels->halves ? NN_ROWS_F32 : NN_ROWS_BF16);
        run(ctx, m[0], rows, x, wide, act, false);
        run(ctx, m[1], rows, wide, want, NN_ACT_NONE, false);
        const nn_product in = {.w = m[0], .rows = rows, .x = {x, k, NN_ROWS_F32}, .y = h, .act = act};
        const nn_product out = {.w = m[1], .rows = rows, .x = h, .y = {got, N, NN_ROWS_F32}};
        assert_int_equal(nn_product_run(ctx, &in, &err), SIMILE_OK);
        assert_int_equal(nn_product_run(ctx, &out, &err), SIMILE_OK);
        assert_memory_equal(got, want, (size_t)(rows * N) * sizeof *got);
        nn_context_free(ctx);
    }
    float *all[] = {first, second, x, wide, memory, want, got};
    for (size_t a = 0; a < sizeof all / sizeof *all; a++) mem_free(all[a]);
    for (int i = 0; i < 2; i++) nn_matrix_free(m[i]);
}

static void rows_are_handed_on_as_they_are_read(void **state)
{
    static const char *const names[] = {"plain", "avx512"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const gemm_kernels *kernels = gemm_find(names[i], NN_COMPUTE_BF16);
        if (!kernels) continue;
        hand_on(kernels, 5, 33, 41, NN_ACT_RELU);
        hand_on(kernels, 29, 64, 44, NN_ACT_NONE);
        hand_on(kernels, 130, 64, 96, NN_ACT_QUICK_GELU);
        hand_on(kernels, 3, 2100, 514, NN_ACT_NONE); /* k in several blocks, if y were float32 */
    }
}

/* One column of x is 60 times as large as the others: scaled away, it no longer takes their precision. */
static void scaled_columns_keep_precision(void **state)
{
    enum { ROWS = 20, N = 40, K = 200 };
    dense d = dense_new(N, K, false, false);
    float *x = numbers(ROWS * K, 4), *columns = floats(K);
    for (int64_t i = 0; i < K; i++) columns[i] = i == 17 ? 60.0f : 1.0f;
    const double ordinary = int8_error(&d, ROWS, x);
    for (int64_t r = 0; r < ROWS; r++) x[r * K + 17] *= 60;
    for (int64_t n = 0; n < N; n++) d.w[n * K + 17] /= 60;
    const double outlier = int8_error(&d, ROWS, x);
    d.columns = columns;
    const double scaled = int8_error(&d, ROWS, x);
    assert_true(ordinary < 0.02);
    assert_true(outlier > 5 * ordinary);
    assert_true(scaled < 1.1 * ordinary);
    mem_free(x);
    dense_free(&d);
}

static void matrices_too_wide_are_refused(void **state)
{
    dense d = dense_new(1, NN_INT8_MOST_COLS + 1, false, false);
    const nn_tensor w = {.data = d.w, .dtype = NN_F32, .rank = 2, .dim = {d.n, d.k}};
    nn_matrix *m;
    simile_error err;
    assert_int_equal(
        nn_matrix_new(&(nn_matrix_spec){.weights = &w, .n_parts = 1, .precision = NN_COMPUTE_INT8}, &m, &err),
        SIMILE_E_UNSUPPORTED);
    dense_free(&d);
}

/* The widest: every product at its greatest. */
static void sums_do_not_overflow(void **state)
{
    dense d = dense_new(1, NN_INT8_MOST_COLS, false, false);
    float *x = floats(d.k), y;
    for (int64_t i = 0; i < d.k; i++) d.w[i] = x[i] = 1;
    nn_matrix *m = pack(&d, NN_COMPUTE_INT8);
    nn_context *ctx = context(1);
    run(ctx, m, 1, x, &y, NN_ACT_NONE, false);
    assert_true(fabsf(y - NN_INT8_MOST_COLS) < 0.1f);
    nn_context_free(ctx);
    nn_matrix_free(m);
    mem_free(x);
    dense_free(&d);
}

/* ---- images ---- */

/* A copy at a multiple of 64 bytes. */
static uint8_t *image_of(const nn_matrix *m, size_t *bytes)
{
    *bytes = nn_matrix_image_bytes(m);
    uint8_t *image = mem_aligned(*bytes);
    assert_non_null(image);
    nn_matrix_image_write(m, image);
    return image;
}

static void saved(nn_precision precision, bool bias, bool columns)
{
    enum { ROWS = 3 };
    dense d = dense_new(70, 45, bias, columns);
    nn_matrix *m = pack(&d, precision), *again;
    nn_context *ctx = context(1);
    float *x = numbers(ROWS * d.k, 8), *want = floats(ROWS * d.n), *got = floats(ROWS * d.n);
    size_t bytes;
    uint8_t *image = image_of(m, &bytes);
    simile_error err;
    run(ctx, m, ROWS, x, want, NN_ACT_RELU, false);
    nn_matrix_free(m);
    if (nn_matrix_adopt(image, bytes, &again, &err)) fail_msg("%s", err.message);
    assert_int_equal(nn_matrix_rows(again), d.n);
    assert_int_equal(nn_matrix_cols(again), d.k);
    assert_int_equal(nn_matrix_image_bytes(again), bytes);
    run(ctx, again, ROWS, x, got, NN_ACT_RELU, false);
    assert_memory_equal(want, got, (size_t)(ROWS * d.n) * sizeof *got);
    nn_matrix_free(again);
    nn_context_free(ctx);
    mem_free(image);
    mem_free(x);
    mem_free(want);
    mem_free(got);
    dense_free(&d);
}

static void images_are_the_matrix(void **state)
{
    for (int p = 0; p < NN_PRECISIONS; p++)
        for (int i = 0; i < 4; i++) saved((nn_precision)p, i % 2, i / 2);
}

/* Columns first .. first+n-1 of what the whole gives. */
static void cut(const dense *d, nn_precision precision, int64_t first, int64_t n)
{
    enum { ROWS = 17 };
    nn_matrix *m = pack(d, precision), *part;
    nn_context *ctx = context(2);
    float *x = numbers(ROWS * d->k, 9), *whole = floats(ROWS * d->n), *got = floats(ROWS * n);
    simile_error err;
    if (nn_matrix_part(m, first, n, &part, &err)) fail_msg("%s", err.message);
    assert_non_null(part);
    assert_int_equal(nn_matrix_rows(part), n);
    assert_int_equal(nn_matrix_cols(part), d->k);
    run(ctx, m, ROWS, x, whole, NN_ACT_QUICK_GELU, false);
    run(ctx, part, ROWS, x, got, NN_ACT_QUICK_GELU, false);
    for (int64_t r = 0; r < ROWS; r++)
        assert_memory_equal(whole + r * d->n + first, got + r * n, (size_t)n * sizeof *got);
    nn_matrix_free(part);
    nn_matrix_free(m);
    nn_context_free(ctx);
    mem_free(x);
    mem_free(whole);
    mem_free(got);
}

static void parts_give_what_the_whole_does(void **state)
{
    for (int p = 0; p < 2 * NN_PRECISIONS; p++) {
        dense d = dense_new(150, 45, p % 2, p % 2);
        cut(&d, (nn_precision)(p / 2), 0, 64);
        cut(&d, (nn_precision)(p / 2), 64, 86);
        dense_free(&d);
    }
}

static void parts_end_where_panels_do(void **state)
{
    dense d = dense_new(150, 45, true, false);
    nn_matrix *m = pack(&d, NN_COMPUTE_F32), *part;
    simile_error err;
    assert_int_equal(nn_matrix_part(m, 50, 100, &part, &err), SIMILE_OK);
    assert_null(part);
    assert_int_equal(nn_matrix_part(m, 0, 50, &part, &err), SIMILE_OK);
    assert_null(part);
    nn_matrix_free(m);
    dense_free(&d);
}

/* Each bit of the header, each length, another place: refused, or another name for the same layout. */
static void foreign_images_are_refused(void **state)
{
    dense d = dense_new(33, 10, true, true);
    nn_matrix *m = pack(&d, NN_COMPUTE_INT8), *out;
    size_t bytes;
    uint8_t *image = image_of(m, &bytes), *apart = mem_aligned(bytes + 64);
    simile_error err;
    for (size_t size = 0; size < bytes; size++)
        assert_int_equal(nn_matrix_adopt(image, size, &out, &err), SIMILE_E_FORMAT);
    for (size_t bit = 0; bit < 48 * 8; bit++) {
        image[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (nn_matrix_adopt(image, bytes, &out, &err) == SIMILE_OK) {
            assert_true(nn_matrix_image_bytes(out) == bytes);
            nn_matrix_free(out); /* n and k to the same number of panels and groups */
        }
        image[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    memcpy(apart + 4, image, bytes);
    assert_int_equal(nn_matrix_adopt(apart + 4, bytes, &out, &err), SIMILE_E_FORMAT);
    assert_null(out);
    assert_int_equal(nn_matrix_adopt(image, bytes, &out, &err), SIMILE_OK);
    nn_matrix_free(out);
    nn_matrix_free(m);
    mem_free(image);
    mem_free(apart);
    dense_free(&d);
}

static void layouts_have_names(void **state)
{
    assert_true(nn_packing_id(NN_COMPUTE_BF16) != 0);
    assert_true(nn_packing_id(NN_COMPUTE_BF16) != nn_packing_id(NN_COMPUTE_INT8));
    dense d = dense_new(5, 6, false, false);
    const nn_tensor w = {.data = d.w, .dtype = NN_F32, .rank = 2, .dim = {d.n, d.k}};
    nn_matrix *m;
    simile_error err;
    assert_int_equal(nn_matrix_new(&(nn_matrix_spec){.weights = &w, .n_parts = 1}, &m, &err), SIMILE_OK);
    assert_true((nn_packing_id(NN_COMPUTE_F32) == 0) == (nn_matrix_image_bytes(m) == 0));
    nn_matrix_free(m);
    dense_free(&d);
}

/* Matrices that share a store, of all sizes; they outlive its maker's hold. */
static void stores_are_shared(void **state)
{
    enum { N = 4 };
    dense d[N];
    nn_matrix *m[N];
    nn_store *store;
    simile_error err;
    assert_int_equal(nn_store_new(&store, &err), SIMILE_OK);
    for (int i = 0; i < N; i++) {
        d[i] = dense_new(i == 2 ? 4500 : 40 + i, i == 2 ? 2000 : 30 + i, true, false); /* one is larger than a chunk */
        const nn_tensor w = {.data = d[i].w, .dtype = NN_F32, .rank = 2, .dim = {d[i].n, d[i].k}};
        const nn_tensor b = {.data = d[i].b, .dtype = NN_F32, .rank = 1, .dim = {d[i].n}};
        const nn_matrix_spec spec = {.weights = &w, .biases = &b, .n_parts = 1, .store = store};
        assert_int_equal(nn_matrix_new_own(&spec, &m[i], &err), SIMILE_OK);
    }
    nn_store_free(store);
    nn_context *ctx = context(2);
    for (int i = 0; i < N; i++) {
        float *x = numbers(2 * d[i].k, 8), *y = floats(2 * d[i].n);
        run(ctx, m[i], 2, x, y, NN_ACT_NONE, false);
        check(&d[i], NN_COMPUTE_F32, 2, x, NULL, y, NN_ACT_NONE);
        nn_matrix_free(m[i]);
        dense_free(&d[i]);
        mem_free(x);
        mem_free(y);
    }
    nn_context_free(ctx);
    assert_int_equal(nn_store_new(&store, &err), SIMILE_OK);
    nn_store_free(store);
    nn_store_free(NULL);
}

static simile_status whole_life(const dense *d, nn_precision precision, const float *x, float *y)
{
    simile_error err;
    const nn_tensor w = {.data = d->w, .dtype = NN_F32, .rank = 2, .dim = {d->n, d->k}};
    const nn_tensor b = {.data = d->b, .dtype = NN_F32, .rank = 1, .dim = {d->n}};
    nn_store *store = NULL;
    nn_matrix *m = NULL, *again = NULL;
    nn_context *ctx = NULL;
    simile_status status = nn_context_new(2, &ctx, &err);
    if (!status) status = nn_store_new(&store, &err);
    const nn_matrix_spec spec = {
        .weights = &w, .biases = &b, .n_parts = 1, .precision = precision, .column_scale = d->columns, .store = store};
    if (!status) status = nn_matrix_new_own(&spec, &m, &err);
    const size_t bytes = status ? 0 : nn_matrix_image_bytes(m);
    uint8_t *image = status ? NULL : mem_aligned(bytes);
    if (!status && !image) status = err_nomem(&err);
    if (!status) nn_matrix_image_write(m, image);
    if (!status) status = nn_matrix_adopt(image, bytes, &again, &err);
    if (!status) status = nn_linear(ctx, again, 3, x, y, NN_ACT_NONE, false, &err);
    nn_matrix_free(m);
    nn_matrix_free(again);
    nn_store_free(store);
    nn_context_free(ctx);
    mem_free(image);
    return status;
}

static void each_allocation_may_fail(void **state)
{
    dense d = dense_new(40, 2048, true, true); /* rows that float32 moves apart */
    float *x = numbers(3 * d.k, 1), *y = floats(3 * d.n);
    for (int p = 0; p < NN_PRECISIONS; p++) {
        int failures = 0;
        for (long n = 1;; n++) {
            mem_fault_after(n, false);
            const simile_status status = whole_life(&d, (nn_precision)p, x, y);
            const bool hit = mem_fault_hit();
            mem_fault_after(0, false);
            assert_int_equal(status, hit ? SIMILE_E_NOMEM : SIMILE_OK);
            if (!hit) break;
            failures++;
        }
        assert_true(failures > 7);
        check(&d, (nn_precision)p, 3, x, NULL, y, NN_ACT_NONE);
    }
    mem_free(x);
    mem_free(y);
    dense_free(&d);
}

/* An argument picks tests by name, as "*threads*" does. */
int main(int n_args, char **args)
{
    if (n_args > 1) cmocka_set_test_filter(args[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_products_equal_sums),
        cmocka_unit_test(every_set_equals_the_plain_one),
        cmocka_unit_test(results_do_not_depend_on_rows_or_threads),
        cmocka_unit_test(nothing_behind_is_touched),
        cmocka_unit_test(strange_numbers_stay_in_their_row),
        cmocka_unit_test(activations_have_ends),
        cmocka_unit_test(rows_are_normalised_on_the_way),
        cmocka_unit_test(rows_may_lie_apart),
        cmocka_unit_test(rows_are_handed_on_as_they_are_read),
        cmocka_unit_test(scaled_columns_keep_precision),
        cmocka_unit_test(matrices_too_wide_are_refused),
        cmocka_unit_test(sums_do_not_overflow),
        cmocka_unit_test(images_are_the_matrix),
        cmocka_unit_test(parts_give_what_the_whole_does),
        cmocka_unit_test(parts_end_where_panels_do),
        cmocka_unit_test(foreign_images_are_refused),
        cmocka_unit_test(layouts_have_names),
        cmocka_unit_test(stores_are_shared),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
