/* SPDX-License-Identifier: Apache-2.0
 * attention_simd.h - attention over vectors of any width. Private to the files of kernels, which define the vector and
 * the tile first and then include this text once.
 *
 * Per head, keys are packed transposed, so that one small product of matrices serves scores (queries x keys) and the
 * weighted sum (weights x values):
 *     C [rows, vecs x LANES] = A [rows, depth] x B [depth, vecs x LANES]
 * A is read one number at a time and spread over a vector, B is read in order, C stays in registers. Up to WHOLE_VECS
 * vectors of keys the scores of a block of queries become weights without leaving the registers either. Longer
 * sequences are taken in panels of PANEL keys that stay in the first cache for several blocks of queries. The softmax
 * is over whole rows; its weights are left unnormalised and the sum divides the result.
 * Products are of float32, or of pairs of bfloat16 that lie in one lane (GROUP = 2): pairs along head_dim in scores,
 * pairs of keys in the weighted sum. Scores, softmax and sums are float32 in either.
 * Every number of C is one chain of fused multiply-adds in the order of `depth`, whatever the tile's size, and sums of
 * weights are added vector by vector from the first on: this is why a query's result does not depend on its neighbours.
 *
 * While a head is worked on, the next one's rows are called for from memory: they lie far apart. */
#include "nn/kernels.h"

#include <assert.h>

/* LONG_ROWS: queries that are done with one panel before the next one is read */
enum { PANEL = TILE_VECS * LANES, LONG_ROWS = 4 * TILE_ROWS };

static int64_t panels(int64_t columns)
{
    return (columns + PANEL - 1) / PANEL;
}

static int64_t whole_vectors(int64_t columns)
{
    return (columns + LANES - 1) / LANES;
}

/* Lanes that n numbers of a row take. */
static int64_t groups(int64_t n)
{
    return (n + GROUP - 1) / GROUP;
}

/* ---- numbers of a head ---- */

/* Sets of kernels that read and write bfloat16 define HALVES, and what loads and stores it. */
#ifdef HALVES
INLINE bool is_half(const nn_attention_head *a)
{
    return a->half;
}
#else
INLINE bool is_half(const nn_attention_head *a)
{
    (void)a;
    return false;
}
INLINE vec v_load_half_groups(const uint16_t *p, int64_t n)
{
    (void)p, (void)n;
    return v_set(0);
}
INLINE vec v_pair_halves(const uint16_t *p, const uint16_t *next, int n)
{
    (void)p, (void)next, (void)n;
    return v_set(0);
}
INLINE void v_store_halves(uint16_t *p, vec a, int n)
{
    (void)p, (void)a, (void)n;
}
#endif

/* Number d of a row of q, k or v. */
INLINE const void *number_at(const void *rows, const bool half, int64_t stride, int64_t row, int64_t d)
{
    const int64_t at = row * stride + d;
    return half ? (const void *)((const uint16_t *)rows + at) : (const void *)((const float *)rows + at);
}

INLINE vec load_groups(const void *p, const bool half, int64_t n)
{
    return half ? v_load_half_groups(p, n) : v_load_groups(p, n);
}

/* ---- packing ---- */

/* LANES keys from k on, `left` of them real, the others 0: columns of `to`, whose rows are `width` lanes long. */
INLINE void pack_some_keys(const nn_attention_head *a, const bool half, int64_t first, float *to, int64_t width)
{
    const int64_t left = a->tokens - first;
    const void *k = number_at(a->k, half, a->stride, first, 0);
    for (int64_t d = 0; d < a->head_dim; d += GROUP * LANES) {
        const int64_t dims = a->head_dim - d;
        const int lanes = dims < GROUP * LANES ? (int)groups(dims) : LANES;
        vec r[LANES];
        if (left >= LANES && lanes == LANES)
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++) r[i] = load_groups(number_at(k, half, a->stride, i, d), half, dims);
        else
            for (int i = 0; i < LANES; i++)
                r[i] = i < left ? load_groups(number_at(k, half, a->stride, i, d), half, dims) : v_set(0);
        v_transpose(r);
        if (lanes == LANES)
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++) v_store(to + (d / GROUP + i) * width, r[i]);
        else
            for (int i = 0; i < lanes; i++) v_store(to + (d / GROUP + i) * width, r[i]);
    }
}

/* packed: [groups(head_dim), width] for up to WHOLE_VECS vectors of keys, else [panels, groups(head_dim), PANEL];
 * columns beyond the last key, up to a whole vector, are 0. */
