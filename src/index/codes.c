/* SPDX-License-Identifier: Apache-2.0
 * codes.c - rows in layers of few bits a number: see layers.h for what they mean, cascade.c for how they are searched.
 *
 * What each layer leaves out is measured in double precision, so that its length is a bound whatever the layer holds.
 * The exact r of a row is x - mean - basis' h', and codes are made of a computed one. How far the two may be apart goes
 * into each error: the difference of x and the mean and the sum over the head are float32 sums (rounding_of), the turn
 * adds a rounding a stage. That basis r is not zero comes from the rounding of h and, as far as the basis is not
 * orthonormal, from h' itself.
 *
 * Threads: different rows may be coded at once. */
#include "base/cpu.h"
#include "base/mem.h"
#include "index/layers.h"

#include <math.h>
#include <sys/mman.h>

/* ---- kernels ---- */

const code_kernels *code_kernels_named(const char *name)
{
    if (!strcmp(name, "plain")) return &code_kernels_plain;
#ifdef __x86_64__
    __builtin_cpu_init();
    if (!strcmp(name, "avx2") && __builtin_cpu_supports("avx2")) return &code_kernels_avx2;
    if (!strcmp(name, "avx512vnni") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vnni"))
        return &code_kernels_avx512vnni;
#endif
#ifdef __aarch64__
    if (!strcmp(name, "neon")) return &code_kernels_neon;
    if (!strcmp(name, "dotprod") && cpu_has_dotprod()) return &code_kernels_dotprod;
#endif
    return NULL;
}

const code_kernels *code_kernels_best(void)
{
    static const char *const best_first[] = {"avx512vnni", "avx2", "dotprod", "neon"};
    for (size_t i = 0; i < sizeof best_first / sizeof *best_first; i++) {
        const code_kernels *k = code_kernels_named(best_first[i]);
        if (k) return k;
    }
    return &code_kernels_plain;
}

void codes_use(codes *c, const code_kernels *kernels)
{
    c->kernels = kernels;
}

/* ---- memory ---- */

/* Asks for pages of 2 MiB: rows that are looked at again lie all over a plane, and so many small pages are more than
 * the processor's tables of them hold. */
static void *plane_new(size_t bytes)
{
    enum { PAGE = 1 << 21 };
    void *plane = mem_aligned(bytes);
    const uintptr_t at = (uintptr_t)plane, first = (at + PAGE - 1) / PAGE * PAGE, end = (at + bytes) / PAGE * PAGE;
    if (plane && end > first) (void)madvise((uint8_t *)plane + (first - at), end - first, MADV_HUGEPAGE);
    return plane;
}

size_t codes_layer_bytes(size_t layer, size_t dim, size_t head)
{
    switch (layer) {
    case LAYER_HEAD: return head;
    case LAYER_SIGNS:
    case LAYER_SECOND: return (dim + 63) / 64 * 8;
    case LAYER_HIGH:
    case LAYER_LOW: return (dim + GROUP_NUMBERS - 1) / GROUP_NUMBERS * CODE_GROUP;
    default: return sizeof(uint16_t);
    }
}

/* Without layers; takes the frame over. */
static codes *codes_around(frame *f, size_t capacity)
{
    codes *c = mem_new(codes);
    spare_room *room = mem_new(spare_room);
    if (!c || !room) {
        mem_free(c);
        mem_free(room);
        frame_release(f);
        return NULL;
    }
    atomic_init(&room->idle, NULL);
    *c = (codes){.f = *f, .room = room, .capacity = capacity, .kernels = code_kernels_best()};
    c->words = (f->dim + 63) / 64;
    c->groups = (f->dim + GROUP_NUMBERS - 1) / GROUP_NUMBERS;
    return c;
}

static codes *codes_with_layers(frame *f, size_t capacity)
{
    codes *c = codes_around(f, capacity);
    for (size_t layer = 0; c && layer < CODES_LAYERS; layer++) {
        size_t bytes;
        const bool fits = mem_mul(capacity + SIGN_ROWS - 1, codes_layer_bytes(layer, c->f.dim, c->f.head), &bytes);
        c->layers[layer] = fits ? plane_new(bytes) : NULL;
        if (c->layers[layer]) continue;
        codes_free(c);
        return NULL;
    }
    return c;
}

codes *codes_new(const float *rows, size_t stride, size_t n, size_t capacity, size_t dim)
{
    frame f;
    if (dim > CODES_MOST_DIM || !frame_fit(&f, rows, stride, n, dim)) return NULL;
    return codes_with_layers(&f, capacity);
}

codes *codes_larger(const codes *from, size_t capacity, size_t n)
{
    frame f;
    codes *c = frame_copy(&f, &from->f) ? codes_with_layers(&f, capacity) : NULL;
    for (size_t layer = 0; c && layer < CODES_LAYERS; layer++)
        memcpy(c->layers[layer], from->layers[layer],
               (layer == LAYER_SIGNS ? (n + SIGN_ROWS - 1) / SIGN_ROWS * SIGN_ROWS : n) *
                   codes_layer_bytes(layer, f.dim, f.head));
    return c;
}

codes *codes_over(const float *mean, const float *basis, size_t head, size_t dim, size_t capacity,
                  void *const layers[CODES_LAYERS])
{
    frame f;
    if (!dim || dim > CODES_MOST_DIM || head > HEAD_MOST || head % HEAD_STEP || !frame_init(&f, dim, head)) return NULL;
    memcpy(f.mean, mean, dim * sizeof *mean);
    if (head) memcpy(f.basis, basis, head * dim * sizeof *basis);
    if (!frame_finish(&f)) {
        frame_release(&f);
        return NULL;
    }
    codes *c = codes_around(&f, capacity);
    if (!c) return NULL;
    memcpy(c->layers, layers, sizeof c->layers);
    c->borrowed = true;
    return c;
}

void codes_free(codes *c)
{
    if (!c) return;
    for (size_t layer = 0; !c->borrowed && layer < CODES_LAYERS; layer++) mem_free(c->layers[layer]);
    frame_release(&c->f);
    mem_free(atomic_load(&c->room->idle));
    mem_free(c->room);
    mem_free(c);
}

size_t codes_bytes(const codes *c)
{
    size_t bytes = 0;
    for (size_t layer = 0; layer < CODES_LAYERS; layer++) bytes += codes_layer_bytes(layer, c->f.dim, c->f.head);
    return c->capacity * bytes;
}

size_t codes_head(const codes *c)
{
    return c->f.head;
}

const float *codes_mean(const codes *c)
{
    return c->f.mean;
}

const float *codes_basis(const codes *c)
{
    return c->f.basis;
}

const void *codes_layer(const codes *c, size_t layer)
{
    return c->layers[layer];
}

/* ---- coding ---- */

static uint16_t half_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)(bits >> 16);
}

