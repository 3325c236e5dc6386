/* SPDX-License-Identifier: Apache-2.0
 * test_conv.c - convolutions and pooling, against sums in double.
 *
 * Bound: 2e-6 of the sum of the magnitudes that went into a number (float32 sums over up to 4,608 terms), as for
 * products of matrices; means of pixels 1e-6 of their largest. bf16: two roundings of each term by 2^-9 of it. int8:
 * half a step of a number of x, whose range is its picture's, times the weights, and half a step of a weight, whose
 * range is its channel's, times the numbers. */
#include "help.h"

typedef struct {
    int64_t out, in, size, stride, pad;
    float *w, *scale, *bias; /* w as stored; scale and bias may be NULL */
    nn_precision precision;
} layer;

/* Who makes convolutions: whoever is best here, the library, or own kernels, also as plain C has them. */
typedef enum { PICKED, LIBRARY, OWN, OWN_PLAIN, SQUARES, SQUARES_PLAIN } maker;
static maker made_by;

static nn_context *context_of(int threads)
{
    nn_context *ctx = context(threads);
    const bool plain = made_by == OWN_PLAIN || made_by == SQUARES_PLAIN;
    for (int i = 0; plain && i < NN_PRECISIONS; i++) {
        ctx->gemm[i] = gemm_plain((nn_precision)i);
        ctx->kernels = nn_kernels_plain();
    }
    return ctx;
}

static layer layer_new(const int64_t size[5], bool scaled, bool biased)
{
    layer l = {size[0], size[1], size[2], size[3], size[4], NULL, NULL, NULL, NN_COMPUTE_F32};
    l.w = numbers(l.out * l.in * l.size * l.size, (uint64_t)(l.out * 31 + l.in));
    if (scaled) l.scale = numbers(l.out, 11);
    if (biased) l.bias = numbers(l.out, 12);
    return l;
}

static void layer_free(layer *l)
{
    mem_free(l->w);
    mem_free(l->scale);
    mem_free(l->bias);
}

static nn_conv_spec spec_of(const layer *l, const nn_pictures *p)
{
    return (nn_conv_spec){.weights = {l->w, NN_F32, 4, {l->out, l->in, l->size, l->size}},
                          .scale = l->scale,
                          .bias = l->bias,
                          .stride = l->stride,
                          .pad = l->pad,
                          .height = p->height,
                          .width = p->width,
                          .precision = l->precision};
}

static simile_status make(const nn_conv_spec *spec, nn_conv **out, simile_error *err)
{
    switch (made_by) {
    case LIBRARY: return nn_conv_new_library(spec, out, err);
    case OWN:
    case OWN_PLAIN: return nn_conv_new_own(spec, out, err);
    case SQUARES:
    case SQUARES_PLAIN: return nn_conv_new_squares(spec, out, err);
    case PICKED:
    default: return nn_conv_new(spec, out, err);
    }
}

static nn_conv *conv(const layer *l, const nn_pictures *p)
{
    nn_conv *c;
    simile_error err;
    const nn_conv_spec spec = spec_of(l, p);
    const simile_status status = make(&spec, &c, &err);
    if (status) fail_msg("%s", err.message);
    return c;
}

static int64_t pixels(const nn_pictures *p)
{
    return p->n * p->height * p->width;
}

static void run(nn_context *ctx, const nn_conv *c, const nn_pictures *p, const float *x, float *y, nn_act act, bool add)
{
    simile_error err;
    if (nn_conv_run(ctx, c, p, x, y, act, add, &err)) fail_msg("%s", err.message);
}

/* How far a picture's numbers reach, from the least to the largest, and the largest weight of a channel. */
static double reach(const float *x, int64_t n, double least, double most)
{
    for (int64_t i = 0; i < n; i++) {
        least = (double)x[i] < least ? (double)x[i] : least;
        most = larger(most, (double)x[i]);
    }
    return most - least;
}

static double largest_weight(const layer *l, int64_t o)
{
    const int64_t n = l->in * l->size * l->size;
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = larger(most, fabs((double)l->w[o * n + i]));
    return most * (l->scale ? fabs((double)l->scale[o]) : 1);
}

