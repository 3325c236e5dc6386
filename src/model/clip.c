/* SPDX-License-Identifier: Apache-2.0
 * clip.c - a whole CLIP behind model.h: two towers, a tokenizer, preprocessing, logit_scale.
 *
 * Opening checks every tensor's name and shape and copies nothing. A tower is packed at its first use: `lock` guards
 * the packing alone, and `packed` is read with acquire order, so that encoders on many threads share the result. */
#include "base/file.h"
#include "base/mem.h"
#include "model/model.h"
#include "model/towers.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

struct model {
    simile_model_info info;
    char *name, *directory, *folder; /* directory: as it was named, a directory or a single file; folder: around that */
    clip_config config;
    weights *files;
    param_list params;
    tokenizer *tok;
    image_prepare_spec image_spec;
    vit image;
    textnet text;
    pthread_mutex_t lock;
    atomic_bool image_packed, text_packed;
};

struct model_encoder {
    const model *m;
    nn_context *ctx;
    arena memory;
    int threads;
};

void model_close(model *m)
{
    if (!m) return;
    vit_release(&m->image);
    textnet_release(&m->text);
    tokenizer_close(m->tok);
    param_list_release(&m->params);
    weights_close(m->files);
    pthread_mutex_destroy(&m->lock);
    mem_free(m->name);
    mem_free(m->directory);
    mem_free(m->folder);
    mem_free(m);
}

static simile_status load_towers(model *m, simile_error *err)
{
    loader l = {.files = m->files, .list = &m->params, .err = err};
    RETURN_IF_ERROR(vit_load(&l, &m->config.vision, m->config.dim, &m->image));
    RETURN_IF_ERROR(textnet_load(&l, &m->config.text, m->config.dim, &m->text));
    float log_scale = 0;
    const nn_tensor scale = loader_get(&l, "", "logit_scale", 0, NULL);
    if (l.status) return l.status;
    nn_tensor_to_f32(&scale, 0, 1, &log_scale);
    if (!(log_scale > -20 && log_scale < 20))
        return err_set(err, SIMILE_E_CORRUPT, "cannot open the model '%s': its logit_scale is out of range",
                       m->directory);
    m->info.logit_scale = expf(log_scale);
    return SIMILE_OK;
}

static simile_status check_vocabulary(const model *m, simile_error *err)
{
    const size_t has = tokenizer_vocab_size(m->tok);
    if (has > (size_t)m->config.text.vocab)
        return err_set(err, SIMILE_E_FORMAT,
                       "cannot open the model '%s': its tokenizer has %zu tokens, its network only %lld", m->directory,
                       has, (long long)m->config.text.vocab);
    return SIMILE_OK;
}

static void fill_info(model *m)
{
    simile_model_info *i = &m->info;
    i->name = m->name;
    i->directory = m->directory;
    i->family = "clip";
    i->dim = (int32_t)m->config.dim;
    i->image_size = (int32_t)m->config.vision.image_size;
    i->context = (int32_t)m->config.text.context;
    i->vocab_size = (int32_t)m->config.text.vocab;
    i->weights_dtype = weights_dtype(m->files);
    for (size_t k = 0; k < m->params.n; k++) i->parameters += nn_tensor_count(&m->params.items[k].tensor);
}

/* ---- what the network is: from the file that says so ---- */

static simile_status look_for(const char *folder, const char *name, bool *there, simile_error *err)
{
    char *path = path_join(folder, name);
    if (!path) return err_nomem(err);
    *there = file_exists(path);
    mem_free(path);
    return SIMILE_OK;
}

static simile_status describe_from_weights(model *m, simile_error *err)
{
    m->image_spec = clip_preprocess(224);
    switch (weights_kind(m->files)) {
    case WEIGHTS_GGUF: return describe_gguf(m->files, &m->config, &m->image_spec, err);
    case WEIGHTS_TORCHSCRIPT:
        RETURN_IF_ERROR(describe_openai(m->files, &m->config, err));
        m->image_spec = clip_preprocess(m->config.vision.image_size);
        return SIMILE_OK;
    default:
        return err_set(
            err, SIMILE_E_NOT_FOUND,
            "cannot open the model '%s': neither config.json nor open_clip_config.json is beside its weights",
            m->directory);
    }
}

