/* SPDX-License-Identifier: Apache-2.0
 * positions.c - see positions.h.
 *
 * Bicubic convolution (Keys, "Cubic Convolution Interpolation for Digital Image Processing", IEEE ASSP 29(6), 1981)
 * with a = -0.75, the centres of the outer cells half a cell inside the border, four taps whatever the ratio, the
 * border row standing in for those beyond it. In float32 throughout, as the reference computes it. Reference:
 * transformers, models/clip/modeling_clip.py (CLIPVisionEmbeddings.interpolate_pos_encoding); pytorch,
 * aten/src/ATen/native/UpSample.h and cpu/UpSampleKernel.cpp. */
#include "model/positions.h"

#include <math.h>

enum { TAPS = 4, MAX_SIZE = 8192, MAX_SHORT = 32768 };

static simile_status no_such_size(const char *path, int64_t size, const char *why, simile_error *err)
{
    return err_set(err, SIMILE_E_ARG, "cannot open the model '%s' for pictures of %lld x %lld: %s", path,
                   (long long)size, (long long)size, why);
}

simile_status vit_take_size(vit_config *c, image_prepare_spec *prepare, int64_t size, const char *path,
                            simile_error *err)
{
    if (size == 0 || size == c->image_size) return SIMILE_OK;
    if (size < c->patch) return no_such_size(path, size, "its patches are larger", err);
    if (size > MAX_SIZE) return no_such_size(path, size, "that is too large", err);
    const int64_t resize_short = (prepare->resize_short * size + c->image_size / 2) / c->image_size;
    if (resize_short > MAX_SHORT) return no_such_size(path, size, "the margin around them would be too large", err);
    if (!c->trained_size) c->trained_size = c->image_size;
    c->image_size = size;
    if (!vit_config_fits(c)) return no_such_size(path, size, "that is too large", err);
    prepare->resize_short = (int32_t)resize_short;
    prepare->width = prepare->height = (int32_t)size;
    return SIMILE_OK;
}

/* What one row (or column) of the new grid is made of. */
typedef struct {
    int64_t at[TAPS];
    float weight[TAPS];
} taps;

static float near_weight(float x) /* 0 <= x <= 1 */
{
    return (1.25f * x - 2.25f) * x * x + 1;
}

static float far_weight(float x) /* 1 <= x <= 2 */
{
    return ((-0.75f * x + 3.75f) * x - 6) * x + 3;
}

static taps taps_of(int64_t i, int64_t grid, int64_t wanted)
{
    const float where = (float)grid / (float)wanted * ((float)i + 0.5f) - 0.5f, cell = floorf(where), t = where - cell;
    taps out = {.weight = {far_weight(t + 1), near_weight(t), near_weight(1 - t), far_weight(2 - t)}};
    for (int k = 0; k < TAPS; k++) {
        const int64_t at = (int64_t)cell + k - 1;
        out.at[k] = at < 0 ? 0 : at < grid ? at : grid - 1;
    }
    return out;
}

/* out: [dim]; table: [grid x grid, dim] */
static void interpolate(const float *table, int64_t grid, int64_t dim, const taps *y, const taps *x, float *out)
{
    for (int64_t d = 0; d < dim; d++) {
        float sum = 0;
        for (int j = 0; j < TAPS; j++) {
            const float *row = table + y->at[j] * grid * dim + d;
            float of_row = 0;
            for (int i = 0; i < TAPS; i++) of_row += x->weight[i] * row[x->at[i] * dim];
            sum += y->weight[j] * of_row;
        }
        out[d] = sum;
    }
}

float *positions_on_grid(const nn_tensor *table, int64_t grid, int64_t wanted)
{
    float *in = tensor_floats(table);
    if (!in || grid == wanted) return in;
    const int64_t dim = table->dim[1], before = table->dim[0] - grid * grid;
    float *out = mem_array((size_t)((before + wanted * wanted) * dim), sizeof *out);
    if (out) {
        float *at = out + before * dim;
        memcpy(out, in, (size_t)(before * dim) * sizeof *out);
        for (int64_t i = 0; i < wanted * wanted; i++, at += dim) {
            const taps y = taps_of(i / wanted, grid, wanted), x = taps_of(i % wanted, grid, wanted);
            interpolate(in + before * dim, grid, dim, &y, &x, at);
        }
    }
    mem_free(in);
    return out;
}