/* What narrowing to bytes may change in a number: of the sums of weights and of numbers. */
static double byte_slack(const layer *l, const nn_pictures *p, const float *x, const int64_t where[4], double weights,
                         double numbers)
{
    const int64_t each = p->height * p->width * l->in;
    const double step = reach(x + where[0] * each, each, 0, 0) / 255, weight_step = largest_weight(l, where[3]) / 127;
    const double terms = (double)(l->in * l->size * l->size);
    return 0.51 * (step * weights + weight_step * (numbers + terms * step));
}

/* The number at (row, column) of output channel o of picture i, and in *size the sum of magnitudes, in *slack what may
 * be lost beyond float32. */
static double at(const layer *l, const nn_pictures *p, const float *x, const int64_t where[4], double *size,
                 double *slack)
{
    const int64_t o = where[3];
    double sum = l->bias ? (double)l->bias[o] : 0, weights = 0, all = 0;
    *size = fabs(sum);
    for (int64_t ky = 0; ky < l->size; ky++)
        for (int64_t kx = 0; kx < l->size; kx++) {
            const int64_t row = where[1] * l->stride + ky - l->pad, column = where[2] * l->stride + kx - l->pad;
            if (row < 0 || column < 0 || row >= p->height || column >= p->width) continue;
            const float *from = x + ((where[0] * p->height + row) * p->width + column) * l->in;
            for (int64_t i = 0; i < l->in; i++) {
                const double w = (double)l->w[((o * l->in + i) * l->size + ky) * l->size + kx];
                const double factor = l->scale ? (double)l->scale[o] : 1, term = (double)from[i] * w * factor;
                sum += term;
                *size += fabs(term);
                weights += fabs(w * factor);
                all += fabs((double)from[i]);
            }
        }
    *slack = l->precision == NN_COMPUTE_BF16 ? 0x1p-8 * *size : 0;
    if (l->precision == NN_COMPUTE_INT8) *slack = byte_slack(l, p, x, where, weights, all);
    return sum;
}

static void check(const layer *l, const nn_pictures *p, const nn_pictures *to, const float *x, const float *before,
                  const float *y, nn_act act)
{
    for (int64_t k = 0; k < pixels(to) * l->out; k++) {
        const int64_t column = k / l->out % to->width, row = k / l->out / to->width % to->height;
        double size, slack;
        const double sum =
            at(l, p, x, (int64_t[]){k / l->out / to->width / to->height, row, column, k % l->out}, &size, &slack);
        const double start = before ? (double)before[k] : 0, want = activate(start + sum, act), got = (double)y[k];
        if (!(fabs(got - want) <= 2e-6 * (size + fabs(start) + 1) + slack))
            fail_msg("[%d, %d, %d] over %d x %d: %.9g instead of %.9g", (int)l->out, (int)l->in, (int)l->size,
                     (int)p->height, (int)p->width, got, want);
    }
}

/* Plain, with ReLU, accumulating, and accumulating with ReLU. */
static void all_endings(nn_context *ctx, const layer *l, const nn_pictures *p)
{
    nn_conv *c = conv(l, p);
    const nn_pictures to = nn_conv_size(c, p);
    assert_int_equal(to.n, p->n);
    assert_int_equal(to.height, (p->height + 2 * l->pad - l->size) / l->stride + 1);
    assert_int_equal(to.width, (p->width + 2 * l->pad - l->size) / l->stride + 1);
    assert_true(nn_conv_bytes(c) >= (size_t)(l->out * l->in * l->size * l->size));
    float *x = numbers(pixels(p) * l->in, 5), *y = floats(pixels(&to) * l->out);
    float *before = numbers(pixels(&to) * l->out, 6);
    for (int ending = 0; ending < 4; ending++) {
        const nn_act act = ending % 2 ? NN_ACT_RELU : NN_ACT_NONE;
        const bool add = ending / 2;
        if (add) memcpy(y, before, (size_t)(pixels(&to) * l->out) * sizeof *y);
        run(ctx, c, p, x, y, act, add);
        check(l, p, &to, x, add ? before : NULL, y, act);
    }
    mem_free(x);
    mem_free(y);
    mem_free(before);
    nn_conv_free(c);
}

