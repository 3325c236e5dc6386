/* SPDX-License-Identifier: Apache-2.0
 * translate_api.c - simile_translator: finding a translator by name or by its languages, texts to candidates.
 *
 * Any number of texts is worked off in pieces, so that memory grows with the answers alone and somebody who waits is
 * told how far it is. Threads: a translator is immutable, a session belongs to one thread at a time. */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "engine/internal.h"
#include "model/translator.h"

enum { TEXTS_AT_ONCE = 8, MAX_BEST = 64, MAX_CONFIG = 1 << 20 };

struct simile_translator {
    translator *t;
    char *name, *from, *to; /* owned; the last two may be NULL */
    simile_translator_info info;
};

struct simile_translator_session {
    const simile_translator *translator;
    translator_session *s;
};

/* What a simile_translation borrows. */
typedef struct {
    char *bytes;         /* of the tokens, each with a NUL behind it */
    const char **tokens; /* into bytes */
    simile_candidate *candidates;
    char **texts; /* of the candidates; owned, as many as there are */
} translation_memory;

struct simile_translations {
    simile_translation *items;
    translation_memory *memory; /* of each item */
    size_t n;
};

/* ---- opening ---- */

static simile_status copy_string(json_from from, const char *key, char **out, simile_error *err)
{
    const char *value = NULL;
    RETURN_IF_ERROR(json_get_string(from, key, &value, err));
    if (value && *value && !(*out = mem_strdup(value))) return err_nomem(err);
    return SIMILE_OK;
}

static simile_status read_languages(simile_translator *h, simile_error *err)
{
    char *path = path_join(translator_directory(h->t), "tokenizer_config.json");
    json_t *root = NULL;
    simile_status status = path ? SIMILE_OK : err_nomem(err);
    if (!status && file_exists(path)) status = json_read_object(path, MAX_CONFIG, &root, err);
    const json_from from = {root, path};
    if (!status && root) status = copy_string(from, "source_lang", &h->from, err);
    if (!status && root) status = copy_string(from, "target_lang", &h->to, err);
    json_decref(root);
    mem_free(path);
    return status;
}

static simile_status open_directory(simile_translator *h, const char *directory, simile_error *err)
{
    RETURN_IF_ERROR(translator_open(directory, &h->t, err));
    RETURN_IF_ERROR(read_languages(h, err));
    h->name = path_name(translator_directory(h->t));
    if (!h->name) return err_nomem(err);
    const marian_config *c = translator_config(h->t);
    h->info = (simile_translator_info){.name = h->name,
                                       .directory = translator_directory(h->t),
                                       .from = h->from,
                                       .to = h->to,
                                       .tokenizer = tokenizer_kind(translator_words(h->t)),
                                       .vocab_size = (int32_t)c->vocab,
                                       .context = (int32_t)c->places,
                                       .beams = (int32_t)c->beams};
    return SIMILE_OK;
}

/* The first of some names of translators between two languages that is there. */
static simile_status find_between(const simile_translator_options *opt, char **out, simile_error *err)
{
    static const char *const makers[] = {"opus-mt", "simile"};
    const char *from = opt->from && *opt->from ? opt->from : "zh", *to = opt->to && *opt->to ? opt->to : "en";
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        simile_error why;
        char *name = mem_printf("%s-%s-%s", makers[i], from, to);
        if (!name) return err_nomem(err);
        const simile_status status =
            strchr(name, '/') ? SIMILE_E_NOT_FOUND : find_model(name, opt->search_path, out, &why);
        mem_free(name);
        if (status != SIMILE_E_NOT_FOUND) return status == SIMILE_E_NOMEM ? err_nomem(err) : status;
    }
    return err_set(err, SIMILE_E_NOT_FOUND, "there is no translator from '%.40s' to '%.40s'", from, to);
}

simile_status simile_translator_open(const char *name, const simile_translator_options *options,
                                     simile_translator **out, simile_error *err)
{
    if (!out) return err_set(err, SIMILE_E_ARG, "no place for the translator was given");
    *out = NULL;
    simile_translator_options opt;
    char *directory = NULL;
    RETURN_IF_ERROR(options_copy(&opt, sizeof opt, options, err));
    RETURN_IF_ERROR(name ? find_model(name, opt.search_path, &directory, err) : find_between(&opt, &directory, err));
    simile_translator *handle = mem_new(simile_translator);
    simile_status status = handle ? SIMILE_OK : err_nomem(err);
    if (!status) status = open_directory(handle, directory, err);
    mem_free(directory);
    if (status)
        simile_translator_close(handle);
    else
        *out = handle;
    return status;
}

void simile_translator_close(simile_translator *handle)
{
    if (!handle) return;
    translator_close(handle->t);
    mem_free(handle->name);
    mem_free(handle->from);
    mem_free(handle->to);
    mem_free(handle);
}