/* A single file that describes itself is believed before what lies beside it. */
static simile_status describe(model *m, bool single, simile_error *err)
{
    const char *folder = m->folder;
    bool usual = false, open_clip = false;
    RETURN_IF_ERROR(look_for(folder, "config.json", &usual, err));
    RETURN_IF_ERROR(look_for(folder, "open_clip_config.json", &open_clip, err));
    if (single || !(usual || open_clip)) RETURN_IF_ERROR(weights_open(m->directory, &m->files, err));
    const bool itself =
        m->files && (weights_kind(m->files) == WEIGHTS_GGUF || weights_kind(m->files) == WEIGHTS_TORCHSCRIPT);
    if (itself || !(usual || open_clip)) return describe_from_weights(m, err);
    if (!usual) return open_clip_read(folder, &m->config, &m->image_spec, err);
    RETURN_IF_ERROR(clip_config_read(folder, &m->config, err));
    return preprocess_read(folder, m->config.vision.image_size, &m->image_spec, err);
}

static simile_status open_parts(model *m, simile_error *err)
{
    file_facts facts = {0};
    if (file_stat(m->directory, &facts, NULL)) return clip_config_read(m->directory, &m->config, err);
    m->folder = facts.is_directory ? mem_strdup(m->directory) : path_folder(m->directory);
    if (!m->folder) return err_nomem(err);
    RETURN_IF_ERROR(describe(m, !facts.is_directory, err));
    RETURN_IF_ERROR(tokenizer_open(m->folder, &m->tok, err));
    RETURN_IF_ERROR(check_vocabulary(m, err));
    if (!m->files) RETURN_IF_ERROR(weights_open(m->directory, &m->files, err));
    RETURN_IF_ERROR(load_towers(m, err));
    RETURN_IF_ERROR(weights_all_used(m->files, err));
    fill_info(m);
    return SIMILE_OK;
}

simile_status model_open(const char *directory, model **out, simile_error *err)
{
    *out = NULL;
    model *m = mem_new(model);
    if (!m) return err_nomem(err);
    pthread_mutex_init(&m->lock, NULL);
    m->directory = path_absolute(directory);
    m->name = m->directory ? path_name(m->directory) : NULL;
    const simile_status status = m->name ? open_parts(m, err) : err_nomem(err);
    if (status) {
        model_close(m);
        return status;
    }
    *out = m;
    return SIMILE_OK;
}

const simile_model_info *model_info(const model *m)
{
    return &m->info;
}

const tokenizer *model_tokenizer(const model *m)
{
    return m->tok;
}

const image_prepare_spec *model_image_spec(const model *m)
{
    return &m->image_spec;
}

/* ---- identity ----
 * Over what decides the vectors, and in a form that does not depend on how files store it: each parameter's canonical
 * name, shape and values as float32; the vocabulary; the numbers of the preprocessing and of the configuration. */

/* Older configurations (2) pool at the first largest id. Where that is the end-of-text token the rule is the same as
 * naming it, and so is the identity. */
static int64_t pooled_token(const model *m)
{
    const int64_t end = tokenizer_end_id(m->tok), last = (int64_t)tokenizer_vocab_size(m->tok) - 1;
    return m->config.text.eos == 2 && end == last ? end : m->config.text.eos;
}

static void digest_numbers(digest *d, const model *m)
{
    const image_prepare_spec *p = &m->image_spec;
    const tower_config *towers[2] = {&m->config.vision.tower, &m->config.text.tower};
    char text[512];
    const int n = snprintf(text, sizeof text, "fit %d filter %d short %d size %d %d crop %d rescale %d %a normalize %d",
                           (int)p->fit, (int)p->filter, p->resize_short, p->width, p->height, p->crop, p->rescale,
                           p->rescale_factor, p->normalize);
    digest_add_part(d, text, (size_t)n);
    digest_add_part(d, p->mean, sizeof p->mean);
    digest_add_part(d, p->std, sizeof p->std);
    for (int i = 0; i < 2; i++) {
        const int k = snprintf(text, sizeof text, "heads %lld act %d eps %a", (long long)towers[i]->heads,
                               (int)towers[i]->act, (double)towers[i]->eps);
        digest_add_part(d, text, (size_t)k);
    }
    const int k = snprintf(text, sizeof text, "eos %lld context %lld", (long long)pooled_token(m),
                           (long long)m->config.text.context);
    digest_add_part(d, text, (size_t)k);
}

static void digest_param(digest *d, const param *p, float *chunk, int64_t chunk_len)
{
    const int64_t n = nn_tensor_count(&p->tensor);
    digest_add_part(d, p->name, strlen(p->name));
    digest_add_part(d, p->tensor.dim, (size_t)p->tensor.rank * sizeof p->tensor.dim[0]);
    for (int64_t at = 0; at < n; at += chunk_len) {
        const int64_t len = n - at < chunk_len ? n - at : chunk_len;
        nn_tensor_to_f32(&p->tensor, at, len, chunk);
        digest_add(d, chunk, (size_t)len * sizeof *chunk);
    }
}