static void pack_keys(const nn_attention_head *a, int64_t width, float *packed)
{
    for (int64_t j = 0; j < a->tokens; j += LANES) {
        float *to = packed + j / width * width * groups(a->head_dim) + j % width;
        if (is_half(a))
            pack_some_keys(a, true, j, to, width);
        else
            pack_some_keys(a, false, j, to, width);
    }
}

/* n numbers of row j of the values, each with its neighbour in row j + 1 where a group is two. */
INLINE vec load_values(const nn_attention_head *a, int64_t j, int64_t d, int n)
{
    const bool next = j + 1 < a->tokens;
    if (is_half(a))
        return v_pair_halves(number_at(a->v, true, a->stride, j, d),
                             next ? number_at(a->v, true, a->stride, j + 1, d) : NULL, n);
    const vec one = v_load_first(number_at(a->v, false, a->stride, j, d), n);
    if (GROUP == 1) return one;
    return v_pair(one, next ? v_load_first(number_at(a->v, false, a->stride, j + 1, d), n) : v_set(0));
}

/* packed: [panels(head_dim), groups(tokens), PANEL] */
static void pack_values(const nn_attention_head *a, float *packed)
{
    for (int64_t j = 0; j < a->tokens; j += GROUP)
        for (int64_t d = 0; d < a->head_dim; d += LANES) {
            const int left = a->head_dim - d < LANES ? (int)(a->head_dim - d) : LANES;
            v_store(packed + (d / PANEL * groups(a->tokens) + j / GROUP) * PANEL + d % PANEL,
                    load_values(a, j, d, left));
        }
}

/* Calls for the same rows of the head that comes next. */
INLINE void call_for_next(const nn_attention_head *a, int64_t first, int64_t rows)
{
    if (!a->next) return;
    const int64_t k = (const uint8_t *)a->k - (const uint8_t *)a->q, v = (const uint8_t *)a->v - (const uint8_t *)a->q;
    const int64_t line = is_half(a) ? 32 : 16, out_line = a->out_half ? 32 : 16; /* numbers */
    for (int64_t r = first; r < first + rows; r++) {
        for (int64_t d = 0; d < a->head_dim; d += line) {
            const uint8_t *q = number_at(a->next, is_half(a), a->stride, r, d);
            v_prefetch((const float *)(const void *)q);
            v_prefetch((const float *)(const void *)(q + k));
            v_prefetch((const float *)(const void *)(q + v));
        }
        for (int64_t d = 0; d < a->head_dim; d += out_line)
            v_prefetch_to_write((float *)(uintptr_t)number_at(a->next_out, a->out_half, a->out_stride, r, d));
    }
}

/* ---- products ---- */

/* One side of a product: rows, or depth, `stride` floats apart. */
typedef struct {
    const float *at;
    int64_t stride;
} matrix;

enum { MOST_ROWS = 12 };

INLINE void clear(const int rows, const int vecs, vec acc[MOST_ROWS][WHOLE_VECS])
{
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
        for (int v = 0; v < vecs; v++) acc[r][v] = v_set(0);
}

INLINE void multiply(const int rows, const int vecs, int64_t depth, const matrix *a, const matrix *b,
                     vec acc[MOST_ROWS][WHOLE_VECS])
{
    const float *x = a->at, *y = b->at;
    const int64_t x_stride = a->stride, y_stride = b->stride;
    for (int64_t d = 0; d < depth; d++, y += y_stride) {
        vec row[WHOLE_VECS];
#pragma GCC unroll 16
        for (int v = 0; v < vecs; v++) row[v] = v_load(y + v * LANES);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            const vec one = v_set(x[r * x_stride + d]);
#pragma GCC unroll 16
            for (int v = 0; v < vecs; v++) acc[r][v] = v_dot(one, row[v], acc[r][v]);
        }
    }
}

/* Where a tile's result goes: rows `stride` numbers apart, each multiplied by its factor; the last vector has only
 * `last` numbers. */
typedef struct {
    void *c;
    int64_t stride;
    const float *factor;
    int last;
    bool half;
} target;

INLINE void store_row(const target *to, const bool half, int r, int vecs, const vec *sum)
{
    const vec factor = v_set(to->factor[r]);
#pragma GCC unroll 16
    for (int v = 0; v < vecs; v++) {
        const int n = v + 1 < vecs ? LANES : to->last;
        const int64_t at = r * to->stride + v * LANES;
        if (half)
            v_store_halves((uint16_t *)to->c + at, v_mul(sum[v], factor), n);
        else if (v + 1 < vecs)
            v_store((float *)to->c + at, v_mul(sum[v], factor));
        else
            v_store_first((float *)to->c + at, v_mul(sum[v], factor), n);
    }
}