const simile_translator_info *simile_translator_get_info(const simile_translator *handle)
{
    return handle ? &handle->info : NULL;
}

/* ---- sessions ---- */

simile_status simile_translator_session_new(const simile_translator *handle,
                                            const simile_translator_session_options *options,
                                            simile_translator_session **out, simile_error *err)
{
    if (!out) return err_set(err, SIMILE_E_ARG, "no place for the session was given");
    *out = NULL;
    simile_translator_session_options opt;
    if (!handle) return err_set(err, SIMILE_E_ARG, "no translator was given");
    RETURN_IF_ERROR(options_copy(&opt, sizeof opt, options, err));
    if (opt.threads < 0) return err_set(err, SIMILE_E_ARG, "the number of threads is negative");
    simile_translator_session *session = mem_new(simile_translator_session);
    if (!session) return err_nomem(err);
    session->translator = handle;
    const simile_status status = translator_session_new(handle->t, threads_or_default(opt.threads), &session->s, err);
    if (status)
        simile_translator_session_free(session);
    else
        *out = session;
    return status;
}

void simile_translator_session_free(simile_translator_session *session)
{
    if (!session) return;
    translator_session_free(session->s);
    mem_free(session);
}

/* ---- tokens as people may see them ---- */

/* Makes room for at most n tokens of `bytes` bytes together. */
static simile_status make_tokens(translation_memory *m, size_t n, size_t bytes, simile_error *err)
{
    m->bytes = mem_array(bytes + n + 1, 1);
    m->tokens = mem_array(n + 1, sizeof *m->tokens);
    return m->bytes && m->tokens ? SIMILE_OK : err_nomem(err);
}

static size_t put_token(translation_memory *m, size_t n, size_t at, const char *token, size_t len)
{
    memcpy(m->bytes + at, token, len);
    m->bytes[at + len] = 0;
    m->tokens[n] = m->bytes + at;
    return at + len + 1;
}

static simile_status word_tokens(const segmenter *s, const char *text, translation_memory *m, size_t *n,
                                 simile_error *err)
{
    segment_list list;
    segment_list_init(&list);
    simile_status status = segmenter_cut(s, text, strlen(text), SEGMENT_PRECISE, false, &list, err);
    if (!status) status = make_tokens(m, list.n, list.bytes.len, err);
    for (size_t i = 0, at = 0; !status && i < list.n; i++) {
        size_t len;
        const char *word = segment_list_at(&list, i, &len);
        if (!segment_is_blank(word, len)) at = put_token(m, (*n)++, at, word, len);
    }
    segment_list_release(&list);
    return status;
}

static simile_status piece_tokens(const tokenizer *t, const char *text, size_t context, translation_memory *m,
                                  size_t *n, simile_error *err)
{
    token_list list;
    size_t bytes = 0, used = 0;
    RETURN_IF_ERROR(tokenizer_encode(t, text, strlen(text), context, &list, err));
    if (list.n && list.ids[list.n - 1] == tokenizer_end_id(t)) list.n--;
    for (size_t i = 0; i < list.n; i++) {
        const char *piece = tokenizer_piece(t, list.ids[i]);
        bytes += piece ? strlen(piece) : 0;
    }
    const simile_status status = make_tokens(m, list.n, bytes, err);
    for (size_t i = 0; !status && i < list.n; i++) {
        const char *piece = tokenizer_piece(t, list.ids[i]);
        if (piece) used = put_token(m, (*n)++, used, piece, strlen(piece));
    }
    mem_free(list.ids);
    return status;
}

/* ---- translating ---- */

static simile_status keep_candidates(translations *from, simile_translation *out, translation_memory *m,
                                     simile_error *err)
{
    m->candidates = mem_array(from->n + 1, sizeof *m->candidates);
    m->texts = mem_array(from->n + 1, sizeof *m->texts);
    if (!m->candidates || !m->texts) return err_nomem(err);
    for (size_t i = 0; i < from->n; i++) {
        m->texts[i] = from->items[i].text;
        from->items[i].text = NULL;
        m->candidates[i] = (simile_candidate){m->texts[i], from->items[i].score};
    }
    out->candidates = m->candidates;
    out->n_candidates = from->n;
    out->truncated = from->truncated;
    return SIMILE_OK;
}

/* Pieces may stand for white space too. */
static bool is_blank(const char *text)
{
    const size_t len = strlen(text);
    for (size_t at = 0, next = 0; at < len; at = next) {
        utf8_next(text, len, &next);
        if (!segment_is_blank(text + at, next - at)) return false;
    }
    return true;
}

