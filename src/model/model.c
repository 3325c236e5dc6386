/* SPDX-License-Identifier: Apache-2.0
 * model.c - a model behind model.h, whatever its family: towers, a tokenizer, preprocessing, an identity.
 *
 * Opening checks every tensor's name and shape and copies nothing. A tower is packed at its first use: `lock` guards
 * the packing alone, and `packed` is read with acquire order, so that encoders on many threads share the result. */
#include "model/model.h"

#include "base/file.h"
#include "base/mem.h"
#include "model/convert.h"
#include "model/family.h"

#include <pthread.h>
#include <stdio.h>

struct model {
    simile_model_info info;
    char *name, *path, *folder;
    const model_family *family;
    model_source source; /* its documents are given back once the model is open */
    model_parts parts;
    param_list params;
    nn_precision precision;
    pthread_mutex_t lock;
    atomic_size_t packed_bytes; /* of the towers that were packed */
    char *packed_folder;        /* NULL: what is packed is not kept */
    char packed_digest[DIGEST_HEX];
    model *reader; /* reads texts in its place; NULL: itself */
};

struct model_encoder {
    const model *m;
    nn_context *ctx;
    arena memory;
    int threads;
};

static void release_documents(model_source *s)
{
    json_decref(s->config);
    json_decref(s->open_clip);
    json_decref(s->modules);
    mem_free(s->config_path);
    mem_free(s->open_clip_path);
    mem_free(s->modules_path);
    s->config = s->open_clip = s->modules = NULL;
    s->config_path = s->open_clip_path = s->modules_path = NULL;
}

void model_close(model *m)
{
    if (!m) return;
    model_close(m->reader);
    tower_free(m->parts.image);
    tower_free(m->parts.text);
    tokenizer_close(m->parts.words);
    param_list_release(&m->params);
    release_documents(&m->source);
    for (int i = 0; i < m->source.n_files; i++) weights_close(m->source.files[i]);
    pthread_mutex_destroy(&m->lock);
    mem_free(m->packed_folder);
    mem_free(m->name);
    mem_free(m->path);
    mem_free(m->folder);
    mem_free(m);
}

/* ---- opening ---- */

static simile_status look_for(const model_source *s, const char *name, bool *there, simile_error *err)
{
    char *path = path_join(s->folder, name);
    if (!path) return err_nomem(err);
    *there |= file_exists(path);
    mem_free(path);
    return SIMILE_OK;
}

/* A single file, or one that nothing describes, may describe itself: then what lies beside it is not read. */
static simile_status read_documents(model_source *s, simile_error *err)
{
    bool described = false;
    RETURN_IF_ERROR(look_for(s, "config.json", &described, err));
    RETURN_IF_ERROR(look_for(s, "open_clip_config.json", &described, err));
    RETURN_IF_ERROR(look_for(s, "modules.json", &described, err));
    if (s->single || !described) {
        RETURN_IF_ERROR(weights_open(s->path, &s->files[0], err));
        s->n_files = 1;
        if (source_describes_itself(s, WEIGHTS_GGUF) || source_describes_itself(s, WEIGHTS_TORCHSCRIPT))
            return SIMILE_OK;
    }
    RETURN_IF_ERROR(source_json(s, "config.json", &s->config_path, &s->config, err));
    RETURN_IF_ERROR(source_json(s, "open_clip_config.json", &s->open_clip_path, &s->open_clip, err));
    return source_json_array(s, "modules.json", &s->modules_path, &s->modules, err);
}

static simile_status nobody_claims(const model_source *s, simile_error *err)
{
    const char *type = json_string_value(json_object_get(s->config, "model_type"));
    if (type)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot open the model '%s': no family here has the model_type '%s'",
                       s->path, type);
    if (s->config)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot open the model '%s': its config.json names no model_type",
                       s->path);
    return err_set(err, SIMILE_E_NOT_FOUND,
                   "cannot open the model '%s': neither config.json nor open_clip_config.json is beside its weights",
                   s->path);
}

static simile_status load_parts(model *m, simile_error *err)
{
    loader l = {.list = &m->params, .err = err};
    model_source *s = &m->source;
    m->parts.logit_scale = 100;
    for (size_t i = 0; model_families[i]; i++) {
        if (!model_families[i]->claims(s)) continue;
        m->family = model_families[i];
        m->parts.family = model_families[i]->name;
        RETURN_IF_ERROR(model_families[i]->load(s, &l, &m->parts, err));
        for (int f = 0; f < s->n_files; f++) RETURN_IF_ERROR(weights_all_used(s->files[f], err));
        return SIMILE_OK;
    }
    return nobody_claims(s, err);
}