INLINE void tile(const int rows, const int vecs, int64_t depth, const matrix *a, const matrix *b, const target *to)
{
    vec acc[MOST_ROWS][WHOLE_VECS];
    clear(rows, vecs, acc);
    multiply(rows, vecs, depth, a, b, acc);
    if (GROUP == 2 && to->half)
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) store_row(to, true, r, vecs, acc[r]);
    else
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) store_row(to, false, r, vecs, acc[r]);
}

#define TILE_CASE(r, v)                                                                                                \
    case (r)*8 + (v):                                                                                                  \
        tile(r, v, depth, a, b, to);                                                                                   \
        break;
#define TILE_CASES(v) TILE_CASE(1, v) TILE_CASE(2, v) TILE_CASE(3, v) TILE_CASE(4, v) TILE_CASE(5, v) TILE_CASE(6, v)

static void product(int rows, int vecs, int64_t depth, const matrix *a, const matrix *b, const target *to)
{
    switch (rows * 8 + vecs) {
        TILE_CASES(1)
        TILE_CASES(2)
#if TILE_VECS == 4
        TILE_CASES(3)
        TILE_CASES(4)
#endif
    default: assert(0);
    }
}

/* Rows of queries as products want them; memory: for as many rows of groups(head_dim) lanes. */
static matrix narrowed(const nn_attention_head *a, int64_t first, int rows, float *memory)
{
    const int64_t stride = whole_vectors(groups(a->head_dim)) * LANES;
    if (is_half(a)) return (matrix){number_at(a->q, true, a->stride, first, 0), a->stride / 2};
    const float *q = number_at(a->q, false, a->stride, first, 0);
    if (GROUP == 1) return (matrix){q, a->stride};
    for (int r = 0; r < rows; r++)
        for (int64_t d = 0; d < a->head_dim; d += GROUP * LANES)
            v_store(memory + r * stride + d / GROUP, v_load_groups(q + r * a->stride + d, a->head_dim - d));
    return (matrix){memory, stride};
}

static int vectors(int64_t columns)
{
    return columns >= PANEL ? TILE_VECS : (int)whole_vectors(columns);
}

/* ---- whole rows of scores in registers ---- */

static int lanes_in(int64_t visible, int v)
{
    const int64_t left = visible - v * LANES;
    return left >= LANES ? LANES : left > 0 ? (int)left : 0;
}

/* One block of queries: the first sees `visible` keys, each after it `more` more. Their weights, 2^(c (score - max)),
 * go to `weight`, in rows of groups(vecs) x LANES, the inverse of their sums to `factor`. Only the last two vectors can
 * hold keys that a query does not see, as rows <= LANES. */
INLINE void whole_block(const int rows, const int vecs, const nn_attention_head *a, const matrix *q, const matrix *keys,
                        int64_t visible, int more, float *weight, float *factor)
{
    const vec lowest = v_set(-__builtin_inff()), scale = v_set(a->scale * 0x1.715476p+0f /* log2(e) */);
    vec acc[MOST_ROWS][WHOLE_VECS];
    clear(rows, vecs, acc);
    multiply(rows, vecs, groups(a->head_dim), q, keys, acc);
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++, visible += more) {
        vec max = lowest, sum = v_set(0);
#pragma GCC unroll 16
        for (int v = 0; v < vecs; v++)
            max = v_max(max, v + 2 < vecs ? acc[r][v] : v_first(acc[r][v], lanes_in(visible, v), lowest));
        const vec shift = v_mul(v_set(-v_max_across(max)), scale);
#pragma GCC unroll 16
        for (int v = 0; v < vecs; v++) {
            vec p = exp2_vec(v_bound(v_fma(acc[r][v], scale, shift)));
            if (v + 2 >= vecs) p = v_first(p, lanes_in(visible, v), v_set(0));
            sum = v_add(sum, p);
            acc[r][v] = p;
        }
#pragma GCC unroll 16
        for (int v = 0; v < vecs; v += GROUP) {
            const vec p = acc[r][v];
            v_store(weight, GROUP == 1 ? p : v_narrow(p, v + 1 < vecs ? acc[r][v + 1 < vecs ? v + 1 : v] : v_set(0)));
            weight += LANES;
        }
        factor[r] = 1.0f / v_sum(sum);
    }
}

