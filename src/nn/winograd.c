/* SPDX-License-Identifier: Apache-2.0
 * winograd.c - see winograd.h.
 *
 * Squares are taken in blocks whose 36 numbers a channel stay in the second cache: they are turned, then each panel of
 * output channels goes through all 36 places and is turned back at once. The team shares out squares and, where there
 * are few of them, panels of output channels too.
 *
 * Threads: a convolution is immutable; everything else belongs to the context. */
#include "nn/winograd.h"

#include "base/mem.h"
#include "nn/context.h"

#include <assert.h>

enum {
    BLOCK_BYTES = 512 << 10, /* of squares, turned */
    MOST_SQUARES = 8 * GEMM_TILE,
    /* Of smaller pictures too few squares share the weights, which are four times as many. */
    LEAST_PIXELS = 14 * 14,
    LEAST_PIXELS_BF16 = 20 * 20, /* where windows are twice as fast */
    ALONE = 1 << 18,
    APART = 16 /* numbers that keep rows from falling on the same places of the first cache */
};

struct winograd {
    int64_t out, in, panels;
    gemm_matrix *at[WINOGRAD_PLACES]; /* [out, in] */
    float *bias;                      /* [panels x GEMM_PANEL] */
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

bool winograd_can(const nn_conv_spec *spec)
{
    const nn_tensor *w = &spec->weights;
    return w->dim[2] == 3 && w->dim[3] == 3 && spec->stride == 1 && spec->pad == 1 && w->dim[0] % WINOGRAD_STEP == 0 &&
           w->dim[1] % WINOGRAD_STEP == 0;
}

bool winograd_pays(const nn_conv_spec *spec)
{
    const int64_t enough = spec->precision == NN_COMPUTE_F32 ? LEAST_PIXELS : LEAST_PIXELS_BF16;
    if (gemm_pick(NN_COMPUTE_F32) == gemm_plain(NN_COMPUTE_F32)) return false;
    /* Windows of bytes are as fast, and of some channels faster. */
    if (spec->precision == NN_COMPUTE_INT8 && nn_precision_native(NN_COMPUTE_INT8)) return false;
    return spec->height * spec->width >= enough;
}

static const winograd_kernels *kernels_beside(const gemm_kernels *f32)
{
#if defined(SIMILE_NN_X86)
    if (f32 == gemm_find("avx512", NN_COMPUTE_F32)) return winograd_avx512();
#else
    (void)f32;
#endif
    return winograd_plain();
}

/* ---- packing ---- */

/* Three of a line, `step` apart; six, as far apart. */
static void turn_line(const double *g, int step, double *out)
{
    const double p = 0.625, q = 1.5, pp = p * p, qq = q * q;
    const double p_even = g[0] + pp * g[2 * step], q_even = g[0] + qq * g[2 * step];
    const double p_odd = p * g[step], q_odd = q * g[step], p_all = 2 * pp * (pp - qq), q_all = 2 * qq * (qq - pp);
    out[0] = g[0] / (pp * qq);
    out[step] = (p_even + p_odd) / p_all;
    out[2 * step] = (p_even - p_odd) / p_all;
    out[3 * step] = (q_even + q_odd) / q_all;
    out[4 * step] = (q_even - q_odd) / q_all;
    out[5 * step] = g[2 * step];
}

/* One window, [3, 3]: its numbers at 36 places, `step` apart. */
static void turn_window(const float *window, double factor, float *out, int64_t step)
{
    double g[3 * WINOGRAD_IN], half[WINOGRAD_PLACES], line[WINOGRAD_IN];
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 3; i++) g[k * WINOGRAD_IN + i] = factor * (double)window[3 * k + i];
    for (int i = 0; i < 3; i++) turn_line(g + i, WINOGRAD_IN, half + i);
    for (int i = 0; i < WINOGRAD_IN; i++) {
        turn_line(half + i * WINOGRAD_IN, 1, line);
        for (int k = 0; k < WINOGRAD_IN; k++) out[(i * WINOGRAD_IN + k) * step] = (float)line[k];
    }
}

/* All windows: [36, out, in]. */
static void turn_windows(const nn_conv_spec *spec, float *row, float *turned)
{
    const int64_t out = spec->weights.dim[0], in = spec->weights.dim[1];
    for (int64_t o = 0; o < out; o++) {
        const double factor = spec->scale ? (double)spec->scale[o] : 1.0;
        nn_tensor_to_f32(&spec->weights, o * in * 9, in * 9, row);
        for (int64_t i = 0; i < in; i++) turn_window(row + 9 * i, factor, turned + o * in + i, out * in);
    }
}

typedef struct {
    const float *rows;
    int64_t k;
} filling;

/* product_fill_fn */
static void fill(void *user, int64_t first, int64_t count, float *out)
{
    const filling *f = user;
    memcpy(out, f->rows + first * f->k, (size_t)(count * f->k) * sizeof *out);
}

