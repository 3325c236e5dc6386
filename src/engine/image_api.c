/* SPDX-License-Identifier: Apache-2.0
 * image_api.c - simile_image: decoded pictures, and the tensor that a model makes of one. */
#include "base/mem.h"
#include "engine/internal.h"

static simile_status read_options(const simile_image_options *options, image_options *out, simile_error *err)
{
    simile_image_options opt;
    RETURN_IF_ERROR(options_copy(&opt, sizeof opt, options, err));
    if (opt.max_pixels < 0) return err_set(err, SIMILE_E_ARG, "max_pixels is negative");
    *out = (image_options){.ignore_orientation = opt.ignore_orientation != 0, .max_pixels = opt.max_pixels};
    return SIMILE_OK;
}

static void describe(simile_image *handle)
{
    const image *p = &handle->pixels;
    handle->info = (simile_image_info){
        .width = p->width, .height = p->height, .orientation = p->orientation, .taken = p->taken, .format = p->format};
}

simile_status simile_image_open(const char *path, const simile_image_options *options, simile_image **out,
                                simile_error *err)
{
    if (!out) return err_set(err, SIMILE_E_ARG, "no place for the picture was given");
    *out = NULL;
    image_options opt;
    if (!path) return err_set(err, SIMILE_E_ARG, "no picture was named");
    RETURN_IF_ERROR(read_options(options, &opt, err));
    simile_image *handle = mem_new(simile_image);
    if (!handle) return err_nomem(err);
    const simile_status status = image_open(path, &opt, &handle->pixels, err);
    if (status) {
        mem_free(handle);
        return status;
    }
    describe(handle);
    *out = handle;
    return SIMILE_OK;
}

const char *simile_image_sniff(const void *bytes, size_t len)
{
    return bytes ? image_sniff(bytes, len) : NULL;
}

simile_status simile_image_decode(const void *bytes, size_t len, const simile_image_options *options,
                                  simile_image **out, simile_error *err)
{
    if (!out) return err_set(err, SIMILE_E_ARG, "no place for the picture was given");
    *out = NULL;
    image_options opt;
    if (!bytes) return err_set(err, SIMILE_E_ARG, "no picture was given");
    RETURN_IF_ERROR(read_options(options, &opt, err));
    simile_image *handle = mem_new(simile_image);
    if (!handle) return err_nomem(err);
    const simile_status status = image_decode(bytes, len, "picture", &opt, &handle->pixels, err);
    if (status) {
        mem_free(handle);
        return status;
    }
    describe(handle);
    *out = handle;
    return SIMILE_OK;
}

simile_status simile_image_from_pixels(const uint8_t *rgb, int32_t width, int32_t height, size_t stride,
                                       simile_image **out, simile_error *err)
{
    if (!out) return err_set(err, SIMILE_E_ARG, "no place for the picture was given");
    *out = NULL;
    size_t row, bytes;
    if (!rgb || width < 1 || height < 1) return err_set(err, SIMILE_E_ARG, "a picture needs at least one pixel");
    if (!mem_mul((size_t)width, 3, &row) || stride < row || !mem_mul(row, (size_t)height, &bytes))
        return err_set(err, SIMILE_E_ARG, "a stride of %zu is too short for %d pixels", stride, width);
    simile_image *handle = mem_new(simile_image);
    uint8_t *copy = mem_alloc(bytes);
    if (!handle || !copy) {
        mem_free(handle);
        mem_free(copy);
        return err_nomem(err);
    }
    for (size_t y = 0; y < (size_t)height; y++) memcpy(copy + y * row, rgb + y * stride, row);
    handle->pixels = (image){
        .rgb = copy, .width = width, .height = height, .orientation = 1, .taken = INT64_MIN, .format = "pixels"};
    describe(handle);
    *out = handle;
    return SIMILE_OK;
}

void simile_image_free(simile_image *handle)
{
    if (!handle) return;
    image_release(&handle->pixels);
    mem_free(handle);
}

const simile_image_info *simile_image_get_info(const simile_image *handle)
{
    return handle ? &handle->info : NULL;
}

simile_status simile_preprocess(const simile_model *handle, const simile_image *picture, float *out, size_t out_len,
                                simile_error *err)
{
    if (!handle || !picture || !out) return err_set(err, SIMILE_E_ARG, "no model, picture or place was given");
    const image_prepare_spec *spec = model_image_spec(handle->m);
    if (!spec)
        return err_set(err, SIMILE_E_UNSUPPORTED, "the model '%s' has no image tower", model_info(handle->m)->name);
    if (out_len < pixel_count(spec))
        return err_set(err, SIMILE_E_ARG, "the tensor has %zu numbers, more than the %zu that there is room for",
                       pixel_count(spec), out_len);
    return image_prepare(&picture->pixels, spec, out, err);
}
