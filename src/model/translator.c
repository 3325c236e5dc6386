/* SPDX-License-Identifier: Apache-2.0
 * translator.c - see translator.h. Weights are packed at the first use, under a lock, as those of model.c are. */
#include "model/translator.h"

#include "base/file.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>

enum { TEXTS_AT_ONCE = 8, LOGITS_AT_ONCE = 1 << 24, MAX_CONFIG = 4 << 20 };

struct translator {
    char *directory;
    weights *files;
    param_list params;
    marian *network;
    tokenizer *words;
    pthread_mutex_t lock;
    atomic_bool packed;
};

struct translator_session {
    const translator *t;
    nn_context *ctx;
};

void translator_close(translator *t)
{
    if (!t) return;
    marian_free(t->network);
    tokenizer_close(t->words);
    param_list_release(&t->params);
    weights_close(t->files);
    pthread_mutex_destroy(&t->lock);
    mem_free(t->directory);
    mem_free(t);
}

/* ---- opening ---- */

static simile_status read_json(const char *directory, const char *name, bool must, char **path, json_t **out,
                               simile_error *err)
{
    *out = NULL;
    *path = path_join(directory, name);
    if (!*path) return err_nomem(err);
    return must || file_exists(*path) ? json_read_object(*path, MAX_CONFIG, out, err) : SIMILE_OK;
}

static simile_status check_type(const json_t *root, const char *path, simile_error *err)
{
    const char *type = json_string_value(json_object_get(root, "model_type"));
    if (type && !strcmp(type, "marian")) return SIMILE_OK;
    return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': model_type '%s' is no translator (\"marian\")", path,
                   type ? type : "");
}

static simile_status read_config(const char *directory, marian_config *out, simile_error *err)
{
    char *config_path = NULL, *generation_path = NULL;
    json_t *config = NULL, *generation = NULL;
    simile_status status = read_json(directory, "config.json", true, &config_path, &config, err);
    if (!status) status = check_type(config, config_path, err);
    if (!status) status = read_json(directory, "generation_config.json", false, &generation_path, &generation, err);
    if (!status) {
        const json_from second = {generation, generation_path};
        status = marian_config_read((json_from){config, config_path}, generation ? &second : NULL, out, err);
    }
    json_decref(config);
    json_decref(generation);
    mem_free(config_path);
    mem_free(generation_path);
    return status;
}

static simile_status open_parts(translator *t, simile_error *err)
{
    marian_config config;
    RETURN_IF_ERROR(read_config(t->directory, &config, err));
    RETURN_IF_ERROR(weights_open(t->directory, &t->files, err));
    loader l = {.files = t->files, .list = &t->params, .err = err};
    RETURN_IF_ERROR(marian_new(&l, &config, &t->network));
    RETURN_IF_ERROR(weights_all_used(t->files, err));
    RETURN_IF_ERROR(tokenizer_open(t->directory, &t->words, err));
    const size_t has = tokenizer_vocab_size(t->words);
    if (has > (size_t)config.vocab)
        return err_set(err, SIMILE_E_FORMAT,
                       "cannot open the translator '%s': its tokenizer has %zu tokens, its network only %lld",
                       t->directory, has, (long long)config.vocab);
    return SIMILE_OK;
}

simile_status translator_open(const char *directory, translator **out, simile_error *err)
{
    *out = NULL;
    translator *t = mem_new(translator);
    if (!t) return err_nomem(err);
    pthread_mutex_init(&t->lock, NULL);
    t->directory = path_absolute(directory);
    const simile_status status = t->directory ? open_parts(t, err) : err_nomem(err);
    if (status) {
        translator_close(t);
        return status;
    }
    *out = t;
    return SIMILE_OK;
}

const char *translator_directory(const translator *t)
{
    return t->directory;
}

const tokenizer *translator_words(const translator *t)
{
    return t->words;
}

const marian_config *translator_config(const translator *t)
{
    return marian_get_config(t->network);
}

/* ---- sessions ---- */

simile_status translator_session_new(const translator *t, int threads, translator_session **out, simile_error *err)
{
    *out = NULL;
    translator_session *s = mem_new(translator_session);
    if (!s) return err_nomem(err);
    s->t = t;
    const simile_status status = nn_context_new(threads, &s->ctx, err);
    if (status) {
        translator_session_free(s);
        return status;
    }
    *out = s;
    return SIMILE_OK;
}

void translator_session_free(translator_session *s)
{
    if (!s) return;
    nn_context_free(s->ctx);
    mem_free(s);
}