static simile_status pack(winograd *c, const float *turned, simile_error *err)
{
    const product_shape shape = {.n = c->out, .k = c->in, .precision = NN_COMPUTE_F32};
    for (int i = 0; i < WINOGRAD_PLACES; i++) {
        filling f = {turned + i * c->out * c->in, c->in};
        RETURN_IF_ERROR(gemm_matrix_new(&shape, fill, &f, NULL, NULL, &c->at[i], err));
    }
    return SIMILE_OK;
}

simile_status winograd_new(const nn_conv_spec *spec, winograd **out, simile_error *err)
{
    const int64_t n = spec->weights.dim[0], in = spec->weights.dim[1], panels = gemm_divide_up(n, GEMM_PANEL);
    size_t numbers;
    *out = NULL;
    assert(winograd_can(spec));
    if (!mem_mul((size_t)(n * in), WINOGRAD_PLACES, &numbers)) return err_nomem(err);
    winograd *c = mem_new(winograd);
    float *row = mem_array((size_t)(in * 9), sizeof *row), *turned = mem_array(numbers, sizeof *turned);
    simile_status status = SIMILE_OK;
    if (c) *c = (winograd){.out = n, .in = in, .panels = panels};
    if (c) c->bias = mem_zero_array((size_t)(panels * GEMM_PANEL), sizeof *c->bias);
    if (!c || !row || !turned || !c->bias) {
        status = err_nomem(err);
    } else {
        if (spec->bias) memcpy(c->bias, spec->bias, (size_t)n * sizeof *c->bias);
        turn_windows(spec, row, turned);
        status = pack(c, turned, err);
    }
    mem_free(row);
    mem_free(turned);
    if (status)
        winograd_free(c);
    else
        *out = c;
    return status;
}

void winograd_free(winograd *c)
{
    if (!c) return;
    for (int i = 0; i < WINOGRAD_PLACES; i++) gemm_matrix_free(c->at[i]);
    mem_free(c->bias);
    mem_free(c);
}

size_t winograd_bytes(const winograd *c)
{
    size_t bytes = (size_t)(c->panels * GEMM_PANEL) * sizeof *c->bias;
    for (int i = 0; i < WINOGRAD_PLACES; i++) bytes += gemm_matrix_bytes(c->at[i]);
    return bytes;
}

/* ---- a run ---- */

typedef struct {
    nn_context *ctx;
    const winograd *c;
    const gemm_kernels *products;
    const winograd_kernels *kernels;
    nn_pictures size;
    int64_t down, across, squares; /* of a picture, and in all */
    const float *x;
    float *y;
    nn_act act;
    bool accumulate;
    int64_t block;           /* squares at a time */
    int64_t row, seen, sums; /* numbers: of a turned square at one place, of a place of x, of a place of the products */
} job;

/* A member's memory. */
typedef struct {
    float *nothing; /* a pixel of zeros */
    float *seen;    /* [36, block, row] */
    float *sums;    /* [36, block, GEMM_PANEL] */
} room;

static room room_of(const job *j, int worker)
{
    float *memory = nn_scratch(j->ctx, worker);
    return (room){memory, memory + j->row, memory + j->row + WINOGRAD_PLACES * j->seen};
}

/* Its picture and its first pixel in it. */
typedef struct {
    int64_t picture, row, column;
} place;

static place place_of(const job *j, int64_t square)
{
    const int64_t each = j->down * j->across, in = square % each;
    return (place){square / each, in / j->across * WINOGRAD_OUT, in % j->across * WINOGRAD_OUT};
}

static void take_square(const job *j, const room *m, int64_t square, float *to)
{
    const float *pixel[WINOGRAD_PLACES];
    const place at = place_of(j, square);
    const int64_t in = j->c->in, h = j->size.height, w = j->size.width;
    for (int i = 0; i < WINOGRAD_PLACES; i++) {
        const int64_t row = at.row + i / WINOGRAD_IN - 1, column = at.column + i % WINOGRAD_IN - 1;
        const bool inside = row >= 0 && row < h && column >= 0 && column < w;
        pixel[i] = inside ? j->x + ((at.picture * h + row) * w + column) * in : m->nothing;
    }
    j->kernels->take(pixel, in, to, j->seen);
}

static void give_square(const job *j, int64_t square, int64_t panel, const float *sums)
{
    const place at = place_of(j, square);
    const int64_t out = j->c->out, first = panel * GEMM_PANEL, h = j->size.height, w = j->size.width;
    winograd_square s = {.sums = sums,
                         .step = j->sums,
                         .columns = (int)least(out - first, GEMM_PANEL),
                         .bias = j->c->bias + first,
                         .relu = j->act == NN_ACT_RELU,
                         .accumulate = j->accumulate};
    for (int i = 0; i < WINOGRAD_OUT * WINOGRAD_OUT; i++) {
        const int64_t row = at.row + i / WINOGRAD_OUT, column = at.column + i % WINOGRAD_OUT;
        s.pixel[i] = row < h && column < w ? j->y + ((at.picture * h + row) * w + column) * out + first : NULL;
    }
    j->kernels->give(&s);
}