/* out, in, size, stride, pad: those of a ModifiedResNet, others that divide by nothing, large windows and strides */
static const int64_t shapes[][5] = {{32, 3, 3, 2, 1},  {64, 32, 3, 1, 1}, {48, 64, 1, 1, 0},  {5, 7, 3, 1, 1},
                                    {12, 6, 3, 2, 1},  {40, 40, 3, 1, 1}, {1, 1, 3, 1, 0},    {16, 3, 4, 4, 0},
                                    {33, 20, 5, 1, 2}, {8, 9, 1, 2, 0},   {16, 512, 3, 1, 1}, {80, 48, 3, 1, 1}};

static void convolutions_of(nn_precision precision, int least_threads, int most_threads, size_t first_size)
{
    static const nn_pictures sizes[] = {{1, 7, 7}, {2, 14, 10}, {3, 8, 13}};
    for (int threads = least_threads; threads <= most_threads; threads++) {
        nn_context *ctx = context_of(threads);
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (size_t p = first_size; p < sizeof sizes / sizeof *sizes; p++) {
                layer l = layer_new(shapes[s], (s + p) % 2, (s + p) % 3);
                const bool bytes = precision == NN_COMPUTE_INT8 && l.size == 1; /* those have a range for each pixel */
                l.precision = precision;
                if (!bytes) all_endings(ctx, &l, &sizes[p]);
                layer_free(&l);
            }
        nn_context_free(ctx);
    }
}

static void convolutions_equal_sums(void **state)
{
    made_by = PICKED;
    convolutions_of(NN_COMPUTE_F32, 1, 3, 0);
    for (made_by = SQUARES; made_by <= SQUARES_PLAIN; made_by++) convolutions_of(NN_COMPUTE_F32, 1, 3, 0);
    for (made_by = LIBRARY; made_by <= OWN_PLAIN; made_by++)
        for (int i = 0; i < (made_by == LIBRARY ? 1 : NN_PRECISIONS); i++) convolutions_of((nn_precision)i, 2, 2, 2);
    made_by = PICKED;
}

/* bf16 and int8 as plain C has them, bit for bit. */
static void plain_and_wide_agree(void **state)
{
    const nn_pictures p = {2, 9, 14};
    for (int i = NN_COMPUTE_BF16; i < NN_PRECISIONS; i++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            layer l = layer_new(shapes[s], true, true);
            l.precision = (nn_precision)i;
            made_by = OWN;
            nn_conv *c = conv(&l, &p);
            const nn_pictures to = nn_conv_size(c, &p);
            const int64_t size = pixels(&to) * l.out;
            float *x = numbers(pixels(&p) * l.in, 3), *y[2] = {floats(size), floats(size)};
            for (int k = 0; k < 2; k++) {
                made_by = k ? OWN_PLAIN : OWN;
                nn_context *ctx = context_of(1);
                run(ctx, c, &p, x, y[k], NN_ACT_RELU, false);
                nn_context_free(ctx);
            }
            made_by = PICKED;
            assert_memory_equal(y[0], y[1], (size_t)size * sizeof(float));
            mem_free(x);
            mem_free(y[0]);
            mem_free(y[1]);
            nn_conv_free(c);
            layer_free(&l);
        }
}

/* The layout is chosen for one size and holds for any; plans of several sizes stand side by side. */
static void other_sizes_work_too(void **state)
{
    static const nn_pictures sizes[] = {{1, 56, 56}, {1, 3, 3}, {4, 1, 2}, {2, 31, 5}, {1, 56, 56}};
    layer l = layer_new((int64_t[]){24, 16, 3, 1, 1}, true, true);
    nn_context *ctx = context(2);
    nn_conv *c = conv(&l, &sizes[0]);
    for (size_t p = 0; p < sizeof sizes / sizeof *sizes; p++) {
        float *x = numbers(pixels(&sizes[p]) * l.in, p), *y = floats(pixels(&sizes[p]) * l.out);
        run(ctx, c, &sizes[p], x, y, NN_ACT_NONE, false);
        check(&l, &sizes[p], &sizes[p], x, NULL, y, NN_ACT_NONE);
        mem_free(x);
        mem_free(y);
    }
    float none;
    run(ctx, c, &(nn_pictures){0, 56, 56}, &none, &none, NN_ACT_NONE, false);
    nn_conv_free(c);
    nn_context_free(ctx);
    layer_free(&l);
}

