/* SPDX-License-Identifier: Apache-2.0
 * habit.c - which way queries lean, for tighter bounds by signs: see layers.h.
 *
 * Texts lie far from all pictures, all of them the same way, and pictures hardly differ in that direction. A bound by
 * Cauchy and Schwarz must still assume that what a code leaves out of a row points that way. So once some queries came,
 * the direction p of their mean is taken, and for each row is kept how far it reaches along p, r.p. For a query with
 * the share a along p, s = a p + s',
 *
 *     s.r = a r.p + s'.r,
 *
 * and the codes of r are bounds of the latter, with a much shorter s'. Whatever the direction is, the bound is one.
 *
 * For y = turn' p, r.p = y.x - y.mean - (basis y).h'. It is off by no more than `off`, as are float32 sums of y.x and
 * of the head, and bfloat16 takes up to 2^-8 of what it holds.
 *
 * Threads: one makes it; then it is read only. */
#include "base/mem.h"
#include "index/layers.h"

#include <math.h>

typedef struct {
    habit *h;
    const codes *c;
    const scan_set *set;
    const float *y;      /* [dim], of length about 1 */
    const double *share; /* [head]: basis y */
    double mean;         /* y.mean */
} measuring;

void habit_free(habit *h)
{
    if (!h) return;
    mem_free(h->direction);
    mem_free(h->along);
    mem_free(h);
}

static uint16_t nearest_half(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static void measure_rows(const measuring *m, size_t first, size_t n, const float *products)
{
    const codes *c = m->c;
    const uint16_t *error = c->layers[LAYER_LENGTH], *head_scale = c->layers[LAYER_HEAD_SCALE];
    const uint8_t *heads = c->layers[LAYER_HEAD];
    for (size_t i = 0; i < n; i++) {
        const size_t row = first + i;
        double known = 0;
        for (size_t j = 0; j < c->f.head; j++) known += m->share[j] * ((double)heads[row * c->f.head + j] - 63.5);
        const double reach = (double)products[i] - m->mean - known * (double)widen_half(head_scale[row]);
        m->h->along[row] = isfinite(widen_half(error[row])) ? nearest_half((float)reach) : 0;
    }
}

static void measure_block(void *user, size_t block, int worker)
{
    const measuring *m = user;
    const size_t first = block * ROWS_AT_ONCE;
    const size_t n = m->h->n - first < ROWS_AT_ONCE ? m->h->n - first : ROWS_AT_ONCE;
    float products[ROWS_AT_ONCE];
    scan_kernels_best()->dots(m->set->rows + first * m->set->stride, n, m->set->stride, m->c->f.dim, m->y, products);
    measure_rows(m, first, n, products);
}

/* The direction of what is left of the mean query, turned like what rows leave. False: it is none. */
static bool choose_direction(habit *h, const codes *c, const double *mean_query)
{
    const frame *f = &c->f;
    double square = 0;
    memcpy(h->direction, mean_query, f->dim * sizeof *h->direction);
    for (size_t j = 0; j < f->head; j++) {
        const float *basis = f->basis + j * f->dim;
        double share = 0;
        for (size_t i = 0; i < f->dim; i++) share += mean_query[i] * (double)basis[i];
        for (size_t i = 0; i < f->dim; i++) h->direction[i] -= share * (double)basis[i];
    }
    frame_turn_doubles(f, h->direction);
    for (size_t i = 0; i < f->dim; i++) square += h->direction[i] * h->direction[i];
    if (!(square > 1e-12 && square < 1e12)) return false;
    for (size_t i = 0; i < f->dim; i++) h->direction[i] /= sqrt(square);
    return true;
}

static void measure_all(habit *h, const codes *c, const scan_set *set, double *y, float *rounded, pool *threads)
{
    const frame *f = &c->f;
    double share[HEAD_MOST];
    measuring m = {.h = h, .c = c, .set = set, .y = rounded, .share = share};
    memcpy(y, h->direction, f->dim * sizeof *y);
    frame_turn_back(f, y);
    for (size_t i = 0; i < f->dim; i++) {
        rounded[i] = (float)y[i];
        m.mean += y[i] * (double)f->mean[i];
    }
    for (size_t j = 0; j < f->head; j++) {
        share[j] = 0;
        for (size_t i = 0; i < f->dim; i++) share[j] += y[i] * (double)f->basis[j * f->dim + i];
    }
    const size_t blocks = (h->n + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
    if (threads)
        pool_run(threads, blocks, measure_block, &m);
    else
        for (size_t block = 0; block < blocks; block++) measure_block(&m, block, 0);
    float most = 0;
    for (size_t i = 0; i < h->n; i++) { /* fmaxf() here is more than GCC 12 for arm64 can take */
        const float far = fabsf(widen_half(h->along[i]));
        if (far > most) most = far;
    }
    /* of y.x, of y itself, and of what is left of doubles; of bfloat16 */
    h->off = 4 * rounding_of(f->dim) * (double)LONGEST_ROW + 0x1p-8 * (double)most;
}

habit *habit_new(const codes *c, const scan_set *set, const double *mean_query, pool *threads)
{
    habit *h = mem_new(habit);
    double *y = mem_array(c->f.dim, sizeof *y);
    float *rounded = mem_array(c->f.dim, sizeof *rounded);
    if (h) {
        *h = (habit){.n = set->n};
        h->direction = mem_array(c->f.dim, sizeof *h->direction);
        h->along = mem_array(set->n, sizeof *h->along);
    }
    bool done = h && y && rounded && h->direction && h->along && set->dim == c->f.dim && set->n <= c->capacity;
    done = done && choose_direction(h, c, mean_query);
    if (done) measure_all(h, c, set, y, rounded, threads);
    mem_free(y);
    mem_free(rounded);
    if (done) return h;
    habit_free(h);
    return NULL;
}
