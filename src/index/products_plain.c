/* SPDX-License-Identifier: Apache-2.0
 * products_plain.c - products of the codes of rows with those of many queries, and bounds by them, in plain C: the
 * definition that the other kernels equal. */
#include "index/products.h"

#include "index/kernels.h"

static void join(const uint8_t *high, const uint8_t *low, size_t groups, uint8_t *numbers)
{
    for (size_t g = 0; g < groups; g++, high += CODE_GROUP, low += CODE_GROUP, numbers += 2 * CODE_GROUP)
        for (size_t j = 0; j < CODE_GROUP; j++) {
            numbers[j] = (uint8_t)((high[j] & 15) << 4 | (low[j] & 15));
            numbers[CODE_GROUP + j] = (uint8_t)((high[j] & 0xf0) | low[j] >> 4);
        }
}

/* Of one row with query `at` of a panel. */
static int32_t sum_of(const uint8_t *row, const int8_t *panel, size_t width, size_t at)
{
    int32_t sum = 0;
    for (size_t j = 0; j < width; j++) sum += row[j] * panel[j / 4 * 4 * PANEL + 4 * at + j % 4];
    return sum;
}

static float bound(const batch_queries *q, const uint8_t *head, const uint8_t *numbers, const row_facts *f, size_t j)
{
    const size_t panel = j / PANEL;
    const int32_t a = sum_of(head, q->heads + panel * q->head * PANEL, q->head, j % PANEL);
    const int32_t b = sum_of(numbers, q->numbers + panel * q->width * PANEL, q->width, j % PANEL);
    const float of_head = (float)(2 * a - q->head_less[j]) * q->head_factor[j] + q->of_head_scale[j];
    const float known = q->base[j] + (of_head * f->head_scale + q->of_head_error[j] * f->head_error);
    const float of_rest = (float)(2 * b - q->less[j]) * q->factor[j];
    return known + (of_rest * f->scale + q->of_length[j] * f->length) + q->of_error[j] * f->error;
}

static void bounds(const batch_tile *t)
{
    const batch_queries *q = t->q;
    for (size_t i = 0; i < t->n; i++) {
        float *most = t->most + i * BATCH_QUERIES;
        t->masks[i] = 0;
        for (size_t j = 0; j < q->panels * PANEL; j++) {
            most[j] = bound(q, t->heads + i * q->head, t->numbers + i * q->width, t->facts + i, j);
            t->masks[i] |= (uint64_t) !(most[j] < t->bars[j]) << j;
        }
    }
}

const batch_kernels batch_kernels_plain = {.name = "plain", .join = join, .bounds = bounds};
