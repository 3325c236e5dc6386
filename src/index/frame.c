/* SPDX-License-Identifier: Apache-2.0
 * frame.c - the mean and the main directions of rows: see frame.h.
 *
 * The directions come from a sample of rows by subspace iteration (Golub and Van Loan, "Matrix Computations", 8.2.4):
 * a few rounds of multiplying by the sample's covariance and orthonormalising. They need not be exact, and where the
 * rows differ as much in all directions there are none. */
#include "index/frame.h"

#include "base/mem.h"
#include "index/kernels.h"

#include <math.h>

enum { SAMPLE = 2048, ROUNDS = 4 };

/* A step of the head is worth its bytes where it takes this share of what is left, and this share of all. */
static const double WORTH_OF_REST = 0.1, WORTH_OF_ALL = 0.02;
static const double MOST_LENGTH = 2, MOST_DEFECT = 1e-3;

static bool is_negative(size_t i)
{
    uint64_t x = (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    return x >> 40 & 1;
}

bool frame_init(frame *f, size_t dim, size_t head)
{
    *f = (frame){.dim = dim, .head = head};
    f->mean = mem_zero_array(dim, sizeof *f->mean);
    f->basis = mem_zero_array(head, dim * sizeof *f->basis);
    f->columns = mem_zero_array(head, dim * sizeof *f->columns);
    f->flips = mem_array(dim, sizeof *f->flips);
    if (!f->mean || !f->basis || !f->columns || !f->flips) {
        frame_release(f);
        return false;
    }
    for (size_t i = 0; i < dim; i++) f->flips[i] = is_negative(i) ? -1 : 1;
    return true;
}

void frame_release(frame *f)
{
    mem_free(f->mean);
    mem_free(f->basis);
    mem_free(f->columns);
    mem_free(f->flips);
    *f = (frame){0};
}

bool frame_copy(frame *to, const frame *from)
{
    if (!frame_init(to, from->dim, from->head)) return false;
    memcpy(to->mean, from->mean, from->dim * sizeof *to->mean);
    memcpy(to->basis, from->basis, from->head * from->dim * sizeof *to->basis);
    memcpy(to->columns, from->columns, from->head * from->dim * sizeof *to->columns);
    to->length = from->length;
    to->defect = from->defect;
    return true;
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

bool frame_finish(frame *f)
{
    double square = 0;
    for (size_t i = 0; i < f->head; i++) {
        for (size_t j = 0; j < f->dim; j++) f->columns[j * f->head + i] = f->basis[i * f->dim + j];
        for (size_t k = 0; k <= i; k++) {
            const double off = dot(f->basis + i * f->dim, f->basis + k * f->dim, f->dim) - (i == k);
            square += (i == k ? 1 : 2) * off * off;
        }
    }
    f->length = sqrt(dot(f->mean, f->mean, f->dim));
    f->defect = sqrt(square);
    return f->length <= MOST_LENGTH && f->defect <= MOST_DEFECT; /* what is no number is not */
}

/* ---- fitting ---- */

typedef struct {
    float *rows; /* [n, dim], less their mean */
    float *next; /* [HEAD_MOST, dim] */
    float *share;
    size_t n, dim;
    double square; /* of all */
} sample;

static bool is_usable(const float *x, size_t dim)
{
    const double square = dot(x, x, dim);
    return square > 0 && square <= MOST_LENGTH * MOST_LENGTH;
}

/* Evenly from all rows. False: out of memory. */
static bool take_sample(sample *s, frame *f, const float *rows, size_t stride, size_t n)
{
    double *sum = mem_zero_array(s->dim, sizeof *sum);
    const size_t wanted = n < SAMPLE ? n : SAMPLE;
    if (!sum) return false;
    for (size_t i = 0; i < wanted; i++) {
        const float *x = rows + i * n / wanted * stride;
        if (!is_usable(x, s->dim)) continue;
        memcpy(s->rows + s->n++ * s->dim, x, s->dim * sizeof *x);
        for (size_t j = 0; j < s->dim; j++) sum[j] += (double)x[j];
    }
    for (size_t j = 0; s->n && j < s->dim; j++) f->mean[j] = (float)(sum[j] / (double)s->n);
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < s->dim; j++) s->rows[i * s->dim + j] -= f->mean[j];
    s->square = dot(s->rows, s->rows, s->n * s->dim);
    mem_free(sum);
    return true;
}

static void add(float *to, const float *x, float factor, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] += factor * x[i];
}

/* Gram and Schmidt, twice: once is not orthogonal enough. A direction of nothing becomes zero. */
static void orthonormalise(float *basis, size_t count, size_t dim)
{
    for (size_t i = 0; i < count; i++) {
        float *x = basis + i * dim;
        for (size_t k = 0; k < 2 * i; k++) {
            const float *y = basis + k % i * dim;
            add(x, y, -(float)dot(x, y, dim), dim);
        }
        const double length = sqrt(dot(x, x, dim));
        for (size_t j = 0; j < dim; j++) x[j] = length > 1e-12 ? (float)((double)x[j] / length) : 0;
    }
}

