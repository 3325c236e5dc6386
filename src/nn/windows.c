/* SPDX-License-Identifier: Apache-2.0
 * windows.c - see windows.h.
 *
 * The team shares out lines of the result and, where there are few of them, panels of output channels too. A member
 * takes as many lines at a time as make about BLOCK_ROWS pixels, copies what their windows see, and goes through its
 * panels: the copy and the part of the weights stay in the second cache.
 *
 * Threads: a convolution is immutable; everything else belongs to the context. */
#include "nn/windows.h"

#include "base/mem.h"
#include "nn/context.h"

#include <assert.h>

enum { BLOCK_ROWS = 12 * GEMM_TILE, ALONE = 1 << 18, RANGE_ALONE = 1 << 16, SLACK = 64 };

struct windows {
    int64_t out, in, size, stride, pad;
    nn_precision precision;
    gemm_matrix *row[NN_MAX_WINDOW]; /* of each row of the window: [out, size x in] */
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- packing ---- */

typedef struct {
    const nn_conv_spec *spec;
    int64_t window_row;
    float *stored; /* one output channel: [in, size, size] */
} filling;

/* product_fill_fn: one row of the window, its pixels behind one another, channels last. */
static void fill(void *user, int64_t first, int64_t count, float *out)
{
    const filling *f = user;
    const int64_t in = f->spec->weights.dim[1], size = f->spec->weights.dim[2], all = in * size * size;
    for (int64_t o = first; o < first + count; o++) {
        const float factor = f->spec->scale ? f->spec->scale[o] : 1.0f;
        nn_tensor_to_f32(&f->spec->weights, o * all, all, f->stored);
        for (int64_t x = 0; x < size; x++)
            for (int64_t i = 0; i < in; i++) *out++ = f->stored[(i * size + f->window_row) * size + x] * factor;
    }
}

simile_status windows_new(const nn_conv_spec *spec, windows **out, simile_error *err)
{
    const nn_tensor *w = &spec->weights;
    const int64_t size = w->dim[2];
    *out = NULL;
    if (spec->precision == NN_COMPUTE_INT8 && size * w->dim[1] > NN_INT8_MOST_COLS)
        return err_set(err, SIMILE_E_UNSUPPORTED, "a convolution of %lld channels is too wide for 8-bit integers",
                       (long long)w->dim[1]);
    windows *c = mem_new(windows);
    float *stored = mem_array((size_t)(w->dim[1] * size * size), sizeof *stored);
    simile_status status = c && stored ? SIMILE_OK : err_nomem(err);
    if (c) *c = (windows){w->dim[0], w->dim[1], size, spec->stride, spec->pad, spec->precision, {NULL}};
    for (int64_t r = 0; r < size && !status; r++) {
        filling f = {spec, r, stored};
        const bool biased = spec->bias && r == 0;
        const product_shape shape = {.n = c->out, .k = size * c->in, .bias = biased, .precision = c->precision};
        status = gemm_matrix_new(&shape, fill, &f, biased ? spec->bias : NULL, NULL, &c->row[r], err);
    }
    mem_free(stored);
    if (status)
        windows_free(c);
    else
        *out = c;
    return status;
}

void windows_free(windows *c)
{
    if (!c) return;
    for (int64_t r = 0; r < c->size; r++) gemm_matrix_free(c->row[r]);
    mem_free(c);
}

size_t windows_bytes(const windows *c)
{
    size_t bytes = 0;
    for (int64_t r = 0; r < c->size; r++) bytes += gemm_matrix_bytes(c->row[r]);
    return bytes;
}

static int64_t steps(const windows *c, int64_t pixels)
{
    return (pixels + 2 * c->pad - c->size) / c->stride + 1;
}

nn_pictures windows_size(const windows *c, const nn_pictures *x)
{
    return (nn_pictures){x->n, steps(c, x->height), steps(c, x->width)};
}

/* ---- a run ---- */

typedef struct {
    nn_context *ctx;
    const windows *c;
    const gemm_kernels *kernels;
    nn_pictures from, to;
    const float *x;
    float *y;
    nn_act act;
    bool accumulate;
    int64_t block;      /* lines at a time */
    int64_t line;       /* bytes of a line with its borders */
    nn_extent *extents; /* int8: of each line of x */
    gemm_range *ranges; /* int8: of each picture */
} job;

static int64_t number_bytes(nn_precision precision)
{
    return precision == NN_COMPUTE_F32 ? 4 : precision == NN_COMPUTE_BF16 ? 2 : 1;
}

static int64_t line_numbers(const job *j)
{
    return j->from.width * j->c->in;
}

/* Line `row` of a picture, or one above or below it, with its borders. */
static void copy_line(const job *j, int64_t picture, int64_t row, uint8_t *to)
{
    const windows *c = j->c;
    const int64_t n = line_numbers(j), border = c->pad * c->in * number_bytes(c->precision);
    const gemm_range *range = c->precision == NN_COMPUTE_INT8 ? &j->ranges[picture] : NULL;
    const int nothing = range ? range->zero : 0;
    if (row < 0 || row >= j->from.height) {
        memset(to, nothing, (size_t)j->line);
        return;
    }
    const float *x = j->x + (picture * j->from.height + row) * n;
    const gemm_weights shape = {.k = n};
    if (range)
        j->ctx->kernels->quantise(n, x, range->inverse, range->zero, to + border);
    else if (c->precision == NN_COMPUTE_BF16)
        j->kernels->narrow(&shape, 1, x, to + border, 2 * n, NULL, NULL);
    else
        memcpy(to + border, x, (size_t)n * sizeof *x);
    memset(to, nothing, (size_t)border);
    memset(to + j->line - border, nothing, (size_t)border);
}

/* What the windows of lines first .. end-1 see; at[i]: where the first line under line first + i lies. */
static void copy_lines(const job *j, int64_t first, int64_t end, uint8_t *to, const uint8_t **at)
{
    const windows *c = j->c;
    for (int64_t l = first; l < end;) {
        const int64_t picture = l / j->to.height, row = l % j->to.height;
        const int64_t lines = least(end - l, j->to.height - row), seen = (lines - 1) * c->stride + c->size;
        for (int64_t i = 0; i < lines; i++) at[l - first + i] = to + i * c->stride * j->line;
        for (int64_t i = 0; i < seen; i++, to += j->line) copy_line(j, picture, row * c->stride - c->pad + i, to);
        l += lines;
    }
    memset(to, 0, SLACK);
}

/* One line of the result, one row of the window, one panel: tiles of even size. */
static void run_line(const job *j, int64_t line, int64_t window_row, int64_t panel, const uint8_t *x)
{
    const windows *c = j->c;
    const gemm_weights *w = gemm_matrix_view(c->row[window_row]);
    const int64_t across = j->to.width, tiles = (across + GEMM_TILE - 1) / GEMM_TILE;
    const int64_t pixel = c->in * number_bytes(c->precision);
    float scale[GEMM_TILE] = {0};
    int32_t zero[GEMM_TILE] = {0};
    gemm_tile t = {.w = w,
                   .panel = w->panels + panel * w->groups * GEMM_PANEL * GEMM_GROUP_BYTES,
                   .x_stride = c->stride * pixel,
                   .groups = w->groups,
                   .x_scale = scale,
                   .x_zero = zero,
                   .y_stride = c->out,
                   .column = panel * GEMM_PANEL,
                   .columns = (int)least(c->out - panel * GEMM_PANEL, GEMM_PANEL),
                   .act = window_row + 1 == c->size ? j->act : NN_ACT_NONE,
                   .accumulate = j->accumulate || window_row > 0,
                   .first = true,
                   .last = true};
    t.next = t.panel;
    for (int i = 0; c->precision == NN_COMPUTE_INT8 && i < GEMM_TILE; i++) {
        scale[i] = j->ranges[line / j->to.height].scale;
        zero[i] = j->ranges[line / j->to.height].zero;
    }
    for (int64_t i = 0; i < tiles; i++) {
        const int64_t begin = nn_part_begin(across, (int)i, (int)tiles);
        t.rows = (int)(nn_part_begin(across, (int)i + 1, (int)tiles) - begin);
        t.x = x + begin * t.x_stride;
        t.y = j->y + (line * across + begin) * c->out;
        j->kernels->tile(&t);
    }
}

static void run_lines(const job *j, int64_t first, int64_t end, int64_t from, int64_t to, uint8_t *memory)
{
    const uint8_t *at[BLOCK_ROWS];
    copy_lines(j, first, end, memory, at);
    for (int64_t p = from; p < to; p++)
        for (int64_t r = 0; r < j->c->size; r++)
            for (int64_t l = first; l < end; l++) run_line(j, l, r, p, at[l - first] + r * j->line);
}

static void run_part(void *user, int worker, int workers)
{
    const job *j = user;
    const int64_t lines = j->to.n * j->to.height, panels = (j->c->out + GEMM_PANEL - 1) / GEMM_PANEL;
    const int across = gemm_parts_of_panels(lines, panels, workers), down = workers / across;
    const int64_t begin = nn_part_begin(lines, worker / across, down);
    const int64_t end = nn_part_begin(lines, worker / across + 1, down);
    const int64_t from = nn_part_begin(panels, worker % across, across);
    const int64_t to = nn_part_begin(panels, worker % across + 1, across);
    const int64_t blocks = (end - begin + j->block - 1) / j->block;
    uint8_t *memory = (uint8_t *)nn_scratch(j->ctx, worker);
    for (int64_t b = 0; b < blocks; b++)
        run_lines(j, begin + nn_part_begin(end - begin, (int)b, (int)blocks),
                  begin + nn_part_begin(end - begin, (int)b + 1, (int)blocks), from, to, memory);
}

/* ---- int8: ranges ---- */

static void extent_part(void *user, int worker, int workers)
{
    const job *j = user;
    const int64_t lines = j->from.n * j->from.height, n = line_numbers(j);
    const int64_t end = nn_part_begin(lines, worker + 1, workers);
    for (int64_t l = nn_part_begin(lines, worker, workers); l < end; l++)
        j->extents[l] = j->ctx->kernels->extent(n, j->x + l * n);
}

static void find_ranges(const job *j)
{
    for (int64_t p = 0; p < j->from.n; p++) {
        const nn_extent *e = j->extents + p * j->from.height;
        nn_extent all = {0, 0, 0};
        for (int64_t l = 0; l < j->from.height; l++) {
            all.low = e[l].low < all.low ? e[l].low : all.low;
            all.high = e[l].high > all.high ? e[l].high : all.high;
            all.finite += e[l].finite;
        }
        j->ranges[p] = gemm_range_of(all.low, all.high, all.finite);
    }
}

/* The team's memory for the lines, and one more block for the ranges. */
static simile_status place(job *j, simile_error *err)
{
    const windows *c = j->c;
    const int64_t pictures = j->block / j->to.height + 2; /* that a block of lines may touch */
    const size_t lines = (size_t)(j->block * c->stride + pictures * c->size);
    const size_t extents = (size_t)(j->from.n * j->from.height), ranges = (size_t)j->from.n;
    size_t bytes;
    if (!mem_mul(lines, (size_t)j->line, &bytes) || !mem_add(bytes, SLACK + 64, &bytes)) return err_nomem(err);
    RETURN_IF_ERROR(nn_scratch_reserve(j->ctx, bytes / sizeof(float) + 1, err));
    if (c->precision != NN_COMPUTE_INT8) return SIMILE_OK;
    RETURN_IF_ERROR(nn_narrowed_reserve(j->ctx, extents * sizeof *j->extents + ranges * sizeof *j->ranges, err));
    j->extents = (nn_extent *)(void *)j->ctx->narrowed;
    j->ranges = (gemm_range *)(void *)(j->extents + extents);
    nn_team_run(j->ctx, j->from.n * j->from.height * line_numbers(j) <= RANGE_ALONE, extent_part, j);
    find_ranges(j);
    return SIMILE_OK;
}

simile_status windows_run(nn_context *ctx, const windows *c, const nn_pictures *size, const float *x, float *y,
                          nn_act act, bool accumulate, simile_error *err)
{
    job j = {.ctx = ctx, .c = c, .from = *size, .x = x, .y = y, .act = act, .accumulate = accumulate};
    if (size->n <= 0) return SIMILE_OK;
    j.kernels = ctx->gemm[c->precision];
    j.to = windows_size(c, size);
    j.block = j.to.width >= BLOCK_ROWS ? 1 : BLOCK_ROWS / j.to.width;
    j.line = (size->width + 2 * c->pad) * c->in * number_bytes(c->precision);
    assert(j.to.height >= 1 && j.to.width >= 1);
    RETURN_IF_ERROR(place(&j, err));
    const int64_t pixels = j.to.n * j.to.height * j.to.width, each = c->in * c->out * c->size * c->size;
    nn_team_run(ctx, pixels * each <= ALONE, run_part, &j);
    return SIMILE_OK;
}
