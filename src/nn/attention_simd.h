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

/* ---- packing ---- */

/* LANES keys from k on, `left` of them real, the others 0: columns of `to`, whose rows are `width` lanes long. */
static void pack_some_keys(const nn_attention_head *a, const float *k, int64_t left, float *to, int64_t width)
{
    for (int64_t d = 0; d < a->head_dim; d += GROUP * LANES) {
        const int64_t dims = a->head_dim - d;
        const int lanes = dims < GROUP * LANES ? (int)groups(dims) : LANES;
        vec r[LANES];
        if (left >= LANES && lanes == LANES)
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++) r[i] = v_load_groups(k + i * a->stride + d, dims);
        else
            for (int i = 0; i < LANES; i++) r[i] = i < left ? v_load_groups(k + i * a->stride + d, dims) : v_set(0);
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
    for (int64_t j = 0; j < a->tokens; j += LANES)
        pack_some_keys(a, a->k + j * a->stride, a->tokens - j,
                       packed + j / width * width * groups(a->head_dim) + j % width, width);
}

/* packed: [panels(head_dim), groups(tokens), PANEL] */
static void pack_values(const nn_attention_head *a, float *packed)
{
    for (int64_t j = 0; j < a->tokens; j += GROUP) {
        const float *v = a->v + j * a->stride, *next = j + 1 < a->tokens ? v + a->stride : NULL;
        for (int64_t d = 0; d < a->head_dim; d += LANES) {
            const int left = a->head_dim - d < LANES ? (int)(a->head_dim - d) : LANES;
            float *to = packed + (d / PANEL * groups(a->tokens) + j / GROUP) * PANEL + d % PANEL;
            const vec one = v_load_first(v + d, left);
            v_store(to, GROUP == 1 ? one : v_pair(one, next ? v_load_first(next + d, left) : v_set(0)));
        }
    }
}

/* Calls for the same rows of the head that comes next. */
INLINE void call_for_next(const nn_attention_head *a, int64_t first, int64_t rows)
{
    if (!a->next) return;
    const float *q = a->next + first * a->stride;
    float *out = a->next_out + first * a->out_stride;
    for (int64_t r = 0; r < rows; r++, q += a->stride, out += a->out_stride)
        for (int64_t d = 0; d < a->head_dim; d += 16) {
            v_prefetch(q + d);
            v_prefetch(q + (a->k - a->q) + d);
            v_prefetch(q + (a->v - a->q) + d);
            v_prefetch_to_write(out + d);
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

/* Where a tile's result goes: rows `stride` floats apart, each multiplied by its factor; the last vector has only
 * `last` numbers. */
typedef struct {
    float *c;
    int64_t stride;
    const float *factor;
    int last;
} target;

INLINE void tile(const int rows, const int vecs, int64_t depth, const matrix *a, const matrix *b, const target *to)
{
    vec acc[MOST_ROWS][WHOLE_VECS];
    clear(rows, vecs, acc);
    multiply(rows, vecs, depth, a, b, acc);
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        const vec factor = v_set(to->factor[r]);
        float *c = to->c + r * to->stride;
#pragma GCC unroll 16
        for (int v = 0; v + 1 < vecs; v++) v_store(c + v * LANES, v_mul(acc[r][v], factor));
        v_store_first(c + (vecs - 1) * LANES, v_mul(acc[r][vecs - 1], factor), to->last);
    }
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
    const float *q = a->q + first * a->stride;
    const int64_t stride = whole_vectors(groups(a->head_dim)) * LANES;
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
                         const float *packed_values, const float *factor, float *out)
{
    for (int64_t d = 0; d < a->head_dim; d += PANEL) {
        const int64_t left = a->head_dim - d;
        const int last = left >= PANEL || left % LANES == 0 ? LANES : (int)(left % LANES);
        const matrix values = {packed_values + d * groups(a->tokens), PANEL};
        const target to = {out + d, a->out_stride, factor, last};
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
            weighted_sum(a, now, seen, &part, m->values, factor + done, a->out + (first + done) * a->out_stride);
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
            const target to = {m->weights + done * stride + j, stride, ones, LANES};
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
            weighted_sum(a, now, keys, &weights, m->values, factor, a->out + (first + done) * a->out_stride);
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