#define WHOLE_CASE(r, v)                                                                                               \
    case (r)*8 + (v):                                                                                                  \
        whole_block(r, v, a, q, keys, visible, more, weight, factor);                                                  \
        break;
#define WHOLE_UP_TO_4(v) WHOLE_CASE(1, v) WHOLE_CASE(2, v) WHOLE_CASE(3, v) WHOLE_CASE(4, v)
#define WHOLE_UP_TO_6(v) WHOLE_UP_TO_4(v) WHOLE_CASE(5, v) WHOLE_CASE(6, v)
#define WHOLE_UP_TO_8(v) WHOLE_UP_TO_6(v) WHOLE_CASE(7, v) WHOLE_CASE(8, v)
#define WHOLE_9_TO_12(v) WHOLE_CASE(9, v) WHOLE_CASE(10, v) WHOLE_CASE(11, v) WHOLE_CASE(12, v)

static void whole_blocks(int rows, int vecs, const nn_attention_head *a, const matrix *q, const matrix *keys,
                         int64_t visible, int more, float *weight, float *factor)
{
    switch (rows * 8 + vecs) {
        WHOLE_UP_TO_6(1)
#if WHOLE_VECS == 2
        WHOLE_UP_TO_6(2)
#else
        WHOLE_CASE(7, 1)
        WHOLE_CASE(8, 1)
        WHOLE_9_TO_12(1)
        WHOLE_UP_TO_8(2)
        WHOLE_UP_TO_8(3)
        WHOLE_UP_TO_6(4)
        WHOLE_UP_TO_4(5)
        WHOLE_CASE(5, 5)
        WHOLE_UP_TO_4(6)
#endif
    default: assert(0);
    }
}

static void weighted_sum(const nn_attention_head *a, int rows, int64_t keys, const matrix *weights,
                         const float *packed_values, const float *factor, int64_t row)
{
    for (int64_t d = 0; d < a->head_dim; d += PANEL) {
        const int64_t left = a->head_dim - d;
        const int last = left >= PANEL || left % LANES == 0 ? LANES : (int)(left % LANES);
        const matrix values = {packed_values + d * groups(a->tokens), PANEL};
        const target to = {(void *)(uintptr_t)number_at(a->out, a->out_half, a->out_stride, row, d), a->out_stride,
                           factor, last, a->out_half};
        product(rows, vectors(left), groups(keys), weights, &values, &to);
    }
}

/* Even blocks, not a thin last one: how many of `left` rows the next one takes. */
static int next_block(int64_t left, int64_t most)
{
    const int64_t blocks = (left + most - 1) / most;
    return (int)((left + blocks - 1) / blocks);
}

/* Parts of the scratch memory: see attention_scratch(). */
typedef struct {
    float *keys, *values, *queries, *weights;
} room;

static void attend_whole(const nn_attention_head *a, const room *m)
{
    static const int8_t most_rows[WHOLE_VECS + 1] = WHOLE_ROWS;
    const int all = (int)whole_vectors(a->tokens);
    const matrix keys = {m->keys, all * LANES};
    pack_keys(a, keys.stride, m->keys);
    for (int64_t first = 0; first < a->tokens;) {
        float factor[MOST_ROWS];
        const int rows = next_block(a->tokens - first, most_rows[all]);
        const int64_t seen = a->causal ? first + rows : a->tokens;
        const int vecs = (int)whole_vectors(seen);
        const matrix q = narrowed(a, first, rows, m->queries), weights = {m->weights, groups(vecs) * LANES};
        whole_blocks(rows, vecs, a, &q, &keys, a->causal ? first + 1 : seen, a->causal, m->weights, factor);
        for (int done = 0; done < rows;) {
            const int now = next_block(rows - done, TILE_ROWS);
            const matrix part = {weights.at + done * weights.stride, weights.stride};
            weighted_sum(a, now, seen, &part, m->values, factor + done, first + done);
            done += now;
        }
        call_for_next(a, first, rows);
        first += rows;
    }
}

/* ---- longer sequences ---- */

