/* SPDX-License-Identifier: Apache-2.0
 * gemm.c - own products: cutting a product into tiles (gemm.h).
 *
 * Rows of x are taken in blocks that stay in the second cache, k in blocks whose part of a panel does; within them,
 * panel after panel, tile after tile. A block of rows is cut into tiles of even size: 50 rows are 13 + 13 + 12 + 12,
 * not 14 + 14 + 14 + 8.
 *
 * The team shares out the rows where there are many: then each of them narrows its own, just before it multiplies them.
 * Few rows go to all of the team, and the panels are shared out; or both, when there are few panels as well.
 *
 * Threads: a matrix is immutable; everything else belongs to the context. */
#include "nn/context.h"

#include "base/mem.h"

#include <assert.h>

enum {
    BLOCK_BYTES = 320 << 10,   /* of rows of x */
    BLOCK_GROUPS = 1024,       /* 128 KiB of a panel */
    PRODUCT_ALONE = 1 << 20,   /* multiply-adds of float32: about 10 microseconds */
    NARROW_ALONE = 1 << 15,    /* numbers to narrow: less than waking the team costs */
    FAR_AWAY = 1 << 16,        /* numbers of y: a quarter of the second cache */
    ROWS_EACH = 4 * GEMM_TILE, /* enough for one of the team to read all of W for them */
    ALIGNMENT = 64,
    SAME_SETS = 4096 /* rows that lie a multiple of this apart fight for places in the first cache */
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

typedef struct {
    nn_context *ctx;
    const gemm_kernels *kernels;
    const gemm_weights *w;
    bool apart;   /* rows of x have to be moved apart */
    bool by_rows; /* each of the team takes all panels for its own rows */
    bool here;    /* rows are narrowed by who multiplies them, a block at a time */
    int64_t rows;
    const float *x;
    int64_t x_stride;    /* numbers */
    const nn_norm *norm; /* NULL: x is narrowed as it is */
    gemm_rows narrowed;
    nn_rows y;
    nn_act act;
    bool accumulate;
} job;

/* Row by row, so that what is normalised is narrowed while it is in the first cache. row: [k] */
static void narrow_normed(const job *j, int64_t begin, int64_t end, float *row)
{
    const gemm_rows *n = &j->narrowed;
    const nn_norm *norm = j->norm;
    for (int64_t r = begin; r < end; r++) {
        j->ctx->kernels->layer_norm(1, j->w->k, j->x + r * j->x_stride, norm->weight, norm->bias, norm->eps, row);
        j->kernels->narrow(j->w, 1, row, (uint8_t *)(uintptr_t)n->data + r * n->stride, n->stride,
                           (float *)(uintptr_t)n->scale + r, (int32_t *)(uintptr_t)n->zero + r);
    }
}

static void narrow_rows(const job *j, int64_t begin, int64_t end, float *scratch)
{
    const gemm_rows *n = &j->narrowed;
    const int64_t at_once = j->x_stride == j->w->k ? end - begin : 1;
    if (j->norm)
        narrow_normed(j, begin, end, scratch);
    else
        for (int64_t r = begin; r < end; r += at_once)
            j->kernels->narrow(j->w, at_once, j->x + r * j->x_stride, (uint8_t *)(uintptr_t)n->data + r * n->stride,
                               n->stride, (float *)(uintptr_t)n->scale + r, (int32_t *)(uintptr_t)n->zero + r);
}

static void narrow_part(void *user, int worker, int workers)
{
    const job *j = user;
    narrow_rows(j, nn_part_begin(j->rows, worker, workers), nn_part_begin(j->rows, worker + 1, workers),
                j->norm ? nn_scratch(j->ctx, worker) : NULL);
}

/* In several blocks y holds the sums: as float32. */
static int blocks_of_k(const gemm_weights *w, nn_row_type y)
{
    const bool one = w->precision == NN_COMPUTE_INT8 || y != NN_ROWS_F32;
    return one ? 1 : (int)gemm_divide_up(w->groups, BLOCK_GROUPS);
}

static int64_t rows_of_block(const gemm_weights *w, int k_blocks)
{
    const int64_t rows = BLOCK_BYTES / GEMM_GROUP_BYTES / gemm_divide_up(w->groups, k_blocks);
    return rows > GEMM_TILE ? rows / GEMM_TILE * GEMM_TILE : GEMM_TILE;
}

/* From row to row, in groups, where rows are moved apart. */
static int64_t apart_groups(int64_t groups)
{
    return gemm_divide_up(groups, ALIGNMENT / GEMM_GROUP_BYTES) * (ALIGNMENT / GEMM_GROUP_BYTES) +
           ALIGNMENT / GEMM_GROUP_BYTES;
}

/* Some rows, some groups of k, and how they are cut into tiles. */
typedef struct {
    int64_t first, end, group, groups;
    const uint8_t *x; /* row `first`, group `group` */
    int64_t stride;
} block;

static const uint8_t *panel_at(const gemm_weights *w, int64_t panel, int64_t group)
{
    return w->panels + (panel * w->groups + group) * GEMM_PANEL * GEMM_GROUP_BYTES;
}

/* What it points to is of the rows' type. */
static float *row_of(const nn_rows *y, int64_t row)
{
    const int64_t bytes = y->type == NN_ROWS_BF16 ? sizeof(uint16_t) : sizeof(float);
    return (float *)(void *)((uint8_t *)y->data + row * y->stride * bytes);
}

/* All tiles of a block with one panel; meanwhile `next` is fetched, a part with each. */
static void run_panel(const job *j, const block *b, int64_t panel, const uint8_t *next)
{
    const gemm_weights *w = j->w;
    const int64_t rows = b->end - b->first, tiles = gemm_divide_up(rows, GEMM_TILE), column = panel * GEMM_PANEL;
    const bool half = j->y.type == NN_ROWS_BF16;
    gemm_tile t = {.w = w,
                   .panel = panel_at(w, panel, b->group),
                   .next = next,
                   .next_step = gemm_divide_up(4 * GEMM_PANEL * GEMM_GROUP_BYTES / 64, tiles) * 64,
                   .x_stride = b->stride,
                   .groups = b->groups,
                   .y_stride = j->y.stride,
                   .half = half,
                   .column = column,
                   .columns = (int)least(w->n - column, GEMM_PANEL),
                   .act = j->act,
                   .accumulate = j->accumulate,
                   .far = j->rows * w->n >= FAR_AWAY,
                   .first = b->group == 0,
                   .last = b->group + b->groups == w->groups};
    for (int64_t i = 0; i < tiles; i++) {
        const int64_t row = nn_part_begin(rows, (int)i, (int)tiles);
        t.rows = (int)(nn_part_begin(rows, (int)i + 1, (int)tiles) - row);
        t.x = b->x + row * b->stride;
        t.x_scale = j->narrowed.scale + b->first + row;
        t.x_zero = j->narrowed.zero + b->first + row;
        t.y = row_of(&j->y, b->first + row);
        j->kernels->tile(&t);
        t.next += b->groups / 4 * t.next_step;
    }
}

/* Rows of float32 that fight for places in the cache are moved apart: into the worker's scratch memory. */
static void place_block(const job *j, block *b, float *scratch)
{
    b->stride = j->narrowed.stride;
    b->x = j->narrowed.data + b->first * b->stride + b->group * GEMM_GROUP_BYTES;
    if (!j->apart) return;
    const int64_t apart = apart_groups(b->groups);
    for (int64_t r = 0; r < b->end - b->first; r++)
        memcpy(scratch + r * apart, b->x + r * b->stride, (size_t)b->groups * GEMM_GROUP_BYTES);
    b->stride = apart * GEMM_GROUP_BYTES;
    b->x = (const uint8_t *)scratch;
}

/* Where the panels of an image begin that lies behind the one of these weights: only ever fetched. */
static const uint8_t *panels_behind(const gemm_weights *w)
{
    const int64_t columns = gemm_divide_up(w->n, GEMM_PANEL) * GEMM_PANEL;
    const uint8_t *end = panel_at(w, columns / GEMM_PANEL, 0);
    if (w->bias) end = (const uint8_t *)(w->bias + columns);
    if (w->sum) end = (const uint8_t *)(w->sum + columns);
    if (w->inverse) end = (const uint8_t *)(w->inverse + 4 * w->groups);
    return end + ALIGNMENT; /* its header */
}

/* What is read after the panels from .. to-1 of a block: the first of them again, at the next groups of k or for the
 * next rows; or, after the last of a matrix, what lies behind it: in a store as a rule the matrix of the next product.
 */
static const uint8_t *after_panels(const gemm_weights *w, int64_t from, int64_t to, int64_t next_group, bool last)
{
    if (last && to == gemm_divide_up(w->n, GEMM_PANEL)) return panels_behind(w);
    return panel_at(w, from, next_group);
}

/* Rows begin .. end-1 with panels from .. to-1. */
static void run_part(const job *j, int64_t begin, int64_t end, int64_t from, int64_t to, float *scratch)
{
    const gemm_weights *w = j->w;
    const int k_blocks = blocks_of_k(w, j->y.type);
    const int row_blocks = (int)gemm_divide_up(end - begin, rows_of_block(w, k_blocks));
    for (int r = 0; r < row_blocks; r++) {
        block b = {.first = begin + nn_part_begin(end - begin, r, row_blocks),
                   .end = begin + nn_part_begin(end - begin, r + 1, row_blocks)};
        if (j->here) narrow_rows(j, b.first, b.end, scratch);
        for (int i = 0; i < k_blocks; i++) {
            b.group = nn_part_begin(w->groups, i, k_blocks);
            b.groups = nn_part_begin(w->groups, i + 1, k_blocks) - b.group;
            place_block(j, &b, scratch);
            const int64_t then = nn_part_begin(w->groups, (i + 1) % k_blocks, k_blocks);
            const bool last = r + 1 == row_blocks && i + 1 == k_blocks;
            for (int64_t p = from; p < to; p++)
                run_panel(j, &b, p, p + 1 < to ? panel_at(w, p + 1, b.group) : after_panels(w, from, to, then, last));
        }
    }
}

int gemm_parts_of_panels(int64_t rows, int64_t panels, int workers)
{
    int best = 1;
    int64_t least_cost = INT64_MAX;
    for (int parts = workers; parts >= 1; parts--) {
        if (workers % parts) continue;
        const int64_t cost = gemm_divide_up(panels, parts) * gemm_divide_up(rows, workers / parts);
        if (cost >= least_cost) continue;
        least_cost = cost;
        best = parts;
    }
    return best;
}

static void product_part(void *user, int worker, int workers)
{
    const job *j = user;
    const int64_t panels = gemm_divide_up(j->w->n, GEMM_PANEL);
    const int across = j->by_rows ? 1 : gemm_parts_of_panels(j->rows, panels, workers), down = workers / across;
    const int column = worker % across, row = worker / across;
    run_part(j, nn_part_begin(j->rows, row, down), nn_part_begin(j->rows, row + 1, down),
             nn_part_begin(panels, column, across), nn_part_begin(panels, column + 1, across),
             j->apart || j->norm ? nn_scratch(j->ctx, worker) : NULL);
}

/* Room for the rows as tiles read them. */
static simile_status place_rows(nn_context *ctx, job *j, simile_error *err)
{
    int64_t stride = gemm_divide_up(j->w->groups * GEMM_GROUP_BYTES, ALIGNMENT) * ALIGNMENT;
    if (stride % (SAME_SETS / 4) == 0) stride += ALIGNMENT;
    size_t data, ends = (size_t)gemm_divide_up(j->rows, 16) * 16 * sizeof(float), size;
    if (!mem_mul((size_t)j->rows, (size_t)stride, &data) || !mem_add(data, 2 * ends, &size)) return err_nomem(err);
    RETURN_IF_ERROR(nn_narrowed_reserve(ctx, size, err));
    uint8_t *base = ctx->narrowed;
    j->narrowed = (gemm_rows){base, stride, (float *)(void *)(base + data), (int32_t *)(void *)(base + data + ends)};
    return SIMILE_OK;
}

/* Rows that tiles read where they are. */
static simile_status take_rows(nn_context *ctx, job *j, const nn_rows *x, simile_error *err)
{
    const gemm_weights *w = j->w;
    const int k_blocks = blocks_of_k(w, j->y.type);
    j->narrowed = (gemm_rows){.data = x->data, .stride = x->stride * (x->type == NN_ROWS_BF16 ? 2 : 4)};
    j->apart = j->narrowed.stride % SAME_SETS == 0 && j->rows > 4;
    if (!j->apart) return SIMILE_OK;
    const int64_t groups = apart_groups(gemm_divide_up(w->groups, k_blocks));
    return nn_scratch_reserve(ctx, (size_t)(rows_of_block(w, k_blocks) * groups), err);
}

simile_status gemm_run(nn_context *ctx, const gemm_kernels *kernels, const gemm_matrix *m, const nn_product *p,
                       simile_error *err)
{
    const gemm_weights *w = gemm_matrix_view(m);
    const int64_t rows = p->rows;
    job j = {.ctx = ctx,
             .kernels = kernels,
             .w = w,
             .rows = rows,
             .x = p->x.data,
             .x_stride = p->x.stride,
             .norm = p->norm,
             .y = p->y,
             .act = p->act,
             .accumulate = p->accumulate};
    const bool alone = rows * w->k * w->n <= PRODUCT_ALONE * gemm_group(w->precision);
    assert(rows > 0 && (p->y.type == NN_ROWS_F32 || (kernels->halves && !p->accumulate)));
    j.by_rows = rows >= (int64_t)ctx->threads * ROWS_EACH;
    if (w->precision == NN_COMPUTE_F32 || p->x.type == NN_ROWS_BF16) {
        assert(p->x.type == NN_ROWS_F32 || (w->precision == NN_COMPUTE_BF16 && !p->norm && w->k % 2 == 0));
        RETURN_IF_ERROR(take_rows(ctx, &j, &p->x, err));
    } else {
        if (j.norm) RETURN_IF_ERROR(nn_scratch_reserve(ctx, (size_t)w->k, err));
        RETURN_IF_ERROR(place_rows(ctx, &j, err));
        j.here = alone || j.by_rows || ctx->threads == 1;
        if (!j.here) nn_team_run(ctx, rows * w->k <= NARROW_ALONE, narrow_part, &j);
    }
    nn_team_run(ctx, alone, product_part, &j);
    return SIMILE_OK;
}