static simile_status check_parts(const model *m, simile_error *err)
{
    const model_parts *p = &m->parts;
    if (!p->image && !p->text)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot open the model '%s': it has no tower", m->path);
    if (p->image && p->text && p->image->dim != p->text->dim)
        return err_set(err, SIMILE_E_FORMAT,
                       "cannot open the model '%s': its image tower makes vectors of %lld, its text tower of %lld",
                       m->path, (long long)p->image->dim, (long long)p->text->dim);
    const size_t has = p->text ? tokenizer_vocab_size(p->words) : 0;
    if (p->text && has > (size_t)p->text->vocab)
        return err_set(err, SIMILE_E_FORMAT,
                       "cannot open the model '%s': its tokenizer has %zu tokens, its network only %lld", m->path, has,
                       (long long)p->text->vocab);
    return SIMILE_OK;
}

/* A tower that takes no other resolution leaves the wish alone. */
static simile_status check_size(const model *m, simile_error *err)
{
    const int64_t wanted = m->source.image_size;
    const tower *sees = m->parts.image;
    if (!wanted || (sees && sees->image_size == wanted)) return SIMILE_OK;
    if (!sees)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot open the model '%s' for pictures: it has no image tower",
                       m->path);
    return err_set(err, SIMILE_E_UNSUPPORTED,
                   "cannot open the model '%s' for pictures of %lld x %lld: its image tower takes %lld x %lld alone",
                   m->path, (long long)wanted, (long long)wanted, (long long)sees->image_size,
                   (long long)sees->image_size);
}

static bool is_quantised(const model *m)
{
    for (int i = 0; i < m->source.n_files; i++) {
        if (!strcmp(weights_dtype(m->source.files[i]), nn_dtype_name(NN_I8))) return true;
    }
    return false;
}

static nn_precision precision_for(const model *m, int32_t wanted)
{
    switch (wanted) {
    case SIMILE_COMPUTE_F32: return NN_COMPUTE_F32;
    case SIMILE_COMPUTE_BF16: return NN_COMPUTE_BF16;
    case SIMILE_COMPUTE_INT8: return NN_COMPUTE_INT8;
    default: break;
    }
    if (is_quantised(m)) return NN_COMPUTE_INT8;
    return nn_precision_native(NN_COMPUTE_BF16) ? NN_COMPUTE_BF16 : NN_COMPUTE_F32;
}

static void fill_compute(model *m, int32_t wanted)
{
    static const int32_t computes[] = {[NN_COMPUTE_F32] = SIMILE_COMPUTE_F32,
                                       [NN_COMPUTE_BF16] = SIMILE_COMPUTE_BF16,
                                       [NN_COMPUTE_INT8] = SIMILE_COMPUTE_INT8};
    m->precision = precision_for(m, wanted);
    m->info.compute = computes[m->precision];
    m->info.compute_native = nn_precision_native(m->precision);
    m->info.kernels = nn_kernels_name();
    m->info.products = nn_products_name();
}

static void fill_info(model *m)
{
    const tower *sees = m->parts.image, *reads = m->parts.text;
    simile_model_info *i = &m->info;
    i->name = m->name;
    i->directory = m->path;
    i->family = m->parts.family;
    i->dim = (int32_t)(sees ? sees->dim : reads->dim);
    i->image_size = sees ? (int32_t)sees->image_size : 0;
    i->context = reads ? (int32_t)reads->context : 0;
    i->vocab_size = reads ? (int32_t)reads->vocab : 0;
    i->logit_scale = m->parts.logit_scale;
    i->logit_bias = m->parts.sigmoid ? m->parts.logit_bias : 0;
    i->score = m->parts.sigmoid ? SIMILE_SCORE_SIGMOID : SIMILE_SCORE_SOFTMAX;
    i->weights_dtype = weights_dtype(m->source.files[0]);
    for (size_t k = 0; k < m->params.n; k++) {
        if (!m->params.items[k].statistic) i->parameters += nn_tensor_count(&m->params.items[k].tensor);
    }
}