/* The translator is const to everyone else: packing changes no answer of it. */
static simile_status ensure_packed(const translator *shared, simile_error *err)
{
    translator *t = (translator *)(uintptr_t)shared;
    if (atomic_load_explicit(&t->packed, memory_order_acquire)) return SIMILE_OK;
    simile_status status = SIMILE_OK;
    pthread_mutex_lock(&t->lock);
    if (!atomic_load_explicit(&t->packed, memory_order_relaxed)) {
        packer how = {.precision = NN_COMPUTE_F32};
        status = marian_pack(t->network, &how, err);
        packer_close(&how);
        if (status)
            marian_unpack(t->network);
        else
            atomic_store_explicit(&t->packed, true, memory_order_release);
    }
    pthread_mutex_unlock(&t->lock);
    return status;
}

marian *translator_network(translator *t)
{
    return ensure_packed(t, NULL) ? NULL : t->network;
}

/* ---- texts ---- */

void translations_release(translations *t)
{
    for (size_t i = 0; i < t->n; i++) mem_free(t->items[i].text);
    mem_free(t->items);
    *t = (translations){0};
}

static simile_status read_answers(const translator *t, const beam_answers *answers, int32_t best, translations *out,
                                  simile_error *err)
{
    const size_t n = answers->n < (size_t)best ? answers->n : (size_t)best;
    out->items = mem_zero_array(n + 1, sizeof *out->items);
    if (!out->items) return err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const beam_answer *a = &answers->items[i];
        RETURN_IF_ERROR(tokenizer_decode(t->words, a->ids, a->n, &out->items[i].text, err));
        out->items[i].score = a->score;
        out->n++;
    }
    return SIMILE_OK;
}

/* Tokens of the texts one behind another. */
typedef struct {
    int32_t *ids, starts[TEXTS_AT_ONCE + 1];
} sources;

static simile_status take_tokens(const translator *t, const char *const *texts, int32_t n, translations *out,
                                 sources *all, simile_error *err)
{
    const size_t most = (size_t)marian_get_config(t->network)->places;
    all->starts[0] = 0;
    for (int32_t i = 0; i < n; i++) {
        token_list list;
        RETURN_IF_ERROR(tokenizer_encode(t->words, texts[i], strlen(texts[i]), most, &list, err));
        const size_t had = (size_t)all->starts[i];
        int32_t *ids = mem_grow(all->ids, had + list.n + 1, sizeof *ids);
        if (ids) memcpy(ids + had, list.ids, list.n * sizeof *ids);
        if (ids) all->ids = ids;
        out[i].truncated = list.truncated;
        all->starts[i + 1] = (int32_t)(had + list.n);
        mem_free(list.ids);
        if (!ids) return err_nomem(err);
    }
    return SIMILE_OK;
}

static simile_status translate_some(translator_session *s, const char *const *texts, int32_t n, int32_t best,
                                    int32_t beams, translations *out, simile_error *err)
{
    const marian_config *c = marian_get_config(s->t->network);
    const beam_options options = {.beams = beams};
    beam_answers answers[TEXTS_AT_ONCE] = {0};
    sources all = {0};
    marian_run *run = NULL;
    simile_status status = take_tokens(s->t, texts, n, out, &all, err);
    if (!status) status = marian_run_new(s->t->network, s->ctx, all.ids, all.starts, n, &run, err);
    if (!status) status = beam_search(run, s->ctx, c, n, &options, answers, err);
    for (int32_t i = 0; i < n; i++) {
        if (!status) status = read_answers(s->t, &answers[i], best, &out[i], err);
        beam_answers_release(&answers[i]);
    }
    marian_run_free(run);
    mem_free(all.ids);
    return status;
}

/* How many texts go together: fewer where each has many logits. */
static size_t texts_at_once(const marian_config *c, int32_t beams)
{
    const int64_t fit = LOGITS_AT_ONCE / (c->vocab * beams);
    return fit < 1 ? 1 : fit < TEXTS_AT_ONCE ? (size_t)fit : TEXTS_AT_ONCE;
}

simile_status translator_run(translator_session *s, const char *const *texts, size_t n, int32_t best, int32_t beams,
                             translations *out, simile_error *err)
{
    for (size_t i = 0; i < n; i++) out[i] = (translations){0};
    if (best < 1 || beams < 0 || (beams && beams < best))
        return err_set(err, SIMILE_E_ARG, "cannot give the %d best of %d beams", best, beams);
    RETURN_IF_ERROR(ensure_packed(s->t, err));
    const marian_config *c = marian_get_config(s->t->network);
    if (!beams) beams = best > c->beams ? best : (int32_t)c->beams;
    const size_t at_once = texts_at_once(c, beams);
    for (size_t at = 0; at < n; at += at_once) {
        const size_t some = n - at < at_once ? n - at : at_once;
        RETURN_IF_ERROR(translate_some(s, texts + at, (int32_t)some, best, beams, out + at, err));
    }
    return SIMILE_OK;
}
