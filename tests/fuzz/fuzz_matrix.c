/* SPDX-License-Identifier: Apache-2.0
 * fuzz_matrix.c - any bytes as the image of packed weights: refused, or a product with it stays within them. */
#include "base/mem.h"
#include "nn/nn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 3, MOST = 1 << 20 /* numbers of x and y: a long row of 8-bit integers is larger than its image */ };

static void multiply(const nn_matrix *m)
{
    const size_t n = (size_t)nn_matrix_rows(m), k = (size_t)nn_matrix_cols(m);
    float *x = mem_zero_array(ROWS * k, sizeof *x), *y = mem_zero_array(ROWS * n, sizeof *y);
    nn_context *ctx;
    simile_error err;
    if (x && y && !nn_context_new(1, &ctx, &err)) {
        for (size_t i = 0; i < ROWS * k; i++) x[i] = (float)(i % 7) - 3.0f;
        nn_linear(ctx, m, ROWS, x, y, NN_ACT_GELU, true, &err);
        nn_context_free(ctx);
    }
    mem_free(x);
    mem_free(y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *image = mem_aligned(size);
    nn_matrix *m;
    simile_error err;
    if (!image) return 0;
    if (size) memcpy(image, data, size);
    if (!nn_matrix_adopt(image, size, &m, &err)) {
        if (nn_matrix_rows(m) < MOST && nn_matrix_cols(m) < MOST) multiply(m);
        nn_matrix_free(m);
    }
    mem_free(image);
    return 0;
}