/* Not even a folder: the sentence names the file that is looked for first. */
static simile_status nothing_there(const char *path, simile_error *err)
{
    char *config = path_join(path, "config.json"), *text = NULL;
    size_t len;
    const simile_status status = config ? file_read(config, 1, &text, &len, err) : err_nomem(err);
    mem_free(text);
    mem_free(config);
    return status ? status : err_set(err, SIMILE_E_NOT_FOUND, "cannot open the model '%s'", path);
}

static simile_status open_model(model *m, const model_options *options, simile_error *err)
{
    file_facts facts = {0};
    if (file_stat(m->path, &facts, NULL)) return nothing_there(m->path, err);
    m->folder = facts.is_directory ? mem_strdup(m->path) : path_folder(m->path);
    if (!m->folder) return err_nomem(err);
    m->source = (model_source){.path = m->path,
                               .folder = m->folder,
                               .single = !facts.is_directory,
                               .image_size = options ? options->image_size : 0};
    RETURN_IF_ERROR(read_documents(&m->source, err));
    RETURN_IF_ERROR(load_parts(m, err));
    if (m->parts.text && !m->parts.words) RETURN_IF_ERROR(tokenizer_open(m->folder, &m->parts.words, err));
    RETURN_IF_ERROR(check_parts(m, err));
    RETURN_IF_ERROR(check_size(m, err));
    fill_info(m);
    fill_compute(m, options ? options->compute : SIMILE_COMPUTE_F32);
    release_documents(&m->source);
    return SIMILE_OK;
}

simile_status model_open(const char *path, const model_options *options, model **out, simile_error *err)
{
    *out = NULL;
    model *m = mem_new(model);
    if (!m) return err_nomem(err);
    pthread_mutex_init(&m->lock, NULL);
    m->path = path_absolute(path);
    m->name = m->path ? path_name(m->path) : NULL;
    const simile_status status = m->name ? open_model(m, options, err) : err_nomem(err);
    if (status) {
        model_close(m);
        return status;
    }
    *out = m;
    return SIMILE_OK;
}

simile_status model_can_pair(const model *m, const model *reader, simile_error *err)
{
    const char *who = NULL, *why = "";
    if (!m->parts.image)
        who = m->name, why = "has no image tower";
    else if (!reader->parts.text)
        who = reader->name, why = "has no text tower";
    if (who)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot pair the model '%s' with the texts of '%s': '%s' %s", m->name,
                       reader->name, who, why);
    if (reader->info.dim != m->info.dim)
        return err_set(err, SIMILE_E_UNSUPPORTED,
                       "cannot pair the model '%s' with the texts of '%s': their vectors have %d and %d numbers",
                       m->name, reader->name, m->info.dim, reader->info.dim);
    return SIMILE_OK;
}

simile_status model_pair(model *m, model *reader, simile_error *err)
{
    const simile_status status = model_can_pair(m, reader, err);
    if (status) {
        model_close(reader);
        return status;
    }
    model_close(m->reader);
    m->reader = reader;
    m->info.context = reader->info.context;
    m->info.vocab_size = reader->info.vocab_size;
    m->info.text_name = reader->info.name;
    m->info.text_directory = reader->info.directory;
    return SIMILE_OK;
}

int64_t model_packed_bytes(const model *m)
{
    const size_t own = atomic_load(&m->packed_bytes), other = m->reader ? atomic_load(&m->reader->packed_bytes) : 0;
    return (int64_t)(own + other);
}

const simile_model_info *model_info(const model *m)
{
    return &m->info;
}

static const model *text_side(const model *m)
{
    return m->reader ? m->reader : m;
}

const tokenizer *model_tokenizer(const model *m)
{
    return text_side(m)->parts.words;
}

const image_prepare_spec *model_image_spec(const model *m)
{
    return m->parts.image ? &m->parts.prepare : NULL;
}

/* ---- identity ----
 * Over what decides the vectors, and in a form that does not depend on how files store it: each parameter's canonical
 * name, shape and values as float32; the vocabulary; the numbers of the preprocessing and of the configuration. */

static void digest_preprocess(digest *d, const image_prepare_spec *p)
{
    char text[512];
    const int n = snprintf(text, sizeof text, "fit %d filter %d short %d size %d %d crop %d rescale %d %a normalize %d",
                           (int)p->fit, (int)p->filter, p->resize_short, p->width, p->height, p->crop, p->rescale,
                           p->rescale_factor, p->normalize);
    digest_add_part(d, text, (size_t)n);
    digest_add_part(d, p->mean, sizeof p->mean);
    digest_add_part(d, p->std, sizeof p->std);
}

