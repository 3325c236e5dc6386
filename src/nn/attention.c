/* SPDX-License-Identifier: Apache-2.0
 * attention.c - sharing out the heads of all sequences over a context's team. What is done with one head is a kernel's.
 *
 * Threads: as context.c. Work below about ten microseconds stays on the calling thread. */
#include "nn/context.h"

#include <assert.h>

enum { ATTENTION_ALONE = 1 << 19 /* multiply-adds: about 10 microseconds */ };

typedef struct {
    nn_context *ctx;
    const nn_attention_args *args;
    void (*attention)(const nn_attention_head *a, float *scratch);
    int64_t cost; /* of all sequences, per head */
} attention_job;

/* Products are quadratic in the length; packing and the rest are linear, as dear as about 24 keys. */
static int64_t sequence_cost(const nn_attention_args *a, int32_t s)
{
    const int64_t length = a->starts[s + 1] - a->starts[s];
    return length * (length + 24);
}

static int64_t total_cost(const nn_attention_args *a)
{
    int64_t cost = 0;
    for (int32_t s = 0; s < a->sequences; s++) cost += sequence_cost(a, s);
    return cost;
}

/* `numbers` further on, of either type. */
static const void *further(const void *from, bool half, int64_t numbers)
{
    return (const uint8_t *)from + numbers * (half ? (int64_t)sizeof(uint16_t) : (int64_t)sizeof(float));
}

static void *out_further(void *from, bool half, int64_t numbers)
{
    return (uint8_t *)from + numbers * (half ? (int64_t)sizeof(uint16_t) : (int64_t)sizeof(float));
}

/* Where the next head begins, in the order in which a worker goes through them. */
static void announce(const nn_attention_args *a, int32_t sequence, int32_t head, nn_attention_head *task)
{
    const int64_t first = a->starts[sequence], end = a->starts[sequence + 1];
    if (head + 1 < a->heads) {
        task->next = further(task->q, task->half, a->head_dim);
        task->next_out = out_further(task->out, task->out_half, a->head_dim);
    } else if (sequence + 1 < a->sequences && a->starts[sequence + 2] - end >= end - first) {
        task->next = further(a->qkv, task->half, end * task->stride);
        task->next_out = out_further(a->out, task->out_half, end * task->out_stride);
    }
}

static void attend(const attention_job *j, int32_t sequence, int32_t head, float *scratch)
{
    const nn_attention_args *a = j->args;
    const bool half = a->qkv_type == NN_ROWS_BF16, out_half = a->out_type == NN_ROWS_BF16;
    const int64_t width = (int64_t)a->heads * a->head_dim, first = a->starts[sequence];
    const int64_t stride = a->qkv_stride ? a->qkv_stride : 3 * width, column = (int64_t)head * a->head_dim;
    const int64_t out_stride = a->out_stride ? a->out_stride : width;
    const void *q = further(a->qkv, half, first * stride + column);
    nn_attention_head task = {
        .q = q,
        .k = further(q, half, width),
        .v = further(q, half, 2 * width),
        .stride = stride,
        .out = out_further(a->out, out_half, first * out_stride + column),
        .half = half,
        .out_half = out_half,
        .out_stride = out_stride,
        .tokens = a->starts[sequence + 1] - first,
        .head_dim = a->head_dim,
        .scale = a->scale,
        .causal = a->causal,
    };
    announce(a, sequence, head, &task);
    j->attention(&task, scratch);
}

/* A worker takes each (sequence, head) whose first unit of cost lies in its share: contiguous, and even where the
 * sequences are not. */
static void attention_part(void *user, int worker, int workers)
{
    const attention_job *j = user;
    const nn_attention_args *a = j->args;
    const int64_t total = j->cost * a->heads;
    const int64_t begin = nn_part_begin(total, worker, workers), end = nn_part_begin(total, worker + 1, workers);
    float *scratch = nn_scratch(j->ctx, worker);
    int64_t at = 0;
    for (int32_t s = 0; s < a->sequences && at < end; s++) {
        const int64_t cost = sequence_cost(a, s);
        if (cost == 0) continue;
        if (at + cost * a->heads > begin)
            for (int32_t h = 0; h < a->heads; h++) {
                const int64_t unit = at + cost * h;
                if (unit >= begin && unit < end) attend(j, s, h, scratch);
            }
        at += cost * a->heads;
    }
}

simile_status nn_attention(nn_context *ctx, const nn_attention_args *a, simile_error *err)
{
    assert(a->heads > 0 && a->head_dim > 0 && a->scale > 0);
    int64_t longest = 0;
    for (int32_t s = 0; s < a->sequences; s++) {
        assert(a->starts[s] <= a->starts[s + 1]);
        if (a->starts[s + 1] - a->starts[s] > longest) longest = a->starts[s + 1] - a->starts[s];
    }
    if (longest == 0) return SIMILE_OK;
    const nn_attention_kernels *narrow = a->precision != NN_COMPUTE_F32 ? ctx->attention_bf16 : NULL;
    assert(narrow || (a->qkv_type == NN_ROWS_F32 && a->out_type == NN_ROWS_F32));
    const size_t floats = (narrow ? narrow->scratch : ctx->kernels->attention_scratch)(longest, a->head_dim);
    RETURN_IF_ERROR(nn_scratch_reserve(ctx, floats, err));
    attention_job job = {ctx, a, narrow ? narrow->attention : ctx->kernels->attention, total_cost(a)};
    const bool alone = job.cost * a->heads * a->head_dim <= ATTENTION_ALONE;
    nn_team_run(ctx, alone, attention_part, &job);
    return SIMILE_OK;
}