simile_status model_digest(const model *m, char out[DIGEST_HEX], simile_error *err)
{
    enum { CHUNK = 1 << 16 };
    uint8_t bytes[DIGEST_SIZE];
    digest d;
    float *chunk = mem_array(CHUNK, sizeof *chunk);
    out[0] = 0;
    if (!chunk) return err_nomem(err);
    digest_init(&d);
    digest_add_part(&d, m->info.family, strlen(m->info.family));
    digest_numbers(&d, m);
    for (size_t id = 0; id < tokenizer_vocab_size(m->tok); id++) {
        const char *piece = tokenizer_piece(m->tok, (int32_t)id);
        digest_add_part(&d, piece ? piece : "", piece ? strlen(piece) : 0);
    }
    for (size_t i = 0; i < m->params.n; i++) digest_param(&d, &m->params.items[i], chunk, CHUNK);
    digest_end(&d, bytes);
    digest_hex(bytes, out);
    mem_free(chunk);
    return SIMILE_OK;
}

/* ---- encoders ---- */

simile_status model_encoder_new(const model *m, int threads, model_encoder **out, simile_error *err)
{
    *out = NULL;
    model_encoder *e = mem_new(model_encoder);
    if (!e) return err_nomem(err);
    e->m = m;
    e->threads = threads;
    const size_t for_image = vit_memory(&m->image), for_text = textnet_memory(&m->text);
    simile_status status = nn_context_new(threads, &e->ctx, err);
    if (!status && !arena_init(&e->memory, for_image > for_text ? for_image : for_text)) status = err_nomem(err);
    if (status) {
        model_encoder_free(e);
        return status;
    }
    *out = e;
    return SIMILE_OK;
}

void model_encoder_free(model_encoder *e)
{
    if (!e) return;
    nn_context_free(e->ctx);
    arena_release(&e->memory);
    mem_free(e);
}

const model *model_encoder_model(const model_encoder *e)
{
    return e->m;
}

int model_encoder_threads(const model_encoder *e)
{
    return e->threads;
}

/* Packs a tower unless that was done. The model is const to everyone else: packing changes no answer of it. */
static simile_status ensure_image(const model *shared, simile_error *err)
{
    model *m = (model *)(uintptr_t)shared;
    if (atomic_load_explicit(&m->image_packed, memory_order_acquire)) return SIMILE_OK;
    simile_status status = SIMILE_OK;
    pthread_mutex_lock(&m->lock);
    if (!atomic_load_explicit(&m->image_packed, memory_order_relaxed)) {
        status = vit_pack(&m->image, NN_COMPUTE_F32, err);
        if (status)
            vit_unpack(&m->image);
        else
            atomic_store_explicit(&m->image_packed, true, memory_order_release);
    }
    pthread_mutex_unlock(&m->lock);
    return status;
}

static simile_status ensure_text(const model *shared, simile_error *err)
{
    model *m = (model *)(uintptr_t)shared;
    if (atomic_load_explicit(&m->text_packed, memory_order_acquire)) return SIMILE_OK;
    simile_status status = SIMILE_OK;
    pthread_mutex_lock(&m->lock);
    if (!atomic_load_explicit(&m->text_packed, memory_order_relaxed)) {
        status = textnet_pack(&m->text, NN_COMPUTE_F32, err);
        if (status)
            textnet_unpack(&m->text);
        else
            atomic_store_explicit(&m->text_packed, true, memory_order_release);
    }
    pthread_mutex_unlock(&m->lock);
    return status;
}

simile_status model_encode_pixels(model_encoder *e, const float *pixels, size_t n, float *out, simile_error *err)
{
    const vit *v = &e->m->image;
    const size_t size = (size_t)v->config.image_size, chunk = (size_t)vit_chunk(v);
    RETURN_IF_ERROR(ensure_image(e->m, err));
    for (size_t done = 0; done < n; done += chunk) {
        const size_t now = n - done < chunk ? n - done : chunk;
        RETURN_IF_ERROR(vit_forward(v, e->ctx, &e->memory, pixels + done * 3 * size * size, (int64_t)now,
                                    out + done * (size_t)v->dim, err));
    }
    return SIMILE_OK;
}

simile_status model_encode_tokens(model_encoder *e, const token_list *texts, size_t n, float *out, simile_error *err)
{
    RETURN_IF_ERROR(ensure_text(e->m, err));
    return textnet_forward(&e->m->text, e->ctx, &e->memory, texts, n, out, err);
}