/* More than one piece when packing: 384 rows of 9 x 300 are 4 MB. The weights are of a type half as large. */
static void large_weights_are_packed_in_pieces(void **state)
{
    layer l = layer_new((int64_t[]){1000, 300, 3, 1, 1}, true, true);
    const int64_t n = l.out * l.in * 9;
    uint16_t *half = mem_array((size_t)n, sizeof *half);
    assert_non_null(half);
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &l.w[i], sizeof bits);
        half[i] = (uint16_t)(bits >> 16);
        bits = (uint32_t)half[i] << 16;
        memcpy(&l.w[i], &bits, sizeof bits);
    }
    const nn_pictures p = {1, 2, 2};
    nn_conv_spec spec = spec_of(&l, &p);
    spec.weights.data = half;
    spec.weights.dtype = NN_BF16;
    nn_conv *c;
    simile_error err;
    assert_int_equal(nn_conv_new(&spec, &c, &err), SIMILE_OK);
    mem_free(half); /* nothing of the file is kept */
    nn_context *ctx = context(2);
    float *x = numbers(4 * l.in, 8), *y = floats(4 * l.out);
    run(ctx, c, &p, x, y, NN_ACT_NONE, false);
    check(&l, &p, &p, x, NULL, y, NN_ACT_NONE);
    nn_conv_free(c);
    nn_context_free(ctx);
    mem_free(x);
    mem_free(y);
    layer_free(&l);
}

/* Pictures in any company, on any number of threads, within 1e-6 of a picture alone (its numbers as one vector). */
static void same_pictures_with_any_company(const layer *l, int64_t side)
{
    enum { MOST = 7 };
    const nn_pictures one = {1, side, side};
    nn_conv *c = conv(l, &one);
    const nn_pictures to = nn_conv_size(c, &one);
    const int64_t in = pixels(&one) * l->in, out = pixels(&to) * l->out;
    float *x = numbers(MOST * in, 9), *want = floats(MOST * out), *got = floats(MOST * out);
    nn_context *alone = context(1);
    for (int64_t i = 0; i < MOST; i++) run(alone, c, &one, x + i * in, want + i * out, NN_ACT_RELU, false);
    nn_context_free(alone);
    for (int threads = 1; threads <= 4; threads++) {
        nn_context *ctx = context(threads);
        for (int64_t n = 1; n <= MOST; n++) {
            const int64_t first = (MOST - n) / 2;
            run(ctx, c, &(nn_pictures){n, side, side}, x + first * in, got, NN_ACT_RELU, false);
            const double off = difference(got, want + first * out, n, out);
            if (off > 1e-6)
                fail_msg("[%d, %d, %d]: %d pictures on %d threads differ by %.2g", (int)l->out, (int)l->in,
                         (int)l->size, (int)n, threads, off);
        }
        nn_context_free(ctx);
    }
    nn_conv_free(c);
    mem_free(x);
    mem_free(want);
    mem_free(got);
}

static void results_do_not_depend_on_company_or_threads(void **state)
{
    static const int64_t some[][6] = {{32, 3, 3, 2, 1, 40},   {64, 64, 3, 1, 1, 28},  {16, 96, 3, 1, 1, 21},
                                      {128, 256, 3, 1, 1, 7}, {256, 64, 1, 1, 0, 14}, {9, 10, 3, 1, 1, 15}};
    for (int i = 0; i < NN_PRECISIONS; i++)
        for (size_t s = 0; s < sizeof some / sizeof *some; s++) {
            layer l = layer_new(some[s], true, true);
            l.precision = (nn_precision)i;
            same_pictures_with_any_company(&l, some[s][5]);
            layer_free(&l);
        }
}

