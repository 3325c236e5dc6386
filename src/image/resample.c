/* SPDX-License-Identifier: Apache-2.0
 * resample.c - Pillow's resize, bit for bit.
 *
 * Reference: Pillow 13.0, src/libImaging/Resample.c and, for NEAREST, the scaling case of Geometry.c. Two passes of
 * fixed-point convolution with 22 fractional bits; between them the pixels are rounded to 8 bits. The filter widens
 * with the reduction, so nothing aliases. The expressions below keep Pillow's order of operations: the weights must
 * come out equal in the last bit of a double.
 *
 * Which pass comes first shows in the last bit of some pixels, and Pillow changed its mind about tall pictures: up to
 * 12.2 rows always came first. Here it is the rule of 13.0, see columns_first().
 *
 * Departures, none visible in the result: only a window of the output is computed, only the source rows that it needs
 * are touched, and weights are made in batches, so that a picture of 1 x 200 million pixels costs time and not memory.
 * The picture between the passes may take max_between bytes; beyond that the call fails with SIMILE_E_LIMIT.
 * Threads: pure. */
#include "image/resample.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

static const size_t max_between = (size_t)512 << 20; /* bytes */
static const size_t max_batch = (size_t)1 << 21;     /* weights */

/* ---- filters ---- */

static double filter_box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double filter_bilinear(double x)
{
    if (x < 0.0) x = -x;
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double filter_hamming(double x)
{
    if (x < 0.0) x = -x;
    if (x == 0.0) return 1.0;
    if (x >= 1.0) return 0.0;
    x = x * M_PI;
    return sin(x) / x * ((double)0.54F + (double)0.46F * cos(x)); /* floats in the reference */
}

static double filter_bicubic(double x)
{
    const double a = -0.5;
    if (x < 0.0) x = -x;
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x)
{
    if (x == 0.0) return 1.0;
    x = x * M_PI;
    return sin(x) / x;
}

static double filter_lanczos(double x)
{
    return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

static const struct {
    double (*at)(double x);
    double support;
} filters[] = {
    [IMAGE_FILTER_LANCZOS] = {filter_lanczos, 3.0}, [IMAGE_FILTER_BILINEAR] = {filter_bilinear, 1.0},
    [IMAGE_FILTER_BICUBIC] = {filter_bicubic, 2.0}, [IMAGE_FILTER_BOX] = {filter_box, 0.5},
    [IMAGE_FILTER_HAMMING] = {filter_hamming, 1.0},
};

/* ---- weights of one axis ---- */

typedef struct {
    image_filter filter;
    int32_t size; /* source pixels */
    double scale, offset, stretch, support;
    size_t stride; /* the most weights of one output pixel, rounded up to RESAMPLE_GROUP */
} axis;

static size_t round_up(size_t n)
{
    return (n + RESAMPLE_GROUP - 1) / RESAMPLE_GROUP * RESAMPLE_GROUP;
}

/* Of a picture that was decoded to fewer pixels, `size` of them may cover a little less than the whole side. */
static axis axis_of(image_filter filter, int32_t size, int32_t full, int32_t shrink, bool cut_before, int64_t out_size)
{
    const double covered =
        shrink > 1 ? (double)full / shrink : (double)(float)size; /* Pillow's box is made of floats */
    axis a = {.filter = filter, .size = size};
    a.scale = covered / (double)out_size;
    a.offset = shrink > 1 && cut_before ? covered - size : 0;
    a.stretch = a.scale < 1.0 ? 1.0 : a.scale;
    a.support = filters[filter].support * a.stretch;
    a.stride = round_up((size_t)ceil(a.support) * 2 + 1);
    return a;
}

/* Source pixels [*start, *start + return value) make output pixel i. */
static int32_t axis_bounds(const axis *a, int64_t i, int32_t *start)
{
    const double center = ((double)i + 0.5) * a->scale - a->offset;
    int64_t lo = (int64_t)(center - a->support + 0.5), hi = (int64_t)(center + a->support + 0.5);
    if (lo < 0) lo = 0;
    if (hi > a->size) hi = a->size;
    *start = (int32_t)lo;
    return (int32_t)(hi - lo);
}

/* low, high: [stride]; work: [stride]. Returns the number of weights that are not padding. */
static int32_t axis_weights(const axis *a, int64_t i, int32_t *start, double *work, int16_t *low, int16_t *high)
{
    const int32_t n = axis_bounds(a, i, start);
    const double center = ((double)i + 0.5) * a->scale - a->offset, inverse = 1.0 / a->stretch;
    double sum = 0.0;
    for (int32_t j = 0; j < n; j++) {
        work[j] = filters[a->filter].at((j + *start - center + 0.5) * inverse);
        sum += work[j];
    }
    for (int32_t j = 0; j < n; j++) {
        const double w = sum != 0.0 ? work[j] / sum : work[j];
        const int32_t k = (int32_t)((w < 0 ? -0.5 : 0.5) + w * (1 << RESAMPLE_BITS));
        high[j] = (int16_t)(k >> RESAMPLE_LOW_BITS);
        low[j] = (int16_t)(k & ((1 << RESAMPLE_LOW_BITS) - 1));
    }
    const size_t padding = a->stride - (size_t)n;
    memset(low + n, 0, padding * sizeof *low);
    memset(high + n, 0, padding * sizeof *high);
    return n;
}

/* ---- the pass along rows ---- */

typedef struct {
    size_t n, stride;
    int32_t *start, *count;
    int16_t *low, *high;
    double *work;
} tap_memory;

static bool taps_init(tap_memory *m, size_t n, size_t stride)
{
    *m = (tap_memory){.n = n, .stride = stride};
    m->start = mem_array(n, sizeof *m->start);
    m->count = mem_array(n, sizeof *m->count);
    m->low = mem_array(n * stride, sizeof *m->low);
    m->high = mem_array(n * stride, sizeof *m->high);
    m->work = mem_array(stride, sizeof *m->work);
    return m->start && m->count && m->low && m->high && m->work;
}

static void taps_release(tap_memory *m)
{
    mem_free(m->start);
    mem_free(m->count);
    mem_free(m->low);
    mem_free(m->high);
    mem_free(m->work);
}

typedef struct {
    const uint8_t *rgb; /* [rows, width, 3] */
    size_t width, rows;
} plane;

/* Row y, or its copy with slack behind it when it lies too near the end of the picture. */
static const uint8_t *row_with_slack(const plane *from, size_t y, uint8_t *copy)
{
    const size_t bytes = from->width * 3;
    const uint8_t *row = from->rgb + y * bytes;
    if ((from->rows - y - 1) * bytes >= RESAMPLE_SLACK) return row;
    memcpy(copy, row, bytes);
    return copy;
}

/* All rows of `from` through the weights of one batch, into columns [column, column + n) of out [rows, out_width, 3].
 */
static void across_batch(const plane *from, const resample_taps *taps, const resample_kernels *kernels, uint8_t *copies,
                         size_t column, size_t out_width, uint8_t *out)
{
    const size_t copy_size = from->width * 3 + RESAMPLE_SLACK;
    for (size_t y = 0; y < from->rows; y += RESAMPLE_ROWS) {
        const uint8_t *rows[RESAMPLE_ROWS];
        uint8_t *results[RESAMPLE_ROWS];
        for (size_t i = 0; i < RESAMPLE_ROWS; i++) { /* what is too many does the last row again */
            const size_t row = y + i < from->rows ? y + i : from->rows - 1;
            rows[i] = row_with_slack(from, row, copies + i * copy_size);
            results[i] = out + (row * out_width + column) * 3;
        }
        kernels->across(taps, rows, results);
    }
}

/* out: [from->rows, width, 3], the output pixels [x, x + width) of each row. */
static simile_status pass_across(const plane *from, const axis *a, int64_t x, size_t width,
                                 const resample_kernels *kernels, uint8_t *out, simile_error *err)
{
    const size_t fitting = max_batch / a->stride, batch = !fitting ? 1 : fitting < width ? fitting : width;
    tap_memory memory;
    uint8_t *copies = mem_zero_array(RESAMPLE_ROWS, from->width * 3 + RESAMPLE_SLACK);
    const bool ok = taps_init(&memory, batch, a->stride) && copies;
    for (size_t at = 0; ok && at < width; at += batch) {
        const size_t n = width - at < batch ? width - at : batch;
        for (size_t i = 0; i < n; i++) {
            const int32_t count = axis_weights(a, x + (int64_t)(at + i), memory.start + i, memory.work,
                                               memory.low + i * a->stride, memory.high + i * a->stride);
            memory.count[i] = (int32_t)round_up((size_t)count);
        }
        const resample_taps taps = {n, a->stride, memory.start, memory.count, memory.low, memory.high};
        across_batch(from, &taps, kernels, copies, at, width, out);
    }
    taps_release(&memory);
    mem_free(copies);
    return ok ? SIMILE_OK : err_nomem(err);
}

/* ---- the pass along columns ---- */

/* from holds the source rows from `first` on; stride and bytes are those of a row. */
static simile_status pass_down(const uint8_t *from, int32_t first, size_t stride, const axis *a, int64_t y,
                               size_t height, size_t bytes, const resample_kernels *kernels, uint8_t *out,
                               simile_error *err)
{
    tap_memory memory;
    const bool ok = taps_init(&memory, 1, a->stride);
    for (size_t i = 0; ok && i < height; i++) {
        const int32_t n = axis_weights(a, y + (int64_t)i, memory.start, memory.work, memory.low, memory.high);
        kernels->down(from + (size_t)(memory.start[0] - first) * stride, stride, (size_t)n, memory.low, memory.high,
                      bytes, out + i * bytes);
    }
    taps_release(&memory);
    return ok ? SIMILE_OK : err_nomem(err);
}

/* ---- both ---- */

static simile_status copy_window(const image *from, const resample_window *window, uint8_t *out)
{
    const size_t bytes = (size_t)window->width * 3;
    for (int32_t i = 0; i < window->height; i++)
        memcpy(out + (size_t)i * bytes,
               from->rgb + ((size_t)(window->y + i) * (size_t)from->width + (size_t)window->x) * 3, bytes);
    return SIMILE_OK;
}

/* The source pixel of each output pixel [first, first + n), by repeated addition as Pillow does it. */
static void nearest_table(int32_t size, int64_t out_size, int64_t first, int32_t n, int32_t *table)
{
    const double step = (double)(float)size / (double)out_size;
    double at = 0.0 + step * 0.5;
    for (int64_t i = 0; i < first + n; i++, at += step)
        if (i >= first) table[i - first] = at < size ? (int32_t)at : size - 1;
}

static simile_status nearest(const image *from, int64_t out_width, int64_t out_height, const resample_window *window,
                             uint8_t *out, simile_error *err)
{
    int32_t *columns = mem_array((size_t)window->width, sizeof *columns);
    int32_t *rows = mem_array((size_t)window->height, sizeof *rows);
    const bool ok = columns && rows;
    if (ok) {
        nearest_table(from->width, out_width, window->x, window->width, columns);
        nearest_table(from->height, out_height, window->y, window->height, rows);
        for (int32_t y = 0; y < window->height; y++)
            for (int32_t x = 0; x < window->width; x++, out += 3)
                memcpy(out, from->rgb + ((size_t)rows[y] * (size_t)from->width + (size_t)columns[x]) * 3, 3);
    }
    mem_free(columns);
    mem_free(rows);
    return ok ? SIMILE_OK : err_nomem(err);
}

/* The source rows [*first, *first + return value) that the window needs. */
static size_t rows_needed(const axis *down, const resample_window *window, int32_t *first)
{
    int32_t last;
    axis_bounds(down, window->y, first);
    const int32_t n = axis_bounds(down, window->y + window->height - 1, &last);
    return (size_t)(last + n - *first);
}

static simile_status both_passes(const image *from, const axis *across, const axis *down, const resample_window *window,
                                 const resample_kernels *kernels, uint8_t *out, simile_error *err)
{
    int32_t first;
    const size_t n_rows = rows_needed(down, window, &first), bytes = (size_t)window->width * 3;
    size_t size;
    if (!mem_mul(n_rows, bytes, &size) || size > max_between)
        return err_set(err, SIMILE_E_LIMIT, "cannot resize %d x %d pixels: too elongated", from->width, from->height);
    uint8_t *between = mem_alloc(size);
    if (!between) return err_nomem(err);
    const plane source = {from->rgb + (size_t)first * (size_t)from->width * 3, (size_t)from->width, n_rows};
    simile_status status = pass_across(&source, across, window->x, (size_t)window->width, kernels, between, err);
    if (!status)
        status = pass_down(between, first, bytes, down, window->y, (size_t)window->height, bytes, kernels, out, err);
    mem_free(between);
    return status;
}

/* Pillow 13 works down the columns first where the height loses more than twice as many pixels as the width does. */
static bool columns_first(const image *from, int64_t out_width, int64_t out_height)
{
    const int64_t rows_lost = from->height - out_height, columns_lost = from->width - out_width;
    return rows_lost > 0 && rows_lost > columns_lost * 2;
}

static simile_status both_passes_columns_first(const image *from, const axis *across, const axis *down,
                                               const resample_window *window, const resample_kernels *kernels,
                                               uint8_t *out, simile_error *err)
{
    const size_t bytes = (size_t)from->width * 3, height = (size_t)window->height;
    uint8_t *between = mem_array(height, bytes);
    if (!between) return err_nomem(err);
    simile_status status = pass_down(from->rgb, 0, bytes, down, window->y, height, bytes, kernels, between, err);
    const plane source = {between, (size_t)from->width, height};
    if (!status) status = pass_across(&source, across, window->x, (size_t)window->width, kernels, out, err);
    mem_free(between);
    return status;
}

simile_status resample(const image *from, image_filter filter, int64_t out_width, int64_t out_height,
                       const resample_window *window, const resample_kernels *kernels, uint8_t *out, simile_error *err)
{
    if (from->width == out_width && from->height == out_height && from->shrink <= 1)
        return copy_window(from, window, out);
    if (filter == IMAGE_FILTER_NEAREST) return nearest(from, out_width, out_height, window, out, err);
    const int32_t shrink = from->shrink;
    const axis across = axis_of(filter, from->width, from->full_width, shrink, from->cut_left, out_width);
    const axis down = axis_of(filter, from->height, from->full_height, shrink, from->cut_top, out_height);
    const size_t width = (size_t)from->width;
    if (from->height == out_height && shrink <= 1) { /* a pass whose size stays is skipped */
        const plane source = {from->rgb + (size_t)window->y * width * 3, width, (size_t)window->height};
        return pass_across(&source, &across, window->x, (size_t)window->width, kernels, out, err);
    }
    if (from->width == out_width && shrink <= 1)
        return pass_down(from->rgb + (size_t)window->x * 3, 0, width * 3, &down, window->y, (size_t)window->height,
                         (size_t)window->width * 3, kernels, out, err);
    if (columns_first(from, out_width, out_height))
        return both_passes_columns_first(from, &across, &down, window, kernels, out, err);
    return both_passes(from, &across, &down, window, kernels, out, err);
}

simile_status image_resize(const uint8_t *rgb, int32_t width, int32_t height, image_filter filter, int32_t out_width,
                           int32_t out_height, uint8_t *out, simile_error *err)
{
    if (width < 1 || height < 1 || out_width < 1 || out_height < 1 || (unsigned)filter > IMAGE_FILTER_HAMMING)
        return err_set(err, SIMILE_E_ARG, "cannot resize %d x %d pixels to %d x %d with filter %d", width, height,
                       out_width, out_height, (int)filter);
    const image from = {.rgb = (uint8_t *)(uintptr_t)rgb, .width = width, .height = height};
    const resample_window all = {0, 0, out_width, out_height};
    return resample(&from, filter, out_width, out_height, &all, resample_kernels_best(), out, err);
}