/* A bfloat16 not below a number that is at least 0, with 2^-100 for the products of numbers that are flushed to 0. */
static uint16_t round_up(double value)
{
    const float wide = (float)(value * (1 + 0x1p-20)) + 0x1p-100f;
    const uint16_t half = half_of(wide);
    return widen_half(half) < wide ? (uint16_t)(half + 1) : half;
}

/* The largest absolute value, and the norm. A maximum over the bits of floats is one over their absolute values, with
 * what is no number above all. */
static float measure(const float *x, size_t dim, double *norm)
{
    enum { LANES = 8 };
    uint32_t most = 0;
    double sum[LANES] = {0};
    size_t i = 0;
    for (size_t j = 0; j < dim; j++) {
        uint32_t bits;
        memcpy(&bits, x + j, sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    for (; i + LANES <= dim; i += LANES)
        for (size_t j = 0; j < LANES; j++) sum[j] += (double)x[i + j] * (double)x[i + j];
    for (; i < dim; i++) sum[0] += (double)x[i] * (double)x[i];
    for (size_t j = 1; j < LANES; j++) sum[0] += sum[j];
    *norm = sqrt(sum[0]);
    float largest;
    memcpy(&largest, &most, sizeof largest);
    return largest;
}

/* A row on its way. */
typedef struct {
    double norm;       /* |x| */
    double head;       /* |h'| */
    double head_error; /* bounds |basis r| */
    double left_error; /* bounds what the computed r is off by */
    float left[CODES_MOST_DIM];
} coding;

/* h to h', in place. Returns the length of what that leaves out. */
static double round_head(float *h, size_t n, uint8_t *u, uint16_t *scale)
{
    double norm, square = 0;
    *scale = round_up((double)measure(h, n, &norm) / 64);
    const float s = widen_half(*scale);
    for (size_t i = 0; i < n; i++) {
        const float at = h[i] / s + 64;
        u[i] = (uint8_t)(at < 0 ? 0 : at > 127 ? 127 : at);
        const float rounded = s * ((float)u[i] - 63.5f); /* exact: 8 bits by 8 */
        const double left = (double)h[i] - (double)rounded;
        square += left * left;
        h[i] = rounded;
    }
    return sqrt(square);
}

/* Takes the head off what is left. */
static void put_head(const codes *c, size_t row, coding *x)
{
    const frame *f = &c->f;
    const scan_kernels *kernels = scan_kernels_best();
    uint8_t *u = (uint8_t *)c->layers[LAYER_HEAD] + row * f->head;
    float h[HEAD_MOST], part[ROWS_AT_ONCE];
    double from;
    if (!f->head) return;
    measure(x->left, f->dim, &from);
    kernels->dots(f->basis, f->head, f->dim, f->dim, x->left, h);
    const double wide = sqrt((double)f->head) * (1 + f->defect);
    const double off = rounding_of(f->dim) * wide * from + 2 * x->left_error;
    x->head_error = round_head(h, f->head, u, (uint16_t *)c->layers[LAYER_HEAD_SCALE] + row) + off;
    measure(h, f->head, &x->head);
    x->head_error += f->defect * x->head;
    for (size_t at = 0; at < f->dim; at += ROWS_AT_ONCE) {
        const size_t n = f->dim - at < ROWS_AT_ONCE ? f->dim - at : ROWS_AT_ONCE;
        kernels->dots(f->columns + at * f->head, n, f->head, f->head, h, part);
        for (size_t i = 0; i < n; i++) x->left[at + i] -= part[i];
    }
    x->left_error = rounding_of(f->head + 2) * (x->norm + f->length + wide * x->head);
}

/* Codes n <= GROUP_NUMBERS numbers: u, 0 behind the last. Adds to the squares of what the codes leave out. */
static void code_numbers(const float *x, size_t n, float scale, uint8_t *u, double *square4, double *square8)
{
    enum { LANES = 4 };
    const float inverse = 1 / scale;
    const double s = (double)scale;
    double four[LANES] = {0}, eight[LANES] = {0};
    memset(u, 0, GROUP_NUMBERS);
    for (size_t i = 0; i < n; i++) {
        const int32_t code = (int32_t)(x[i] * inverse + 128);
        u[i] = (uint8_t)(code > 255 ? 255 : code < 0 ? 0 : code);
    }
    for (size_t i = 0; i < n; i++) {
        const double left8 = (double)x[i] - s * ((double)u[i] - 127.5);
        const double left4 = (double)x[i] - s * ((double)(u[i] & 0xf0) - 120);
        eight[i % LANES] += left8 * left8;
        four[i % LANES] += left4 * left4;
    }
    *square4 += four[0] + four[1] + four[2] + four[3];
    *square8 += eight[0] + eight[1] + eight[2] + eight[3];
}

static void pack(const uint8_t *u, uint8_t *high, uint8_t *low)
{
    for (size_t j = 0; j < CODE_GROUP; j++) {
        high[j] = (uint8_t)(u[j] >> 4 | (u[CODE_GROUP + j] & 0xf0));
        low[j] = (uint8_t)((u[j] & 15) | u[CODE_GROUP + j] << 4);
    }
}

static void put_numbers(const codes *c, size_t row, const coding *x, float largest)
{
    const size_t stride = c->groups * CODE_GROUP;
    uint8_t *high = (uint8_t *)c->layers[LAYER_HIGH] + row * stride;
    uint8_t *low = (uint8_t *)c->layers[LAYER_LOW] + row * stride;
    const uint16_t scale = round_up((double)largest / 128);
    double square4 = 0, square8 = 0;
    for (size_t g = 0; g < c->groups; g++) {
        uint8_t u[GROUP_NUMBERS];
        const size_t at = g * GROUP_NUMBERS, n = c->f.dim - at < GROUP_NUMBERS ? c->f.dim - at : GROUP_NUMBERS;
        code_numbers(x->left + at, n, widen_half(scale), u, &square4, &square8);
        pack(u, high + g * CODE_GROUP, low + g * CODE_GROUP);
    }
    ((uint16_t *)c->layers[LAYER_SCALE])[row] = scale;
    ((uint16_t *)c->layers[LAYER_ERROR_4])[row] = round_up(sqrt(square4) + x->left_error);
    ((uint16_t *)c->layers[LAYER_ERROR_8])[row] = round_up(sqrt(square8) + x->left_error);
}

static void put_signs(const codes *c, size_t row, const coding *x, double norm)
{
    const size_t dim = c->f.dim;
    uint8_t *block = (uint8_t *)c->layers[LAYER_SIGNS] + row / SIGN_ROWS * SIGN_ROWS * c->words * 8;
    double sum = 0, square = 0;
    for (size_t i = 0; i < c->words * 64; i += 8) {
        uint8_t bits = 0;
        for (size_t j = 0; j < 8 && i + j < dim; j++) {
            bits |= (uint8_t)((x->left[i + j] >= 0) << j);
            sum += (double)fabsf(x->left[i + j]);
        }
        block[i / 8 * SIGN_ROWS + row % SIGN_ROWS] = bits;
    }
    const double s = step_of(SIGN_STEP, dim) * (double)widen_half(((uint16_t *)c->layers[LAYER_LENGTH])[row]);
    square = norm * norm - 2 * s * sum + s * s * (double)dim;
    square = (square > 0 ? square : 0) + 0x1p-30 * norm * norm; /* what the formula itself rounds */
    ((uint16_t *)c->layers[LAYER_SIGN_ERROR])[row] = round_up(sqrt(square) + x->left_error);
}

/* The second bits: whether a number is at least as large as the step, and the opposite for those below 0. */
static void put_second(const codes *c, size_t row, const coding *x)
{
    const double s = step_of(SECOND_STEP, c->f.dim) * (double)widen_half(((uint16_t *)c->layers[LAYER_LENGTH])[row]);
    const size_t bytes = c->words * 8;
    uint8_t *to = (uint8_t *)c->layers[LAYER_SECOND] + row * bytes;
    double square[8] = {0}, sum = 0;
    memset(to, 0, bytes);
    for (size_t i = 0; i < c->f.dim; i++) {
        const float number = x->left[i];
        const bool first = number >= 0, second = ((double)fabsf(number) >= s) == first;
        const double left = (double)number - s * (2 * first + second - 1.5);
        const bit_place at = bit_of(i, bytes);
        to[at.byte] |= (uint8_t)(second << at.bit);
        square[i % 8] += left * left;
    }
    for (size_t j = 0; j < 8; j++) sum += square[j];
    ((uint16_t *)c->layers[LAYER_SECOND_ERROR])[row] = round_up(sqrt(sum) + x->left_error);
}

/* Nothing is known of this one: no bound is below anything. */
static void put_unknown(const codes *c, size_t row)
{
    const uint16_t infinite = half_of(INFINITY);
    for (size_t layer = 0; layer < CODES_LAYERS; layer++) {
        const size_t bytes = codes_layer_bytes(layer, c->f.dim, c->f.head);
        if (layer != LAYER_SIGNS) memset((uint8_t *)c->layers[layer] + row * bytes, 0, bytes);
    }
    ((uint16_t *)c->layers[LAYER_LENGTH])[row] = infinite;
    ((uint16_t *)c->layers[LAYER_SIGN_ERROR])[row] = infinite;
    ((uint16_t *)c->layers[LAYER_SECOND_ERROR])[row] = infinite;
    ((uint16_t *)c->layers[LAYER_ERROR_4])[row] = infinite;
    ((uint16_t *)c->layers[LAYER_ERROR_8])[row] = infinite;
}

void codes_put(codes *c, size_t row, const float *numbers)
{
    coding x;
    double norm;
    const float most = measure(numbers, c->f.dim, &x.norm);
    if (!(most <= LONGEST_ROW && x.norm <= (double)LONGEST_ROW)) {
        put_unknown(c, row);
        return;
    }
    for (size_t i = 0; i < c->f.dim; i++) x.left[i] = numbers[i] - c->f.mean[i];
    x.left_error = rounding_of(0) * (x.norm + c->f.length);
    x.head = x.head_error = 0;
    ((uint16_t *)c->layers[LAYER_HEAD_SCALE])[row] = 0;
    put_head(c, row, &x);
    ((uint16_t *)c->layers[LAYER_HEAD_ERROR])[row] = round_up(x.head_error);
    frame_turn(&c->f, x.left);
    const float largest = measure(x.left, c->f.dim, &norm);
    x.left_error += norm * 0x1p-18 + 0x1p-60; /* of turning: (log2(16384) + 3) 2^-23 is less */
    ((uint16_t *)c->layers[LAYER_LENGTH])[row] = round_up(norm + x.left_error);
    put_signs(c, row, &x, norm);
    put_second(c, row, &x);
    put_numbers(c, row, &x, largest);
}

typedef struct {
    codes *c;
    const float *rows;
    size_t stride, first, end;
} put_job;

static void put_block(void *user, size_t block, int worker)
{
    const put_job *job = user;
    const size_t first = job->first + block * ROWS_AT_ONCE;
    const size_t end = job->end - first < ROWS_AT_ONCE ? job->end : first + ROWS_AT_ONCE;
    for (size_t row = first; row < end; row++) codes_put(job->c, row, job->rows + row * job->stride);
}

void codes_put_rows(codes *c, const float *rows, size_t stride, size_t first, size_t end, pool *threads)
{
    put_job job = {.c = c, .rows = rows, .stride = stride, .first = first, .end = end};
    const size_t blocks = (end - first + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
    if (threads)
        pool_run(threads, blocks, put_block, &job);
    else
        for (size_t block = 0; block < blocks; block++) put_block(&job, block, 0);
}