/* What a ModifiedResNet asks for, at the sizes of RN50, and smaller ones. */
static void no_shape_falls_back_to_reference_code(void **state)
{
    static const int64_t some[][6] = {{32, 3, 3, 2, 1, 224}, {32, 32, 3, 1, 1, 112},  {64, 32, 3, 1, 1, 112},
                                      {64, 64, 3, 1, 1, 56}, {128, 128, 3, 1, 1, 28}, {512, 512, 3, 1, 1, 7},
                                      {40, 3, 3, 2, 1, 288}, {80, 40, 3, 1, 1, 144},  {8, 3, 3, 2, 1, 32},
                                      {16, 8, 3, 1, 1, 16}};
    nn_context *ctx = context(2);
    for (size_t s = 0; s < sizeof some / sizeof *some; s++) {
        layer l = layer_new(some[s], true, true);
        const nn_pictures p = {1, some[s][5], some[s][5]};
        made_by = LIBRARY;
        nn_conv *c = conv(&l, &p);
        made_by = PICKED;
        for (int ending = 0; ending < 12; ending++) {
            const nn_pictures size = {1 + ending / 4 * 3, p.height, p.width};
            const char *name;
            simile_error err;
            if (nn_conv_name(ctx, c, &size, ending % 2 ? NN_ACT_RELU : NN_ACT_NONE, ending / 2 % 2, &name, &err))
                fail_msg("%s", err.message);
#if defined(__x86_64__)
            if (strstr(name, "ref")) fail_msg("[%d, %d] over %d pixels: %s", (int)l.out, (int)l.in, (int)p.width, name);
#endif
        }
        nn_conv_free(c);
        layer_free(&l);
    }
    nn_context_free(ctx);
}

/* Sums of 8-bit integers are 32 bits: as of a matrix, a row of the window may have only so many. */
static void windows_too_wide_are_refused(void **state)
{
    enum { IN = NN_INT8_MOST_COLS / 3 };
    float *data = numbers((IN + 1) * 9, 3);
    nn_conv_spec spec = {.weights = {data, NN_F32, 4, {1, IN + 1, 3, 3}}, .stride = 1, .height = 3, .width = 3};
    spec.precision = NN_COMPUTE_INT8;
    for (int more = 1; more >= 0; more--) {
        nn_conv *c;
        simile_error err;
        spec.weights.dim[1] = IN + more;
        assert_int_equal(nn_conv_new(&spec, &c, &err), more ? SIMILE_E_UNSUPPORTED : SIMILE_OK);
        nn_conv_free(c);
    }
    mem_free(data);
}

static void impossible_convolutions_are_refused(void **state)
{
    static const float data[1024];
    const nn_tensor good = {data, NN_F32, 4, {4, 4, 3, 3}}, flat = {data, NN_F32, 2, {4, 36}};
    const nn_tensor oblong = {data, NN_F32, 4, {4, 4, 3, 2}}, none = {data, NN_F32, 4, {0, 4, 3, 3}};
    const nn_tensor whole = {data, NN_I64, 4, {4, 4, 3, 3}}, wide = {data, NN_F32, 4, {1, 1, 65, 65}};
    const nn_conv_spec wrong[] = {
        {.weights = flat, .stride = 1, .height = 8, .width = 8},
        {.weights = oblong, .stride = 1, .height = 8, .width = 8},
        {.weights = none, .stride = 1, .height = 8, .width = 8},
        {.weights = whole, .stride = 1, .height = 8, .width = 8},
        {.weights = wide, .stride = 1, .height = 100, .width = 100},
        {.weights = good, .stride = 0, .height = 8, .width = 8},
        {.weights = good, .stride = 1, .pad = -1, .height = 8, .width = 8},
        {.weights = good, .stride = 1, .pad = 3, .height = 8, .width = 8},
        {.weights = good, .stride = 1, .height = 2, .width = 8},
        {.weights = good, .stride = 1, .height = 8, .width = 8, .precision = (nn_precision)99},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        nn_conv *c = (nn_conv *)&data;
        simile_error err;
        assert_int_not_equal(nn_conv_new(&wrong[i], &c, &err), SIMILE_OK);
        assert_null(c);
    }
}