static const uint8_t *panel_at(const winograd *c, int at, int64_t panel)
{
    const gemm_weights *w = gemm_matrix_view(c->at[at]);
    return w->panels + panel * w->groups * GEMM_PANEL * GEMM_GROUP_BYTES;
}

/* n squares at one place with one panel; meanwhile what comes next is fetched into the second cache. */
static void multiply(const job *j, const room *m, int64_t n, int at, int64_t panel, const uint8_t *next)
{
    const gemm_weights *w = gemm_matrix_view(j->c->at[at]);
    const int64_t tiles = gemm_divide_up(n, GEMM_TILE);
    gemm_tile t = {.w = w,
                   .panel = panel_at(j->c, at, panel),
                   .x_stride = j->row * (int64_t)sizeof(float),
                   .groups = w->groups,
                   .y_stride = GEMM_PANEL,
                   .columns = GEMM_PANEL,
                   .first = true,
                   .last = true,
                   .next = next,
                   .next_step = gemm_divide_up(4 * GEMM_PANEL * GEMM_GROUP_BYTES / 64, tiles) * 64};
    for (int64_t i = 0; i < tiles; i++) {
        const int64_t begin = nn_part_begin(n, (int)i, (int)tiles);
        t.rows = (int)(nn_part_begin(n, (int)i + 1, (int)tiles) - begin);
        t.x = (const uint8_t *)(m->seen + at * j->seen + begin * j->row);
        t.y = m->sums + at * j->sums + begin * GEMM_PANEL;
        j->products->tile(&t);
        t.next += w->groups / 4 * t.next_step;
    }
}

static void run_block(const job *j, const room *m, int64_t first, int64_t end, int64_t from, int64_t to)
{
    for (int64_t s = first; s < end; s++) take_square(j, m, s, m->seen + (s - first) * j->row);
    for (int64_t p = from; p < to; p++) {
        for (int i = 0; i < WINOGRAD_PLACES; i++) {
            const bool last = i + 1 == WINOGRAD_PLACES;
            multiply(j, m, end - first, i, p, panel_at(j->c, last ? 0 : i + 1, !last ? p : p + 1 < to ? p + 1 : from));
        }
        for (int64_t s = first; s < end; s++) give_square(j, s, p, m->sums + (s - first) * GEMM_PANEL);
    }
}

static void run_part(void *user, int worker, int workers)
{
    const job *j = user;
    const int64_t panels = j->c->panels;
    const int across = gemm_parts_of_panels(j->squares, panels, workers), down = workers / across;
    const int64_t begin = nn_part_begin(j->squares, worker / across, down);
    const int64_t end = nn_part_begin(j->squares, worker / across + 1, down);
    const int64_t from = nn_part_begin(panels, worker % across, across);
    const int64_t to = nn_part_begin(panels, worker % across + 1, across);
    const int64_t blocks = gemm_divide_up(end - begin, j->block);
    const room m = room_of(j, worker);
    memset(m.nothing, 0, (size_t)j->row * sizeof *m.nothing);
    for (int64_t b = 0; b < blocks; b++)
        run_block(j, &m, begin + nn_part_begin(end - begin, (int)b, (int)blocks),
                  begin + nn_part_begin(end - begin, (int)b + 1, (int)blocks), from, to);
}

static int64_t squares_at_once(const winograd *c)
{
    const int64_t n = BLOCK_BYTES / (WINOGRAD_PLACES * c->in * (int64_t)sizeof(float)) / GEMM_TILE * GEMM_TILE;
    return n < GEMM_TILE ? GEMM_TILE : least(n, MOST_SQUARES);
}

simile_status winograd_run(nn_context *ctx, const winograd *c, const nn_pictures *size, const float *x, float *y,
                           nn_act act, bool accumulate, simile_error *err)
{
    job j = {.ctx = ctx, .c = c, .size = *size, .x = x, .y = y, .act = act, .accumulate = accumulate};
    if (size->n <= 0) return SIMILE_OK;
    assert(act == NN_ACT_NONE || act == NN_ACT_RELU);
    j.products = ctx->gemm[NN_COMPUTE_F32];
    j.kernels = kernels_beside(j.products);
    j.down = gemm_divide_up(size->height, WINOGRAD_OUT);
    j.across = gemm_divide_up(size->width, WINOGRAD_OUT);
    j.squares = size->n * j.down * j.across;
    j.block = squares_at_once(c);
    j.row = c->in + APART;
    j.seen = j.block * j.row;
    j.sums = j.block * GEMM_PANEL + APART;
    RETURN_IF_ERROR(nn_scratch_reserve(ctx, (size_t)(j.row + WINOGRAD_PLACES * (j.seen + j.sums)), err));
    nn_team_run(ctx, j.squares * c->in * c->out * WINOGRAD_PLACES <= ALONE, run_part, &j);
    return SIMILE_OK;
}