/* basis = orthonormalised (covariance basis'). */
static void multiply(sample *s, float *basis, size_t count)
{
    const scan_kernels *kernels = scan_kernels_best();
    memset(s->next, 0, count * s->dim * sizeof *s->next);
    for (size_t i = 0; i < s->n; i++) {
        const float *x = s->rows + i * s->dim;
        kernels->dots(basis, count, s->dim, s->dim, x, s->share);
        for (size_t k = 0; k < count; k++) add(s->next + k * s->dim, x, s->share[k], s->dim);
    }
    memcpy(basis, s->next, count * s->dim * sizeof *basis);
    orthonormalise(basis, count, s->dim);
}

/* How many directions are worth their bytes. */
static size_t choose_head(sample *s, const float *basis, size_t count)
{
    const scan_kernels *kernels = scan_kernels_best();
    double square[HEAD_MOST] = {0}, left = s->square;
    for (size_t i = 0; i < s->n; i++) {
        kernels->dots(basis, count, s->dim, s->dim, s->rows + i * s->dim, s->share);
        for (size_t k = 0; k < count; k++) square[k] += (double)s->share[k] * (double)s->share[k];
    }
    for (size_t head = 0; head < count; head += HEAD_STEP) {
        double more = 0;
        const double even = (double)HEAD_STEP / (double)(s->dim - head);
        const double worth = WORTH_OF_REST > 2 * even ? WORTH_OF_REST : 2 * even;
        for (size_t k = head; k < head + HEAD_STEP; k++) more += square[k];
        if (more < worth * left || more < WORTH_OF_ALL * s->square) return head;
        left -= more;
    }
    return count;
}

static void fit_sample(frame *f, sample *s)
{
    const size_t count =
        s->dim / 4 / HEAD_STEP * HEAD_STEP < HEAD_MOST ? s->dim / 4 / HEAD_STEP * HEAD_STEP : HEAD_MOST;
    if (s->n < 8 * (size_t)HEAD_MOST || !count) return;
    for (size_t k = 0; k < count; k++)
        memcpy(f->basis + k * s->dim, s->rows + k * s->n / count * s->dim, s->dim * sizeof(float));
    orthonormalise(f->basis, count, s->dim);
    for (int round = 0; round < ROUNDS; round++) multiply(s, f->basis, count);
    f->head = choose_head(s, f->basis, count);
}

bool frame_fit(frame *f, const float *rows, size_t stride, size_t n, size_t dim)
{
    sample s = {.dim = dim};
    if (!frame_init(f, dim, HEAD_MOST)) return false;
    s.rows = mem_array(n < SAMPLE ? n : SAMPLE, dim * sizeof *s.rows);
    s.next = mem_array(HEAD_MOST, dim * sizeof *s.next);
    s.share = mem_array(HEAD_MOST, sizeof *s.share);
    f->head = 0;
    const bool ready = s.rows && s.next && s.share && take_sample(&s, f, rows, stride, n);
    if (ready) {
        fit_sample(f, &s);
        if (!frame_finish(f)) f->head = 0;
        if (!f->head && !frame_finish(f)) memset(f->mean, 0, dim * sizeof *f->mean);
        frame_finish(f);
    } else {
        frame_release(f);
    }
    mem_free(s.rows);
    mem_free(s.next);
    mem_free(s.share);
    return ready;
}

/* ---- turning ---- */

#define DEFINE_HADAMARD(name, type)                                                                                    \
    static void name(type *x, size_t dim)                                                                              \
    {                                                                                                                  \
        for (size_t n; dim; x += n, dim -= n) {                                                                        \
            for (n = 1; 2 * n <= dim;) n *= 2;                                                                         \
            for (size_t half = 1; half < n; half *= 2)                                                                 \
                for (size_t at = 0; at < n; at += 2 * half)                                                            \
                    for (size_t i = at; i < at + half; i++) {                                                          \
                        const type a = x[i], b = x[i + half];                                                          \
                        x[i] = a + b;                                                                                  \
                        x[i + half] = a - b;                                                                           \
                    }                                                                                                  \
            const type scale = (type)(1 / sqrt((double)n));                                                            \
            for (size_t i = 0; i < n; i++) x[i] *= scale;                                                              \
        }                                                                                                              \
    }

DEFINE_HADAMARD(hadamard, float)
DEFINE_HADAMARD(hadamard_doubles, double)

void frame_turn(const frame *f, float *x)
{
    for (size_t i = 0; i < f->dim; i++) x[i] *= f->flips[i];
    hadamard(x, f->dim);
}

void frame_turn_doubles(const frame *f, double *x)
{
    for (size_t i = 0; i < f->dim; i++) x[i] *= (double)f->flips[i];
    hadamard_doubles(x, f->dim);
}

void frame_turn_back(const frame *f, double *x)
{
    hadamard_doubles(x, f->dim);
    for (size_t i = 0; i < f->dim; i++) x[i] *= (double)f->flips[i];
}