static simile_status whole_life(const layer *l, const nn_pictures *p, const float *x, float *y)
{
    simile_error err;
    const nn_conv_spec spec = spec_of(l, p);
    nn_conv *c = NULL;
    nn_context *ctx = NULL;
    simile_status status = nn_context_new(2, &ctx, &err);
    if (!status) status = make(&spec, &c, &err);
    if (!status) status = nn_conv_run(ctx, c, p, x, y, NN_ACT_RELU, false, &err);
    nn_conv_free(c);
    nn_context_free(ctx);
    return status;
}

static void allocations_may_fail(maker by, nn_precision precision)
{
    layer l = layer_new((int64_t[]){by == SQUARES ? 32 : 24, 16, 3, 1, 1}, true, true);
    const nn_pictures p = {2, 6, 5};
    float *x = numbers(pixels(&p) * l.in, 1), *y = floats(pixels(&p) * l.out);
    int failures = 0;
    l.precision = precision;
    made_by = by;
    for (long n = 1;; n++) {
        mem_fault_after(n, false);
        const simile_status status = whole_life(&l, &p, x, y);
        const bool hit = mem_fault_hit();
        mem_fault_after(0, false);
        assert_int_equal(status, hit ? SIMILE_E_NOMEM : SIMILE_OK);
        if (!hit) break;
        failures++;
    }
    made_by = PICKED;
    assert_true(failures > 10);
    check(&l, &p, &p, x, NULL, y, NN_ACT_RELU);
    mem_free(x);
    mem_free(y);
    layer_free(&l);
}

static void each_allocation_may_fail(void **state)
{
    allocations_may_fail(LIBRARY, NN_COMPUTE_F32);
    allocations_may_fail(SQUARES, NN_COMPUTE_F32);
    for (int i = 0; i < NN_PRECISIONS; i++) allocations_may_fail(OWN, (nn_precision)i);
}

/* ---- pooling ---- */

static void check_pool(nn_context *ctx, const nn_pictures *p, int64_t channels, int64_t k)
{
    const nn_pictures to = {p->n, p->height / k, p->width / k};
    float *x = numbers(pixels(p) * channels, 3), *y = floats(pixels(&to) * channels);
    nn_avg_pool(ctx, p, channels, k, x, y);
    for (int64_t i = 0; i < pixels(&to) * channels; i++) {
        const int64_t c = i % channels, column = i / channels % to.width, row = i / channels / to.width % to.height;
        const int64_t picture = i / channels / to.width / to.height;
        double sum = 0;
        for (int64_t d = 0; d < k * k; d++)
            sum += (double)x[((picture * p->height + row * k + d / k) * p->width + column * k + d % k) * channels + c];
        const double want = sum / (double)(k * k);
        if (!(fabs((double)y[i] - want) <= 1e-6)) fail_msg("%.9g instead of %.9g", (double)y[i], want);
    }
    mem_free(x);
    mem_free(y);
}

static void pools_are_means(void **state)
{
    static const int64_t channels[] = {1, 3, 16, 17, 40, 64};
    for (int threads = 1; threads <= 3; threads++) {
        nn_context *ctx = context(threads);
        for (size_t c = 0; c < sizeof channels / sizeof *channels; c++)
            for (int64_t k = 1; k <= 3; k++) {
                check_pool(ctx, &(nn_pictures){1, k, k}, channels[c], k);
                check_pool(ctx, &(nn_pictures){2, 12, 6}, channels[c], k);
                check_pool(ctx, &(nn_pictures){3, 7, 11}, channels[c], k); /* something is left over */
            }
        nn_context_free(ctx);
    }
}

/* An argument picks tests by name, as "*threads*" does. */
int main(int n_args, char **args)
{
    if (n_args > 1) cmocka_set_test_filter(args[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_equal_sums),
        cmocka_unit_test(plain_and_wide_agree),
        cmocka_unit_test(other_sizes_work_too),
        cmocka_unit_test(large_weights_are_packed_in_pieces),
        cmocka_unit_test(results_do_not_depend_on_company_or_threads),
        cmocka_unit_test(no_shape_falls_back_to_reference_code),
        cmocka_unit_test(impossible_convolutions_are_refused),
        cmocka_unit_test(windows_too_wide_are_refused),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(pools_are_means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
