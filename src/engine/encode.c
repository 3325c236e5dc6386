/* SPDX-License-Identifier: Apache-2.0
 * encode.c - simile_encoder: texts and pictures to raw vectors.
 *
 * Any number of inputs is worked off in pieces, so that memory does not grow with it. What a piece holds does not show
 * in the vectors: model.h promises that they do not depend on their neighbours. */
#include "base/mem.h"
#include "engine/internal.h"

#include <math.h>

enum { TEXTS_AT_ONCE = 64, IMAGES_AT_ONCE = 16 };

simile_status simile_encoder_new(const simile_model *handle, const simile_encoder_options *options,
                                 simile_encoder **out, simile_error *err)
{
    if (!out) return err_set(err, SIMILE_E_ARG, "no place for the encoder was given");
    *out = NULL;
    simile_encoder_options opt;
    if (!handle) return err_set(err, SIMILE_E_ARG, "no model was given");
    RETURN_IF_ERROR(options_copy(&opt, sizeof opt, options, err));
    if (opt.threads < 0) return err_set(err, SIMILE_E_ARG, "the number of threads is negative");
    simile_encoder *encoder = mem_new(simile_encoder);
    if (!encoder) return err_nomem(err);
    encoder->model = handle;
    const simile_status status = model_encoder_new(handle->m, threads_or_default(opt.threads), &encoder->e, err);
    if (status) {
        mem_free(encoder);
        return status;
    }
    *out = encoder;
    return SIMILE_OK;
}

void simile_encoder_free(simile_encoder *encoder)
{
    if (!encoder) return;
    model_encoder_free(encoder->e);
    mem_free(encoder);
}

int32_t encoder_dim(const simile_encoder *encoder)
{
    return model_info(encoder->model->m)->dim;
}

size_t pixel_count(const image_prepare_spec *spec)
{
    return 3 * (size_t)spec->width * (size_t)spec->height;
}

bool make_unit(float *vector, int32_t dim)
{
    double sum = 0;
    for (int32_t i = 0; i < dim; i++) sum += (double)vector[i] * (double)vector[i];
    if (!(sum > 0) || !isfinite(sum)) return false;
    simile_normalize(vector, dim);
    return true;
}

simile_status encoder_needs_images(const simile_encoder *encoder, const image_prepare_spec **spec, simile_error *err)
{
    *spec = model_image_spec(encoder->model->m);
    if (*spec) return SIMILE_OK;
    return err_set(err, SIMILE_E_UNSUPPORTED, "the model '%s' has no image tower", model_info(encoder->model->m)->name);
}

/* At most TEXTS_AT_ONCE texts. out: [n, dim] */
static simile_status encode_some_texts(simile_encoder *encoder, const char *const *texts, size_t n, float *out,
                                       uint8_t *truncated, simile_error *err)
{
    const tokenizer *t = model_tokenizer(encoder->model->m);
    const size_t context = (size_t)model_info(encoder->model->m)->context;
    token_list lists[TEXTS_AT_ONCE] = {0};
    simile_status status = SIMILE_OK;
    for (size_t i = 0; i < n && !status; i++) {
        if (!texts[i])
            status = err_set(err, SIMILE_E_ARG, "text %zu is missing", i + 1);
        else
            status = tokenizer_encode(t, texts[i], strlen(texts[i]), context, &lists[i], err);
        if (truncated && !status) truncated[i] = lists[i].truncated;
    }
    if (!status) status = model_encode_tokens(encoder->e, lists, n, out, err);
    for (size_t i = 0; i < n; i++) mem_free(lists[i].ids);
    return status;
}

simile_status simile_encode_texts(simile_encoder *encoder, const char *const *texts, size_t n, float *out,
                                  uint8_t *truncated, simile_error *err)
{
    if (!encoder || (n && (!texts || !out))) return err_set(err, SIMILE_E_ARG, "no encoder, texts or place was given");
    if (!model_tokenizer(encoder->model->m))
        return err_set(err, SIMILE_E_UNSUPPORTED, "the model '%s' has no text tower",
                       model_info(encoder->model->m)->name);
    const size_t dim = (size_t)encoder_dim(encoder);
    for (size_t first = 0; first < n; first += TEXTS_AT_ONCE) {
        const size_t some = n - first < TEXTS_AT_ONCE ? n - first : TEXTS_AT_ONCE;
        RETURN_IF_ERROR(encode_some_texts(encoder, texts + first, some, out + first * dim,
                                          truncated ? truncated + first : NULL, err));
    }
    return SIMILE_OK;
}

simile_status simile_encode_images(simile_encoder *encoder, const simile_image *const *images, size_t n, float *out,
                                   simile_error *err)
{
    const image_prepare_spec *spec;
    if (!encoder || (n && (!images || !out)))
        return err_set(err, SIMILE_E_ARG, "no encoder, pictures or place was given");
    RETURN_IF_ERROR(encoder_needs_images(encoder, &spec, err));
    const size_t dim = (size_t)encoder_dim(encoder), count = pixel_count(spec);
    const size_t at_once = n < IMAGES_AT_ONCE ? n : IMAGES_AT_ONCE;
    float *pixels = mem_array(at_once * count, sizeof *pixels);
    simile_status status = pixels ? SIMILE_OK : err_nomem(err);
    for (size_t first = 0; first < n && !status; first += at_once) {
        const size_t some = n - first < at_once ? n - first : at_once;
        for (size_t i = 0; i < some && !status; i++) {
            const simile_image *picture = images[first + i];
            status = picture ? image_prepare(&picture->pixels, spec, pixels + i * count, err)
                             : err_set(err, SIMILE_E_ARG, "picture %zu is missing", first + i + 1);
        }
        if (!status) status = model_encode_pixels(encoder->e, pixels, some, out + first * dim, err);
    }
    mem_free(pixels);
    return status;
}