/* False: the watch wants to stop. */
static bool digest_param(digest *d, const param *p, float *chunk, int64_t chunk_len, const model_watch *watch)
{
    const int64_t n = nn_tensor_count(&p->tensor);
    digest_add_part(d, p->name, strlen(p->name));
    digest_add_part(d, p->tensor.dim, (size_t)p->tensor.rank * sizeof p->tensor.dim[0]);
    for (int64_t at = 0; at < n; at += chunk_len) {
        const int64_t len = n - at < chunk_len ? n - at : chunk_len;
        nn_tensor_to_f32(&p->tensor, at, len, chunk);
        digest_add(d, chunk, (size_t)len * sizeof *chunk);
        if (watch && !watch->go_on(watch->user, len)) return false;
    }
    return true;
}

static void digest_vocabulary(digest *d, const tokenizer *words)
{
    for (size_t id = 0; id < tokenizer_vocab_size(words); id++) {
        const char *piece = tokenizer_piece(words, (int32_t)id);
        digest_add_part(d, piece ? piece : "", piece ? strlen(piece) : 0);
    }
}

static void forget_weights(const model *m)
{
    for (int i = 0; i < m->source.n_files; i++) weights_forget(m->source.files[i]);
}

simile_status model_digest(const model *m, char out[DIGEST_HEX], simile_error *err)
{
    return model_digest_watched(m, NULL, out, err);
}

simile_status model_digest_watched(const model *m, const model_watch *watch, char out[DIGEST_HEX], simile_error *err)
{
    enum { CHUNK = 1 << 16, FORGET = 1 << 24 };
    const model_parts *p = &m->parts;
    uint8_t bytes[DIGEST_SIZE];
    digest d;
    float *chunk = mem_array(CHUNK, sizeof *chunk);
    out[0] = 0;
    if (!chunk) return err_nomem(err);
    digest_init(&d);
    digest_add_part(&d, p->family, strlen(p->family));
    if (p->image) digest_preprocess(&d, &p->prepare);
    if (p->image) p->image->ops->identify(p->image, p->words, &d);
    if (p->text) p->text->ops->identify(p->text, p->words, &d);
    if (p->text) digest_vocabulary(&d, p->words);
    bool whole = true;
    int64_t read = 0;
    for (size_t i = 0; i < m->params.n && whole; i++) {
        whole = digest_param(&d, &m->params.items[i], chunk, CHUNK, watch);
        read += nn_tensor_count(&m->params.items[i].tensor);
        if (read >= FORGET || i + 1 == m->params.n) {
            forget_weights(m);
            read = 0;
        }
    }
    digest_end(&d, bytes);
    if (whole) digest_hex(bytes, out);
    mem_free(chunk);
    return whole ? SIMILE_OK : err_set(err, SIMILE_E_CANCELLED, "cancelled");
}

/* ---- what a conversion sees ---- */

model_inside model_look_inside(const model *m)
{
    return (model_inside){.family = m->family,
                          .source = &m->source,
                          .parts = &m->parts,
                          .params = &m->params,
                          .name = m->name,
                          .paired = m->reader != NULL};
}

/* ---- encoders ---- */

static size_t memory_of(const tower *t)
{
    return t ? t->ops->memory(t) : 0;
}