static simile_status keep_tokens(const simile_translator *h, const char *text, simile_translation *out,
                                 translation_memory *m, simile_error *err)
{
    const tokenizer *t = translator_words(h->t);
    const segmenter *s = tokenizer_segmenter(t);
    if (is_blank(text)) return SIMILE_OK;
    RETURN_IF_ERROR(s ? word_tokens(s, text, m, &out->n_tokens, err)
                      : piece_tokens(t, text, (size_t)h->info.context, m, &out->n_tokens, err));
    out->tokens = m->tokens;
    return SIMILE_OK;
}

/* At most TEXTS_AT_ONCE texts. A text without a token has nothing to be translated, whatever the network dreams. */
static simile_status translate_some(simile_translator_session *session, const char *const *texts, size_t n,
                                    const simile_translate_options *opt, simile_translation *items,
                                    translation_memory *memory, simile_error *err)
{
    const char *asked[TEXTS_AT_ONCE];
    translations answers[TEXTS_AT_ONCE] = {0};
    size_t which[TEXTS_AT_ONCE], n_asked = 0;
    for (size_t i = 0; i < n; i++) {
        RETURN_IF_ERROR(keep_tokens(session->translator, texts[i], &items[i], &memory[i], err));
        if (!items[i].n_tokens) continue;
        which[n_asked] = i;
        asked[n_asked++] = texts[i];
    }
    simile_status status = translator_run(session->s, asked, n_asked, opt->best, opt->beams, answers, err);
    for (size_t i = 0; i < n_asked; i++) {
        if (!status) status = keep_candidates(&answers[i], &items[which[i]], &memory[which[i]], err);
        translations_release(&answers[i]);
    }
    return status;
}

static simile_status translate_all(simile_translator_session *session, const char *const *texts, size_t n,
                                   const simile_translate_options *opt, simile_translations *out, simile_error *err)
{
    out->items = mem_zero_array(n + 1, sizeof *out->items);
    out->memory = mem_zero_array(n + 1, sizeof *out->memory);
    if (!out->items || !out->memory) return err_nomem(err);
    out->n = n;
    for (size_t at = 0; at < n; at += TEXTS_AT_ONCE) {
        const size_t some = n - at < TEXTS_AT_ONCE ? n - at : TEXTS_AT_ONCE;
        RETURN_IF_ERROR(translate_some(session, texts + at, some, opt, out->items + at, out->memory + at, err));
        if (opt->progress && opt->progress(opt->user, (int64_t)(at + some), (int64_t)n, NULL))
            return err_set(err, SIMILE_E_CANCELLED, "cancelled");
    }
    return SIMILE_OK;
}

static simile_status check_options(simile_translate_options *opt, simile_error *err)
{
    if (!opt->best) opt->best = 1;
    if (opt->best < 0 || opt->best > MAX_BEST || opt->beams < 0 || opt->beams > MAX_BEST)
        return err_set(err, SIMILE_E_ARG, "candidates and beams of a translation are numbers from 1 to %d", MAX_BEST);
    if (opt->beams && opt->beams < opt->best)
        return err_set(err, SIMILE_E_ARG, "cannot give the %d best of %d beams", opt->best, opt->beams);
    return SIMILE_OK;
}

simile_status simile_translate(simile_translator_session *session, const char *const *texts, size_t n,
                               const simile_translate_options *options, simile_translations **out, simile_error *err)
{
    if (!out) return err_set(err, SIMILE_E_ARG, "no place for the translations was given");
    *out = NULL;
    simile_translate_options opt;
    if (!session || (n && !texts)) return err_set(err, SIMILE_E_ARG, "no session or texts were given");
    RETURN_IF_ERROR(options_copy(&opt, sizeof opt, options, err));
    RETURN_IF_ERROR(check_options(&opt, err));
    for (size_t i = 0; i < n; i++) {
        if (!texts[i]) return err_set(err, SIMILE_E_ARG, "text %zu is missing", i + 1);
    }
    simile_translations *all = mem_new(simile_translations);
    if (!all) return err_nomem(err);
    const simile_status status = translate_all(session, texts, n, &opt, all, err);
    if (status)
        simile_translations_free(all);
    else
        *out = all;
    return status;
}

size_t simile_translations_count(const simile_translations *all)
{
    return all ? all->n : 0;
}

const simile_translation *simile_translations_at(const simile_translations *all, size_t i)
{
    return all && i < all->n ? &all->items[i] : NULL;
}

void simile_translations_free(simile_translations *all)
{
    if (!all) return;
    for (size_t i = 0; i < all->n; i++) {
        translation_memory *m = &all->memory[i];
        for (size_t k = 0; k < all->items[i].n_candidates; k++) mem_free(m->texts[k]);
        mem_free(m->texts);
        mem_free(m->candidates);
        mem_free(m->tokens);
        mem_free(m->bytes);
    }
    mem_free(all->items);
    mem_free(all->memory);
    mem_free(all);
}