/* Turns a row of scores into 2^(c (score - max)) for the visible ones and 0 up to `keys`; the sum's inverse. */
static float soften(float *score, int64_t visible, int64_t keys, float c)
{
    const vec lowest = v_set(-__builtin_inff());
    vec max0 = lowest, max1 = lowest;
    int64_t j = 0;
    for (; j + 2 * LANES <= visible; j += 2 * LANES) {
        max0 = v_max(max0, v_load(score + j));
        max1 = v_max(max1, v_load(score + j + LANES));
    }
    for (; j < visible; j += LANES) {
        const int left = visible - j < LANES ? (int)(visible - j) : LANES;
        max0 = v_max(max0, v_first(v_load(score + j), left, lowest));
    }
    const vec factor = v_set(c), shift = v_mul(v_set(-v_max_across(v_max(max0, max1))), factor);
    vec sum = v_set(0);
    for (j = 0; j + LANES <= visible; j += LANES) {
        const vec p = exp2_vec(v_bound(v_fma(v_load(score + j), factor, shift)));
        sum = v_add(sum, p);
        v_store(score + j, p);
    }
    if (j < visible) {
        const vec p = exp2_vec(v_bound(v_fma(v_load(score + j), factor, shift)));
        const vec real = v_first(p, (int)(visible - j), v_set(0));
        sum = v_add(sum, real);
        v_store(score + j, real);
        j += LANES;
    }
    for (; j < keys; j += LANES) v_store(score + j, v_set(0));
    return 1.0f / v_sum(sum);
}

/* The weights of one row, in place. */
static void narrow_weights(float *weight, int64_t keys)
{
    for (int64_t j = 0; GROUP == 2 && j < keys; j += 2 * LANES)
        v_store(weight + j / 2, v_narrow(v_load(weight + j), j + LANES < keys ? v_load(weight + j + LANES) : v_set(0)));
}

/* Scores of queries first .. first + rows - 1 with the keys that they may see: rows `stride` apart in m->weights. */
static void scores(const nn_attention_head *a, int64_t first, int rows, const room *m, int64_t stride)
{
    static const float ones[TILE_ROWS] = {1, 1, 1, 1, 1, 1};
    const int64_t keys = a->causal ? first + rows : a->tokens, depth = groups(a->head_dim);
    const matrix all = narrowed(a, first, rows, m->queries);
    for (int64_t j = 0; j < keys; j += PANEL)
        for (int done = 0; done < rows;) {
            const int now = next_block(rows - done, TILE_ROWS);
            const matrix q = {all.at + done * all.stride, all.stride}, panel = {m->keys + j * depth, PANEL};
            const target to = {m->weights + done * stride + j, stride, ones, LANES, false};
            product(now, vectors(keys - j), depth, &q, &panel, &to);
            done += now;
        }
}

static void attend_long(const nn_attention_head *a, const room *m)
{
    const int64_t stride = panels(a->tokens) * PANEL;
    pack_keys(a, PANEL, m->keys);
    for (int64_t first = 0; first < a->tokens;) {
        const int rows = next_block(a->tokens - first, LONG_ROWS);
        const int64_t keys = a->causal ? first + rows : a->tokens;
        scores(a, first, rows, m, stride);
        for (int done = 0; done < rows;) {
            float factor[TILE_ROWS];
            const int now = next_block(rows - done, TILE_ROWS);
            float *weight = m->weights + done * stride;
            for (int r = 0; r < now; r++) {
                factor[r] = soften(weight + r * stride, a->causal ? first + done + r + 1 : keys, keys,
                                   a->scale * 0x1.715476p+0f);
                narrow_weights(weight + r * stride, keys);
            }
            const matrix weights = {weight, stride};
            weighted_sum(a, now, keys, &weights, m->values, factor, first + done);
            done += now;
        }
        call_for_next(a, first, rows);
        first += rows;
    }
}

/* ---- one head ---- */

/* Rows of queries and of weights that are kept at a time. */
static int64_t rows_kept(int64_t tokens)
{
    const int64_t rows = tokens > LONG_ROWS ? LONG_ROWS : tokens;
    return rows > MOST_ROWS ? rows : MOST_ROWS;
}

static size_t attention_scratch(int64_t tokens, int64_t head_dim)
{
    const int64_t keys = panels(tokens) * PANEL, dims = panels(head_dim) * PANEL;
    return (size_t)(keys * head_dim + dims * tokens + rows_kept(tokens) * (keys + dims));
}

static void attention(const nn_attention_head *a, float *scratch)
{
    const int64_t dims = panels(a->head_dim) * PANEL;
    room m = {.keys = scratch};
    m.values = m.keys + panels(a->tokens) * PANEL * a->head_dim;
    m.queries = m.values + dims * a->tokens;
    m.weights = m.queries + rows_kept(a->tokens) * dims;
    pack_values(a, m.values);
    if (a->tokens <= WHOLE_VECS * LANES)
        attend_whole(a, &m);
    else
        attend_long(a, &m);
}