simile_status model_encoder_new(const model *m, int threads, model_encoder **out, simile_error *err)
{
    *out = NULL;
    model_encoder *e = mem_new(model_encoder);
    if (!e) return err_nomem(err);
    e->m = m;
    e->threads = threads;
    const size_t for_image = memory_of(m->parts.image), for_text = memory_of(text_side(m)->parts.text);
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

/* The model is const to everyone else: how it is packed changes no answer of it. */
static model *own(const model *shared)
{
    return (model *)(uintptr_t)shared;
}

void model_keep_packed(const model *shared, const char *folder, const char *digest_text)
{
    model *m = own(shared);
    pthread_mutex_lock(&m->lock);
    if (!m->packed_folder && (m->packed_folder = mem_strdup(folder)))
        memcpy(m->packed_digest, digest_text, sizeof m->packed_digest);
    pthread_mutex_unlock(&m->lock);
}

uint64_t model_kept_size(const char *folder, const char *digest_text)
{
    return packed_size(folder, digest_text);
}

uint64_t model_kept_remove(const char *folder, const char *digest_text)
{
    return packed_remove(folder, digest_text);
}

/* NULL: what is packed is not kept. */
static packing *packing_of(const model *m, const tower *t, const packer *how)
{
    if (!m->packed_folder) return NULL;
    /* Weights that are stored as 8-bit integers are packed as they are stored; the same numbers in float32 are not. */
    const uint64_t more = 2 * (uint64_t)how->careful + is_quantised(m);
    const packed_key key = packing_key(m->packed_digest, t == m->parts.text ? "text" : "image", how->precision, more);
    return packing_new(m->packed_folder, &key);
}

/* Takes a tower's matrices from a file, if there is a good one. */
static bool unfold(tower *t, packer *how)
{
    if (!how->cache || !packing_open(how->cache)) return false;
    if (!t->ops->pack(t, how, NULL) && packing_complete(how->cache)) return true;
    t->ops->unpack(t);
    packing_doubt(how->cache);
    how->bytes = 0;
    return false;
}

static simile_status pack(const model *m, tower *t, packer *how, simile_error *err)
{
    how->cache = packing_of(m, t, how);
    if (unfold(t, how)) {
        t->cache = how->cache;
        return SIMILE_OK;
    }
    const simile_status status = t->ops->pack(t, how, err);
    if (status)
        t->ops->unpack(t);
    else if (how->cache)
        packing_write(how->cache);
    packing_free(how->cache);
    return status;
}

static void forget_packed(void *of)
{
    forget_weights(of);
}

/* Packs a tower unless that was done. */
static simile_status ensure_packed(const model *shared, tower *t, simile_error *err)
{
    model *m = own(shared);
    if (atomic_load_explicit(&t->packed, memory_order_acquire)) return SIMILE_OK;
    simile_status status = SIMILE_OK;
    pthread_mutex_lock(&m->lock);
    if (!atomic_load_explicit(&t->packed, memory_order_relaxed)) {
        packer how = packer_for(m->precision);
        how.forget = forget_packed;
        how.weights = m;
        status = pack(m, t, &how, err);
        packer_close(&how);
        if (!status) atomic_fetch_add(&m->packed_bytes, how.bytes);
        if (!status) atomic_store_explicit(&t->packed, true, memory_order_release);
        forget_weights(m);
    }
    pthread_mutex_unlock(&m->lock);
    return status;
}

simile_status model_encode_pixels(model_encoder *e, const float *pixels, size_t n, float *out, simile_error *err)
{
    tower *t = e->m->parts.image;
    if (!t) return err_set(err, SIMILE_E_UNSUPPORTED, "the model '%s' has no image tower", e->m->name);
    const size_t size = (size_t)t->image_size, chunk = (size_t)t->chunk;
    RETURN_IF_ERROR(ensure_packed(e->m, t, err));
    for (size_t done = 0; done < n; done += chunk) {
        const size_t now = n - done < chunk ? n - done : chunk;
        RETURN_IF_ERROR(t->ops->see(t, e->ctx, &e->memory, pixels + done * 3 * size * size, (int64_t)now,
                                    out + done * (size_t)t->dim, err));
    }
    return SIMILE_OK;
}

simile_status tower_check_text(const tower *t, const token_list *text, simile_error *err)
{
    if (text->n < 1 || text->n > (size_t)t->context)
        return err_set(err, SIMILE_E_ARG, "a text of %zu tokens does not fit a context of %lld", text->n,
                       (long long)t->context);
    for (size_t i = 0; i < text->n; i++) {
        if (text->ids[i] < 0 || text->ids[i] >= t->vocab)
            return err_set(err, SIMILE_E_FORMAT, "token %d is not in the model's vocabulary of %lld", text->ids[i],
                           (long long)t->vocab);
    }
    return SIMILE_OK;
}

simile_status model_encode_tokens(model_encoder *e, const token_list *texts, size_t n, float *out, simile_error *err)
{
    const model *m = text_side(e->m);
    tower *t = m->parts.text;
    if (!t) return err_set(err, SIMILE_E_UNSUPPORTED, "the model '%s' has no text tower", m->name);
    RETURN_IF_ERROR(ensure_packed(m, t, err));
    return t->ops->read(t, e->ctx, &e->memory, texts, n, out, err);
}
